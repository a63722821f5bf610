//! What the prompt of an enrolment in a login shows: the link as a QR code with the steps beside it, or as text. Pure. It
//! fits 80 by 24 with the `(user@host) ` that OpenSSH's client puts before it, and holds no colours: that client shows
//! control characters as escapes.

use crate::login::enrolling::ENROLMENT_WAIT;
use crate::login::{LinkAs, Tongue};
use crate::qr;
use zeroize::Zeroizing;

/// Columns of a terminal that is shown a QR code.
const COLUMNS: usize = 80;
/// Columns between the code and the steps.
const GAP: usize = 2;

/// The prompt for the digits, below the link. A link that is too long for a QR code is shown as text.
pub fn prompt(link: &str, how: LinkAs, login: &str, tongue: Tongue) -> Zeroizing<String> {
    let drawn = match how {
        LinkAs::Qr => with_code(link, login, tongue),
        LinkAs::Text => None,
    };
    drawn.unwrap_or_else(|| as_text(link, login, tongue))
}

fn as_text(link: &str, login: &str, tongue: Tongue) -> Zeroizing<String> {
    let minutes = ENROLMENT_WAIT.as_secs() / 60;
    Zeroizing::new(match tongue {
        Tongue::English => format!(
            "\nOpen this link on the phone within {minutes} minutes. Give it to nobody else:\n  {link}\n\
             Or open the address before the # there, and type the code behind it.\n\
             Then the six digits that the phone shows (q: QR code, Enter: leave) [{login}]: "
        ),
        Tongue::German => format!(
            "\nOeffnen Sie den Link binnen {minutes} Minuten am Telefon. Geben Sie ihn niemandem:\n  {link}\n\
             Oder oeffnen Sie dort die Adresse vor dem # und tippen den Code dahinter ein.\n\
             Dann die sechs Ziffern des Telefons (q: QR-Code, Enter: abbrechen) [{login}]: "
        ),
        Tongue::Turkish => format!(
            "\nBu baglantiyi {minutes} dakika icinde telefonda acin. Baska kimseye vermeyin:\n  {link}\n\
             Ya da orada # oncesindeki adresi acin ve arkasindaki kodu yazin.\n\
             Sonra telefonun gosterdigi alti rakam (q: QR kodu, Enter: vazgec) [{login}]: "
        ),
    })
}

/// The steps, in lines of at most 32 columns; those before the address, those between it and its code, those behind.
struct Steps {
    before: &'static [&'static str],
    between: &'static str,
    behind: &'static [&'static str],
    question: &'static str,
}

impl Steps {
    fn of(tongue: Tongue) -> Self {
        match tongue {
            Tongue::English => Self {
                before: &[
                    "",
                    "Register your phone:",
                    "",
                    "1. Scan this code with it.",
                    "   Without a camera open",
                ],
                between: "   and type this code there:",
                behind: &[
                    "2. Type here the six digits",
                    "   that the phone shows.",
                    "",
                    "Show the code to nobody else.",
                    "It cannot be read? Type l for",
                    "a link, or Enter to leave.",
                ],
                question: "Six digits",
            },
            Tongue::German => Self {
                before: &[
                    "",
                    "Registrieren Sie Ihr Telefon:",
                    "",
                    "1. Scannen Sie damit den Code.",
                    "   Ohne Kamera oeffnen Sie",
                ],
                between: "   und tippen dort diesen Code:",
                behind: &[
                    "2. Tippen Sie hier die sechs",
                    "   Ziffern des Telefons.",
                    "",
                    "Zeigen Sie den Code niemandem.",
                    "Nicht lesbar? l zeigt einen",
                    "Link, Enter bricht ab.",
                ],
                question: "Sechs Ziffern",
            },
            Tongue::Turkish => Self {
                before: &[
                    "",
                    "Telefonunuzu kaydedin:",
                    "",
                    "1. Bu kodu onunla tarayin.",
                    "   Kamera yoksa sunu acin:",
                ],
                between: "   ve bu kodu oraya yazin:",
                behind: &[
                    "2. Telefonun gosterdigi alti",
                    "   rakami buraya yazin.",
                    "",
                    "Kodu baska kimseye gostermeyin.",
                    "Okunmuyor mu? l baglanti",
                    "gosterir, Enter vazgecer.",
                ],
                question: "Alti rakam",
            },
        }
    }
}

/// The code fills the screen but for the row of the client's own words; the steps stand beside it, and the question on its
/// last row.
fn with_code(link: &str, login: &str, tongue: Tongue) -> Option<Zeroizing<String>> {
    let lines = qr::lines(link)?;
    let side = lines.first()?.chars().count();
    let room = COLUMNS.checked_sub(side + GAP + 1)?;
    let (address, code) = link.split_once('#')?;
    let mut steps: Vec<Zeroizing<String>> = Vec::new();
    let mut say = |text: &str| steps.extend(wrapped(text, room));
    let Steps {
        before,
        between,
        behind,
        question,
    } = Steps::of(tongue);
    for line in before {
        say(line);
    }
    say(&format!("   {address}"));
    say(between);
    for part in pieces(code) {
        say(&format!("   {}", part.as_str()));
    }
    for line in behind {
        say(line);
    }
    let question = format!("{question} [{login}]: ");
    let last = lines.len().checked_sub(1)?;
    if steps.len() > last || question.len() + "123456".len() > room {
        return None;
    }
    let mut text = Zeroizing::new(String::with_capacity(lines.len() * (side * 3 + COLUMNS)));
    for (row, line) in lines.iter().enumerate() {
        text.push('\n');
        text.push_str(line);
        let beside = if row == last {
            question.as_str()
        } else {
            steps.get(row).map_or("", |step| step.as_str())
        };
        if !beside.is_empty() {
            text.extend(std::iter::repeat_n(' ', GAP));
            text.push_str(beside);
        }
    }
    Some(text)
}

