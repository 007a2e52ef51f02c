//! How a component shows that it is ready, alive and well: `readiness`, `liveness` and `health` of a `[[component]]`.

use super::probe::{Pace, Probe};
use failstop_settings::document::Node;
use failstop_settings::{
    Argv, At, Consistent, HostPort, Key, Kind, Places, Reading, Section, Setting, Url, exactly_one, section, setting,
    within,
};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// When a component counts as ready. Exactly one of notify, http, tcp and exec.
    pub struct ReadinessKeys {
        /// It says `READY=1` over sd_notify.
        notify: bool, default false;
        /// This URL answers with a status of 200 to 399. Redirects are not followed.
        http: Option<Url>, absent "http://127.0.0.1:9000/ready";
        /// A connection can be made.
        tcp: Option<HostPort>, absent "127.0.0.1:9000";
        /// This program ends with status 0. It runs in this file's folder, as failstop's own user, with FAILSTOP_COMPONENT
        /// and MAINPID in its environment.
        exec: Option<Argv>, absent ["./ready.sh"];
        /// For https: a file of further authorities, in PEM form.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// Time between two probes.
        interval: Duration, default "1s", within("50ms", "5m");
        /// After this long without an answer a try has failed.
        timeout: Duration, default "10s", within("100ms", "5m");
    }
}

impl Consistent for ReadinessKeys {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [
            ("notify", self.notify),
            ("http", self.http.is_some()),
            ("tcp", self.tcp.is_some()),
            ("exec", self.exec.is_some()),
        ];
        exactly_one(&ways, "readiness = { notify = true }", places, reading);
        authorities(self.ca_file.is_some(), self.http.as_ref(), places, reading);
    }
}

/// Authorities are for https only.
fn authorities(given: bool, url: Option<&Url>, places: &Places<'_>, reading: &mut Reading<'_>) {
    if given && !url.is_some_and(|url| url.tls) {
        let message = format!("{} has `ca_file`, which goes with an https URL only", places.label);
        reading.refuse(Kind::Contradiction, &places.first_of(&["ca_file"]), message, "remove `ca_file`");
    }
}

/// When a component counts as ready.
#[derive(Clone, Debug, PartialEq)]
pub enum Readiness {
    /// It says so over sd_notify.
    Notify,
    /// A probe passes.
    Probe {
        /// How it is asked.
        probe: Probe,
        /// Time between two probes.
        interval: Duration,
        /// How long a try may take.
        timeout: Duration,
    },
}

impl Setting for Readiness {
    const WANTED: &'static str = "a table, like { notify = true }";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let keys: ReadinessKeys = setting::read_nested(node, at, reading)?;
        if keys.notify {
            return Some(Self::Notify);
        }
        let probe = way(keys.http, keys.tcp, keys.exec, keys.ca_file)?;
        Some(Self::Probe { probe, interval: keys.interval, timeout: keys.timeout })
    }

    fn nested() -> Option<&'static [Key]> {
        Some(ReadinessKeys::keys())
    }
}

fn way(http: Option<Url>, tcp: Option<HostPort>, exec: Option<Argv>, ca_file: Option<PathBuf>) -> Option<Probe> {
    http.map(|url| Probe::Http { url, ca_file }).or(tcp.map(Probe::Tcp)).or(exec.map(Probe::Exec))
}

section! {
    /// Which sign of life is required. Exactly one of heartbeat, watchdog, http, tcp and exec.
    pub struct LivenessKeys {
        /// `heartbeat` on the bot socket at least this often.
        heartbeat: Option<Duration>, absent "2m", within("100ms", "24h");
        /// `WATCHDOG=1` over sd_notify at least this often. Bots beat once a loop, whatever they are told: 3 to 5 minutes
        /// for freqtrade.
        watchdog: Option<Duration>, absent "2m", within("100ms", "24h");
        /// This URL answers with a status of 200 to 399. Redirects are not followed.
        http: Option<Url>, absent "http://127.0.0.1:9000/ping";
        /// A connection can be made.
        tcp: Option<HostPort>, absent "127.0.0.1:9000";
        /// This program ends with status 0. It runs in this file's folder, as failstop's own user, with FAILSTOP_COMPONENT
        /// and MAINPID in its environment.
        exec: Option<Argv>, absent ["./alive.sh"];
        /// For https: a file of further authorities, in PEM form.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// Time between two probes.
        interval: Duration, default "30s", within("100ms", "24h");
        /// After this long without an answer a try has failed.
        timeout: Duration, default "10s", within("100ms", "5m");
        /// So many failed tries in a row mean that it hangs.
        tries: u32, default 3, within("1", "100");
    }
}

impl Consistent for LivenessKeys {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [
            ("heartbeat", self.heartbeat.is_some()),
            ("watchdog", self.watchdog.is_some()),
            ("http", self.http.is_some()),
            ("tcp", self.tcp.is_some()),
            ("exec", self.exec.is_some()),
        ];
        exactly_one(&ways, "liveness = { heartbeat = \"2m\" }", places, reading);
        authorities(self.ca_file.is_some(), self.http.as_ref(), places, reading);
    }
}

/// Which sign of life is required.
#[derive(Clone, Debug, PartialEq)]
pub enum Liveness {
    /// On the bot socket, at least this often.
    Heartbeat(Duration),
    /// Over sd_notify, at least this often.
    Watchdog(Duration),
    /// A probe passes.
    Probe {
        /// How it is asked.
        probe: Probe,
        /// How often, and how many failed tries mean "hung".
        pace: Pace,
    },
}

impl Setting for Liveness {
    const WANTED: &'static str = "a table, like { heartbeat = \"2m\" }";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let keys: LivenessKeys = setting::read_nested(node, at, reading)?;
        let pace = Pace { interval: keys.interval, timeout: keys.timeout, tries: keys.tries };
        match (keys.heartbeat, keys.watchdog) {
            (Some(span), _) => Some(Self::Heartbeat(span)),
            (None, Some(span)) => Some(Self::Watchdog(span)),
            (None, None) => way(keys.http, keys.tcp, keys.exec, keys.ca_file).map(|probe| Self::Probe { probe, pace }),
        }
    }

    fn nested() -> Option<&'static [Key]> {
        Some(LivenessKeys::keys())
    }
}

section! {
    /// The component's own page of health, read while it is ready. Its parts become parts in status, health and metrics, and its
    /// number counts in health. It is no sign of life: a page that cannot be had makes health worse and restarts nothing.
    pub struct HealthUrl {
        /// The page: JSON like failstop's own /health, {"status": "ok"}, {"healthy": true}, or a plain status of 200.
        url: Url, required "http://127.0.0.1:9000/health";
        /// For https: a file of further authorities, in PEM form.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// Time between two looks.
        interval: Duration, default "30s", within("1s", "24h");
        /// After this long without an answer a try has failed.
        timeout: Duration, default "10s", within("100ms", "5m");
        /// So many failed tries in a row make the component degraded.
        tries: u32, default 3, within("1", "100");
    }
}

impl Consistent for HealthUrl {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        authorities(self.ca_file.is_some(), Some(&self.url), places, reading);
    }
}
