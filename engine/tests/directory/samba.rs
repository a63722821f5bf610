//! A real Samba Active Directory domain controller, one process on a loopback address of its own.
//!
//! Needs root, and Debian's `samba-ad-dc`, `samba-ad-provision`, `samba-dsdb-modules` and `ldb-tools`.

use crate::rig::{Dir, certificates_for, profile_of, run};
use crate::template;
use assent_engine::config::profile::LdapProfile;
use assent_engine::directory::ldap::LdapDirectory;
use base64ct::{Base64, Encoding as _};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const DOMAIN: &str = "DC=ad,DC=lab,DC=test";
const PACKAGES: &str = "samba samba-ad-dc samba-ad-provision samba-dsdb-modules ldb-tools";
/// An old date as Windows counts it.
const OLD: &str = "132223104000000000";

/// A running domain controller.
pub struct Samba {
    pub dir: Dir,
    pub address: String,
    child: Child,
}

impl Drop for Samba {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Samba {
    /// `None` where the machine cannot have one.
    pub fn start() -> Option<Self> {
        if !template::can_have("Samba as a domain controller", "/usr/sbin/samba", PACKAGES) {
            return None;
        }
        let template = template::template("samba", &format!("1 {}", people()), provision);
        let dir = Dir::new();
        template::copy(&template, &dir.0);
        let address = free_address();
        certificates_for(&dir.0, &format!("DNS:dc1.ad.lab.test,IP:{address}"));
        dir.secret("service-password", "svcpw\n");
        std::fs::write(dir.0.join("smb.conf"), configuration(&dir.0, &address)).unwrap();
        let log = std::fs::File::create(dir.0.join("log")).unwrap();
        let child = Command::new("samba")
            .args(["-F", "-M", "single", "--debug-stdout", "-d", "1", "-s"])
            .arg(dir.0.join("smb.conf"))
            .env("TDB_NO_FSYNC", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let samba = Self { dir, address, child };
        let start = Instant::now();
        while TcpStream::connect((samba.address.as_str(), 636)).is_err() {
            let log = || std::fs::read_to_string(samba.dir.0.join("log")).unwrap_or_default();
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "samba does not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(samba)
    }

    pub fn profile(&self) -> LdapProfile {
        let toml = format!(
            "preset = \"active-directory\"\nuris = [\"ldaps://{}\"]\nbase = \"OU=people,{DOMAIN}\"\n\
             bind_dn = \"CN=svc,OU=people,{DOMAIN}\"\nbind_password_file = \"{dir}/service-password\"\n\
             ca_file = \"{dir}/ca.pem\"\n",
            self.address,
            dir = self.dir.0.display()
        );
        profile_of(&toml, &["memberOf", "department", "mobile"])
    }

    pub fn with(&self, change: impl FnOnce(&mut LdapProfile)) -> LdapDirectory {
        let mut profile = self.profile();
        change(&mut profile);
        crate::rig::directory(profile)
    }
}

/// Nobody else's: each process has its own range, and each test in it the next address.
fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(2);
    loop {
        let last = NEXT.fetch_add(1, Ordering::SeqCst);
        assert!(last < 255, "no free loopback address");
        let address = format!("127.77.{}.{last}", std::process::id() % 250 + 1);
        // Unless another process had the same range a moment ago.
        if std::net::TcpListener::bind((address.as_str(), 389)).is_ok() {
            return address;
        }
    }
}

fn provision(dir: &Path) {
    run(Command::new("samba-tool")
        .args([
            "domain",
            "provision",
            "--configfile=/dev/null",
            "--realm=AD.LAB.TEST",
            "--domain=LAB",
        ])
        .args([
            "--server-role=dc",
            "--dns-backend=SAMBA_INTERNAL",
            "--adminpass=Adm1n-pw!",
            "--host-name=dc1",
        ])
        .arg("--host-ip=127.0.0.1")
        .arg(format!("--targetdir={}", dir.display()))
        .env("TDB_NO_FSYNC", "1"));
    std::fs::write(dir.join("smb.conf"), configuration(dir, "127.0.0.1")).unwrap();
    let sam = dir.join("private/sam.ldb");
    let tool = |name: &str| {
        let mut command = Command::new(name);
        command.env("TDB_NO_FSYNC", "1");
        command
    };
    let file = format!("--configfile={}", dir.join("smb.conf").display());
    run(tool("samba-tool")
        .args([
            "domain",
            "passwordsettings",
            "set",
            "--complexity=off",
            "--min-pwd-length=4",
        ])
        .args(["--min-pwd-age=0", "--history-length=0", "--account-lockout-threshold=3"])
        .args([&file, "-H", &sam.display().to_string()]));
    std::fs::write(dir.join("people.ldif"), people()).unwrap();
    run(tool("ldbadd")
        .arg("-H")
        .arg(&sam)
        .arg(&file)
        .arg(dir.join("people.ldif")));
    // Over LDAP nobody may set an old date.
    let old = format!(
        "dn: CN=pwexpired,OU=people,{DOMAIN}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {OLD}\n\n\
         dn: CN=loop-a,OU=groups,{DOMAIN}\nchangetype: modify\nadd: member\nmember: CN=loop-b,OU=groups,{DOMAIN}\n"
    );
    std::fs::write(dir.join("old.ldif"), old).unwrap();
    run(tool("ldbmodify")
        .arg("-H")
        .arg(&sam)
        .args([&file, "--controls=local_oid:1.3.6.1.4.1.7165.4.3.20:0"])
        .arg(dir.join("old.ldif")));
}

fn configuration(dir: &Path, address: &str) -> String {
    let dir = dir.display();
    format!(
        "[global]
netbios name = DC1
realm = AD.LAB.TEST
workgroup = LAB
server role = active directory domain controller
server services = ldap
dcerpc endpoint servers = none
interfaces = {address}/8
bind interfaces only = yes
private dir = {dir}/private
state directory = {dir}/state
cache directory = {dir}/cache
lock directory = {dir}
pid directory = {dir}
binddns dir = {dir}/bind-dns
ncalrpc dir = {dir}/ncalrpc
tls enabled = yes
tls cafile = {dir}/ca.pem
tls certfile = {dir}/s.pem
tls keyfile = {dir}/s.key
ldap server require strong auth = allow_sasl_over_tls
"
    )
}

fn unicode_password(name: &str) -> String {
    let bytes: Vec<u8> = format!("\"{name}pw\"")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    Base64::encode_string(&bytes)
}

fn people() -> String {
    let mut ldif = String::new();
    for unit in ["people", "groups"] {
        let _ = writeln!(ldif, "dn: OU={unit},{DOMAIN}\nobjectClass: organizationalUnit\n");
    }
    for (name, cn, more) in [
        (
            "alice",
            "Alice Lab",
            "department: Engineering\nmobile: +1 555 010 0001\n",
        ),
        ("bob", "bob", ""),
        ("erin", "Lab\\, Erin", "department: Engineering\n"),
        ("plain", "plain", ""),
        ("svc", "svc", ""),
        ("disabled", "disabled", "userAccountControl: 514\n"),
        ("expired", "expired", "accountExpires: 132223104000000000\n"),
        ("mustchange", "mustchange", "pwdLastSet: 0\n"),
        ("hours", "hours", "logonHours:: AAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"),
        ("wks", "wks", "userWorkstations: NOWHERE\n"),
        ("pwexpired", "pwexpired", ""),
    ] {
        let control = if more.contains("userAccountControl") {
            ""
        } else {
            "userAccountControl: 512\n"
        };
        let _ = writeln!(
            ldif,
            "dn: CN={cn},OU=people,{DOMAIN}\nobjectClass: user\nsAMAccountName: {name}\nuserPrincipalName: \
             {name}@ad.lab.test\nmail: {name}.lab@lab.test\n{more}{control}unicodePwd:: {}\n",
            unicode_password(name)
        );
    }
    // Groups have login names too.
    for (name, members) in [
        ("eng", ["Alice Lab,OU=people", "Lab\\, Erin,OU=people"].as_slice()),
        ("tech", &["eng,OU=groups"]),
        ("all-staff", &["tech,OU=groups"]),
        // A loop.
        ("loop-a", &["tech,OU=groups"]),
        ("loop-b", &["loop-a,OU=groups"]),
        ("other", &["bob,OU=people"]),
    ] {
        let _ = writeln!(
            ldif,
            "dn: CN={name},OU=groups,{DOMAIN}\nobjectClass: group\nsAMAccountName: {name}"
        );
        for member in members {
            let _ = writeln!(ldif, "member: CN={member},{DOMAIN}");
        }
        ldif.push('\n');
    }
    ldif
}
