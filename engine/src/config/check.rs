//! Raw → checked: every rule of the configuration, all of its breaches at once.

use super::application::{self, application};
use super::auth::{auth_profile, loopback};
use super::checker::{Checker, Named, Place};
use super::conditions::network;
use super::files::line_of;
use super::log::log_format;
use super::method::{code_profile, push_profile};
use super::policy::{Around, policy};
use super::raw::{LeftOut, RawCodeProfile, RawFile};
use super::shadow::shadowed;
use super::{
    Action, Application, AuthIndex, AuthProfile, Config, Factor, Gateway, Log, LogFormat, MethodIndex, MethodProfile,
    Paths, Policy, Problem, Problems, Strength, Unlisted,
};
use crate::conditions::KnownNetwork;
use assent_proto::code::CodeMethod;
use ipnet::IpNet;
use std::path::PathBuf;
use toml::Spanned;

/// Most bytes of a known network's name.
const NETWORK_NAME: usize = 64;

/// A file and what it says.
pub(super) struct Source {
    pub file: PathBuf,
    pub text: String,
    pub raw: RawFile,
}

impl Source {
    fn place<T>(&self, spanned: &Spanned<T>) -> Place {
        Place {
            file: self.file.clone(),
            line: line_of(&self.text, spanned.span().start),
        }
    }
}

/// Turns the files into one checked configuration.
pub(super) fn check(mut sources: Vec<Source>, problems: Vec<Problem>) -> Result<Config, Problems> {
    let mut checker = Checker::new(problems, "assent-agentd.service");
    let (mut auth_profiles, mut methods, mut policies, mut applications) = (vec![], vec![], vec![], vec![]);
    let mut settings = Settings::default();
    name_everything(&mut checker, &sources);
    let unclear = sources.iter().any(|source| source.raw.left_out.unclear);
    for source in &mut sources {
        settings.take(source, &mut checker);
        for raw in std::mem::take(&mut source.raw.auth_profile) {
            let place = source.place(&raw);
            auth_profiles.push(auth_profile(&mut checker, &place, raw.into_inner()));
        }
    }
    if unclear {
        // What refers to a profile cannot be judged: it may stand in what was not read.
        return Err(Problems(checker.problems));
    }
    for source in &mut sources {
        for raw in std::mem::take(&mut source.raw.push_profile) {
            let place = source.place(&raw);
            methods.push(push_profile(&mut checker, &place, raw.into_inner()));
        }
        for (method, list) in code_profiles(&mut source.raw) {
            for raw in std::mem::take(list) {
                let place = Place {
                    file: source.file.clone(),
                    line: line_of(&source.text, raw.span().start),
                };
                methods.push(code_profile(&mut checker, &place, method, raw.into_inner()));
            }
        }
    }
    let left_out = |count: fn(&LeftOut) -> usize| sources.iter().map(|source| count(&source.raw.left_out)).sum();
    // Behind the others, as they are named: wrong themselves, and not absent.
    let (auths, others): (usize, usize) = (left_out(|l| l.auth_profiles.len()), left_out(|l| l.methods.len()));
    auth_profiles.extend(std::iter::repeat_with(|| None).take(auths));
    methods.extend(std::iter::repeat_with(|| None).take(others));
    let around = Around {
        auth_profiles: &auth_profiles,
        methods: &methods,
    };
    let mut policy_places = Vec::new();
    for source in &mut sources {
        for raw in std::mem::take(&mut source.raw.policy) {
            let place = source.place(&raw);
            if let Some(policy) = policy(&mut checker, &place, &around, raw.into_inner()) {
                policies.push(policy);
                policy_places.push(place);
            }
        }
        for raw in std::mem::take(&mut source.raw.application) {
            let place = source.place(&raw);
            let around = application::Around {
                before: &applications,
                methods: &methods,
                networks: &settings.known_networks,
            };
            let found = application(&mut checker, &place, &around, raw.into_inner());
            applications.extend(found);
        }
    }
    let main = sources.first().map_or_else(PathBuf::new, |s| s.file.clone());
    let gateway = settings.gateway.is_some() || sources.iter().any(|source| source.raw.left_out.gateway);
    if !gateway && !methods.is_empty() {
        checker.problem(
            &Place { file: main, line: 1 },
            "there are method profiles but no [gateway]",
            "add [gateway] with its url: pushes and codes go there",
        );
    }
    want_places(&mut checker, &settings, &policies, &policy_places);
    warn_of_hidden(&mut checker, &policies, &policy_places, &applications);
    warn_of_no_waiver(&mut checker, &policies, &policy_places, &applications);
    warn_of_unlisted(&mut checker, &policies, &policy_places, &applications);
    want_attributes(&mut auth_profiles, &policies, &methods);
    let auth_profiles: Option<Vec<AuthProfile>> = auth_profiles.into_iter().collect();
    let methods: Option<Vec<MethodProfile>> = methods.into_iter().collect();
    match (auth_profiles, methods) {
        (Some(auth_profiles), Some(methods)) if checker.problems.is_empty() => Ok(Config {
            unlisted: settings.unlisted.unwrap_or(Unlisted::Deny),
            gateway: settings.gateway,
            log: settings.log,
            alert_hook: settings.alert_hook,
            paths: settings.paths,
            known_networks: settings.known_networks,
            location: settings.location,
            auth_profiles,
            methods,
            policies,
            applications,
            warnings: checker.warnings,
        }),
        _ => Err(Problems(checker.problems)),
    }
}

