//! A real 389 Directory Server on loopback, with its password policy, the memberOf plug-in, and accounts in every state.
//!
//! Needs root, and Debian's `389-ds-base`, `libnss3-tools` and `ldap-utils`. `dscreate` insists on systemd, so the
//! package's own template of a configuration is filled in.

use crate::rig::{Dir, certificates, free_port, profile_of, run};
use crate::template;
use assent_engine::config::profile::LdapProfile;
use assent_engine::directory::ldap::LdapDirectory;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const SUFFIX: &str = "dc=lab,dc=test";
const PACKAGES: &str = "389-ds-base libnss3-tools ldap-utils openssl";
const PROGRAM: &str = "/usr/sbin/ns-slapd";
/// In the template; a copy has its own.
const PORT: u16 = 28_389;

/// A running server.
pub struct Ds389 {
    pub dir: Dir,
    pub port: u16,
    server: Running,
}

struct Running(Child);

impl Running {
    fn start(dir: &Path, port: u16) -> Self {
        let out = std::fs::File::create(dir.join("out")).unwrap();
        let child = Command::new(PROGRAM)
            .arg("-D")
            .arg(dir)
            .arg("-i")
            .arg(dir.join("pid"))
            .args(["-d", "16384"])
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        let running = Self(child);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(dir.join("out")).unwrap_or_default();
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "389 does not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Ends it in order, so that its data are whole.
    fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It leaves a semaphore behind when it is killed, so it is asked first.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let start = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) {
            if start.elapsed() > Duration::from_secs(10) {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Ds389 {
    /// `None` where the machine cannot have one.
    pub fn start() -> Option<Self> {
        if !template::can_have("389 Directory Server", PROGRAM, PACKAGES) {
            return None;
        }
        let (settings, people) = (settings(), people());
        let template = template::template("ds389", &format!("1 {settings} {people}"), |dir| {
            install(dir, &settings, &people);
        });
        let dir = Dir::new();
        template::copy(&template, &dir.0);
        let port = free_port();
        let configuration = std::fs::read_to_string(template.join("dse.ldif"))
            .unwrap()
            // A long path is folded over two lines.
            .replace("\n ", "")
            .replace(&template.display().to_string(), &dir.0.display().to_string())
            .replace(&(PORT + 1).to_string(), &(port + 1).to_string())
            .replace(&PORT.to_string(), &port.to_string());
        std::fs::write(dir.0.join("dse.ldif"), configuration).unwrap();
        // What remembers where it was.
        for file in std::fs::read_dir(dir.0.join("db")).unwrap().flatten() {
            if file.file_name().to_string_lossy().starts_with("__db.") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        dir.secret("service-password", "svcpw\n");
        let server = Running::start(&dir.0, port);
        Some(Self { dir, port, server })
    }

    pub fn profile(&self) -> LdapProfile {
        let toml = format!(
            "preset = \"389ds\"\nuris = [\"ldap://localhost:{}\"]\nbase = \"ou=people,{SUFFIX}\"\n\
             bind_dn = \"uid=svc,ou=people,{SUFFIX}\"\nbind_password_file = \"{dir}/service-password\"\n\
             ca_file = \"{dir}/ca.pem\"\n",
            self.port,
            dir = self.dir.0.display()
        );
        profile_of(&toml, &["memberOf", "mail"])
    }

    pub fn with(&self, change: impl FnOnce(&mut LdapProfile)) -> LdapDirectory {
        let mut profile = self.profile();
        change(&mut profile);
        crate::rig::directory(profile)
    }

    /// Changes entries as the directory's manager.
    pub fn modify(&self, ldif: &str) {
        modify(&self.dir.0, self.port, ldif);
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.server.0.try_wait(), Ok(None))
    }
}

fn modify(dir: &Path, port: u16, ldif: &str) {
    std::fs::write(dir.join("change.ldif"), ldif).unwrap();
    run(Command::new("ldapmodify")
        .args([
            "-x",
            "-H",
            &format!("ldap://127.0.0.1:{port}"),
            "-D",
            "cn=Directory Manager",
        ])
        .args(["-w", "secret-dm", "-f"])
        .arg(dir.join("change.ldif")));
}

fn install(dir: &Path, settings: &str, people: &str) {
    for sub in ["db", "ldif", "bak", "log", "run", "lock", "schema", "tmp"] {
        std::fs::create_dir(dir.join(sub)).unwrap();
    }
    certificates(dir);
    let at = |command: &str| {
        let mut words = command.split(' ');
        run(Command::new(words.next().unwrap()).args(words).current_dir(dir));
    };
    at("openssl pkcs12 -export -inkey s.key -in s.pem -name Server-Cert -passout pass: -out s.p12");
    at("certutil -N -d . --empty-password");
    at("certutil -A -d . -n CA -t CT,, -i ca.pem");
    run(Command::new("pk12util")
        .args(["-i", "s.p12", "-d", ".", "-W", ""])
        .current_dir(dir));
    at("cp /etc/dirsrv/config/slapd-collations.conf /etc/dirsrv/config/certmap.conf .");
    run(Command::new("cp")
        .arg("-r")
        .arg("/etc/dirsrv/schema/.")
        .arg(dir.join("schema")));
    std::fs::write(dir.join("dse.ldif"), configuration(dir)).unwrap();
    // Certificates and the plug-in begin with a restart.
    let first = Running::start(dir, PORT);
    modify(dir, PORT, settings);
    first.stop();
    let second = Running::start(dir, PORT);
    modify(dir, PORT, people);
    second.stop();
}

fn configuration(dir: &Path) -> String {
    let hash = Command::new("pwdhash")
        .args(["-s", "PBKDF2-SHA512", "secret-dm"])
        .output()
        .unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    let mut text = std::fs::read_to_string("/usr/share/dirsrv/data/template-dse.ldif").unwrap();
    let own = dir.display().to_string();
    for (key, sub) in [
        ("schema_dir", "/schema"),
        ("lock_dir", "/lock"),
        ("tmp_dir", "/tmp"),
        ("cert_dir", ""),
        ("config_dir", ""),
        ("ldif_dir", "/ldif"),
        ("bak_dir", "/bak"),
        ("run_dir", "/run"),
        ("inst_dir", ""),
        ("log_dir", "/log"),
        ("ldapi", "/ldapi"),
        ("db_dir", "/db"),
        ("db_home_dir", "/db"),
    ] {
        text = text.replace(&format!("%{key}%"), &format!("{own}{sub}"));
    }
    for (key, value) in [
        ("fqdn", "localhost"),
        ("ds_port", &PORT.to_string()),
        ("ds_user", "root"),
        ("rootdn", "cn=Directory Manager"),
        ("ds_passwd", hash.trim()),
        ("ldapi_enabled", "off"),
        ("ldapi_autobind", "off"),
        ("ds_suffix", SUFFIX),
        ("db_lib", "bdb"),
    ] {
        text = text.replace(&format!("%{key}%"), value);
    }
    text
}

fn change(dn: &str, lines: &[&str]) -> String {
    let mut out = format!("dn: {dn}\nchangetype: modify\n");
    for line in lines {
        let (name, _) = line.split_once(':').unwrap();
        let _ = writeln!(out, "replace: {name}\n{line}\n-");
    }
    out.push('\n');
    out
}

fn add(dn: &str, lines: &[&str]) -> String {
    format!("dn: {dn}\nchangetype: add\n{}\n\n", lines.join("\n"))
}

fn settings() -> String {
    [
        change(
            "cn=config",
            &[
                "nsslapd-security: on",
                &format!("nsslapd-secureport: {}", PORT + 1),
                "nsslapd-listenhost: 127.0.0.1",
                "nsslapd-securelistenhost: 127.0.0.1",
                "passwordLockout: on",
                "passwordMaxFailure: 3",
                "passwordMustChange: on",
                "passwordExp: on",
                "passwordMaxAge: 8640000",
                "passwordCheckSyntax: off",
                // Quick to compute: these passwords are known to everybody.
                "passwordStorageScheme: SSHA512",
            ],
        ),
        change(
            "cn=RSA,cn=encryption,cn=config",
            &[
                "nsSSLPersonalitySSL: Server-Cert",
                "nsSSLActivation: on",
                "nsSSLToken: internal (software)",
            ],
        ),
        change(
            "cn=MemberOf Plugin,cn=plugins,cn=config",
            &["nsslapd-pluginenabled: on", "memberOfAutoAddOC: nsMemberOf"],
        ),
        add(
            "cn=userroot,cn=ldbm database,cn=plugins,cn=config",
            &[
                "objectClass: extensibleObject",
                "objectClass: nsBackendInstance",
                "cn: userroot",
                "nsslapd-suffix: dc=lab,dc=test",
            ],
        ),
        add(
            "cn=dc\\3Dlab\\2Cdc\\3Dtest,cn=mapping tree,cn=config",
            &[
                "objectClass: extensibleObject",
                "objectClass: nsMappingTree",
                "cn: dc=lab,dc=test",
                "nsslapd-state: backend",
                "nsslapd-backend: userroot",
            ],
        ),
    ]
    .concat()
}

fn people() -> String {
    let uid = |name: &str| format!("uid={name},ou=people,{SUFFIX}");
    let mut ldif = add(
        SUFFIX,
        &[
            "objectClass: domain",
            "dc: lab",
            "aci: (targetattr!=\"userPassword\")(version 3.0; acl \"read\"; allow (read,search,compare) userdn=\"ldap:///all\";)",
            "aci: (targetattr=\"userPassword\")(version 3.0; acl \"self\"; allow (write) userdn=\"ldap:///self\";)",
        ],
    );
    for unit in ["people", "groups"] {
        ldif += &add(
            &format!("ou={unit},{SUFFIX}"),
            &["objectClass: organizationalUnit", &format!("ou: {unit}")],
        );
    }
    let names = [
        "alice",
        "bob",
        "svc",
        "inrole",
        "mustchange",
        "pwexpired",
        "disabled",
        "svcmust",
    ];
    for name in names {
        let lock = if name == "disabled" {
            "nsAccountLock: true"
        } else {
            "title: x"
        };
        ldif += &add(
            &uid(name),
            &[
                "objectClass: inetOrgPerson",
                &format!("uid: {name}"),
                &format!("cn: {name}"),
                &format!("sn: {name}"),
                &format!("mail: {name}@lab.test"),
                &format!("userPassword: {name}pw"),
                lock,
            ],
        );
    }
    for (group, member) in [
        ("eng", uid("alice")),
        ("all-staff", format!("cn=eng,ou=groups,{SUFFIX}")),
    ] {
        ldif += &add(
            &format!("cn={group},ou=groups,{SUFFIX}"),
            &[
                "objectClass: groupOfNames",
                &format!("cn: {group}"),
                &format!("member: {member}"),
            ],
        );
    }
    ldif += &disabled_role();
    ldif += &change(
        &uid("inrole"),
        &[&format!("nsRoleDN: cn=nsManagedDisabledRole,{SUFFIX}")],
    );
    for name in names {
        let end = if name == "pwexpired" {
            "20200101000000Z"
        } else {
            "20380119031407Z"
        };
        ldif += &change(&uid(name), &[&format!("passwordExpirationTime: {end}")]);
    }
    // An administrator's reset.
    for name in ["mustchange", "svcmust"] {
        ldif += &change(&uid(name), &[&format!("userPassword: {name}pw")]);
    }
    ldif
}

/// What 389's tools make to lock accounts by a role: a class of service computes `nsAccountLock`.
fn disabled_role() -> String {
    [
        add(
            &format!("cn=nsManagedDisabledRole,{SUFFIX}"),
            &[
                "objectClass: LDAPsubentry",
                "objectClass: nsRoleDefinition",
                "objectClass: nsSimpleRoleDefinition",
                "objectClass: nsManagedRoleDefinition",
                "cn: nsManagedDisabledRole",
            ],
        ),
        add(
            &format!("cn=nsDisabledRole,{SUFFIX}"),
            &[
                "objectClass: LDAPsubentry",
                "objectClass: nsRoleDefinition",
                "objectClass: nsComplexRoleDefinition",
                "objectClass: nsNestedRoleDefinition",
                "cn: nsDisabledRole",
                &format!("nsRoleDN: cn=nsManagedDisabledRole,{SUFFIX}"),
            ],
        ),
        add(
            &format!("cn=nsAccountInactivationTmp,{SUFFIX}"),
            &["objectClass: nsContainer", "cn: nsAccountInactivationTmp"],
        ),
        add(
            &format!("cn=\"cn=nsDisabledRole,{SUFFIX}\",cn=nsAccountInactivationTmp,{SUFFIX}"),
            &[
                "objectClass: extensibleObject",
                "objectClass: costemplate",
                "objectClass: ldapsubentry",
                "nsAccountLock: true",
                "cosPriority: 0",
            ],
        ),
        add(
            &format!("cn=nsAccountInactivation_cos,{SUFFIX}"),
            &[
                "objectClass: LDAPsubentry",
                "objectClass: cosSuperDefinition",
                "objectClass: cosClassicDefinition",
                &format!("cosTemplateDn: cn=nsAccountInactivationTmp,{SUFFIX}"),
                "cosSpecifier: nsRole",
                "cosAttribute: nsAccountLock operational",
            ],
        ),
    ]
    .concat()
}
