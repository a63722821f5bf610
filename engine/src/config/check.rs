//! Raw → checked: every rule of the configuration, all of its breaches at once.

use super::files::line_of;
use super::profile::{LdapProfile, LdapSecurity, LdapServer, LocalProfile, ServiceAccount};
use super::raw::{RawApplication, RawAuthProfile, RawFile, RawPolicy, RawPushProfile};
use super::{
    Application, Assurance, AuthIndex, AuthProfile, AuthSource, Config, Factor, Gateway, Log, MethodIndex,
    OnUnreachable, Paths, Policy, Problem, Problems, PushProfile, Unlisted,
};
use crate::matcher::Matcher;
use assent_proto::ShortText;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// A file and what it says.
pub(super) struct Source {
    pub file: PathBuf,
    pub text: String,
    pub raw: RawFile,
}

/// Where something stands.
#[derive(Clone)]
struct Place {
    file: PathBuf,
    line: usize,
}

impl Source {
    fn place<T>(&self, spanned: &Spanned<T>) -> Place {
        Place {
            file: self.file.clone(),
            line: line_of(&self.text, spanned.span().start),
        }
    }
}

/// Collects problems and the names given so far.
struct Checker {
    problems: Vec<Problem>,
    names: HashMap<String, (Named, Place)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Auth(AuthIndex),
    Method(MethodIndex),
    Application,
}

impl Checker {
    fn problem(&mut self, place: &Place, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(Problem {
            file: place.file.clone(),
            line: Some(place.line),
            what: what.into(),
            mend: mend.into(),
        });
    }

    fn name(&mut self, name: &str, what: Named, place: &Place) {
        if name.is_empty() || name == "stack" || name.chars().any(char::is_control) {
            self.problem(
                place,
                format!("the name {name:?} cannot be used"),
                "choose another name",
            );
        }
        if let Some((_, first)) = self.names.get(name) {
            let first = format!("{}:{}", first.file.display(), first.line);
            self.problem(
                place,
                format!("the name {name:?} is used twice"),
                format!("it was given at {first}; names are unique over all kinds"),
            );
            return;
        }
        self.names.insert(name.to_owned(), (what, place.clone()));
    }

    fn auth(&mut self, name: &str, place: &Place) -> Option<AuthIndex> {
        match self.names.get(name) {
            Some((Named::Auth(index), _)) => Some(*index),
            Some(_) => {
                self.problem(
                    place,
                    format!("{name:?} is no authentication profile"),
                    "name an [[auth_profile]]",
                );
                None
            }
            None => {
                self.problem(
                    place,
                    format!("there is no authentication profile {name:?}"),
                    self.known(|n| matches!(n, Named::Auth(_))),
                );
                None
            }
        }
    }

    fn known(&self, kind: impl Fn(&Named) -> bool) -> String {
        let mut names: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, (n, _))| kind(n))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        if names.is_empty() {
            return "there are none yet".into();
        }
        format!("known are: {}", names.join(", "))
    }

    fn choice<T: Copy>(
        &mut self,
        place: &Place,
        key: &str,
        value: Option<&str>,
        default: T,
        options: &[(&str, T)],
    ) -> T {
        let Some(value) = value else { return default };
        if let Some((_, chosen)) = options.iter().find(|(name, _)| *name == value) {
            return *chosen;
        }
        let names: Vec<String> = options.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.problem(
            place,
            format!("{key} = {value:?} is not known"),
            format!("use {}", names.join(" or ")),
        );
        default
    }
}

