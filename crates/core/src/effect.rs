//! Orders that the core gives to its host. Carried out in the order given, before the next step.

use crate::alert::Alert;
use crate::halt::Halt;
use crate::id::{Instance, MAX_COMPONENTS, RequestId, Slot, Ticket};
use crate::input::Hook;
use crate::limits::Ask;
use crate::permission::Rights;
use crate::record::Record;
use crate::time::Monotonic;

/// An order to the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Publish the permit page now: these rights, good until this deadline.
    Publish(Page),
    /// Append this record to the journal and report [`crate::Input::Durable`] when it is durable.
    Record {
        /// Its number in this engine's life.
        ticket: Ticket,
        /// What to write.
        record: Record,
    },
    /// Append this record into the room that was kept back for a full disk. Nobody waits for it, nothing hangs on it, and
    /// no [`crate::Input::Durable`] is reported: what it says is in force already. Only after
    /// [`crate::Input::StorageFailed`] said that last words are taken.
    LastWord {
        /// What to write.
        record: Record,
        /// Whether it was said before, by a record that the failure swallowed: then nobody needs to hear it again.
        again: bool,
    },
    /// The journal cannot take it: write a file into `latches/` for this halt, durably.
    Latch(Halt),
    /// Remove the kill switch's latch file, durably, then report [`crate::Input::KillSwitchLatchRemoved`]. Only the latch
    /// that the core was told of: the host renames it aside first and compares it with what it reported; another one
    /// is put back and reported as [`crate::Input::KillSwitchSeen`] instead, so that an engagement in this very moment
    /// is not lost.
    RemoveKillSwitchLatch,
    /// Write the kill switch's latch file, durably (engaged through the engine, or the page was found revoked). Nothing
    /// to do where one stands on disk already.
    WriteKillSwitchLatch {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Remove the files in `latches/` that [`crate::Start::latches`] told of: their halts are durable in the journal now.
    RemoveLatches,
    /// Start the component's process. Report `Spawned` or `SpawnFailed`.
    Spawn {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
    },
    /// Send the component its stop signal.
    Stop {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
    },
    /// Send the component's main process its reload signal.
    Reload {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
    },
    /// Run a hook of the component, as one of its tree's processes. Report `HookEnded`.
    RunHook {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// Which hook.
        hook: Hook,
        /// Why the component stops, or how it ended.
        reason: String,
        /// Its main process, while there is one.
        pid: Option<u32>,
    },
    /// SIGKILL the hook that runs before the component's stop signal: its time is up, or nothing waits for it any more.
    KillHook {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
    },
    /// SIGKILL the component's whole tree, again until nothing is left, then report `TreeGone`.
    KillTree {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
    },
    /// Ask the component, over the bot socket, to give back what it uses too much of. One that does not listen misses it, and is
    /// stopped all the same.
    Ask {
        /// Which component.
        slot: Slot,
        /// Which start.
        instance: Instance,
        /// What.
        ask: Ask,
    },
    /// Try a dependency now, whatever its rhythm, and report [`crate::Input::DependencyTried`]; a try that is under way will
    /// do. A verdict waits for it, for no longer than its time-out and a second.
    TryDependency {
        /// Index into [`crate::Policy::dependencies`].
        index: usize,
    },
    /// Answer an operator's request. Where it loosened something, its record is durable by now.
    Answer {
        /// Which request.
        request: RequestId,
        /// `Err`: refused, with every reason.
        outcome: Result<(), Vec<String>>,
    },
    /// Tell people. Never waited for, and never a reason to wait: whoever cannot take it now asks [`crate::Core::alerts`]
    /// later.
    Alert(Box<Alert>),
    /// The configuration that [`crate::Input::Configure`] brought last is in force, and its record durable: whatever else the host
    /// decides by it is taken over now.
    Configured,
    /// Everything is stopped and recorded: seal the journal and end the process.
    Exit(ExitReason),
}

/// What the permit page shall say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// Effective rights by slot; index 0 is the system.
    pub rights: [Rights; MAX_COMPONENTS + 1],
    /// Until when. A tightening that comes while renewal is withheld keeps the old deadline.
    pub deadline: Monotonic,
}

/// Why the engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitReason {
    /// Asked to, permission above `shutdown`.
    Requested,
    /// Asked to while in fail-safe shutdown.
    RequestedInShutdown,
    /// The journal cannot be written.
    Storage,
}
