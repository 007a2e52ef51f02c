//! `[control]`: the control listener, over which a watchdog on another host asks.

use super::observe::Listen;
use failstop_settings::{Consistent, Kind, Places, Reading, section};
use std::path::PathBuf;

/// The most keys that a listener may have.
pub const MAX_KEYS: usize = 16;

section! {
    /// The control listener: HTTP over TLS for watchdogs on other hosts. Every request is signed with a key that both sides
    /// hold. It answers health, beats and the journal's lines, and takes orders to stop or restart the engine; nothing
    /// that loosens.
    pub struct Control {
        /// Where it listens: "0.0.0.0:8443"; "off" for nowhere. Without a certificate only a loopback address is taken.
        listen: Listen, default "off";
        /// The certificate chain, PEM: what the watchdog checks this host by.
        tls_cert: Option<PathBuf>, absent "control-cert.pem";
        /// The certificate's private key, PEM. Nobody but its owner and group may read it.
        tls_key: Option<PathBuf>, absent "control-key.pem";
        /// Key files, one for each watchdog: one line, `ID:` and 64 hexadecimal digits. Nobody but its owner and group may
        /// read one.
        keys: Vec<PathBuf>, default [];
    }
}

impl Consistent for Control {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let label = places.label;
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            let (there, missing) =
                if self.tls_cert.is_some() { ("tls_cert", "tls_key") } else { ("tls_key", "tls_cert") };
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&[there]),
                format!("{label} has `{there}` and no `{missing}`"),
                format!("write `{missing}` too: a certificate and its private key go together"),
            );
        }
        if let Some(too_many) = self.keys.len().checked_sub(MAX_KEYS).filter(|more| *more > 0) {
            reading.refuse(
                Kind::OutOfRange,
                &places.first_of(&["keys"]),
                format!("`keys` in {label} lists {too_many} more than the {MAX_KEYS} that there may be"),
                "one key a watchdog: remove those that nobody uses",
            );
        }
        let Listen::At(address) = self.listen else { return };
        if self.keys.is_empty() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["listen"]),
                format!("`listen` in {label} without `keys`: nobody could ask anything there"),
                "write for example `keys = [\"wd1.key\"]`, a file made with:\n\
                 (umask 077; printf 'wd1:%s\\n' \"$(openssl rand -hex 32)\" > wd1.key)",
            );
        }
        if self.tls_cert.is_none() && self.tls_key.is_none() && !address.ip().is_loopback() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["listen"]),
                format!("`listen` in {label} is {address} without TLS: what is answered there could be read and changed on its way"),
                "write `tls_cert` and `tls_key`, or listen on 127.0.0.1 behind a tunnel",
            );
        }
    }
}
