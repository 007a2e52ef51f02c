//! From options to everything that the loop needs, in the order that safety asks for: configuration, lock, runtime directory,
//! journal, latches, leftovers, epoch. Nothing is spawned and no permit is granted here.

use super::accounts;
use super::components::{self, Blueprint};
use super::emergency::Told;
use super::programs::Programs;
use super::traces::Given;
use super::{RunError, RunOptions, journal, latch, logging};
use crate::books::{contradictions, note_snapshots};
use crate::config::{Config, ConfigErrors, Overrides, Problem, gate_policy, read_source};
use crate::kill_switch::{HaltLatch, Latch, list_halt_latches, read_latch};
use crate::lost_journal;
use crate::process::cgroup::{self, SystemCgroup};
use crate::process::controllers::Controllers;
use crate::process::credentials::CredentialFolders;
use crate::process::epoch;
use crate::process::guard::EngineSide;
use crate::process::leftovers::{self, CLEAR_WITHIN, Proc};
use crate::process::lock::InstanceLock;
use crate::process::mark::SystemMark;
use crate::process::procfs;
use crate::process::register::{self, Register};
use crate::process::twin;
use crate::retire;
use crate::runtime_dir::{self, RuntimeDir};
use crate::status::held::HeldSince;
use failstop_core::gate::Gate;
use failstop_core::{Cause, Core, Epoch, HaltId, Record, Start, Unclean};
use failstop_journal::ledger::{Book, Unsound};
use failstop_journal::{Disk, Journal, Recovered, Settings, Verdict, Wall, recover};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

/// What writes the journal, as its segments say.
pub const WRITER: &str = concat!("failstop ", env!("CARGO_PKG_VERSION"));

