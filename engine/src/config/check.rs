//! Raw → checked: every rule of the configuration, all of its breaches at once.

use super::auth::{auth_profile, loopback};
use super::checker::{Checker, Named, Place};
use super::files::line_of;
use super::raw::{RawApplication, RawFile, RawPolicy, RawPushProfile};
use super::{
    Application, Assurance, AuthIndex, AuthProfile, AuthSource, Config, Factor, Gateway, Log, MethodIndex, Paths,
    Policy, Problem, Problems, PushProfile, Unlisted,
};
use crate::matcher::Matcher;
use std::path::PathBuf;
use toml::Spanned;

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
    let (mut auth_profiles, mut push_profiles, mut policies, mut applications) = (vec![], vec![], vec![], vec![]);
    let mut settings = Settings::default();

    // Names first, over all files, so that order does not matter for references.
    for source in &sources {
        for raw in &source.raw.auth_profile {
            let index = AuthIndex(auth_profiles.len());
            checker.name(&raw.get_ref().name, Named::Auth(index), &source.place(raw));
            auth_profiles.push(None);
        }
        for raw in &source.raw.push_profile {
            let index = MethodIndex(push_profiles.len());
            checker.name(&raw.get_ref().name, Named::Method(index), &source.place(raw));
            push_profiles.push(None);
        }
        for raw in &source.raw.application {
            checker.name(&raw.get_ref().name, Named::Application, &source.place(raw));
        }
    }
    let (mut auth_at, mut push_at) = (0, 0);
    for source in &mut sources {
        settings.take(source, &mut checker);
        for raw in std::mem::take(&mut source.raw.auth_profile) {
            let place = source.place(&raw);
            auth_profiles[auth_at] = auth_profile(&mut checker, &place, raw.into_inner());
            auth_at += 1;
        }
        for raw in std::mem::take(&mut source.raw.push_profile) {
            let place = source.place(&raw);
            push_profiles[push_at] = push_profile(&mut checker, &place, raw.into_inner());
            push_at += 1;
        }
    }
    for source in &mut sources {
        for raw in std::mem::take(&mut source.raw.policy) {
            let place = source.place(&raw);
            policies.extend(policy(&mut checker, &place, &push_profiles, raw.into_inner()));
        }
        for raw in std::mem::take(&mut source.raw.application) {
            let place = source.place(&raw);
            applications.extend(application(&mut checker, &place, &applications, raw.into_inner()));
        }
    }
    let main = sources.first().map_or_else(PathBuf::new, |s| s.file.clone());
    if settings.gateway.is_none() && !push_profiles.is_empty() {
        checker.problem(
            &Place { file: main, line: 1 },
            "there are push profiles but no [gateway]",
            "add [gateway] with its url",
        );
    }
    want_attributes(&mut auth_profiles, &policies);
    let auth_profiles: Option<Vec<AuthProfile>> = auth_profiles.into_iter().collect();
    let push_profiles: Option<Vec<PushProfile>> = push_profiles.into_iter().collect();
    match (auth_profiles, push_profiles) {
        (Some(auth_profiles), Some(push_profiles)) if checker.problems.is_empty() => Ok(Config {
            unlisted: settings.unlisted.unwrap_or(Unlisted::Deny),
            gateway: settings.gateway,
            log: settings.log,
            paths: settings.paths,
            auth_profiles,
            push_profiles,
            policies,
            applications,
        }),
        _ => Err(Problems(checker.problems)),
    }
}

/// What stands outside the lists; a later file replaces an earlier one's.
struct Settings {
    unlisted: Option<Unlisted>,
    gateway: Option<Gateway>,
    log: Log,
    paths: Paths,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            unlisted: None,
            gateway: None,
            log: Log {
                syslog: "/dev/log".into(),
                audit_file: "/var/lib/assent/audit.jsonl".into(),
            },
            paths: Paths {
                state_dir: "/var/lib/assent".into(),
                trust_dir: "/etc/assent/trust.d".into(),
            },
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
            let url = gateway.url.trim_end_matches('/').to_owned();
            if !url_is_safe(&url) {
                checker.problem(
                    &place,
                    format!("the gateway's url {url:?} is not https"),
                    "use https://…; plain http:// is allowed for 127.0.0.1 and [::1] alone",
                );
            }
            self.gateway = Some(Gateway {
                url,
                ca_file: gateway.ca_file,
            });
        }
        if let Some(log) = source.raw.log.take() {
            replace(&mut self.log.syslog, log.syslog);
            replace(&mut self.log.audit_file, log.audit_file);
        }
        if let Some(paths) = source.raw.paths.take() {
            replace(&mut self.paths.state_dir, paths.state_dir);
            replace(&mut self.paths.trust_dir, paths.trust_dir);
        }
    }
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

fn push_profile(checker: &mut Checker, place: &Place, raw: RawPushProfile) -> Option<PushProfile> {
    let before = checker.problems.len();
    let fallback = raw
        .fallback_auth_profiles
        .iter()
        .filter_map(|name| checker.auth(name, place))
        .collect();
    if raw.fallback_auth_profiles.is_empty() {
        checker.problem(
            place,
            format!("push profile {:?} has no fallback auth profiles", raw.name),
            "name at least one [[auth_profile]]",
        );
    }
    match raw.assurance.as_deref() {
        Some("tap") => {}
        None => checker.problem(
            place,
            format!("push profile {:?} has no assurance", raw.name),
            "write assurance = \"tap\"; \"adaptive\", which will be the default, is not there yet",
        ),
        Some(other @ ("adaptive" | "number" | "passkey")) => checker.problem(
            place,
            format!("assurance = {other:?} is not there yet"),
            "this version knows assurance = \"tap\"",
        ),
        Some(other) => checker.problem(
            place,
            format!("assurance = {other:?} is not known"),
            "write assurance = \"tap\"",
        ),
    }
    if raw.nist == Some(true) {
        checker.problem(place, "nist = true needs numbers, which are not there yet", "remove it");
    }
    let ttl = raw.ttl_seconds.unwrap_or(60);
    if !(10..=assent_proto::request::MAX_TTL).contains(&ttl) {
        checker.problem(
            place,
            format!("ttl_seconds = {ttl} is out of bounds"),
            format!("use 10 to {}", assent_proto::request::MAX_TTL),
        );
    }
    (checker.problems.len() == before).then_some(PushProfile {
        name: raw.name,
        fallback,
        assurance: Assurance::Tap,
        ttl,
    })
}

