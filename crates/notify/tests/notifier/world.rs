//! What the tests of the whole notifier share: configurations, notices, and waiting within a generous bound.

use super::loopback::Server;
use failstop_notify::{Change, Channel, Config, Driver, Handle, Key, Kind, Notice, Secret, Severity, Webhook};
use std::path::Path;
use std::time::Duration;

pub const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

pub fn config(channels: Vec<Channel>) -> Config {
    Config { channels, ..Config::new("demo") }
}

pub fn webhook(server: &Server, name: &str) -> Channel {
    let hook = Webhook { url: Secret::new(format!("{}/{name}", server.url())), secret: Secret::new(SIGNING) };
    Channel { name: name.to_owned(), timeout: Duration::from_secs(30), ..Channel::new(Kind::Webhook(hook)) }
}

pub fn open(config: Config, folder: &Path) -> (Handle, Driver) {
    failstop_notify::open(config, folder).expect("an outbox")
}

pub fn notice(key: &str, change: Change, severity: Severity) -> Notice {
    let key = Key::parse(key).expect("a key");
    let mut notice = Notice::new(key, change, severity, "bot beats no more", jiff::Timestamp::now());
    notice.system = "demo".into();
    notice.cause = "hung".into();
    notice.recommended_action = Some("failstop status".into());
    notice
}

/// Waits until `done`, within a bound that no machine needs.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came that {what}");
}