/// Names first, over all files, so that order does not matter for references. Counted in the order in which profiles are
/// read afterwards; those that could not be read come last.
fn name_everything(checker: &mut Checker, sources: &[Source]) {
    let (mut auths, mut methods) = (0, 0);
    for source in sources {
        for raw in &source.raw.auth_profile {
            checker.name(&raw.get_ref().name, Named::Auth(AuthIndex(auths)), &source.place(raw));
            auths += 1;
        }
        let raw = &source.raw;
        let pushes = raw
            .push_profile
            .iter()
            .map(|raw| (&raw.get_ref().name, source.place(raw)));
        let codes = [
            &raw.sms_profile,
            &raw.mail_profile,
            &raw.totp_profile,
            &raw.recovery_profile,
        ];
        let codes = codes.into_iter().flatten();
        for (name, place) in pushes.chain(codes.map(|raw| (&raw.get_ref().name, source.place(raw)))) {
            checker.name(name, Named::Method(MethodIndex(methods)), &place);
            methods += 1;
        }
        for raw in &source.raw.application {
            checker.name(&raw.get_ref().name, Named::Application, &source.place(raw));
        }
    }
    for source in sources {
        let left_out = &source.raw.left_out;
        for name in &left_out.auth_profiles {
            checker.name(name.get_ref(), Named::Auth(AuthIndex(auths)), &source.place(name));
            auths += 1;
        }
        for name in &left_out.methods {
            checker.name(name.get_ref(), Named::Method(MethodIndex(methods)), &source.place(name));
            methods += 1;
        }
        for name in &left_out.applications {
            checker.name(name.get_ref(), Named::Application, &source.place(name));
        }
    }
}

/// The profiles beside push, in the order in which they are counted.
fn code_profiles(raw: &mut RawFile) -> [(CodeMethod, &mut Vec<Spanned<RawCodeProfile>>); 4] {
    [
        (CodeMethod::Sms, &mut raw.sms_profile),
        (CodeMethod::Mail, &mut raw.mail_profile),
        (CodeMethod::Totp, &mut raw.totp_profile),
        (CodeMethod::Recovery, &mut raw.recovery_profile),
    ]
}

/// Policies for services that no application lists, so that they never count.
fn warn_of_unlisted(checker: &mut Checker, policies: &[Policy], places: &[Place], applications: &[Application]) {
    let listed = |service: &String| applications.iter().any(|app| app.services.contains(service));
    for (policy, place) in policies.iter().zip(places) {
        for service in policy.conditions.services.iter().filter(|service| !listed(service)) {
            checker.warning(
                place,
                format!("the policy is for the service {service:?}, which no application lists"),
                "list it under an [[application]], or take it out here",
            );
        }
    }
}

