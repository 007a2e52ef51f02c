//! What the gate brings to the rest by and by: the trading day, the daily loss and its halt, and what people are told of.

use super::super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;
use crate::gate::{ConfirmationNews, Desk};
use core::time::Duration;
use failstop_core::gate::{DailyResult, Fact, GateTime, Limit, LimitName, OrderText, SHARE_ONE, Side};
use failstop_core::{Cause, Input, Mode, Monotonic};

/// Results follow each trade at once, and prices this often at most.
const RESULTS_EVERY: Duration = Duration::from_millis(250);

/// Below this share of orders that end well people are told (once there are enough of them).
const SUCCESS_LEAST: f64 = 0.85;

/// A venue that takes longer than this for an order is told.
const EXECUTION_MOST: Duration = Duration::from_secs(5);

/// What is lost of the opening equity, in millionths, before people are warned, and before that is critical.
const LOSS_WARNING: u128 = SHARE_ONE * 12 / 100;
const LOSS_CRITICAL: u128 = SHARE_ONE * 15 / 100;

/// What is lost in money before that is critical, where the opening equity is unknown.
const LOSS_MONEY: u128 = 50;

impl Engine {
    /// Starts the gate, once everything that the journal has was given back to it.
    pub(in crate::app) fn start_gate(&mut self) {
        let (now, wall_us) = (clock::now(), wall_us());
        let Some(desk) = &mut self.desk else { return };
        desk.start(now, wall_us);
        let left_out = desk.gate.left_out();
        if left_out > 0 {
            let text = format!(
                "{left_out} records of the journal name an account or an instrument that is not declared any more, or do not fit \
                 what is: what was held or open by them is not counted"
            );
            self.say("gate", &text);
        }
        self.look_at_what_was_left_out(wall_us);
        self.alerts.confirmations_over(clock::wall());
        self.look_at_day(now);
        self.look_at_results(now);
    }

    /// Where something of today was left out the day's loss and rates begin with less than is used: somebody has to know, and to say
    /// that it goes on all the same.
    fn look_at_what_was_left_out(&mut self, wall_us: u64) {
        let Some(desk) = &self.desk else { return };
        let (day, count) = desk.gate.left_out_of_the_day();
        if count == 0 || day.is_some_and(|day| day < desk.day_of(wall_us)) {
            return;
        }
        let evidence = format!(
            "{count} records of the gate's of this trading day do not fit the configuration (an account or an instrument that is gone, \
             a smaller scale): what is lost and used today is more than the gate counts; see docs/gate.md, \"What is remembered\""
        );
        self.feed(Input::Raise { cause: Cause::Integrity, slot: None, evidence });
        // A resume is enough.
        self.feed(Input::Passed { cause: Cause::Integrity, slot: None });
    }

    /// When something of the gate's is due by itself.
    pub(in crate::app) fn gate_due(&self) -> Option<Monotonic> {
        let desk = self.desk.as_ref()?;
        [desk.day_due, desk.results_due].into_iter().flatten().min()
    }

    /// Looks at what is due by itself.
    pub(in crate::app) fn look_at_gate(&mut self, now: Monotonic) {
        let Some(desk) = &self.desk else { return };
        let (day, results) = (desk.day_due.is_some_and(|at| now >= at), desk.results_due.is_some_and(|at| now >= at));
        if day {
            self.look_at_day(now);
        }
        if results {
            self.look_at_results(now);
        }
    }

    /// Begins a trading day where the wall clock is in another one.
    pub(in crate::app) fn look_at_day(&mut self, now: Monotonic) {
        let wall_us = wall_us();
        let Some(desk) = &mut self.desk else { return };
        let today = desk.day_of(wall_us);
        let known = desk.gate.recorded().day();
        let ends = today.ends(desk.terms.day_starts_at).since(GateTime::from_micros(wall_us));
        desk.day_due = Some(now.plus(ends + Duration::from_millis(1)));
        if known.is_some_and(|known| today <= known) {
            return;
        }
        if let Ok(taken) = desk.take(now, Fact::Day(today)) {
            self.record_taken(taken);
            if let Some(desk) = &mut self.desk {
                desk.loss.day_begins();
            }
            if known.is_some() {
                self.feed(Input::TradingDay);
            }
            self.look_at_results(now);
        }
    }

