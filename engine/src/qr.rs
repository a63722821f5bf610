//! A link as a QR code for a terminal of 80×24: half blocks, the light modules drawn, four modules of quiet around.

use qrcode::{Color, EcLevel, QrCode};

/// Modules of light around the code (ISO/IEC 18004).
const QUIET: usize = 4;
/// Columns and rows that there are; one row stays for the question below.
const COLUMNS: usize = 80;
const ROWS: usize = 23;

/// The lines to print; `None` when the link is too long for the screen.
pub fn lines(link: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    let side = code.width() + 2 * QUIET;
    if side > COLUMNS || side.div_ceil(2) > ROWS {
        return None;
    }
    let light = |x: usize, y: usize| {
        let inside = |at: usize| (QUIET..QUIET + code.width()).contains(&at);
        y < side && !(inside(x) && inside(y) && code[(x - QUIET, y - QUIET)] == Color::Dark)
    };
    let row = |top: usize| {
        (0..side)
            .map(|x| match (light(x, top), light(x, top + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect()
    };
    Some((0..side).step_by(2).map(row).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What a camera sees of the lines: bright where a half block is.
    fn photographed(lines: &[String]) -> (usize, Vec<Vec<bool>>) {
        let mut rows = Vec::new();
        for line in lines {
            rows.push(line.chars().map(|c| matches!(c, '█' | '▀')).collect::<Vec<bool>>());
            rows.push(line.chars().map(|c| matches!(c, '█' | '▄')).collect());
        }
        (lines[0].chars().count(), rows)
    }

    fn longest_link() -> String {
        let code = format!("1.{}.{}.{}", "A".repeat(22), "b".repeat(22), "_".repeat(22));
        let host = "p".repeat(106 - "https:///e#".len() - code.len());
        format!("https://{host}/e#{code}")
    }

    #[test]
    fn the_longest_link_fits_a_screen_of_80_by_24_with_its_quiet_zone() {
        let link = longest_link();
        assert_eq!(link.len(), 106);
        let lines = lines(&link).unwrap();
        assert!(lines.len() <= 23, "{} rows", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 80));
        let (width, rows) = photographed(&lines);
        assert_eq!(width, 45);
        for (y, row) in rows.iter().take(45).enumerate() {
            for (x, light) in row.iter().enumerate() {
                let border = x < 4 || y < 4 || x >= 41 || y >= 41;
                assert!(*light || !border, "the quiet zone is dark at {x},{y}");
            }
        }
    }

    #[test]
    fn a_scanner_reads_the_link_back() {
        for link in [longest_link(), "https://a.example/e#1.AA.BB.CC".to_owned()] {
            let (width, rows) = photographed(&lines(&link).unwrap());
            let scale = 8;
            let mut image = rqrr::PreparedImage::prepare_from_greyscale(width * scale, width * scale, |x, y| {
                if rows[y / scale][x / scale] { 255 } else { 0 }
            });
            let grids = image.detect_grids();
            assert_eq!(grids.len(), 1);
            assert_eq!(grids[0].decode().unwrap().1, link);
        }
    }

    #[test]
    fn a_link_that_does_not_fit_is_not_drawn() {
        assert!(lines(&"x".repeat(107)).is_none());
        assert!(lines(&"x".repeat(5000)).is_none());
    }
}
