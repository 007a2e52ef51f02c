//! What the books bring to people that halts nothing: suspense that nobody explained. One incident, as long as there is any.

use super::delivery::Delivery;
use super::notice::clock_time;
use failstop_notify::{Change, Key, KeyFault, Notice, Severity};

/// The incident's cause, and the name of its runbook.
const SUSPENSE: &str = "suspense";

impl Delivery {
    /// Tells that suspense has stood for too long, with what it is; or that none does any more.
    pub fn suspense(&mut self, old: Option<&str>, at: jiff::Timestamp) {
        let open = self.open_incident(SUSPENSE);
        let notice = match (old, open) {
            (Some(words), key) => begun(self, words, key, at),
            (None, Some(key)) => Ok(over(self, key, at)),
            (None, None) => return,
        };
        match notice {
            Ok(notice) => self.report(notice),
            Err(fault) => tracing::error!(%fault, "an alert has no key and is not sent"),
        }
    }
}

fn begun(delivery: &Delivery, words: &str, open: Option<Key>, at: jiff::Timestamp) -> Result<Notice, KeyFault> {
    let system = &delivery.sender().system;
    let number = u64::try_from(at.as_second()).unwrap_or_default();
    let key = match open {
        Some(key) => key,
        None => Key::of(system, SUSPENSE, None, number)?,
    };
    let title = format!("{system}: money stands unexplained");
    let mut notice = of(delivery, key, Change::Trigger, title, at);
    notice.message = format!("At {}: {words}.", clock_time(at));
    notice.root_cause =
        Some("what was posted to the outside account \"suspense\" was not posted on in time".to_owned());
    notice.recommended_action =
        Some("find out what it was, and post it from suspense to where it belongs; trading goes on".to_owned());
    Ok(notice)
}

fn over(delivery: &Delivery, key: Key, at: jiff::Timestamp) -> Notice {
    let title = format!("{}: over: money stands unexplained", delivery.sender().system);
    let mut notice = of(delivery, key, Change::Resolve, title, at);
    notice.message = format!("At {}: everything in suspense is explained, or younger.", clock_time(at));
    notice
}

fn of(delivery: &Delivery, key: Key, change: Change, title: String, at: jiff::Timestamp) -> Notice {
    let sender = delivery.sender();
    let mut notice = Notice::new(key, change, Severity::Warning, title, at);
    notice.system.clone_from(&sender.system);
    notice.environment.clone_from(&sender.environment);
    SUSPENSE.clone_into(&mut notice.cause);
    notice.runbook = Some(format!("docs/runbooks/{SUSPENSE}.md"));
    notice
}
