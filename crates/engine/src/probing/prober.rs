//! The thread on which a running engine asks over the network. The loop says what is to be tried and when; nothing is decided
//! here. Programs are not run here: the loop alone starts processes.

use super::attempt::{Asker, LOOKUPS_MAX, Purpose, attempt};
use super::fault::{Answer, ProbeFault};
use crate::config::Probe;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// A try whose time-out fired this much later than it was due was on a thread that stood still.
const LATE: Duration = Duration::from_millis(100);

/// What is to be tried now.
#[derive(Clone, Debug)]
pub struct Ask<C = ()> {
    /// Which of the loop's probes. A try of it that is under way is given up.
    pub target: usize,
    /// Which try of it.
    pub serial: u64,
    /// What is asked.
    pub probe: Arc<Probe>,
    /// What for.
    pub purpose: Purpose,
    /// How long it may take.
    pub timeout: Duration,
    /// What whoever reads the answer needs for that.
    pub with: C,
}

/// What came of a try.
pub type Outcome = Result<Answer, ProbeFault>;

/// A try that has ended.
#[derive(Debug)]
pub struct Tried {
    /// Which of the loop's probes.
    pub target: usize,
    /// Which try of it.
    pub serial: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether this process stood still meanwhile: then a time-out says nothing.
    pub stood_still: bool,
}

/// The thread. Dropping it ends what is under way.
#[derive(Debug)]
pub struct Prober<C = ()> {
    asks: mpsc::Sender<Ask<C>>,
    _thread: JoinHandle<()>,
}

/// The prober's thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread that probes: {0}; are limits on processes or descriptors too low?")]
pub struct StartFailed(#[from] io::Error);

impl<C: Send + 'static> Prober<C> {
    /// Starts the thread. `waiting_max` asks may wait for it. What `read`, on the thread, makes of a try goes to `outcomes`: whoever
    /// waits for them goes through no page. Call it only after the guard has forked.
    ///
    /// # Errors
    /// No thread or no event descriptor can be had.
    pub fn start<T: Send + 'static>(
        asker: Asker,
        outcomes: mpsc::Sender<T>,
        waiting_max: usize,
        read: fn(C, Tried) -> T,
    ) -> Result<Self, StartFailed> {
        let (asks, waiting) = mpsc::channel(waiting_max.max(1));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(LOOKUPS_MAX)
            .build()?;
        let asker = Arc::new(asker);
        let serve = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            runtime.block_on(take(waiting, &asker, &outcomes, read));
            // Lookups that hang are left behind.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("probes".to_owned()).stack_size(1024 * 1024).spawn(serve)?;
        Ok(Self { asks, _thread: thread })
    }

    /// Has it tried. `false` when it takes nothing more: then no outcome follows.
    pub fn ask(&self, ask: Ask<C>) -> bool {
        self.asks.try_send(ask).is_ok()
    }
}

async fn take<C: Send + 'static, T: Send + 'static>(
    mut asks: mpsc::Receiver<Ask<C>>,
    asker: &Arc<Asker>,
    outcomes: &mpsc::Sender<T>,
    read: fn(C, Tried) -> T,
) {
    let mut under_way: BTreeMap<usize, AbortHandle> = BTreeMap::new();
    while let Some(ask) = asks.recv().await {
        let (asker, outcomes, target) = (Arc::clone(asker), outcomes.clone(), ask.target);
        let one = tokio::spawn(async move {
            let (with, tried) = try_once(&asker, ask).await;
            // A loop that has ended wants to know nothing any more.
            let _ = outcomes.send(read(with, tried)).await;
        });
        if let Some(before) = under_way.insert(target, one.abort_handle()) {
            before.abort();
        }
    }
}

async fn try_once<C>(asker: &Asker, ask: Ask<C>) -> (C, Tried) {
    let begun = Instant::now();
    let outcome = attempt(asker, &ask.probe, ask.purpose, ask.timeout).await;
    let stood_still = begun.elapsed() >= ask.timeout + LATE;
    (ask.with, Tried { target: ask.target, serial: ask.serial, outcome, stood_still })
}
