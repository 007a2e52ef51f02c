//! failstop-core: decides whether trading is allowed, what is started, stopped and killed, and what is recorded.
//!
//! Pure: no I/O, no clock, no randomness, no async. A host calls [`Core::step`] with the time and one fact, carries out
//! the effects in order, and calls again. Hosts: the engine, the exhaustive model check, the seeded simulation.
//!
//! The asymmetry rule is enforced here: what tightens comes out of the step that learned the cause, before its record
//! is durable; what loosens comes out only of the step that handles [`Input::Durable`] for the record that permits it.

mod effect;
mod halt;
mod id;
mod input;
mod machine;
mod permission;
mod policy;
mod record;
mod time;
mod view;

pub use effect::{Effect, ExitReason, Page};
pub use halt::{Cause, Halt, Scope, Trigger};
pub use id::{ComponentName, Epoch, HaltId, Instance, MAX_COMPONENTS, RequestId, Slot, Ticket};
pub use input::{CheckClass, Exit, Input, Order, QueueState, Sign, Start};
pub use machine::Core;
pub use permission::{Mode, Permission, Rights};
pub use policy::{
    ComponentPolicy, DependencyPolicy, FailsafePolicy, HaltPolicy, HealthPolicy, Liveness, Orders, Policy,
    RestartPolicy,
};
pub use record::{AfterExit, ClearedBy, HealthStatus, Record};
pub use time::Monotonic;
pub use view::{ComponentState, ComponentView, FeedView, Health, PartView};
