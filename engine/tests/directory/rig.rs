//! A private slapd with its own certificate authority, on loopback, gone with its test.
//!
//! Needs Debian's `slapd` and `openssl`.

use assent_engine::config::profile::{
    AccountRules, GroupSearch, LdapProfile, LdapSecurity, LdapServer, Nesting, ServiceAccount,
};
use assent_engine::config::{AuthSource, load_auth_profiles};
use assent_engine::directory::ldap::{LdapDirectory, profile_tls};
use assent_engine::directory::{Lookup, Password, PasswordCheck, Person, Wait};
use assent_engine::names::UserName;
use assent_proto::ShortText;
use assent_proto::text::Outside;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

pub const BASE: &str = "ou=people,dc=lab,dc=test";
pub const SERVICE: &str = "cn=assent,ou=services,dc=lab,dc=test";
const SLAPD: &str = "/usr/sbin/slapd";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory of its own.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("assent-directory-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// A file that holds a secret.
    pub fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running slapd.
pub struct Slapd {
    pub dir: Dir,
    pub port: u16,
    child: Child,
    tls: bool,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| {
        panic!("{command:?}: {e}; see the head of tests/directory/main.rs for what these tests need")
    });
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A certificate authority `ca.pem` and a certificate `s.pem` for localhost alone.
pub fn certificates(dir: &Path) {
    certificates_for(dir, "DNS:localhost");
}

/// A certificate authority `ca.pem` and a certificate `s.pem` for these names.
pub fn certificates_for(dir: &Path, names: &str) {
    let openssl = |arguments: &str| run(Command::new("openssl").args(arguments.split(' ')).current_dir(dir));
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {key} -days 3 -subj /CN=labCA -keyout ca.key -out ca.pem"
    ));
    openssl(&format!("req {key} -subj /CN=localhost -keyout s.key -out s.csr"));
    std::fs::write(dir.join("ext"), format!("subjectAltName={names}\n")).unwrap();
    openssl("x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3 -extfile ext -out s.pem");
}

impl Slapd {
    pub fn start() -> Self {
        Self::with(&users(), true)
    }

    pub fn with(people: &str, tls: bool) -> Self {
        assert!(
            Path::new(SLAPD).exists(),
            "these tests need slapd: apt-get install slapd openssl"
        );
        let dir = Dir::new();
        // Where AppArmor confines /usr/sbin/slapd, a copy may read our files.
        std::fs::copy(SLAPD, dir.0.join("slapd")).unwrap();
        std::fs::create_dir(dir.0.join("db")).unwrap();
        if tls {
            certificates(&dir.0);
        }
        std::fs::write(dir.0.join("slapd.conf"), configuration(&dir.0, tls)).unwrap();
        std::fs::write(dir.0.join("init.ldif"), tree(people)).unwrap();
        run(Command::new(dir.0.join("slapd"))
            .args(["-Tadd", "-q", "-f", "slapd.conf", "-l", "init.ldif"])
            .current_dir(&dir.0));
        dir.secret("service-password", "assent service\n");
        let port = free_port();
        let child = spawn(&dir.0, port, tls);
        Self { dir, port, child, tls }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.dir.0, self.port, self.tls);
    }

    /// Lets the service account read any number of entries.
    pub fn lift_limits(&mut self) {
        let path = self.dir.0.join("slapd.conf");
        let text = std::fs::read_to_string(&path).unwrap();
        let limits = format!("limits dn.exact=\"{SERVICE}\" size=unlimited size.prtotal=unlimited\nmaxsize");
        std::fs::write(&path, text.replace("maxsize", &limits)).unwrap();
        self.restart();
    }

    /// From now on it drops connections that are silent for a second.
    pub fn set_idle_timeout(&mut self) {
        let path = self.dir.0.join("slapd.conf");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("pidfile", "idletimeout 1\npidfile")).unwrap();
        self.restart();
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    fn is_stopped(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks.flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Makes it stop answering, with its connections open.
    pub fn pause(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
        // A busy machine may take its time until the last thread has heard of it.
        while !self.is_stopped() {
            std::thread::yield_now();
        }
    }

    pub fn resume(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.0.join("ca.pem")
    }

    pub fn ldap(&self) -> LdapServer {
        server(&format!("ldap://localhost:{}", self.port), LdapSecurity::StartTls)
    }

    pub fn ldaps(&self) -> LdapServer {
        server(&format!("ldaps://localhost:{}", self.port + 1), LdapSecurity::Ldaps)
    }

    pub fn profile(&self) -> LdapProfile {
        LdapProfile {
            servers: vec![self.ldap()],
            service: Some(ServiceAccount::Simple {
                bind_dn: SERVICE.to_owned(),
                password_file: self.dir.0.join("service-password"),
            }),
            ca_file: Some(self.ca()),
            user_filter: Some("(objectClass=inetOrgPerson)".to_owned()),
            attributes: ["mail", "memberOf", "departmentNumber"].map(str::to_owned).to_vec(),
            ..plain_profile()
        }
    }

    pub fn directory(&self) -> LdapDirectory {
        directory(self.profile())
    }

    /// What slapd has logged so far.
    pub fn log(&self) -> String {
        // slapd writes its lines at once, but it is another process.
        std::thread::sleep(Duration::from_millis(150));
        String::from_utf8_lossy(&std::fs::read(self.dir.0.join("log")).unwrap()).into_owned()
    }
}

