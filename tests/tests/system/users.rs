//! `assentctl user` and what comes of it at real logins: MISSION.md row 18 (local users), row 5 (their attributes).

use super::ssh::count;
use assent_tests::accounts::{LOCAL, LOCAL_PASSWORD};
use assent_tests::product::{PATIENCE, Site, assentctl, program, stack};
use assent_tests::program::{Finished, Program};
use assent_tests::sshd::Sshd;
use assent_tests::sudoers::{self, Sudo};
use assent_tests::suite::Scenario;
use assent_tests::terminal::Terminal;
use assent_tests::{SOON, accounts, scenarios, scratch};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

pub const SCENARIOS: &[Scenario] = scenarios![
    row_18_a_blocked_user_is_refused_at_the_very_next_sudo_and_welcome_once_unblocked,
    row_18_a_local_users_password_and_a_tap_open_a_shell_and_nss_alone_has_none,
    row_18_a_password_comes_from_the_terminal_twice_and_unseen,
    row_18_twenty_editors_at_once_lose_no_change,
    row_18_an_editor_killed_at_any_step_leaves_the_old_or_the_new_file_whole,
    row_18_a_full_disk_leaves_the_file_as_it_was,
    r56_row_18_only_root_edits_and_what_is_not_as_it_should_be_is_left_alone,
    r60_row_18_hostile_names_are_refused_and_harm_nothing,
];

const FILE: &str = "/etc/assent/users.toml";

fn user<const N: usize>(arguments: [&str; N]) -> Finished {
    program("assentctl").arg("user").args(arguments).finish(SOON)
}

/// Fails with this exit code, and says this.
fn refused<const N: usize>(arguments: [&str; N], code: i32, says: &str) {
    let finished = user(arguments);
    assert_eq!(finished.status.code(), Some(code), "{arguments:?}: {}", finished.err);
    assert!(finished.err.contains(says), "{arguments:?}: {}", finished.err);
}

fn no_password_on_the_command_line(user: &str, password: &str) -> Finished {
    let ctl = assent_tests::product::built().join("assentctl");
    let line = format!(
        "printf '%s\\n' \"$WORD\" | {} user passwd {user} --stdin",
        ctl.display()
    );
    Program::new("/bin/sh")
        .args(["-c", &line])
        .env("WORD", password)
        .finish(SOON)
}

fn row_18_a_blocked_user_is_refused_at_the_very_next_sudo_and_welcome_once_unblocked() {
    let site = Site::open();
    sudoers::allow(LOCAL);
    sudoers::stack(&stack("sudo"));
    user(["add", LOCAL, "--email", "joe@example.org"]).expect_success();
    let meta = fs::metadata(FILE).expect("the file is made");
    let group = nix::unistd::Group::from_name("assent")
        .expect("groups")
        .expect("the agent's");
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o7777),
        (0, group.gid.as_raw(), 0o640)
    );
    let mut phone = site.enrol(LOCAL).listen();
    let admitted = |phone: &mut Terminal| {
        let mut sudo = Sudo::by(LOCAL).run(["/usr/bin/id", "-u"]);
        phone.expect("[a]pprove", PATIENCE);
        phone.send_line("a");
        sudo.wait_for_success();
    };
    let denied = |cause: &str| {
        let before = site.agent.audit().len();
        let mut sudo = Sudo::by(LOCAL).run(["/usr/bin/touch", "/tmp/touched"]);
        assert!(!sudo.wait(PATIENCE).success(), "{}", sudo.transcript());
        let decision = site.agent.decision(before);
        assert_eq!(decision["cause"], cause);
        assert_eq!(count(&decision, "effect", "push"), 0, "{decision}");
        assert!(!Path::new("/tmp/touched").exists());
    };
    admitted(&mut phone);
    // Nothing waits and nothing reloads between the command and the login.
    for _ in 0..3 {
        user(["block", LOCAL]).expect_success();
        denied("account_disabled");
        user(["unblock", LOCAL]).expect_success();
        admitted(&mut phone);
    }
    user(["set", LOCAL, "--expires", "2001-01-01"]).expect_success();
    denied("account_expired");
    user(["set", LOCAL, "--expires", "9999-12-31"]).expect_success();
    admitted(&mut phone);
    // A file that went bad admits nobody: it may have held a block.
    fs::write(FILE, "[[user]]\nnmae = \"x\"\n").expect("the admin's slip");
    let before = site.agent.audit().len();
    let mut sudo = Sudo::by(LOCAL).run(["/usr/bin/touch", "/tmp/touched"]);
    assert!(!sudo.wait(PATIENCE).success(), "{}", sudo.transcript());
    assert_eq!(count(&site.agent.decision(before), "effect", "push"), 0);
    assert!(site.agent.log().contains("line 2: unknown key"), "{}", site.agent.log());
}

