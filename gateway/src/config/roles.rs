//! The roles that people meet: the authenticator's pages, the Register Panel, and the hook that hears of changes.

use super::section::Section;
use super::set::{Role, RoleSet};
use crate::registrar::self_service::FirstDevice;
use crate::web::origin::Origin;
use assent_engine::config::{AuthProfile, AuthSource, load_auth_profiles};
use assent_proto::ShortText;
use assent_proto::cert::Identity;
use assent_proto::relay::MAX_DEVICES;
use std::path::{Path, PathBuf};

/// The authenticator's pages.
#[derive(Debug, Clone)]
pub struct App {
    /// Where they are.
    pub url: Origin,
}

/// The Register Panel.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Where it is; its pages are under `/panel/`.
    pub url: Origin,
    /// Who checks passwords, in order. None: people sign in by one-time links alone.
    pub auth_profiles: Vec<AuthProfile>,
    /// Who may register a first device without an admin.
    pub first_device: FirstDevice,
    /// Most devices of one user.
    pub max_devices: u8,
    /// Who may read about everybody.
    pub administrators: Vec<Identity>,
}

impl Panel {
    /// Its first page.
    pub fn address(&self) -> String {
        format!("{}/panel/", self.url)
    }
}

/// A program that hears of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Which.
    pub program: PathBuf,
}

/// All of them.
pub(super) struct Roles {
    pub app: App,
    pub panel: Panel,
    pub notify: Option<Hook>,
}

/// Takes their sections out of the file.
pub(super) fn read(
    root: &mut Section,
    set: &RoleSet,
    file: &Path,
    text: &str,
    public_url: Option<&str>,
    plain: bool,
) -> Result<Roles, Vec<String>> {
    let (signs_in, decides) = (set.has(Role::Panel), set.has(Role::Registrar));
    let mut app = root.section_if(set.listens() || decides, "app");
    let mut panel = root.section_if(signs_in || decides || set.has(Role::App), "panel");
    let mut notify = root.section_if(signs_in || decides || set.has(Role::Codes), "notify");
    let default = public_url.and_then(Origin::of_url);
    let app_url = url(&mut app, default.as_ref(), plain);
    let panel_url = url(&mut panel, default.as_ref(), plain);
    // Decided by the registrar, whatever a panel says.
    let first_device = match decides {
        true => first_device(&mut panel),
        false => FirstDevice::Admin,
    };
    let most = u32::try_from(MAX_DEVICES).unwrap_or(u32::MAX);
    let max_devices = u8::try_from(panel.number_if(decides, "max_devices", 8, 1..=most)).unwrap_or(u8::MAX);
    let administrators = match decides {
        true => administrators(&mut panel),
        false => Vec::new(),
    };
    let mut lines = Vec::new();
    // The systemd service whose credentials the authentication profiles may name.
    let unit = match set.place() {
        "assent-panel" => "assent-panel.service",
        _ => "assent-gateway.service",
    };
    let profiles = match signs_in {
        true => {
            // Their lines are the engine's.
            root.take("auth_profile");
            load_auth_profiles(file, text, unit)
        }
        false => Ok(Vec::new()),
    };
    let auth_profiles = match profiles {
        Ok(all) if signs_in => chosen(&mut panel, all),
        Ok(_) => Vec::new(),
        Err(problems) => {
            panel.take("auth_profiles");
            lines.extend(problems.0.iter().map(|problem| {
                let line = problem.line.unwrap_or(1);
                format!("line {line}: {}; {}", problem.what, problem.mend)
            }));
            Vec::new()
        }
    };
    if signs_in && auth_profiles.is_empty() && first_device == FirstDevice::Directory && lines.is_empty() {
        panel.problem(
            "first_device",
            "\"directory\" lets people sign in with a password, and auth_profiles names nobody who checks one",
        );
    }
    let hook = notify.optional("hook").map(|program| Hook {
        program: notify.absolute("hook", program.into()),
    });
    lines.extend(app.finish());
    lines.extend(panel.finish());
    lines.extend(notify.finish());
    match (app_url, panel_url) {
        (Some(app_url), Some(panel_url)) if lines.is_empty() => Ok(Roles {
            app: App { url: app_url },
            panel: Panel {
                url: panel_url,
                auth_profiles,
                first_device,
                max_devices,
                administrators,
            },
            notify: hook,
        }),
        _ => Err(lines),
    }
}

