//! The restart ladder. Safe is stopped: not restarting costs an opportunity, two running bots cost money. So each rung needs
//! the proof of the one before it, every try is counted before it is made, and a spent budget holds until somebody releases
//! it.
//!
//! ```text
//! Resting --may act--> 1 Ask --yes--> Returning --not back soon--> 5 Start --accepted--> 6 Verifying --new epoch--> Resting
//!                        | no           |   <----the old one lives---+
//!                        v              | never back
//!                  look: still down    |
//!                        v              |
//!                      2 Signal <-------+
//!                        |   \--proof: gone--------------------> 5 Start
//!                        v no
//!                      3 Waiting (2 x lease)
//!                  look: still down --same host-----------------> 5 Start (the starter refuses a second copy)
//!                        | another host
//!                        v
//!                      4 Fence --proof: read back---------------> 5 Start
//! ```
//!
//! Where nothing is proved (an ask that failed, a wait), a look that began afterwards must find the target still down before the
//! next rung touches it: what cut it off may be over. A proof (it is gone, it said yes) needs no look.
//!
//! A try that fails is followed by a pause, or by Held where the budget is spent.

use super::order::Order;
use super::reading::{Announced, AnnouncedKind, BY_SIGNAL};
pub use super::rung::{Forbidden, LadderSettings, Place, Rung, Told};
use super::steps::{Outcome, Step};
use super::time::{Boot, Now, span};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One day, milliseconds.
const DAY_MS: u64 = 86_400_000;

/// The most tries that are remembered, whatever the budget.
pub const TRIES_MAX: usize = 64;

/// The ladder of one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    rung: Rung,
    /// When each counted try began.
    tries: Vec<Boot>,
    /// Failed tries since the last reset.
    in_a_row: u32,
    healthy_since: Option<Boot>,
    ticket: u64,
    /// The epoch that this try ends: only a higher one proves a restart. A start may be answered for by the new epoch before it
    /// is known to have worked, so the last epoch seen is not it.
    #[serde(default)]
    ends: Option<u64>,
    /// The engine was asked in this try, whether or not its answer came.
    #[serde(default)]
    asked: bool,
    /// The process was to be signalled in this try.
    #[serde(default)]
    signalled: bool,
    /// The engine said that it restarts: it must be back by then. While that is so, a start that is refused is made again.
    #[serde(default)]
    back_by: Option<Boot>,
    /// What was tried in this try, for people.
    trail: Vec<String>,
}

impl Ladder {
    /// Where it stands.
    pub fn rung(&self) -> &Rung {
        &self.rung
    }