fn row_18_a_local_users_password_and_a_tap_open_a_shell_and_nss_alone_has_none() {
    let more = "\n[[application]]\nname = \"ssh-local\"\nservices = [\"sshd-local\"]\nfactors = [[\"local\"], [\"staff-push\"]]\n";
    // Row 5: the policy that lets them use the profile goes by an attribute of users.toml.
    let by_mail = |usual: String| {
        let policy = format!("attribute = \"username\"\nvalues = [\"{LOCAL}\"]");
        let mail = "attribute = \"email\"\nvalues = [\"*@example.org\"]";
        assert!(usual.contains(&policy));
        usual.replace(&policy, mail) + more
    };
    let site = Site::open_with(by_mail);
    let sshd = Sshd::builder()
        .service("sshd-local")
        .stack(&stack("sshd-assent-password"))
        .start();
    let types = |password: &str| {
        let mut login = sshd.client(LOCAL).option("NumberOfPasswordPrompts=1").run("id -un");
        login.expect("Password", PATIENCE);
        login.send_line(password);
        login
    };
    let denied = |password: &str, cause: &str| {
        let before = site.agent.audit().len();
        let mut login = types(password);
        assert!(!login.wait(PATIENCE).success(), "{}", login.transcript());
        let decision = site.agent.decision(before);
        assert_eq!(
            (decision["cause"].as_str(), count(&decision, "effect", "push")),
            (Some(cause), 0)
        );
    };
    // NSS alone knows the user: the right Unix password is none here, `stack` must check it.
    denied(LOCAL_PASSWORD, "password_not_kept_here");
    user(["add", LOCAL, "--email", "joe@example.org"]).expect_success();
    denied(LOCAL_PASSWORD, "password_not_kept_here");
    no_password_on_the_command_line(LOCAL, "correct horse battery").expect_success();
    let mut phone = site.enrol(LOCAL).listen();
    let mut login = types("correct horse battery");
    phone.expect("[a]pprove", PATIENCE);
    phone.send_line("a");
    login.expect(LOCAL, PATIENCE);
    login.wait_for_success();
    denied(LOCAL_PASSWORD, "wrong_password");
    user(["set", LOCAL, "--email", "joe@elsewhere.test"]).expect_success();
    denied("correct horse battery", "no_policy_admits");
}

fn row_18_a_password_comes_from_the_terminal_twice_and_unseen() {
    user(["add", "root", "--file", "/root/users.toml"]).expect_success();
    let ask = || Terminal::open(&program("assentctl").args(["user", "passwd", "root", "--file", "/root/users.toml"]));
    let text = || fs::read_to_string("/root/users.toml").expect("the file");
    let before = text();
    let mut terminal = ask();
    terminal.expect("New password for root (at least 15 characters, not shown): ", SOON);
    terminal.send_line("tulips at dawn, twice");
    terminal.expect("The same again: ", SOON);
    terminal.send_line("tulips at dawn, thrice");
    terminal.expect("the two differ; nothing was changed", SOON);
    assert_eq!(terminal.wait(SOON).code(), Some(1));
    assert!(!terminal.transcript().contains("tulips"), "{}", terminal.transcript());
    let mut terminal = ask();
    terminal.expect("not shown): ", SOON);
    terminal.send_line("tulips at dawn");
    terminal.expect("fewer than 15", SOON);
    assert_eq!(terminal.wait(SOON).code(), Some(1));
    let mut terminal = ask();
    terminal.expect("not shown): ", SOON);
    terminal.send("tulips");
    terminal.send_control('c');
    terminal.expect("given up; nothing was changed", SOON);
    assert_eq!(terminal.wait(SOON).code(), Some(1));
    assert!(!terminal.transcript().contains("tulips"), "{}", terminal.transcript());
    assert_eq!(text(), before);
    let mut terminal = ask();
    terminal.expect("not shown): ", SOON);
    terminal.send_line("tulips at dawn, twice");
    terminal.expect("The same again: ", SOON);
    terminal.send_line("tulips at dawn, twice");
    terminal.wait_for_success();
    assert!(!terminal.transcript().contains("tulips"), "{}", terminal.transcript());
    assert!(text().contains("password_hash = \"$argon2id$v=19$m=19456,t=2,p=1$"));
    for output in [["list", "--json"], ["show", "root"]] {
        let said = program("assentctl")
            .arg("user")
            .args(output)
            .args(["--file", "/root/users.toml"]);
        let said = said.finish(SOON).expect_success().out;
        assert!(!said.contains("argon2") && !said.contains("tulips"), "{said}");
    }
}

