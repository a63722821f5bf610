//! Linux accounts of the world: lines in its own `/etc/passwd`, `/etc/shadow` and `/etc/group`, and a home.
//! Written directly, because `useradd` locks, logs and takes its time.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::User;

use crate::company::PEOPLE;
use crate::program::tool;

/// The user whom only Linux knows.
pub const LOCAL: &str = "localjoe";
/// That user's password.
pub const LOCAL_PASSWORD: &str = "joe-is-local";

/// An account of this world.
#[derive(Clone, Debug)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id and group id.
    pub number: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// The people of Birch & Co, without local passwords, and [`LOCAL`] with one.
pub fn birch() {
    for person in PEOPLE {
        add_as(person.uid, person.number, None);
    }
    add(LOCAL, Some(LOCAL_PASSWORD));
}

/// Adds an account with its own group and a home; without a password nobody gets in by `pam_unix`.
pub fn add(name: &str, password: Option<&str>) -> Account {
    let taken = |number| {
        User::from_uid(nix::unistd::Uid::from_raw(number))
            .ok()
            .flatten()
            .is_some()
    };
    let number = (6001..7000).find(|&number| !taken(number)).expect("a free user id");
    add_as(name, number, password)
}

/// Adds a group with members.
pub fn add_group(name: &str, number: u32, members: &[&str]) {
    append("/etc/group", &format!("{name}:x:{number}:{}", members.join(",")));
}

/// Makes a directory of mode 0700 that belongs to the account.
pub(crate) fn make_private(directory: &Path, user: &User) {
    fs::create_dir_all(directory).expect("a directory in a home");
    give(directory, 0o700, user);
}

/// Gives a file to the account.
pub(crate) fn give(path: &Path, mode: u32, user: &User) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("an owner");
}

/// The account of this name, as NSS sees it.
pub(crate) fn user(name: &str) -> User {
    let found = User::from_name(name).expect("the user database can be read");
    found.unwrap_or_else(|| panic!("there is no user {name} in this world; accounts::add makes one"))
}

fn add_as(name: &str, number: u32, password: Option<&str>) -> Account {
    let hash = password.map_or_else(
        || "*".to_owned(),
        |password| tool("openssl", ["passwd", "-6", password]),
    );
    let home = PathBuf::from("/home").join(name);
    add_group(name, number, &[]);
    append(
        "/etc/passwd",
        &format!("{name}:x:{number}:{number}::{}:/bin/bash", home.display()),
    );
    append("/etc/shadow", &format!("{name}:{}:20000:0:99999:7:::", hash.trim_end()));
    make_private(&home, &user(name));
    Account {
        name: name.to_owned(),
        number,
        home,
    }
}

fn append(path: &str, line: &str) {
    let written = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| writeln!(file, "{line}"));
    written.unwrap_or_else(|cause| panic!("cannot add to {path}: {cause}"));
}
