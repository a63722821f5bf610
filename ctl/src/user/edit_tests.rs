use super::*;
use assent_engine::directory::local::User;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ID: &str = "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb";

const FILE: &str = r#"# Users of the lab.
# Kept by Ops.

# The boss.
[[user]]
name = "alice"   # since 2019
id = "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb"
email = 'alice@lab.test' # work
groups = [
  "vip", # very
  "oncall",
]

# Bob leaves soon.
[[user]]
id = "1b4e28ba-2fa1-11d2-883f-b9a761bde300"
name = "bob"
blocked = true # asked by HR

# The end.
"#;

fn edited(text: &str, edit: impl FnOnce(&mut Editor) -> Result<(), EditError>) -> Result<String, EditError> {
    let mut editor = Editor::open(text)?;
    edit(&mut editor)?;
    editor.finish()
}

/// An editor of Windows wrote it; nobody's lines but the user's change.
#[test]
fn row_18_line_ends_and_a_byte_order_mark_stay_as_they_are() {
    let change = |editor: &mut Editor| {
        editor.add("carol", "1b4e28ba-2fa1-11d2-883f-b9a761bde3ff", vec![])?;
        editor.remove("bob")
    };
    let plain = edited(FILE, change).unwrap();
    let windows = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(edited(&windows(FILE), change).unwrap(), windows(&plain));
    let marked = |text: &str| format!("\u{feff}{text}");
    assert_eq!(edited(&marked(FILE), change).unwrap(), marked(&plain));
    assert_eq!(
        edited(&marked(&windows(FILE)), change).unwrap(),
        marked(&windows(&plain))
    );
    let mixed = windows(FILE) + "# by hand\n";
    let kept = edited(&mixed, change).unwrap();
    assert!(
        kept.lines().count() > 5 && !kept.replace("\r\n", "").contains('\n'),
        "{kept:?}"
    );
}

fn set(key: &'static str, value: &str) -> Change {
    Change::Set(key, value.into())
}

/// What differs, line by line, as `diff` would say it.
fn differs(new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (FILE.lines().collect(), new.lines().collect());
    let mut said: Vec<String> = Vec::new();
    said.extend(
        old.iter()
            .filter(|line| !new.contains(line))
            .map(|line| format!("-{line}")),
    );
    said.extend(
        new.iter()
            .filter(|line| !old.contains(line))
            .map(|line| format!("+{line}")),
    );
    said
}

#[test]
fn row_18_an_edit_changes_its_lines_and_keeps_every_comment() {
    for (changes, expected) in [
        (
            vec![set("email", "a@lab.test")],
            vec!["-email = 'alice@lab.test' # work", "+email = \"a@lab.test\" # work"],
        ),
        (vec![set("last_name", "Ahorn")], vec!["+last_name = \"Ahorn\""]),
        (
            vec![Change::Join(vec!["x".into(), "vip".into()])],
            vec!["-  \"oncall\",", "+  \"oncall\", \"x\","],
        ),
        (
            vec![Change::Leave(vec!["oncall".into(), "none".into()])],
            vec!["-  \"oncall\","],
        ),
        (
            vec![Change::Leave(vec!["vip".into()])],
            vec!["-groups = [", "-  \"vip\", # very", "+groups = [ # very"],
        ),
        (vec![Change::Unset("email")], vec!["-email = 'alice@lab.test' # work"]),
    ] {
        let new = edited(FILE, |editor| editor.change("alice", changes)).unwrap();
        assert_eq!(differs(&new), expected, "{new}");
    }
    let new = edited(FILE, |editor| {
        editor.change("bob", vec![Change::Set("blocked", false.into())])
    })
    .unwrap();
    assert_eq!(
        differs(&new),
        ["-blocked = true # asked by HR", "+blocked = false # asked by HR"]
    );
    let new = edited(FILE, |editor| editor.change("alice", vec![set("last_name", "A")])).unwrap();
    let (id, last, email) = (
        new.find("id =").unwrap(),
        new.find("last_name").unwrap(),
        new.find("email").unwrap(),
    );
    assert!(id < last && last < email, "in the usual order:\n{new}");
}