fn row_18_twenty_editors_at_once_lose_no_change() {
    fs::create_dir_all("/etc/assent").expect("a directory");
    fs::write(FILE, "# Ours.\n").expect("a file");
    fs::set_permissions(FILE, fs::Permissions::from_mode(0o600)).expect("a mode");
    let editors: Vec<_> = (0..20)
        .map(|number| {
            std::thread::spawn(move || {
                let name = format!("user{number}");
                user(["add", &name, "--group", "all"]).expect_success();
                user(["set", &name, "--first-name", "Given"]).expect_success();
                if number % 2 == 0 {
                    user(["block", &name]).expect_success();
                }
            })
        })
        .collect();
    for editor in editors {
        editor.join().expect("an editor succeeds");
    }
    let list = user(["list", "--json"]).expect_success().out;
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).expect("a list");
    assert_eq!(list.len(), 20);
    for entry in list {
        let number: u32 = entry["name"].as_str().expect("a name")[4..].parse().expect("a number");
        assert_eq!(entry["first_name"], "Given", "{entry}");
        assert_eq!(entry["blocked"], number.is_multiple_of(2), "{entry}");
    }
    assert!(fs::read_to_string(FILE).expect("the file").starts_with("# Ours.\n"));
}

const PEOPLE: &str = "# Ours.\n\n[[user]]\nname = \"alice\" # first\nid = \"1b4e28ba-2fa1-11d2-883f-b9a761bde3fb\"\n";

/// A file of [`PEOPLE`], closed to others.
fn people(path: &Path) {
    // A fresh one each time, as the last editor may have replaced it.
    let _ = fs::remove_file(path);
    fs::write(path, PEOPLE).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o640)).expect("a mode");
}

