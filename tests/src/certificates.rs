//! A certificate authority for loopback servers, made with the `openssl` command line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::tool;
use crate::scratch;

/// Not the machine's `openssl.cnf`, whose defaults would make every certificate a CA.
const PROFILES: &str = "\
[req]
distinguished_name = nobody
prompt = no
[nobody]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// Whom [`PROFILES`] certifies.
const LOOPBACK: &str = "IP:127.0.0.1";

/// A private CA; clients trust it by [`Authority::certificate`].
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
}

/// A server's certificate and key; for 127.0.0.1 the name "localhost" does not pass, as it should.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM (PKCS#8).
    pub key: PathBuf,
}

impl Authority {
    /// Makes a CA of its own; two of them do not trust each other.
    pub fn create() -> Self {
        let authority = Self {
            directory: scratch::directory("ca"),
        };
        scratch::write(authority.file("profiles.cnf"), PROFILES);
        let (certificate, key) = (authority.file("ca.pem"), authority.file("ca.key"));
        authority.request("/CN=Birch and Co test CA", "authority", &certificate, &key, &[]);
        authority
    }

    /// The CA's certificate, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Issues a certificate for a server on 127.0.0.1; `name` only names the files.
    pub fn server_certificate(&self, name: &str) -> ServerCertificate {
        self.server_certificate_for(name, LOOPBACK)
    }

    /// Issues a certificate for a server of these names, as `subjectAltName` writes them.
    pub fn server_certificate_for(&self, name: &str, alternatives: &str) -> ServerCertificate {
        let issued = ServerCertificate {
            certificate: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
        };
        scratch::write(self.file("profiles.cnf"), &PROFILES.replace(LOOPBACK, alternatives));
        let (ca, ca_key) = (self.file("ca.pem"), self.file("ca.key"));
        let signed_by = ["-CA".as_ref(), ca.as_path(), "-CAkey".as_ref(), ca_key.as_path()];
        self.request("/CN=127.0.0.1", "server", &issued.certificate, &issued.key, &signed_by);
        issued
    }

    fn request(&self, subject: &str, profile: &str, certificate: &Path, key: &Path, issuer: &[&Path]) {
        let profiles = self.file("profiles.cnf");
        let program = crate::program::Program::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
            ])
            .args(["-subj", subject, "-extensions", profile])
            .args([
                "-config".as_ref(),
                profiles.as_path(),
                "-out".as_ref(),
                certificate,
                "-keyout".as_ref(),
                key,
            ])
            .args(issuer);
        program.finish(crate::SOON).expect_success();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// What `openssl x509 -text` says of a certificate.
pub fn describe(certificate: &Path) -> String {
    assert!(
        fs::exists(certificate).unwrap_or(false),
        "there is no {}",
        certificate.display()
    );
    tool(
        "openssl",
        ["x509", "-noout", "-text", "-in", &certificate.to_string_lossy()],
    )
}