#[test]
fn row_18_a_removed_user_takes_their_comment_along_and_no_other() {
    let new = edited(FILE, |editor| editor.remove("alice")).unwrap();
    assert!(new.starts_with("# Users of the lab.\n# Kept by Ops.\n"), "{new}");
    assert!(
        !new.contains("boss") && new.contains("# Bob leaves soon.\n[[user]]"),
        "{new}"
    );
    let new = edited(FILE, |editor| editor.remove("bob")).unwrap();
    assert!(
        !new.contains("leaves") && new.contains("# The boss.") && new.ends_with("# The end.\n"),
        "{new}"
    );
    let none = edited(&new, |editor| editor.remove("alice")).unwrap();
    assert!(
        none.starts_with("# Users of the lab.") && none.ends_with("# The end.\n"),
        "{none}"
    );
}

#[test]
fn row_18_a_new_user_comes_last_behind_all_comments() {
    let new = edited(FILE, |editor| {
        editor.add("carol", ID.replace("3fb", "301").as_str(), vec![])
    })
    .unwrap();
    let tail = "# The end.\n\n[[user]]\nname = \"carol\"\nid = \"1b4e28ba-2fa1-11d2-883f-b9a761bde301\"\n";
    assert_eq!(new, format!("{FILE}{}", &tail["# The end.\n".len()..]));
    let first = edited("", |editor| editor.add("carol", ID, vec![])).unwrap();
    assert!(first.starts_with("[[user]]\n"), "{first}");
    let shipped = "# Example:\n#[[user]]\n#name = \"x\"";
    let first = edited(shipped, |editor| editor.add("carol", ID, vec![])).unwrap();
    assert!(first.starts_with(&format!("{shipped}\n\n[[user]]\nname")), "{first}");
}

#[test]
fn row_18_what_cannot_be_is_refused() {
    let users = |text| Users::parse(text).err().unwrap();
    let bad = "[[user]]\nname = \"a\"\n";
    assert_eq!(edited(bad, |_| Ok(())), Err(EditError::Bad(users(bad.as_bytes()))));
    let inline = format!("user = [{{name = \"a\", id = \"{ID}\"}}]\n");
    assert_eq!(edited(&inline, |_| Ok(())), Err(EditError::Inline));
    let near = Err(EditError::Missing(Some("alice".into())));
    assert_eq!(edited(FILE, |editor| editor.change("alcie", vec![])), near);
    assert_eq!(
        edited(FILE, |editor| editor.remove("somebody")),
        Err(EditError::Missing(None))
    );
    assert_eq!(
        edited(FILE, |editor| editor.add("bob", ID, vec![])),
        Err(EditError::Exists)
    );
    for (name, change) in [
        ("../x", set("email", "a@b")),
        ("a\nb", set("email", "a@b")),
        ("-rf", set("email", "a@b")),
        ("a\u{202e}b", set("email", "a@b")),
        (&"x".repeat(257), set("email", "a@b")),
        ("carol", set("email", "Alice@LAB.test")),
        ("carol", set("mobile", "0151")),
        ("carol", set("expires", "tomorrow")),
        ("carol", set("id", ID)),
    ] {
        let id = ID.replace("3fb", "301");
        let result = edited(FILE, |editor| editor.add(name, &id, vec![change]));
        assert!(matches!(result, Err(EditError::Result(_))), "{name:?}: {result:?}");
    }
}

