//! `[control]`: who may control this system, and the control listener, over which that is done from other hosts.

use super::certificate;
use super::observe::Listen;
use failstop_settings::{Consistent, Kind, Places, Reading, section};
use std::path::PathBuf;

/// The most keys that a listener may have.
pub const MAX_KEYS: usize = 16;

/// The most users and groups in a list.
pub const MAX_HOLDERS: usize = 64;

section! {
    /// Who may control this system, and the control listener: HTTP over TLS for people, programs and watchdogs on other hosts. A
    /// watchdog signs each request with a key that both sides hold; it gets health, beats and the journal's lines, and may
    /// stop or restart the engine. Everybody else has a token with a role. Root and the user that runs failstop are super-admins
    /// on this host whatever stands here.
    pub struct Control {
        /// Users of this host who may look over the control socket: names or numbers, with `@` before a group's.
        viewers: Vec<String>, default [];
        /// Users of this host who may stop, and everything else that does not loosen for the whole system: `config diff` and
        /// `breaker reset` too.
        admins: Vec<String>, default [];
        /// Users of this host who may everything: release, resume, live mode, maintenance, limits, `config reload`.
        super_admins: Vec<String>, default [];
        /// Where the control listener listens: "0.0.0.0:8443"; "off" for nowhere. Without a certificate only a loopback address
        /// is taken, and only signed requests.
        listen: Listen, default "off";
        /// The certificate chain, PEM: what whoever asks checks this host by.
        tls_cert: Option<PathBuf>, absent "control-cert.pem";
        /// The certificate's private key, PEM. Nobody but its owner and group may read it.
        tls_key: Option<PathBuf>, absent "control-key.pem";
        /// Authorities that sign certificates of people and programs, PEM. Whoever shows one of theirs counts as the name that it is for
        /// (its CN), with the role that a line `NAME ROLE certificate` of the token file gives.
        client_ca: Option<PathBuf>, absent "control-people.pem";
        /// Key files, one for each watchdog: one line, `ID:` and 64 hexadecimal digits. Nobody but its owner and group may
        /// read one.
        keys: Vec<PathBuf>, default [];
        /// The file of tokens with their roles, as `failstop token new` writes it: hashes, no tokens. It is read anew at each
        /// request, so that a line that is taken out revokes its token at once.
        token_file: Option<PathBuf>, absent "control-tokens";
    }
}

#[cfg(test)]
impl Control {
    /// Nobody but root and the engine's user, and no listener.
    pub(crate) fn off() -> Self {
        Self {
            viewers: Vec::new(),
            admins: Vec::new(),
            super_admins: Vec::new(),
            listen: Listen::Off,
            tls_cert: None,
            tls_key: None,
            client_ca: None,
            keys: Vec::new(),
            token_file: None,
        }
    }
}

impl Consistent for Control {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let label = places.label;
        certificate::goes_with_its_key(&self.tls_cert, &self.tls_key, places, reading);
        if let Some(too_many) = self.keys.len().checked_sub(MAX_KEYS).filter(|more| *more > 0) {
            reading.refuse(
                Kind::OutOfRange,
                &places.first_of(&["keys"]),
                format!("`keys` in {label} lists {too_many} more than the {MAX_KEYS} that there may be"),
                "one key a watchdog: remove those that nobody uses",
            );
        }
        let lists = [("viewers", &self.viewers), ("admins", &self.admins), ("super_admins", &self.super_admins)];
        for (key, names) in lists {
            if names.len() > MAX_HOLDERS {
                reading.refuse(
                    Kind::OutOfRange,
                    &places.first_of(&[key]),
                    format!("`{key}` in {label} names {}", names.len()),
                    format!("name at most {MAX_HOLDERS}; a group (\"@traders\") stands for all of its members"),
                );
            }
            if names.iter().any(|name| name == "@" || name.contains(char::is_whitespace)) {
                reading.refuse(
                    Kind::BadValue,
                    &places.first_of(&[key]),
                    format!("`{key}` in {label} has a name that no user and no group can have"),
                    "write for example [\"ana\", \"1001\", \"@traders\"]",
                );
            }
        }
        if self.client_ca.is_some() && (self.token_file.is_none() || self.tls_cert.is_none()) {
            let missing = if self.token_file.is_none() { "token_file" } else { "tls_cert" };
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["client_ca"]),
                format!("{label} has `client_ca` and no `{missing}`: no certificate could give anybody a role"),
                "write `tls_cert`, `tls_key` and `token_file`, with a line `NAME ROLE certificate` for each name; or remove it",
            );
        }
        let Listen::At(address) = self.listen else { return };
        let tls = self.tls_cert.is_some() && self.tls_key.is_some();
        if self.keys.is_empty() && (self.token_file.is_none() || !tls) {
            let (lacks, why) = match self.token_file {
                None => ("`keys` or `token_file`", "nobody could ask anything there"),
                Some(_) => ("TLS", "a token is taken over TLS only, so nobody could ask anything there"),
            };
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["listen"]),
                format!("`listen` in {label} without {lacks}: {why}"),
                "write for example `keys = [\"wd1.key\"]`, a file made with:\n\
                 (umask 077; printf 'wd1:%s\\n' \"$(openssl rand -hex 32)\" > wd1.key)\n\
                 or, with `tls_cert` and `tls_key`, `token_file = \"control-tokens\"`, made with:\n\
                 failstop token new ana --role super-admin",
            );
        }
        if !tls && self.tls_cert.is_none() && self.tls_key.is_none() && !address.ip().is_loopback() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["listen"]),
                format!("`listen` in {label} is {address} without TLS: what is answered there could be read and changed on its way"),
                "write `tls_cert` and `tls_key`, or listen on 127.0.0.1 behind a tunnel",
            );
        }
    }
}
