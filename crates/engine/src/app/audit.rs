//! Who ordered what, and who was turned away: in the journal with role, reason and the request's own name, before it is carried
//! out. What loosens waits for a later record of the same journal, so that it never takes effect unrecorded; what tightens waits
//! for nothing.

use super::engine::Engine;
use crate::access::{Access, Ordered, ordered};
use crate::alerts::Concern;
use crate::clock;
use crate::command::{Answer, Command, Declined, Principal, ReplyTo, TurnedAway};
use crate::masking;
use core::time::Duration;
use failstop_core::Monotonic;
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// So many who proved nothing within [`UNPROVED_WITHIN`] are told to people: one who mistypes is nobody's business.
const UNPROVED_MANY: u64 = 20;

/// The time in which they are counted.
const UNPROVED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// It is over when nobody failed for so long.
const UNPROVED_QUIET: Duration = Duration::from_secs(30 * 60);

/// The most of a refusal's reasons that a record keeps, bytes: whoever asked had all of them.
const WHY_MAX_BYTES: usize = 2_000;

/// Those who proved nothing lately. Pure: time is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unproved {
    /// How many at a time, within [`UNPROVED_WITHIN`]; at most [`UNPROVED_MANY`] times.
    lately: VecDeque<(Monotonic, u64)>,
    last: Option<Monotonic>,
    told: bool,
    /// How many there were when they were last looked at.
    counted: u64,
    /// An earlier life of the engine may have told people and not when it was over.
    earlier: bool,
}

/// What people are to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hears {
    /// That so many failed.
    Many(u64),
    /// That it is over.
    Over,
}

impl Unproved {
    /// Nobody in this life of the engine.
    pub fn new() -> Self {
        Self { earlier: true, ..Self::default() }
    }

    /// `total` failed since the listener was opened.
    fn look(&mut self, total: u64, now: Monotonic) -> Option<Hears> {
        let more = total.saturating_sub(self.counted);
        self.counted = total;
        if more > 0 { self.failed(more, now) } else { self.passed(now) }
    }

    /// So many more failed.
    fn failed(&mut self, count: u64, now: Monotonic) -> Option<Hears> {
        self.lately.retain(|(at, _)| now.since(*at) < UNPROVED_WITHIN);
        if self.lately.len() as u64 >= UNPROVED_MANY {
            self.lately.pop_front();
        }
        self.lately.push_back((now, count));
        self.last = Some(now);
        let many = self.lately.iter().fold(0, |many: u64, (_, count)| many.saturating_add(*count));
        if self.told || many < UNPROVED_MANY {
            return None;
        }
        (self.told, self.earlier) = (true, false);
        Some(Hears::Many(many))
    }

    /// Time passes.
    fn passed(&mut self, now: Monotonic) -> Option<Hears> {
        if std::mem::take(&mut self.earlier) {
            return Some(Hears::Over);
        }
        if !self.told || self.last.is_some_and(|last| now.since(last) < UNPROVED_QUIET) {
            return None;
        }
        *self = Self { counted: self.counted, ..Self::default() };
        Some(Hears::Over)
    }
}

impl Engine {
    /// Records a control before it is carried out, and gives the way back by which its refusal is recorded, too. A question is none.
    pub(super) fn audit(&mut self, command: &Command, reply: oneshot::Sender<Answer>) -> ReplyTo {
        let Some(Ordered { control, by, reason }) = ordered(command) else { return reply.into() };
        self.traces.follow(by.trace);
        #[cfg(feature = "otlp")]
        self.traces.name(control.row().name);
        let mut what = of(by);
        what["control"] = control.row().name.into();
        what["reason"] = masking::text(reason).into();
        tracing::info!(control = control.row().name, %by, role = by.who.standing.name(), trace_id = %by.trace, "a control was given");
        self.note("x.failstop.control", &what);
        ReplyTo::of_control(reply, control, by.clone(), self.declined.clone())
    }

    /// Records which controls were refused since the last time.
    pub(super) fn note_declined(&mut self) {
        for Declined { control, by, why } in self.declined.take() {
            let mut what = of(&by);
            what["control"] = control.row().name.into();
            what["why"] = shown(&why.join("; ")).into();
            self.note("x.failstop.control_declined", &what);
        }
    }

    /// A door turned somebody away.
    pub(super) fn turned_away(&mut self, turned_away: &TurnedAway) {
        match turned_away {
            TurnedAway::Unproved { peer, why, before } => {
                tracing::warn!(peer, why, before, "somebody who proved nothing was turned away");
                let what = json!({ "peer": peer, "why": why, "before": before });
                self.note("x.failstop.control_unproved", &what);
            }
            TurnedAway::Refused { peer, why, before } => {
                tracing::warn!(peer, why, before, "the control socket turned a process away");
                self.note("x.failstop.control_refused", &json!({ "peer": peer, "why": why, "before": before }));
            }
            TurnedAway::Forbidden { by, forbidden, before } => {
                let mut what = of(by);
                what["control"] = forbidden.control.row().name.into();
                what["needs"] = forbidden.control.row().least.name().into();
                what["before"] = (*before).into();
                tracing::warn!(%by, control = forbidden.control.row().name, trace_id = %by.trace, "a control was refused");
                self.note("x.failstop.control_forbidden", &what);
                self.say("control", &format!("refused to {by}: {forbidden}"));
            }
        }
    }