/// The parts of a token, each with the dot behind it, so that they can be typed line by line.
fn pieces(code: &str) -> Vec<Zeroizing<String>> {
    let mut pieces: Vec<Zeroizing<String>> = Vec::new();
    for part in code.split_inclusive('.') {
        match pieces.last_mut() {
            // The version alone is no line.
            Some(before) if before.len() <= 2 => before.push_str(part),
            _ => pieces.push(Zeroizing::new(part.to_owned())),
        }
    }
    pieces
}

/// Cut where the room ends: an address has no blanks.
fn wrapped(text: &str, room: usize) -> Vec<Zeroizing<String>> {
    if text.is_empty() {
        return vec![Zeroizing::default()];
    }
    let mut rows: Vec<Zeroizing<String>> = vec![Zeroizing::default()];
    let mut length = 0;
    for c in text.chars() {
        if length == room {
            rows.push(Zeroizing::new("   ".to_owned()));
            length = 3;
        }
        if let Some(row) = rows.last_mut() {
            row.push(c);
            length += 1;
        }
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "k7f3q2";
    const TONGUES: [Tongue; 3] = [Tongue::English, Tongue::German, Tongue::Turkish];

    fn link(host: &str) -> String {
        let (id, secret, root) = ("A".repeat(22), "b".repeat(22), "_".repeat(22));
        format!("https://{host}/e#1.{id}.{secret}.{root}")
    }

    fn rows(prompt: &str) -> Vec<&str> {
        prompt.split('\n').collect()
    }

    #[test]
    fn the_code_and_the_steps_fit_80_by_24_behind_the_clients_own_words() {
        let hosts = ["push.example.org", &"p".repeat(25), "a.de"];
        let all = TONGUES.iter().flat_map(|tongue| hosts.map(|host| (*tongue, host)));
        for (tongue, host) in all {
            let prompt = prompt(&link(host), LinkAs::Qr, ID, tongue);
            let steps = Steps::of(tongue);
            let beside: Vec<String> = prompt
                .split('\n')
                .skip(1)
                .map(|row| row.chars().skip(47).collect())
                .collect();
            for line in steps.before.iter().chain(steps.behind).chain([&steps.between]) {
                assert!(
                    line.is_ascii() && beside.iter().any(|row| row == line),
                    "{line:?} is cut"
                );
            }
            let rows = rows(&prompt);
            // The first is what follows `(user@host) `.
            assert_eq!(rows[0], "");
            assert!(rows.len() <= 24, "{} rows", rows.len());
            for row in &rows {
                assert!(row.chars().count() < 80, "{row}");
            }
            let last = rows.last().unwrap();
            assert!(last.ends_with(&format!("  {} [k7f3q2]: ", steps.question)), "{last}");
            assert!(last.chars().count() + 6 < 80);
            assert!(!prompt.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn a_scanner_reads_the_link_off_the_left_of_the_screen_and_a_person_types_the_code_beside_it() {
        let link = link("push.example.org");
        let prompt = prompt(&link, LinkAs::Qr, ID, Tongue::English);
        let code: Vec<Vec<char>> = rows(&prompt)[1..]
            .iter()
            .map(|row| row.chars().take(45).collect())
            .collect();
        let scale = 8;
        let light = |x: usize, y: usize| {
            let half = code[y / 2].get(x).copied().unwrap_or(' ');
            half == '█' || half == if y.is_multiple_of(2) { '▀' } else { '▄' }
        };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(45 * scale, 45 * scale, |x, y| {
            if light(x / scale, y / scale) { 255 } else { 0 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].decode().unwrap().1, link);
        let beside: Vec<String> = rows(&prompt)
            .iter()
            .map(|row| row.chars().skip(45).collect::<String>().trim().to_owned())
            .collect();
        let at = beside
            .iter()
            .position(|row| row == "and type this code there:")
            .unwrap();
        assert_eq!(beside[at - 1], "https://push.example.org/e");
        assert_eq!(beside[at + 1..at + 4].concat(), link.split_once('#').unwrap().1);
    }

    #[test]
    fn what_is_too_long_for_a_code_and_what_is_asked_for_as_text_is_a_link() {
        let long = link(&"p".repeat(60));
        let links = [(long, LinkAs::Qr), (link("push.example.org"), LinkAs::Text)];
        let all = links.iter().flat_map(|one| TONGUES.map(|tongue| (one, tongue)));
        for ((link, how), tongue) in all {
            let prompt = prompt(link, *how, ID, tongue);
            assert!(prompt.is_ascii());
            assert!(prompt.contains(&format!("\n  {link}\n")));
            assert!(prompt.ends_with("[k7f3q2]: "));
            for row in rows(&prompt).iter().filter(|row| !row.contains(link.as_str())) {
                assert!(row.len() < 80, "{row}");
            }
        }
    }
}