/// An origin of its own, or the relay's.
fn url(section: &mut Section, default: Option<&Origin>, plain: bool) -> Option<Origin> {
    let Some(url) = section.optional("url") else {
        return default.cloned();
    };
    section.check_url("url", &url, plain, true);
    Origin::parse(&url)
}

fn first_device(panel: &mut Section) -> FirstDevice {
    match panel.text("first_device", "admin").as_str() {
        "admin" => FirstDevice::Admin,
        "terminal" => FirstDevice::Terminal,
        "directory" => FirstDevice::Directory,
        _ => {
            panel.problem("first_device", "must be \"admin\", \"terminal\" or \"directory\"");
            FirstDevice::Admin
        }
    }
}

/// People by identity: a name may be somebody else's on another host (R22).
fn administrators(panel: &mut Section) -> Vec<Identity> {
    let mut all = Vec::new();
    for text in panel.texts("administrators") {
        let parts = text
            .split_once('#')
            .filter(|(realm, id)| !realm.is_empty() && !id.is_empty());
        let identity = parts.and_then(|(realm, id)| ShortText::new(realm).zip(ShortText::new(id)));
        match identity {
            Some((realm, id)) => all.push(Identity { realm, id }),
            None => panel.problem(
                "administrators",
                &format!(
                    "{text:?} is no identity; write realm#id, as `assentctl device list --json` shows it of that person's device"
                ),
            ),
        }
    }
    all
}

