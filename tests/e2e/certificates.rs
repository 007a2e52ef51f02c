//! Certificates for servers of the tests' own: an authority a folder, and what it signs.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use std::path::{Path, PathBuf};

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate and its private key, in files.
pub struct Certified {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new one; its certificate is `NAME.pem` in `folder`.
    pub fn make(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities of one name would be taken for one whose signature is wrong.
        params.distinguished_name.push(DnType::CommonName, format!("{name} of {}", folder.display()));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned() }
    }

    /// Signs a certificate for a host name or an address: `FILE-cert.pem` and `FILE-key.pem`.
    pub fn sign(&self, file: &str, host: &str) -> Certified {
        self.sign_until(file, host, 2199)
    }

    /// Signs one that is good until the end of a year.
    pub fn sign_until(&self, file: &str, host: &str, year: i32) -> Certified {
        self.sign_all(file, &[host], year)
    }

    /// Signs one for several host names.
    pub fn sign_for(&self, file: &str, hosts: &[&str]) -> Certified {
        self.sign_all(file, hosts, 2199)
    }

    fn sign_all(&self, file: &str, hosts: &[&str], year: i32) -> Certified {
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let made = Certified {
            certificate: self.folder.join(format!("{file}-cert.pem")),
            key: self.folder.join(format!("{file}-key.pem")),
        };
        std::fs::write(&made.certificate, certificate.pem()).unwrap();
        private(&made.key, &key.serialize_pem());
        made
    }
}

/// Writes a file that only its owner may read.
pub fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
