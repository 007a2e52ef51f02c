//! Facts that the host tells the core. Never orders: those are [`crate::Effect`]s.

use crate::configure::Configuration;
use crate::halt::{Cause, Trigger};
use crate::id::{Epoch, HaltId, Instance, RequestId, Slot, Ticket};
use crate::limits::Usage;
use crate::permission::{Mode, Permission};
use crate::time::Monotonic;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The engine starts; the journal, as far as it could be read, has been replayed. Exactly once, first.
    Start(Start),
    /// Every record with a ticket up to this one is durable. May repeat a ticket: it then says that something else (a
    /// bot's event) was durably written now.
    Durable(Ticket),
    /// The witness has acknowledged a head at or beyond the record with this ticket: somebody off the host remembers it.
    Witnessed(Ticket),
    /// The journal can no longer be written. Final for this process: nothing becomes durable that loosens anything.
    StorageFailed {
        /// What failed.
        evidence: String,
        /// Whether it still takes last words: the disk is full, and room was kept back for them. Never after a failed
        /// fdatasync. Told a second time without them: that room is gone, too.
        last_words: bool,
    },
    /// Time has passed; nothing else happened. The host calls at [`crate::Core::next_deadline`] at the latest.
    Wake,

    /// The start-up checks of a class came out. Until `Integrity` passed, `starting` stands.
    Checked {
        /// Which class.
        class: CheckClass,
        /// `Err` with the evidence of the first failure.
        outcome: Result<(), String>,
    },

    /// A spawn that an effect asked for succeeded.
    Spawned {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// The process number.
        pid: u32,
    },
    /// A spawn failed (command missing, no permission).
    SpawnFailed {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// What the kernel said.
        error: String,
    },
    /// Something of the tree was killed for want of memory, or may have been. Before the `Exited` that it explains.
    OutOfMemory {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// How far that is certain.
        certainty: OutOfMemory,
    },
    /// What the trees use: one sample of everything that runs. What is not in it does not run.
    Usage(Vec<Usage>),
    /// The main process is gone.
    Exited {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// How it ended.
        exit: Exit,
    },
    /// No process of the instance's tree is alive any more. Always after `Exited` (or `SpawnFailed`); the successor is never
    /// spawned before it.
    TreeGone {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
    },
    /// A hook that an effect asked for is over.
    HookEnded {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// Which hook.
        hook: Hook,
        /// How.
        outcome: HookOutcome,
    },
    /// A sign from a component. Signs of an older instance are ignored.
    Sign {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// What it said.
        sign: Sign,
    },
    /// The liveness probe failed its configured number of times. They count anew from here.
    LivenessFailed {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// What the probe saw.
        evidence: String,
    },
    /// A dependency went down (so many tries of its failed, over at least a minute), answers for the first time, or came back.
    Dependency {
        /// Index into [`crate::Policy::dependencies`].
        index: usize,
        /// Whether it answers.
        up: bool,
        /// What the probe saw.
        evidence: String,
    },
    /// One try of a dependency ended: one of its rhythm, or one that [`crate::Effect::TryDependency`] asked for. Before the
    /// [`Input::Dependency`] that follows from it.
    DependencyTried {
        /// Index into [`crate::Policy::dependencies`].
        index: usize,
        /// Whether it answered.
        answered: bool,
    },

    /// The kill switch's latch was seen on disk, or the page was found revoked. Once for each engagement (a latch that
    /// appears or is replaced by another, or words that somebody else revoked): while a release is under way this is a
    /// new engagement, and the release then ends nothing.
    KillSwitchSeen {
        /// Who engaged it, as the latch says, or `unknown`.
        by: String,
        /// Why, as the latch says.
        reason: String,
    },
    /// The latch file is gone from the disk, durably, as [`crate::Effect::RemoveKillSwitchLatch`] asked.
    KillSwitchLatchRemoved,
    /// An operator's word.
    Operator {
        /// For the answer.
        request: RequestId,
        /// Who, as the door established it (Unix user name and id).
        by: String,
        /// Why.
        reason: String,
        /// What.
        order: Order,
    },
    /// Stop, cleanly: SIGTERM or SIGINT.
    StopRequested,
    /// SIGHUP: every ready component that wants it is asked to read its configuration again.
    ReloadRequested,
    /// Another configuration, which the host has validated whole. What is tighter in it is in force with this step; the rest with
    /// [`crate::Effect::Configured`], once the record of the change is durable.
    Configure(Box<Configuration>),

    /// A cause that other parts of the engine judge (limits, ledger, witness, prices) now holds. The core knows its
    /// cap and clearance. After a restart the host raises again, before it reports `Checked` for `Integrity`, whatever
    /// still holds: a latched halt of an earlier epoch whose cause was not raised again may be resumed.
    Raise {
        /// Which cause. One of: Integrity, Witness, OrdersInDoubt, DailyLoss, Environment, Reclaiming, ComponentFailed.
        cause: Cause,
        /// The component it is about.
        slot: Option<Slot>,
        /// What was seen.
        evidence: String,
    },
    /// The condition of a cause raised by `Raise` has passed. Clears self-clearing halts; lets a latched one be resumed.
    Passed {
        /// Which cause.
        cause: Cause,
        /// The component it was about.
        slot: Option<Slot>,
    },
    /// A fail-safe trigger judged outside the core fired.
    Trigger {
        /// Which.
        trigger: Trigger,
        /// What was seen.
        evidence: String,
    },
    /// That trigger no longer holds, so that its halt may be resumed.
    TriggerPassed(Trigger),
    /// A snapshot is durable, and so old: nothing where it was taken just now, more where an earlier engine took it.
    SnapshotTaken {
        /// Its age.
        age: Duration,
    },
    /// The clocks disagree: suspend or a step of wall time. The first input after the host noticed it, so that no age is
    /// judged over the gap.
    ClockJumped {
        /// By how much.
        by: Duration,
        /// What happened, for people.
        evidence: String,
    },
    /// Figures that are beyond a critical threshold now, each in words. All of them: what is not named any more is over. They degrade
    /// health and halt nothing. At most [`crate::MAX_CROSSED`] count.
    Crossed(Vec<String>),
    /// A new trading day began: clears `daily-loss`.
    TradingDay,
}

