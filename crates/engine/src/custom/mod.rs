//! Asks the sources of metrics that the configuration has ([metrics]): programs that print them, endpoints in the Prometheus text
//! format. What they say goes into the one store of metrics ([`crate::metrics::custom`]).
//!
//! The loop owns the rhythm ([`Sources::begin_due`], [`Sources::next_deadline`]) and runs the programs like all others; pages are asked
//! by [`crate::probing`]'s, on a thread that is there only where there are pages. Nothing waits for a source, and nothing is halted by
//! one: a source that fails says nothing, and what it said grows stale.

mod output;
mod take;
mod text;

#[cfg(test)]
mod tests;

pub use output::{OUTPUT_MAX, Printed, pipe};
pub use take::Take;
pub use text::{LineFault, Series, Unread, fold, number, series};

use crate::config::{self, Argv, Config, Metrics, Page, Probe};
use crate::emergency::Account;
use crate::metrics::custom::Declared;
use crate::probing::{
    Ask, Asker, Ended, ProbeFault, Prober, Purpose, Rhythm, Runner, StartFailed, Terms, Tried, shown,
};
use core::time::Duration;
use failstop_client::status::MetricSource;
use failstop_core::Monotonic;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How much of a page is read at most, bytes.
pub const PAGE_MAX: usize = 1024 * 1024;

/// The longest pause after failed tries in a row.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// So many failed tries in a row are said, once.
const SAID_AFTER: u32 = 2;

/// One source, as it is configured.
#[derive(Clone, Debug, PartialEq)]
struct Spec {
    name: Arc<str>,
    asked: Asked,
    takes: Vec<Take>,
    /// All that it says is one number, the first take's.
    one_number: bool,
    interval: Duration,
    timeout: Duration,
    stale_after: Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Program { argv: Argv, env: Vec<(String, String)>, user: Option<String> },
    Page(Arc<Probe>),
}

impl Spec {
    fn of_command(command: &config::MetricCommand) -> Self {
        let one_number = command.take.is_empty();
        let alone = one_number.then(|| Take {
            metric: String::new(),
            labels: Vec::new(),
            fold: config::Fold::Last,
            name: command.name.as_str().to_owned(),
            unit: command.unit.clone().unwrap_or_default(),
        });
        Self {
            name: command.name.as_str().into(),
            asked: Asked::Program {
                argv: command.command.clone(),
                env: command.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                user: command.user.clone(),
            },
            takes: alone.into_iter().chain(command.take.iter().map(Take::from)).collect(),
            one_number,
            interval: command.interval,
            timeout: command.timeout,
            stale_after: command.stale_after(),
        }
    }

    fn of_page(page: &config::MetricPage) -> Self {
        Self {
            name: page.name.as_str().into(),
            asked: Asked::Page(Arc::new(probe_of(page))),
            takes: page.take.iter().map(Take::from).collect(),
            one_number: false,
            interval: page.interval,
            timeout: page.timeout,
            stale_after: page.stale_after(),
        }
    }

    fn all(metrics: &Metrics) -> Vec<Self> {
        let commands = metrics.command.iter().map(Self::of_command);
        commands.chain(metrics.prometheus.iter().map(Self::of_page)).collect()
    }

    /// Who is asked, as it may be shown.
    fn asked(&self) -> String {
        match &self.asked {
            Asked::Program { argv, .. } => argv.program().to_owned(),
            Asked::Page(probe) => match probe.as_ref() {
                Probe::Page(page) => shown(&page.url),
                other => other.word().to_owned(),
            },
        }
    }

    fn read(&self, said: &[u8]) -> Result<Vec<Option<f64>>, String> {
        let read =
            if self.one_number { number(said).map(|number| vec![Some(number)]) } else { fold(said, &self.takes) };
        read.map_err(|why| format!("{} {why}", self.asked()))
    }
}

/// What is asked for a page of metrics.
pub fn probe_of(page: &config::MetricPage) -> Probe {
    Probe::Page(Page {
        url: page.url.clone(),
        ca_file: page.ca_file.clone(),
        headers: page.headers.clone(),
        most: PAGE_MAX,
    })
}

