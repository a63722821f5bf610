use super::*;
use crate::directory::nss::Source;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Three names, two of which share a uid; the first is the one that the uid leads to.
struct StandIn;

impl Source for StandIn {
    fn user(&self, name: &str) -> Result<Option<NssEntry>, String> {
        let (name, uid) = match name {
            "alice" | "ALICE" => ("alice", 1001),
            "bob" => ("bob", 1002),
            "root" | "toor" => ("root", 0),
            "broken" => return Err("EIO".to_owned()),
            _ => return Ok(None),
        };
        Ok(Some(NssEntry {
            name: name.to_owned(),
            uid,
            gid: 100,
            home: Outside::new("/home/x"),
            shell: Outside::new("/bin/sh"),
        }))
    }

    fn groups(&self, user: &NssEntry) -> Result<Vec<String>, String> {
        if user.uid == 0 {
            return Err("EIO".to_owned());
        }
        Ok(vec!["staff".to_owned(), "users".to_owned()])
    }
}

/// Knows everybody but one.
struct Everybody;

impl Source for Everybody {
    fn user(&self, name: &str) -> Result<Option<NssEntry>, String> {
        Ok((name != "nobody-here").then(|| NssEntry {
            name: name.to_owned(),
            uid: 2000,
            gid: 100,
            home: Outside::new("/home/x"),
            shell: Outside::new("/bin/sh"),
        }))
    }

    fn groups(&self, _: &NssEntry) -> Result<Vec<String>, String> {
        Ok(vec!["users".to_owned()])
    }
}