/// What the host found before the first step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Start {
    /// This start's epoch, above every earlier one.
    pub epoch: Epoch,
    /// The kill switch's latch on disk: who and why, if it is engaged.
    pub kill_switch: Option<(String, String)>,
    /// Latched halts that the last process could not journal (files in `latches/`): cause and evidence.
    pub latches: Vec<(Cause, String)>,
    /// The journal was empty: this is its first start.
    pub new_journal: bool,
    /// The journal shows that the last engine did not end as it should: killed, crashed, or its machine went down.
    pub unclean: Option<Unclean>,
    /// The journal was found damaged at opening (the recovery table's latching rows).
    pub damage: Option<String>,
}

/// An engine that did not end as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unclean {
    /// So many processes of its components were still alive at this start, and were killed by it.
    pub left_alive: usize,
    /// It ended itself in order, since its guard had died: nothing would have ended its components after it.
    pub guard_died: bool,
}

/// Which start-up checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckClass {
    /// Journal, snapshots, capital, strategy states: a failure is `integrity`.
    Integrity,
    /// Endpoints, dependencies, disk space: a failure is `environment`, retried.
    Environment,
}

/// How a main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// `exit(status)`.
    Status(i32),
    /// Killed by this signal.
    Signal(i32),
    /// Not known: its status went to another parent.
    Unknown,
}

/// A program of the user's at the end of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before the stop signal of an orderly stop.
    PreStop,
    /// When nothing of the component is left, however it ended.
    PostStop,
}

/// How a hook came out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HookOutcome {
    /// It ran.
    Ended(Exit),
    /// It could not be started.
    NotStarted(String),
}

