//! What may happen in the model check, when, and what comes of it.

use super::properties;
use super::world::{COMPONENTS, Mutant, QUANTUM, Seen, World};
use failstop_core::*;
use stateright::{Model, Property};
use std::collections::VecDeque;

/// Records that may wait for their durability at once.
const WAITING_MAX: usize = 6;

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Tick,
    Durable,
    AllDurable,
    Witnessed,
    Checks,
    Gone(usize),
    Exits(usize),
    Raise(Cause),
    Passes(Cause),
    Resume,
    Release,
    Live,
    Dry,
    RevokedOutside,
    LatchedOutside,
    /// An operator engages the kill switch while a release of it waits for the witness.
    EngagesAgain,
    /// The engine stops between a step and its effects, for as long as the world likes.
    Freezes,
    Thaws,
    FsyncFails,
    DiskFills,
    Crashes,
    Starts,
}

/// How much of it is looked at.
#[derive(Clone, Debug)]
pub struct Bound {
    pub incidents: u8,
    pub ticks: u8,
    pub restarts: u8,
    pub causes: Vec<Cause>,
    pub mutant: Mutant,
    /// Whether releases wait for a witness.
    pub two_key: bool,
}

impl Model for Bound {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.mutant, self.two_key)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.ticks < self.ticks {
            actions.push(Action::Tick);
        }
        if world.engaging {
            actions.push(Action::LatchedOutside);
        }
        let incident = world.incidents < self.incidents;
        if incident && !world.latch && !world.engaging && world.engagements == 0 {
            actions.push(Action::RevokedOutside);
        }
        if world.dead {
            if world.restarts < self.restarts {
                actions.push(Action::Starts);
            }
            return;
        }
        if world.frozen.is_some() {
            actions.push(Action::Thaws);
            return;
        }
        if !world.failed && !world.waiting.is_empty() {
            actions.push(Action::AllDurable);
            if world.up_to_a_decision() < world.waiting.len() {
                actions.push(Action::Durable);
            }
        }
        if world.two_key && world.core.awaits_witness().is_some() && world.witnessed < world.own {
            actions.push(Action::Witnessed);
        }
        if world.core.kill_switch() && world.core.awaits_witness().is_some() && world.engagements < 2 {
            actions.push(Action::EngagesAgain);
        }
        if !world.checked {
            actions.push(Action::Checks);
        }
        for index in 0..COMPONENTS {
            if world.dying[index] && world.alive[index].is_some() {
                actions.push(Action::Gone(index));
            }
        }
        if !incident {
            return;
        }
        for (index, alive) in world.alive.iter().enumerate() {
            if alive.is_some() && !world.dying[index] {
                actions.push(Action::Exits(index));
            }
        }
        for cause in &self.causes {
            actions.push(Action::Raise(*cause));
            if world.core.halts().any(|(halt, _)| halt.cause == *cause) {
                actions.push(Action::Passes(*cause));
            }
        }
        if world.core.halts().any(|(halt, _)| halt.latched && halt.cause != Cause::KillSwitch) {
            actions.push(Action::Resume);
        }
        if world.core.kill_switch() {
            actions.push(Action::Release);
        }
        actions.push(if world.core.mode() == Mode::Live { Action::Dry } else { Action::Live });
        if world.ticks < self.ticks {
            actions.push(Action::Freezes);
        }
        actions.push(Action::Crashes);
        if !world.failed {
            actions.push(Action::FsyncFails);
            actions.push(Action::DiskFills);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let mutant = self.mutant;
        let order =
            |order| Input::Operator { request: RequestId(1), by: "o".to_owned(), reason: "r".to_owned(), order };
        let mut incident = true;
        match action {
            Action::Tick => {
                incident = false;
                world.ticks += 1;
                world.now = world.now.plus(QUANTUM);
                if !world.dead && world.frozen.is_none() {
                    world.step(mutant, Input::Wake);
                }
            }
            Action::Durable => {
                incident = false;
                world.make_durable(mutant, last.up_to_a_decision());
            }
            Action::AllDurable => {
                incident = false;
                world.make_durable(mutant, last.waiting.len());
            }
            Action::Witnessed => {
                incident = false;
                world.witness(mutant);
            }
            Action::Checks => {
                incident = false;
                world.checked = true;
                world.step(mutant, Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) });
            }
            Action::Gone(index) => {
                incident = false;
                let (slot, instance) = (Slot::component(index).unwrap(), world.alive[index].take().unwrap());
                world.dying[index] = false;
                world.step(mutant, Input::Exited { slot, instance, exit: Exit::Signal(9) });
                world.step(mutant, Input::TreeGone { slot, instance });
            }
            Action::Exits(index) => {
                let (slot, instance) = (Slot::component(index).unwrap(), world.alive[index].unwrap());
                world.step(mutant, Input::Exited { slot, instance, exit: Exit::Status(1) });
            }
            Action::Raise(cause) => {
                world.step(mutant, Input::Raise { cause, slot: None, evidence: "seen".to_owned() });
            }
            Action::Passes(cause) => world.step(mutant, Input::Passed { cause, slot: None }),
            Action::Resume => world.step(mutant, order(Order::Resume(Vec::new()))),
            Action::Release => world.step(mutant, order(Order::KillSwitchRelease)),
            Action::Live => world.step(mutant, order(Order::Mode(Mode::Live))),
            Action::Dry => world.step(mutant, order(Order::Mode(Mode::Dry))),
            Action::RevokedOutside => {
                world.engagements += 1;
                world.engaging = true;
                world.page.rights = [Rights::REVOKED; COMPONENTS + 1];
            }
            Action::LatchedOutside => {
                incident = false;
                world.engaging = false;
                world.latch = true;
                world.latch_known = false;
                // The page may be a new one by now; then everything is killed.
                world.page.rights = [Rights::REVOKED; COMPONENTS + 1];
                for index in 0..COMPONENTS {
                    world.dying[index] = world.alive[index].is_some();
                }
            }
            Action::EngagesAgain => {
                incident = false;
                world.engagements += 1;
                world.engaged_again = true;
                world.step(mutant, order(Order::KillSwitchEngage));
            }
            Action::Freezes => {
                // Between the step that renews and its effects: the worst moment.
                world.ticks += 1;
                world.now = world.now.plus(QUANTUM);
                let mut out = Vec::new();
                world.core.step(world.now, Input::Wake, &mut out);
                world.stepped = world.now;
                world.frozen = Some(out);
            }
            Action::Thaws => {
                incident = false;
                let effects = world.frozen.take()?;
                let mut inputs = VecDeque::new();
                world.carry_out(mutant, effects, &mut inputs);
                for input in inputs {
                    world.step(mutant, input);
                }
            }
            Action::FsyncFails => {
                // What was in flight may or may not be on the disk; here it is not, and the latches must do.
                world.failed = true;
                world.waiting.clear();
                world.step(mutant, Input::StorageFailed { evidence: "EIO".to_owned(), last_words: false });
            }
            Action::DiskFills => {
                world.failed = true;
                world.full = true;
                world.waiting.clear();
                world.step(mutant, Input::StorageFailed { evidence: "full".to_owned(), last_words: true });
            }
            Action::Crashes => {
                world.dead = true;
                world.frozen = None;
                world.waiting.clear();
                world.alive = [None; COMPONENTS];
                world.dying = [false; COMPONENTS];
            }
            Action::Starts => {
                incident = false;
                world.restarts += 1;
                world.seen.insert(Seen::Restarted);
                world.start(mutant);
            }
        }
        if incident {
            world.incidents += 1;
        }
        (world != *last).then_some(world)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.waiting.len() <= WAITING_MAX + 8
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
