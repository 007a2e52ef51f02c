//! failstop-core: decides whether trading is allowed, what is started, stopped and killed, and what is recorded.
//!
//! Pure: no I/O, no clock, no randomness, no async. A host calls [`Core::step`] with the time and one fact, carries out
//! the effects in order, and calls again. Hosts: the engine, the exhaustive model check, the seeded simulation.
//!
//! The asymmetry rule is enforced here: what tightens comes out of the step that learned the cause, before its record
//! is durable; what loosens comes out only of the step that handles [`Input::Durable`] for the record that permits it.

#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

mod alert;
mod anomaly;
mod breaker;
mod causes;
mod component;
mod component_order;
mod conditions;
mod configure;
mod departure;
mod dependency;
mod effect;
mod failsafe;
pub mod gate;
mod halt;
mod health;
mod hindrance;
mod hook;
mod id;
mod input;
mod ledger;
mod left_out;
mod limits;
mod liveness;
mod machine;
mod memory;
mod next_step;
mod operator;
mod permission;
mod policy;
mod reading;
mod record;
mod reload;
mod renewal;
mod restart;
mod standstill;
mod startup;
mod threshold;
mod tightest;
mod time;
mod turn;
mod two_key;
mod view;

pub use alert::{
    Alert, AlertChange, AlertId, AlertRow, PROLONGED, Place, Severity, Subject, UNHEALTHY_FOR, When, Words, gone,
    row as alert_row, severity as alert_severity, start_failed,
};
pub use anomaly::{AnomalyRule, Unlike, unlike};
pub use breaker::{Breaker, BreakerNews, BreakerPolicy, BreakerState, HostLoad};
pub use component::STOP_GRACES_MAX;
pub use configure::Configuration;
pub use effect::{Effect, ExitReason, Page};
pub use halt::{Cause, Halt, Scope, Trigger};
pub use health::{MAX_CROSSED, MAX_ERRORS_COUNTED, MAX_FEEDS, MAX_PARTS};
pub use id::{ComponentName, Epoch, HaltId, Instance, MAX_COMPONENTS, RequestId, Slot, Ticket};
pub use input::{CheckClass, Exit, Hook, HookOutcome, Input, Order, OutOfMemory, QueueState, Sign, Start, Unclean};
pub use limits::{
    AGAIN_WITHIN, Ask, ComponentLimits, Crossing, LOOK_AGAIN_AFTER, Level, LimitAction, Resource, SystemLimits,
    Thresholds, Usage, WARN_AT_PERCENT, memory_emergency,
};
pub use liveness::{BEATS_MAX, MAX_EXTENSION};
pub use machine::Core;
pub use memory::{Held, Recorded, Window};
pub use next_step::{next_step, trigger_condition};
pub use operator::MAX_MAINTENANCE;
pub use permission::{Mode, Permission, Rights};
pub use policy::{
    ComponentPolicy, DependencyExit, DependencyPolicy, FailsafePolicy, HaltPolicy, HealthPolicy, Liveness, Orders,
    Policy, Reload, RestartPolicy,
};
pub use record::{AfterExit, CONFIG_CHANGES_MAX, ClearedBy, ConfigChange, HealthStatus, KeyChange, Record};
pub use threshold::{Degree, Found, Gauge, News, Rule, Side};
pub use time::Monotonic;
pub use turn::breaks_a_line;
pub use view::{ComponentState, ComponentView, FeedView, Health, MaintenanceView, PartView, QueueView};
