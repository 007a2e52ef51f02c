//! Opens everything that faces outside: permit page, recorder, sockets, doors, watches; and makes the engine that owns them.

use super::audit::Unproved;
use super::books::Watch;
use super::bots::Bots;
use super::concerns::Told;
use super::diagnosis::{Diagnosis, Purpose};
use super::emergency::Emergencies;
use super::ending::Ending;
use super::engine::Engine;
use super::events::{self, Sources};
use super::facts::{Facts, Identity};
use super::figures::Hour;
use super::gate::Sharing;
use super::guard_watch::GuardWatch;
use super::hooks::Hooks;
use super::journal::{Ledger, Report};
use super::latch::{self};
use super::latch_watch::LatchWatch;
use super::log_files::LogFiles;
use super::notices::Refusals;
use super::probes::Probes;
use super::programs::PROGRAM_QUEUE;
use super::reload::Configuring;
use super::sampling::START_IS_OVER;
use super::snapshots::Snapshots;
use super::start::Prepared;
use super::strays::Strays;
use super::thresholds::Hints;
use super::traces::Traces;
use super::verifier::Verifier;
use super::witness::Witness;
use super::{RunError, summary};
use crate::access::Holders;
use crate::alerts::{Concern, Delivery, ProgramDoor};
use crate::announce::{Announcer, Format as LineFormat};
use crate::books::Books;
use crate::checks::{self};
use crate::clock::{self, ClockChanges, JumpDetector, Reading, Timer};
use crate::command::{self, Engagements};
use crate::config::{Destination, Format, PricePoll};
use crate::custom::{Ready, Sources as CustomSources};
use crate::doors::bot::{self, BotDoor};
use crate::doors::control::{ControlListener, ControlSettings, descendants_of};
use crate::doors::observe::{Judging, ObserveListener, Site};
use crate::doors::remote::RemoteListener;
use crate::doors::telegram;
use crate::doors::{HttpDoors, Limits, Link, Listeners};
use crate::footprint::Footprint;
use crate::gate::Desk;
use crate::history::History as Figures;
use crate::kill_switch::LatchProbe;
use crate::limits::kernel::{self, KernelLimits};
use crate::limits::out_of_memory::KillCounts;
use crate::metrics::Meters;
use crate::notify_socket::{FdStore, NotifySockets};
use crate::output::{self, Output, Rotation};
use crate::permit::{PermitWriter, Terms};
use crate::price_poller::PricePoller;
use crate::process::procfs;
use crate::process::spawn::Spawner;
use crate::process::tree::Trees;
use crate::process::watch_set::WatchSet;
use crate::reloading::{Eyes, History, digest};
use crate::runtime_dir::{EngineInfo, ProcessRef};
use crate::systemd::Systemd;
use crate::thresholds::Watcher;
use failstop_core::{Breaker, Input};
use failstop_journal::{Bounds, Progress, Recorder, Wall};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// How many of the recorder's reports may wait for the loop: each is a batch, and the recorder waits for nobody.
const REPORTS_WAITING: usize = 65_536;

/// Everything that was opened.
pub struct Opened {
    /// The engine, told that it starts.
    pub engine: Engine,
    /// What it waits on.
    pub sources: Sources,
    /// The control and observe doors.
    pub doors: HttpDoors,
    /// The bot socket's task.
    pub door_task: tokio::task::JoinHandle<()>,
}

