//! TLS by rustls with the web's certificate authorities, and those of one's own from a file. Made at its first use: a watchdog
//! that speaks no TLS does not pay for it.

use crate::heart::fault::{Fault, Stage};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Wraps connections in TLS.
pub struct Tls {
    own: Vec<CertificateDer<'static>>,
    connector: OnceCell<Result<TlsConnector, String>>,
}

/// Why the file of certificate authorities is no use.
#[derive(Debug, thiserror::Error)]
#[error("`ca_file` {path}: {reason}\n  next: give a PEM file with the certificates of your own authority")]
pub struct TlsError {
    path: PathBuf,
    reason: String,
}

impl Tls {
    /// With the authorities in `ca_file` beside those of the web.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let own = match ca_file {
            None => Vec::new(),
            Some(path) => {
                let wrong = |reason: String| TlsError { path: path.to_owned(), reason };
                let read: Result<Vec<_>, _> =
                    CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?.collect();
                let own = read.map_err(|error| wrong(error.to_string()))?;
                if own.is_empty() {
                    return Err(wrong("there is no certificate in it".to_owned()));
                }
                own
            }
        };
        Ok(Self { own, connector: OnceCell::new() })
    }

    fn connector(&self) -> Result<&TlsConnector, Fault> {
        let made = self.connector.get_or_init(|| {
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            for certificate in &self.own {
                roots.add(certificate.clone()).map_err(|error| error.to_string())?;
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(TlsConnector::from(Arc::new(config)))
        });
        made.as_ref().map_err(|error| Fault::new(Stage::Tls, error.clone()))
    }

    /// The handshake.
    ///
    /// # Errors
    /// A fault of the stage `tls`.
    pub async fn wrap(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fault> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Fault::new(Stage::Tls, format!("{host} cannot stand in a certificate: {error}")))?;
        self.connector()?.connect(name, stream).await.map_err(|error| Fault::new(Stage::Tls, error.to_string()))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("own", &self.own.len()).finish_non_exhaustive()
    }
}