/// Without a data base no place is known, and such a policy would say the same of everybody.
fn want_places(checker: &mut Checker, settings: &Settings, policies: &[Policy], places: &[Place]) {
    if settings.location.is_some() {
        return;
    }
    for (policy, place) in policies.iter().zip(places) {
        if policy.conditions.risk.asks_for_places() {
            checker.problem(
                place,
                "the policy asks where an address lies, and there is no [location]",
                "add [location] with its database; impossible_travel needs one with cities",
            );
        }
    }
}

/// Policies that would waive a factor, where no application lets them.
fn warn_of_no_waiver(checker: &mut Checker, policies: &[Policy], places: &[Place], applications: &[Application]) {
    for (policy, place) in policies.iter().zip(places) {
        let waives = |app: &Application| {
            let listed = app
                .factors
                .iter()
                .any(|factor| matches!(factor, Factor::Method(methods) if methods.contains(&policy.method)));
            app.floor == Strength::Bypass && listed
        };
        if policy.action == Action::Waive && !applications.iter().any(waives) {
            checker.warning(
                place,
                "the policy would waive a factor, and no application that lists its profile has floor = \"bypass\"",
                "it never counts: write that floor, or remove the policy",
            );
        }
    }
}

fn warn_of_hidden(checker: &mut Checker, policies: &[Policy], places: &[Place], applications: &[Application]) {
    for (hidden, hider) in shadowed(policies, applications) {
        checker.warning(
            &places[hidden],
            "no login comes to this policy",
            format!(
                "the one at {} takes everybody whom this one would: move this one above it, or remove it",
                policies[hider].place
            ),
        );
    }
}

/// Seconds after which a revocation list is too old to push by, where nothing is said: 7 days.
const REVOCATION_AGE: u64 = 7 * 86_400;
/// Between two days (a list of yesterday is no alarm) and the life of a device's certificate.
const REVOCATION_AGES: std::ops::RangeInclusive<u64> = 2 * 86_400..=90 * 86_400;

/// What stands outside the lists; a later file replaces an earlier one's.
struct Settings {
    unlisted: Option<Unlisted>,
    gateway: Option<Gateway>,
    log: Log,
    alert_hook: Option<PathBuf>,
    paths: Paths,
    known_networks: Vec<KnownNetwork>,
    location: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unlisted: None,
            gateway: None,
            log: Log {
                syslog: "/dev/log".into(),
                format: LogFormat::Auto,
                audit_file: "/var/lib/assent/audit.jsonl".into(),
            },
            alert_hook: None,
            paths: Paths {
                state_dir: "/var/lib/assent".into(),
                trust_dir: "/etc/assent/trust.d".into(),
                revoked_dir: "/etc/assent/revoked.d".into(),
            },
            known_networks: Vec::new(),
            location: None,
        }
    }
}