/// A profile without servers, authorities and service account.
pub fn plain_profile() -> LdapProfile {
    LdapProfile {
        name: "corp".to_owned(),
        realm: ShortText::new("lab.test").unwrap(),
        servers: vec![],
        base: BASE.to_owned(),
        service: None,
        ca_file: None,
        login_names: vec!["uid".to_owned()],
        user_filter: None,
        id_attribute: "entryUUID".to_owned(),
        attributes: vec!["memberOf".to_owned()],
        attribute_map: [].into(),
        accounts: AccountRules::Any,
        nesting: Nesting::Walk,
        groups: GroupSearch {
            base: "dc=lab,dc=test".to_owned(),
            filter: None,
            members: ["member", "uniqueMember"].map(str::to_owned).to_vec(),
        },
        max_binds: 32,
        cache: None,
        timeout: Duration::from_secs(5),
    }
}

/// The LDAP profile of a configuration, which reads `attributes` for its policies.
pub fn profile_of(toml: &str, attributes: &[&str]) -> LdapProfile {
    let text = format!("[[auth_profile]]\nname = \"corp\"\nkind = \"ldap\"\nrealm = \"lab.test\"\n{toml}");
    let mut profiles = load_auth_profiles(Path::new("test.toml"), &text, "test.service").unwrap();
    let AuthSource::Ldap(profile) = profiles.remove(0).source else {
        panic!("it is an LDAP profile")
    };
    LdapProfile {
        attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        ..*profile
    }
}

pub fn directory(profile: LdapProfile) -> LdapDirectory {
    let tls = profile_tls(&profile).unwrap();
    LdapDirectory::new(profile, tls)
}

pub fn server(uri: &str, security: LdapSecurity) -> LdapServer {
    LdapServer {
        uri: uri.to_owned(),
        security,
    }
}

/// A port that is free, and the next one as well.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
    panic!("no two free ports");
}

fn spawn(dir: &Path, port: u16, tls: bool) -> Child {
    let mut urls = format!("ldap://127.0.0.1:{port}/");
    if tls {
        let _ = write!(urls, " ldaps://127.0.0.1:{}/", port + 1);
    }
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .unwrap();
    let child = Command::new(dir.join("slapd"))
        .args(["-d", "stats", "-f", "slapd.conf", "-h", &urls])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = || std::fs::read_to_string(dir.join("log")).unwrap();
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "slapd does not start: {}",
            log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn configuration(dir: &Path, tls: bool) -> String {
    let dir = dir.display();
    let tls = if tls {
        format!(
            "TLSCACertificateFile {dir}/ca.pem\nTLSCertificateFile {dir}/s.pem\nTLSCertificateKeyFile {dir}/s.key\n\
             TLSVerifyClient try\n"
        )
    } else {
        String::new()
    };
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {dir}/pid
allow bind_anon_cred bind_anon_dn
{tls}database mdb
suffix dc=lab,dc=test
rootdn cn=admin,dc=lab,dc=test
directory {dir}/db
maxsize 4294967296
index objectClass,uid eq
overlay memberof
overlay ppolicy
ppolicy_default cn=default,ou=services,dc=lab,dc=test
ppolicy_use_lockout
access to attrs=userPassword by anonymous auth by * none
access to * by dn.base={SERVICE} read by anonymous auth by * none
"
    )
}

