//! `[shared_rates]`: rates that several systems share.

use failstop_settings::{
    Choice, Consistent, HostPort, Kind, Name, Places, Reading, Secret, exactly_one, section, within,
};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// Rates that several systems share: what those of one group use up counts together, in one Redis or Valkey (docs/gate.md). They
    /// are shared where this section is.
    pub struct SharedRates {
        /// Where the server is. Either this or socket.
        server: Option<HostPort>, absent "127.0.0.1:6379";
        /// Its Unix socket.
        socket: Option<PathBuf>, absent "/run/redis/redis.sock";
        /// Whether it is spoken to over TLS.
        tls: bool, default false;
        /// Authorities that are trusted for it beside the usual ones, PEM.
        ca_file: Option<PathBuf>, absent "redis-ca.pem";
        /// The user. Absent: the server's default one.
        user: Option<String>, absent "failstop";
        /// The password.
        password: Option<Secret>, absent { env = "REDIS_PASSWORD" };
        /// Which of the server's databases.
        database: u32, default 0, within("0", "65535");
        /// Which systems share: those that name the same group. Give them the same limits and the same `day_starts_at`, and each a name
        /// of its own.
        group: Name, required "desk";
        /// How long an order waits for the server.
        timeout: Duration, default "50ms", within("5ms", "1s");
        /// What holds while the server does not answer in time or has lost what it counted: "refuse" opens nothing, "local" lets this
        /// host use share_percent of each limit by itself.
        fallback: SharedFallback, default "refuse";
        /// With fallback = "local": this host's share. Let the shares of all hosts come to 100.
        share_percent: Option<u32>, absent 50, within("1", "100");
    }
}

/// What holds without the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedFallback {
    /// Nothing is opened.
    Refuse,
    /// A share of each limit.
    Local,
}

impl Choice for SharedFallback {
    const WORDS: &'static [(&'static str, Self)] = &[("refuse", Self::Refuse), ("local", Self::Local)];
    const WANTED: &'static str = "\"refuse\" or \"local\"";
}

impl Consistent for SharedRates {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [("server", self.server.is_some()), ("socket", self.socket.is_some())];
        exactly_one(&ways, "server = \"127.0.0.1:6379\"", places, reading);
        let mut contradiction = |keys: &[&str], message: &str, help: &str| {
            let message = format!("{} {message}", places.label);
            reading.refuse(Kind::Contradiction, &places.first_of(keys), message, help);
        };
        if self.socket.is_some() && self.tls {
            contradiction(&["tls"], "has `tls` for a Unix socket", "remove `tls`");
        }
        if self.ca_file.is_some() && !self.tls {
            contradiction(&["ca_file"], "has `ca_file` without `tls`", "add `tls = true`, or remove `ca_file`");
        }
        if self.user.is_some() && self.password.is_none() {
            let help = "add `password = { env = \"REDIS_PASSWORD\" }`, or remove `user`";
            contradiction(&["user"], "has a `user` without a `password`", help);
        }
        match (self.fallback, self.share_percent) {
            (SharedFallback::Local, None) => {
                let help = "write `share_percent`, for two hosts 50: the shares of all come to 100";
                contradiction(&["fallback"], "has `fallback = \"local\"` and does not say which share", help);
            }
            (SharedFallback::Refuse, Some(_)) => {
                let help = "remove it, or write `fallback = \"local\"`";
                contradiction(
                    &["share_percent"],
                    "has `share_percent`, which goes with `fallback = \"local\"` only",
                    help,
                );
            }
            (SharedFallback::Local, Some(_)) | (SharedFallback::Refuse, None) => {}
        }
    }
}
