//! The outside dead man's switch: pinged while this watchdog is well, so that its silence is the alarm.

use super::carry_out::send;
use super::{App, Event};
use crate::client::{self, Ask, Endpoint};
use crate::heart::time::Now;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;

/// Time for a ping of the outside dead man's switch.
const OUTSIDE: Duration = Duration::from_secs(10);

/// What the log says of it last. It is pinged often, and each trouble is said once.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    said: Option<String>,
}

impl Trouble {
    /// Whether this trouble is another than the one that was said last, its numbers (ages that grow) apart.
    fn is_news(&mut self, what: &str) -> bool {
        let what: String = what.chars().filter(|c| !c.is_ascii_digit()).collect();
        let news = self.said.as_ref() != Some(&what);
        self.said = Some(what);
        news
    }

    /// It is over. Gives whether there was one.
    fn ends(&mut self) -> bool {
        self.said.take().is_some()
    }
}

impl App {
    /// The outside switch hears of this watchdog only while it is well: silence is its alarm.
    pub(super) fn ping_outside(&mut self, now: Now) {
        let Some(url) = self.outside.clone() else { return };
        let reasons = self.health_reasons(now);
        if let Some(reason) = reasons.first() {
            if self.outside_trouble.is_news(&format!("held back: {reason}")) {
                self.log.warn(now.wall, &format!("the outside dead man's switch is not pinged: {reason}"));
            }
            return;
        }
        let (tls, events) = (Rc::clone(&self.tls), self.events.clone());
        spawn_local(async move {
            let Some(endpoint) = endpoint_of(&url) else {
                send(&events, Event::OutsidePinged(Err("its URL is not one".to_owned()))).await;
                return;
            };
            let pinged = match client::once(&endpoint, &tls, &Ask::get(), client::HEALTH_MAX, OUTSIDE).await {
                Ok(answer) if (200..=299).contains(&answer.status) => Ok(()),
                Ok(answer) => Err(format!("HTTP {}", answer.status)),
                Err(fault) => Err(fault.stage.word().to_owned()),
            };
            send(&events, Event::OutsidePinged(pinged)).await;
        });
    }

    /// A ping is over.
    pub(super) fn outside_pinged(&mut self, now: Now, result: Result<(), String>) {
        match result {
            Ok(()) if self.outside_trouble.ends() => {
                self.log.info(now.wall, "the outside dead man's switch is pinged again");
            }
            Ok(()) => {}
            Err(why) if self.outside_trouble.is_news(&format!("not taken: {why}")) => {
                self.log.warn(now.wall, &format!("the outside dead man's switch does not take its ping: {why}"));
            }
            Err(_) => {}
        }
    }
}

/// Where a URL leads; for one that is kept as a secret.
fn endpoint_of(url: &str) -> Option<Endpoint> {
    let (tls, rest) = match url.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http://")?),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        Some(_) | None => (authority, if tls { 443 } else { 80 }),
    };
    let path = if path.is_empty() { "/" } else { path };
    Some(Endpoint { tls, host: host.trim_matches(['[', ']']).to_owned(), port, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_said_once_and_again_after_its_end() {
        let mut trouble = Trouble::default();
        assert!(!trouble.ends(), "there is none");
        assert!(trouble.is_news("held back: an alert has waited for slack for 11 min: HTTP 500"));
        assert!(!trouble.is_news("held back: an alert has waited for slack for 12 min: HTTP 500"), "it only got older");
        assert!(trouble.is_news("not taken: connect"));
        assert!(!trouble.is_news("not taken: connect"));
        assert!(trouble.is_news("held back: an alert has waited for slack for 13 min: HTTP 500"));
        assert!(trouble.ends() && !trouble.ends());
        assert!(trouble.is_news("held back: an alert has waited for slack for 14 min: HTTP 500"));
    }
}