#[test]
fn row_18_every_way_to_write_the_file_can_be_edited() {
    let other = "name = \"bob\"\nid = \"1b4e28ba-2fa1-11d2-883f-b9a761bde300\"";
    for text in [
        format!("\u{feff}# c\r\n[[user]]\r\nname = \"alice\"\r\nid = \"{ID}\" # c\r\n\r\n[[user]]\r\n{other}\r\n# c"),
        format!("# c\n  [[ user ]] # c\n  \"name\" = '''alice''' # c\n\tid='{ID}'\n[[user]]\n{other}"),
        format!(
            "[[\"user\"]]\n\n\n# c\nid = \"{ID}\"\n# c\nname=\"\"\"\nalice\"\"\"\n\n\n# c\n\n[[user]]\n{other}\n\n\n"
        ),
        format!("[[user]]\n{other} # c\ngroups = [ # c\n# c\n]\n[[user]]\nname = \"\\u0061lice\"\nid = \"{ID}\""),
    ] {
        let comments = text.matches("# c").count();
        let blocked = edited(&text, |editor| {
            editor.change("alice", vec![Change::Set("blocked", true.into())])
        });
        let blocked = blocked.unwrap_or_else(|e| panic!("{e:?}\n{text}"));
        let new = edited(&blocked, |editor| {
            editor.change("bob", vec![Change::Join(vec!["new".into()])])
        });
        let new = new.unwrap_or_else(|e| panic!("{e:?}\n{blocked}"));
        assert_eq!(new.matches("# c").count(), comments, "{text}\n-----\n{new}");
        let users = Users::parse(new.as_bytes()).ok().unwrap();
        assert!(users.find("alice").unwrap().blocked && !users.find("bob").unwrap().blocked);
        assert_eq!(users.find("bob").unwrap().groups, ["new"]);
        // Nothing but the lines in question changed: the old ones are all there, in their order.
        let mut left = new.trim_start_matches('\u{feff}').lines().map(str::trim_end);
        let old = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
        for line in old.filter(|line| !line.contains("groups") && !line.contains(']')) {
            assert!(left.any(|has| has == line), "{line:?} is gone:\n{new}");
        }
    }
}

/// A user as a test would keep them.
type Model = BTreeMap<String, BTreeMap<&'static str, String>>;

