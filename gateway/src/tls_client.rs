//! TLS where the gateway is the client: the system's authorities, those of a file besides, nothing from the environment.

use anyhow::Context as _;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// Whose certificates are believed.
pub enum Authorities<'a> {
    /// The system's, and those of a PEM file if there is one.
    System(Option<&'a Path>),
    /// Nobody's: what is spoken is no TLS.
    Nobody,
}

/// TLS 1.2 and 1.3 without a client's certificate, for these protocols.
pub fn config(authorities: &Authorities<'_>, protocols: &[&str]) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Authorities::System(file) = authorities {
        for one in rustls_native_certs::load_native_certs().certs {
            // The system's store may hold certificates that rustls does not take; the others do.
            let _ = roots.add(one);
        }
        for one in of_file(*file)? {
            roots.add(one).context("a certificate authority cannot be used")?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The certificates of a PEM file of authorities; none without a file.
pub fn of_file(file: Option<&Path>) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{} cannot be read as PEM certificates", file.display()))
}
