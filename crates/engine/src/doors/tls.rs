//! The certificate and its private key, from files to what a handshake needs. For every door that speaks TLS.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode as _;

/// The largest file that is read, bytes.
const FILE_MAX: u64 = 256 * 1024;

/// What a TLS handshake needs.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ServerConfig>);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}; correct its name in the configuration, or its permissions")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the private key.
    #[error(
        "the private key {path} may be read or changed by others (mode {mode:04o}); chmod 600 {path}, and have a new certificate made: this key was exposed"
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What it holds is not what it should be.
    #[error("{path} holds no {what} in PEM: {problem}")]
    NotPem {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Both are good by themselves and do not go together, or are of a kind that TLS here does not know.
    #[error("the certificate {cert} and the key {key} cannot be used: {source}")]
    Unusable {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads the files. TLS 1.2 and 1.3; sessions are not resumed, so nothing is kept of a peer. With `client_ca` a peer may show a
    /// certificate, and has to prove it if it does; who shows none shows something else.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        let chain = chain(cert)?;
        let secret = read(key, true)?;
        let private = PrivateKeyDer::from_pem_slice(&secret).map_err(|error| TlsError::NotPem {
            path: key.to_owned(),
            what: "private key",
            // The library's text may hold a piece of the file.
            problem: match error {
                rustls::pki_types::pem::Error::NoItemsFound => "there is none".to_owned(),
                _ => "it is not well made".to_owned(),
            },
        })?;
        let unusable = |source| TlsError::Unusable { cert: cert.to_owned(), key: key.to_owned(), source };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => builder.with_client_cert_verifier(people(path, provider)?),
        };
        let mut config = builder.with_single_cert(chain, private).map_err(unusable)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// What takes connections with it.
    pub(super) fn acceptor(self) -> TlsAcceptor {
        TlsAcceptor::from(self.0)
    }
}

/// Judges the certificates of those who show one.
fn people(path: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let bad = |problem: String| TlsError::NotPem { path: path.to_owned(), what: "authority", problem };
    let mut roots = RootCertStore::empty();
    for authority in chain(path)? {
        roots.add(authority).map_err(|error| bad(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| bad(error.to_string()))
}

/// The name that the certificate is for (its CN) which a peer showed and proved.
pub(super) fn certified(connection: &ServerConnection) -> Option<String> {
    let first = connection.peer_certificates()?.first()?;
    let parsed = x509_cert::Certificate::from_der(first).ok()?;
    let name = parsed.tbs_certificate().subject().common_name().ok()??;
    Some(name.value().into_owned())
}

/// When the first certificate of this file runs out.
///
/// # Errors
/// [`TlsError`].
pub fn not_after(cert: &Path) -> Result<jiff::Timestamp, TlsError> {
    let bad = |problem: String| TlsError::NotPem { path: cert.to_owned(), what: "certificate", problem };
    let chain = chain(cert)?;
    let first = chain.first().ok_or_else(|| bad("there is none".to_owned()))?;
    let parsed = x509_cert::Certificate::from_der(first).map_err(|error| bad(error.to_string()))?;
    let seconds = parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .ok_or_else(|| bad("its end cannot be read".to_owned()))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |problem: String| TlsError::NotPem { path: path.to_owned(), what: "certificate", problem };
    let text = read(path, false)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| bad(error.to_string()))?;
    if chain.is_empty() { Err(bad("there is none".to_owned())) } else { Ok(chain) }
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    // A FIFO must not hold the start up.
    let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = open.map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > FILE_MAX {
        let error = format!("not a plain file of at most {FILE_MAX} bytes");
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, error)));
    }
    let mode = metadata.mode() & 0o7777;
    if secret && mode & 0o027 != 0 {
        return Err(TlsError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
