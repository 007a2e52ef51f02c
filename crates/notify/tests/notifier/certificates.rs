//! Certificates for servers on loopback, made anew for each test.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An authority of our own and a certificate for one name.
pub struct Certificates {
    /// The authority, for `ca_file`.
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
}

impl Certificates {
    /// Makes them and writes them to `folder`.
    pub fn make(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities of one name would be taken for one whose signature is wrong.
        params.distinguished_name.push(DnType::CommonName, folder.display().to_string());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let write = |file: &str, text: String| {
            let path = folder.join(file);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let secret = key.serialize_pem();
        Self {
            authority: write("authority.pem", issuer.pem()),
            chain: vec![certificate.der().clone()],
            certificate: write("certificate.pem", certificate.pem()),
            secret: PrivateKeyDer::from_pem_slice(secret.as_bytes()).expect("a key"),
            key: write("key.pem", secret),
        }
    }

    /// For a server inside TLS.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.secret.clone_key())
            .expect("a certificate");
        Arc::new(config)
    }
}
