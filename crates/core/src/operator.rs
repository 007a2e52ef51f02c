//! Operators' orders and the kill switch; those about one component are [`crate::component_order`]'s. What loosens is refused with every reason while anything still holds, and
//! answered when its record is durable.

use crate::effect::Effect;
use crate::halt::Cause;
use crate::id::{HaltId, RequestId, Ticket};
use crate::input::Order;
use crate::ledger::Grievance;
use crate::machine::Core;
use crate::permission::Mode;
use crate::record::{ClearedBy, Record};
use crate::time::Monotonic;
use crate::turn::{TEXT_MAX_BYTES, Turn, clip, span};
use crate::two_key::Release;
use crate::view::MaintenanceView;
use core::time::Duration;

/// The longest maintenance window.
pub const MAX_MAINTENANCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What whoever releases the kill switch is told when somebody engages it meanwhile.
pub(crate) const ENGAGED_AGAIN: &str =
    "the kill switch was engaged again during the release; release it again if that was not meant";

/// What operators' orders left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Orders {
    /// The end of the standing maintenance window.
    pub maintenance_until: Option<Monotonic>,
    /// Who waits for the kill switch's release.
    pub releasing: Option<RequestId>,
    /// Releases whose records are durable, waiting for the latch to be gone from the disk.
    pub released: Vec<Record>,
    /// Whether the latch's removal was ordered.
    pub removing: bool,
}

impl Orders {
    /// The journal failed: whatever release was under way does not happen in this process. Returns who waits for it.
    pub fn abandon_release(&mut self) -> Option<RequestId> {
        self.released.clear();
        self.removing = false;
        self.releasing.take()
    }
}

/// An order with its circumstances.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub request: RequestId,
    pub by: String,
    pub reason: String,
}

impl Core {
    pub(crate) fn operate(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        by: String,
        reason: String,
        order: Order,
    ) {
        let by = clip(by, TEXT_MAX_BYTES);
        let reason = clip(reason, TEXT_MAX_BYTES);
        let asked = Asked { request, by, reason };
        if self.writing.failed.is_some() {
            match order {
                // Tightening never needs the journal.
                Order::KillSwitchEngage => self.engage(turn, asked),
                Order::Resume(_)
                | Order::KillSwitchRelease
                | Order::Mode(_)
                | Order::MaintenanceOn { .. }
                | Order::MaintenanceOff
                | Order::StopComponent(_)
                | Order::StartComponent(_)
                | Order::RestartComponent(_)
                | Order::ReloadComponent(_) => {
                    let why = "the journal can no longer be written; repair the storage and start failstop again";
                    turn.push(Effect::Answer { request, outcome: Err(vec![why.to_owned()]) });
                }
            }
            return;
        }
        match order {
            Order::Resume(ids) => self.resume(turn, asked, ids),
            Order::KillSwitchEngage => self.engage(turn, asked),
            Order::KillSwitchRelease => self.release(turn, asked),
            Order::Mode(mode) => self.set_mode(turn, asked, mode),
            Order::MaintenanceOn { span, keep_trading } => self.maintenance_on(turn, asked, span, keep_trading),
            Order::MaintenanceOff => self.maintenance_off(turn, asked),
            Order::StopComponent(slot) => self.hold(turn, asked, slot),
            Order::StartComponent(slot) => self.unhold(turn, asked, slot),
            Order::RestartComponent(slot) => self.restart(turn, asked, slot),
            Order::ReloadComponent(slot) => self.order_reload(turn, asked, slot),
        }
    }

    /// Refuses an order with every reason.
    pub(crate) fn refuse(&mut self, turn: &mut Turn<'_>, asked: Asked, order: &str, refusals: Vec<String>) {
        let record = Record::OperatorRefused { order: order.to_owned(), by: asked.by, refusals: refusals.clone() };
        self.record(turn, record);
        turn.push(Effect::Answer { request: asked.request, outcome: Err(refusals) });
    }

    fn resume(&mut self, turn: &mut Turn<'_>, asked: Asked, ids: Vec<HaltId>) {
        let mut refusals = Vec::new();
        if asked.reason.trim().is_empty() {
            refusals.push("a resume needs a reason: --reason \"...\"".to_owned());
        }
        let all = ids.is_empty();
        let ids: Vec<HaltId> = if all {
            let latched = self.recorded.halts.values().filter(|halt| halt.latched && halt.cause != Cause::KillSwitch);
            latched.map(|halt| halt.id).collect()
        } else {
            ids
        };
        if ids.is_empty() {
            refusals.push(if self.kill_switch_stands() {
                "only the kill switch stands; release it with `failstop kill-switch release`".to_owned()
            } else {
                "there is nothing to resume: no latched halt stands; see `failstop status`".to_owned()
            });
        }
        refusals.extend(self.what_holds(turn.now, &ids));
        if !refusals.is_empty() {
            self.refuse(turn, asked, "resume", refusals);
            return;
        }
        self.release_with_keys(turn, asked, Release::Halts(ids));
    }

