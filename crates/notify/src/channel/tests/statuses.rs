//! Each status from 100 to 599 with nothing in the answer, for each channel.

use super::super::{
    Alertmanager, Discord, Ntfy, PagerdutyEvents, PagerdutyRest, SlackBot, SlackWebhook, Telegram, Twilio, Webhook,
};
use crate::answer::Answer;
use crate::transport::http::Response;
use std::time::Duration;

/// What a status means to most services when they say nothing else. No service's success is without a body of its own but
/// those named in `good`.
fn usual(status: u16, good: &[u16]) -> &'static str {
    match status {
        _ if good.contains(&status) => "ok",
        100..=299 => "ambiguous",
        408 | 425 | 429 | 500..=599 => "retry",
        400 | 406 | 411 | 413 | 414 | 415 | 422 | 431 => "fix_payload",
        _ => "permanent",
    }
}

#[test]
fn every_status_has_the_expected_class() {
    /// Its name, what an answer means to it, which statuses are good, and which are odd.
    type Row = (&'static str, fn(&Response) -> Answer, &'static [u16], &'static [(u16, &'static str)]);
    let channels: [Row; 10] = [
        ("telegram", |r| Telegram::answer(r, "1"), &[], &[]),
        ("slack webhook", SlackWebhook::answer, &[], &[(429, "retry_after")]),
        ("slack bot", SlackBot::answer, &[], &[(429, "retry_after")]),
        ("pagerduty events", PagerdutyEvents::answer, &[202], &[(429, "retry_after")]),
        ("pagerduty opened", PagerdutyRest::opened, &[], &[(429, "retry_after")]),
        ("pagerduty changed", PagerdutyRest::changed, &[], &[(429, "retry_after"), (404, "ok")]),
        ("alertmanager", Alertmanager::answer, &[200], &[]),
        ("ntfy", Ntfy::answer, &[], &[]),
        ("discord", Discord::answer, &[204], &[(429, "retry_after")]),
        ("twilio", Twilio::answer, &[], &[]),
    ];
    for (name, means, good, odd) in channels {
        for status in 100..=599 {
            let class = means(&Response { status, ..Response::default() }).class();
            let expected = odd.iter().find(|(odd, _)| *odd == status).map(|(_, class)| *class);
            assert_eq!(class, expected.unwrap_or(usual(status, good)), "{name} {status}");
        }
    }
}

#[test]
fn a_webhook_is_tried_again_for_anything_but_its_end() {
    for status in 100..=599 {
        let expected = match status {
            100..=199 => "ambiguous",
            200..=299 => "ok",
            300..=399 | 410 => "permanent",
            _ => "retry",
        };
        assert_eq!(Webhook::answer(&Response { status, ..Response::default() }).class(), expected, "{status}");
    }
}

#[test]
fn a_time_to_wait_is_honoured_wherever_it_is_given() {
    let response = |status| Response { status, retry_after: Some(Duration::from_secs(77)), ..Response::default() };
    let means: [fn(&Response) -> Answer; 10] = [
        |r| Telegram::answer(r, "1"),
        SlackWebhook::answer,
        SlackBot::answer,
        PagerdutyEvents::answer,
        PagerdutyRest::opened,
        Alertmanager::answer,
        Ntfy::answer,
        Discord::answer,
        Twilio::answer,
        Webhook::answer,
    ];
    for means in means {
        for status in [429, 503] {
            let Answer::RetryAfter { after, .. } = means(&response(status)) else { panic!("{status}") };
            assert_eq!(after, Duration::from_secs(77));
        }
    }
}
