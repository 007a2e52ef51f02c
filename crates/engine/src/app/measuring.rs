//! Sources of metrics in the loop: it runs their programs like all others, and puts what they say where everybody looks for it.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;
use crate::custom::{Measured, Outcome, Ready, Run, pipe};
use crate::metrics::custom::Source;
use crate::process::program::{Errand, ProgramEnd, ProgramRequest};
use failstop_client::status::{CustomMetric, CustomSummary};
use failstop_core::Monotonic;

impl Engine {
    /// Begins every try that is due.
    pub(super) fn begin_to_measure(&mut self, now: Monotonic) {
        for run in self.custom.begin_due(now) {
            self.run_measuring(now, run);
        }
    }

    fn run_measuring(&mut self, now: Monotonic, run: Run) {
        let Run { serial, argv, env, account, timeout, reading, .. } = run;
        // What reads what they print was there when the try began, and goes on as long as programs run.
        let Some(beside) = self.custom.beside() else { return };
        let (printed, stdout) = match pipe() {
            Ok(ends) => ends,
            Err(error) => {
                self.custom.not_made(now, serial, format!("there is no pipe for what it prints: {error}"));
                return;
            }
        };
        let program = argv.first().cloned().unwrap_or_default();
        let request = ProgramRequest {
            errand: Errand::Metrics,
            argv,
            environment: env,
            input: Vec::new(),
            stdout: Some(stdout),
            account,
            folder: self.config.folder.clone(),
            timeout,
            answer: Box::new(move |end: ProgramEnd| beside.read(serial, program, printed, end, reading)),
        };
        let pid = self.run_program(request);
        self.custom.runs(serial, pid);
    }

    /// Something came of a try of a source.
    pub(super) fn measured(&mut self, measured: Measured) {
        let now = clock::now();
        let outcome = match measured {
            Measured::Runnable(run) => {
                if self.custom.awaits(run.serial) {
                    self.run_measuring(now, run);
                }
                return;
            }
            Measured::Ended { serial, said, stood_still } => self.custom.ended(now, serial, said, stood_still),
        };
        match outcome {
            Outcome::Read { source, at, values, words } => {
                for (name, value) in values {
                    self.facts.custom.take(&source, &name, value, at);
                    self.chart(|history| history.note_of_source(now, &name, value));
                    self.look_at_reported(now, &name);
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

    /// Another configuration is in force, with these sources.
    pub(super) fn adopt_measuring(&mut self, sources: Ready, now: Monotonic) {
        let (given_up, failed) = self.custom.adopt(sources, now);
        for pid in given_up {
            self.programs.give_up(pid);
        }
        if let Some(failed) = failed {
            self.say("metrics", &format!("not every source of metrics is asked: {failed}"));
        }
        self.facts.custom.declare(self.custom.declared());
        let is = |name: &str, of_bot: bool| {
            self.facts.custom.get(name).is_some_and(|metric| (metric.source == Source::Bot) == of_bot)
        };
        self.history.retain(|name| is(name, true), |name| is(name, false));
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
