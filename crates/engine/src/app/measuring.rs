//! Sources of metrics in the loop: it runs their programs like all others, and puts what they say where everybody looks for it.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;
use crate::custom::{Outcome, Run, pipe};
use crate::probing::{ProbeFault, Tried};
use crate::process::program::{ProgramEnd, ProgramRequest};
use failstop_client::status::{CustomMetric, CustomSummary};
use failstop_core::Monotonic;

impl Engine {
    /// Begins every try that is due.
    pub(super) fn begin_to_measure(&mut self, now: Monotonic) {
        for run in self.custom.begin_due(now) {
            let serial = run.serial;
            let pid = self.run_measuring(run);
            self.custom.runs(serial, pid);
        }
    }

    fn run_measuring(&mut self, run: Run) -> Option<i32> {
        let Run { serial, argv, env, withheld, account, timeout } = run;
        let outcomes = self.custom.outcomes();
        let program = argv.first().cloned().unwrap_or_default();
        // There is room for every try.
        let tell = move |outcome| {
            drop(outcomes.try_send(Tried { target: 0, serial, outcome, stood_still: false }));
        };
        let (printed, stdout) = match pipe() {
            Ok(ends) => ends,
            Err(error) => {
                let (kind, why) = (std::io::ErrorKind::WouldBlock, format!("there is no pipe for it: {error}"));
                tell(Err(ProbeFault::NotStarted { program, kind, why }));
                return None;
            }
        };
        let withheld = withheld.into_iter().chain(env.iter().map(|(name, _)| name.clone())).collect();
        let request = ProgramRequest {
            argv,
            environment: env,
            input: Vec::new(),
            stdout: Some(stdout),
            withheld,
            account,
            folder: self.config.folder.clone(),
            timeout,
            answer: Box::new(move |end: ProgramEnd| tell(printed.outcome(&program, end))),
        };
        self.run_program(request)
    }

    /// A try of a source ended.
    pub(super) fn measured(&mut self, tried: Tried) {
        let now = clock::now();
        match self.custom.ended(now, tried) {
            Outcome::Read { source, at, values, words } => {
                for (name, value) in values {
                    self.facts.custom.take(&source, &name, value, at);
                    if !self.is_shed() {
                        self.history.note_of_source(now, &name, value);
                    }
                }
                if let Some(words) = words {
                    self.say("metrics", &words);
                }
                self.tell_of_sources();
            }
            Outcome::Failed { words, news } => {
                if news {
                    self.say("metrics", &words);
                } else {
                    tracing::debug!(words, "no metric");
                }
                self.tell_of_sources();
            }
            Outcome::Nothing => {}
        }
    }

    /// One incident, as long as any source fails.
    pub(super) fn tell_of_sources(&mut self) {
        let failing = self.custom.failing();
        self.concern_where(self.custom.are_known(), Concern::Metrics, failing);
    }

    /// Another configuration is in force.
    pub(super) fn adopt_measuring(&mut self, now: Monotonic) {
        let (given_up, failed) = self.custom.adopt(&self.config, now);
        for pid in given_up {
            self.programs.give_up(pid);
        }
        if let Some(failed) = failed {
            self.say("metrics", &format!("no page of metrics is asked: {failed}"));
        }
        self.facts.custom.declare(self.custom.declared());
        self.tell_of_sources();
    }

    /// For the status.
    pub(super) fn custom_summary(&self) -> CustomSummary {
        let now = clock::now();
        let metrics = self.facts.custom.configured().map(|(name, source, metric)| {
            let summary = CustomMetric {
                value: metric.current(now).map(|(value, _)| value),
                unit: metric.unit.clone(),
                source: source.to_owned(),
                age_seconds: metric.last.map(|(_, at)| now.since(at).as_secs_f64()),
            };
            (name.to_owned(), summary)
        });
        CustomSummary {
            metrics: metrics.collect(),
            sources: self.custom.summary(),
            refused: self.facts.custom.refused(),
        }
    }
}