    /// A trade or a price came: results are looked at at once, or soon.
    pub(super) fn results_may_have_changed(&mut self, now: Monotonic, at_once: bool) {
        if at_once {
            self.look_at_results(now);
        } else if let Some(desk) = &mut self.desk {
            desk.results_due.get_or_insert(now.plus(RESULTS_EVERY));
        }
    }

    /// Tells the core where the daily loss is reached, or is not any more; and people where it is near.
    fn look_at_results(&mut self, now: Monotonic) {
        let paper = self.core.mode() == Mode::Dry;
        let Some(desk) = &mut self.desk else { return };
        desk.results_due = None;
        let results = desk.gate.daily_results(now, paper);
        let reached: Vec<&DailyResult> = results.iter().filter(|result| result.reached).collect();
        let far = !paper
            && self.core.policy().limits.emergency_shutdown
            && is_far(&results, desk.gate.policy().system.get(LimitName::DailyLoss));
        let evidence = (!reached.is_empty()).then(|| {
            let words: Vec<String> = reached.iter().map(|result| in_words(desk, result, paper)).collect();
            words.join("; ")
        });
        let worst = results.iter().filter_map(|result| Some((result.lost?, result))).max_by_key(|(lost, _)| *lost);
        // Where no opening equity says what a loss means, so much money does.
        let one = desk.gate.policy().money.units_in_one();
        let mut unknown = results.iter().filter(|result| result.lost.is_none());
        let much = unknown
            .find(|result| result.result.is_some_and(|units| units < 0 && units.unsigned_abs() >= LOSS_MONEY * one));
        let (warning, critical) = near(worst, much);
        let words = |result: Option<&DailyResult>| result.map(|result| in_words(desk, result, paper));
        let (warning, critical) = (words(warning), words(critical));
        let known = are_known(&results);
        for told in desk.loss.news(evidence, far) {
            self.feed(told);
        }
        self.concern_where(known, Concern::LossWarning, warning);
        self.concern_where(known, Concern::LossCritical, critical);
        self.look_at_performance(now);
    }

    /// Whether orders fare badly.
    fn look_at_performance(&mut self, now: Monotonic) {
        let Some(desk) = &self.desk else { return };
        let judged = desk.performance.judged(now);
        let success = judged.success.filter(|success| *success < SUCCESS_LEAST).map(|success| {
            format!(
                "{:.1} % of the orders of the last 24 hours ended well; {:.0} % are wanted",
                success * 100.0,
                SUCCESS_LEAST * 100.0
            )
        });
        let slow = judged.latency.filter(|latency| *latency > EXECUTION_MOST).map(|latency| {
            format!(
                "the venue took {:.1} s for an order; {} s are wanted",
                latency.as_secs_f64(),
                EXECUTION_MOST.as_secs()
            )
        });
        self.concern_where(judged.knows_success(), Concern::SuccessRate, success);
        self.concern_where(judged.knows_latency(), Concern::SlowOrders, slow);
    }

    /// Whether the venue's own request budgets are nearly used up.
    pub(super) fn look_at_usages(&mut self) {
        let now_ms = i64::try_from(clock::wall_ms()).unwrap_or(i64::MAX);
        let nearly = self.desk.as_ref().and_then(|desk| desk.usages.nearly_used(now_ms));
        // Also where an earlier life told of one: it is over until it is reported again.
        self.concern(Concern::ApiUsage, nearly);
    }

    /// Somebody has to confirm an order.
    pub(super) fn confirmation_wanted(&mut self, client_id: &str, now: Monotonic) {
        let Some(desk) = &mut self.desk else { return };
        let waiting: Vec<&str> = desk.gate.awaiting(now).map(|waiting| waiting.order.client_id.as_str()).collect();
        let news = desk.told_to_confirm.asked(client_id, &waiting);
        self.tell_of_confirmations(news, now);
    }

    /// Orders that were confirmed, or whose time to be is over; and those of which nobody was told yet.
    fn look_at_confirmations(&mut self, now: Monotonic) {
        let Some(desk) = &mut self.desk else { return };
        let waiting: Vec<&str> = desk.gate.awaiting(now).map(|waiting| waiting.order.client_id.as_str()).collect();
        let news = desk.told_to_confirm.look(&waiting);
        self.tell_of_confirmations(news, now);
    }

