//! Whom we believe that a server is the one it should be, and with which certificate we say who we are.

use crate::config::profile::{ClientCertificate, LdapProfile, ServiceAccount};
use crate::directory::secret_file;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    /// The file cannot be read, or holds something that is no certificate.
    #[error("{path}: {what}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The private key of the client certificate cannot be read safely; the text names the file.
    #[error("{0}")]
    Key(String),
    /// The system has no certificate authorities that we could read.
    #[error("no certificate authorities found on this system: install ca-certificates, or set ca_file ({0})")]
    NoSystemRoots(String),
    /// The TLS library refuses its own defaults.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// Longest private key.
const MAX_KEY: u64 = 64 * 1024;

/// What a profile's connections use: [`tls_config`], with the client certificate if the service account has one.
pub fn profile_tls(profile: &LdapProfile) -> Result<Arc<ClientConfig>, TlsProblem> {
    let client = match &profile.service {
        Some(ServiceAccount::External(certificate)) => Some(certificate),
        _ => None,
    };
    build(profile.ca_file.as_deref(), client)
}

/// TLS 1.2 and 1.3, believing the certificate authorities of `ca_file` alone, or else the system's. Share one among
/// the servers of a profile: it remembers sessions.
pub fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsProblem> {
    build(ca_file, None)
}

fn build(ca_file: Option<&Path>, client: Option<&ClientCertificate>) -> Result<Arc<ClientConfig>, TlsProblem> {
    let roots = match ca_file {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match client {
        Some(client) => {
            builder.with_client_auth_cert(certificates(&client.certificate_file)?, key(&client.key_file)?)?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn problem(path: &Path, what: impl std::fmt::Display) -> TlsProblem {
    TlsProblem::File {
        path: assent_proto::text::visible(&path.to_string_lossy()),
        what: what.to_string(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|e| problem(path, e))?
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(problem(path, "holds no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(e) => Err(problem(path, e)),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    let (content, _) = secret_file::read(path, MAX_KEY).map_err(|e| TlsProblem::Key(e.to_string()))?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|_| problem(path, "holds no private key in PEM"))
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsProblem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| problem(path, e))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsProblem> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Some systems ship roots that the library does not take; the others still count.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(TlsProblem::NoSystemRoots(why.join("; ")));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r64_a_ca_file_that_is_absent_or_holds_none_is_refused_by_name() {
        let absent = tls_config(Some(Path::new("/nonexistent/ca.pem")))
            .unwrap_err()
            .to_string();
        assert!(absent.contains("/nonexistent/ca.pem"), "{absent}");
        let dir = std::env::temp_dir().join(format!("assent-tls-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for content in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let path = dir.join("ca.pem");
            std::fs::write(&path, content).unwrap();
            assert!(tls_config(Some(&path)).is_err(), "{content}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
