//! What must always hold in the model check, and what must be reached, so that nothing holds vacuously.

use super::history::Bound;
use super::world::{LEASE, Mutant, Seen, World, latched_cap};
use failstop_core::*;
use stateright::Property;

/// The invariants by their names in ARCHITECTURE.md, then the `sometimes` properties.
pub fn all() -> Vec<Property<Bound>> {
    vec![
        Property::always("I1", |model: &Bound, world: &World| {
            world.now < world.page.deadline || !world.anything_granted(model.mutant)
        }),
        Property::always("I2", |model: &Bound, world: &World| {
            let gone = world.dead || world.frozen.is_some();
            !(gone && world.now >= world.stepped.plus(LEASE) && world.anything_granted(model.mutant))
        }),
        Property::always("I3", |model: &Bound, world: &World| {
            world.within(model.mutant, latched_cap(world), Mode::Live)
        }),
        Property::always("I4", |model: &Bound, world: &World| {
            let halts = world.core.halts().filter(|(halt, _)| halt.scope == Scope::System);
            let least = halts.map(|(halt, _)| halt.cap).min().unwrap_or(Permission::Active);
            let fold = world.durable_fold();
            world.dead
                || (world.core.permission() == least && world.within(model.mutant, fold.permission(), fold.ceremony))
        }),
        Property::always("I5", |model: &Bound, world: &World| {
            world.dead
                || world.frozen.is_some()
                || world.within(model.mutant, world.core.permission(), world.core.mode())
        }),
        Property::always("I6", |model: &Bound, world: &World| !world.latch || !world.anything_granted(model.mutant)),
        Property::always("I7", |model: &Bound, world: &World| {
            let mut last = None;
            let rising = world.journal.iter().all(|record| match record {
                Record::EngineStarted { epoch, .. } => last.replace(*epoch) < Some(*epoch),
                _ => true,
            });
            rising && (!world.anything_granted(model.mutant) || last == Some(Epoch(world.epoch)))
        }),
        Property::always("I13", |_, world: &World| !world.unwitnessed),
        Property::always("no release ends an engagement that came after it", |_, world: &World| !world.engagement_lost),
        Property::always("the start gate", |model: &Bound, world: &World| {
            world.checked || world.dead || !world.anything_granted(model.mutant)
        }),
        Property::always("a full disk is in the journal", |_, world: &World| {
            !world.full || world.durable_fold().halts.values().any(|halt| halt.cause == Cause::Storage)
        }),
        Property::sometimes("active after a release", |_, world: &World| {
            world.seen.contains(&Seen::Cleared(Cause::DailyLoss)) && world.check(Mutant::None, 1).open
        }),
        Property::sometimes("active after the kill switch", |_, world: &World| {
            world.seen.contains(&Seen::Cleared(Cause::KillSwitch)) && world.check(Mutant::None, 1).open
        }),
        Property::sometimes("a latched halt after a restart", |_, world: &World| {
            world.seen.contains(&Seen::Restarted)
                && world.core.halts().any(|(halt, _)| halt.cause == Cause::OrdersInDoubt)
        }),
        Property::sometimes("a failed journal after a restart", |_, world: &World| {
            world.seen.contains(&Seen::Restarted) && world.core.halts().any(|(halt, _)| halt.cause == Cause::Storage)
        }),
        Property::sometimes("a component failed too often", |_, world: &World| {
            world.core.halts().any(|(halt, _)| halt.cause == Cause::ComponentFailed)
        }),
        Property::sometimes("a lapse", |_, world: &World| world.seen.contains(&Seen::Lapsed)),
        Property::sometimes("a self-clearing halt cleared", |_, world: &World| {
            world.seen.contains(&Seen::Cleared(Cause::Environment))
                && world.seen.contains(&Seen::Cleared(Cause::Starting))
                && world.check(Mutant::None, 2).live
        }),
    ]
}