fn host<T>(what: &'static str) -> impl FnOnce(T) -> RunError
where
    T: Into<std::io::Error>,
{
    move |source| RunError::Host { what, source: source.into() }
}

/// Opens everything that faces outside, and tells the core that it starts.
///
/// # Errors
/// What the engine cannot be without.
pub fn open(prepared: Prepared) -> Result<Opened, RunError> {
    let Prepared { config, side, runtime, journal, core, blueprints, mark, .. } = prepared;
    let state_dir = config.state_dir().to_owned();
    let started_at = clock::now();
    let probe = || LatchProbe::open(&state_dir).map_err(host("watch the kill switch's latch"));

    let permit_mode = runtime.access().permit_mode();
    let terms = Terms { epoch: prepared.epoch, lease: config.permit.lease, mode: permit_mode };
    let permit = PermitWriter::create(&runtime.permit(), terms, probe()?)?;
    side.announce_permit(&runtime.permit())?;
    if let Some(cgroup) = &prepared.cgroup {
        side.announce_cgroup(cgroup.path())?;
    }
    let names = blueprints.iter().map(|blueprint| (blueprint.slot, blueprint.name.clone()));
    let trees =
        Trees::new(mark.clone(), names, prepared.cgroup.as_ref()).map_err(host("make the components' cgroups"))?;

    let watch_set = WatchSet::new().map_err(host("make a set of descriptors"))?;
    let mut notify = NotifySockets::new();
    let own_uid = nix::unistd::geteuid().as_raw();
    for blueprint in &blueprints {
        let uid = blueprint.account.uid.unwrap_or(own_uid);
        if let Some(address) = &blueprint.notify_socket {
            notify.add(blueprint.slot, address, uid, runtime.access().socket_mode(), blueprint.notify_access)?;
        }
    }
    let notify_starts = notify.starts();
    let (report, recorder_reports) = mpsc::channel(REPORTS_WAITING);
    let jid = journal.jid().to_string();
    let journal_id = journal.jid().to_bytes();
    let head = journal.durable();
    let recorder = Recorder::spawn(journal, Bounds::default(), Wall::now, move |progress| {
        let report_of = match progress {
            Progress::Durable { written, head } => {
                Report::Durable { written: written.to_vec(), seq: head.seq, head: head.hash }
            }
            Progress::Failed(failure) => {
                Report::Failed { error: failure.error.to_string(), last_words: failure.error.is_no_space() }
            }
        };
        // Only a loop that has ended does not take it, and then nobody waits for it.
        let _ = report.blocking_send(report_of);
    })
    .map_err(host("start the recorder's thread"))?;

    let shown = config.output.to.contains(&Destination::Stdout);
    let to_journal =
        config.output.to.contains(&Destination::Journal) || (shown && output::is_the_journal(&std::io::stdout()));
    let output = Output::start(output::Settings {
        state_dir: state_dir.clone(),
        rotation: Rotation {
            max_bytes: config.output.max_size.0,
            keep: usize::try_from(config.output.files).unwrap_or(usize::MAX),
        },
        components: blueprints.iter().map(|blueprint| blueprint.name.clone()).collect(),
        keep: config.output.to.contains(&Destination::Files),
        show: shown && !output::is_the_journal(&std::io::stdout()),
        system: config.name().to_owned(),
        journal: to_journal.then(|| config.output.journal_socket.clone()),
    })?;

    let bot_options = bot::Options {
        mode: runtime.access().socket_mode(),
        users: blueprints.iter().filter_map(|blueprint| blueprint.account.uid).collect(),
        ..bot::Options::default()
    };
    let bot_door = BotDoor::bind(&runtime.bot_socket(), &bot_options)?;
    let (bot_events, bots) = mpsc::channel(bot::EVENT_QUEUE);
    let door_task = tokio::spawn(bot_door.serve(bot_events));
    if let Some(name) = prepared.lock.journal_name() {
        tokio::spawn(name.answer().map_err(host("answer whoever asks for this journal's name"))?);
    }

    let (commands, command_requests) = mpsc::channel(command::COMMAND_QUEUE);
    let below_the_engine = descendants_of(i32::try_from(std::process::id()).unwrap_or_default());
    let of_the_system = mark.clone();
    let (holders, unknown) = Holders::find(&config.control);
    let settings = ControlSettings {
        system: config.name().to_owned(),
        holders,
        token_file: config.control.token_file.clone(),
        components: blueprints.iter().map(|blueprint| blueprint.name.clone()).collect(),
        component_processes: Arc::new(move |pid| {
            procfs::marks(pid).is_ok_and(|marks| marks.belongs_to(&of_the_system)) || below_the_engine(pid)
        }),
        limits: Limits::CONTROL.for_orders_that_wait(config.witness.second_key().unwrap_or_default()),
    };
    let control = ControlListener::bind(&runtime.control_socket(), settings)?.showing(config.observe.dashboard);
    let mut notes = prepared.notes;
    notes.extend(unknown);
    if let Some(system) = &prepared.cgroup {
        let slots = blueprints.iter().map(|blueprint| blueprint.slot);
        let cgroups = slots.filter_map(|slot| Some((slot.index()?, trees.component_cgroup(slot)?.path())));
        notes.extend(kernel::hold(&config, system.path(), cgroups, &prepared.controllers.usable, KernelLimits::write));
    }
    let (thresholds, judged) = watch::channel(Judging::of(&config));
    let (shed, gives_way) = watch::channel(false);
    let observe = match ObserveListener::open(&config, Site::of(&config, judged, gives_way)) {
        Ok(listener) => listener,
        Err(unavailable) => {
            notes.push(unavailable.to_string());
            None
        }
    };
    if observe.is_some() {
        notes.extend(checks::exposed(&config).into_iter().map(|(what, next)| format!("{what}; {next}")));
    }
    let observe_address = observe.as_ref().map(ObserveListener::url);
    let remote = match RemoteListener::open(&config.control, config.name(), clock::wall_ms()) {
        Ok(remote) => remote.map(|remote| {
            let components = blueprints.iter().map(|blueprint| blueprint.name.clone()).collect();
            let waits = config.witness.second_key().unwrap_or_default();
            let limits = Limits::REMOTE.for_orders_that_wait(waits);
            remote.controlling(components).showing(config.observe.dashboard).within(limits)
        }),
        Err(unavailable) => {
            notes.push(unavailable.to_string());
            None
        }
    };
    let remote_address = remote.as_ref().map(RemoteListener::url);
    let refused_signatures = remote.as_ref().map(RemoteListener::refused);
    let observe = match (observe, &refused_signatures) {
        (Some(observe), Some(refused)) => Some(observe.counting(Arc::clone(refused))),
        (observe, _) => observe,
    };
    let refused_signatures = refused_signatures.or_else(|| observe.as_ref().and_then(ObserveListener::refused));
    let (beats, listeners_of_beats) = watch::channel(None);
    let (hears, heard) = watch::channel(telegram::Settings::of(&config));
    let engagements = Engagements::default();
    let link =
        Link { commands, beats: listeners_of_beats, state_dir: state_dir.clone(), engagements: engagements.clone() };
    let listeners = Listeners { control: Some(control), observe, remote, telegram: Some(heard) };
    let doors = HttpDoors::open(listeners, link)?;

    let (emergencies, note) = Emergencies::open(&config, prepared.emergencies_told);
    notes.extend(note);
    let facts_of_the_host = checks::HostFacts::gather();
    let mut host_notes = checks::host_notes(&config, &facts_of_the_host);
    host_notes.extend(notes);
    let this = ProcessRef::this().map_err(host("read /proc/self/stat"))?;
    let info = EngineInfo {
        system: config.name().to_owned(),
        jid: jid.clone(),
        mark: mark.to_string(),
        epoch: prepared.epoch.0,
        engine: this,
        guard: ProcessRef::of(side.guard_pid).ok().flatten(),
        boot_id: EngineInfo::this_boot(),
        state_dir: std::path::absolute(&state_dir).unwrap_or_else(|_| state_dir.clone()),
        runtime_dir: std::path::absolute(runtime.path()).unwrap_or_else(|_| runtime.path().to_owned()),
        cgroup: prepared.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned()),
        control_socket: runtime.control_socket(),
        observe: observe_address.clone(),
        control: remote_address,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: clock::rfc3339(clock::wall()),
    };
    info.publish().map_err(host("write engine.json"))?;

    let (probes, tries) = Probes::open(&config)?;
    let (polls, polled) =
        PricePoller::open(config.prices.poll.iter().filter_map(PricePoll::poll).collect(), started_at)?;
    let (custom, measured) = CustomSources::open(Ready::of(&config), started_at)?;
    let (sharing, group) = match Sharing::open(&config)? {
        Some((sharing, words)) => (Some(sharing), words),
        None => (None, mpsc::channel(1).1),
    };
    let (findings, checks_done) = mpsc::channel(4);
    let (made, snapshots) = mpsc::channel(2);
    let barred = prepared.start.damage.clone();
    let books = Books::new(prepared.book, prepared.named, head.seq, prepared.epoch.0);
    let (witness, words) = Witness::new(&config.witness, &state_dir);
    let (verifier, verified) = Verifier::new(&state_dir, config.journal.verify_every, started_at);
    let sha256 = digest(&prepared.text);
    let eyes = Eyes::new(&config.file, prepared.overrides, &sha256);
    let (configuring, configuration, unkept) =
        Configuring::new(eyes, History::of(&state_dir), sha256, (thresholds, hears));
    let (programs, program_requests) = mpsc::channel(PROGRAM_QUEUE);
    let identity = Identity {
        system: config.name().to_owned(),
        epoch: prepared.epoch,
        started: started_at,
        guard_pid: u32::try_from(side.guard_pid).unwrap_or_default(),
        jid,
        observe: observe_address,
        environment: config.system.environment.as_str().to_owned(),
        raised_before: Arc::new(prepared.raised),
    };
    let readable = |fd: std::os::fd::BorrowedFd<'_>| events::readable(fd.try_clone_to_owned()?);
    let sources = Sources {
        timer: Timer::new().map_err(host("make a timer"))?,
        recorder: recorder_reports,
        signals: readable(side.signals.as_fd()).map_err(host("wait for signals"))?,
        guard: readable(side.link()).map_err(host("watch the guard"))?,
        watched: events::readable(watch_set.to_wait_on().map_err(host("watch descriptors"))?)
            .map_err(host("watch descriptors"))?,
        latch: LatchWatch::new(&state_dir, &Emergencies::folder(&state_dir)).ok(),
        clock: ClockChanges::new().ok(),
        notify,
        bots,
        commands: command_requests,
        checks: checks_done,
        snapshots,
        configuration,
        verified,
        witness: words,
        programs: program_requests,
        tries,
        was_due: false,
        group,
        polled,
        measured,
    };
    let format = match config.log.format {
        Format::Text => LineFormat::Text,
        Format::Json => LineFormat::Json,
    };
    let systemd = Systemd::from_env(side.relays_notify());
    let spawner = Spawner::new()?;
    let latch_probe = probe()?;
    // Last of what is opened: from here on nothing fails, so its thread is always ended in order.
    let alerts = Delivery::open(&config, Some(Arc::new(ProgramDoor::new(programs.clone(), config.folder.clone()))));
    let mut engine = Engine {
        alerts,
        facts: Facts::new(&config, identity, prepared.held, host_notes),
        verifier,
        witness,
        diagnosis: Diagnosis::new(Arc::clone(&config), findings, programs),
        desk: prepared.gate.and_then(|gate| Desk::new(gate, &config)),
        sharing,
        polls,
        custom,
        footprint: Footprint::new(config.footprint.caps()),
        concerns: Concern::ALL.into_iter().map(|concern| (concern, Told::Before)).collect(),
        ledger: Ledger::new(recorder.handle().clone(), books, head.seq),
        watch: Watch::default(),
        snapshots: Snapshots::new(made, started_at, barred),
        recorder: Some(recorder),
        head: (head.seq, head.hash),
        latch_seen: latch::identity(&prepared.latch),
        probe: latch_probe,
        core,
        effects: Vec::new(),
        inbox: VecDeque::new(),
        epoch: prepared.epoch,
        mark,
        permit,
        revoked_until: None,
        trees,
        kill_again_at: None,
        tidy_at: None,
        spawner,
        programs: prepared.programs,
        probes,
        register: prepared.register,
        credentials: prepared.credentials,
        blueprints,
        output,
        lost_output: output::Lost::default(),
        bots: Bots::default(),
        maybe_changed: true,
        meters: Meters::counting(refused_signatures, doors.forbidden()).with_strangers(doors.strangers()),
        history: Figures::new(started_at),
        hour: Hour::new(started_at),
        strays: Strays::default(),
        thresholds: Watcher::new(&config, started_at),
        hints: Hints::default(),
        log_files: LogFiles::default(),
        code_let_go_at: started_at.plus(START_IS_OVER),
        breaker: Breaker::new(config.breaker.policy()),
        shed,
        resumes: Vec::new(),
        engagements,
        declined: command::Declinations::default(),
        requests: BTreeMap::new(),
        next_request: 1,
        announcer: Announcer::new(format, config.name()),
        to_say: Vec::new(),
        traces: Traces::new(journal_id, prepared.given_traces),
        extend_at: None,
        configuring,
        reloading: false,
        beat_at: systemd.beat_every().map(|every| started_at.plus(every)),
        systemd,
        jumps: JumpDetector::new(Reading::take()),
        unproved: Unproved::new(),
        sample_at: started_at,
        notify_starts,
        refusals: Refusals::default(),
        hooks: Hooks::default(),
        emergencies,
        watch_set,
        store: FdStore::default(),
        guard_watch: GuardWatch::new(info.guard),
        side,
        cgroup: prepared.cgroup,
        controllers: prepared.controllers,
        kill_counts: KillCounts::default(),
        info,
        runtime,
        state_dir,
        exit_on_failsafe: prepared.exit_on_failsafe,
        announced_ready: false,
        journal_id,
        exit: None,
        storage_failed: false,
        ending: Ending::new(&config, beats),
        config,
        lock: prepared.lock,
    };
    let journal = (&prepared.verdict, head.seq);
    let notes = engine.facts.host_notes();
    let summary = summary::summary(&engine.config, &engine.info, journal, engine.core.mode(), notes);
    engine.facts.custom.declare(engine.custom.declared());
    engine.announcer.summary(&engine.output, &summary);
    engine.note_findings_of_start(&prepared.verdict, &prepared.leftovers);
    for fault in engine.alerts.faults() {
        engine.say("alerts", &fault);
    }
    engine.feed(Input::Start(prepared.start));
    engine.open_snapshots();
    engine.open_books(prepared.unsound);
    engine.start_gate();
    engine.reconcile_alerts();
    engine.tell_standing_maintenance();
    engine.diagnosis.start(Purpose::Start);
    if let Some(error) = unkept {
        engine.say("config", &format!("the file is not read again: no thread is to be had ({error})"));
    }
    engine.begin_to_configure(prepared.text);
    Ok(Opened { engine, sources, doors, door_task })
}