    /// Whether a step is under way or its success is being awaited.
    pub fn is_busy(&self) -> bool {
        match self.rung {
            Rung::Resting | Rung::Pausing { .. } | Rung::Held { .. } => false,
            Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. } => true,
        }
    }

    /// Whether an answer with this epoch is one of the last words of the process that this try ends: no sign of health.
    /// `announces`: it says that it ends.
    pub fn are_last_words(&self, epoch: Option<u64>, announces: bool) -> bool {
        let is_old = || matches!((self.ends, epoch), (Some(ends), Some(epoch)) if epoch <= ends);
        let is_new = || matches!((self.ends, epoch), (Some(ends), Some(epoch)) if epoch > ends);
        match self.rung {
            Rung::Stepping { step: Step::Signal, .. } => !is_new(),
            // The signal may have taken although nobody could prove it.
            Rung::Waiting { .. } => self.signalled && !is_new(),
            // After so long a wait, what does not say that it ends never got the signal.
            Rung::Looking { .. } => self.signalled && announces && !is_new(),
            Rung::Stepping { step: Step::Start, .. } | Rung::Returning { .. } | Rung::Verifying { .. } => is_old(),
            Rung::Stepping { step: Step::Ask | Step::Fence, .. }
            | Rung::Resting
            | Rung::Pausing { .. }
            | Rung::Held { .. } => false,
        }
    }

    /// Whether an end that the engine of this epoch (where it says one) announces is the one that this ladder brought about: a
    /// restart that it asked for, or the stop by its signal. What says so may be read after the proof that the process is gone.
    pub fn is_its_doing(&self, announced: &Announced, epoch: Option<u64>) -> bool {
        let of_this_try = match (self.ends, epoch) {
            (Some(ends), Some(epoch)) => epoch <= ends,
            // Whoever was never seen before the try may be the new one already once it was started.
            (None, _) | (_, None) => !matches!(self.rung, Rung::Returning { .. } | Rung::Verifying { .. }),
        };
        of_this_try
            && self.is_busy()
            && match announced.kind {
                AnnouncedKind::Restart => self.asked,
                AnnouncedKind::Stop => self.signalled && announced.by.as_deref() == Some(BY_SIGNAL),
            }
    }

    /// The ticket of the step that is under way.
    pub fn awaits(&self) -> Option<u64> {
        match self.rung {
            Rung::Stepping { ticket, .. } => Some(ticket),
            Rung::Resting
            | Rung::Pausing { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. }
            | Rung::Held { .. } => None,
        }
    }

    /// Since when a look must have begun that counts, where one is wanted.
    pub fn looks_since(&self) -> Option<Boot> {
        match self.rung {
            Rung::Looking { since, .. } => Some(since),
            Rung::Resting
            | Rung::Pausing { .. }
            | Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. }
            | Rung::Held { .. } => None,
        }
    }

    /// How many tries count against the budget of an hour and that of a day.
    pub fn spent(&self, now: Boot, settings: &LadderSettings) -> (usize, usize) {
        let within = |ms: u64| self.tries.iter().filter(|at| now.since(**at) < ms).count();
        (within(settings.within_ms), within(DAY_MS))
    }

    /// When it wants to be ticked.
    pub fn next(&self) -> Option<Boot> {
        match self.rung {
            Rung::Resting | Rung::Held { .. } => None,
            Rung::Pausing { until }
            | Rung::Stepping { until, .. }
            | Rung::Returning { until }
            | Rung::Looking { until, .. }
            | Rung::Waiting { until }
            | Rung::Verifying { until, .. } => Some(until),
        }
    }

    /// The target is down and may be restarted: begins a try where the budget has one.
    pub fn down(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        self.healthy_since = None;
        match self.rung {
            Rung::Resting => {}
            Rung::Pausing { until } if until <= now.boot => {}
            Rung::Pausing { .. }
            | Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. }
            | Rung::Held { .. } => return Told::Nothing,
        }
        let (hour, day) = self.spent(now.boot, at.settings);
        if hour >= at.settings.tries {
            return self.hold(now, format!("{hour} tries within {} are spent", span(at.settings.within_ms)));
        }
        if day >= at.settings.tries_a_day {
            return self.hold(now, format!("{day} tries within a day are spent"));
        }
        // Counted before it is made: a crash in the middle must not give a try away.
        if self.tries.len() == TRIES_MAX {
            self.tries.remove(0);
        }
        self.tries.push(now.boot);
        self.trail.clear();
        self.ends = at.epoch;
        (self.asked, self.signalled, self.back_by) = (false, false, None);
        let number = hour + 1;
        let first = self.first_step(now, at, out);
        match first {
            Told::Went(text) => Told::Went(format!("try {number} of {}: {text}", at.settings.tries)),
            Told::Nothing | Told::Restarted(_) | Told::Held(_) | Told::StoppedOnPurpose(_) => first,
        }
    }

    fn first_step(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        if at.settings.can_ask {
            self.asked = true;
            return self.step(now, Step::Ask, at, out);
        }
        self.after_ask(now, at, out)
    }

    fn after_ask(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        self.back_by = None;
        if at.settings.can_signal {
            self.signalled = true;
            return self.step(now, Step::Signal, at, out);
        }
        self.wait(now, at)
    }

    /// Before a step that nothing proved to be due.
    fn look(&mut self, now: Now, before: Step, at: &Place<'_>) -> Told {
        let until = now.boot.plus(at.settings.step_ms.saturating_add(at.look_ms));
        self.rung = Rung::Looking { before, since: now.boot, until };
        Told::Went(format!("looks whether it is still down before it goes on to rung {}", before.rung()))
    }

    /// A look that began at `began` found the target down.
    pub fn still_down(&mut self, now: Now, began: Boot, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        match self.rung {
            Rung::Looking { before, since, .. } if began >= since => {
                self.signalled |= before == Step::Signal;
                self.step(now, before, at, out)
            }
            Rung::Looking { .. }
            | Rung::Resting
            | Rung::Pausing { .. }
            | Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. }
            | Rung::Held { .. } => Told::Nothing,
        }
    }

    fn wait(&mut self, now: Now, at: &Place<'_>) -> Told {
        self.rung = Rung::Waiting { until: now.boot.plus(at.settings.lease_ms.saturating_mul(2)) };
        Told::Went(format!("rung 3: waits {} until its permit has run out", span(at.settings.lease_ms * 2)))
    }

    fn step(&mut self, now: Now, step: Step, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        self.ticket += 1;
        let within = match step {
            Step::Ask => at.settings.ask_ms.min(at.settings.step_ms),
            Step::Signal | Step::Fence | Step::Start => at.settings.step_ms,
        };
        let until = now.boot.plus(within);
        self.rung = Rung::Stepping { step, ticket: self.ticket, until };
        out.push_back(Order::Act {
            target: at.target,
            ticket: self.ticket,
            step,
            expected_epoch: self.ends,
            reason: at.reason.to_owned(),
            until,
        });
        Told::Went(format!("rung {}: {}", step.rung(), step.word()))
    }

    /// A step is over. One that is not waited for changes nothing.
    pub fn stepped(
        &mut self,
        now: Now,
        ticket: u64,
        outcome: Outcome,
        at: &Place<'_>,
        out: &mut VecDeque<Order>,
    ) -> Told {
        let Rung::Stepping { step, ticket: awaited, .. } = self.rung else { return Told::Nothing };
        if awaited != ticket {
            return Told::Nothing;
        }
        let text = match &outcome {
            Outcome::Proved(text) | Outcome::StoppedOnPurpose(text) => format!("{}: {text}", step.word()),
            Outcome::Failed(text) => format!("{} failed: {text}", step.word()),
            Outcome::Refused(text) => format!("{} refused: {text}", step.word()),
        };
        // A start that is refused again and again while the old process ends is one thing to people.
        if self.trail.last() != Some(&text) {
            self.trail.push(text);
        }
        match (step, outcome) {
            (_, Outcome::StoppedOnPurpose(text)) => {
                self.rest();
                Told::StoppedOnPurpose(text)
            }
            (Step::Ask, Outcome::Proved(_)) => {
                self.back_by = Some(now.boot.plus(at.settings.verify_ms));
                self.await_return(now, at)
            }
            (Step::Start, Outcome::Proved(_)) => self.verify(now, at),
            (Step::Signal | Step::Fence, Outcome::Proved(_)) => self.start(now, at, out),
            (Step::Ask, Outcome::Failed(_)) if at.settings.can_signal => self.look(now, Step::Signal, at),
            (Step::Ask, Outcome::Failed(_)) => self.wait(now, at),
            (Step::Signal, Outcome::Failed(_)) => self.wait(now, at),
            (Step::Start, Outcome::Refused(_)) if self.back_by.is_some() => self.await_return(now, at),
            (Step::Fence | Step::Start, Outcome::Failed(_)) => self.failed(now, at.settings),
            (Step::Ask | Step::Signal | Step::Fence | Step::Start, Outcome::Refused(_)) => {
                self.failed(now, at.settings)
            }
        }
    }

    /// The engine said that it restarts. Whoever supervises it there may start it again; where nobody does, it is started from
    /// here, by a starter that refuses while the old process, or a new one, lives.
    fn await_return(&mut self, now: Now, at: &Place<'_>) -> Told {
        let by = self.back_by.unwrap_or(now.boot);
        let (until, then) = if at.settings.can_start && at.settings.same_host {
            let until = now.boot.plus(at.settings.come_back_ms).min(by);
            (until, format!("waits {} for it to come back by itself before it is started", span(until.since(now.boot))))
        } else {
            (by, format!("waits up to {} for it to come back", span(by.since(now.boot))))
        };
        self.rung = Rung::Returning { until };
        Told::Went(then)
    }

    fn start(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        if at.settings.can_start {
            return self.step(now, Step::Start, at, out);
        }
        // Whoever supervises the process there (systemd, a container's restart policy) starts it.
        self.verify(now, at)
    }

    fn verify(&mut self, now: Now, at: &Place<'_>) -> Told {
        self.back_by = None;
        self.rung = Rung::Verifying { until: now.boot.plus(at.settings.verify_ms), above: self.ends };
        Told::Went(format!("rung 6: waits up to {} for a new epoch and progress", span(at.settings.verify_ms)))
    }

    fn failed(&mut self, now: Now, settings: &LadderSettings) -> Told {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.back_by = None;
        let (hour, day) = self.spent(now.boot, settings);
        let trail = self.trail.join("; ");
        if hour >= settings.tries || day >= settings.tries_a_day {
            let spent = if hour >= settings.tries {
                format!("{hour} tries within {} are spent", span(settings.within_ms))
            } else {
                format!("{day} tries within a day are spent")
            };
            return self.hold(now, format!("{spent}; the last: {trail}"));
        }
        self.pause(now, settings, &trail)
    }

    fn pause(&mut self, now: Now, settings: &LadderSettings, trail: &str) -> Told {
        let doubled = settings.backoff_ms.saturating_mul(1 << (self.in_a_row - 1).min(20));
        let pause = doubled.min(settings.backoff_max_ms);
        self.rung = Rung::Pausing { until: now.boot.plus(pause) };
        Told::Went(format!("the try failed ({trail}); the next not before {}", span(pause)))
    }

    fn hold(&mut self, now: Now, why: String) -> Told {
        self.rung = Rung::Held { why: why.clone(), since: now.wall };
        Told::Held(why)
    }

    /// A deadline may have passed.
    pub fn tick(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        match self.rung {
            Rung::Resting | Rung::Held { .. } => Told::Nothing,
            // The next try begins with the next bad answer, by `down`.
            Rung::Pausing { until } => {
                if until <= now.boot {
                    self.rung = Rung::Resting;
                }
                Told::Nothing
            }
            Rung::Stepping { ticket, until, .. } if until <= now.boot => {
                self.stepped(now, ticket, Outcome::Failed("no proof in time".to_owned()), at, out)
            }
            Rung::Returning { until } if until <= now.boot => {
                if self.back_by.is_some_and(|by| now.boot < by) {
                    return self.step(now, Step::Start, at, out);
                }
                self.trail.push(format!("not back within {}", span(at.settings.verify_ms)));
                self.after_ask(now, at, out)
            }
            // Held is for what a restart does not mend. Here nobody knows whether anything is broken.
            Rung::Looking { until, .. } if until <= now.boot => {
                self.trail.push("nobody knows whether it is still down".to_owned());
                self.in_a_row = self.in_a_row.saturating_add(1);
                let trail = self.trail.join("; ");
                self.pause(now, at.settings, &trail)
            }
            Rung::Waiting { until } if until <= now.boot => {
                self.trail.push(format!("waited {}", span(at.settings.lease_ms * 2)));
                if at.settings.can_fence {
                    return self.look(now, Step::Fence, at);
                }
                if at.settings.can_start && at.settings.same_host {
                    return self.look(now, Step::Start, at);
                }
                self.trail.push("nobody there can start it without a fence".to_owned());
                self.failed(now, at.settings)
            }
            Rung::Verifying { until, .. } if until <= now.boot => {
                self.trail.push(format!("not up with a new epoch within {}", span(at.settings.verify_ms)));
                self.failed(now, at.settings)
            }
            Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. } => Told::Nothing,
        }
    }

    /// The target gave a good, fresh answer with this epoch.
    pub fn good(&mut self, now: Now, epoch: Option<u64>, settings: &LadderSettings) -> Told {
        let since = *self.healthy_since.get_or_insert(now.boot);
        if now.boot.since(since) >= settings.reset_after_ms {
            self.in_a_row = 0;
        }
        match self.rung {
            Rung::Verifying { above, .. } => self.back(above, epoch),
            Rung::Returning { .. } => self.back(self.ends, epoch),
            // It may be up before whoever started it has said so: that word is waited for, then it is verified.
            Rung::Stepping { step: Step::Start, .. } => Told::Nothing,
            // It came back by itself while a step was under way: a start that follows would be a second copy.
            Rung::Stepping { .. } | Rung::Looking { .. } | Rung::Waiting { .. } | Rung::Pausing { .. } => {
                self.rest();
                Told::Went("it answers again: the ladder rests".to_owned())
            }
            Rung::Resting | Rung::Held { .. } => Told::Nothing,
        }
    }

    /// Only a higher epoch proves a restart, where one was known before.
    fn back(&mut self, above: Option<u64>, epoch: Option<u64>) -> Told {
        let new = match (above, epoch) {
            (Some(above), Some(epoch)) => epoch > above,
            (None, _) => true,
            (Some(_), None) => false,
        };
        if !new {
            return Told::Nothing;
        }
        self.rest();
        Told::Restarted(self.trail.join("; "))
    }

    fn rest(&mut self) {
        self.rung = Rung::Resting;
        self.back_by = None;
    }

    /// Acting is not allowed any more: whatever is under way is given up, and nothing is started. A try stays counted.
    pub fn forbid(&mut self) {
        match self.rung {
            Rung::Stepping { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. }
            | Rung::Pausing { .. } => self.rest(),
            Rung::Resting | Rung::Held { .. } => {}
        }
    }

    /// Somebody released it: the budget is whole again. `false` where nothing was held or spent.
    pub fn release(&mut self) -> bool {
        let changed = !self.tries.is_empty() || matches!(self.rung, Rung::Held { .. });
        self.tries.clear();
        self.in_a_row = 0;
        if let Rung::Held { .. } = self.rung {
            self.rung = Rung::Resting;
        }
        changed
    }

    /// After a start of the watchdog: steps of the life before are not known to have ended. They count as a failed try, since
    /// whether anything was started is not known; waiting and verifying go on.
    pub fn resumed(&mut self, now: Now, settings: &LadderSettings) -> Told {
        match self.rung {
            Rung::Stepping { step, .. } => {
                self.trail.push(format!("{}: the watchdog restarted in the middle", step.word()));
                self.failed(now, settings)
            }
            Rung::Resting
            | Rung::Pausing { .. }
            | Rung::Returning { .. }
            | Rung::Looking { .. }
            | Rung::Waiting { .. }
            | Rung::Verifying { .. }
            | Rung::Held { .. } => Told::Nothing,
        }
    }

    /// Moves every time by so much: another boot's clock.
    pub fn shift(&mut self, by_ms: i64) {
        let move_it = |at: &mut Boot| at.0 = at.0.saturating_add(by_ms);
        self.tries.iter_mut().for_each(move_it);
        self.healthy_since.iter_mut().for_each(move_it);
        self.back_by.iter_mut().for_each(move_it);
        match &mut self.rung {
            Rung::Resting | Rung::Held { .. } => {}
            Rung::Looking { since, until, .. } => {
                move_it(since);
                move_it(until);
            }
            Rung::Pausing { until }
            | Rung::Stepping { until, .. }
            | Rung::Returning { until }
            | Rung::Waiting { until }
            | Rung::Verifying { until, .. } => move_it(until),
        }
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