impl Settings {
    fn take(&mut self, source: &mut Source, checker: &mut Checker) {
        if let Some(unlisted) = source.raw.unlisted.take() {
            let place = source.place(&unlisted);
            let options = [("deny", Unlisted::Deny), ("ignore", Unlisted::Ignore)];
            self.unlisted =
                Some(checker.choice(&place, "unlisted", Some(unlisted.get_ref()), Unlisted::Deny, &options));
        }
        if let Some(gateway) = source.raw.gateway.take() {
            let place = source.place(&gateway);
            let gateway = gateway.into_inner();
            let bare = |url: &str| url.trim_end_matches('/').to_owned();
            let url = bare(&gateway.url);
            let codes_url = gateway.codes_url.as_deref().map(bare);
            for (key, url) in [("url", Some(&url)), ("codes_url", codes_url.as_ref())] {
                if let Some(url) = url.filter(|url| !url_is_safe(url)) {
                    checker.problem(
                        &place,
                        format!("the gateway's {key} {url:?} is not https"),
                        "use https://…; plain http:// is allowed for 127.0.0.1 and [::1] alone",
                    );
                }
            }
            if codes_url.as_ref() == Some(&url) {
                checker.problem(
                    &place,
                    "codes_url is the gateway's url: what is away there is away for both",
                    "name the panel's address, where that runs apart from the relay, or leave codes_url out",
                );
            }
            let age = gateway.revocation_max_age_seconds.unwrap_or(REVOCATION_AGE);
            if !REVOCATION_AGES.contains(&age) {
                checker.problem(
                    &place,
                    format!("revocation_max_age_seconds = {age} is out of bounds"),
                    format!(
                        "a new list is made each day: write {} to {}",
                        REVOCATION_AGES.start(),
                        REVOCATION_AGES.end()
                    ),
                );
            }
            self.gateway = Some(Gateway {
                url,
                codes_url,
                ca_file: gateway.ca_file,
                revocation_max_age: age,
            });
        }
        if let Some(log) = source.raw.log.take() {
            let place = source.place(&log);
            let log = log.into_inner();
            replace(&mut self.log.format, log_format(checker, &place, &log));
            replace(&mut self.log.syslog, log.syslog);
            replace(&mut self.log.audit_file, log.audit_file);
        }
        if let Some(alerts) = source.raw.alerts.take() {
            let place = source.place(&alerts);
            if let Some(hook) = alerts.into_inner().hook {
                if !hook.is_absolute() {
                    checker.problem(
                        &place,
                        format!("the alert hook {} is no absolute path", hook.display()),
                        "it is run without a shell and without PATH: write it from / on, without arguments",
                    );
                }
                self.alert_hook = Some(hook);
            }
        }
        if let Some(paths) = source.raw.paths.take() {
            replace(&mut self.paths.state_dir, paths.state_dir);
            replace(&mut self.paths.trust_dir, paths.trust_dir);
            replace(&mut self.paths.revoked_dir, paths.revoked_dir);
        }
        if let Some(networks) = source.raw.known_networks.take() {
            let place = source.place(&networks);
            for (name, written) in networks.into_inner() {
                let known = known_network(checker, &place, name, &written);
                self.known_networks.retain(|before| before.name != known.name);
                self.known_networks.push(known);
            }
        }
        if let Some(location) = source.raw.location.take() {
            let place = source.place(&location);
            let database = location.into_inner().database;
            if !database.is_absolute() {
                checker.problem(
                    &place,
                    format!("the data base {} is no absolute path", database.display()),
                    "write it from the root: \"/var/lib/…\"",
                );
            }
            self.location = Some(database);
        }
    }
}

fn known_network(checker: &mut Checker, place: &Place, name: String, written: &[String]) -> KnownNetwork {
    if name.is_empty() || name.len() > NETWORK_NAME || name.chars().any(char::is_control) {
        checker.problem(
            place,
            format!("the network's name {name:?} cannot be used"),
            format!("it is shown on phones: use 1 to {NETWORK_NAME} bytes of plain text"),
        );
    }
    if written.is_empty() {
        checker.problem(
            place,
            format!("the known network {name:?} is empty"),
            "list its networks: [\"192.0.2.0/24\"]",
        );
    }
    let networks: Vec<IpNet> = written
        .iter()
        .filter_map(|text| network(checker, place, text))
        .collect();
    if networks.iter().any(|net| net.prefix_len() == 0) {
        checker.warning(
            place,
            format!("the known network {name:?} is the whole Internet"),
            "every address counts as known there, and adaptive asks for a tap instead of a number",
        );
    }
    KnownNetwork { name, networks }
}

fn replace<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// `https://host…`, or plain HTTP to a loopback address.
fn url_is_safe(url: &str) -> bool {
    let host = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        (!authority.is_empty() && !authority.contains('@')).then(|| authority.to_owned())
    };
    if let Some(rest) = url.strip_prefix("https://") {
        return host(rest).is_some();
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    host(rest).is_some_and(|authority| loopback(&authority))
}

/// Each LDAP profile reads the attributes that its policies look at, and the address that a code goes to.
fn want_attributes(profiles: &mut [Option<AuthProfile>], policies: &[Policy], methods: &[Option<MethodProfile>]) {
    let tested = policies.iter().filter_map(|policy| {
        let test = policy.attribute.as_ref()?;
        Some((policy.auth_profile, test.name.as_str()))
    });
    let addresses = methods.iter().flatten().flat_map(|method| {
        let names = method
            .address
            .iter()
            .chain(&method.language.attribute)
            .map(String::as_str);
        names.flat_map(|name| method.fallback.iter().map(move |profile| (*profile, name)))
    });
    for (profile, name) in tested.chain(addresses) {
        let Some(Some(profile)) = profiles.get_mut(profile.0) else {
            continue;
        };
        profile.want(name);
    }
}
