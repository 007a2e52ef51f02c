//! Alerts on their way to people.
//!
//! An alert is a durable incident. Its key is made by the caller; a change of it and one row a channel are on disk, in one
//! fsync, before the first message leaves. Messages about one incident reach each channel in order: never a resolve before its
//! trigger, never a trigger after its resolve was accepted. Each is retried for at least 72 hours. After a crash at any point
//! the next start goes on where the last one was; a message is sent twice only where its answer was lost, and then with the
//! same key.
//!
//! ```no_run
//! use failstop_notify::{Channel, Change, Config, Key, Kind, Notice, Severity};
//!
//! # fn now() -> jiff::Timestamp { jiff::Timestamp::UNIX_EPOCH }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { channels: vec![Channel::new(Kind::Console)], ..Config::new("demo") };
//! let (alerts, driver) = failstop_notify::open(config, "state/outbox".as_ref())?;
//! let running = driver.spawn()?; // or, inside a runtime: driver.run(stop).await
//!
//! let key = Key::of("demo", "heartbeat-lost", Some("bot"), 31)?;
//! let mut notice = Notice::new(key.clone(), Change::Trigger, Severity::Critical, "bot beats no more", now());
//! notice.system = "demo".into();
//! notice.cause = "heartbeat-lost".into();
//! notice.recommended_action = Some("failstop status".into());
//! alerts.report(notice)?; // never blocks; the reply may be dropped
//!
//! alerts.acknowledge(key.clone(), "ana")?;
//! alerts.report(Notice::new(key, Change::Resolve, Severity::Critical, "bot beats again", now()))?;
//! running.stop();
//! # Ok(())
//! # }
//! ```
//!
//! Who it is for: the engine runs the driver on a thread of its own, the watchdog inside its single runtime. Both keep a
//! [`Handle`], which never blocks and never waits for a service.
//!
//! # What the caller does
//!
//! - Makes keys that are stable over restarts and never used again ([`Key`]).
//! - After its own restart compares [`Handle::list`] with what still stands, and reports a resolve for what does not.
//! - Says with [`Notice::maintenance`] that a maintenance window is open, and with [`Handle::maintenance_over`] that it ended.

#![forbid(unsafe_code)]

mod answer;
mod channel;
mod clock;
mod config;
mod disk;
mod drill;
mod driver;
mod handle;
mod heart;
mod key;
mod mask;
mod message;
mod notice;
mod policy;
mod render;
mod report;
mod secret;
pub mod settings;
mod store;
pub mod threads;
mod transport;

pub use channel::{
    Address, Alertmanager, AlertmanagerTable, Discord, DiscordTable, Email, EmailTable, Exec, ExecTable, Kind, LogFile,
    LogFileTable, Ntfy, NtfyTable, PagerdutyEvents, PagerdutyRest, PagerdutyTable, SlackBot, SlackTable, SlackWebhook,
    SmtpUrl, SmtpUrlFault, Telegram, TelegramTable, Twilio, TwilioTable, Urgency, Webhook, WebhookTable,
};
pub use config::{Channel, Config};
pub use driver::{Driver, OpenError, Running, endpoints, faults, open, read};
pub use handle::{Handle, QUEUE_MAX, QUEUE_RESERVED, Refused, Reply};
pub use key::{Key, KeyFault};
pub use notice::{Change, METADATA_PAIRS_MAX, Nature, Notice, PRODUCTION, Severity};
pub use policy::{EachSeverity, Environments, Escalation, Policy, Route};
pub use report::{
    Acknowledged, Acknowledgement, Alert, BySeverity, ChannelStatus, Counters, Proof, Reported, Status, Tested,
};
pub use secret::Secret;
pub use settings::Unusable;
/// TLS as a client, for others in this program that ask over HTTPS.
pub mod tls {
    pub use crate::transport::http::tls_words as words;
    pub use crate::transport::tls::client_config;
}
pub use transport::program::{Call, Children, Ended, Programs};
pub use transport::smtp::Start as SmtpStart;

use std::time::Duration;

/// The most incidents that are open at once; beyond three quarters of it only critical ones are taken.
pub const OPEN_MAX: usize = 512;

/// The most resolved incidents that [`Handle::list`] still shows.
pub const LISTED_MAX: usize = 100;

/// How long the driver still gives first attempts once it is told to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);