/// Everything that was found and made before the loop begins.
pub struct Prepared {
    /// The configuration.
    pub config: Arc<Config>,
    /// The text that it was read from.
    pub text: String,
    /// What lay over that.
    pub overrides: Overrides,
    /// End when a fail-safe shutdown is complete.
    pub exit_on_failsafe: bool,
    /// The link to the guard.
    pub side: EngineSide,
    /// Held until the engine ends.
    pub lock: InstanceLock,
    /// Held until the engine ends.
    pub runtime: RuntimeDir,
    /// This start's epoch.
    pub epoch: Epoch,
    /// What every component process carries.
    pub mark: SystemMark,
    /// The journal, open for appending.
    pub journal: Journal<Disk>,
    /// How the journal was found.
    pub verdict: Verdict,
    /// The core, with the journal replayed.
    pub core: Core,
    /// What the core is told first.
    pub start: Start,
    /// The latch as it was read.
    pub latch: Latch,
    /// The components.
    pub blueprints: Vec<Blueprint>,
    /// Where their credentials are put.
    pub credentials: CredentialFolders,
    /// What runs beside the components.
    pub programs: Programs,
    /// Where components are born, if a cgroup can be had.
    pub cgroup: Option<SystemCgroup>,
    /// What the kernel can hold of limits.
    pub controllers: Controllers,
    /// Which processes were started, for the next engine.
    pub register: Register,
    /// What was left of an earlier run, and killed.
    pub leftovers: Vec<Proc>,
    /// When the halts of earlier epochs that stand were raised.
    pub raised: BTreeMap<HaltId, Timestamp>,
    /// The books, with the journal replayed.
    pub book: Book,
    /// Snapshots that the journal names and has not retired.
    pub named: BTreeSet<u64>,
    /// The first record that breaks a rule of the books, with its number.
    pub unsound: Option<(u64, Unsound)>,
    /// The gate, where one is configured, with the journal replayed.
    pub gate: Option<Gate>,
    /// Since when operators keep components stopped.
    pub held: HeldSince,
    /// What the journal has of emergency actions.
    pub emergencies_told: Told,
    /// Which halts of earlier lives were raised by which requests.
    pub given_traces: Given,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Prepares, or says why not.
///
/// # Errors
/// [`RunError`], whose text says what to do next. Another instance's files are untouched then.
pub fn prepare(options: &RunOptions, side: EngineSide) -> Result<Prepared, RunError> {
    let unreadable =
        |problem: Box<Problem>| RunError::Configuration(ConfigErrors::one(problem.located(&options.config, None)));
    let source = read_source(&options.config).map_err(unreadable)?;
    let config = Config::of(&source, &options.overrides).map_err(RunError::Configuration)?;
    let config = Arc::new(config);
    logging::start(&config.log, config.name());
    let state = config.state_dir().to_owned();
    make_state_dir(&state)?;
    let mut lock = InstanceLock::take(&state)?;
    if let Some(plan) = retire::unfinished(&state) {
        return Err(RunError::HalfRetired { plan });
    }

    let accounts = accounts::accounts(&config)?;
    let open_files = raise_open_files();
    let names: Vec<&str> = config.components.iter().map(|component| component.name.as_str()).collect();
    let runtime = RuntimeDir::prepare(&runtime_dir::Request {
        system: config.name(),
        configured: config.system.runtime_dir.as_deref(),
        state_dir: &state,
        components: &names,
        access: accounts::access(&accounts, &config.control),
    })?;
    let mut notes = runtime.notes().to_vec();

    let of_the_journal = |source| RunError::Journal { state: state.clone(), source };
    let recovered = recover(Disk::new(&state), journal_settings(&config), durable_mark(&runtime, &state))
        .map_err(of_the_journal)?;
    // Before anything is changed: this state directory may be the copy of one that is in use.
    let mark = SystemMark { name: config.name().to_owned(), jid: recovered.jid().to_string() };
    let alone = twin::be_alone(&mark.jid, &state)?;
    notes.extend(alone.note);
    if let Some(name) = alone.name {
        lock.keep(name);
    }
    let verdict = recovered.verdict().clone();
    let mut core = Core::new(config.policy());
    let mut damage = match &verdict {
        Verdict::Damaged(violation) => Some(violation.to_string()),
        Verdict::New => {
            lost_journal::evidence(&state).or_else(|| lost_journal::evidence_of_this_boot(runtime.path(), &state))
        }
        Verdict::Clean | Verdict::Unclean | Verdict::TornTail(_) | Verdict::Interrupted(_) => None,
    };
    let replayed = replay(&recovered, &mut core, gate(&config)?)?;
    if let Some(unknown) = &replayed.unknown {
        damage.get_or_insert_with(|| unknown.clone());
    }
    fits_the_journal(&config, &replayed.book)?;

    latch::put_back(&state)
        .map_err(|error| RunError::StateDir { path: state.clone(), source: io::Error::other(error) })?;
    let latch = read_latch(&state);
    let latches = list_halt_latches(&state)?;

    // Before anything of this start exists: whatever is found belongs to an earlier one.
    let leftovers = leftovers::clear(&mark, &register::read(runtime.path()), &state, CLEAR_WITHIN)?;
    runtime.clear();
    let register = Register::begin(runtime.path())
        .map_err(|source| RunError::Host { what: "write the register of processes", source })?;

    let journal_epoch = Some(recovered.last_epoch()).filter(|epoch| *epoch > 0).map(Epoch);
    let raised = epoch::raise(&state, journal_epoch)?;
    notes.extend(raised.note);
    let epoch = raised.epoch;
    let journal = recovered.start(epoch.0, Wall::now()).map_err(of_the_journal)?;

    let cgroup = if config.system.cgroup {
        match SystemCgroup::make(&mark, epoch.0) {
            Ok(cgroup) => Some(cgroup),
            Err(unavailable) => {
                notes.push(format!("no cgroup for components: {unavailable}"));
                None
            }
        }
    } else {
        None
    };
    let controllers = match &cgroup {
        Some(cgroup) => {
            // SAFETY: takes nothing and cannot fail.
            let ours = [side.guard_pid, unsafe { libc::getpid() }];
            Controllers::switch_on(cgroup.path(), &cgroup::leaf_name(&mark), &ours)
        }
        None => Controllers::default(),
    };
    let own_pid = i32::try_from(std::process::id()).unwrap_or_default();
    let wanted = config.components.iter().any(|component| !component.credentials.is_empty());
    let credentials = CredentialFolders::new(runtime.path(), own_pid, runtime.memory_backed(), wanted);
    let blueprints = components::blueprints(&config, accounts, &runtime, &mark.jid, epoch, open_files, &credentials)?;
    let mut programs = Programs::new(&mark, open_files);
    programs.withhold_secrets(&config);
    let unclean = (ended_badly(&verdict) || replayed.last_end == LastEnd::GuardDied)
        && !(ended_for_its_storage(&latches) && leftovers.is_empty());
    let start = Start {
        epoch,
        kill_switch: latch.who_and_why(),
        latches: latches.into_iter().map(|latch| (latch.cause, latch.evidence)).collect(),
        new_journal: verdict == Verdict::New,
        unclean: unclean
            .then_some(Unclean { left_alive: leftovers.len(), guard_died: replayed.last_end == LastEnd::GuardDied }),
        damage,
    };
    Ok(Prepared {
        config,
        text: source.text,
        overrides: options.overrides.clone(),
        exit_on_failsafe: options.exit_on_failsafe,
        side,
        lock,
        runtime,
        epoch,
        mark,
        journal,
        verdict,
        core,
        start,
        latch,
        blueprints,
        credentials,
        programs,
        cgroup,
        controllers,
        register,
        leftovers,
        raised: replayed.raised,
        book: replayed.book,
        named: replayed.named,
        unsound: replayed.unsound,
        gate: replayed.gate,
        held: replayed.held,
        emergencies_told: replayed.emergencies_told,
        given_traces: replayed.given_traces,
        notes,
    })
}

/// Lets this process open as many files as it may: each client of the bot socket takes one. What the limit was is what
/// components get, since some programs misbehave under a high one.
fn raise_open_files() -> Option<(u64, u64)> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // A limit that cannot be raised shows when connections are refused.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    Some((soft, hard))
}

