#![allow(clippy::unwrap_used)]

use super::super::samples::{host, request};
use super::*;
use assent_proto::ShortText;
use std::time::Duration;

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

fn title(display: &str, service: &str, wording: Wording) -> Option<String> {
    let request = request(&host(display), service);
    let mut found = notices([(&request.statement, at(60))].into_iter(), wording);
    assert!(found.len() < 2);
    found.pop().map(|notice| notice.title)
}

fn notice(title: &str) -> Notice {
    Notice {
        id: Id::random().unwrap(),
        title: title.into(),
        body: String::new(),
        ends: at(60),
    }
}

fn place(desktop: &str, number: u32) -> Place {
    Place {
        desktop: desktop.into(),
        number,
    }
}

#[test]
fn r11_a_notification_names_service_and_host_and_nothing_else_of_a_request() {
    let names = |display, service| title(display, service, Wording::Names).unwrap();
    assert_eq!(names("web01", "sshd"), "SSH login on web01");
    assert_eq!(names("web01", "sudo"), "sudo on web01");
    assert_eq!(names("registrar", ENROL_SERVICE), "A change of your devices");
    assert_eq!(title("web01", "sshd", Wording::Plain).unwrap(), "A sign-in is waiting");
    assert_eq!(title("web01", "sudo", Wording::Plain).unwrap(), "A sign-in is waiting");
    assert_eq!(title("web01", "sshd", Wording::Off), None);
}

#[test]
fn r11_the_only_button_is_deny_and_only_where_there_are_buttons() {
    let able = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    assert_eq!(buttons(&able(&["body", "actions"])), ["deny", "Deny"]);
    assert!(buttons(&able(&["body", "action-icons"])).is_empty());
}

#[test]
fn no_two_that_wait_at_once_read_alike_and_no_body_holds_markup() {
    let request = request(&host("web01"), "<b>&").statement;
    let three = notices([(&request, at(60)); 3].into_iter(), Wording::Names);
    let bodies: Vec<&str> = three.iter().map(|notice| notice.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            "The details are in the terminal.",
            "It came while another one waited. The details are in the terminal.",
            "It came while 2 others waited. The details are in the terminal.",
        ]
    );
}

#[test]
fn r68_a_name_can_neither_hide_nor_push_the_other_out_of_the_title() {
    let mut odd = request(&host("web01"), "a\nb").statement;
    odd.host.display = ShortText::cut("web\u{202e}01".into());
    let shown = notices([(&odd, at(60))].into_iter(), Wording::Names);
    assert_eq!(shown[0].title, "a⟨U+000A⟩b on web⟨U+202E⟩01");
    let long = title("web01", &"x".repeat(120), Wording::Names).unwrap();
    assert!(long.ends_with(" on web01") && long.chars().count() < 80, "{long}");
}

#[test]
fn each_that_waits_is_shown_once_and_closed_when_it_waits_no_more() {
    let mut board = Board::default();
    let (one, two) = (notice("one"), notice("two"));
    assert_eq!(board.settle(std::slice::from_ref(&one)), [Todo::Show(one.clone())]);
    // One behind another as well, and none a second time.
    assert_eq!(board.settle(&[one.clone(), two.clone()]), [Todo::Show(two.clone())]);
    board.asked(one.id, Some(place(":1.5", 7)));
    board.asked(two.id, Some(place(":1.5", 8)));
    assert_eq!(board.settle(&[one.clone(), two.clone()]), []);
    assert_eq!(
        board.settle(std::slice::from_ref(&two)),
        [Todo::Close(place(":1.5", 7))]
    );
    assert_eq!(board.settle(&[]), [Todo::Close(place(":1.5", 8))]);
    assert_eq!(board.settle(&[]), []);
    // One whose answer did not get through comes again, and is shown again.
    assert_eq!(board.settle(std::slice::from_ref(&one)), [Todo::Show(one)]);
}

#[test]
fn what_ends_before_a_slow_desktop_has_answered_is_closed_when_it_has() {
    let mut board = Board::default();
    let one = notice("one");
    board.settle(std::slice::from_ref(&one));
    assert_eq!(board.settle(&[]), [], "nobody knows yet what to close");
    assert_eq!(board.settle(std::slice::from_ref(&one)), [], "nor is it shown twice");
    board.asked(one.id, Some(place(":1.5", 7)));
    assert_eq!(board.settle(&[]), [Todo::Close(place(":1.5", 7))]);
}

#[test]
fn what_could_not_be_shown_or_was_put_away_is_neither_shown_again_nor_closed() {
    let mut board = Board::default();
    let (one, two) = (notice("one"), notice("two"));
    let both = [one.clone(), two.clone()];
    board.settle(&both);
    board.asked(one.id, None);
    board.asked(two.id, Some(place(":1.5", 8)));
    board.gone(&place(":1.5", 8));
    assert_eq!(board.settle(&both), []);
    assert_eq!(board.settle(&[]), []);
}

#[test]
fn deny_counts_only_from_the_desktop_that_showed_it_by_its_number_and_while_it_waits() {
    let mut board = Board::default();
    let one = notice("one");
    board.settle(std::slice::from_ref(&one));
    assert_eq!(board.denied(&place(":1.5", 7), DENY), None, "not shown yet");
    board.asked(one.id, Some(place(":1.5", 7)));
    assert_eq!(board.denied(&place(":1.5", 7), DENY), Some(one.id));
    assert_eq!(board.denied(&place(":1.6", 7), DENY), None, "another's word");
    assert_eq!(board.denied(&place(":1.5", 8), DENY), None, "another's number");
    for action in ["default", "approve", "Deny", ""] {
        assert_eq!(board.denied(&place(":1.5", 7), action), None, "{action}");
    }
    // Some desktops say first that it is gone.
    board.gone(&place(":1.5", 7));
    assert_eq!(board.denied(&place(":1.5", 7), DENY), Some(one.id));
    board.settle(&[]);
    assert_eq!(board.denied(&place(":1.5", 7), DENY), None, "over");
}

#[test]
fn with_the_bus_goes_what_was_up_on_it() {
    let mut board = Board::default();
    let one = notice("one");
    board.settle(std::slice::from_ref(&one));
    board.asked(one.id, Some(place(":1.5", 7)));
    board.bus_lost();
    assert_eq!(board.denied(&place(":1.5", 7), DENY), None);
    assert_eq!(board.settle(&[]), []);
}
