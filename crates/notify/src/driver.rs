//! The thin shell around the heart, for one current-thread runtime: commands and answers in, sends out. One loop owns
//! everything; each turn saves what was decided before anything is sent on its account.

use crate::answer::Answer;
use crate::channel::{Carriers, Destination, Kind};
use crate::clock::Clock;
use crate::config::Config;
use crate::disk::Disk;
use crate::handle::{Command, Handle, Published, QUEUE_MAX};
use crate::heart::{Heart, LaneId, Now, Order, Spec};
use crate::mask::Mask;
use crate::message::Message;
use crate::report::{Alert, Status, Tested};
use crate::settings::Unusable;
use crate::store::{Store, StoreError};
use crate::threads::THREADS;
use crate::transport::http::Http;
use crate::transport::tls::Trust;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Commands that one turn takes up together, so that they share one fsync.
const BATCH_MAX: usize = 256;

/// How often what is shown is made anew while much happens.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// The longest sleep: a timer of the runtime does not count a suspend, so what is due is looked at again.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// How often a destination is followed to where it moved.
const MOVES_MAX: usize = 4;

/// Why the notifier cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the outbox open.
    #[error("{path} is in use by another process: two notifiers would send everything twice; stop the other one")]
    InUse {
        /// The outbox's folder.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error("{path} was written by a later version (format {format}): run that version, or move the folder away")]
    Later {
        /// The outbox's folder.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// A channel cannot work as configured.
    #[error("the channel {channel} cannot work: {fault}")]
    Channel {
        /// Which.
        channel: String,
        /// What is wrong and what to do.
        fault: String,
    },
    /// TLS or the proxies cannot be set up.
    #[error("alert channels cannot be reached: {fault}")]
    Transport {
        /// What is wrong and what to do.
        fault: String,
    },
}

/// Where a lane leads.
#[derive(Clone)]
struct Route {
    kind: Arc<Kind>,
    channel: String,
    destination: Option<String>,
    within: Duration,
}

/// What follows from a configuration.
struct Fleet {
    specs: Vec<Spec>,
    routes: BTreeMap<LaneId, Route>,
    carriers: Carriers,
    mask: Mask,
}

impl Fleet {
    fn of(config: &Config) -> Result<Self, OpenError> {
        let transport = |fault: String| OpenError::Transport { fault };
        let trust = Trust::new(config.ca_file.as_deref()).map_err(|fault| transport(fault.to_string()))?;
        let http = Http::new(&trust).map_err(transport)?;
        let carriers = Carriers { http, trust, programs: Arc::clone(&config.programs) };
        let (mut specs, mut routes) = (Vec::new(), BTreeMap::new());
        for channel in &config.channels {
            let unusable = |fault: String| OpenError::Channel { channel: channel.name.clone(), fault };
            channel.kind.check().map_err(unusable)?;
            let kind = Arc::new(channel.kind.clone());
            for spec in crate::channel::specs(channel) {
                let route = Route {
                    kind: Arc::clone(&kind),
                    channel: channel.name.clone(),
                    destination: spec.destination.clone(),
                    within: channel.timeout,
                };
                if routes.insert(spec.id.clone(), route).is_some() {
                    let fault = format!("{} is there twice: give each channel a name of its own", spec.id);
                    return Err(OpenError::Channel { channel: channel.name.clone(), fault });
                }
                specs.push(spec);
            }
        }
        let secrets = config.channels.iter().flat_map(|channel| channel.kind.secrets());
        Ok(Self { mask: Mask::new(secrets), specs, routes, carriers })
    }
}

/// What [`open`] would refuse of the channels: each with what is wrong and what to do. Opens and sends nothing.
pub fn faults(config: &Config) -> Vec<Unusable> {
    let of_kind = config.channels.iter().filter_map(|channel| {
        let fault = channel.kind.check().err()?;
        Some(Unusable { channel: channel.name.clone(), fault })
    });
    let mut faults: Vec<Unusable> = of_kind.collect();
    if faults.is_empty()
        && let Err(error) = Fleet::of(config)
    {
        let channel = match &error {
            OpenError::Channel { channel, .. } => channel.clone(),
            OpenError::InUse { .. } | OpenError::Later { .. } | OpenError::Transport { .. } => "alerts".to_owned(),
        };
        faults.push(Unusable { channel, fault: error.to_string() });
    }
    faults
}

/// Where the channels lead: each with host and port, for a test of reachability. Channels of this host lead nowhere. Behind
/// a proxy the services themselves cannot be reached, and need not be.
pub fn endpoints(config: &Config) -> Vec<(String, String, u16)> {
    let of_channel = |channel: &crate::Channel| -> Vec<(String, String, u16)> {
        let reached = channel.kind.endpoints().into_iter();
        reached.map(|(host, port)| (channel.name.clone(), host, port)).collect()
    };
    config.channels.iter().flat_map(of_channel).collect()
}

/// The alerts that an outbox holds, the newest first, without opening it: nothing is locked, repaired or written, and another
/// process may be using it. A folder that is not there holds none.
///
/// # Errors
///
/// The outbox cannot be read, or a later version wrote it.
pub fn read(folder: &Path) -> io::Result<Vec<Alert>> {
    let records = crate::store::peek(folder)?;
    let mut heart = Heart::new(String::new(), crate::Policy::default(), Vec::new());
    for record in &records {
        heart.replay(record);
    }
    Ok(heart.alerts())
}

/// Opens the outbox in `folder` (made if it is not there), takes up what a former process left in it, and gives the way in
/// and what does the work. Nothing is sent before the driver runs; [`Handle::list`] already shows what was open.
///
/// A disk that cannot be read or written does not keep alerts from people: it is said in [`Status::not_durable`].
///
/// # Errors
///
/// [`OpenError`].
pub fn open(config: Config, folder: &Path) -> Result<(Handle, Driver), OpenError> {
    let fleet = Fleet::of(&config)?;
    let mut heart = Heart::new(config.name.clone(), config.policy.clone(), fleet.specs.clone());
    let wall = crate::clock::wall();
    let (disk, damage, clock) = match Store::open(folder) {
        Ok((store, found)) => {
            for record in &found.records {
                heart.replay(record);
            }
            let damage = (found.damaged > 0).then(|| {
                format!(
                    "{} lines of the outbox could not be read and were skipped; {} holds it as it was",
                    found.damaged,
                    folder.join("outbox.damaged").display()
                )
            });
            (Disk::new(store, &THREADS), damage, Clock::from(crate::store::resume(&found.records, wall)))
        }
        Err(StoreError::InUse) => return Err(OpenError::InUse { path: folder.to_owned() }),
        Err(StoreError::Later(format)) => return Err(OpenError::Later { path: folder.to_owned(), format }),
        Err(StoreError::Io(error)) => {
            let fault = format!("the outbox in {} cannot be opened: {error}", folder.display());
            (Disk::gone(fault, &THREADS), None, Clock::from(crate::store::resume(&[], wall)))
        }
    };
    heart.adopt(clock.now(), config.policy.clone(), fleet.specs.clone());
    if let Some(damage) = &damage {
        heart.tell_damage(clock.now(), damage);
    }
    let (sender, commands) = mpsc::channel(QUEUE_MAX);
    let published = Arc::new(Mutex::new(Published::default()));
    let driver = Driver {
        name: config.name,
        heart,
        fleet,
        disk,
        clock,
        damage,
        commands,
        published: Arc::clone(&published),
        attempts: JoinSet::new(),
        tests: JoinSet::new(),
        replies: Vec::new(),
        random: RandomState::new(),
        counted: 0,
        shown_at: None,
        stale: false,
    };
    driver.show();
    Ok((Handle::new(sender, published), driver))
}

/// Answers that wait for the disk.
type LateReply = Box<dyn FnOnce() + Send>;

/// What tests of lanes came to, and who asked for them.
type Outcomes = (Vec<(LaneId, Tested)>, oneshot::Sender<Vec<Tested>>);

/// What a turn of the loop waits for.
enum Event {
    Command(Command),
    NoHandles,
    Answered(Box<Order>, Answer),
    Tested(Outcomes),
    Time,
    Stop,
}

/// Does the work; see [`Driver::run`] and [`Driver::spawn`].
pub struct Driver {
    name: String,
    heart: Heart,
    fleet: Fleet,
    disk: Disk,
    clock: Clock,
    damage: Option<String>,
    commands: mpsc::Receiver<Command>,
    published: Arc<Mutex<Published>>,
    attempts: JoinSet<(Box<Order>, Answer)>,
    tests: JoinSet<Outcomes>,
    replies: Vec<LateReply>,
    random: RandomState,
    counted: u64,
    shown_at: Option<Instant>,
    stale: bool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Driver {
    /// Works until `stop` is ready or every [`Handle`] is gone; then still records what was reported and gives first
    /// attempts a few seconds ([`crate::DRAIN_MAX`]). Whatever was not delivered is in the outbox for the next start.
    ///
    /// Needs a runtime with time and I/O enabled; one current-thread runtime is enough.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut until: Option<Instant> = None;
        loop {
            self.turn().await;
            if let Some(until) = until
                && (Instant::now() >= until || !self.heart.has_untried(self.clock.now().at, crate::DRAIN_MAX))
            {
                break;
            }
            let event = self.wait(stop.as_mut(), until).await;
            let ending = matches!(event, Event::Stop | Event::NoHandles);
            self.apply(event);
            if ending && until.is_none() {
                self.commands.close();
                // What was reported before the end is recorded, whatever becomes of it.
                while let Ok(command) = self.commands.try_recv() {
                    self.command(command);
                }
                until = Some(Instant::now() + crate::DRAIN_MAX);
            }
        }
        // An attempt that is cut off here counts as one whose answer was lost.
        self.attempts.abort_all();
        self.save().await;
        self.show();
    }

    /// The same on a thread of its own with a runtime of its own and every signal blocked, so that a stuck service never
    /// touches the caller's loop.
    ///
    /// # Errors
    ///
    /// The thread or its runtime cannot be made.
    pub fn spawn(self) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let before = nix::sys::signal::SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
        let spawned = std::thread::Builder::new().name("failstop-alerts".to_owned()).spawn(move || {
            runtime.block_on(self.run(async {
                // A dropped sender is an order to stop, too.
                let _ = stopped.await;
            }));
            // A disk or a name server that does not answer must not hold the end up.
            runtime.shutdown_background();
        });
        before.thread_set_mask()?;
        Ok(Running { stop, thread: spawned? })
    }

    /// Saves, starts what may start, shows.
    async fn turn(&mut self) {
        self.heart.tick(self.clock.now());
        loop {
            self.save().await;
            let now = self.clock.now();
            while let Some(order) = self.heart.poll(now) {
                self.start(order, now);
            }
            // What is combined because it is late is saved first.
            if !self.heart.has_unsaved() {
                break;
            }
        }
        let due = self.shown_at.is_none_or(|at| at.elapsed() >= PUBLISH_EVERY);
        if self.stale && (due || !self.replies.is_empty()) {
            self.show();
            self.stale = false;
            self.shown_at = Some(Instant::now());
        }
        for reply in std::mem::take(&mut self.replies) {
            reply();
        }
    }

    async fn save(&mut self) {
        let now = self.clock.now();
        let records = self.heart.take_unsaved();
        self.stale |= !records.is_empty();
        let heart = &self.heart;
        self.disk.save(now, records, || heart.snapshot()).await;
    }

    async fn wait(&mut self, stop: std::pin::Pin<&mut impl Future<Output = ()>>, until: Option<Instant>) -> Event {
        let at = self.clock.now().at;
        let due = self.heart.next_due(at).map(|due| due.since(at));
        let mut sleep = due.unwrap_or(SLEEP_MAX).min(SLEEP_MAX);
        if self.stale {
            sleep = sleep.min(PUBLISH_EVERY);
        }
        let mut wake = Instant::now() + sleep;
        wake = [until, self.disk.again()].into_iter().flatten().fold(wake, Instant::min);
        tokio::select! {
            biased;
            () = stop, if until.is_none() => Event::Stop,
            Some(done) = self.attempts.join_next(), if !self.attempts.is_empty() => match done {
                Ok((order, answer)) => Event::Answered(order, answer),
                // A panic ends the process, and nothing is cancelled before the end.
                Err(_) => Event::Time,
            },
            command = self.commands.recv(), if until.is_none() || !self.commands.is_empty() => {
                command.map_or(Event::NoHandles, Event::Command)
            }
            Some(done) = self.tests.join_next(), if !self.tests.is_empty() => match done {
                Ok(outcomes) => Event::Tested(outcomes),
                // A panic ends the process, and nothing is cancelled before the end.
                Err(_) => Event::Time,
            },
            () = tokio::time::sleep_until(wake) => Event::Time,
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Command(command) => {
                self.command(command);
                for _ in 1..BATCH_MAX {
                    let Ok(command) = self.commands.try_recv() else { break };
                    self.command(command);
                }
            }
            Event::Answered(order, answer) => {
                self.answered(&order, answer);
                while let Some(Ok((order, answer))) = self.attempts.try_join_next() {
                    self.answered(&order, answer);
                }
            }
            Event::Tested((outcomes, reply)) => {
                let now = self.clock.now();
                for (lane, tested) in &outcomes {
                    if tested.outcome.is_ok() {
                        self.heart.worked(now, lane);
                    }
                }
                self.reply(reply, outcomes.into_iter().map(|(_, tested)| tested).collect());
            }
            Event::NoHandles | Event::Time | Event::Stop => {}
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Report(notice, reply) => {
                let reported = self.heart.report(now, *notice);
                self.reply(reply, reported);
            }
            Command::Acknowledge { key, by, reply } => {
                let acknowledged = self.heart.acknowledge(now, &key, &by);
                self.reply(reply, acknowledged);
            }
            Command::HandOver { key, reply } => {
                let was_open = self.heart.hand_over(now, &key);
                self.reply(reply, was_open);
            }
            Command::MaintenanceOver { system, reply } => {
                let count = self.heart.maintenance_over(now, &system);
                self.reply(reply, count);
            }
            Command::Test { channel, reply } => self.test(now, channel.as_deref(), reply),
            Command::Reconfigure { config, reply } => {
                let outcome = Fleet::of(&config).map(|fleet| {
                    self.heart.adopt(now, config.policy, fleet.specs.clone());
                    self.fleet = fleet;
                });
                self.stale = true;
                self.reply(reply, outcome);
            }
        }
    }

    fn reply<T: Send + 'static>(&mut self, reply: oneshot::Sender<T>, value: T) {
        self.stale = true;
        // Nobody has to wait for it.
        self.replies.push(Box::new(move || drop(reply.send(value))));
    }

    fn start(&mut self, order: Order, now: Now) {
        let Some(route) = self.fleet.routes.get(&order.lane).cloned() else {
            // Lanes and routes are made together.
            self.heart.answered(now, &order, Answer::permanent("the channel is not configured"), 0);
            return;
        };
        let to = self.destination(&route, &order.lane);
        let carriers = self.fleet.carriers.clone();
        self.attempts.spawn(async move {
            let message = Message::new(order.clone(), now.wall);
            let answer = route.kind.send(&carriers, message, &to).await;
            (Box::new(order), answer)
        });
    }

    fn destination(&self, route: &Route, lane: &LaneId) -> Destination {
        let configured = match &*route.kind {
            Kind::Telegram(telegram) => Some(telegram.chat_id.as_str()),
            _ => None,
        };
        let mut moved = configured.and_then(|from| self.heart.moved_to(lane, from));
        // What moved may move again.
        for _ in 0..MOVES_MAX {
            let Some(further) = moved.and_then(|from| self.heart.moved_to(lane, from)) else { break };
            moved = Some(further);
        }
        Destination { name: route.destination.clone(), moved: moved.map(str::to_owned), within: route.within }
    }

    fn answered(&mut self, order: &Order, answer: Answer) {
        let answer = masked(answer, &self.fleet.mask);
        let random = self.random();
        self.stale = true;
        self.heart.answered(self.clock.now(), order, answer, random);
    }

    /// Spreads attempts; nothing else depends on it.
    fn random(&mut self) -> u32 {
        self.counted = self.counted.wrapping_add(1);
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.counted);
        u32::try_from(hasher.finish() >> 32).unwrap_or(0)
    }

    fn test(&mut self, now: Now, channel: Option<&str>, reply: oneshot::Sender<Vec<Tested>>) {
        let wanted = |route: &&Route| channel.is_none_or(|name| route.channel == name);
        let specs = self.fleet.specs.iter();
        let lanes: Vec<(LaneId, Route)> = specs
            .filter_map(|spec| Some((spec.id.clone(), self.fleet.routes.get(&spec.id)?.clone())))
            .filter(|(_, route)| wanted(&route))
            .collect();
        let mut tests = JoinSet::new();
        for (at, (lane, route)) in lanes.into_iter().enumerate() {
            let number = now.wall.as_millisecond().unsigned_abs();
            let Some(order) = crate::drill::order(&self.name, &lane, number, now) else { continue };
            let to = self.destination(&route, &lane);
            let (carriers, mask) = (self.fleet.carriers.clone(), self.fleet.mask.clone());
            tests.spawn(async move {
                let outcome = crate::drill::prove(&route.kind, &carriers, order, &to, &mask).await;
                (at, (lane, Tested { channel: route.channel, destination: route.destination, outcome }))
            });
        }
        self.tests.spawn(async move {
            let mut outcomes = tests.join_all().await;
            outcomes.sort_by_key(|(at, _)| *at);
            (outcomes.into_iter().map(|(_, outcome)| outcome).collect(), reply)
        });
    }

    /// Makes what [`Handle`]s show.
    fn show(&self) {
        let at = self.clock.now().at;
        let status = Status {
            channels: self.heart.channels(at),
            counters: self.heart.counters(),
            open: self.heart.open_count(),
            not_durable: self.disk.fault().map(str::to_owned),
            damage: self.damage.clone(),
        };
        let alerts = self.heart.alerts().into();
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Published { alerts, status };
    }
}

fn masked(answer: Answer, mask: &Mask) -> Answer {
    match answer {
        Answer::Ok { .. } | Answer::Migrate { .. } => answer,
        Answer::Retry { reason } => Answer::Retry { reason: mask.cover(&reason) },
        Answer::RetryAfter { after, reason } => Answer::RetryAfter { after, reason: mask.cover(&reason) },
        Answer::Permanent { reason } => Answer::Permanent { reason: mask.cover(&reason) },
        Answer::FixPayload { reason } => Answer::FixPayload { reason: mask.cover(&reason) },
        Answer::Ambiguous { reason } => Answer::Ambiguous { reason: mask.cover(&reason) },
    }
}

/// A driver on a thread of its own. Dropping it stops the driver without waiting for it.
#[derive(Debug)]
pub struct Running {
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    /// Ends it as [`Driver::run`] ends, and waits for that: at most [`crate::DRAIN_MAX`] and a write to the disk.
    pub fn stop(self) {
        // The other end is gone only when the thread has ended already.
        let _ = self.stop.send(());
        // A panic ends the process long before it could be seen here.
        let _ = self.thread.join();
    }
}
