//! The list of causes: what each one caps, how far, whether it needs an operator. One row a cause.

use crate::halt::{Cause, Scope};
use crate::permission::Permission;
use crate::policy::Policy;
use core::time::Duration;

/// One row of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The most that is allowed while it stands.
    pub cap: Permission,
    /// How far it caps.
    pub scope: Scope,
    /// Whether it needs an operator.
    pub latched: bool,
    /// For self-clearing ones: how long its condition must have passed.
    pub clear_after: Duration,
}

/// How long the engine must have been on time before `overload` clears.
pub(crate) const OVERLOAD_CLEAR_AFTER: Duration = Duration::from_secs(60);

/// The row of `cause`, with the configuration's overrides where the row is not fixed. `essential` is about the
/// component that the halt is about, and matters to `component-failed` only.
pub(crate) fn row(policy: &Policy, cause: Cause, essential: bool) -> Row {
    let mut row = shipped(policy, cause, essential);
    if !cause.is_fixed()
        && let Some(over) = policy.halts.get(&cause)
    {
        row.latched = over.latched.unwrap_or(row.latched);
        row.clear_after = over.clear_after.unwrap_or(row.clear_after);
    }
    row
}

fn shipped(policy: &Policy, cause: Cause, essential: bool) -> Row {
    let system = |cap, latched| Row { cap, scope: Scope::System, latched, clear_after: Duration::ZERO };
    let own_slot = |cap, latched| Row { cap, scope: Scope::Component, latched, clear_after: Duration::ZERO };
    match cause {
        Cause::KillSwitch | Cause::Failsafe | Cause::Storage | Cause::Witness => system(Permission::Shutdown, true),
        Cause::Integrity
        | Cause::NewJournal
        | Cause::OrdersInDoubt
        | Cause::HeartbeatLost
        | Cause::NoProgress
        | Cause::Hung => system(Permission::ObserveOnly, true),
        Cause::ComponentFailed => {
            let scope = if essential { Scope::System } else { Scope::Component };
            // Where the configuration unlatches it, a failed component is tried again when its window has passed.
            Row { cap: Permission::Shutdown, scope, latched: true, clear_after: Duration::from_secs(300) }
        }
        Cause::Unhealthy => Row { clear_after: policy.health.clear_after, ..system(Permission::ObserveOnly, false) },
        Cause::Starting | Cause::Environment | Cause::Maintenance | Cause::Clock => {
            system(Permission::ObserveOnly, false)
        }
        Cause::Overload => Row { clear_after: OVERLOAD_CLEAR_AFTER, ..system(Permission::ObserveOnly, false) },
        Cause::ComponentDown | Cause::Reclaiming => own_slot(Permission::ObserveOnly, false),
        Cause::BotRequest => own_slot(Permission::ObserveOnly, true),
        Cause::DailyLoss => system(Permission::ReduceOnly, true),
    }
}

/// Whether an unlatched halt of this cause ends with its engine: the next start judges its condition afresh, behind
/// `starting`. The others carry an order or a judgement that outlives the process.
pub(crate) fn ends_with_the_engine(cause: Cause) -> bool {
    match cause {
        Cause::Starting
        | Cause::Unhealthy
        | Cause::Environment
        | Cause::ComponentDown
        | Cause::Reclaiming
        | Cause::Clock
        | Cause::Overload
        | Cause::HeartbeatLost
        | Cause::NoProgress
        | Cause::Hung => true,
        Cause::KillSwitch
        | Cause::Failsafe
        | Cause::Integrity
        | Cause::Storage
        | Cause::Witness
        | Cause::NewJournal
        | Cause::OrdersInDoubt
        | Cause::ComponentFailed
        | Cause::DailyLoss
        | Cause::Maintenance
        | Cause::BotRequest => false,
    }
}