fn make_state_dir(state: &Path) -> Result<(), RunError> {
    let failed = |source| RunError::StateDir { path: state.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(|error| match error.kind() {
        // A link that leads nowhere is in the way just like a file.
        io::ErrorKind::AlreadyExists => failed(io::Error::other("something that is no directory has its name")),
        _ => failed(error),
    })
}

fn journal_settings(config: &Config) -> Settings {
    let boot = procfs::boot_id().unwrap_or_default();
    let mut settings = Settings::new(config.name(), boot, WRITER);
    settings.roll_bytes = config.journal.segment_max.0;
    settings.ballast_bytes = config.journal.ballast.0;
    settings
}

/// What the last engine of this boot knew to be durable, as its permit page still says: of this journal, not of another one
/// that had its place.
fn durable_mark(runtime: &RuntimeDir, state: &Path) -> Option<u64> {
    let page = failstop_client::permit::PermitPage::open(&runtime.permit()).ok()?;
    let diagnostics = page.diagnostics()?;
    let of_the_page: String = diagnostics.journal_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut of_the_journal = None;
    // The first record names the journal; whatever is wrong with it is the recovery's to judge.
    let _: io::Result<()> = failstop_journal::read_records(state, 0, |record| {
        let payload: serde_json::Value = serde_json::from_str(record.payload)?;
        of_the_journal = payload["jid"].as_str().map(str::to_owned);
        Err(io::Error::other("one is enough"))
    });
    (of_the_journal == Some(of_the_page)).then_some(diagnostics.durable_seq)
}

/// What a replay brought to light beside the core's state.
struct Replayed {
    /// A record that this version does not know. It stops the replay: a later version's halts would otherwise be passed over.
    unknown: Option<String>,
    /// When the halts that stand were raised; the core knows no wall time.
    raised: BTreeMap<HaltId, Timestamp>,
    /// The books.
    book: Book,
    /// Snapshots that are named and not retired.
    named: BTreeSet<u64>,
    /// The first record that breaks a rule of the books.
    unsound: Option<(u64, Unsound)>,
    /// Since when operators keep components stopped, likewise.
    held: HeldSince,
    /// What the journal has of emergency actions.
    emergencies_told: Told,
    /// Which halts were raised by which requests.
    given_traces: Given,
    /// How the last engine ended, as far as it could say so.
    last_end: LastEnd,
    /// The gate.
    gate: Option<Gate>,
}

/// What the journal says of the last engine's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastEnd {
    /// Nothing that its seal would not say.
    Unsaid,
    /// It ended because its guard had died, and sealed the journal.
    GuardDied,
}

impl LastEnd {
    fn replay(&mut self, kind: &str) {
        match kind {
            "x.failstop.guard_died" => *self = Self::GuardDied,
            "engine.started" => *self = Self::Unsaid,
            _ => {}
        }
    }
}

/// The gate that the configuration wants, if it wants one.
fn gate(config: &Config) -> Result<Option<Gate>, RunError> {
    let refused = |violation| RunError::Declaration { file: config.file.clone(), violation };
    match gate_policy(config) {
        // Both were seen to be possible when the configuration was read.
        Ok(Some(policy)) => Gate::new(policy).map(Some).map_err(|error| refused(error.to_string())),
        Ok(None) => Ok(None),
        Err(fault) => Err(refused(fault.message)),
    }
}