#[derive(Debug, Clone)]
enum Step {
    Add(String),
    Remove(usize),
    Set(usize, &'static str, String),
    Unset(usize, &'static str),
    Join(usize, String),
    Leave(usize, String),
    Block(usize, bool),
    Rename(usize, String),
}

/// Names that are hard on a file's syntax, and those of a few users, so that steps meet.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-e]",
        1 => prop_oneof![Just("a=b"), Just("\"quo\"ted'"), Just("back\\slash"), Just("[[user]]"), Just("# no"), Just("דנה")]
            .prop_map(str::to_owned),
        1 => "[a-z\"'\\\\#=\\[\\].]{1,20}".prop_filter("no '-' first", |name| !name.starts_with('-')),
        1 => Just("x".repeat(256)),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    "[^\\p{C}\\p{Z}][^\\p{C}]{0,15}"
}

fn steps() -> impl Strategy<Value = Step> {
    let key = prop_oneof![Just("first_name"), Just("last_name")];
    prop_oneof![
        4 => names().prop_map(Step::Add),
        1 => any::<usize>().prop_map(Step::Remove),
        4 => (any::<usize>(), key.clone(), texts()).prop_map(|(at, key, text)| Step::Set(at, key, text)),
        1 => (any::<usize>(), key).prop_map(|(at, key)| Step::Unset(at, key)),
        2 => (any::<usize>(), texts()).prop_map(|(at, group)| Step::Join(at, group)),
        1 => (any::<usize>(), texts()).prop_map(|(at, group)| Step::Leave(at, group)),
        1 => any::<(usize, bool)>().prop_map(|(at, blocked)| Step::Block(at, blocked)),
        1 => (any::<usize>(), names()).prop_map(|(at, name)| Step::Rename(at, name)),
    ]
}

fn pick(model: &Model, at: usize) -> Option<String> {
    model.keys().nth(at % model.len().max(1)).cloned()
}

/// Plays a step on the text and on the model.
fn play(text: &str, model: &mut Model, step: Step, number: u32) -> Result<String, EditError> {
    let key_of = |text: &str| text.to_owned();
    match step {
        Step::Add(name) => {
            let id = format!("00000000-0000-4000-8000-{:012x}", number + 1);
            let new = edited(text, |editor| editor.add(&name, &id, vec![]));
            if model.contains_key(&name) {
                assert_eq!(new, Err(EditError::Exists));
                return Ok(text.to_owned());
            }
            model.insert(name, BTreeMap::from([("id", id)]));
            new
        }
        Step::Remove(at) => {
            let Some(name) = pick(model, at) else {
                return Ok(key_of(text));
            };
            model.remove(&name);
            edited(text, |editor| editor.remove(&name))
        }
        Step::Rename(at, to) => {
            let Some(name) = pick(model, at) else {
                return Ok(key_of(text));
            };
            let new = edited(text, |editor| editor.change(&name, vec![set("name", &to)]));
            if name != to && model.contains_key(&to) {
                assert!(matches!(new, Err(EditError::Result(_))));
                return Ok(text.to_owned());
            }
            let user = model.remove(&name).unwrap();
            model.insert(to, user);
            new
        }
        Step::Set(at, key, value) => change(text, model, at, set(key, &value), |user| {
            user.insert(key, value);
        }),
        Step::Unset(at, key) => change(text, model, at, Change::Unset(key), |user| {
            user.remove(key);
        }),
        Step::Block(at, blocked) => change(text, model, at, Change::Set("blocked", blocked.into()), |user| {
            user.insert("blocked", blocked.to_string());
        }),
        Step::Join(at, group) => change(text, model, at, Change::Join(vec![group.clone()]), |user| {
            let groups = user.entry("groups").or_default();
            if !groups.split('\n').any(|has| has == group) {
                groups.push_str(&group);
                groups.push('\n');
            }
        }),
        Step::Leave(at, group) => change(text, model, at, Change::Leave(vec![group.clone()]), |user| {
            if let Some(groups) = user.get_mut("groups") {
                let left = groups.lines().filter(|has| *has != group);
                *groups = left.flat_map(|has| [has, "\n"]).collect();
            }
        }),
    }
}

fn change(
    text: &str,
    model: &mut Model,
    at: usize,
    change: Change,
    same: impl FnOnce(&mut BTreeMap<&'static str, String>),
) -> Result<String, EditError> {
    let Some(name) = pick(model, at) else {
        return Ok(text.to_owned());
    };
    same(model.get_mut(&name).unwrap());
    edited(text, |editor| editor.change(&name, vec![change]))
}

fn modelled(user: &User) -> BTreeMap<&'static str, String> {
    let mut model = BTreeMap::from([("id", user.id.clone())]);
    model.extend(user.first_name.clone().map(|name| ("first_name", name)));
    model.extend(user.last_name.clone().map(|name| ("last_name", name)));
    let groups: String = user.groups.iter().flat_map(|group| [group, "\n"]).collect();
    model.insert("groups", groups);
    model.insert("blocked", user.blocked.to_string());
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn row_18_after_any_edits_the_file_says_what_was_asked_and_all_its_comments(
        all in proptest::collection::vec(steps(), 1..25),
    ) {
        let head = "# Head of the file.\n\n";
        let mut text = head.to_owned();
        let mut model = Model::new();
        for (number, step) in all.into_iter().enumerate() {
            let new = play(&text, &mut model, step.clone(), u32::try_from(number).unwrap());
            text = new.unwrap_or_else(|e| panic!("{step:?} on\n{text}\n{e:?}"));
            // A comment of the admin's comes in by another editor; it must stay as long as its user does.
            if number == 3 {
                text.push_str("\n# In between.\n\n");
            }
            let users = Users::parse(text.as_bytes());
            let users = users.unwrap_or_else(|flaws| panic!("{flaws}\n{text}"));
            let found: Model = users.iter().map(|user| (user.name.clone(), modelled(user))).collect();
            let mut expected = model.clone();
            for user in expected.values_mut() {
                user.entry("groups").or_default();
                user.entry("blocked").or_insert_with(|| "false".into());
            }
            prop_assert_eq!(found, expected);
            prop_assert!(text.starts_with(head), "{}", text);
            prop_assert_eq!(text.matches("# In between.").count(), usize::from(number >= 3), "{}", text);
        }
    }
}
