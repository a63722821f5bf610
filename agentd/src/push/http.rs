//! The HTTP client towards the gateway: one warm HTTP/2 connection, no proxy, no environment, TLS by the system's or
//! the configured certificate authorities.

use anyhow::Context;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::time::Duration;

/// Builds the client.
pub fn client(ca_file: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in
                CertificateDer::pem_file_iter(file).with_context(|| format!("{} cannot be read", file.display()))?
            {
                roots.add(certificate.with_context(|| format!("{} is no PEM file", file.display()))?)?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // The system's store may hold certificates that rustls does not take; the others do.
                let _ = roots.add(certificate);
            }
        }
    }
    let mut tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // reqwest leaves the offer of a TLS configuration that it is given alone. Without this one the gateway would take
    // HTTP/1.1, where the event stream holds a connection and each push at the same time opens another.
    tls.alpn_protocols = vec![b"h2".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(None)
        .pool_max_idle_per_host(1)
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_timeout(Duration::from_secs(5))
        .http2_keep_alive_while_idle(true)
        // Known before it connects, it opens one connection where several calls come at once.
        .http2_prior_knowledge()
        .build()
        .context("the HTTP client could not be built")
}
