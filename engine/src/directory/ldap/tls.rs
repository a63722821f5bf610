//! Whom we believe that a server is the one it should be.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
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
    /// The system has no certificate authorities that we could read.
    #[error("no certificate authorities found on this system: install ca-certificates, or set ca_file ({0})")]
    NoSystemRoots(String),
    /// The TLS library refuses its own defaults.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3, believing the certificate authorities of `ca_file` alone, or else the system's. Share one among
/// the servers of a profile: it remembers sessions.
pub fn tls_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsProblem> {
    let roots = match ca_file {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsProblem> {
    let problem = |what: String| TlsProblem::File {
        path: assent_proto::text::visible(&path.to_string_lossy()),
        what,
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| problem(e.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| problem(e.to_string()))?;
        roots.add(certificate).map_err(|e| problem(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(problem("holds no certificate in PEM".to_owned()));
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