    /// How many more proved nothing, by the listener's own count: what it tells of them is bounded. And whether they gave up.
    pub(super) fn look_at_unproved(&mut self, now: Monotonic) {
        let heard = self.unproved.look(self.meters.refused_signatures().unwrap_or(0), now);
        self.people_hear(heard);
    }

    fn people_hear(&mut self, heard: Option<Hears>) {
        match heard {
            None => {}
            Some(Hears::Many(count)) => {
                let minutes = UNPROVED_WITHIN.as_secs() / 60;
                let what = format!(
                    "{count} requests to the control listener, to the observe address or over Telegram within {minutes} min proved nothing"
                );
                self.say("control", &what);
                self.alerts.concern(Concern::Unproved, Some(&what), clock::wall());
            }
            Some(Hears::Over) => self.alerts.concern(Concern::Unproved, None, clock::wall()),
        }
    }
}

/// The reasons of a refusal as the journal keeps them: at most [`WHY_MAX_BYTES`].
fn shown(why: &str) -> &str {
    why.get(..why.floor_char_boundary(WHY_MAX_BYTES)).unwrap_or_default()
}

/// Who, as what, by which way, and the request's name.
fn of(by: &Access) -> Value {
    let kind = match &by.who.principal {
        Principal::User(_) => "user",
        Principal::Key(_) => "key",
        Principal::Token(_) => "token",
        Principal::Certificate(_) => "certificate",
        Principal::Telegram(_) => "telegram",
    };
    json!({ "by": by.to_string(), "kind": kind, "role": by.who.standing.name(), "trace_id": by.trace.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Monotonic {
        Monotonic::from_nanos(minutes * 60 * 1_000_000_000)
    }

    #[test]
    fn people_hear_of_many_failures_once_and_when_it_is_over() {
        let mut unproved = Unproved::default();
        assert_eq!(unproved.passed(at(0)), None);
        for minute in 0..9 {
            assert_eq!(unproved.failed(2, at(minute)), None, "{minute}");
        }
        // Whenever ten minutes have twenty, not by the clock alone.
        assert_eq!(unproved.clone().failed(3, at(10)), None);
        assert_eq!(unproved.clone().failed(4, at(10)), Some(Hears::Many(20)));
        // They are all longer ago: it is counted anew.
        assert_eq!(unproved.failed(19, at(18)), None);
        assert_eq!(unproved.failed(1, at(19)), Some(Hears::Many(20)));
        assert_eq!(unproved.failed(1_000, at(20)), None, "once");
        assert_eq!(unproved.failed(1_000, at(40)), None, "not again while it goes on");
        assert_eq!(unproved.passed(at(69)), None);
        assert_eq!(unproved.passed(at(70)), Some(Hears::Over));
        assert_eq!(unproved.passed(at(71)), None);
        assert_eq!(unproved.failed(u64::MAX, at(72)), Some(Hears::Many(u64::MAX)), "and again when it begins anew");
        assert_eq!(unproved.failed(u64::MAX, at(72)), None);
        for _ in 0..1_000 {
            unproved.failed(1, at(73));
        }
        assert!(unproved.lately.len() as u64 <= UNPROVED_MANY, "what is kept is bounded");
    }

    #[test]
    fn all_who_failed_at_once_count_however_many_of_them_were_told() {
        let mut unproved = Unproved::default();
        assert_eq!(unproved.look(0, at(0)), None);
        assert_eq!(unproved.look(25, at(1)), Some(Hears::Many(25)));
        // They are counted once, and it ends.
        assert_eq!(unproved.look(25, at(30)), None);
        assert_eq!(unproved.look(25, at(31)), Some(Hears::Over));
        assert_eq!(unproved.look(25, at(32)), None);
        assert_eq!(unproved.look(44, at(33)), None);
        assert_eq!(unproved.look(45, at(34)), Some(Hears::Many(20)));
    }

    #[test]
    fn what_an_earlier_life_told_is_over_once_unless_it_goes_on() {
        let mut unproved = Unproved::new();
        assert_eq!(unproved.passed(at(0)), Some(Hears::Over));
        assert_eq!(unproved.passed(at(1)), None);
        let mut unproved = Unproved::new();
        assert_eq!(unproved.failed(20, at(0)), Some(Hears::Many(20)));
        assert_eq!(unproved.passed(at(1)), None);
    }
}
