//! When alerts come out of the core: at the end of the step that learned their cause, and when a halt has stood for too long.

use super::{Alert, AlertChange, AlertId, Severity, Subject, When, row, severity};
use crate::component::{Component, Next, Phase};
use crate::effect::Effect;
use crate::halt::{Cause, Halt};
use crate::id::HaltId;
use crate::input::Unclean;
use crate::ledger::Standing;
use crate::machine::Core;
use crate::permission::Permission;
use crate::record::ClearedBy;
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;

/// What people were told of a standing halt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// That it stands.
    Standing,
    /// That its component runs again and that it waits for a resume.
    Recovered,
    /// Whatever the engine that raised it told: it ends with that engine, and so does its incident. Nothing more is said.
    Past,
}

impl Core {
    /// What people were told of the halts that stood at the start, as far as the policy goes. Where the earlier engine died
    /// before it could tell one, the host finds no incident of it and triggers it from [`Core::alerts`].
    pub(crate) fn told_before(&mut self) {
        for (id, standing) in &mut self.standing {
            let Some(halt) = self.recorded.halts.get(id) else { continue };
            standing.told = match (row(halt.cause).when, standing.clearing) {
                (_, Some(_)) => Told::Past,
                (When::Never, None) => Told::Nothing,
                (When::AtOnce | When::AtStartOrAfter(_) | When::AfterStanding(_) | When::DownForGoodOr(_), None) => {
                    Told::Standing
                }
            };
        }
    }

    /// Tells what is to be told now. After everything that closes the gate or is recorded in this step.
    pub(crate) fn settle_alerts(&mut self, turn: &mut Turn<'_>) {
        let mut changes: Vec<(HaltId, Told, AlertChange)> = Vec::new();
        for halt in self.recorded.halts.values() {
            let Some(standing) = self.standing.get(&halt.id) else { continue };
            if standing.clearing.is_some() {
                continue;
            }
            match standing.told {
                Told::Nothing => {
                    if self.told_at(halt, standing).is_some_and(|at| turn.now >= at) {
                        changes.push((halt.id, Told::Standing, AlertChange::Trigger));
                    }
                }
                Told::Standing => {
                    if self.runs_again(halt) {
                        changes.push((halt.id, Told::Recovered, AlertChange::Recovered));
                    }
                }
                Told::Recovered | Told::Past => {}
            }
        }
        self.tell_limits(turn);
        for (id, told, change) in changes {
            if let Some(standing) = self.standing.get_mut(&id) {
                standing.told = told;
            }
            if let Some(alert) = self.alert_of(turn.now, id, change) {
                turn.push(Effect::Alert(Box::new(alert)));
            }
        }
    }

    /// When a halt that nobody was told of is told; `None` while that does not hang on time alone.
    fn told_at(&self, halt: &Halt, standing: &Standing) -> Option<Monotonic> {
        match row(halt.cause).when {
            When::Never => None,
            When::AtOnce => Some(standing.since),
            When::AtStartOrAfter(_) if halt.latched || self.life.integrity.is_none() => Some(standing.since),
            When::AtStartOrAfter(span) => Some(standing.since.plus(span)),
            When::AfterStanding(span) => self.waits_in_vain(halt).then(|| standing.since.plus(span)),
            When::DownForGoodOr(span) => {
                let index = halt.component.as_ref().and_then(|name| self.index_of(name))?;
                if self.components.get(index).is_some_and(is_down_for_good) {
                    return Some(standing.since);
                }
                // One that may not run is kept down by a halt or an order of its own, which is what people hear of.
                self.hindrance(index).is_none().then(|| standing.since.plus(span))
            }
        }
    }

    /// Whether a self-clearing halt still waits for what it waits for; `starting` behind a failed check does not.
    fn waits_in_vain(&self, halt: &Halt) -> bool {
        halt.cause != Cause::Starting || self.life.integrity.is_none()
    }

    /// Whether the component that a standing halt is about runs again, so that only a person is missing.
    fn runs_again(&self, halt: &Halt) -> bool {
        match halt.cause {
            Cause::HeartbeatLost | Cause::NoProgress | Cause::Hung => {
                let index = halt.component.as_ref().and_then(|name| self.index_of(name));
                halt.latched
                    && index.and_then(|index| self.components.get(index)).is_some_and(Component::is_ready_and_fresh)
            }
            Cause::KillSwitch
            | Cause::Failsafe
            | Cause::Integrity
            | Cause::Storage
            | Cause::Witness
            | Cause::NewJournal
            | Cause::OrdersInDoubt
            | Cause::ComponentFailed
            | Cause::Unhealthy
            | Cause::Starting
            | Cause::Environment
            | Cause::ComponentDown
            | Cause::Reclaiming
            | Cause::DailyLoss
            | Cause::Maintenance
            | Cause::Clock
            | Cause::Overload
            | Cause::BotRequest => false,
        }
    }

    /// When passing time alone makes something to be told next.
    pub(crate) fn alerts_due(&self, now: Monotonic, add: &mut impl FnMut(Monotonic)) {
        for halt in self.recorded.halts.values() {
            let Some(standing) = self.standing.get(&halt.id) else { continue };
            if standing.told == Told::Nothing
                && standing.clearing.is_none()
                && let Some(at) = self.told_at(halt, standing)
                && now < at
            {
                add(at);
            }
        }
    }

