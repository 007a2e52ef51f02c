//! The channels against the published descriptions of their services: what each sends is checked by them, and every answer
//! that is known is played by a server.

#[path = "../../../tests/notifier/loopback.rs"]
#[expect(dead_code, reason = "the tests of the whole notifier need more of it")]
mod loopback;
mod requests;
mod schema;
mod statuses;
mod wire;

use super::{
    Alertmanager, Carriers, Destination, Discord, Exec, Kind, LogFile, Ntfy, PagerdutyEvents, PagerdutyRest, SlackBot,
    SlackWebhook, Telegram, Twilio, Webhook,
};
use crate::answer::Answer;
use crate::secret::Secret;
use crate::transport::http::Http;
use crate::transport::program::Children;
use crate::transport::tls::Trust;
use std::sync::Arc;
use std::time::Duration;

pub(super) const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub(super) fn telegram(base: &str) -> Telegram {
    Telegram {
        bot_token: Secret::new("1:token"),
        chat_id: "-5".into(),
        message_thread_id: Some(3),
        api_base: base.into(),
    }
}

/// Every kind that speaks HTTP, at a server.
pub(super) fn kinds(base: &str) -> Vec<(&'static str, Kind)> {
    let base = base.to_owned();
    vec![
        ("telegram", Kind::Telegram(telegram(&base))),
        (
            "slack_incoming_webhook",
            Kind::SlackWebhook(SlackWebhook { webhook_url: format!("{base}/services/T/B/x").into() }),
        ),
        (
            "slack_chat_postMessage",
            Kind::SlackBot(SlackBot {
                bot_token: Secret::new("xoxb-1"),
                channel: "C1".into(),
                api_base: format!("{base}/api"),
            }),
        ),
        (
            "pagerduty_events_v2",
            Kind::PagerdutyEvents(PagerdutyEvents { routing_key: Secret::new("r".repeat(32)), api_base: base.clone() }),
        ),
        (
            "pagerduty_rest",
            Kind::PagerdutyRest(PagerdutyRest {
                api_key: Secret::new("k"),
                service_id: "P1".into(),
                from: "ops@example.com".into(),
                urgency: "high".into(),
                api_base: base.clone(),
            }),
        ),
        ("webhook", Kind::Webhook(Webhook { url: format!("{base}/hook").into(), secret: Secret::new(SIGNING) })),
        (
            "alertmanager_v2",
            Kind::Alertmanager(Alertmanager {
                members: vec![base.clone()],
                resolve_timeout: Alertmanager::RESOLVE_TIMEOUT,
                authorization: None,
            }),
        ),
        (
            "ntfy",
            Kind::Ntfy(Ntfy { server: base.clone(), topic: Secret::new("topic"), token: Some(Secret::new("tk")) }),
        ),
        (
            "discord_webhook",
            Kind::Discord(Discord { webhook_url: format!("{base}/api/webhooks/1/x?thread_id=5").into() }),
        ),
        (
            "twilio_sms",
            Kind::Twilio(Twilio {
                account_sid: "AC1".into(),
                auth_token: Secret::new("t"),
                from: "+15005550006".into(),
                to: vec!["+15005550009".into()],
                api_base: base,
            }),
        ),
    ]
}

pub(super) fn carriers() -> Carriers {
    let trust = Trust::new(None).unwrap_or_else(|fault| panic!("{fault}"));
    let http = Http::new(&trust).unwrap_or_else(|fault| panic!("{fault}"));
    Carriers { http, trust, programs: Arc::new(Children) }
}

pub(super) fn to(kind: &Kind, within: Duration) -> Destination {
    Destination { name: kind.destinations().into_iter().next().flatten(), moved: None, within }
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("{error}")).block_on(work)
}

/// A description in JSON.
pub(super) fn contract(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_program_of_ones_own_gets_everything() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let file = folder.path().join("got");
    let script = format!("cat > {}; test \"$FAILSTOP_ALERT_SEVERITY\" = critical", file.display());
    let kind = Kind::Exec(Exec { command: vec!["sh".into(), "-c".into(), script] });
    let message = crate::message::tests::message(crate::heart::What::Trigger);
    let answer = run(kind.send(&carriers(), message, &to(&kind, Duration::from_secs(60))));
    assert_eq!(answer.class(), "ok");
    let got = contract(&std::fs::read_to_string(&file).unwrap_or_default());
    assert_eq!(got["data"]["title"], "bot beats no more");
    for (script, class) in [("exit 78", "permanent"), ("exit 1", "retry"), ("kill -9 $$", "ambiguous")] {
        let kind = Kind::Exec(Exec { command: vec!["sh".into(), "-c".into(), script.into()] });
        let message = crate::message::tests::message(crate::heart::What::Trigger);
        let answer = run(kind.send(&carriers(), message, &to(&kind, Duration::from_secs(60))));
        assert_eq!(answer.class(), class, "{script}");
    }
}

/// A description in YAML.
pub(super) fn yaml(text: &str) -> serde_json::Value {
    fn json(node: &yaml_rust2::Yaml) -> serde_json::Value {
        use yaml_rust2::Yaml;
        match node {
            Yaml::Real(text) | Yaml::String(text) => text.as_str().into(),
            Yaml::Integer(number) => (*number).into(),
            Yaml::Boolean(truth) => (*truth).into(),
            Yaml::Array(items) => items.iter().map(json).collect::<Vec<_>>().into(),
            Yaml::Hash(map) => {
                let pairs = map.iter().map(|(name, value)| (name.as_str().unwrap_or_default().to_owned(), json(value)));
                serde_json::Value::Object(pairs.collect())
            }
            Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => serde_json::Value::Null,
        }
    }
    let documents = yaml_rust2::YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}"));
    documents.first().map(json).unwrap_or_default()
}

#[test]
fn without_a_thread_to_write_it_from_a_message_is_tried_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let none = &crate::threads::tests::NONE;
    let answer = runtime.block_on(super::blocking(none, Duration::from_secs(60), || panic!("there is no thread")));
    let Answer::Retry { reason } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("there is no thread for it"), "{reason}");
}

#[test]
fn a_log_file_that_hangs_keeps_no_thread_that_a_program_needs() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("alerts.jsonl");
    // Who opens a pipe that nobody reads waits.
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap_or_else(|error| panic!("{error}"));
    let hung = Kind::LogFile(LogFile { path: path.clone(), max_bytes: LogFile::MAX_BYTES });
    let message = || crate::message::tests::message(crate::heart::What::Trigger);
    let carriers = carriers();
    let mut classes = Vec::new();
    for _ in 0..=crate::threads::THREADS_MAX {
        classes.push(run(hung.send(&carriers, message(), &to(&hung, Duration::from_millis(1)))).class());
    }
    assert_eq!(classes.first(), Some(&"ambiguous"));
    assert_eq!(classes.last(), Some(&"retry"), "they have a bound of their own");
    let program = Kind::Exec(Exec { command: vec!["true".into()] });
    let answer = run(program.send(&carriers, message(), &to(&program, Duration::from_secs(60))));
    drop(std::fs::File::open(&path));
    assert_eq!(answer.class(), "ok");
}
