//! HTTP towards the gateway: TLS by the rig's own authority, HTTP/2, and the claims of one mailbox.

use assent_proto::Id;
use assent_proto::keys::SigningKey;
use assent_proto::relay::Claim;
use assent_proto::time::UnixTime;
use reqwest::{Client, Method, RequestBuilder, Response};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::sync::Arc;

/// TLS that believes this authority alone.
pub fn trusting(ca: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).expect("the authority's certificate") {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

/// A client with a connection of its own.
pub fn client(tls: &Arc<rustls::ClientConfig>) -> Client {
    let mut tls = rustls::ClientConfig::clone(tls);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let built = Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .http2_prior_knowledge()
        .build();
    built.expect("a client")
}

/// A host or a device towards its relay.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    url: String,
    bearer: String,
}

impl Caller {
    /// `id`, whose claims this key signs. One claim is enough: it lives longer than any measurement.
    pub fn new(client: Client, url: &str, key: &SigningKey, id: Id) -> Self {
        Self {
            client,
            url: url.to_owned(),
            bearer: Claim::sign(key, url, id, UnixTime::now()).expect("a claim"),
        }
    }

    /// The same on another connection.
    pub fn on(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// Sends a request, which must succeed.
    pub async fn send(&self, method: Method, path: &str, body: Option<&impl serde::Serialize>) -> Response {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        let status = response.status();
        assert!(status.is_success(), "{path}: {status}");
        response
    }

    /// Opens the event stream.
    pub async fn events(&self) -> Response {
        self.send(Method::GET, "/v1/events", None::<&()>).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.bearer)
    }
}
