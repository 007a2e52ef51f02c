//! Figures and their levels: looked at with what is measured anyway, and with each order; what follows goes to people, to health and,
//! in an emergency, to the core.

use super::engine::Engine;
use crate::clock;
use crate::thresholds::{Hint, LogFile, Outside, Shown, Which};
use failstop_client::wire;
use failstop_core::gate::SHARE_ONE;
use failstop_core::{AnomalyRule, Degree, Input, Mode, Monotonic, News, Slot, unlike};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// A figure is hinted at in the log at most this often.
const HINT_APART: core::time::Duration = core::time::Duration::from_secs(3_600);

/// Looks at log files beside the loop: a file system that hangs holds up nobody.
#[derive(Debug, Default)]
pub struct LogFiles {
    looking: Option<oneshot::Receiver<Option<LogFile>>>,
}

/// Figures that are unlike their last day; nothing while there are no hints.
#[derive(Debug, Default)]
pub struct Hints {
    /// Those that are now.
    standing: Vec<Hint>,
    /// When each was said last.
    said: BTreeMap<String, Monotonic>,
}

impl Engine {
    /// A component reported a metric, and it was taken.
    pub(super) fn note_figure(&mut self, now: Monotonic, who: Slot, metric: &wire::Metric) {
        let endpoint = metric.labels.get("endpoint").map(String::as_str);
        self.thresholds.heard(now, who, &metric.name, endpoint, metric.value);
    }

    /// Looks at the figures that are due.
    pub(super) fn look_at_thresholds(&mut self, now: Monotonic) {
        let whole = self.thresholds.is_due(now);
        self.take_log_files();
        let outside = self.known_of_orders(now, whole);
        self.look_at_figures(now, Which::Due, &outside);
        if whole {
            self.end_told_before(now);
            self.look_for_hints(now);
            self.look_at_log_files(now);
            self.show_thresholds();
        }
    }

    /// Begins to look at log files, for the next look at figures. One look at a time.
    fn look_at_log_files(&mut self, now: Monotonic) {
        let files = &self.config.thresholds.log_files;
        if !files.is_empty() && self.log_files.looking.is_none() {
            let files = files.clone();
            let (found, looking) = oneshot::channel();
            self.log_files.looking = Some(looking);
            // Nobody waits for it where the engine ends meanwhile.
            drop(tokio::task::spawn_blocking(move || found.send(largest(&files, now))));
        }
    }

    /// What the last look at log files found, once it is through.
    fn take_log_files(&mut self) {
        match self.log_files.looking.as_mut().map(oneshot::Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return,
            Some(Ok(largest)) => self.thresholds.logs_seen(largest),
            Some(Err(TryRecvError::Closed)) => self.thresholds.logs_seen(None),
        }
        self.log_files.looking = None;
    }

    /// Looks at the figures that come of orders.
    pub(super) fn look_at_figures_of_orders(&mut self, now: Monotonic) {
        let outside = self.known_of_orders(now, false);
        self.look_at_figures(now, Which::OfOrders, &outside);
    }

    fn look_at_figures(&mut self, now: Monotonic, which: Which, outside: &Outside) {
        let heard = self.thresholds.look(now, which, outside, &self.facts.custom);
        if self.emergency_shutdown() {
            let halts = &self.core.recorded().halts;
            let stands = |trigger| halts.values().any(|halt| halt.trigger == Some(trigger));
            for (trigger, evidence) in self.thresholds.emergencies(now, stands) {
                self.feed(Input::Trigger { trigger, evidence });
                // A resume with a reason is enough, as it is for memory: who is shut down cannot report that it is better.
                self.feed(Input::TriggerPassed(trigger));
            }
        }
        if let Some(crossed) = self.thresholds.crossed() {
            self.feed(Input::Crossed(crossed));
            self.maybe_changed = true;
        }
        for one in &heard {
            self.say("thresholds", &one.what);
            let degree = match one.news {
                News::Begun(degree) | News::Worse(degree) | News::Eased(degree) => degree.word(),
                News::Over => "good",
            };
            self.note(
                "x.failstop.threshold",
                &serde_json::json!({ "figure": one.name, "level": degree, "what": one.what }),
            );
            self.alerts.threshold(one, clock::wall());
        }
        if !heard.is_empty() {
            self.show_thresholds();
        }
    }