/// The profiles that the panel lists, in its order.
fn chosen(panel: &mut Section, all: Vec<AuthProfile>) -> Vec<AuthProfile> {
    let mut chosen: Vec<AuthProfile> = Vec::new();
    for name in panel.texts("auth_profiles") {
        let Some(profile) = all.iter().find(|profile| profile.name() == name) else {
            let known: Vec<&str> = all.iter().map(AuthProfile::name).collect();
            panel.problem(
                "auth_profiles",
                &format!("there is no [[auth_profile]] {name:?}; known are: {}", known.join(", ")),
            );
            continue;
        };
        if chosen.contains(profile) {
            panel.problem("auth_profiles", &format!("{name:?} is listed twice"));
            continue;
        }
        if let AuthSource::Local(local) = &profile.source
            && local.realm.as_ref().is_none_or(|realm| realm.as_str().is_empty())
        {
            panel.problem(
                "auth_profiles",
                &format!(
                    "the local profile {name:?} needs a realm here, the same as on the hosts that share its users"
                ),
            );
        }
        chosen.push(profile.clone());
    }
    chosen
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Config;
    use super::*;

    const URL: &str = "public_url = \"https://push.example.org:8443/assent\"\n";
    const CORP: &str = "[[auth_profile]]\nname = \"corp\"\nkind = \"ldap\"\nrealm = \"example.org\"\nuris = [\"ldaps://ldap.example.org\"]\nbase = \"dc=example,dc=org\"\n";

    fn parse(more: &str) -> Result<Config, Vec<String>> {
        Config::parse(&format!("{URL}{more}"))
    }

    #[test]
    fn roles_live_at_the_relays_origin_unless_told_otherwise_and_nobody_registers_alone() {
        let config = parse("").unwrap();
        assert_eq!(config.app.url.to_string(), "https://push.example.org:8443");
        assert_eq!(config.panel.address(), "https://push.example.org:8443/panel/");
        assert_eq!(config.panel.first_device, FirstDevice::Admin);
        assert_eq!((config.panel.max_devices, config.panel.auth_profiles.len()), (8, 0));
        assert!(config.panel.administrators.is_empty());
        assert_eq!(config.notify, None);
    }

    #[test]
    fn roles_take_their_own_origins_profiles_and_hook() {
        let config = parse(&format!(
            "[app]\nurl = \"https://app.example.org\"\n[panel]\nurl = \"https://id.example.org\"\nauth_profiles = [\"corp\"]\nfirst_device = \"directory\"\nmax_devices = 3\n[notify]\nhook = \"/usr/local/bin/tell\"\n{CORP}bind_dn = \"cn=x\"\nbind_password_credential = \"corp\"\n"
        ))
        .unwrap();
        assert_eq!(config.app.url.to_string(), "https://app.example.org");
        assert_eq!(config.panel.address(), "https://id.example.org/panel/");
        assert_eq!(config.panel.first_device, FirstDevice::Directory);
        assert_eq!(config.panel.auth_profiles[0].name(), "corp");
        let AuthSource::Ldap(ldap) = &config.panel.auth_profiles[0].source else {
            panic!("corp is LDAP");
        };
        // Its credentials are the gateway's, not the agent's.
        let file = ldap.service.as_ref().and_then(|service| service.password_file());
        assert_eq!(file, Some(Path::new("/run/credentials/assent-gateway.service/corp")));
    }

    #[test]
    fn what_is_wrong_with_roles_and_profiles_is_named_at_once() {
        let lines = parse(
            "[app]\nurl = \"https://app.example.org/x\"\nx = 1\n[panel]\nurl = \"http://id\"\nauth_profiles = [\"nobody\", 1]\nfirst_device = \"anybody\"\nmax_devices = 17\nadministrators = [\"anna\"]\n[notify]\nhook = \"tell\"\n",
        )
        .unwrap_err();
        for start in [
            "app.url: must be a host",
            "app.x: ",
            "panel.url: must begin with https://",
            "panel.auth_profiles: must be a list",
            "panel.auth_profiles: there is no [[auth_profile]] \"nobody\"",
            "panel.first_device: ",
            "panel.max_devices: ",
            "panel.administrators: \"anna\" is no identity",
            "notify.hook: ",
        ] {
            assert!(
                lines.iter().any(|line| line.starts_with(start)),
                "{start} in {lines:#?}"
            );
        }
        assert_eq!(lines.len(), 9, "{lines:#?}");
    }

    #[test]
    fn administrators_are_named_by_realm_and_id() {
        let of = |list: &str| parse(&format!("[panel]\nadministrators = {list}\n"));
        let config = of("[\"example.org#5f0c\", \"fleet.example.org#a#b\"]").unwrap();
        let shown: Vec<String> = config.panel.administrators.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["example.org#5f0c", "fleet.example.org#a#b"]);
        for bad in ["[\"\"]", "[\"example.org#\"]", "[\"#5f0c\"]", "\"example.org#5f0c\""] {
            let lines = of(bad).unwrap_err();
            assert!(lines[0].starts_with("panel.administrators: "), "{bad}: {lines:?}");
        }
    }

    #[test]
    fn profiles_are_checked_by_the_engine_with_their_lines() {
        let lines = parse(&format!("{CORP}starttls = 1\n")).unwrap_err();
        assert!(lines[0].starts_with("line 8: "), "{lines:#?}");
        let lines = parse(&CORP.replace("ldaps", "http")).unwrap_err();
        assert!(lines[0].starts_with("line 2: the uri"), "{lines:#?}");
    }

    #[test]
    fn mode_directory_needs_somebody_who_checks_passwords_and_a_local_profile_a_realm() {
        let lines = parse("[panel]\nfirst_device = \"directory\"").unwrap_err();
        assert!(lines[0].starts_with("panel.first_device: "), "{lines:#?}");
        let local = "[panel]\nauth_profiles = [\"l\"]\n[[auth_profile]]\nname = \"l\"\nkind = \"local\"\n";
        assert!(parse(local).unwrap_err()[0].contains("needs a realm"));
        assert!(parse(&format!("{local}realm = \"fleet.example.org\"\n")).is_ok());
    }
}
