//! Compares what is open in the outbox with what stands in the core: after a start, and whenever the notifier could not take
//! something. What is missing there is triggered; what is open there and stands no more is over.

use super::notice::{Sender, clock_time, notice};
use crate::access::TraceId;
use failstop_core::{Alert, Cause, Place, Subject, When, gone};
use failstop_notify::{Alert as Known, Change, Key, Notice};
use std::collections::BTreeMap;

/// The notices that bring the outbox in line with `standing`. `known` is [`failstop_notify::Handle::list`]. Doing it twice, or
/// while a report is still on its way, does no harm: a trigger of what is open is a duplicate, a resolve of what is over
/// resolves nothing.
pub(super) fn notices(
    standing: &[Alert],
    known: &[Known],
    sender: &Sender,
    at: jiff::Timestamp,
    head: &str,
    trace: &dyn Fn(&Alert) -> TraceId,
) -> Vec<Notice> {
    let mut stands: BTreeMap<Key, &Alert> = BTreeMap::new();
    for alert in standing {
        // Names that make no key were refused with the configuration.
        if let Ok(key) = sender.key(&alert.id) {
            stands.insert(key, alert);
        }
    }
    let is_open = |known: &&Known| known.resolved_at.is_none() && !known.drill && is_ours(&known.cause);
    let mut notices: Vec<Notice> = Vec::new();
    // Triggers first: what goes on under another key is never told as over before it is told as standing.
    for (key, alert) in &stands {
        if !known.iter().filter(is_open).any(|known| known.key == *key) {
            notices.extend(notice(alert, sender, at, head, trace(alert)));
        }
    }
    for known in known.iter().filter(is_open).filter(|known| !stands.contains_key(&known.key)) {
        let carried_on = stands.iter().find(|(_, alert)| {
            let component = alert.id.component.as_ref().map(|name| &name.0);
            alert.id.subject.name() == known.cause && component == known.component.as_ref()
        });
        notices.push(over(known, carried_on.map(|(key, _)| key.as_str()), sender, at));
    }
    notices
}

/// Whether the core opens incidents of this cause. Those that it never tells are somebody else's, and so are the notifier's own.
fn is_ours(cause: &str) -> bool {
    let told = Cause::ALL.map(Subject::Halt).into_iter().filter(|subject| subject.row().when != When::Never);
    told.chain(Subject::OTHERS).any(|subject| subject.name() == cause)
}

fn over(known: &Known, carried_on: Option<&str>, sender: &Sender, at: jiff::Timestamp) -> Notice {
    let place = Place { system: &sender.system, at: &clock_time(at) };
    let (title, message) = if known.cause == Subject::StartFailed.name() {
        let title = format!("{}: failstop runs again", sender.system);
        (title, format!("At {}: it started. `failstop status` says what it does.", place.at))
    } else {
        gone(&place, &known.title, carried_on)
    };
    let mut notice = Notice::new(known.key.clone(), Change::Resolve, known.severity, title, at);
    notice.nature = known.nature;
    notice.system.clone_from(&known.system);
    notice.environment.clone_from(&known.environment);
    notice.cause.clone_from(&known.cause);
    notice.component.clone_from(&known.component);
    notice.message = message;
    notice.root_cause.clone_from(&known.root_cause);
    notice.runbook.clone_from(&known.runbook);
    notice.trace_id.clone_from(&known.trace_id);
    notice
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::super::notice::tests::{alert, sender, trace};
    use super::*;
    use failstop_core::Cause;

    fn at() -> jiff::Timestamp {
        "2026-11-03T20:51:07Z".parse().unwrap()
    }

    fn known(alert: &Alert) -> Known {
        let notice = notice(alert, &sender(), at(), "", trace()).unwrap();
        Known {
            key: notice.key,
            severity: notice.severity,
            nature: notice.nature,
            system: notice.system,
            cause: notice.cause,
            component: notice.component,
            environment: notice.environment,
            drill: false,
            title: notice.title,
            message: notice.message,
            root_cause: None,
            recommended_action: None,
            runbook: None,
            metadata: Vec::new(),
            trace_id: None,
            opened_at: at(),
            resolved_at: None,
            acknowledged: None,
            held_back: false,
            delivered_to: Vec::new(),
            waiting_for: Vec::new(),
        }
    }

    fn said(standing: &[Alert], open: &[Known]) -> Vec<(Change, String, String)> {
        let notices = notices(standing, open, &sender(), at(), "", &|_| trace());
        notices.into_iter().map(|notice| (notice.change, String::from(notice.key), notice.title)).collect()
    }

    #[test]
    fn what_is_known_is_not_said_again() {
        let stands = alert(Cause::Hung, 31);
        assert_eq!(said(std::slice::from_ref(&stands), &[known(&stands)]), []);
    }

    #[test]
    fn what_stands_and_nobody_knows_is_triggered() {
        let stands = alert(Cause::Hung, 31);
        let mut before = known(&stands);
        before.key = Key::parse("demo/hung/bot/6-12").unwrap();
        before.resolved_at = Some(at());
        let said = said(&[stands], &[before]);
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].0, said[0].1.as_str()), (Change::Trigger, "demo/hung/bot/7-31"));
    }

    #[test]
    fn what_stands_no_more_is_over() {
        let said = said(&[], &[known(&alert(Cause::Hung, 31))]);
        let title = "demo: over: bot hangs, trading is halted".to_owned();
        assert_eq!(said, [(Change::Resolve, "demo/hung/bot/7-31".to_owned(), title)]);
    }

    #[test]
    fn what_goes_on_under_another_number_is_told_before_the_old_one_ends() {
        let (old, new) = (alert(Cause::Hung, 31), alert(Cause::Hung, 40));
        let said = said(&[new], &[known(&old)]);
        assert_eq!(said.len(), 2);
        assert_eq!((said[0].0, said[0].1.as_str()), (Change::Trigger, "demo/hung/bot/7-40"));
        assert_eq!(said[1].0, Change::Resolve);
        assert!(said[1].2.starts_with("demo: goes on as demo/hung/bot/7-40"), "{}", said[1].2);
    }

    #[test]
    fn what_the_notifier_says_of_its_channels_is_its_own() {
        let mut channel = known(&alert(Cause::Hung, 31));
        channel.cause = "alert-channel".to_owned();
        assert_eq!(said(&[], &[channel]), []);
    }

    #[test]
    fn drills_are_nobodys_business_here() {
        let mut drill = known(&alert(Cause::Hung, 31));
        drill.drill = true;
        assert_eq!(said(&[], &[drill]), []);
    }
}