    /// What people were told of by an earlier life, or of a figure that is configured no more, and is over.
    fn end_told_before(&mut self, now: Monotonic) {
        let open = self.alerts.threshold_incidents();
        for (name, what) in self.thresholds.over(now, open.iter().map(|(name, _)| name.as_str())) {
            self.alerts.threshold_over(name, &what, clock::wall());
        }
    }

    /// Whether thresholds may end in shutdown: as the core has it, which tightens at once.
    fn emergency_shutdown(&self) -> bool {
        self.core.policy().limits.emergency_shutdown
    }

    fn known_of_orders(&self, now: Monotonic, with_losses: bool) -> Outside {
        let Some(desk) = &self.desk else { return Outside::default() };
        let judged = desk.performance.judged(now);
        let lost = || {
            let results = desk.gate.daily_results(now, self.core.mode() == Mode::Dry);
            results.iter().filter_map(|result| result.lost).max()
        };
        #[expect(clippy::cast_precision_loss, reason = "a share in millionths is far below 2^52")]
        let percent = |lost: u128| lost as f64 * 100.0 / SHARE_ONE as f64;
        Outside {
            gate: true,
            success: judged.success,
            execution: judged.latency,
            too_few: judged.success.is_none() && judged.knows_success(),
            none_took: judged.latency.is_none() && judged.knows_latency(),
            lost: if with_losses { lost().map(percent) } else { None },
        }
    }

    /// A share of the opening equity that a level stands for, in millionths; `None` where it is not judged.
    pub(super) fn loss_share(&self, degree: Degree) -> Option<u128> {
        let percent = self.thresholds.level("daily_loss", degree)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what is a share")]
        let share = (percent.clamp(0.0, 1e9) * 10_000.0).round() as u64;
        Some(u128::from(share))
    }

    /// Gives what doors show of figures: whoever asks gets it without asking the loop.
    pub(super) fn show_thresholds(&mut self) {
        let standings = self.thresholds.standings(clock::now(), clock::wall(), self.emergency_shutdown());
        let shown = Shown { figures: standings.into(), hints: self.hints.standing.as_slice().into() };
        self.meters.thresholds = shown.clone();
        self.configuring.show_figures(shown);
    }

    /// Figures that are unlike their last day: a line in the log, and nobody is woken.
    fn look_for_hints(&mut self, now: Monotonic) {
        let Some(rule) = self.config.thresholds.anomaly.rule() else {
            self.hints = Hints::default();
            return;
        };
        let mut found = Vec::new();
        self.history.for_each_past(|figure, value, past| found.extend(hint(figure, value, past, &rule)));
        let wall = crate::status::rfc3339(clock::wall());
        for (figure, hint) in &mut found {
            let known = self.hints.standing.iter().find(|known| known.figure == *figure);
            hint.since = known.map_or_else(|| wall.clone(), |known| known.since.clone());
        }
        let new: Vec<String> = found
            .iter()
            .filter(|(figure, _)| self.hints.said.get(figure).is_none_or(|at| now.since(*at) >= HINT_APART))
            .map(|(_, hint)| in_words(hint))
            .collect();
        for text in &new {
            self.say("hint", text);
        }
        self.hints.said.retain(|_, at| now.since(*at) < HINT_APART);
        for (figure, _) in &found {
            self.hints.said.entry(figure.clone()).or_insert(now);
        }
        self.hints.standing = found.into_iter().map(|(_, hint)| hint).collect();
    }
}

/// The largest of these files; `None` where none can be looked at.
fn largest(files: &[PathBuf], at: Monotonic) -> Option<LogFile> {
    let sizes = files.iter().filter_map(|file| Some((file, std::fs::metadata(file).ok()?.len())));
    let (file, bytes) = sizes.max_by_key(|(_, bytes)| *bytes)?;
    Some(LogFile { name: file.display().to_string(), bytes, at })
}

fn hint(figure: &str, value: f64, past: &mut Vec<f64>, rule: &AnomalyRule) -> Option<(String, Hint)> {
    let unlike = unlike(value, past, rule)?;
    let hint = Hint {
        figure: figure.to_owned(),
        value,
        median: unlike.median,
        deviations: unlike.deviations,
        since: String::new(),
    };
    Some((figure.to_owned(), hint))
}

fn in_words(hint: &Hint) -> String {
    format!(
        "only a hint: {} is {}, unlike its last day (median {}, {:.0} deviations away)",
        hint.figure, hint.value, hint.median, hint.deviations
    )
}
