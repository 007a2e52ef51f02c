//! The restart ladder. Safe is stopped: not restarting costs an opportunity, two running bots cost money. So each rung needs
//! the proof of the one before it, every try is counted before it is made, and a spent budget holds until somebody releases
//! it.
//!
//! ```text
//!            may act                proof: stopped                      accepted            progress, new epoch
//! Resting ------------> Asking ---------------------------> Starting -----------> Verifying ----------> Resting
//!    ^    backoff over    | no          ^      ^      ^         |  no                | no
//!    |                    v             |      |      |         v                    v
//!    |                 Signalling ------+      |      |      failed try: backoff, or Held when the budget is spent
//!    |                    | no                 |      |
//!    |                    v                    |      |
//!    |                 Waiting (2 x lease) ----+      |        (same host only: the starter refuses a second copy)
//!    |                    | another host              |
//!    |                    v                           |
//!    +---- release     Fencing -----------------------+
//! ```

use super::order::{Order, TargetIndex};
use super::reading::{Announced, AnnouncedKind, BY_SIGNAL};
use super::steps::{Outcome, Step};
use super::time::{Boot, Now, Wall, span};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// One day, milliseconds.
const DAY_MS: u64 = 86_400_000;

/// The most tries that are remembered, whatever the budget.
pub const TRIES_MAX: usize = 64;

/// What the ladder has, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderSettings {
    /// The engine can be asked.
    pub can_ask: bool,
    /// Somebody on the bot's host can signal.
    pub can_signal: bool,
    /// There is a fence.
    pub can_fence: bool,
    /// Somebody can start it.
    pub can_start: bool,
    /// The start is on the host where it ran, by a starter that refuses while the old process lives.
    pub same_host: bool,
    /// The permit's lease, milliseconds; twice this is waited for.
    pub lease_ms: u64,
    /// A step that is not proved within this failed, milliseconds.
    pub step_ms: u64,
    /// A started system must be up, with a new epoch and progress, within this, milliseconds.
    pub verify_ms: u64,
    /// † tries within [`LadderSettings::within_ms`].
    pub tries: usize,
    /// † an hour, milliseconds.
    pub within_ms: u64,
    /// † tries a day.
    pub tries_a_day: usize,
    /// † the first pause after a failed try, milliseconds; doubles.
    pub backoff_ms: u64,
    /// † the longest pause, milliseconds.
    pub backoff_max_ms: u64,
    /// † so long healthy, and the pauses start anew, milliseconds.
    pub reset_after_ms: u64,
}

/// Where the ladder stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum Rung {
    /// Nothing is done.
    #[default]
    Resting,
    /// A failed try; the next not before then.
    Pausing {
        /// When.
        until: Boot,
    },
    /// A step is under way.
    Stepping {
        /// Which.
        step: Step,
        /// The ticket of its order.
        ticket: u64,
        /// It failed when it is not proved by then.
        until: Boot,
    },
    /// The host fences itself: the permit's lease runs out.
    Waiting {
        /// When it has.
        until: Boot,
    },
    /// Started, or asked to restart: it must show a higher epoch and progress.
    Verifying {
        /// By then.
        until: Boot,
        /// Above this epoch, where one was known.
        above: Option<u64>,
    },
    /// The budget is spent, or the ladder cannot go on: until somebody releases it.
    Held {
        /// Why.
        why: String,
        /// Since when.
        since: Wall,
    },
}

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
    /// What was tried in this try, for people.
    trail: Vec<String>,
}

/// What the ladder tells the target that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// A try began or a step of it ended.
    Went(String),
    /// It worked.
    Restarted(String),
    /// It gave up.
    Held(String),
}

/// Why the ladder may not be climbed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The kill switch is engaged.
    KillSwitch,
    /// It was stopped on purpose.
    StoppedOnPurpose,
    /// The witness saw a rollback, a fork or another journal.
    Witness,
    /// It is in maintenance.
    Maintenance,
    /// Nobody knows whether it is down.
    Unknown,
    /// The fault is none that a restart mends.
    NotMended,
    /// The other watchdog acts.
    PeerActs,
}