/// How one source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// How often it said something.
    pub taken: u64,
    /// How often it did not.
    pub failed: u64,
    /// How often in a row, up to now.
    pub failed_in_a_row: u32,
    /// Why the last try failed, where it did. Holds no secret.
    pub fault: Option<String>,
    /// Which of its metrics it said nothing of, the last time.
    pub missing: Vec<String>,
    /// It failed often enough to be told, and why.
    failing: Option<String>,
}

#[derive(Debug)]
struct Source {
    id: usize,
    spec: Spec,
    /// Who its program runs as, where that is another user; why it cannot.
    account: Result<Option<Account>, String>,
    rhythm: Rhythm,
    serial: u64,
    /// The process that runs for it now.
    program: Option<i32>,
    health: Health,
}

/// A program that is to be run now.
#[derive(Debug)]
pub struct Run {
    /// Which try this is.
    pub serial: u64,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables that it has beside what all programs have.
    pub env: Vec<(String, String)>,
    /// Those that it does not have: secrets of failstop's own, and what is in `env`.
    pub withheld: Vec<String>,
    /// As whom, where that is another user.
    pub account: Option<Account>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It said something.
    Read {
        /// Which source.
        source: Arc<str>,
        /// When it was asked: what it said is no younger than that.
        at: Monotonic,
        /// Its metrics, by name, as far as they are numbers.
        values: Vec<(String, f64)>,
        /// What is worth a line in the log.
        words: Option<String>,
    },
    /// It did not.
    Failed {
        /// Which source, and why.
        words: String,
        /// Whether that is worth a line in the log.
        news: bool,
    },
    /// Nothing that counts.
    Nothing,
}

/// All sources that are asked.
#[derive(Debug)]
pub struct Sources {
    sources: Vec<Source>,
    /// `None` where no page is asked.
    prober: Option<Prober>,
    outcomes: mpsc::Sender<Tried>,
    /// Variables that hold secrets of failstop's own, or held them in this life.
    secrets: Vec<String>,
    next_serial: u64,
    next_id: usize,
}

/// How many tries may have ended and wait for the loop: each source has one under way, and may have one that was given up.
const WAITING_MAX: usize = 2 * config::MAX_METRIC_SOURCES;

impl Sources {
    /// Ready to ask what is configured, from now on. Tries come out of the receiver. Call it only after the guard has forked.
    ///
    /// # Errors
    /// The thread that asks pages cannot be started.
    pub fn open(config: &Config, now: Monotonic) -> Result<(Self, mpsc::Receiver<Tried>), StartFailed> {
        let (outcomes, receiver) = mpsc::channel(WAITING_MAX);
        let mut sources =
            Self { sources: Vec::new(), prober: None, outcomes, secrets: Vec::new(), next_serial: 1, next_id: 0 };
        match sources.adopt(config, now) {
            (_, None) => Ok((sources, receiver)),
            (_, Some(failed)) => Err(failed),
        }
    }

    /// Another configuration: what is the same in it goes on as it was. Gives the processes that run for nobody any more, and why pages
    /// cannot be asked, where they cannot.
    pub fn adopt(&mut self, config: &Config, now: Monotonic) -> (Vec<i32>, Option<StartFailed>) {
        // They only grow: what the configuration names no more is still in this process's environment.
        for name in config.secrets().filter_map(|own| own.secret.variable()) {
            if !self.secrets.iter().any(|known| known == name) {
                self.secrets.push(name.to_owned());
            }
        }
        let pages_before = self.pages();
        let mut before = std::mem::take(&mut self.sources);
        for spec in Spec::all(&config.metrics) {
            let source = match before.iter().position(|source| source.spec == spec) {
                Some(index) => before.swap_remove(index),
                None => self.source(spec, now),
            };
            self.sources.push(source);
        }
        let given_up = before.into_iter().filter_map(|source| source.program).collect();
        let pages = self.pages();
        if pages == pages_before {
            return (given_up, None);
        }
        // What the thread has under way ends with it.
        self.prober = None;
        for source in &mut self.sources {
            if matches!(source.spec.asked, Asked::Page(_)) && source.rhythm.under_way().is_some() {
                source.rhythm.not_made(now);
            }
        }
        if pages.is_empty() {
            return (given_up, None);
        }
        // It runs no programs.
        let asker = Asker::new(pages.iter().map(|page| page.as_ref()), Runner::Here, PathBuf::from("/"));
        match Prober::start(asker, self.outcomes.clone(), WAITING_MAX) {
            Ok(prober) => {
                self.prober = Some(prober);
                (given_up, None)
            }
            Err(failed) => (given_up, Some(failed)),
        }
    }

