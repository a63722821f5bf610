//! A private slapd with Birch & Co in it: `StartTLS` on one loopback port, LDAPS on another, its own CA, memberOf.
//! Anonymous clients see nothing, people see themselves, the service account reads everything but passwords.
//!
//! It can be stopped and started again (the data stay), frozen (connections are accepted, nothing is answered) and
//! asked what clients did: [`Slapd::operations`]. For a certificate that does not fit, point the client at another
//! [`Authority`]'s certificate.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::certificates::Authority;
use crate::company::{ADMIN, ADMIN_PASSWORD, BASE, SERVICE};
use crate::program::{Finished, Program};
use crate::service::Service;
use crate::{SOON, company, ports, scratch};

/// A directory server; dropped, it is killed.
#[derive(Debug)]
pub struct Slapd {
    directory: PathBuf,
    authority: Authority,
    port: u16,
    tls_port: u16,
    service: Option<Service>,
    earlier_logs: Vec<String>,
}

/// What clients have done, in order, read from slapd's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// The DN of each bind tried, empty for an anonymous one.
    pub binds: Vec<String>,
    /// The filter of each search.
    pub searches: Vec<String>,
    /// How many connections there were.
    pub connections: usize,
}

impl Slapd {
    /// Starts it and fills it with [`company`].
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts it with more lines for the database section of `slapd.conf`.
    pub fn start_with(more_configuration: &str) -> Self {
        let directory = scratch::directory("slapd");
        std::fs::create_dir(directory.join("db")).expect("a directory for slapd's database");
        let authority = Authority::create();
        let server = authority.server_certificate("slapd");
        let [port, tls_port] = ports::several();
        scratch::write(
            directory.join("slapd.conf"),
            &format!(
                "{SCHEMA}\
             pidfile {directory}/pid\n\
             TLSCACertificateFile {ca}\nTLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n\
             database mdb\nsuffix {BASE}\nrootdn {ADMIN}\nrootpw \"{ADMIN_PASSWORD}\"\n\
             directory {directory}/db\nmaxsize 268435456\nindex objectClass,uid,cn,member eq\n\
             access to attrs=userPassword by anonymous auth by * none\n\
             access to dn.base=\"{BASE}\" by dn.exact=\"{SERVICE}\" read by users search by * none\n\
             access to * by dn.exact=\"{SERVICE}\" read by self read by * none\n\
             {more_configuration}\n\
             overlay memberof\nmemberof-group-oc groupOfNames\n",
                directory = directory.display(),
                ca = authority.certificate().display(),
                certificate = server.certificate.display(),
                key = server.key.display(),
            ),
        );
        let mut slapd = Self {
            directory,
            authority,
            port,
            tls_port,
            service: None,
            earlier_logs: Vec::new(),
        };
        slapd.resume();
        slapd.add(&company::ldif());
        slapd
    }

    /// `ldap://127.0.0.1:PORT`, for `StartTLS`.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldaps://127.0.0.1:PORT`.
    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// The certificate that clients must trust, PEM.
    pub fn ca_certificate(&self) -> PathBuf {
        self.authority.certificate()
    }

    /// Adds entries.
    pub fn add(&self, ldif: &str) {
        self.change("ldapadd", ldif);
    }

    /// Carries out LDIF with `changetype`.
    pub fn modify(&self, ldif: &str) {
        self.change("ldapmodify", ldif);
    }

    /// A search by the `ldapsearch` command, bound as `who` (DN and password; `None` is anonymous). With the plain
    /// URL it insists on `StartTLS`.
    pub fn search(&self, url: &str, who: Option<(&str, &str)>, filter: &str) -> Finished {
        let mut program = Program::new("ldapsearch")
            .args([
                "-x",
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-o",
                "nettimeout=5",
                "-H",
                url,
                "-b",
                BASE,
            ])
            .env("LDAPTLS_CACERT", self.ca_certificate());
        if url.starts_with("ldap://") {
            program = program.arg("-ZZ");
        }
        if let Some((dn, password)) = who {
            program = program.args(["-D", dn, "-w", password]);
        }
        program.arg(filter).args(["*", "+"]).finish(SOON)
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.service.as_ref().map(Service::pid)
    }