/// Whether everything that the configuration declares for the books may be declared in this journal: a scale never changes.
fn fits_the_journal(config: &Config, book: &Book) -> Result<(), RunError> {
    match contradictions(&config.books, book).first() {
        None => Ok(()),
        Some((_, violation)) => {
            Err(RunError::Declaration { file: config.file.clone(), violation: violation.to_string() })
        }
    }
}

/// Replays the journal into the core, into the books and into the gate.
fn replay(recovered: &Recovered<Disk>, core: &mut Core, mut gate: Option<Gate>) -> Result<Replayed, RunError> {
    let mut unknown = None;
    let mut raised = BTreeMap::new();
    let (mut book, mut named, mut unsound) = (Book::new(), BTreeSet::new(), None);
    let mut held = HeldSince::default();
    let mut emergencies_told = Told::default();
    let mut given_traces = Given::default();
    let mut last_end = LastEnd::Unsaid;
    let replayed: io::Result<()> = recovered.replay(|record| {
        if unknown.is_some() || record.is_own() {
            return Ok(());
        }
        emergencies_told.replay(record.kind, record.payload);
        given_traces.replay(record.kind, record.payload);
        last_end.replay(record.kind);
        match book.replay(&record) {
            Ok(()) => note_snapshots(&mut named, record.kind, record.payload),
            Err(wrong) => {
                unsound.get_or_insert((record.seq, wrong));
            }
        }
        let unreadable = |error: serde_json::Error| {
            format!(
                "record {} of type {} cannot be replayed ({error}): a later version of failstop wrote it",
                record.seq, record.kind
            )
        };
        match crate::gate::decode(record.kind, record.payload) {
            Ok(Some(known)) => {
                if let Some(gate) = &mut gate {
                    gate.replay(&known);
                }
                return Ok(());
            }
            Ok(None) => {}
            Err(error) => {
                unknown = Some(unreadable(error));
                return Ok(());
            }
        }
        match journal::decode(record.kind, record.payload) {
            Ok(Some(known)) => {
                match (&known, record.time.parse()) {
                    (Record::HaltRaised(halt), Ok(at)) => {
                        raised.insert(halt.id, at);
                    }
                    (Record::ComponentHeld { component, held: stays, .. }, Ok(at)) => held.note(component, *stays, at),
                    (_, _) => {}
                }
                core.replay(&known);
            }
            Ok(None) => {}
            Err(error) => unknown = Some(unreadable(error)),
        }
        Ok(())
    });
    replayed.map_err(|source| RunError::Host { what: "replay the journal", source })?;
    let standing: BTreeSet<HaltId> = core.halts().map(|(halt, _)| halt.id).collect();
    raised.retain(|id, _| standing.contains(id));
    held.forget_lifted();
    Ok(Replayed { last_end, unknown, raised, held, emergencies_told, given_traces, book, named, unsound, gate })
}

/// Whether the journal shows that the last engine did not end as it should. Damage is told as such.
fn ended_badly(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Unclean | Verdict::TornTail(_) | Verdict::Interrupted(_) => true,
        Verdict::New | Verdict::Clean | Verdict::Damaged(_) => false,
    }
}

/// Whether the last engine ended because its journal could not be written: it then left an unsealed journal and this latch,
/// and ended by its own decision. The halt tells people why; that it was killed or crashed would be false. A latch that
/// cannot be read proves nothing.
fn ended_for_its_storage(latches: &[HaltLatch]) -> bool {
    latches.iter().any(|latch| latch.halt.as_ref().is_some_and(|halt| halt.cause == Cause::Storage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::{Halt, HaltId, Permission, Scope};

    fn latch(cause: Cause, readable: bool) -> HaltLatch {
        let halt = Halt {
            id: HaltId(3),
            cause,
            component: None,
            scope: Scope::System,
            cap: Permission::Shutdown,
            latched: true,
            trigger: None,
            evidence: "EIO".to_owned(),
        };
        let halt = readable.then_some(halt);
        HaltLatch { path: "latches/storage.h-3.json".into(), cause, evidence: "EIO".to_owned(), halt }
    }

    #[test]
    fn only_a_storage_latch_that_can_be_read_says_why_the_last_engine_ended() {
        assert!(ended_for_its_storage(&[latch(Cause::Integrity, true), latch(Cause::Storage, true)]));
        assert!(!ended_for_its_storage(&[latch(Cause::Integrity, true)]));
        assert!(!ended_for_its_storage(&[latch(Cause::Storage, false)]));
        assert!(!ended_for_its_storage(&[]));
    }
}