    fn pages(&self) -> Vec<Arc<Probe>> {
        let page = |source: &Source| match &source.spec.asked {
            Asked::Page(probe) => Some(Arc::clone(probe)),
            Asked::Program { .. } => None,
        };
        self.sources.iter().filter_map(page).collect()
    }

    fn source(&mut self, spec: Spec, now: Monotonic) -> Source {
        let terms = Terms {
            interval: spec.interval,
            failing_first: spec.interval,
            failing_max: spec.interval.max(PAUSE_MAX),
            tries: SAID_AFTER,
            over: Duration::ZERO,
        };
        let account = match &spec.asked {
            Asked::Program { user: Some(user), .. } => account_of(user),
            Asked::Program { user: None, .. } | Asked::Page(_) => Ok(None),
        };
        self.next_id += 1;
        let rhythm = Rhythm::new(terms, now);
        Source { id: self.next_id, spec, account, rhythm, serial: 0, program: None, health: Health::default() }
    }

    /// When the next try is due.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.sources.iter().filter_map(|source| source.rhythm.due()).min()
    }

    /// Begins what is due; the programs among it are the caller's to run.
    pub fn begin_due(&mut self, now: Monotonic) -> Vec<Run> {
        let Self { sources, prober, outcomes, secrets, next_serial, .. } = self;
        let mut runs = Vec::new();
        for source in sources {
            if source.rhythm.due().is_none_or(|due| now < due) {
                continue;
            }
            source.rhythm.begin(now);
            source.serial = *next_serial;
            *next_serial += 1;
            match &source.spec.asked {
                Asked::Page(probe) => {
                    let ask = Ask {
                        target: source.id,
                        serial: source.serial,
                        probe: Arc::clone(probe),
                        purpose: Purpose::Answers,
                        timeout: source.spec.timeout,
                    };
                    if !prober.as_ref().is_some_and(|prober| prober.ask(ask)) {
                        source.health.fault = Some("there is no thread to ask with".to_owned());
                        // Nor in a second.
                        source.rhythm.void(now);
                    }
                }
                Asked::Program { argv, env, .. } => match &source.account {
                    Ok(account) => runs.push(Run {
                        serial: source.serial,
                        argv: argv.as_slice().to_vec(),
                        env: environment(env, account.as_ref()),
                        withheld: secrets.clone(),
                        account: account.clone(),
                        timeout: source.spec.timeout,
                    }),
                    Err(why) => {
                        let (program, kind) = (argv.program().to_owned(), io::ErrorKind::PermissionDenied);
                        let outcome = Err(ProbeFault::NotStarted { program, kind, why: why.clone() });
                        // There is room for every try.
                        drop(outcomes.try_send(Tried {
                            target: source.id,
                            serial: source.serial,
                            outcome,
                            stood_still: false,
                        }));
                    }
                },
            }
        }
        runs
    }

    /// Where tries of programs go.
    pub fn outcomes(&self) -> mpsc::Sender<Tried> {
        self.outcomes.clone()
    }

    /// This process runs for that try.
    pub fn runs(&mut self, serial: u64, program: Option<i32>) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.serial == serial) {
            source.program = program;
        }
    }

    /// A try has ended.
    pub fn ended(&mut self, now: Monotonic, tried: Tried) -> Outcome {
        match self.sources.iter_mut().find(|source| source.serial == tried.serial) {
            Some(source) => source.ended(now, tried),
            None => Outcome::Nothing,
        }
    }

    /// This process stood still: what did not answer meanwhile is not held against it.
    pub fn stood_still(&mut self) {
        for source in &mut self.sources {
            source.rhythm.stood_still();
        }
    }

    /// The metrics that they have.
    pub fn declared(&self) -> impl Iterator<Item = Declared> {
        self.sources.iter().flat_map(|source| {
            source.spec.takes.iter().map(|take| Declared {
                name: take.name.clone(),
                source: Arc::clone(&source.spec.name),
                unit: take.unit.clone(),
                stale_after: source.spec.stale_after,
            })
        })
    }

    /// Which sources fail, in words; `None` where none does that is known.
    pub fn failing(&self) -> Option<String> {
        let mut failing = self.sources.iter().filter_map(|source| source.health.failing.as_deref());
        let first = failing.next()?;
        Some(match failing.count() {
            0 => first.to_owned(),
            more => format!("{first} (and {more} more)"),
        })
    }

    /// Whether each has said something in this life.
    pub fn are_known(&self) -> bool {
        self.sources.iter().all(|source| source.health.taken > 0)
    }

    /// How each stands.
    pub fn summary(&self) -> Vec<MetricSource> {
        let of = |source: &Source| MetricSource {
            name: source.spec.name.to_string(),
            kind: match source.spec.asked {
                Asked::Program { .. } => "command",
                Asked::Page(_) => "prometheus",
            }
            .to_owned(),
            up: (source.health.taken > 0 || source.health.failed > 0).then_some(source.health.failed_in_a_row == 0),
            taken: source.health.taken,
            failed: source.health.failed,
            fault: source.health.fault.clone(),
            missing: source.health.missing.clone(),
        };
        self.sources.iter().map(of).collect()
    }
}