fn row_18_an_editor_killed_at_any_step_leaves_the_old_or_the_new_file_whole() {
    fs::create_dir_all("/etc/assent").expect("a directory");
    let (file, log) = (Path::new(FILE), Path::new("/tmp/calls"));
    let ctl = assent_tests::product::built().join("assentctl");
    let strace = |options: &[&str]| {
        people(file);
        let program = Program::new("strace").args(["-qq", "-o", "/tmp/calls"]).args(options);
        program.arg(&ctl).args(["user", "block", "alice"]).finish(SOON)
    };
    strace(&[]).expect_success();
    let new = fs::read_to_string(file).expect("the new file");
    assert!(new.starts_with(PEOPLE) && new.ends_with("blocked = true\n"), "{new}");
    // Every system call from the lock on, as "the nth of its kind".
    let calls = fs::read_to_string(log).expect("the calls");
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut steps = Vec::new();
    for call in calls.lines() {
        let Some((name, _)) = call.split_once('(') else {
            continue;
        };
        let count = seen.entry(name).or_default();
        *count += 1;
        if !steps.is_empty() || call.contains(".users.toml.lock") {
            steps.push((name, *count));
        }
    }
    for needed in ["flock", "unlink", "write", "fchown", "fchmod", "fsync", "rename"] {
        assert!(steps.iter().any(|(name, _)| *name == needed), "{needed} in\n{calls}");
    }
    // On the disk before it takes the old one's place, and that, too, before success is told.
    let first = |wanted: &str| steps.iter().position(|(name, _)| *name == wanted);
    let last_sync = steps.iter().rposition(|(name, _)| *name == "fsync");
    assert!(
        first("fsync") < first("rename") && first("rename") < last_sync,
        "{calls}"
    );
    let mut left = [0, 0];
    for (name, nth) in steps {
        let finished = strace(&["-e", &format!("inject={name}:signal=KILL:when={nth}")]);
        let text = fs::read_to_string(file).expect("a file is there");
        assert!(text == PEOPLE || text == new, "killed at {name} {nth}:\n{text}");
        let meta = fs::metadata(file).expect("a file");
        assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o640), "killed at {name} {nth}");
        if !finished.status.success() {
            left[usize::from(text == new)] += 1;
        }
    }
    assert!(
        left[0] >= 15 && left[1] >= 2,
        "killed, the old file left {} times, the new one {}",
        left[0],
        left[1]
    );
    // What a killed one leaves is in nobody's way, and goes.
    people(file);
    fs::write("/etc/assent/.users.toml.new", "rubbish").expect("a leftover");
    user(["block", "alice"]).expect_success();
    assert_eq!(fs::read_to_string(file).expect("the file"), new);
    assert!(!Path::new("/etc/assent/.users.toml.new").exists());
}

fn row_18_a_full_disk_leaves_the_file_as_it_was() {
    let directory = scratch::directory("small");
    let size = Some("size=64k,mode=755");
    nix::mount::mount(
        Some("small"),
        &directory,
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        size,
    )
    .expect("a disk");
    let file = directory.join("users.toml");
    let large = format!("{PEOPLE}{}", "# A comment that takes room.\n".repeat(1500));
    fs::write(&file, &large).expect("it fits once");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    let path = file.to_string_lossy();
    refused(["block", "alice", "--file", &path], 2, "No space left on device");
    refused(
        ["block", "alice", "--file", &path],
        2,
        "the file is as it was: make room",
    );
    assert_eq!(fs::read_to_string(&file).expect("the file"), large);
    assert!(!directory.join(".users.toml.new").exists());
    people(&file);
    user(["block", "alice", "--file", &path]).expect_success();
}

fn r56_row_18_only_root_edits_and_what_is_not_as_it_should_be_is_left_alone() {
    accounts::birch();
    fs::create_dir_all("/etc/assent").expect("a directory");
    let file = Path::new(FILE);
    people(file);
    for (command, code, says) in [
        (
            "list",
            2,
            "/etc/assent/users.toml: Permission denied (os error 13); run this as root",
        ),
        ("block", 1, "only root edits the users there; run this as root"),
    ] {
        let mut by_alice = program("assentctl").args(["user", command]).as_user("alice");
        if command == "block" {
            by_alice = by_alice.arg("alice");
        }
        let finished = by_alice.finish(SOON);
        assert_eq!(finished.status.code(), Some(code), "{}", finished.err);
        assert!(finished.err.contains(says), "{}", finished.err);
    }
    // A file of one's own, as one's own: prepared for many hosts, for example.
    let own = program("assentctl").args(["user", "add", "bob", "--file", "/home/alice/users.toml"]);
    own.as_user("alice").finish(SOON).expect_success();
    let meta = fs::metadata("/home/alice/users.toml").expect("alice's file");
    let alice = nix::unistd::User::from_name("alice").expect("users").expect("alice");
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (alice.uid.as_raw(), 0o600));
    let mode = |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    mode("/etc/assent", 0o775);
    refused(
        ["block", "alice"],
        1,
        "/etc/assent has mode 0775, so others could replace the file: chmod go-w it",
    );
    mode("/etc/assent", 0o755);
    mode(FILE, 0o644);
    refused(["block", "alice"], 2, "its mode is 0644");
    mode(FILE, 0o640);
    std::os::unix::fs::chown(file, Some(6001), None).expect("an owner");
    refused(["block", "alice"], 2, "it belongs to uid 6001: chown it to root");
    std::os::unix::fs::chown(file, Some(0), Some(6001)).expect("an owner");
    assert_eq!(fs::read_to_string(file).expect("the file"), PEOPLE);
    // Whom NSS alone knows has no entry that could be blocked.
    refused(
        ["block", "bob"],
        1,
        "`assentctl user block --reason TEXT bob` blocks them on this host",
    );
    // A bad file is not touched, and the line is told.
    let bad = format!("{PEOPLE}blokced = true\n");
    fs::write(file, &bad).expect("the admin's slip");
    refused(
        ["block", "alice"],
        2,
        "line 6: unknown key \"blokced\" (did you mean \"blocked\"?)",
    );
    refused(["add", "bob"], 2, "Nothing was changed");
    refused(["list"], 2, "line 6: ");
    assert_eq!(fs::read_to_string(file).expect("the file"), bad);
    // A good edit keeps group and mode.
    fs::write(file, PEOPLE).expect("mended");
    mode(FILE, 0o600);
    user(["block", "alice"]).expect_success();
    let meta = fs::metadata(file).expect("the file");
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 6001, 0o600));
    // A link is not replaced by a file.
    fs::rename(file, "/etc/assent/real.toml").expect("moved");
    symlink("real.toml", file).expect("a link");
    refused(["unblock", "alice"], 1, "is a symbolic link");
    assert!(fs::symlink_metadata(file).expect("the link").is_symlink());
    // The lock file's place is no way to write elsewhere.
    fs::remove_file("/etc/assent/.users.toml.lock").expect("the lock file");
    symlink("/etc/elsewhere", "/etc/assent/.users.toml.lock").expect("a link");
    refused(["unblock", "alice"], 2, "cannot be written");
    assert!(!Path::new("/etc/elsewhere").exists());
}