    /// Ends it, as an outage does: its ports refuse.
    pub fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.stop(SOON);
            self.earlier_logs.push(service.log());
        }
    }

    /// Starts it again on the same ports with the same data.
    pub fn resume(&mut self) {
        if self.service.is_some() {
            return;
        }
        let program = Program::new("/usr/sbin/slapd")
            .args(["-d", "stats", "-f"])
            .arg(self.file("slapd.conf"));
        let mut service = Service::start(&program.args(["-h", &format!("{}/ {}/", self.url(), self.tls_url())]));
        // slapd says "starting" before it listens.
        for port in [self.port, self.tls_port] {
            ports::wait_for_listener(port, &mut service, SOON);
        }
        self.service = Some(service);
    }

    /// It accepts connections, but answers nothing until [`Slapd::thaw`].
    pub fn freeze(&mut self) {
        self.service.as_mut().expect("slapd runs").freeze();
    }

    /// Ends a freeze.
    pub fn thaw(&mut self) {
        self.service.as_mut().expect("slapd runs").thaw();
    }

    /// slapd's log since the beginning, over all stops.
    pub fn log(&self) -> String {
        self.earlier_logs.concat() + &self.service.as_ref().map(Service::log).unwrap_or_default()
    }

    /// What clients have done so far, leaving out the rig's own work as administrator.
    pub fn operations(&self) -> Operations {
        let runs = self
            .earlier_logs
            .iter()
            .cloned()
            .chain(self.service.as_ref().map(Service::log));
        runs.map(|log| Operations::read(&log))
            .fold(Operations::default(), Operations::and)
    }

    fn change(&self, command: &str, ldif: &str) {
        let file = scratch::unused("ldif");
        scratch::write(&file, ldif);
        let program = Program::new(command).args(["-x", "-H", &self.url(), "-D", ADMIN, "-w", ADMIN_PASSWORD]);
        program.arg("-f").arg(&file).finish(SOON).expect_success();
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::join(&self.directory, name)
    }
}

impl Operations {
    /// Reads the log of one run of slapd, which numbers connections anew after each start. Its threads do not write
    /// in order (ACCEPT may come after the first BIND), so whose a connection is must be known first.
    fn read(log: &str) -> Self {
        let lines: Vec<(&str, &str)> = log
            .lines()
            .filter_map(|line| Some((connection_of(line)?, line)))
            .collect();
        let bound_as = |line| is_bind(line).then(|| between(line, "dn=\"", "\"").unwrap_or_default());
        let ours: HashSet<&str> = lines
            .iter()
            .filter(|(_, line)| bound_as(line) == Some(ADMIN))
            .map(|(connection, _)| *connection)
            .collect();
        let theirs = || lines.iter().filter(|(connection, _)| !ours.contains(connection));
        let filter = |line: &str| Some(line.split_once(" SRCH base=")?.1.split_once(" filter=\"")?.1.to_owned());
        Self {
            binds: theirs()
                .filter_map(|(_, line)| bound_as(line))
                .map(str::to_owned)
                .collect(),
            searches: theirs()
                .filter_map(|(_, line)| filter(line))
                .map(|filter| filter.trim_end_matches('"').to_owned())
                .collect(),
            connections: theirs().map(|(connection, _)| connection).collect::<HashSet<_>>().len(),
        }
    }

    fn and(mut self, later: Self) -> Self {
        self.binds.extend(later.binds);
        self.searches.extend(later.searches);
        self.connections += later.connections;
        self
    }

    /// What came on top of an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            binds: self.binds[earlier.binds.len()..].to_vec(),
            searches: self.searches[earlier.searches.len()..].to_vec(),
            connections: self.connections - earlier.connections,
        }
    }
}

fn connection_of(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with("conn="))
}

fn is_bind(line: &str) -> bool {
    line.contains(" BIND ") && line.contains(" method=")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}

/// Debian's schemas, and `department`, which Active Directory has and `OpenLDAP` lacks (numbers: RFC 5612's examples).
const SCHEMA: &str = "\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.32473.1.1 NAME 'department' EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.32473.1.2 NAME 'birchPerson' SUP top AUXILIARY MAY department )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_operations_whatever_the_order_of_the_lines() {
        let log = "\
            1 conn=1000 op=0 BIND dn=\"cn=admin,dc=example,dc=org\" method=128\n\
            1 conn=1000 fd=12 ACCEPT from IP=127.0.0.1:1 (IP=127.0.0.1:2)\n\
            1 conn=1001 fd=13 ACCEPT from IP=127.0.0.1:1 (IP=127.0.0.1:2)\n\
            1 conn=1001 op=1 BIND dn=\"uid=alice\" method=128\n\
            1 conn=1001 op=1 BIND dn=\"uid=alice\" mech=SIMPLE bind_ssf=0 ssf=256\n\
            1 conn=1000 op=1 SRCH base=\"\" scope=2 deref=0 filter=\"(uid=admin)\"\n\
            1 conn=1001 op=2 SRCH base=\"dc=x\" scope=2 deref=0 filter=\"(uid=alice)\"\n\
            1 conn=1001 op=2 SRCH attr=* +\n";
        let expected = Operations {
            binds: vec!["uid=alice".to_owned()],
            searches: vec!["(uid=alice)".to_owned()],
            connections: 1,
        };
        assert_eq!(Operations::read(log), expected);
    }
}
