//! `[[target]]`: what is watched.

use super::restart::Restart;
use failstop_notify::Severity;
use failstop_settings::{
    Argv, Choice, Consistent, HostPort, Kind, Name, Places, Reading, Secret, Url, exactly_one, section, within,
};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// What is watched. Exactly one of url, http, tcp and exec.
    pub struct Target {
        /// Its name: the system's, where it is a failstop system.
        name: Name, required "demo";
        /// The health URL of a failstop system, or of any bot that answers with {"status": "healthy" | "degraded" | ...}.
        url: Option<Url>, absent "http://bot-host:8080/health";
        /// Any URL: good with a status of 200 to 299.
        http: Option<Url>, absent "http://bot-host:9000/ping";
        /// A host and a port: good when a connection can be made.
        tcp: Option<HostPort>, absent "bot-host:5432";
        /// A program that must end with status 0. No shell is involved.
        exec: Option<Argv>, absent ["./probe.sh"];
        /// With http: a text that the body must contain.
        contains: Option<String>, absent "ok";
        /// Time between two probes.
        interval: Duration, default "60s", within("100ms", "24h");
        /// After this long without an answer a probe has failed.
        timeout: Duration, default "10s", within("50ms", "5m");
        /// So many failed probes ...
        failures: u32, default 3, within("1", "64");
        /// ... among so many last ones mean that it is down. Absent: as many as `failures`, that is, in a row.
        window: Option<u32>, absent 5, within("1", "64");
        /// Its incident ends when it has been up for so long. Absent: twice the interval, 2 minutes at most.
        settle: Option<Duration>, absent "2m", within("0s", "24h");
        /// Whether "degraded" is a "warning" or a "failure".
        degraded: DegradedIs, default "warning";
        /// How bad it is when it is down.
        severity: Severity, default "critical";
        /// Whether the answer must echo a number that the question carried: "auto" once it ever did, "require", or "off".
        nonce: NonceMode, default "auto";
        /// The answer's own time may differ by so much from the watchdog's clock.
        answer_max_age: Duration, default "5m", within("1s", "24h");
        /// Where the answer has a journal head: it must move within this. "0s": not judged.
        journal_still: Duration, default "3m", within("0s", "24h");
        /// Where the answer tells when market data came last: it must move within this. Absent: the engine judges.
        data_still: Option<Duration>, absent "10m", within("1s", "168h");
        /// The live stream of a failstop system (one beat a second, an alert within 5 s): "auto" looks for it beside /health,
        /// "off".
        stream: StreamMode, default "auto";
        /// Where the live stream is, if not beside /health.
        stream_url: Option<Url>, absent "http://bot-host:8080/api/beat";
        /// The token that its address asks for.
        token: Option<Secret>, absent { file = "secrets/viewer" };
        /// Its journal's heads are remembered, and proved where `control` gives access to the lines.
        witness: bool, default true;
        /// The engine's control listener: for signed requests.
        control: Option<Url>, absent "https://bot-host:8443";
        /// The key that both sides hold.
        key_file: Option<PathBuf>, absent "wd1.key";
        /// The system's name as its engine knows it, which requests are signed for. Absent: the target's name.
        system: Option<Name>, absent "demo";
        /// Restarting it. Absent: people are told, and nothing is done.
        restart: Option<Restart>, absent {};
    }
}

impl Consistent for Target {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [
            ("url", self.url.is_some()),
            ("http", self.http.is_some()),
            ("tcp", self.tcp.is_some()),
            ("exec", self.exec.is_some()),
        ];
        exactly_one(&ways, "url = \"http://bot-host:8080/health\"", places, reading);
        let mut contradict = |keys: &[&str], message: String, help: &str| {
            reading.refuse(Kind::Contradiction, &places.first_of(keys), message, help);
        };
        if self.window.is_some_and(|window| window < self.failures) {
            contradict(
                &["window"],
                format!("`window` in {} is smaller than `failures`", places.label),
                "write a `window` of at least `failures`",
            );
        }
        if self.contains.is_some() && self.http.is_none() {
            contradict(
                &["contains"],
                format!("`contains` in {} goes with `http`", places.label),
                "write `http` instead of `url`, or remove `contains`",
            );
        }
        if self.control.is_some() != self.key_file.is_some() {
            contradict(
                &["control", "key_file"],
                format!("{} has one of `control` and `key_file`", places.label),
                "write both: requests are signed",
            );
        }
        let Some(restart) = &self.restart else { return };
        if self.control.is_none() && restart.ask == Some(true) {
            contradict(
                &["restart"],
                format!("`restart` in {} asks the engine, and there is no `control`", places.label),
                "add `control` and `key_file`",
            );
        }
        let anything =
            self.control.is_some() || restart.unit.is_some() || restart.signal.is_some() || restart.start.is_some();
        if !anything {
            contradict(
                &["restart"],
                format!("`restart` in {} names no way to restart it", places.label),
                "add `unit`, hooks, or `control` and `key_file`",
            );
        }
    }
}

/// What "degraded" is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DegradedIs {
    /// A warning incident after the same threshold.
    Warning,
    /// A failure.
    Failure,
}

impl Choice for DegradedIs {
    const WORDS: &'static [(&'static str, Self)] = &[("warning", Self::Warning), ("failure", Self::Failure)];
    const WANTED: &'static str = "\"warning\" or \"failure\"";
}

/// Whether the nonce must be echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceMode {
    /// Once it ever was.
    Auto,
    /// From the first answer on.
    Require,
    /// It is not sent.
    Off,
}

impl Choice for NonceMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("require", Self::Require), ("off", Self::Off)];
    const WANTED: &'static str = "\"auto\", \"require\" or \"off\"";
}

/// Whether the live stream is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamMode {
    /// Where the target offers it.
    Auto,
    /// Never.
    Off,
}

impl Choice for StreamMode {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("off", Self::Off)];
    const WANTED: &'static str = "\"auto\" or \"off\"";
}