    fn tell_of_confirmations(&mut self, news: ConfirmationNews, now: Monotonic) {
        for id in news.over {
            self.alerts.confirmation(&id, None, clock::wall());
        }
        for id in news.begun {
            let Some(desk) = &self.desk else { return };
            let Some(waiting) = desk.gate.awaiting(now).find(|waiting| waiting.order.client_id == id) else { continue };
            let text = to_confirm(&waiting.order);
            self.say("gate", &text);
            self.alerts.confirmation(&id, Some(&text), clock::wall());
        }
    }

    /// What is looked at with every sample.
    pub(in crate::app) fn look_at_concerns(&mut self, now: Monotonic) {
        if self.desk.is_none() {
            return;
        }
        self.look_at_confirmations(now);
        self.look_at_usages();
        self.look_at_group();
        self.look_at_day(now);
        self.look_at_results(now);
    }
}

/// Whether it can be said of every account what it lost or won: not before what is held has a price.
fn are_known(results: &[DailyResult]) -> bool {
    results.iter().all(|result| result.result.is_some())
}

/// Whether more than twice the limit is lost in some account.
fn is_far(results: &[DailyResult], limit: Limit) -> bool {
    let Limit::Set(limit) = limit else { return false };
    results.iter().any(|result| result.reached && result.lost.is_some_and(|lost| lost > limit.saturating_mul(2)))
}

fn in_words(desk: &Desk, result: &DailyResult, paper: bool) -> String {
    let money = &desk.terms.money;
    let lost = result.result.and_then(i128::checked_neg).map(|units| desk.gate.money(units).to_string());
    let lost = lost.unwrap_or_else(|| "an unknown amount of".to_owned());
    let share =
        result.lost.map(|lost| format!(", {}.{} % of the opening equity", lost / 10_000, lost % 10_000 / 1_000));
    let on_paper = if paper { " on paper" } else { "" };
    format!("account {} lost {lost} {money}{on_paper} in this trading day{}", result.account, share.unwrap_or_default())
}

fn to_confirm(order: &OrderText) -> String {
    let price = order.price.as_ref().map(|price| format!(" at {price}")).unwrap_or_default();
    let side = match order.side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    format!(
        "order {} waits to be confirmed: {side} {} {}{price} in {}; `failstop orders confirm {}`",
        order.client_id, order.quantity, order.instrument, order.account, order.client_id
    )
}

/// The losses that are news: what people are warned of, and what is critical. `worst` is the account that lost the largest share of its
/// opening equity, in millionths; `much` one that lost much money, where no opening equity says what that means.
fn near<T: Copy>(worst: Option<(u128, T)>, much: Option<T>) -> (Option<T>, Option<T>) {
    let at_least = |share| worst.filter(|(lost, _)| *lost >= share).map(|(_, what)| what);
    let critical = at_least(LOSS_CRITICAL).or(much);
    (at_least(LOSS_WARNING).or(critical), critical)
}

fn wall_us() -> u64 {
    u64::try_from(clock::wall().as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_critical_warns_as_well_and_a_warning_hides_nothing_critical() {
        let percent = |lost: u128| Some((SHARE_ONE * lost / 100, "worst"));
        for (worst, much, told) in [
            (None, None, (None, None)),
            (percent(11), None, (None, None)),
            (percent(12), None, (Some("worst"), None)),
            (percent(15), None, (Some("worst"), Some("worst"))),
            (None, Some("much"), (Some("much"), Some("much"))),
            (percent(11), Some("much"), (Some("much"), Some("much"))),
            (percent(12), Some("much"), (Some("worst"), Some("much"))),
            (percent(15), Some("much"), (Some("worst"), Some("worst"))),
        ] {
            assert_eq!(near(worst, much), told, "{worst:?} {much:?}");
        }
    }

    #[test]
    fn a_loss_that_cannot_be_said_is_not_over() {
        let of = |result| DailyResult { account: "a".to_owned(), result, opening: None, lost: None, reached: false };
        assert!(are_known(&[of(Some(-1)), of(Some(0))]));
        assert!(!are_known(&[of(Some(5)), of(None)]), "after a start what is held has no price yet");
    }
}
