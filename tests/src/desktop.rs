//! A user's desktop: a session bus at the usual address, a screen (Xvfb), and a notification area (dunst), which also
//! tells what it shows and has shown.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::unistd::User;
use serde_json::Value;

use crate::program::{Finished, Program};
use crate::service::Service;
use crate::{SOON, patience};

const DISPLAY: &str = ":7";

/// A desktop; dropped, it is killed.
#[derive(Debug)]
pub struct Desktop {
    user: String,
    address: String,
    bus: Service,
    _screen: Service,
    /// While it runs.
    area: Option<Service>,
}

/// A notification that was shown and closed.
#[derive(Debug)]
pub struct Notification {
    /// Its title.
    pub title: String,
    /// What stood below.
    pub body: String,
}

impl Desktop {
    /// Starts it for a user of the world.
    pub fn of(user: &str) -> Self {
        let account = User::from_name(user).ok().flatten().expect("a user of this world");
        let home = format!("/run/user/{}", account.uid);
        fs::create_dir_all(&home).expect("a runtime directory");
        chown(&home, Some(account.uid.as_raw()), Some(account.gid.as_raw())).expect("its owner");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("its mode");
        let socket = format!("{home}/bus");
        let address = format!("unix:path={socket}");
        let daemon = Program::new("dbus-daemon").args(["--session", "--nofork", "--nopidfile", "--address"]);
        let bus = Service::start_as("session bus", &daemon.arg(&address).as_user(user));
        wait_for_socket(&socket);
        let screen = Program::new("Xvfb").args([DISPLAY, "-screen", "0", "800x600x24", "-nolisten", "tcp", "-ac"]);
        let screen = Service::start(&screen);
        wait_for_socket("/tmp/.X11-unix/X7");
        let mut desktop = Self {
            user: user.to_owned(),
            address,
            bus,
            _screen: screen,
            area: None,
        };
        desktop.open_area();
        desktop
    }

    fn program(&self, name: &str) -> Program {
        Program::new(name)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .as_user(&self.user)
    }

    /// Starts the notification area.
    pub fn open_area(&mut self) {
        let area = Service::start(&self.program("dunst").env("DISPLAY", DISPLAY));
        self.area = Some(area);
        let answers = || self.asks(["count", "displayed"]).status.success().then_some(());
        patience::until(SOON, answers).unwrap_or_else(|| panic!("there is no notification area"));
    }

    /// The notification area: to freeze or kill.
    pub fn area(&mut self) -> &mut Service {
        self.area.as_mut().expect("the area runs")
    }

    /// The session bus.
    pub fn bus(&mut self) -> &mut Service {
        &mut self.bus
    }

    fn asks<const N: usize>(&self, arguments: [&str; N]) -> Finished {
        self.program("dunstctl").args(arguments).finish(SOON)
    }

    /// How many notifications are up.
    pub fn displayed(&self) -> usize {
        let said = self.asks(["count", "displayed"]).expect_success().out;
        said.trim().parse().expect("a number")
    }

    /// Waits until so many are up.
    pub fn wait_until_displayed(&self, count: usize) {
        let reached = patience::until(SOON, || (self.displayed() == count).then_some(()));
        assert!(
            reached.is_some(),
            "{} notifications are up, not {count}",
            self.displayed()
        );
    }

    /// All that were up and are closed, the last one first.
    pub fn closed(&self) -> Vec<Notification> {
        let said = self.asks(["history"]).expect_success().out;
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let all = said["data"][0].as_array().expect("a list");
        let text = |one: &Value, name: &str| one[name]["data"].as_str().expect("a text").to_owned();
        let each = |one| Notification {
            title: text(one, "summary"),
            body: text(one, "body"),
        };
        all.iter().map(each).collect()
    }

    /// Presses the one button of what is up.
    pub fn press(&self) {
        self.asks(["action", "0"]).expect_success();
    }

    /// Somebody else at the bus says to each connection that this button of each of the first notifications was pressed.
    pub fn somebody_says_pressed(&self, action: &str) {
        let names = self
            .program("busctl")
            .args(["--user", "--no-pager", "--no-legend", "--unique", "list"]);
        let names = names.finish(SOON).expect_success().out;
        let names: Vec<&str> = names
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert!(names.len() > 1, "{names:?}");
        for name in names {
            for number in 1..=3 {
                let send = self.program("dbus-send").args(["--session", "--type=signal"]);
                let send = send.arg(format!("--dest={name}")).args([
                    "/org/freedesktop/Notifications",
                    "org.freedesktop.Notifications.ActionInvoked",
                    &format!("uint32:{number}"),
                    &format!("string:{action}"),
                ]);
                send.finish(SOON).expect_success();
            }
        }
    }
}

fn wait_for_socket(path: impl AsRef<Path>) {
    let path = path.as_ref();
    let there = patience::until(SOON, || path.exists().then_some(()));
    there.unwrap_or_else(|| panic!("{} does not appear", path.display()));
}
