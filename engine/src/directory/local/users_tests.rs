use super::*;

const ALICE: &str = "[[user]]\nname = \"alice\"\nid = \"1B4E28BA-2FA1-11D2-883F-B9A761BDE3FB\"\n";
const BOB: &str = "[[user]]\nname = \"bob\"\nid = \"00000000-0000-0000-0000-00000000000b\"\n";

fn problem(text: &str) -> String {
    match Users::parse(text.as_bytes()) {
        Ok(_) => panic!("no problem: {text}"),
        Err(flaws) => flaws.to_string(),
    }
}

#[test]
fn row_18_a_file_with_every_key_is_read() {
    let more = "first_name = \"Al\"\nlast_name = \"Ahorn\"\nemail = \"a@lab.test\"\nmobile = \"+491515550101\"\n\
                groups = [\"vip\"]\nexpires = \"2027-01-31\"\nblocked = true\n";
    let users = Users::parse(format!("# ours\n{ALICE}{more}\n{BOB}").as_bytes())
        .ok()
        .unwrap();
    let alice = users.find("alice").unwrap();
    assert_eq!(alice.id, "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb");
    let texts = [&alice.first_name, &alice.last_name, &alice.email, &alice.mobile];
    let expected = ["Al", "Ahorn", "a@lab.test", "+491515550101"].map(|text| Some(text.to_owned()));
    assert_eq!(texts.map(Clone::clone), expected);
    assert_eq!((alice.expires, alice.blocked), (Some(20_849), true));
    assert_eq!(alice.groups, ["vip"]);
    assert!(users.find("Alice").is_none() && users.find("bob").is_some());
    assert_eq!(users.iter().len(), 2);
    assert!(Users::parse(b"").is_ok());
}

#[test]
fn row_18_every_problem_is_told_with_its_line_and_mend() {
    let mail = "email = \"X@lab.test\"\n";
    for (add, expected) in [
        (
            "nmae = \"x\"\n",
            "line 4: unknown key \"nmae\" (did you mean \"name\"?)",
        ),
        (
            "firstname = \"x\"\n",
            "line 4: unknown key \"firstname\" (did you mean \"first_name\"?)",
        ),
        ("uid = 7\n", "line 4: unknown key \"uid\" (did you mean \"id\"?)"),
        (
            "favourite_colour = 7\n",
            "line 4: unknown key \"favourite_colour\" (known are: name, id, ",
        ),
        ("expires = \"2027-02-30\"\n", "line 4: expires must be a day (such as"),
        (
            "expires = 2027-01-30\n",
            "line 4: expires cannot be of the type datetime (write a text in quotes)",
        ),
        (
            "blocked = \"yes\"\n",
            "line 4: blocked cannot be of the type string (write true or false",
        ),
        (
            "password_hash = \"hunter2\"\n",
            "line 4: password_hash is no PHC string (`assentctl user passwd`",
        ),
        ("email = \"\"\n", "line 4: email is no mail address"),
        ("first_name = \" \"\n", "line 4: first_name is empty"),
        ("mobile = \"1\\n2\"\n", "line 4: mobile is no E.164 number"),
        (
            "mobile = \"+49 151 5550101\"\n",
            "line 4: mobile is no E.164 number (write \"+491515550101\")",
        ),
        ("groups = [\"\"]\n", "line 4: group is empty"),
        (
            "groups = [\n\"a\",\n3]\n",
            "line 6: group cannot be of the type integer",
        ),
        ("groups = \"a\"\n", "line 4: groups cannot be of the type string"),
        ("name = \"al\"\n", "line 4: duplicate key"),
        ("= 3\n", "line 4: "),
        (
            BOB.replace("bob", "alice").as_str(),
            "line 5: alice stands here twice (keep one",
        ),
        (
            ALICE.replace("alice", "eve").to_lowercase().as_str(),
            "line 6: this id is alice's already (give each user",
        ),
        (
            format!("{mail}{BOB}{}", mail.to_lowercase()).as_str(),
            "line 8: this email is alice's already",
        ),
        (
            BOB.replace("0b\"", "00\"").as_str(),
            "line 6: id must be a UUID (make one",
        ),
        (BOB.replace("bob", "-rf").as_str(), "line 5: name: "),
        (BOB.replace("bob", "a/b").as_str(), "line 5: name: "),
        (BOB.replace("name", "mobile").as_str(), "line 4: this user has no name"),
        (
            "[[users]]\n",
            "line 4: unknown key \"users\" (the file has tables [[user]]",
        ),
    ] {
        let problem = problem(&format!("{ALICE}{add}"));
        assert!(problem.starts_with(expected), "{add:?}: {problem}");
    }
    assert!(problem("[user]\nname = \"a\"\n").starts_with("line 1: user is no list of tables (write [[user]]"));
    assert!(problem("user = [3]\n").starts_with("line 1: a user is a table"));
    let two = problem(&format!("{ALICE}expires = \"x\"\nemail = \"\"\n"));
    assert!(two.contains("line 4: ") && two.contains("line 5: "), "{two}");
    assert_eq!(Users::parse(b"\n\n\xff").err().unwrap().0[0].line, 3);
}

#[test]
fn r44_a_hash_in_the_wrong_line_is_not_cited() {
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0$c2VjcmV0";
    for key in KEYS.into_iter().chain(["blokced"]) {
        let problem = problem(&format!("[[user]]\nname = \"a\"\n{key} = \"{hash}\"\n"));
        assert!(!problem.contains("c2VjcmV0"), "{problem}");
    }
}

#[test]
fn row_18_an_account_is_good_until_its_last_day_ends_in_utc() {
    let text = format!("{ALICE}expires = \"2027-01-31\"\n");
    let users = Users::parse(text.as_bytes()).ok().unwrap();
    let alice = users.find("alice").unwrap();
    let last_second = 20_849 * date::DAY + date::DAY - 1;
    assert_eq!(alice.account(last_second), Account::Active);
    assert_eq!(alice.account(last_second + 1), Account::Expired);
    assert_eq!(alice.account(i64::MAX), Account::Expired, "a clock that is no clock");
}

proptest::proptest! {
    #[test]
    fn row_18_no_text_breaks_the_reader_and_every_flaw_has_a_line_of_the_file(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        at: usize,
        put in "[\\PC\n\"'\\[\\]{}=#.,0-9-]{0,6}",
        cut in 0_usize..6,
    ) {
        let good = format!("{ALICE}groups = [\"a\"]\nexpires = \"2027-01-31\"\nblocked = false\n{BOB}");
        let mut text: Vec<char> = good.chars().collect();
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        for content in [&bytes[..], text.as_bytes()] {
            if let Err(flaws) = Users::parse(content) {
                let lines = content.iter().filter(|byte| **byte == b'\n').count() + 1;
                proptest::prop_assert!(!flaws.0.is_empty());
                for flaw in flaws.0 {
                    proptest::prop_assert!((1..=lines).contains(&flaw.line), "{}", flaw);
                    proptest::prop_assert!(!flaw.to_string().contains(|c: char| c.is_control()), "{:?}", flaw);
                }
            }
        }
    }
}
