//! Which file goes where: one table for both families of packages. Pure.

/// What the packages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `.deb`.
    Debian,
    /// `.rpm`.
    Rpm,
}

/// Where a file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// A built program.
    Built(&'static str),
    /// A file of the tree.
    Tree(&'static str),
    /// What `assentctl` says of itself.
    Manual(&'static str),
    /// Every page of `assentctl`, `assentctl-*.1`.
    ManualPages,
    /// The third parties' notices of this crate.
    Notices(&'static str),
}

/// A file of a package.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Where it comes from.
    pub from: From,
    /// Where it goes; `{security}` and the like are the family's ([`Places`]). A slash at the end keeps the name.
    pub to: &'static str,
    /// 0755 or 0644.
    pub program: bool,
    /// An admin changes it: an upgrade keeps the changes.
    pub configuration: bool,
}

/// A package.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Its files.
    pub items: &'static [Item],
}

const fn file(from: From, to: &'static str) -> Item {
    Item {
        from,
        to,
        program: false,
        configuration: false,
    }
}

const fn program(from: &'static str, to: &'static str) -> Item {
    Item {
        program: true,
        ..file(From::Built(from), to)
    }
}

const fn configuration(from: &'static str, to: &'static str) -> Item {
    Item {
        configuration: true,
        ..file(From::Tree(from), to)
    }
}

const UNITS: &str = "/usr/lib/systemd/system/";
const SYSUSERS: &str = "/usr/lib/sysusers.d/";
const TMPFILES: &str = "/usr/lib/tmpfiles.d/";

/// All of them. A package without the kernel's word on a file (owner, mode) has root's, 0755 or 0644.
pub const PACKAGES: [Package; 3] = [
    Package {
        name: "assent",
        items: &[
            file(From::Built("libpam_assent.so"), "{security}/pam_assent.so"),
            program("assent-agentd", "/usr/sbin/"),
            configuration("etc/agentd.toml", "/etc/assent/"),
            file(From::Tree("packaging/systemd/assent-agentd.service"), UNITS),
            file(From::Tree("packaging/systemd/assent-agentd.socket"), UNITS),
            file(From::Tree("packaging/systemd/assent-admin.socket"), UNITS),
            file(From::Tree("packaging/sysusers.d/assent.conf"), SYSUSERS),
            file(From::Tree("packaging/tmpfiles.d/assent.conf"), TMPFILES),
            file(
                From::Tree("packaging/dbus/org.assent.Agent1.conf"),
                "/usr/share/dbus-1/system.d/",
            ),
            file(From::Tree("packaging/pam/README.md"), "/usr/share/assent/pam/"),
            file(From::Tree("packaging/pam/sshd-password"), "/usr/share/assent/pam/"),
            file(
                From::Tree("packaging/pam/sshd-assent-password"),
                "/usr/share/assent/pam/",
            ),
            file(From::Tree("packaging/pam/sshd-key"), "/usr/share/assent/pam/"),
            file(From::Tree("packaging/pam/su"), "/usr/share/assent/pam/"),
            file(From::Tree("packaging/pam/sudo"), "/usr/share/assent/pam/"),
            file(From::Tree("packaging/man/pam_assent.8"), "/usr/share/man/man8/"),
            file(From::Tree("packaging/man/assent-agentd.8"), "/usr/share/man/man8/"),
            file(From::Tree("packaging/man/agentd.toml.5"), "/usr/share/man/man5/"),
            file(From::Notices("assent"), "/usr/share/doc/assent/third-party"),
        ],
    },
    Package {
        name: "assentctl",
        items: &[
            program("assentctl", "/usr/bin/"),
            file(From::ManualPages, "/usr/share/man/man1/"),
            file(
                From::Manual("assentctl.bash"),
                "/usr/share/bash-completion/completions/assentctl",
            ),
            file(From::Manual("_assentctl"), "{zsh}/"),
            file(From::Manual("assentctl.fish"), "/usr/share/fish/vendor_completions.d/"),
            file(From::Notices("assentctl"), "/usr/share/doc/assentctl/third-party"),
        ],
    },
    Package {
        name: "assent-gateway",
        items: &[
            program("assent-gateway", "/usr/sbin/"),
            configuration("etc/gateway.toml", "/etc/assent/"),
            file(From::Tree("packaging/systemd/assent-gateway.service"), UNITS),
            // For who has the roles apart; none is enabled.
            file(From::Tree("packaging/systemd/assent-relay.service"), UNITS),
            file(From::Tree("packaging/systemd/assent-app.service"), UNITS),
            file(From::Tree("packaging/systemd/assent-panel.service"), UNITS),
            file(From::Tree("packaging/systemd/assent-registrar.service"), UNITS),
            file(From::Tree("packaging/systemd/assent-codes.service"), UNITS),
            file(From::Tree("etc/apart/relay.toml"), "/usr/share/assent/apart/"),
            file(From::Tree("etc/apart/app.toml"), "/usr/share/assent/apart/"),
            file(From::Tree("etc/apart/panel.toml"), "/usr/share/assent/apart/"),
            file(From::Tree("etc/apart/registrar.toml"), "/usr/share/assent/apart/"),
            file(From::Tree("etc/apart/codes.toml"), "/usr/share/assent/apart/"),
            file(From::Tree("packaging/sysusers.d/assent-gateway.conf"), SYSUSERS),
            file(From::Tree("packaging/tmpfiles.d/assent-gateway.conf"), TMPFILES),
            file(From::Tree("packaging/man/assent-gateway.8"), "/usr/share/man/man8/"),
            file(From::Tree("packaging/man/gateway.toml.5"), "/usr/share/man/man5/"),
            file(
                From::Notices("assent-gateway"),
                "/usr/share/doc/assent-gateway/third-party",
            ),
        ],
    },
];

/// The crates whose code is in a package.
pub fn crates(package: &str) -> &'static [&'static str] {
    match package {
        "assent" => &["pam_assent", "assent-agentd"],
        "assentctl" => &["assentctl"],
        "assent-gateway" => &["assent-gateway"],
        _ => &[],
    }
}