/// How far it is certain that the kernel killed for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutOfMemory {
    /// Its own cgroup counted the kill (`memory.events`).
    Proven,
    /// It died of a SIGKILL that nobody here sent, and the host counted such kills meanwhile (`/proc/vmstat`).
    Probable,
    /// It died of a SIGKILL that nobody here sent, and neither can be read.
    Unknown,
}

impl OutOfMemory {
    /// `proven`, `probable`, `unknown`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Probable => "probable",
            Self::Unknown => "unknown",
        }
    }
}

/// What a component said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// `READY=1`, or its readiness probe passed.
    Ready,
    /// `WATCHDOG=1`.
    Beat,
    /// `heartbeat` on the bot socket, with its progress counter if it has one.
    Heartbeat(Option<u64>),
    /// A liveness probe passed.
    ProbePassed,
    /// `WATCHDOG=trigger`: it says itself that it hangs.
    WatchdogTrigger,
    /// `EXTEND_TIMEOUT_USEC`: what it is doing takes this much longer from now. A start or a reload is put off by up to an hour in
    /// all; the next beat to twice its span after the last one; a stop to twice its grace in all, and not at all where the
    /// component may not run.
    ExtendTimeout(Duration),
    /// `WATCHDOG_USEC`: a new beat deadline.
    WatchdogSpan(Duration),
    /// `STOPPING=1`.
    Stopping,
    /// `RELOADING=1`, with the time at which it says that this reload began. `READY=1` ends it.
    Reloading(Option<Monotonic>),
    /// `ERRNO`, `BUSERROR` or `EXIT_STATUS`: what it says of its failure, for the record of its end.
    Failing(String),
    /// `MAINPID`: its main process is another one from now on, which the host has found to be in its tree.
    MainProcess(u32),
    /// Market data of a feed arrived. `fresh` is false when the tick's own time went back.
    Tick {
        /// The feed's name.
        feed: String,
        /// Whether its own time moved on.
        fresh: bool,
    },
    /// The execution queue.
    Queue {
        /// What it says of itself.
        state: QueueState,
        /// Entries waiting.
        depth: u64,
    },
    /// An error it reports.
    Error {
        /// 1 to 5; 5 is unrecoverable.
        severity: u8,
        /// Unrecoverable by its own word.
        fatal: bool,
        /// For the evidence.
        message: String,
    },
    /// The state of a part inside it.
    Part {
        /// The part's name.
        name: String,
        /// Its health in thousandths, 0 to 1000 (healthy 1000, degraded 500, critical 0, or what it reports).
        health: u16,
        /// Whether it says critical.
        critical: bool,
    },
    /// A part inside it is not reported any more.
    PartGone {
        /// The part's name.
        name: String,
    },
    /// It asks to be held back. It may always tighten its own permission.
    Halt {
        /// The most it wants to be allowed.
        cap: Permission,
        /// Why.
        reason: String,
    },
}

/// What a queue says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueState {
    /// Nothing to do.
    Idle,
    /// Working.
    Processing,
    /// Stuck.
    Stalled,
}

/// What an operator may order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Release latched halts: these, or all but the kill switch where the list is empty. All or nothing.
    Resume(Vec<HaltId>),
    /// Engage the kill switch through the engine (the command itself also works without one).
    KillSwitchEngage,
    /// Release it.
    KillSwitchRelease,
    /// Set the mode.
    Mode(Mode),
    /// Start a maintenance window of this length.
    MaintenanceOn {
        /// How long at most.
        span: Duration,
        /// Whether trading goes on meanwhile.
        keep_trading: bool,
    },
    /// End it.
    MaintenanceOff,
    /// Stop, and keep stopped, one component.
    StopComponent(Slot),
    /// Start a component that an operator stopped.
    StartComponent(Slot),
    /// Stop and start one component; one that waits for its next start is started at once.
    RestartComponent(Slot),
    /// Ask one component to read its configuration again.
    ReloadComponent(Slot),
}