/// Turns the files into one checked configuration.
pub(super) fn check(mut sources: Vec<Source>, problems: Vec<Problem>) -> Result<Config, Problems> {
    let mut checker = Checker {
        problems,
        names: HashMap::new(),
    };
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

/// Whether `host[:port]` is a loopback address, written as an address.
fn loopback(authority: &str) -> bool {
    authority
        .parse::<std::net::SocketAddr>()
        .map(|addr| addr.ip())
        .or_else(|_| authority.trim_matches(['[', ']']).parse::<std::net::IpAddr>())
        .is_ok_and(|ip| ip.is_loopback())
}

fn auth_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<AuthProfile> {
    let on_unreachable = checker.choice(
        place,
        "on_unreachable",
        raw.on_unreachable.as_deref(),
        OnUnreachable::Deny,
        &[("deny", OnUnreachable::Deny), ("next", OnUnreachable::Next)],
    );
    let source = match raw.kind.as_str() {
        "ldap" => AuthSource::Ldap(ldap_profile(checker, place, raw)?),
        "local" => AuthSource::Local(local_profile(checker, place, raw)?),
        other => {
            checker.problem(
                place,
                format!("kind = {other:?} is not known"),
                "use \"ldap\" or \"local\"",
            );
            return None;
        }
    };
    Some(AuthProfile { source, on_unreachable })
}

fn ldap_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<LdapProfile> {
    let before = checker.problems.len();
    if raw.users_file.is_some() {
        checker.problem(place, "users_file belongs to kind = \"local\"", "remove it");
    }
    let Some(base) = raw.base else {
        checker.problem(place, "an LDAP profile needs a base", "add base = \"dc=…\"");
        return None;
    };
    let Some(realm) = raw.realm.and_then(ShortText::new).filter(|r| !r.as_str().is_empty()) else {
        checker.problem(
            place,
            "an LDAP profile needs a realm",
            "add realm = \"…\", the same on every host and on the panel",
        );
        return None;
    };
    let servers: Vec<LdapServer> = raw
        .uris
        .iter()
        .filter_map(|uri| ldap_server(checker, place, uri, raw.starttls, raw.plain_loopback))
        .collect();
    if raw.uris.is_empty() {
        checker.problem(
            place,
            "an LDAP profile needs at least one server",
            "add uris = [\"ldaps://…\"]",
        );
    }
    let service = service_account(
        checker,
        place,
        raw.bind_dn,
        raw.bind_password_file,
        raw.bind_password_credential,
    );
    if raw
        .user_filter
        .as_deref()
        .is_some_and(|f| !(f.starts_with('(') && f.ends_with(')')))
    {
        checker.problem(
            place,
            "user_filter is no filter",
            "write it as in RFC 4515, such as \"(objectClass=person)\"",
        );
    }
    let timeout = raw.timeout_seconds.unwrap_or(5);
    if !(1..=30).contains(&timeout) {
        checker.problem(
            place,
            format!("timeout_seconds = {timeout} is out of bounds"),
            "use 1 to 30",
        );
    }
    (checker.problems.len() == before).then(|| LdapProfile {
        name: raw.name,
        realm,
        servers,
        base,
        service,
        ca_file: raw.ca_file,
        user_attribute: raw.user_attribute.unwrap_or_else(|| "uid".into()),
        user_filter: raw.user_filter,
        id_attribute: raw.id_attribute.unwrap_or_else(|| "entryUUID".into()),
        attributes: Vec::new(),
        timeout: Duration::from_secs(timeout),
    })
}

fn ldap_server(
    checker: &mut Checker,
    place: &Place,
    uri: &str,
    starttls: Option<bool>,
    plain: Option<bool>,
) -> Option<LdapServer> {
    let server = |security| {
        Some(LdapServer {
            uri: uri.to_owned(),
            security,
        })
    };
    if uri.starts_with("ldaps://") {
        return server(LdapSecurity::Ldaps);
    }
    let Some(authority) = uri.strip_prefix("ldap://") else {
        checker.problem(
            place,
            format!("the uri {uri:?} is not known"),
            "use ldaps://host or ldap://host",
        );
        return None;
    };
    if starttls == Some(false) {
        if plain == Some(true) && loopback(authority.trim_end_matches('/')) {
            return server(LdapSecurity::PlainLoopback);
        }
        checker.problem(
            place,
            format!("passwords would cross the network to {uri} unprotected"),
            "use ldaps://, or leave starttls on; plain LDAP is for a loopback address with plain_loopback = true",
        );
        return None;
    }
    server(LdapSecurity::StartTls)
}

fn service_account(
    checker: &mut Checker,
    place: &Place,
    dn: Option<String>,
    file: Option<PathBuf>,
    credential: Option<String>,
) -> Option<ServiceAccount> {
    let credential = credential.and_then(|name| credential_path(checker, place, &name));
    let password_file = match (file, credential) {
        (Some(_), Some(_)) => {
            checker.problem(
                place,
                "the service password is given twice",
                "keep bind_password_file or bind_password_credential",
            );
            return None;
        }
        (file, credential) => file.or(credential),
    };
    match (dn, password_file) {
        (None, None) => None,
        (Some(dn), Some(_)) if dn.is_empty() => {
            checker.problem(place, "bind_dn is empty", "remove it to search without a name");
            None
        }
        (Some(bind_dn), Some(password_file)) => Some(ServiceAccount { bind_dn, password_file }),
        (Some(_), None) => {
            checker.problem(
                place,
                "bind_dn has no password",
                "add bind_password_credential or bind_password_file",
            );
            None
        }
        (None, Some(_)) => {
            checker.problem(place, "there is a service password but no bind_dn", "add bind_dn");
            None
        }
    }
}

/// A credential's path as systemd lays it out for this service (systemd.exec(5), `LoadCredential`).
fn credential_path(checker: &mut Checker, place: &Place, name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        checker.problem(
            place,
            format!("the credential name {name:?} cannot be used"),
            "name a systemd credential",
        );
        return None;
    }
    Some(Path::new("/run/credentials/assent-agentd.service").join(name))
}

fn local_profile(checker: &mut Checker, place: &Place, raw: RawAuthProfile) -> Option<LocalProfile> {
    let ldap_only = !raw.uris.is_empty()
        || raw.base.is_some()
        || raw.bind_dn.is_some()
        || raw.bind_password_file.is_some()
        || raw.bind_password_credential.is_some()
        || raw.ca_file.is_some()
        || raw.starttls.is_some()
        || raw.plain_loopback.is_some()
        || raw.user_attribute.is_some()
        || raw.user_filter.is_some()
        || raw.id_attribute.is_some()
        || raw.timeout_seconds.is_some();
    if ldap_only {
        checker.problem(
            place,
            "a local profile has keys of an LDAP one",
            "keep name, kind, realm, on_unreachable and users_file",
        );
        return None;
    }
    Some(LocalProfile {
        name: raw.name,
        realm: raw.realm.and_then(ShortText::new),
        may_be_absent: raw.users_file.is_none(),
        users_file: raw.users_file.unwrap_or_else(|| "/etc/assent/users.toml".into()),
    })
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
