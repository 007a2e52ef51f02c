//! Carries out the steps of the restart ladder: over the engine's control listener, a responder, a unit of this host, or a hook.
//! What counts is what is seen afterwards, not that somebody said yes.

use crate::actuate::{Receipt, Refused, Units};
use crate::asking::{Asking, Said, TIMEOUT};
use crate::heart::steps::{Outcome, Step};
use crate::probe::{Ran, run_program};
use std::rc::Rc;
use std::time::Duration;

/// A hook's exit status that says: the world is not what you think, do nothing more.
pub const REFUSED_STATUS: i32 = 4;

/// A hook's exit status that says: it was stopped on purpose, and nothing is to be done until a person starts it.
pub const STOPPED_STATUS: i32 = 5;

/// What may be done about one target.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// The engine's control listener.
    pub engine: Option<Asking>,
    /// A unit, here or at a responder.
    pub unit: Option<UnitAt>,
    /// Hooks.
    pub hooks: Hooks,
}

impl Means {
    /// Whether a step is asked of somebody on another host, and not done by a program of this one.
    pub fn asks(&self, step: Step) -> bool {
        match step {
            Step::Ask => true,
            Step::Signal | Step::Start => matches!(self.unit, Some(UnitAt::There { .. })),
            Step::Fence => false,
        }
    }
}

/// Where a unit is.
#[derive(Clone, Debug)]
pub enum UnitAt {
    /// On this host.
    Here {
        /// Its name.
        unit: String,
        /// All of them.
        units: Rc<Units>,
    },
    /// At a responder.
    There {
        /// Its name.
        unit: String,
        /// The responder.
        responder: Asking,
    },
}

/// Programs that stand in for a step.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Ends the process; exit status 0 only with proof.
    pub signal: Option<Vec<String>>,
    /// Fences it.
    pub fence: Option<Vec<String>>,
    /// Reads the fence's state back.
    pub fence_proof: Option<Vec<String>>,
    /// Starts it.
    pub start: Option<Vec<String>>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Act {
    /// The target's name.
    pub target: String,
    /// What.
    pub step: Step,
    /// For this epoch.
    pub expected_epoch: Option<u64>,
    /// Why.
    pub reason: String,
    /// At most so long.
    pub within: Duration,
}

/// Carries out one step.
pub async fn act(means: &Means, act: &Act) -> Outcome {
    match act.step {
        Step::Ask => ask(means, act).await,
        Step::Signal => match (&means.unit, &means.hooks.signal) {
            (Some(unit), _) => stop(unit, act).await,
            (None, Some(hook)) => hooked(hook, act).await,
            (None, None) => Outcome::Failed("nobody can signal it".to_owned()),
        },
        Step::Fence => fence(means, act).await,
        Step::Start => match (&means.unit, &means.hooks.start) {
            (Some(unit), _) => start(unit, act).await,
            (None, Some(hook)) => hooked(hook, act).await,
            (None, None) => Outcome::Failed("nobody can start it".to_owned()),
        },
    }
}

async fn ask(means: &Means, act: &Act) -> Outcome {
    let Some(engine) = &means.engine else { return Outcome::Failed("its engine cannot be asked".to_owned()) };
    let body = serde_json::json!({ "expected_epoch": act.expected_epoch, "reason": act.reason });
    match engine.order("/api/control/restart", &body, act.within.min(TIMEOUT), false).await {
        Said::Yes(_) => Outcome::Proved("the engine accepted it".to_owned()),
        // What an engine that answers says about a stop is in its beats and its health answers too.
        Said::Conflict(why) | Said::StoppedOnPurpose(why) => Outcome::Refused(why),
        Said::No(why) => Outcome::Failed(why),
    }
}

