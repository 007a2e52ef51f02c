//! `[[dependency]]`: what outside the system must answer.

use super::probe::{Pace, Probe};
use failstop_settings::document::Table;
use failstop_settings::{
    Argv, Consistent, HostPort, Kind, Name, Places, Reading, Secret, Section, Url, exactly_one, section, within,
};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// Something outside the system that must answer: an exchange, a database, a node. Components name those that they
    /// need; while one is down, a missed beat is the environment's fault and not the bot's. Exactly one of http, tcp,
    /// redis, postgres, json_rpc, telegram and exec.
    pub struct DependencyKeys {
        /// Its name, for `needs`, health and metrics.
        name: Name, required "kraken";
        /// A URL: GET, good with a status of 200 to 399. Redirects are not followed.
        http: Option<Url>, absent "https://api.kraken.com/0/public/Time";
        /// A host and a port: good when a connection can be made.
        tcp: Option<HostPort>, absent "127.0.0.1:9000";
        /// A host and a port of a Redis server: good when it answers PING with PONG.
        redis: Option<HostPort>, absent "127.0.0.1:6379";
        /// A host and a port of a PostgreSQL server: good when it answers a start-up message and takes connections. Nobody
        /// logs in.
        postgres: Option<HostPort>, absent "127.0.0.1:5432";
        /// The URL of a JSON-RPC node: good while the number that `eth_blockNumber` gives moves on. Only its host is ever
        /// shown, since its path often holds a key.
        json_rpc: Option<Url>, absent "http://127.0.0.1:8545";
        /// The token of a Telegram bot: good when `getMe` answers.
        telegram: Option<Secret>, absent { env = "TELEGRAM_BOT_TOKEN" };
        /// A program that must end with status 0. It runs in this file's folder, as failstop's own user.
        exec: Option<Argv>, absent ["./probe.sh"];
        /// For redis and postgres: the user. Absent: Redis's default user; "failstop" for PostgreSQL.
        user: Option<String>, absent "monitor";
        /// For redis: the password.
        password: Option<Secret>, absent { env = "REDIS_PASSWORD" };
        /// For json_rpc: a block number that has stood still for this long is a failed try.
        stuck_after: Duration, default "60s", within("1s", "24h");
        /// For telegram: where the service is.
        api_base: Url, default "https://api.telegram.org";
        /// For https: a file of further authorities, in PEM form.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// Time between two probes. After a failed try they come faster until it is back: after 2 s, 4 s and so on, every 30 s at
        /// least, and so that `tries` of them fall into a minute.
        interval: Duration, default "300s", within("1s", "24h");
        /// After this long without an answer a try has failed.
        timeout: Duration, default "10s", within("100ms", "5m");
        /// So many failed tries in a row, over at least a minute, mean that it is down.
        tries: u32, default 3, within("1", "100");
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
            ("telegram", self.telegram.is_some()),
            ("exec", self.exec.is_some()),
        ];
        exactly_one(&ways, "tcp = \"127.0.0.1:9000\"", places, reading);
        let mut only_with = |key: &str, given: bool, fits: bool, ways: &str| {
            if given && !fits {
                let message = format!("{} has `{key}`, which goes with {ways} only", places.label);
                reading.refuse(Kind::Contradiction, &places.first_of(&[key]), message, format!("remove `{key}`"));
            }
        };
        let redis = self.redis.is_some();
        only_with("password", self.password.is_some(), redis, "redis");
        only_with("user", self.user.is_some(), redis || self.postgres.is_some(), "redis and postgres");
        let https = self.http.is_some() || self.json_rpc.is_some() || self.telegram.is_some();
        only_with("ca_file", self.ca_file.is_some(), https, "http, json_rpc and telegram");
        if redis && self.user.is_some() && self.password.is_none() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["user"]),
                format!("{} has a `user` for redis without a `password`", places.label),
                "add `password = { env = \"REDIS_PASSWORD\" }`, or remove `user`",
            );
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
    /// How often, and how long it may take.
    pub pace: Pace,
}

impl Dependency {
    pub(crate) fn read_table(table: &Table, label: &str, reading: &mut Reading<'_>) -> Option<Self> {
        let keys = DependencyKeys::read_table(table, label, "dependency", reading)?;
        let DependencyKeys { ca_file, user, password, stuck_after, api_base, .. } = keys;
        let pace = Pace { interval: keys.interval, timeout: keys.timeout, tries: keys.tries };
        let probe = if let Some(url) = keys.http {
            Probe::Http { url, ca_file }
        } else if let Some(at) = keys.redis {
            Probe::Redis { at, user, password }
        } else if let Some(at) = keys.postgres {
            Probe::Postgres { at, user }
        } else if let Some(url) = keys.json_rpc {
            Probe::JsonRpc { url, stuck_after, ca_file }
        } else if let Some(token) = keys.telegram {
            Probe::Telegram { api_base, token, ca_file }
        } else {
            keys.tcp.map(Probe::Tcp).or(keys.exec.map(Probe::Exec))?
        };
        Some(Self { name: keys.name, probe, pace })
    }
}