/// The places that differ from family to family.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where PAM looks for modules.
    security: String,
    /// Where zsh looks for completions.
    zsh: &'static str,
}

impl Places {
    /// A family's, on an architecture with this multiarch triplet.
    pub fn of(family: Family, triplet: &str) -> Self {
        match family {
            Family::Debian => Self {
                security: format!("/usr/lib/{triplet}/security"),
                zsh: "/usr/share/zsh/vendor-completions",
            },
            Family::Rpm => Self {
                security: "/usr/lib64/security".into(),
                zsh: "/usr/share/zsh/site-functions",
            },
        }
    }

    /// Where an item goes, with its name. Pages and long texts are compressed.
    pub fn resolve(&self, to: &str, name: &str) -> String {
        let mut path = to.replace("{security}", &self.security).replace("{zsh}", self.zsh);
        if path.ends_with('/') {
            path += name;
        }
        if is_compressed(&path) {
            path += ".gz";
        }
        path
    }
}

/// Whether what goes to this path is compressed on the way.
pub fn is_compressed(path: &str) -> bool {
    let path = path.trim_end_matches(".gz");
    path.starts_with("/usr/share/man/") || path.ends_with("/third-party") || path.ends_with("/changelog.Debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_own_place_for_the_module() {
        let debian = Places::of(Family::Debian, "x86_64-linux-gnu");
        let rpm = Places::of(Family::Rpm, "x86_64-linux-gnu");
        let module = "{security}/pam_assent.so";
        assert_eq!(
            debian.resolve(module, "x"),
            "/usr/lib/x86_64-linux-gnu/security/pam_assent.so"
        );
        assert_eq!(rpm.resolve(module, "x"), "/usr/lib64/security/pam_assent.so");
    }

    #[test]
    fn pages_are_compressed_and_programs_are_not() {
        let places = Places::of(Family::Debian, "t");
        assert_eq!(
            places.resolve("/usr/share/man/man8/", "a.8"),
            "/usr/share/man/man8/a.8.gz"
        );
        assert_eq!(places.resolve("/usr/sbin/", "a"), "/usr/sbin/a");
    }

    #[test]
    fn no_package_touches_a_pam_stack() {
        let items = || PACKAGES.iter().flat_map(|package| package.items);
        assert!(items().count() > 20);
        for item in items() {
            assert!(!item.to.contains("/etc/pam"), "{}", item.to);
            assert!(
                !item.to.contains("pam-configs"),
                "{}: pam-auth-update would put it into stacks",
                item.to
            );
        }
    }
}