    /// Why these halts cannot be released now.
    pub(crate) fn what_holds(&self, now: Monotonic, ids: &[HaltId]) -> Vec<String> {
        let mut refusals = Vec::new();
        for id in ids {
            match self.recorded.halts.get(id) {
                None => refusals.push(format!("no halt h-{} stands; see `failstop status`", id.0)),
                Some(halt) if !halt.latched => {
                    refusals.push(format!(
                        "h-{} ({}) clears by itself once its condition has passed",
                        id.0,
                        halt.cause.name()
                    ));
                }
                Some(halt) => {
                    if let Some(hold) = self.holds(now, halt) {
                        refusals.push(format!("h-{} ({}): {hold}", id.0, halt.cause.name()));
                    }
                }
            }
        }
        refusals
    }

    /// Every key is turned.
    pub(crate) fn carry_out_release(&mut self, turn: &mut Turn<'_>, asked: Asked, release: Release) {
        match release {
            Release::Halts(ids) => {
                let mut last: Option<Ticket> = None;
                for id in ids {
                    let by = ClearedBy::Operator { who: asked.by.clone(), reason: asked.reason.clone() };
                    last = last.max(self.clear(turn, id, by));
                }
                self.answer_when_durable(turn, asked.request, last);
            }
            Release::KillSwitch => {
                let halts = self.recorded.halts.values().filter(|halt| halt.cause == Cause::KillSwitch);
                let ids: Vec<HaltId> = halts.map(|halt| halt.id).collect();
                for id in ids {
                    let by = ClearedBy::Operator { who: asked.by.clone(), reason: asked.reason.clone() };
                    self.clear(turn, id, by);
                }
                self.operator.releasing = Some(asked.request);
            }
        }
    }

    /// Whether the kill switch stops everything: a halt of it stands, or its latch is not gone yet.
    pub(crate) fn kill_switch_stands(&self) -> bool {
        self.stands_at_all(Cause::KillSwitch)
    }

    /// Somebody engaged it outside, or the latch was found.
    pub(crate) fn kill_switch_seen(&mut self, turn: &mut Turn<'_>, by: String, reason: String) {
        let by = clip(by, TEXT_MAX_BYTES);
        let reason = clip(reason, TEXT_MAX_BYTES);
        self.raise(turn, Grievance::of(Cause::KillSwitch, format!("engaged by {by}: {reason}")));
        turn.push(Effect::WriteKillSwitchLatch { by, reason });
        self.refuse_waiting_kill_switch_releases(turn);
        if self.operator.removing {
            // The host found another latch where it was to remove the old one. The release ends nothing.
            self.apply_releases(turn);
            self.answer_engaged_again(turn);
        }
    }

    fn engage(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        self.kill_switch_seen(turn, asked.by, asked.reason);
        // The latch is durable by now, which is what this order promises; its record follows.
        turn.push(Effect::Answer { request: asked.request, outcome: Ok(()) });
    }

    fn release(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        let mut refusals = Vec::new();
        if asked.reason.trim().is_empty() {
            refusals.push("a release needs a reason: --reason \"...\"".to_owned());
        }
        refusals.extend(self.what_holds_the_kill_switch());
        if !refusals.is_empty() {
            self.refuse(turn, asked, "kill-switch release", refusals);
            return;
        }
        self.release_with_keys(turn, asked, Release::KillSwitch);
    }

    /// Why the kill switch cannot be released now.
    pub(crate) fn what_holds_the_kill_switch(&self) -> Vec<String> {
        let mut refusals = Vec::new();
        if !self.kill_switch_stands() {
            refusals.push("the kill switch is not engaged".to_owned());
        }
        if self.operator.releasing.is_some() {
            refusals.push("a release is under way already; see `failstop kill-switch status`".to_owned());
        }
        if let Some(hold) = self.integrity_holds() {
            refusals.push(hold.into_owned());
        }
        refusals
    }

    /// A release's record is durable. The halt stands until the latch is gone from the disk, too.
    pub(crate) fn kill_switch_release_durable(&mut self, turn: &mut Turn<'_>, record: &Record) {
        let engaged_again =
            self.recorded.halts.values().any(|halt| halt.cause == Cause::KillSwitch && !self.is_clearing(halt.id));
        if engaged_again {
            self.apply_release(turn, record);
            self.answer_engaged_again(turn);
            return;
        }
        self.operator.released.push(record.clone());
        let standing = self.recorded.halts.values().filter(|halt| halt.cause == Cause::KillSwitch).count();
        if self.operator.released.len() >= standing && !self.operator.removing {
            self.operator.removing = true;
            turn.push(Effect::RemoveKillSwitchLatch);
        }
    }

    /// The latch is gone from the disk: the release takes effect, unless somebody engaged the switch meanwhile.
    pub(crate) fn kill_switch_latch_removed(&mut self, turn: &mut Turn<'_>) {
        if self.operator.removing {
            self.apply_releases(turn);
        }
        self.dirty = true;
        if let Some(halt) = self.recorded.halts.values().find(|halt| halt.cause == Cause::KillSwitch) {
            let reason = halt.evidence.clone();
            turn.push(Effect::WriteKillSwitchLatch { by: "failstop".to_owned(), reason });
            self.answer_engaged_again(turn);
        } else if let Some(request) = self.operator.releasing.take() {
            turn.push(Effect::Answer { request, outcome: Ok(()) });
        }
    }

