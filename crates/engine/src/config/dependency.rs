//! `[[dependency]]`: what outside the system must answer.

use failstop_settings::document::{Node, Table};
use failstop_settings::{
    Argv, At, Consistent, HostPort, Key, Name, Places, Reading, Section, Setting, Url, exactly_one, section, setting,
    within,
};
use std::time::Duration;

section! {
    /// Something outside the system that must answer: an exchange, a database, a node. Components name those that they
    /// need; while one is down, a missed beat is the environment's fault and not the bot's. Exactly one of http, tcp,
    /// redis, postgres, json_rpc and exec.
    pub struct DependencyKeys {
        /// Its name, for `needs`, health and metrics.
        name: Name, required "kraken";
        /// A URL: GET, good with a status of 200 to 399.
        http: Option<Url>, absent "https://api.kraken.com/0/public/Time";
        /// A host and a port: good when a connection can be made.
        tcp: Option<HostPort>, absent "127.0.0.1:9000";
        /// A host and a port of a Redis server: PING.
        redis: Option<HostPort>, absent "127.0.0.1:6379" => "Redis is not probed by this version";
        /// A host and a port of a PostgreSQL server.
        postgres: Option<HostPort>, absent "127.0.0.1:5432" => "PostgreSQL is not probed by this version";
        /// The URL of a JSON-RPC node whose block number must move on.
        json_rpc: Option<Url>, absent "http://127.0.0.1:8545" => "JSON-RPC nodes are not probed by this version";
        /// A program that must end with status 0.
        exec: Option<Argv>, absent ["./probe.sh"];
        /// Time between two probes.
        interval: Duration, default "300s", within("1s", "24h") => "dependencies are looked at at the start only in this version";
        /// After this long without an answer a try has failed.
        timeout: Duration, default "10s", within("100ms", "5m");
        /// So many failed tries in a row, over at least a minute, mean that it is down.
        tries: u32, default 3, within("1", "100") => "dependencies are looked at at the start only in this version";
    }
}

impl Consistent for DependencyKeys {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [
            ("http", self.http.is_some()),
            ("tcp", self.tcp.is_some()),
            ("redis", self.redis.is_some()),
            ("postgres", self.postgres.is_some()),
            ("json_rpc", self.json_rpc.is_some()),
            ("exec", self.exec.is_some()),
        ];
        exactly_one(&ways, "tcp = \"127.0.0.1:9000\"", places, reading);
    }
}

/// What is asked whether it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// GET, good with a status of 200 to 399.
    Http(Url),
    /// A connection can be made.
    Tcp(HostPort),
    /// PING.
    Redis(HostPort),
    /// A connection can be made and the server speaks PostgreSQL.
    Postgres(HostPort),
    /// A JSON-RPC node whose block number moves on.
    JsonRpc(Url),
    /// A program that ends with status 0.
    Exec(Argv),
}

impl Probe {
    /// How the configuration names it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
            Self::JsonRpc(_) => "json_rpc",
            Self::Exec(_) => "exec",
        }
    }
}

/// One dependency.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// Its name.
    pub name: Name,
    /// How it is asked.
    pub probe: Probe,
    /// Time between two probes.
    pub interval: Duration,
    /// How long a try may take.
    pub timeout: Duration,
    /// Failed tries in a row that mean "down".
    pub tries: u32,
}

impl Dependency {
    pub(crate) fn read_table(table: &Table, label: &str, reading: &mut Reading<'_>) -> Option<Self> {
        let keys = DependencyKeys::read_table(table, label, "dependency", reading)?;
        let probe = keys
            .http
            .map(Probe::Http)
            .or(keys.tcp.map(Probe::Tcp))
            .or(keys.redis.map(Probe::Redis))
            .or(keys.postgres.map(Probe::Postgres))
            .or(keys.json_rpc.map(Probe::JsonRpc))
            .or(keys.exec.map(Probe::Exec))?;
        Some(Self { name: keys.name, probe, interval: keys.interval, timeout: keys.timeout, tries: keys.tries })
    }
}

section! {
    /// When a component counts as ready. Exactly one of notify, http, tcp and exec.
    pub struct ReadinessKeys {
        /// It says `READY=1` over sd_notify.
        notify: bool, default false;
        /// This URL answers with a status of 200 to 399.
        http: Option<Url>, absent "http://127.0.0.1:9000/ready" => "not probed by this version: the component counts as ready when started";
        /// A connection can be made.
        tcp: Option<HostPort>, absent "127.0.0.1:9000" => "not probed by this version: the component counts as ready when started";
        /// This program ends with status 0.
        exec: Option<Argv>, absent ["./ready.sh"] => "not probed by this version: the component counts as ready when started";
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
        let probe = keys.http.map(Probe::Http).or(keys.tcp.map(Probe::Tcp)).or(keys.exec.map(Probe::Exec))?;
        Some(Self::Probe { probe, interval: keys.interval, timeout: keys.timeout })
    }

    fn nested() -> Option<&'static [Key]> {
        Some(ReadinessKeys::keys())
    }
}

section! {
    /// Which sign of life is required. Exactly one of heartbeat, watchdog and http.
    pub struct LivenessKeys {
        /// `heartbeat` on the bot socket at least this often.
        heartbeat: Option<Duration>, absent "2m", within("100ms", "24h");
        /// `WATCHDOG=1` over sd_notify at least this often. Bots beat once a loop, whatever they are told: 3 to 5 minutes
        /// for freqtrade.
        watchdog: Option<Duration>, absent "2m", within("100ms", "24h");
        /// This URL answers with a status of 200 to 399.
        http: Option<Url>, absent "http://127.0.0.1:9000/ping" => "not probed by this version: a hang is not noticed";
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
        ];
        exactly_one(&ways, "liveness = { heartbeat = \"2m\" }", places, reading);
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
        /// Time between two probes.
        interval: Duration,
        /// How long a try may take.
        timeout: Duration,
        /// Failed tries in a row that mean "hung".
        tries: u32,
    },
}

impl Setting for Liveness {
    const WANTED: &'static str = "a table, like { heartbeat = \"2m\" }";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let keys: LivenessKeys = setting::read_nested(node, at, reading)?;
        match (keys.heartbeat, keys.watchdog, keys.http) {
            (Some(span), _, _) => Some(Self::Heartbeat(span)),
            (None, Some(span), _) => Some(Self::Watchdog(span)),
            (None, None, Some(url)) => Some(Self::Probe {
                probe: Probe::Http(url),
                interval: keys.interval,
                timeout: keys.timeout,
                tries: keys.tries,
            }),
            (None, None, None) => None,
        }
    }

    fn nested() -> Option<&'static [Key]> {
        Some(LivenessKeys::keys())
    }
}
