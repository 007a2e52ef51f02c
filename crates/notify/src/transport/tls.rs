//! TLS for every channel: rustls with ring, Mozilla's authorities built in, and those of the configuration.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest file of authorities that is read, bytes.
const CA_FILE_MAX: u64 = 4 * 1024 * 1024;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    #[error("{path} cannot be read: {source}; correct `ca_file`")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} holds no certificate in PEM form; correct `ca_file`")]
    NoCertificate { path: PathBuf },
    #[error("{path} holds a certificate that cannot be used; correct `ca_file`")]
    BadCertificate { path: PathBuf },
    #[error("TLS cannot be set up")]
    Setup,
}

/// What is trusted.
#[derive(Clone)]
pub(crate) struct Trust {
    pub(crate) config: Arc<ClientConfig>,
}

impl Trust {
    /// The built-in authorities, and those in `ca_file`.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, TlsFault> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(path) = ca_file {
            for certificate in read(path)? {
                roots.add(certificate).map_err(|_| TlsFault::BadCertificate { path: path.to_owned() })?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsFault::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }
}

/// TLS for whoever asks as a client: the built-in authorities, and those in `ca_file`.
///
/// # Errors
/// The file cannot be used, in words.
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    Trust::new(ca_file).map(|trust| (*trust.config).clone()).map_err(|fault| fault.to_string())
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    use std::io::Read as _;
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(CA_FILE_MAX).read_to_end(&mut pem))
        .map_err(|source| TlsFault::Unreadable { path: path.to_owned(), source })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(TlsFault::NoCertificate { path: path.to_owned() }),
        Err(_) => Err(TlsFault::BadCertificate { path: path.to_owned() }),
    }
}