fn r60_row_18_hostile_names_are_refused_and_harm_nothing() {
    fs::create_dir_all("/etc/assent").expect("a directory");
    let file = Path::new(FILE);
    people(file);
    let long = "x".repeat(257);
    for name in [
        "../x",
        "a\nb",
        "-rf",
        "a\u{202e}b",
        "a\u{1b}[2Jb",
        "",
        " ",
        "a:b",
        &long,
    ] {
        let finished = user(["add", "--", name]);
        assert_eq!(finished.status.code(), Some(2), "{name:?}: {}", finished.err);
        assert!(
            finished.err.contains("nothing was changed: name"),
            "{name:?}: {}",
            finished.err
        );
        let odd = finished
            .err
            .contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}'));
        assert!(!odd, "{name:?}: {:?}", finished.err);
        let finished = user(["block", "--", name]);
        assert_eq!(finished.status.code(), Some(1), "{name:?}: {}", finished.err);
        assert!(
            finished.err.contains("there is no such user"),
            "{name:?}: {}",
            finished.err
        );
    }
    assert_eq!(fs::read_to_string(file).expect("the file"), PEOPLE);
    let longest = "y".repeat(256);
    for name in ["a=b", "[[user]]", "quo\"te'", "דנה", "# x", &longest] {
        user(["add", "--", name]).expect_success();
        user(["block", "--", name]).expect_success();
        let shown = user(["show", "--", name]).expect_success().out;
        assert!(shown.contains("account: blocked"), "{shown}");
    }
    let table = user(["list"]).expect_success().out;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    for name in ["a=b", "[[user]]", "quo\"te'", "דנה", "# x", &longest] {
        user(["remove", "--yes", "--", name]).expect_success();
    }
    assert_eq!(fs::read_to_string(file).expect("the file"), PEOPLE);
    let finished = user(["remove", "alice"]);
    assert_eq!(finished.status.code(), Some(2), "{}", finished.err);
    let mut terminal = Terminal::open(&program("assentctl").args(["user", "remove", "alice"]));
    terminal.expect("[y/N]", SOON);
    terminal.send_line("n");
    assert_eq!(terminal.wait(SOON).code(), Some(1));
    assert_eq!(fs::read_to_string(file).expect("the file"), PEOPLE);
    // The explanation of what a policy sees goes by the same file.
    assert!(
        assentctl(["user", "show", "root"])
            .expect_success()
            .out
            .contains("known to NSS alone")
    );
}