    /// A halt is gone, durably: whoever was told of it is told that.
    pub(crate) fn alert_cleared(&mut self, turn: &mut Turn<'_>, gone: Gone, by: &ClearedBy) {
        let checks_passed = gone.halt.cause == Cause::Starting && !self.stands_at_all(Cause::Starting);
        if checks_passed && let Some(unclean) = self.life.died.take() {
            let alert = self.engine_died(AlertChange::Resolve(ClearedBy::Itself), unclean);
            turn.out.extend(alert.map(|alert| Effect::Alert(Box::new(alert))));
        }
        match gone.told {
            Told::Nothing | Told::Past => return,
            Told::Standing | Told::Recovered => {}
        }
        let stood = turn.now.since(gone.since);
        let alert = self.alert(gone.id, gone.halt, stood, AlertChange::Resolve(by.clone()));
        turn.push(Effect::Alert(Box::new(alert)));
    }

    /// What must be remembered of a halt to tell that it is gone. Before it is.
    pub(crate) fn about_to_go(&self, id: HaltId) -> Option<Gone> {
        let halt = self.recorded.halts.get(&id)?.clone();
        let standing = self.standing.get(&id)?;
        Some(Gone { id: self.alert_id(&halt), halt, told: standing.told, since: standing.since })
    }

    /// Tells that the last engine did not end as it should.
    pub(crate) fn tell_engine_died(&mut self, turn: &mut Turn<'_>, unclean: Unclean) {
        self.life.died = Some(unclean);
        let alert = self.engine_died(AlertChange::Trigger, unclean);
        turn.out.extend(alert.map(|alert| Effect::Alert(Box::new(alert))));
    }

    fn engine_died(&self, change: AlertChange, unclean: Unclean) -> Option<Alert> {
        let id = AlertId {
            subject: Subject::EngineDied,
            component: None,
            epoch: self.life.epoch?,
            halt: None,
            number: None,
        };
        Some(Alert {
            severity: id.subject.row().severity,
            id,
            change,
            halt: None,
            crossing: None,
            unclean,
            stood: Duration::ZERO,
            permission: self.recorded.permission(),
            others: self.recorded.halts.len(),
            maintenance: self.recorded.maintenance.is_some(),
        })
    }

    fn alert_id(&self, halt: &Halt) -> AlertId {
        AlertId {
            subject: Subject::Halt(halt.cause),
            component: halt.component.clone(),
            epoch: self.recorded.raised_in.get(&halt.id).copied().unwrap_or_default(),
            halt: Some(halt.id),
            number: None,
        }
    }

    fn alert_of(&self, now: Monotonic, id: HaltId, change: AlertChange) -> Option<Alert> {
        let halt = self.recorded.halts.get(&id)?.clone();
        let stood = self.standing.get(&id).map_or(Duration::ZERO, |standing| now.since(standing.since));
        Some(self.alert(self.alert_id(&halt), halt, stood, change))
    }

    /// As the policy says, but an essential component that must not trade until somebody acts is what trading hangs on.
    fn severity(&self, halt: &Halt) -> Severity {
        let essential = halt
            .component
            .as_ref()
            .is_some_and(|name| self.policy.components.iter().any(|policy| policy.name == *name && policy.essential));
        let stands_still = halt.latched && halt.cap <= Permission::ObserveOnly && essential;
        if stands_still { Severity::Critical } else { severity(halt) }
    }

    fn alert(&self, id: AlertId, halt: Halt, stood: Duration, change: AlertChange) -> Alert {
        Alert {
            severity: self.severity(&halt),
            change,
            stood,
            permission: self.recorded.permission(),
            others: self.recorded.halts.keys().filter(|other| **other != halt.id).count(),
            maintenance: self.recorded.maintenance.is_some(),
            id,
            halt: Some(halt),
            crossing: None,
            unclean: Unclean::default(),
        }
    }

    /// Every incident that people should know of now, as its trigger. Whoever delivers them compares this with what is open
    /// where they were recorded: what is missing there is triggered, what is open there and not in here is over.
    pub fn alerts(&self) -> Vec<Alert> {
        let now = self.last_step();
        let mut alerts: Vec<Alert> = Vec::new();
        if let Some(unclean) = self.life.died {
            alerts.extend(self.engine_died(AlertChange::Trigger, unclean));
        }
        alerts.extend(self.limit_alerts(now));
        for halt in self.recorded.halts.values() {
            let told = self.standing.get(&halt.id).is_some_and(|standing| match standing.told {
                Told::Nothing | Told::Past => false,
                Told::Standing | Told::Recovered => true,
            });
            if told && !self.is_clearing(halt.id) {
                alerts.extend(self.alert_of(now, halt.id, AlertChange::Trigger));
            }
        }
        alerts
    }
}

/// A halt that has just gone.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    id: AlertId,
    halt: Halt,
    told: Told,
    since: Monotonic,
}

/// Whether nothing of the component runs and its restart policy says no more.
fn is_down_for_good(component: &Component) -> bool {
    match component.phase {
        Phase::Killing { exited: Some(Next::Spent), .. } | Phase::Leaving { exited: Next::Spent, .. } => true,
        Phase::Down => component.spent,
        Phase::Killing { exited: Some(Next::Down | Next::At(_)) | None, .. }
        | Phase::Leaving { exited: Next::Down | Next::At(_), .. }
        | Phase::Waiting { .. }
        | Phase::Starting { .. }
        | Phase::Ready
        | Phase::Stopping { .. } => false,
    }
}
