//! What a source is, as it is configured, and how what it says becomes numbers.

use super::PAGE_MAX;
use super::take::Take;
use super::text::{fold, number};
use crate::config::{self, Argv, Config, Metrics, Page, Probe};
use crate::probing::{self, Asker, ProbeFault, Runner, shown};
use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One source, as it is configured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    pub(super) name: Arc<str>,
    pub(super) asked: Asked,
    pub(super) reading: Reading,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) stale_after: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    Program { argv: Argv, env: Vec<(String, String)>, user: Option<String> },
    Page(Arc<Probe>),
}

/// The sources of a configuration, made ready to be asked. Made beside the loop: files are read for it.
#[derive(Debug)]
pub struct Ready {
    pub(super) specs: Vec<Spec>,
    /// Whom pages are asked by; `None` where there are none.
    pub(super) asker: Option<Asker>,
}

impl Ready {
    /// Reads what authorities the configuration names. One that cannot be read is a fault of the sources that want it.
    pub fn of(config: &Config) -> Self {
        let specs = Spec::all(&config.metrics);
        let pages = || {
            specs.iter().filter_map(|spec| match &spec.asked {
                Asked::Page(probe) => Some(probe.as_ref()),
                Asked::Program { .. } => None,
            })
        };
        // It runs no programs.
        let asker = pages().next().is_some().then(|| Asker::new(pages(), Runner::default(), PathBuf::from("/")));
        Self { specs, asker }
    }
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
            reading: Reading {
                asked: command.command.program().into(),
                takes: alone.into_iter().chain(command.take.iter().map(Take::from)).collect(),
                one_number,
            },
            interval: command.interval,
            timeout: command.timeout,
            stale_after: command.stale_after(),
        }
    }

    fn of_page(page: &config::MetricPage) -> Self {
        Self {
            name: page.name.as_str().into(),
            asked: Asked::Page(Arc::new(probe_of(page))),
            reading: Reading {
                asked: shown(&page.url).into(),
                takes: page.take.iter().map(Take::from).collect(),
                one_number: false,
            },
            interval: page.interval,
            timeout: page.timeout,
            stale_after: page.stale_after(),
        }
    }

    fn all(metrics: &Metrics) -> Vec<Self> {
        let commands = metrics.command.iter().map(Self::of_command);
        commands.chain(metrics.prometheus.iter().map(Self::of_page)).collect()
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

/// What a source said: for each of its takes a number, where there is one; or why it said nothing.
pub type Said = Result<Vec<Option<f64>>, Silence>;

/// Why a source said nothing. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// This host could not make the try now, which says nothing about who was asked.
    NotMade(String),
    /// Whoever was asked.
    Failed(String),
}

impl From<ProbeFault> for Silence {
    fn from(fault: ProbeFault) -> Self {
        use io::ErrorKind::{Interrupted, OutOfMemory, WouldBlock};
        let words = fault.to_string();
        if matches!(fault, ProbeFault::NotStarted { kind: WouldBlock | Interrupted | OutOfMemory, .. }) {
            Self::NotMade(words)
        } else {
            Self::Failed(words)
        }
    }
}

/// How what a source says becomes numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Who is asked, as it may be shown.
    asked: Arc<str>,
    pub(super) takes: Arc<[Take]>,
    /// All that it says is one number, the first take's.
    one_number: bool,
}

impl Reading {
    /// What came of a try. It goes through all that was said: not for the loop.
    ///
    /// # Errors
    /// [`Silence`]
    pub fn read(&self, outcome: probing::Outcome) -> Said {
        let said = outcome?.page.map(|page| page.body).unwrap_or_default();
        let read =
            if self.one_number { number(&said).map(|number| vec![Some(number)]) } else { fold(&said, &self.takes) };
        read.map_err(|why| Silence::Failed(format!("{} {why}", self.asked)))
    }
}
