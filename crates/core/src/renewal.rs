//! The permit: what each slot may do, and until when.
//!
//! A lease is renewed only while the journal keeps up: nothing is renewed once storage failed, or while a record has
//! waited for its durability longer than half the lease. What tightens is published at once even then, with the old
//! deadline. Nor is anything renewed while an engine that stood still reads what waited for it meanwhile.

use crate::effect::{Effect, Page};
use crate::halt::Cause;
use crate::id::MAX_COMPONENTS;
use crate::ledger::Grievance;
use crate::machine::Core;
use crate::permission::Rights;
use crate::record::Record;
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;
use std::collections::VecDeque;

/// This many lapses …
const OVERLOAD_LAPSES: usize = 3;
/// … within this span are `overload`.
const OVERLOAD_WITHIN: Duration = Duration::from_secs(60);
/// `permit.lapsed` is written at most this often.
const LAPSES_RECORDED_EVERY: Duration = Duration::from_secs(10);

/// What was published and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Permit {
    pub page: Option<Page>,
    /// When the lease is renewed next.
    pub renew_at: Monotonic,
    /// Whether renewal is withheld because the journal does not keep up.
    pub withheld: bool,
    /// Times of the last lapses, oldest first; at most [`OVERLOAD_LAPSES`].
    pub lapses: VecDeque<Monotonic>,
    /// Whether the end of the present lease is counted already: it is renewed only once what waited has been read.
    pub lapse_counted: bool,
    /// All lapses of this epoch.
    pub lapses_total: u64,
    /// Lapses that no record tells of yet.
    pub unrecorded: u32,
    pub recorded_at: Option<Monotonic>,
}

impl Core {
    /// The effective rights of every slot.
    pub(crate) fn rights(&self) -> [Rights; MAX_COMPONENTS + 1] {
        if self.kill_switch_stands() {
            return [Rights::REVOKED; MAX_COMPONENTS + 1];
        }
        let mut rights = [Rights::NONE; MAX_COMPONENTS + 1];
        if self.life.exiting() || self.writing.failed.is_some() {
            return rights;
        }
        let mode = self.effective_mode();
        let mut slots = rights.iter_mut();
        if let Some(system) = slots.next() {
            *system = Rights::of(self.recorded.permission(), mode);
        }
        for ((slot, component), policy) in slots.zip(&self.components).zip(&self.policy.components) {
            if component.is_ready() {
                *slot = Rights::of(self.recorded.permission_of(&policy.name), mode);
            }
        }
        rights
    }

    /// Whether the journal keeps up well enough to renew.
    fn may_renew(&self, now: Monotonic) -> bool {
        let half_a_lease = self.policy.lease / 2;
        self.writing.failed.is_none()
            && self.writing.waiting.front().is_none_or(|(_, at)| now.since(*at) <= half_a_lease)
    }

    /// Publishes what must be published, before everything else that this step orders (from `first` in `out`).
    pub(crate) fn publish(&mut self, turn: &mut Turn<'_>, first: usize) {
        let rights = self.rights();
        let keeps_up = self.may_renew(turn.now);
        self.permit.withheld = !keeps_up;
        let may_renew = keeps_up && !self.is_catching_up();
        let revoked = self.kill_switch_stands();
        let deadline = match &self.permit.page {
            // The engine's own start must be durable before any permit of its epoch.
            None if !self.life.started_durable => return,
            None if may_renew || revoked => Some(turn.now.plus(self.policy.lease)),
            None => None,
            Some(page) if may_renew => {
                let changed = page.rights != rights;
                (changed || (turn.now >= self.permit.renew_at && !revoked)).then(|| turn.now.plus(self.policy.lease))
            }
            Some(_) => None,
        };
        let page = match (deadline, &self.permit.page) {
            (Some(deadline), _) => Page { rights, deadline },
            (None, Some(old)) if !may_renew => {
                let narrowed = narrow(&old.rights, &rights);
                if narrowed == old.rights {
                    return;
                }
                Page { rights: narrowed, deadline: old.deadline }
            }
            (None, Some(_) | None) => return,
        };
        if deadline.is_some() {
            self.permit.lapse_counted = false;
            self.permit.renew_at = turn.now.plus(self.policy.renew);
        }
        self.permit.page = Some(page.clone());
        let page = Page { deadline: self.host_time(page.deadline), ..page };
        turn.out.insert(first.min(turn.out.len()), Effect::Publish(page));
    }

    /// Counts a lease that ran out although it should have been renewed by now.
    pub(crate) fn judge_lapse(&mut self, turn: &mut Turn<'_>) {
        if let Some(page) = &self.permit.page
            && turn.now >= page.deadline
            && !page.rights.iter().all(|rights| rights.revoked)
            && self.may_renew(turn.now)
            && !core::mem::replace(&mut self.permit.lapse_counted, true)
        {
            self.permit.lapses_total = self.permit.lapses_total.saturating_add(1);
            self.permit.unrecorded = self.permit.unrecorded.saturating_add(1);
            self.permit.lapses.push_back(turn.now);
            while self.permit.lapses.len() > OVERLOAD_LAPSES {
                self.permit.lapses.pop_front();
            }
            self.permit.renew_at = turn.now;
            let all_recent = self.permit.lapses.front().is_some_and(|at| turn.now.since(*at) < OVERLOAD_WITHIN);
            if self.permit.lapses.len() == OVERLOAD_LAPSES && all_recent {
                let evidence = "the permit ran out three times within a minute: the engine or its disk is too slow";
                self.raise(turn, Grievance::of(Cause::Overload, evidence));
            }
        }
        if self.lapse_record_due().is_some_and(|due| turn.now >= due) {
            let times = core::mem::take(&mut self.permit.unrecorded);
            self.permit.recorded_at = Some(turn.now);
            self.record(turn, Record::PermitLapsed { times });
        }
    }

    /// When the count of lapses is written next.
    pub(crate) fn lapse_record_due(&self) -> Option<Monotonic> {
        (self.permit.unrecorded > 0 && self.writing.failed.is_none() && self.life.stopped.is_none())
            .then(|| self.permit.recorded_at.map_or(Monotonic::default(), |at| at.plus(LAPSES_RECORDED_EVERY)))
    }

    /// Whether a lapse happened too recently for `overload` to pass.
    pub(crate) fn is_overloaded(&self, now: Monotonic) -> bool {
        // Its clearance waits a minute after this; a lapse in that minute starts it anew.
        self.permit.lapses.back().is_some_and(|at| *at == now)
    }

    /// When the lease is renewed next, if it will be without any other input.
    pub(crate) fn renewal_due(&self, now: Monotonic) -> Option<Monotonic> {
        let renews = self.permit.page.is_some() && !self.kill_switch_stands() && self.may_renew(now);
        (renews && !self.is_catching_up()).then_some(self.permit.renew_at)
    }
}

/// What both allow. Slots that somebody revoked stay revoked.
fn narrow(old: &[Rights; MAX_COMPONENTS + 1], new: &[Rights; MAX_COMPONENTS + 1]) -> [Rights; MAX_COMPONENTS + 1] {
    let mut narrowed = [Rights::NONE; MAX_COMPONENTS + 1];
    for ((slot, old), new) in narrowed.iter_mut().zip(old).zip(new) {
        *slot = Rights {
            open: old.open && new.open,
            reduce: old.reduce && new.reduce,
            live: old.live && new.live,
            revoked: old.revoked || new.revoked,
        };
    }
    narrowed
}
