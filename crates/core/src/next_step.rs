//! What to do about a standing halt: the command to type, or what it waits for.

use crate::halt::{Cause, Halt, Trigger};

/// The next step for `halt` of the system `system`. For latched halts it ends in a command that can be pasted once the
/// reason is filled in.
pub fn next_step(halt: &Halt, system: &str) -> String {
    let resume = format!("failstop resume --halt h-{} --reason \"...\" --confirm {system}", halt.id.0);
    match halt.cause {
        Cause::KillSwitch => format!("failstop kill-switch release --reason \"...\" --confirm {system}"),
        Cause::Integrity => format!("run `failstop verify-data`, mend what it names, then {resume}"),
        Cause::Storage => format!("give the journal a disk it can write to, start failstop again, then {resume}"),
        Cause::Witness => {
            format!(
                "find out why the past differs, `failstop-watchdog release {system}` on the watchdog, then {resume}"
            )
        }
        Cause::OrdersInDoubt => format!("resolve each with `failstop orders resolve`, then {resume}"),
        Cause::Failsafe => match halt.trigger {
            Some(trigger) => format!("when {}: {resume}", trigger_condition(trigger)),
            None => resume,
        },
        Cause::DailyLoss if halt.latched => format!("wait for the next trading day, or {resume}"),
        Cause::Maintenance if !halt.latched => "failstop maintenance off, or wait for its end".to_owned(),
        Cause::NewJournal
        | Cause::HeartbeatLost
        | Cause::NoProgress
        | Cause::Hung
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
        | Cause::BotRequest => {
            if halt.latched {
                resume
            } else {
                format!("clears by itself {}", clears_when(halt.cause))
            }
        }
    }
}

/// What a self-clearing halt waits for.
fn clears_when(cause: Cause) -> &'static str {
    match cause {
        Cause::Unhealthy => "once the system has been healthy for a while; the reasons are under health",
        Cause::Starting => "when the start-up checks have passed",
        Cause::Environment => "when what it names answers again",
        Cause::ComponentDown => "when the component is ready and gives a first fresh sign",
        Cause::Reclaiming => "when the component is below its limit again",
        Cause::DailyLoss => "on the next trading day",
        Cause::Clock => "after one interval of fresh input",
        Cause::Overload => "after a minute on time",
        Cause::HeartbeatLost | Cause::NoProgress | Cause::Hung => "when the component gives its sign of life again",
        Cause::ComponentFailed => "when the component runs again",
        Cause::BotRequest => "when the bot takes it back",
        Cause::KillSwitch
        | Cause::Failsafe
        | Cause::Integrity
        | Cause::Storage
        | Cause::Witness
        | Cause::NewJournal
        | Cause::OrdersInDoubt
        | Cause::Maintenance => "when its condition has passed",
    }
}

/// What has to be over before a fail-safe halt with this trigger can be resumed.
pub const fn trigger_condition(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::MarketData => "market data is fresh again",
        Trigger::JournalSilent => "the journal is written again",
        Trigger::SnapshotAge => "a new snapshot is taken",
        Trigger::Capital => "capital reconciles",
        Trigger::BotFatal => "the cause of the bot's exception is found",
        Trigger::UnhealthyTooLong => "the system is healthy again",
        Trigger::Memory => "memory is below its threshold",
        Trigger::ApiErrors => "the API error rate is below its threshold",
        Trigger::DailyLoss => "the loss is understood",
        Trigger::Limit => "the resource limit is kept again",
        Trigger::StaleSourceAgain => "the component's own source is fresh again",
        Trigger::ClockBackwards => "the host's clock is mended",
    }
}