impl Forbidden {
    /// For people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::KillSwitch => "not restarted: its kill switch is engaged",
            Self::StoppedOnPurpose => "not restarted: it was stopped on purpose",
            Self::Witness => "not restarted: its journal is not the one that the witness remembers",
            Self::Maintenance => "not restarted: it is in maintenance",
            Self::Unknown => "not restarted: nobody knows whether it is down",
            Self::NotMended => "not restarted: a restart does not mend this",
            Self::PeerActs => "not restarted from here: the other watchdog acts",
        }
    }
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
            Rung::Stepping { .. } | Rung::Waiting { .. } | Rung::Verifying { .. } => true,
        }
    }

    /// Whether the process is being ended: what it still says is said by a process that is about to be gone.
    pub fn is_ending(&self) -> bool {
        matches!(self.rung, Rung::Stepping { step: Step::Signal, .. })
    }

    /// Whether an end that the engine of this epoch announces is the one that this ladder's signal asked for. The beat that says
    /// so may arrive after the proof that the process is gone.
    pub fn is_its_doing(&self, announced: &Announced, epoch: u64) -> bool {
        let by_signal = announced.kind == AnnouncedKind::Stop && announced.by.as_deref() == Some(BY_SIGNAL);
        by_signal
            && match self.rung {
                Rung::Stepping { step: Step::Signal | Step::Start, .. } => true,
                Rung::Verifying { above, .. } => above.is_some_and(|above| epoch <= above),
                Rung::Stepping { step: Step::Ask | Step::Fence, .. }
                | Rung::Resting
                | Rung::Pausing { .. }
                | Rung::Waiting { .. }
                | Rung::Held { .. } => false,
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
        let number = hour + 1;
        let first = self.first_step(now, at, out);
        match first {
            Told::Went(text) => Told::Went(format!("try {number} of {}: {text}", at.settings.tries)),
            Told::Nothing | Told::Restarted(_) | Told::Held(_) => first,
        }
    }

    fn first_step(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        if at.settings.can_ask {
            return self.step(now, Step::Ask, at, out);
        }
        self.after_ask(now, at, out)
    }

    fn after_ask(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        if at.settings.can_signal {
            return self.step(now, Step::Signal, at, out);
        }
        self.wait(now, at)
    }

    fn wait(&mut self, now: Now, at: &Place<'_>) -> Told {
        self.rung = Rung::Waiting { until: now.boot.plus(at.settings.lease_ms.saturating_mul(2)) };
        Told::Went(format!("rung 3: waits {} until its permit has run out", span(at.settings.lease_ms * 2)))
    }

    fn step(&mut self, now: Now, step: Step, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        self.ticket += 1;
        let until = now.boot.plus(at.settings.step_ms);
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
            Outcome::Proved(text) => format!("{}: {text}", step.word()),
            Outcome::Failed(text) => format!("{} failed: {text}", step.word()),
            Outcome::Refused(text) => format!("{} refused: {text}", step.word()),
        };
        self.trail.push(text);
        match (step, outcome) {
            // The engine starts again by itself after a clean stop.
            (Step::Ask, Outcome::Proved(_)) | (Step::Start, Outcome::Proved(_)) => self.verify(now, at),
            (Step::Signal | Step::Fence, Outcome::Proved(_)) => self.start(now, at, out),
            (Step::Ask, Outcome::Failed(_)) => self.after_ask(now, at, out),
            (Step::Signal, Outcome::Failed(_)) => self.wait(now, at),
            (Step::Fence | Step::Start, Outcome::Failed(_)) => self.failed(now, at.settings),
            (Step::Ask | Step::Signal | Step::Fence | Step::Start, Outcome::Refused(_)) => {
                self.failed(now, at.settings)
            }
        }
    }

    fn start(&mut self, now: Now, at: &Place<'_>, out: &mut VecDeque<Order>) -> Told {
        if at.settings.can_start {
            return self.step(now, Step::Start, at, out);
        }
        // Whoever supervises the process there (systemd, a container's restart policy) starts it.
        self.verify(now, at)
    }

    fn verify(&mut self, now: Now, at: &Place<'_>) -> Told {
        self.rung = Rung::Verifying { until: now.boot.plus(at.settings.verify_ms), above: self.ends };
        Told::Went(format!("rung 6: waits up to {} for a new epoch and progress", span(at.settings.verify_ms)))
    }

    fn failed(&mut self, now: Now, settings: &LadderSettings) -> Told {
        self.in_a_row = self.in_a_row.saturating_add(1);
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
            Rung::Waiting { until } if until <= now.boot => {
                self.trail.push(format!("waited {}", span(at.settings.lease_ms * 2)));
                if at.settings.can_fence {
                    return self.step(now, Step::Fence, at, out);
                }
                if at.settings.can_start && at.settings.same_host {
                    return self.step(now, Step::Start, at, out);
                }
                self.trail.push("nobody there can start it without a fence".to_owned());
                self.failed(now, at.settings)
            }
            Rung::Verifying { until, .. } if until <= now.boot => {
                self.trail.push(format!("not up with a new epoch within {}", span(at.settings.verify_ms)));
                self.failed(now, at.settings)
            }
            Rung::Stepping { .. } | Rung::Waiting { .. } | Rung::Verifying { .. } => Told::Nothing,
        }
    }

    /// The target gave a good, fresh answer with this epoch.
    pub fn good(&mut self, now: Now, epoch: Option<u64>, settings: &LadderSettings) -> Told {
        let since = *self.healthy_since.get_or_insert(now.boot);
        if now.boot.since(since) >= settings.reset_after_ms {
            self.in_a_row = 0;
        }
        match self.rung {
            Rung::Verifying { above, .. } => {
                let new = match (above, epoch) {
                    (Some(above), Some(epoch)) => epoch > above,
                    (None, _) => true,
                    (Some(_), None) => false,
                };
                if !new {
                    return Told::Nothing;
                }
                self.rung = Rung::Resting;
                Told::Restarted(self.trail.join("; "))
            }
            // It may be up before whoever started it has said so: that word is waited for, then it is verified.
            Rung::Stepping { step: Step::Start, .. } => Told::Nothing,
            // It came back by itself while a step was under way: a start that follows would be a second copy.
            Rung::Stepping { .. } | Rung::Waiting { .. } | Rung::Pausing { .. } => {
                self.rung = Rung::Resting;
                Told::Went("it answers again: the ladder rests".to_owned())
            }
            Rung::Resting | Rung::Held { .. } => Told::Nothing,
        }
    }

    /// Acting is not allowed any more: whatever is under way is given up, and nothing is started. A try stays counted.
    pub fn forbid(&mut self) {
        match self.rung {
            Rung::Stepping { .. } | Rung::Waiting { .. } | Rung::Verifying { .. } | Rung::Pausing { .. } => {
                self.rung = Rung::Resting;
            }
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
    /// whether anything was started is not known; verifying goes on.
    pub fn resumed(&mut self, now: Now, settings: &LadderSettings) -> Told {
        match self.rung {
            Rung::Stepping { step, .. } => {
                self.trail.push(format!("{}: the watchdog restarted in the middle", step.word()));
                self.failed(now, settings)
            }
            Rung::Resting
            | Rung::Pausing { .. }
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
        match &mut self.rung {
            Rung::Resting | Rung::Held { .. } => {}
            Rung::Pausing { until }
            | Rung::Stepping { until, .. }
            | Rung::Waiting { until }
            | Rung::Verifying { until, .. } => move_it(until),
        }
    }
}

/// Which target, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Which.
    pub target: TargetIndex,
    /// What the ladder has.
    pub settings: &'a LadderSettings,
    /// The last epoch seen.
    pub epoch: Option<u64>,
    /// Why, for the engine's journal.
    pub reason: &'a str,
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
