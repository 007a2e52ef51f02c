//! Figures and their levels: looked at with what is measured anyway, at times of their own where that is seldom, with each order, and what a
//! report alone can make an emergency with each report; what follows goes to people, to health and, in an emergency, to the core.

use super::engine::Engine;
use super::log_files::largest;
use crate::clock;
use crate::thresholds::{Hint, Outside, Shown, Which, Worst};
use failstop_client::wire;
use failstop_core::gate::{DailyResult, SHARE_ONE};
use failstop_core::{AnomalyRule, Input, Mode, Monotonic, News, Side, Slot, unlike};
use std::collections::BTreeMap;

/// A figure is hinted at in the log at most this often.
const HINT_APART: core::time::Duration = core::time::Duration::from_secs(3_600);

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
        self.look_at_reported(now, &metric.name);
    }

    /// A metric was reported, or a source brought it: what it alone can make an emergency waits for nothing.
    pub(super) fn look_at_reported(&mut self, now: Monotonic, metric: &str) {
        // Where there is a gate, it has the results.
        if self.desk.is_none() && self.thresholds.is_judged_with(metric) {
            self.look_at_figures(now, Which::Reported, &Outside::default());
        }
    }

    /// Looks at the figures that are due.
    pub(super) fn look_at_thresholds(&mut self, now: Monotonic) {
        let whole = self.thresholds.is_due(now);
        if let Some(largest) = self.log_files.take() {
            self.thresholds.logs_seen(largest);
        }
        let outside = self.known_of_orders(now, Which::Due);
        self.look_at_figures(now, Which::Due, &outside);
        if whole {
            self.end_told_before(now);
            self.look_for_hints(now);
            self.look_at_log_files(now);
            self.show_thresholds();
        }
    }

    /// Begins to look at log files, for the next look at figures.
    fn look_at_log_files(&mut self, now: Monotonic) {
        let files = &self.config.thresholds.log_files;
        if files.is_empty() {
            return;
        }
        let files = files.clone();
        if let Err(error) = self.log_files.begin(move || largest(&files, now)) {
            tracing::warn!(%error, "log files are looked at the next time: there is no thread for it");
        }
    }

    /// Looks at the figures that come of orders.
    pub(super) fn look_at_figures_of_orders(&mut self, now: Monotonic) {
        let outside = self.known_of_orders(now, Which::OfOrders);
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
        // What the gate tells of itself is no news here, and is shown all the same.
        let crossed = self.thresholds.crossed();
        let shown_anew = !heard.is_empty() || crossed.is_some();
        if let Some(crossed) = crossed {
            self.feed(Input::Crossed(crossed));
            self.maybe_changed = true;
        }
        for one in &heard {
            self.say("thresholds", &one.what);
            let degree = match one.news {
                News::Begun(degree) | News::Worse(degree) | News::Eased(degree) => degree.word(),
                News::Over => "good",
            };
            let trace = self.alerts.threshold(one, clock::wall());
            self.note(
                "x.failstop.threshold",
                &serde_json::json!({ "figure": one.name, "level": degree, "what": one.what, "trace_id": trace }),
            );
        }
        if shown_anew {
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

    fn known_of_orders(&self, now: Monotonic, which: Which) -> Outside {
        let Some(desk) = &self.desk else { return Outside::default() };
        let judged = desk.performance.judged(now);
        let (lost, result) = match which {
            Which::Due => {
                let results = desk.gate.daily_results(now, self.core.mode() == Mode::Dry);
                let one = desk.gate.policy().money.units_in_one();
                let (in_money, by_share): (Vec<_>, Vec<_>) = results.iter().partition(|result| is_in_money(result));
                let lost = by_share.iter().map(|result| result.lost.map(percent));
                let result = in_money.iter().map(|result| result.result.map(|units| money(units, one)));
                (Worst::of(lost, Side::Above), Worst::of(result, Side::Below))
            }
            Which::OfOrders | Which::Reported => (None, None),
        };
        Outside {
            gate: true,
            success: judged.success,
            execution: judged.latency,
            too_few: judged.success.is_none() && judged.knows_success(),
            none_took: judged.latency.is_none() && judged.knows_latency(),
            lost,
            result,
        }
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

/// Whether nothing says what a loss means in this account but its sum.
pub(super) fn is_in_money(result: &DailyResult) -> bool {
    result.opening.is_none_or(|opening| opening <= 0)
}

/// A share in millionths, per cent.
#[expect(clippy::cast_precision_loss, reason = "a share in millionths is far below 2^52")]
pub(super) fn percent(share: u128) -> f64 {
    share as f64 * 100.0 / SHARE_ONE as f64
}

/// Units of money, of which `one` make one, in whole money.
#[expect(clippy::cast_precision_loss, reason = "what a level is compared with is no sum that is booked")]
pub(super) fn money(units: i128, one: u128) -> f64 {
    units as f64 / one as f64
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
