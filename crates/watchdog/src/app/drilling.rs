//! A drill: an incident that is marked as one goes the way that a real one would go: on the disk, to each channel in its turn, as
//! often as it takes, and to its end. What each channel answered is waited for.

use super::App;
use crate::doors::Reply;
use crate::heart::time::{Now, Wall};
use failstop_notify::{Alert, Change, Handle, Key, Notice, Reported, Severity};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::oneshot;

/// The cause in a drill's key.
const CAUSE: &str = "drill";

/// Each of the two, the alert and its end, must have been taken by every channel within this.
const WITHIN: Duration = Duration::from_secs(60);

/// How often the outbox is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What became of a drill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// The incident's key.
    pub key: String,
    /// What is wrong with the way as a whole.
    pub faults: Vec<String>,
    /// What became of it in each channel.
    pub channels: Vec<RehearsedChannel>,
}

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsedChannel {
    /// Its name.
    pub channel: String,
    /// Whether it took the alert, and then its end.
    pub taken: bool,
    /// What happened, for people; no secret in it.
    pub what: String,
}

impl App {
    /// Rehearses, and answers once it is over.
    pub(super) fn drill(&self, now: Now, severity: Severity, reply: oneshot::Sender<Reply>) {
        let (alerts, name, environment) = (self.alerts.clone(), self.name.clone(), self.environment.clone());
        drop(tokio::task::spawn_local(async move {
            let rehearsed = rehearse(&alerts, &name, &environment, severity, now.wall).await;
            // Whoever asked may be gone; the drill was ended all the same.
            let _ = reply.send(Reply::json(200, &rehearsed));
        }));
    }

    /// Ends drills in whose middle an earlier life of the watchdog ended: nobody else would.
    pub(super) fn end_old_drills(&self, now: Now) {
        for alert in self.alerts.list().iter().filter(|alert| is_open_drill(alert)) {
            let notice = notice(alert.key.clone(), Change::Resolve, &alert.system, alert.severity, now.wall);
            if let Err(refused) = self.alerts.report(Notice { environment: alert.environment.clone(), ..notice }) {
                self.log.warn(now.wall, &format!("{} could not be ended: {refused}", alert.key));
            }
        }
    }
}

fn is_open_drill(alert: &Alert) -> bool {
    alert.drill && alert.cause == CAUSE && alert.resolved_at.is_none()
}

async fn rehearse(alerts: &Handle, name: &str, environment: &str, severity: Severity, at: Wall) -> Rehearsed {
    let mut rehearsed = Rehearsed::default();
    // Milliseconds are used once: two drills take longer than that.
    let key = match Key::of(name, CAUSE, None, at.0.unsigned_abs()) {
        Ok(key) => key,
        Err(fault) => return Rehearsed { faults: vec![fault.to_string()], ..rehearsed },
    };
    rehearsed.key = key.to_string();
    let told =
        |change| Notice { environment: environment.to_owned(), ..notice(key.clone(), change, name, severity, at) };
    match report(alerts, told(Change::Trigger)).await {
        Ok(Reported::Opened) => {}
        Ok(Reported::Unrouted) => rehearsed
            .faults
            .push(format!("the routes in [alerts] send an alert that is {severity} in {environment} nowhere")),
        Ok(
            other @ (Reported::HeldBack
            | Reported::Sent
            | Reported::Duplicate
            | Reported::Cooling
            | Reported::Resolved
            | Reported::Unknown
            | Reported::Over
            | Reported::Full),
        ) => rehearsed.faults.push(format!("the outbox did not take it as a new incident ({other:?})")),
        Err(why) => return Rehearsed { faults: vec![why], ..rehearsed },
    }
    let begun = settled(alerts, &key).await;
    if let Err(why) = report(alerts, told(Change::Resolve)).await {
        rehearsed.faults.push(format!("it could not be ended: {why}"));
    }
    let ended = settled(alerts, &key).await;
    let status = alerts.status();
    if let Some(why) = &status.not_durable {
        rehearsed.faults.push(format!("the outbox is not on disk: {why}"));
    }
    let mut names: Vec<String> = status.channels.iter().map(|channel| channel.channel.clone()).collect();
    names.dedup();
    for channel in names {
        let errors = status.channels.iter().filter(|one| one.channel == channel);
        let error: Vec<&str> = errors.filter_map(|one| one.last_error.as_deref()).collect();
        let error = if error.is_empty() { String::new() } else { format!(": {}", error.join("; ")) };
        let has = |names: &[String]| names.contains(&channel);
        let waits = |alert: &Option<Alert>| alert.as_ref().is_some_and(|alert| has(&alert.waiting_for));
        let took = |alert: &Option<Alert>| alert.as_ref().is_some_and(|alert| has(&alert.delivered_to));
        let seconds = WITHIN.as_secs();
        let (taken, what) = match (took(&begun), waits(&begun), waits(&ended)) {
            (true, false, false) => (true, "took the alert and its end".to_owned()),
            (true, false, true) => (false, format!("took the alert, and not its end within {seconds} s{error}")),
            (_, true, _) => (false, format!("did not take the alert within {seconds} s{error}")),
            (false, false, _) => {
                (false, format!("it was not sent there, by its environment or the routes, or refused it{error}"))
            }
        };
        rehearsed.channels.push(RehearsedChannel { channel, taken, what });
    }
    rehearsed
}

async fn report(alerts: &Handle, notice: Notice) -> Result<Reported, String> {
    let reply = alerts.report(notice).map_err(|refused| refused.to_string())?;
    reply.answer().await.map_err(|refused| refused.to_string())
}

/// The incident once no channel waits for anything about it, or the time is over.
async fn settled(alerts: &Handle, key: &Key) -> Option<Alert> {
    let looks = WITHIN.as_millis() / LOOK_EVERY.as_millis();
    let mut found = None;
    for _ in 0..looks {
        found = alerts.list().iter().find(|alert| alert.key == *key).cloned();
        if found.as_ref().is_some_and(|alert| alert.waiting_for.is_empty()) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    found
}

fn notice(key: Key, change: Change, system: &str, severity: Severity, at: Wall) -> Notice {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let title = match change {
        Change::Trigger | Change::Update => "a drill: nothing has happened",
        Change::Resolve => "the drill is over",
    };
    let mut notice = Notice::new(key, change, severity, title, at);
    system.clone_into(&mut notice.system);
    CAUSE.clone_into(&mut notice.cause);
    notice.drill = true;
    notice.message =
        "Somebody rehearses whether an alert of this severity reaches you, and its end after it. Nothing needs to be done.".to_owned();
    notice
}