fn policy(checker: &mut Checker, place: &Place, profiles: &[Option<PushProfile>], raw: RawPolicy) -> Option<Policy> {
    let name = match (raw.profile, raw.push_profile) {
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => {
            checker.problem(place, "a policy belongs to a profile", "add push_profile = \"…\"");
            return None;
        }
        (Some(_), Some(_)) => {
            checker.problem(place, "a policy belongs to one profile", "keep profile or push_profile");
            return None;
        }
    };
    let method = match checker.names.get(&name) {
        Some((Named::Method(index), _)) => Some(*index),
        _ => {
            checker.problem(
                place,
                format!("there is no push profile {name:?}"),
                checker.known(|n| matches!(n, Named::Method(_))),
            );
            None
        }
    };
    let auth_profile = checker.auth(&raw.auth_profile, place);
    if let (Some(method), Some(auth)) = (method, auth_profile)
        && profiles[method.0].as_ref().is_some_and(|p| !p.fallback.contains(&auth))
    {
        checker.problem(
            place,
            format!(
                "the policy's auth_profile {:?} is none of {name:?}'s fallback_auth_profiles",
                raw.auth_profile
            ),
            "add it there, or name one of them",
        );
    }
    if raw.attribute.is_empty() {
        checker.problem(
            place,
            "the policy names no attribute",
            "add attribute = \"department\" or another one",
        );
    }
    let exact = checker.choice(
        place,
        "case",
        raw.case.as_deref(),
        false,
        &[("exact", true), ("ignore", false)],
    );
    match Matcher::new(&raw.values, &raw.regex, exact) {
        Ok(matcher) => Some(Policy {
            method: method?,
            auth_profile: auth_profile?,
            attribute: raw.attribute,
            matcher,
            place: format!("{}:{}", place.file.display(), place.line),
        }),
        Err(e) => {
            checker.problem(place, e.to_string(), "see the manual's page on policies");
            None
        }
    }
}

fn application(
    checker: &mut Checker,
    place: &Place,
    before: &[Application],
    raw: RawApplication,
) -> Option<Application> {
    if raw.services.is_empty() {
        checker.problem(
            place,
            format!("application {:?} lists no services", raw.name),
            "add services = [\"sshd\"] or another one",
        );
    }
    for service in &raw.services {
        if let Some(other) = before.iter().find(|app| app.services.contains(service)) {
            checker.problem(
                place,
                format!(
                    "the service {service:?} belongs to application {:?} already",
                    other.name
                ),
                "list a service once",
            );
        }
    }
    if raw.factors.is_empty() {
        checker.problem(
            place,
            format!("application {:?} has no factors", raw.name),
            "add factors = [[\"stack\"], [\"…\"]]",
        );
        return None;
    }
    let factors: Option<Vec<Factor>> = raw.factors.iter().map(|names| factor(checker, place, names)).collect();
    let factors = factors?;
    if factors.iter().all(|factor| *factor == Factor::Stack) {
        checker.problem(
            place,
            format!("application {:?} would admit everyone whom the stack admits", raw.name),
            "add a factor of its own, or leave the application out",
        );
        return None;
    }
    Some(Application {
        name: raw.name,
        services: raw.services,
        factors,
    })
}

fn factor(checker: &mut Checker, place: &Place, names: &[String]) -> Option<Factor> {
    if let [only] = names
        && only == "stack"
    {
        return Some(Factor::Stack);
    }
    let (mut auth, mut methods) = (vec![], vec![]);
    for name in names {
        match checker.names.get(name) {
            Some((Named::Auth(index), _)) => auth.push(*index),
            Some((Named::Method(index), _)) => methods.push(*index),
            _ => {
                let known = checker.known(|n| *n != Named::Application);
                checker.problem(place, format!("a factor lists {name:?}, which is no profile"), known);
                return None;
            }
        }
    }
    match (auth.is_empty(), methods.is_empty()) {
        (false, true) => Some(Factor::Password(auth)),
        (true, false) => Some(Factor::Method(methods)),
        (true, true) => {
            checker.problem(place, "a factor is empty", "list profiles, or \"stack\" alone");
            None
        }
        (false, false) => {
            checker.problem(
                place,
                "a factor mixes authentication and method profiles",
                "make two factors of it",
            );
            None
        }
    }
}

/// Each LDAP profile reads the attributes that its policies look at.
fn want_attributes(profiles: &mut [Option<AuthProfile>], policies: &[Policy]) {
    for policy in policies {
        if let Some(Some(profile)) = profiles.get_mut(policy.auth_profile.0)
            && let AuthSource::Ldap(ldap) = &mut profile.source
            && !ldap.attributes.contains(&policy.attribute)
        {
            ldap.attributes.push(policy.attribute.clone());
        }
    }
}
