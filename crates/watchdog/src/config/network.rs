//! `[network]`, `[peer]`, `[outside]`: the watchdog's own sight, the other watchdog, and who watches the watchdogs.

use failstop_settings::{Choice, Consistent, HostPort, Kind, Places, Reading, Secret, Url, section, within};
use std::time::Duration;

section! {
    /// The watchdog's own eyes. While too few references answer, nothing is counted and nobody is alarmed; one summary follows.
    pub struct Network {
        /// Addresses that do not depend on what is watched. Without any, a dead network of the watchdog looks like dead targets.
        references: Vec<HostPort>, default [];
        /// So many of them must answer.
        need: u32, default 1, within("1", "64");
        /// One that does not answer within this is out of reach.
        timeout: Duration, default "1s", within("50ms", "30s");
    }
}

impl Consistent for Network {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if !self.references.is_empty() && self.need as usize > self.references.len() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["need", "references"]),
                format!("`need` in {} is more than there are references", places.label),
                "write at most as many as `references` has",
            );
        }
    }
}

section! {
    /// The other watchdog. The primary acts and tells; the standby takes over while the primary is dead.
    pub struct Peer {
        /// Its address.
        url: Url, required "http://wd2:8081";
        /// What this one is: "primary" or "standby". Exactly one of the two is the primary.
        role: Role, required "primary";
        /// Time between two questions.
        interval: Duration, default "5s", within("100ms", "5m");
        /// So many failures in a row mean that it is dead.
        failures: u32, default 3, within("1", "64");
    }
}

impl Consistent for Peer {}

/// What this watchdog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It acts and tells.
    Primary,
    /// It takes over.
    Standby,
}

impl Choice for Role {
    const WORDS: &'static [(&'static str, Self)] = &[("primary", Self::Primary), ("standby", Self::Standby)];
    const WANTED: &'static str = "\"primary\" or \"standby\"";
}

section! {
    /// An outside dead man's switch: pinged while this watchdog is well.
    pub struct Outside {
        /// Its ping URL, which is a secret.
        ping_url: Secret, required { env = "DEADMAN_URL" };
        /// Time between two pings.
        interval: Duration, default "60s", within("1s", "24h");
    }
}

impl Consistent for Outside {}
