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
    #[error("{path} is not a file; correct `ca_file`")]
    NotAFile { path: PathBuf },
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
    use std::os::unix::fs::OpenOptionsExt as _;
    let unreadable = |source| TlsFault::Unreadable { path: path.to_owned(), source };
    // Opened without waiting: a FIFO would have it wait for a writer for ever.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = std::fs::File::options().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(TlsFault::NotAFile { path: path.to_owned() });
    }
    let mut pem = Vec::new();
    file.take(CA_FILE_MAX).read_to_end(&mut pem).map_err(unreadable)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(TlsFault::NoCertificate { path: path.to_owned() }),
        Err(_) => Err(TlsFault::BadCertificate { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_and_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("ca.pem");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (told, fault) = std::sync::mpsc::channel();
        let path = fifo.clone();
        std::thread::spawn(move || told.send(client_config(Some(&path)).map(drop)));
        let fault = fault.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        assert_eq!(fault, Err(format!("{} is not a file; correct `ca_file`", fifo.display())));
        let folder_fault = client_config(Some(folder.path())).unwrap_err();
        assert!(folder_fault.ends_with("is not a file; correct `ca_file`"), "{folder_fault}");
        let missing = client_config(Some(&folder.path().join("nowhere"))).unwrap_err();
        assert!(missing.contains("cannot be read: No such file"), "{missing}");
    }
}