    /// The releases whose records are durable take effect; an engagement since then stands by its own halt.
    fn apply_releases(&mut self, turn: &mut Turn<'_>) {
        self.operator.removing = false;
        for record in core::mem::take(&mut self.operator.released) {
            self.apply_release(turn, &record);
        }
        self.dirty = true;
    }

    fn apply_release(&mut self, turn: &mut Turn<'_>, record: &Record) {
        let Record::HaltCleared { id, cause: _, by } = record else { return };
        let gone = self.about_to_go(*id);
        self.standing.remove(id);
        self.recorded.apply(record);
        if let Some(gone) = gone {
            self.alert_cleared(turn, gone, by);
        }
    }

    fn answer_engaged_again(&mut self, turn: &mut Turn<'_>) {
        if let Some(request) = self.operator.releasing.take() {
            turn.push(Effect::Answer { request, outcome: Err(vec![ENGAGED_AGAIN.to_owned()]) });
        }
    }

    fn set_mode(&mut self, turn: &mut Turn<'_>, asked: Asked, mode: Mode) {
        let mut refusals = Vec::new();
        if mode == Mode::Live && asked.reason.trim().is_empty() {
            refusals.push("live needs a reason: --reason \"...\"".to_owned());
        }
        if mode > self.policy.mode_ceiling {
            refusals.push(
                "the configuration says mode = \"dry\"; set mode = \"live\" under [system] and start failstop again"
                    .to_owned(),
            );
        }
        if !refusals.is_empty() {
            self.refuse(turn, asked, "mode", refusals);
            return;
        }
        let record = Record::ModeSet { mode, by: asked.by, reason: asked.reason };
        let ticket = self.record(turn, record);
        self.dirty = true;
        self.answer_when_durable(turn, asked.request, ticket);
    }

    fn maintenance_on(&mut self, turn: &mut Turn<'_>, asked: Asked, length: Duration, keep_trading: bool) {
        let mut refusals = Vec::new();
        if asked.reason.trim().is_empty() {
            refusals.push("maintenance needs a reason: --reason \"...\"".to_owned());
        }
        if length.is_zero() || length > MAX_MAINTENANCE {
            refusals.push(format!("a maintenance window lasts up to {}: --for DURATION", span(MAX_MAINTENANCE)));
        }
        if !refusals.is_empty() {
            self.refuse(turn, asked, "maintenance on", refusals);
            return;
        }
        let evidence = format!("maintenance by {} for {}: {}", asked.by, span(length), asked.reason);
        let span_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let record = Record::Maintenance { on: true, span_ms, by: asked.by, reason: asked.reason };
        let ticket = self.record(turn, record);
        self.operator.maintenance_until = Some(turn.now.plus(length));
        if !keep_trading {
            self.raise(turn, Grievance::of(Cause::Maintenance, evidence));
        }
        self.dirty = true;
        self.answer_when_durable(turn, asked.request, ticket);
    }

    fn maintenance_off(&mut self, turn: &mut Turn<'_>, asked: Asked) {
        if self.recorded.maintenance.is_none() && !self.stands_at_all(Cause::Maintenance) {
            self.refuse(turn, asked, "maintenance off", vec!["no maintenance window stands".to_owned()]);
            return;
        }
        let mut last = self.end_maintenance(turn, asked.by.clone(), asked.reason.clone());
        let ids: Vec<HaltId> =
            self.recorded.halts.values().filter(|halt| halt.cause == Cause::Maintenance).map(|halt| halt.id).collect();
        for id in ids {
            let by = ClearedBy::Operator { who: asked.by.clone(), reason: asked.reason.clone() };
            last = last.max(self.clear(turn, id, by));
        }
        self.answer_when_durable(turn, asked.request, last);
    }

    /// Ends the window: its record, in force once durable.
    fn end_maintenance(&mut self, turn: &mut Turn<'_>, by: String, reason: String) -> Option<Ticket> {
        self.dirty = true;
        self.record(turn, Record::Maintenance { on: false, span_ms: 0, by, reason })
    }

    /// The maintenance window that stands: alerts that can wait are held back, and what fails is not started again.
    pub fn maintenance(&self) -> Option<MaintenanceView> {
        let window = self.recorded.maintenance.as_ref()?;
        Some(MaintenanceView {
            until: self.operator.maintenance_until.unwrap_or_else(|| self.last_step()),
            by: window.by.clone(),
            reason: window.reason.clone(),
            keep_trading: !self.stands_at_all(Cause::Maintenance),
        })
    }

    /// Ends the window when its time is over.
    pub(crate) fn settle_maintenance(&mut self, turn: &mut Turn<'_>) {
        if self.operator.maintenance_until.is_some_and(|until| turn.now >= until) {
            self.operator.maintenance_until = None;
            self.end_maintenance(turn, "failstop".to_owned(), "the window's time is over".to_owned());
        }
    }
}