struct Rig {
    dir: PathBuf,
    local: LocalDirectory,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Rig {
    fn new(name: &str, content: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("assent-local-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let profile = LocalProfile {
            name: "local".to_owned(),
            realm: None,
            users_file: dir.join("users.toml"),
            may_be_absent: false,
        };
        let rig = Self {
            dir,
            local: LocalDirectory::new(profile, Arc::new(Nss::with_source(Arc::new(StandIn))), "host1"),
        };
        rig.write(content, 0o600);
        rig
    }

    fn file(&self) -> &Path {
        &self.local.profile.users_file
    }

    fn write(&self, content: &str, mode: u32) {
        std::fs::write(self.file(), content).unwrap();
        std::fs::set_permissions(self.file(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    async fn look_up(&self, name: &str) -> Lookup {
        self.local.look_up(&user(name)).await
    }

    async fn check(&self, name: &str, password: &str) -> PasswordCheck {
        let password = Password::new(Zeroizing::new(password.as_bytes().to_vec())).unwrap();
        self.local.check_password(&user(name), &password).await
    }
}

fn user(name: &str) -> UserName {
    UserName::new(&Outside::new(name.as_bytes())).unwrap()
}

fn found(lookup: Lookup) -> Person {
    match lookup {
        Lookup::Found(person) => *person,
        other => panic!("{other:?}"),
    }
}

fn values(person: &Person, name: &str) -> Vec<String> {
    let found = person.attributes.find(name);
    found
        .map(|found| found.values.iter().map(|value| value.shown(100)).collect())
        .unwrap_or_default()
}

fn alice(more: &str) -> String {
    format!("[[user]]\nname = \"alice\"\nid = \"1b4e28ba-2fa1-11d2-883f-b9a761bde3fb\"\n{more}")
}

fn hashed() -> String {
    alice(&format!("password_hash = \"{}\"\n", hash::tests::CHEAP))
}

#[tokio::test]
async fn r58_listed_users_are_their_uuid_and_others_their_uid() {
    let rig = Rig::new(
        "identity",
        &alice("groups = [\"vip\", \"staff\"]\nemail = \"a@lab.test\"\nfirst_name = \"Al\"\n"),
    );
    let alice = found(rig.look_up("alice").await);
    assert_eq!(
        alice.identity.to_string(),
        "local@host1#1b4e28ba-2fa1-11d2-883f-b9a761bde3fb"
    );
    assert_eq!(values(&alice, "group_name"), ["staff", "users", "vip"]);
    assert_eq!(values(&alice, "email"), ["a@lab.test"]);
    assert_eq!(values(&alice, "first_name"), ["Al"]);
    assert_eq!(values(&alice, "username"), ["alice"]);
    assert_eq!(alice.attributes.find("username").unwrap().syntax, Syntax::ExactText);
    let bob = found(rig.look_up("bob").await);
    assert_eq!(bob.identity.to_string(), "nss@host1#1002");
    assert_eq!(
        (values(&bob, "uid"), values(&bob, "shell")),
        (vec!["1002".to_owned()], vec!["/bin/sh".to_owned()])
    );
    assert_eq!(values(&bob, "email"), Vec::<String>::new());
    // Another spelling that NSS takes for the same user is the same identity.
    assert_eq!(found(rig.look_up("ALICE").await), alice);
}

#[tokio::test]
async fn a_fleets_realm_replaces_the_hosts_for_listed_users_alone() {
    let mut rig = Rig::new("realm", &alice(""));
    let mut profile = rig.local.profile.clone();
    profile.realm = ShortText::new("fleet");
    rig.local = LocalDirectory::new(profile, Arc::new(Nss::with_source(Arc::new(StandIn))), "host1");
    assert_eq!(found(rig.look_up("alice").await).identity.realm.as_str(), "fleet");
    assert_eq!(found(rig.look_up("bob").await).identity.realm.as_str(), "nss@host1");
}

#[tokio::test]
async fn a_user_that_nss_does_not_know_is_unknown_even_if_listed() {
    let rig = Rig::new("ghost", &hashed().replace("alice", "ghost"));
    assert_eq!(rig.look_up("ghost").await, Lookup::Unknown);
    assert_eq!(rig.check("ghost", "hunter2").await, PasswordCheck::Unknown);
    assert_eq!(rig.look_up("nobody-here").await, Lookup::Unknown);
}

#[tokio::test]
async fn r33_nss_that_cannot_say_is_not_taken_for_no() {
    let rig = Rig::new("broken", "");
    assert!(matches!(rig.look_up("broken").await, Lookup::Unreachable(_)));
    assert!(
        matches!(rig.look_up("root").await, Lookup::Unreachable(_)),
        "its groups cannot be told"
    );
    assert!(matches!(rig.check("broken", "x").await, PasswordCheck::Unreachable(_)));
}

#[tokio::test]
async fn passwords_are_checked_against_the_files_hash_alone() {
    let rig = Rig::new("password", &hashed());
    let PasswordCheck::Passed(person) = rig.check("alice", "hunter2").await else {
        panic!("not passed");
    };
    assert_eq!(person.account, Account::Active);
    assert_eq!(rig.check("alice", "hunter3").await, PasswordCheck::Wrong);
    assert_eq!(rig.check("bob", "hunter2").await, PasswordCheck::NoPassword);
    assert_eq!(rig.check("nobody-here", "hunter2").await, PasswordCheck::Unknown);
    rig.write(&alice(""), 0o600);
    assert_eq!(rig.check("alice", "hunter2").await, PasswordCheck::NoPassword);
}

#[tokio::test]
async fn blocked_and_expired_accounts_are_told() {
    let rig = Rig::new("account", &hashed());
    for (more, expected) in [
        ("blocked = true\n", Account::Disabled),
        ("expires = \"2001-01-01\"\n", Account::Expired),
        ("expires = \"9999-01-01\"\n", Account::Active),
        ("blocked = false\n", Account::Active),
        ("blocked = true\nexpires = \"2001-01-01\"\n", Account::Disabled),
    ] {
        rig.write(&format!("{}{more}", hashed()), 0o600);
        assert_eq!(found(rig.look_up("alice").await).account, expected, "{more}");
        let PasswordCheck::Passed(person) = rig.check("alice", "hunter2").await else {
            panic!("{more}");
        };
        assert_eq!(person.account, expected, "{more}");
        assert_eq!(rig.check("alice", "wrong").await, PasswordCheck::Wrong, "{more}");
    }
}

#[tokio::test]
async fn a_file_that_is_bad_open_or_gone_makes_everybody_unreachable_until_it_is_mended() {
    let rig = Rig::new("bad", &hashed());
    let trouble = async |what: &str| {
        for name in ["alice", "bob", "nobody-here"] {
            let Lookup::Unreachable(why) = rig.look_up(name).await else {
                panic!("{what}: {name} was answered");
            };
            assert!(why.contains("users.toml") && why.contains(what), "{what}: {why}");
            assert!(
                matches!(rig.check(name, "hunter2").await, PasswordCheck::Unreachable(_)),
                "{what}"
            );
        }
    };
    let good = async |when: &str| assert!(matches!(rig.look_up("alice").await, Lookup::Found(_)), "{when}");
    good("at first").await;
    for (mode, what) in [(0o644, "0644"), (0o660, "0660"), (0o602, "0602")] {
        rig.write(&hashed(), mode);
        trouble(what).await;
    }
    rig.write(&hashed(), 0o640);
    good("closed again").await;
    rig.write("[[user]]\nname = \"alice\"\nid = \"x\"\n", 0o600);
    trouble("line 3: id must be a UUID").await;
    rig.write(&hashed(), 0o600);
    good("mended").await;
    std::fs::remove_file(rig.file()).unwrap();
    trouble("No such file").await;
    std::fs::create_dir(rig.file()).unwrap();
    trouble("no regular file").await;
    std::fs::remove_dir(rig.file()).unwrap();
    rig.write(&hashed(), 0o600);
    if nix::unistd::geteuid().is_root() {
        nix::unistd::chown(rig.file(), Some(nix::unistd::Uid::from_raw(12_345)), None).unwrap();
        trouble("belongs to uid 12345").await;
        nix::unistd::chown(rig.file(), Some(nix::unistd::Uid::from_raw(0)), None).unwrap();
    }
    good("ours again").await;
}

#[tokio::test]
async fn r59_names_that_share_a_uid_are_one_user() {
    struct Aliases;
    impl Source for Aliases {
        fn user(&self, _: &str) -> Result<Option<NssEntry>, String> {
            Ok(Some(NssEntry {
                name: "root".to_owned(),
                uid: 0,
                gid: 0,
                home: Outside::new("/root"),
                shell: Outside::new("/bin/sh"),
            }))
        }
        fn groups(&self, _: &NssEntry) -> Result<Vec<String>, String> {
            Ok(vec!["root".to_owned()])
        }
    }
    let rig = Rig::new("toor", &alice("").replace("alice", "root"));
    let nss = Arc::new(Nss::with_source(Arc::new(Aliases)));
    let local = LocalDirectory::new(rig.local.profile.clone(), nss, "host1");
    let root = found(local.look_up(&user("root")).await);
    assert_eq!(root.identity.realm.as_str(), "local@host1");
    assert_eq!(found(local.look_up(&user("toor")).await), root);
}

/// At a cost that no default has.
fn costly() -> String {
    let hash = hash::tests::CHEAP.replace("m=64,t=1", "m=4096,t=3");
    format!("password_hash = \"{hash}\"\n")
}

/// Asserts that the wrong password of each costs one hash, as dear as everybody's. (What that takes in milliseconds is
/// a benchmark's matter: other tests run in this process.)
async fn each_costs_one_hash(rig: &Rig, names: &[&str]) {
    for name in names {
        rig.check(name, "wrong").await;
        let computed = std::mem::take(&mut *rig.local.hashing.computed.lock().unwrap());
        assert_eq!(computed, [(4096, 3, 1)], "{name}");
    }
}

#[tokio::test]
async fn r31_unknown_users_wrong_passwords_and_users_without_one_cost_one_hash_each() {
    let rig = Rig::new("time", &alice(&costly()));
    let names = ["alice", "bob", "nobody-here"];
    each_costs_one_hash(&rig, &names).await;
}

#[tokio::test]
async fn r31_row_18_blocked_and_expired_users_cost_one_hash_like_a_wrong_password() {
    let other = |name: &str, id: char, more: &str| {
        let id = format!("6b1f0e3a-1111-4222-8333-44445555666{id}");
        format!("[[user]]\nname = \"{name}\"\nid = \"{id}\"\n{}{more}\n", costly())
    };
    let blocked = other("blocked", '1', "blocked = true");
    let expired = other("expired", '2', "expires = \"2001-01-01\"");
    let mut rig = Rig::new("time-blocked", &format!("{}{blocked}{expired}", alice(&costly())));
    rig.local = LocalDirectory::new(
        rig.local.profile.clone(),
        Arc::new(Nss::with_source(Arc::new(Everybody))),
        "host1",
    );
    let names = ["alice", "blocked", "expired", "nobody-here"];
    for name in &names[1..3] {
        assert_ne!(found(rig.look_up(name).await).account, Account::Active);
    }
    each_costs_one_hash(&rig, &names).await;
}

#[tokio::test]
async fn without_nss_the_file_alone_says_who_there_is() {
    let content = format!(
        "[[user]]\nname = \"zoe\"\nid = \"6b1f0e3a-1111-4222-8333-444455556666\"\npassword_hash = \"{}\"\ngroups = [\"staff\"]\n",
        hash::tests::CHEAP
    );
    let mut rig = Rig::new("without-nss", &content);
    let realm = ShortText::new("fleet.example.org").unwrap();
    rig.local = LocalDirectory::without_nss(rig.local.profile.clone(), realm.clone());
    // NSS here knows alice and bob, and not zoe.
    let PasswordCheck::Passed(zoe) = rig.check("zoe", "hunter2").await else {
        panic!("zoe is listed");
    };
    assert_eq!(zoe.identity.realm, realm);
    assert_eq!(zoe.identity.id.as_str(), "6b1f0e3a-1111-4222-8333-444455556666");
    assert!(zoe.attributes.find("group_name").is_some() && zoe.attributes.find("uid").is_none());
    assert_eq!(values(&zoe, "username"), ["zoe"]);
    assert_eq!(rig.check("zoe", "wrong").await, PasswordCheck::Wrong);
    assert_eq!(rig.check("alice", "hunter2").await, PasswordCheck::Unknown);
    assert_eq!(rig.look_up("alice").await, Lookup::Unknown);
}

#[tokio::test]
async fn row_18_a_change_is_seen_at_once_however_alike_the_file_looks() {
    let (open, shut) = (alice("blocked = false# \n"), alice("blocked = true # \n"));
    assert_eq!(open.len(), shut.len());
    let rig = Rig::new("same-second", &open);
    let began = std::time::Instant::now();
    let mut within_a_second = 0;
    let mut account = Account::Active;
    for round in 0..200 {
        let content = if round % 2 == 0 { &shut } else { &open };
        if round % 4 < 2 {
            // In place: the same inode, the same size.
            rig.write(content, 0o600);
        } else {
            // As `assentctl` does it; the inode that was freed is often given out again.
            let new = rig.dir.join("new");
            std::fs::write(&new, content).unwrap();
            std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::fs::rename(&new, rig.file()).unwrap();
        }
        let now = found(rig.look_up("alice").await).account;
        assert_ne!(now, account, "round {round}");
        account = now;
        within_a_second += u32::from(began.elapsed() < std::time::Duration::from_secs(1));
    }
    assert!(
        within_a_second > 20,
        "{within_a_second} changes within the first second"
    );
}

#[tokio::test]
async fn row_18_a_file_changed_moments_ago_is_read_again_even_if_all_its_times_are_the_same() {
    let rig = Rig::new("same-times", &alice(""));
    assert_eq!(found(rig.look_up("alice").await).account, Account::Active);
    rig.write(&alice("blocked = true\n"), 0o600);
    // A kernel whose clock ticks slowly would give this file the stamp of the one that was read.
    let same = Stamp::now(rig.file()).unwrap();
    let mut kept = rig.local.file.lock().unwrap().take().unwrap();
    assert!(!kept.settled, "it was read right after it was written");
    kept.stamp = same;
    *rig.local.file.lock().unwrap() = Some(kept);
    assert_eq!(found(rig.look_up("alice").await).account, Account::Disabled);
}

#[tokio::test]
async fn row_18_a_password_is_the_same_composed_and_decomposed() {
    let rig = Rig::new("nfc", &alice(""));
    let composed = "Zo\u{eb} und die Gans";
    let decomposed = "Zoe\u{308} und die Gans";
    for stored in [composed, decomposed] {
        let users = Users::parse(alice("").as_bytes()).ok().unwrap();
        let new = password::NewPassword::new(stored.as_bytes(), users.find("alice").unwrap());
        let hash = new.ok().unwrap().hash().unwrap();
        rig.write(&alice(&format!("password_hash = \"{hash}\"\n")), 0o600);
        for typed in [composed, decomposed] {
            assert!(
                matches!(rig.check("alice", typed).await, PasswordCheck::Passed(_)),
                "{typed}"
            );
        }
        assert_eq!(rig.check("alice", "Zoe und die Gans").await, PasswordCheck::Wrong);
    }
}

#[tokio::test]
async fn row_5_policies_see_every_attribute_of_a_local_user() {
    let more = "first_name = \"Al\"\nlast_name = \"Ahorn\"\nemail = \"a@lab.test\"\nmobile = \"+491515550101\"\n\
                groups = [\"vip\", \"staff\"]\n";
    let rig = Rig::new("attributes", &alice(more));
    let alice = found(rig.look_up("alice").await);
    for (name, expected) in [
        ("username", &["alice"][..]),
        ("uid", &["1001"]),
        ("group_name", &["staff", "users", "vip"]),
        ("home", &["/home/x"]),
        ("shell", &["/bin/sh"]),
        ("first_name", &["Al"]),
        ("last_name", &["Ahorn"]),
        ("email", &["a@lab.test"]),
        ("mobile", &["+491515550101"]),
    ] {
        assert_eq!(values(&alice, name), expected, "{name}");
    }
    assert_eq!(alice.attributes.iter().count(), 9);
}

#[test]
fn row_18_the_example_in_the_manual_is_valid() {
    let page = include_str!("../../../../docs/reference/users.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let users = Users::parse(example.unwrap().as_bytes()).map_err(|flaws| flaws.to_string());
    let users = users.unwrap();
    let alice = users.find("alice").unwrap();
    assert!(alice.has_password() && alice.mobile.is_some() && alice.expires.is_some());
    for key in KEYS {
        assert!(page.contains(&format!("`{key}`")), "{key} is not explained");
    }
}