async fn stop(unit: &UnitAt, act: &Act) -> Outcome {
    let receipt = match unit {
        UnitAt::Here { unit, units } => match units.stop(unit, act.expected_epoch, false).await {
            Ok(receipt) => receipt,
            Err(refused) => return outcome_of(&refused),
        },
        UnitAt::There { unit, responder } => match there(responder, unit, "stop", act).await {
            Ok(receipt) => receipt,
            Err(outcome) => return outcome,
        },
    };
    if receipt.gone {
        if let Some(how) = receipt.stopped_on_purpose {
            return Outcome::StoppedOnPurpose(how);
        }
        let cgroup = if receipt.cgroup_empty == Some(true) { ", cgroup empty" } else { "" };
        Outcome::Proved(format!("{}: exit seen{cgroup}", receipt.how))
    } else {
        Outcome::Failed(format!("{}: processes {:?} are left", receipt.how, receipt.left))
    }
}

async fn start(unit: &UnitAt, act: &Act) -> Outcome {
    let receipt = match unit {
        UnitAt::Here { unit, units } => match units.start(unit).await {
            Ok(receipt) => receipt,
            Err(refused) => return outcome_of(&refused),
        },
        UnitAt::There { unit, responder } => match there(responder, unit, "start", act).await {
            Ok(receipt) => receipt,
            Err(outcome) => return outcome,
        },
    };
    match receipt.started {
        Some(pid) => Outcome::Proved(format!("process {pid}")),
        None => Outcome::Failed("its receipt names no process".to_owned()),
    }
}

fn outcome_of(refused: &Refused) -> Outcome {
    match refused {
        Refused::StoppedOnPurpose(how) => Outcome::StoppedOnPurpose(how.clone()),
        Refused::Busy | Refused::Epoch { .. } | Refused::Lives(_) | Refused::KillSwitch(_) => {
            Outcome::Refused(refused.to_string())
        }
        Refused::Unknown(_) | Refused::NoStart | Refused::Failed(_) => Outcome::Failed(refused.to_string()),
    }
}

async fn there(responder: &Asking, unit: &str, verb: &str, act: &Act) -> Result<Receipt, Outcome> {
    let body = serde_json::json!({ "expected_epoch": act.expected_epoch, "reason": act.reason });
    match responder.order(&format!("/v1/units/{unit}/{verb}"), &body, act.within, true).await {
        Said::Yes(value) => {
            serde_json::from_value(value).map_err(|error| Outcome::Failed(format!("its receipt: {error}")))
        }
        Said::Conflict(why) => Err(Outcome::Refused(why)),
        Said::StoppedOnPurpose(how) => Err(Outcome::StoppedOnPurpose(how)),
        Said::No(why) => Err(Outcome::Failed(why)),
    }
}

async fn hooked(argv: &[String], act: &Act) -> Outcome {
    let env = [
        ("FAILSTOP_TARGET", act.target.clone()),
        ("FAILSTOP_STEP", act.step.word().to_owned()),
        ("FAILSTOP_EPOCH", act.expected_epoch.map(|epoch| epoch.to_string()).unwrap_or_default()),
        ("FAILSTOP_REASON", act.reason.clone()),
    ];
    match run_program(argv, &env, act.within).await {
        Ran::Ended { status: Some(0), output } => Outcome::Proved(format!("hook: {output}")),
        Ran::Ended { status: Some(REFUSED_STATUS), output } => Outcome::Refused(output),
        Ran::Ended { status: Some(STOPPED_STATUS), output } => Outcome::StoppedOnPurpose(output),
        Ran::Ended { status, output } => {
            let how = status.map_or_else(|| "by a signal".to_owned(), |status| format!("with status {status}"));
            Outcome::Failed(format!("the hook ended {how}: {output}"))
        }
        Ran::TimedOut => Outcome::Failed("the hook did not end in time".to_owned()),
        Ran::NotStarted(error) => Outcome::Failed(format!("the hook cannot be started: {error}")),
    }
}

/// A fence counts once its state was read back.
async fn fence(means: &Means, act: &Act) -> Outcome {
    let (Some(fence), Some(proof)) = (&means.hooks.fence, &means.hooks.fence_proof) else {
        return Outcome::Failed("there is no fence".to_owned());
    };
    match hooked(fence, act).await {
        Outcome::Proved(_) => hooked(proof, act).await,
        other @ (Outcome::Failed(_) | Outcome::Refused(_) | Outcome::StoppedOnPurpose(_)) => other,
    }
}
