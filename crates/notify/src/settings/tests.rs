//! `[alerts]` as people write it: every channel, what is shipped, and mistakes.

use super::*;
use failstop_settings::{Overlay, SectionInfo, Shape, Source, Vocabulary, read, reference, single};

static VOCABULARY: Vocabulary = Vocabulary {
    file: "failstop.toml",
    no_file: "give its path with --config",
    prefix: "FAILSTOP__",
    sections: &[SectionInfo::of::<Alerts>("alerts", Shape::Single)],
    profiles: &[],
    synonym: |_| None,
};

fn load(text: &str) -> Result<Alerts, String> {
    let source = Source { file: "failstop.toml".into(), text: text.to_owned(), world_readable: false };
    let sections = |root: &_, _: &_, reading: &mut Reading<'_>| single::<Alerts>(root, "alerts", reading);
    read(&source, &Overlay::default(), &VOCABULARY, |_| None, sections)
        .map(|read| read.value)
        .map_err(|errors| errors.to_string())
}

const FULL: &str = r#"
[alerts]
channels = ["telegram", "slack", "pagerduty", "email", "webhook", "alertmanager", "ntfy", "discord", "twilio", "exec", "log_file", "console"]
cooldown = { critical = "1h" }
reminder = { warning = "0s" }
[[alerts.escalation]]
after = "15m"
channels = ["pagerduty"]
[[alerts.route]]
severity = ["info"]
cause = ["daily-loss"]
channels = []
[alerts.telegram]
bot_token = "1:a"
chat_id = "-5"
[alerts.slack]
webhook_url = "https://hooks/x"
[alerts.pagerduty]
api_key = "k"
service_id = "P1"
from = "ops@example.com"
[alerts.email]
smtp_url = "smtp://me%40example.com@mail.example.com"
password = "p"
from = "failstop@example.com"
to = ["ops@example.com", "boss@example.com"]
[alerts.webhook]
url = "https://h/x"
secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
[alerts.alertmanager]
members = ["http://a:9093", "http://b:9093"]
[alerts.ntfy]
topic = "t0pic"
[alerts.discord]
webhook_url = "https://d/x"
[alerts.twilio]
account_sid = "AC1"
auth_token = "t"
from = "+1"
to = ["+2"]
[alerts.exec]
command = ["true"]
[alerts.log_file]
path = "alerts.jsonl"
[alerts.staging]
channels = ["telegram"]
[alerts.staging.telegram]
bot_token = "2:b"
chat_id = "@staging"
"#;

#[test]
fn every_channel_can_be_configured() {
    let alerts = load(FULL).unwrap_or_else(|errors| panic!("{errors}"));
    let (config, unusable) = alerts.config("demo");
    assert_eq!(unusable, []);
    assert_eq!(config.channels.len(), 13);
    assert_eq!(config.channels[12].name, "staging.telegram");
    assert_eq!(config.channels[12].environments, Environments::NotProduction);
    assert_eq!(config.channels[0].environments, Environments::Production);
    assert_eq!(config.policy.cooldown.critical, Duration::from_secs(3_600));
    assert_eq!(config.policy.cooldown.info, Duration::from_secs(300));
    assert_eq!(config.policy.reminder.warning, None);
    assert_eq!(config.policy.escalation.len(), 1);
    let Kind::Email(email) = &config.channels[3].kind else { panic!("not e-mail") };
    assert_eq!((email.host.as_str(), email.port), ("mail.example.com", 587));
    assert_eq!(email.login.as_ref().map(|(user, _)| user.as_str()), Some("me@example.com"));
    assert_eq!(alerts.secrets().len(), 10);
    assert!(!format!("{alerts:?}").contains("t0pic"));
}

#[test]
fn what_is_shipped() {
    let alerts = load("").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(alerts.policy(), Policy::default());
    assert_eq!(alerts.names(), ["console"]);
    assert!(alerts.stay_on_this_host());
}

#[test]
fn a_channel_that_has_its_table_is_in_use_where_none_is_named() {
    let (_, named) = FULL.split_once("[alerts.log_file]").unwrap_or_default();
    let text = format!("[alerts.log_file]{named}").replace("channels = [\"telegram\"]\n", "");
    let alerts = load(&text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(alerts.names(), ["console", "log_file", "staging.telegram"]);
    assert!(!alerts.stay_on_this_host());
    assert_eq!(alerts.secrets().len(), 1);
    let alerts = load("[alerts.log_file]\npath = \"a\"\n").unwrap_or_else(|errors| panic!("{errors}"));
    assert!(alerts.stay_on_this_host(), "a file is read by nobody elsewhere");
    let named = load("[alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"a\"\n");
    assert_eq!(named.unwrap_or_else(|errors| panic!("{errors}")).names(), ["log_file"]);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let bad = [
        ("[alerts]\nchannels = [\"telegram\"]\n", "2:"),
        ("[alerts]\nchannels = [\"pager-duty\"]\n", "pagerduty"),
        ("[alerts]\n[alerts.slack]\n", "webhook_url"),
        ("[alerts]\n[alerts.slack]\nbot_token = \"x\"\n", "channel"),
        ("[alerts]\n[alerts.pagerduty]\napi_key = \"x\"\nfrom = \"a@b.c\"\n", "service_id"),
        ("[alerts]\n[[alerts.route]]\nchannels = [\"pagerduty\"]\n", "not in use"),
        ("[alerts]\n[[alerts.escalation]]\nafter = \"5s\"\nchannels = [\"console\"]\n", "after"),
        (
            "[alerts.email]\nsmtp_url = \"smtps://u:hunter2@mail.example.com\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n",
            "password",
        ),
        ("[alerts.email]\nsmtp_url = \"smtps://mail.example.com\"\nfrom = \"a\"\nto = [\"a@b.c\"]\n", "mail address"),
        (
            "[alerts.email]\nsmtp_url = \"smtps://u@mail.example.com\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n",
            "no password",
        ),
    ];
    for (text, says) in bad {
        let errors = load(text).err().unwrap_or_default();
        assert!(errors.contains(says) && errors.contains("failstop.toml:"), "{text}: {errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn a_channel_without_its_secret_does_not_cost_the_others() {
    let text = "[alerts]\nchannels = [\"telegram\", \"console\"]\n[alerts.telegram]\nbot_token = { env = \"FAILSTOP_TEST_UNSET\" }\nchat_id = \"1\"\n";
    let alerts = load(text).unwrap_or_else(|errors| panic!("{errors}"));
    let (config, unusable) = alerts.config("demo");
    assert_eq!(config.channels.len(), 1);
    assert_eq!(unusable.len(), 1);
    assert!(unusable[0].fault.contains("FAILSTOP_TEST_UNSET"));
}

#[test]
fn the_reference_has_every_channel() {
    let reference = reference(&VOCABULARY, "", &|_| None);
    for (word, _) in Word::WORDS.iter().filter(|(word, _)| *word != "console") {
        assert!(reference.contains(word), "{word}:\n{reference}");
    }
}