impl Source {
    fn ended(&mut self, now: Monotonic, tried: Tried) -> Outcome {
        self.program = None;
        let Some((begun, _)) = self.rhythm.under_way() else { return Outcome::Nothing };
        let read = match tried.outcome {
            Ok(answer) => self.spec.read(&answer.page.map(|page| page.body).unwrap_or_default()),
            Err(fault) if had_no_room(&fault) => {
                self.health.fault = Some(fault.to_string());
                self.rhythm.not_made(now);
                return Outcome::Nothing;
            }
            Err(fault) => Err(fault.to_string()),
        };
        let name = &self.spec.name;
        match (self.rhythm.ended(now, read.is_ok(), tried.stood_still), read) {
            (Ended::Good { news }, Ok(read)) => {
                let health = &mut self.health;
                health.taken += 1;
                (health.failed_in_a_row, health.fault, health.failing) = (0, None, None);
                let mut missing = Vec::new();
                let mut values = Vec::new();
                for (take, value) in self.spec.takes.iter().zip(read) {
                    match value.filter(|value| value.is_finite()) {
                        Some(value) => values.push((take.name.clone(), value)),
                        None => missing.push(take.name.clone()),
                    }
                }
                let words = if missing != health.missing && !missing.is_empty() {
                    Some(format!("\"{name}\" has no number for {}", missing.join(", ")))
                } else {
                    news.then(|| format!("\"{name}\" says its metrics"))
                };
                health.missing = missing;
                Outcome::Read { source: Arc::clone(name), at: begun, values, words }
            }
            (Ended::Failed { news }, Err(fault)) => {
                let health = &mut self.health;
                health.failed += 1;
                health.failed_in_a_row = health.failed_in_a_row.saturating_add(1);
                let words = format!("source of metrics \"{name}\": {fault}");
                if news {
                    health.failing = Some(words.clone());
                }
                health.fault = Some(fault);
                Outcome::Failed { words, news }
            }
            (Ended::Good { .. } | Ended::Failed { .. } | Ended::Nothing, Ok(_) | Err(_)) => Outcome::Nothing,
        }
    }
}

/// Whether this host could not make the try now, which says nothing about who was asked.
fn had_no_room(fault: &ProbeFault) -> bool {
    use io::ErrorKind::{Interrupted, OutOfMemory, WouldBlock};
    matches!(fault, ProbeFault::NotStarted { kind: WouldBlock | Interrupted | OutOfMemory, .. })
}

/// The user that a program runs as; `None` where that is this process's own.
fn account_of(user: &str) -> Result<Option<Account>, String> {
    let account = Account::named(user).ok_or_else(|| format!("there is no user \"{user}\""))?;
    let own = nix::unistd::geteuid();
    if account.uid == own.as_raw() {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(format!("only root can run it as user \"{user}\"; remove `user`, or run failstop as root"));
    }
    Ok(Some(account))
}

/// What a program has in its environment beside what all have; what is configured counts before what its user has.
fn environment(configured: &[(String, String)], account: Option<&Account>) -> Vec<(String, String)> {
    let mut environment = configured.to_vec();
    let Some(account) = account else { return environment };
    for (name, value) in [("HOME", &account.home), ("USER", &account.name), ("LOGNAME", &account.name)] {
        if !environment.iter().any(|(there, _)| there == name) {
            environment.push((name.to_owned(), value.clone()));
        }
    }
    environment
}
