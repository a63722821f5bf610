//! Starting: what the gateway refuses to run on, and what it leaves on the disk.

use crate::rig::{Gateway, config, run_to_end, scratch, write, write_keys};
use assent_proto::keys::KeyPair;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let dir = scratch();
        write_keys(&dir, 90);
        write(&dir.join("gateway.toml"), &config(&dir, "127.0.0.1:0", ""), 0o644);
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn check(&self) -> (Option<i32>, String) {
        run_to_end(&["--check", "--config", &self.file("gateway.toml").to_string_lossy()])
    }

    /// Both a check and a start end with this.
    fn is_refused(&self, why: &str) {
        for (code, said) in [
            self.check(),
            run_to_end(&["--config", &self.file("gateway.toml").to_string_lossy()]),
        ] {
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(why), "{why:?} in:\n{said}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_good_place_is_good() {
    assert_eq!(Place::new().check().0, Some(0));
}

#[test]
fn without_keys_it_says_which_command_makes_them() {
    let place = Place::new();
    fs::remove_file(place.file("issuer.jws")).unwrap();
    place.is_refused("assentctl registrar init --all-in-one --state-dir");
}

#[test]
fn r56_an_issuing_key_that_others_can_read_is_refused() {
    let place = Place::new();
    fs::set_permissions(place.file("issuer.key"), fs::Permissions::from_mode(0o640)).unwrap();
    place.is_refused("chmod 600");
    fs::set_permissions(place.file("issuer.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(place.file("root.pub"), fs::Permissions::from_mode(0o664)).unwrap();
    place.is_refused("others could change it");
}

#[test]
fn r23_an_issuer_of_another_root_or_key_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    fs::copy(other.file("root.pub"), place.file("root.pub")).unwrap();
    place.is_refused("no pinned root");
    let place = Place::new();
    let key = KeyPair::generate().unwrap().to_file().unwrap();
    write(&place.file("issuer.key"), &key, 0o600);
    place.is_refused("certifies another key");
}

#[test]
fn an_issuer_that_has_ended_is_refused_with_both_times() {
    let place = Place::new();
    write_keys(&place.0, 0);
    // A life of no days ends now, and two minutes are granted to clocks: still good, but near its end.
    assert_eq!(place.check().0, Some(0));
    crate::rig::write_keys_from(&place.0, crate::rig::now().0 - 10 * 86_400, 9);
    place.is_refused("this machine's clock says");
}

#[test]
fn a_configuration_is_refused_with_every_problem_at_once() {
    let place = Place::new();
    write(
        &place.file("gateway.toml"),
        "listen = \"0.0.0.0:443\"\nstate_dir = \"here\"\nx = 1",
        0o644,
    );
    for problem in ["listen:", "public_url:", "state_dir:", "x:"] {
        place.is_refused(problem);
    }
}

#[tokio::test]
async fn what_it_writes_is_its_own_users_alone() {
    let gateway = Gateway::start();
    let host = gateway.join("web01").await;
    gateway.enrol(&host, "alice").await;
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    for name in [
        "relay.db",
        "relay.db-wal",
        "registrar.db",
        "registrar.db-wal",
        "admin.sock",
        "lock",
    ] {
        assert_eq!(mode(&gateway.dir.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_stale_admin_socket_is_replaced_and_anything_else_is_not() {
    let mut gateway = Gateway::start();
    gateway.kill();
    assert!(gateway.dir.join("admin.sock").exists(), "kill -9 leaves it");
    gateway.start_again();
    gateway.token("web01").await;
    gateway.kill();
    fs::remove_file(gateway.dir.join("admin.sock")).unwrap();
    write(&gateway.dir.join("admin.sock"), "not ours", 0o600);
    let (code, said) = run_to_end(&["--config", &gateway.dir.join("gateway.toml").to_string_lossy()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("is there and no socket"), "{said}");
    assert_eq!(fs::read_to_string(gateway.dir.join("admin.sock")).unwrap(), "not ours");
    fs::remove_file(gateway.dir.join("admin.sock")).unwrap();
    gateway.start_again();
}