fn tree(people: &str) -> String {
    let unit = |name: &str| format!("dn: ou={name},dc=lab,dc=test\nobjectClass: organizationalUnit\nou: {name}\n\n");
    format!(
        "dn: dc=lab,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: lab\ndc: lab\n\n{}{}{}\
        dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: assent\nuserPassword: assent service\n\n\
        dn: cn=default,ou=services,dc=lab,dc=test\nobjectClass: organizationalRole\nobjectClass: pwdPolicy\ncn: default\n\
        pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 3\npwdLockoutDuration: 300\npwdMustChange: TRUE\n\n{people}",
        unit("people"),
        unit("services"),
        unit("elsewhere"),
    )
}

/// A person below `ou`, with more lines.
pub fn person(name: &str, ou: &str, more: &str) -> String {
    named_person(name, name, ou, more)
}

fn named_person(cn: &str, uid: &str, ou: &str, more: &str) -> String {
    format!("dn: cn={cn},{ou}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {cn}\nsn: {cn}\n{more}\n")
}

pub const ODD_PASSWORD: &str = "pä\\ß wörd✓*)(";

pub fn long_password() -> String {
    "0123456789".repeat(20)
}

fn users() -> String {
    let group = "memberOf: cn=eng,ou=groups,dc=lab,dc=test\nmemberOf: cn=ops,ou=groups,dc=lab,dc=test\n";
    let mut all = String::new();
    for (name, more) in [
        (
            "alice",
            format!("userPassword: alicepw\nmail: alice@lab.test\ndepartmentNumber: IT\n{group}"),
        ),
        ("bob", "userPassword: bobpw\n".to_owned()),
        ("carol", format!("userPassword: {}\n", long_password())),
        ("dave", format!("userPassword: {ODD_PASSWORD}\n")),
        ("nopw", String::new()),
        ("reset", "userPassword: resetpw\npwdReset: TRUE\n".to_owned()),
        (
            "frozen",
            "userPassword: frozenpw\npwdAccountLockedTime: 000001010000Z\n".to_owned(),
        ),
        ("twin", "userPassword: twinpw\n".to_owned()),
        ("Zoë", "userPassword: zoepw\n".to_owned()),
    ] {
        all.push_str(&person(name, BASE, &more));
    }
    all.push_str(&named_person("other twin", "twin", BASE, "userPassword: twinpw\n"));
    all.push_str(&person(
        "mallory",
        "ou=elsewhere,dc=lab,dc=test",
        "userPassword: mallorypw\n",
    ));
    all
}

pub fn user(name: &str) -> UserName {
    UserName::new(&Outside::new(name.as_bytes())).unwrap()
}

pub fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
}

pub async fn check(directory: &LdapDirectory, name: &str, typed: &str) -> PasswordCheck {
    directory
        .check_password(&user(name), &password(typed), Wait::Whole)
        .await
}

pub fn found(lookup: Lookup) -> Person {
    match lookup {
        Lookup::Found(person) => *person,
        other => panic!("{other:?}"),
    }
}

pub fn why(lookup: Lookup) -> String {
    match lookup {
        Lookup::Unreachable(why) => why,
        other => panic!("{other:?}"),
    }
}

pub fn values(person: &Person, name: &str) -> Vec<String> {
    let found = person.attributes.find(name);
    found
        .map(|found| found.values.iter().map(|value| value.shown(200)).collect())
        .unwrap_or_default()
}
