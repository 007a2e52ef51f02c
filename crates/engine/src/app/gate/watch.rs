//! What the gate brings to the rest by and by: the trading day, the daily loss and its halt, and what people are told of.

use super::super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;
use crate::gate::{ConfirmationNews, Desk};
use core::time::Duration;
use failstop_core::gate::{DailyResult, Fact, GateTime, Limit, LimitName, OrderText, Side};
use failstop_core::{Cause, Degree, Input, Mode, Monotonic};

/// Results follow each trade at once, and prices this often at most.
const RESULTS_EVERY: Duration = Duration::from_millis(250);

impl Engine {
    /// Starts the gate, once everything that the journal has was given back to it.
    pub(in crate::app) fn start_gate(&mut self) {
        let (now, wall_us) = (clock::now(), wall_us());
        let Some(desk) = &mut self.desk else { return self.nothing_of_the_gate_concerns() };
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

    /// Without a gate nothing of it concerns anybody: what an earlier life told of one is over.
    fn nothing_of_the_gate_concerns(&mut self) {
        self.alerts.confirmations_over(clock::wall());
        for concern in Concern::OF_GATE {
            self.concern(concern, None);
        }
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
        let shares = [Degree::Warning, Degree::Critical].map(|degree| self.loss_share(degree));
        let money = [Degree::Warning, Degree::Critical].map(|degree| self.thresholds.level("daily_pnl", degree));
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
        let unknown = || results.iter().filter(|result| result.lost.is_none());
        let much = money.map(|level| {
            level.map(|level| unknown().find(|result| result.result.is_some_and(|units| is_lost(units, level, one))))
        });
        let (warning, critical) = near(worst, shares, much);
        let words = |result: Option<&DailyResult>| result.map(|result| in_words(desk, result, paper));
        let (warning, critical) = (words(warning), words(critical));
        let known = are_known(&results);
        for told in desk.loss.news(evidence, far) {
            self.feed(told);
        }
        self.concern_where(known, Concern::LossWarning, warning);
        self.concern_where(known, Concern::LossCritical, critical);
        self.look_at_figures_of_orders(now);
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
/// opening equity, in millionths, and `shares` says which share is what; `much` one that lost much money, where no opening equity says
/// what that means.
fn near<T: Copy>(
    worst: Option<(u128, T)>,
    shares: [Option<u128>; 2],
    much: [Option<Option<T>>; 2],
) -> (Option<T>, Option<T>) {
    let at_least = |share: Option<u128>| worst.filter(|(lost, _)| share.is_some_and(|share| *lost >= share));
    let [warning, critical] = shares.map(|share| at_least(share).map(|(_, what)| what));
    let [much_warning, much_critical] = much.map(Option::flatten);
    let critical = critical.or(much_critical);
    (warning.or(much_warning).or(critical), critical)
}

/// Whether so many units of money are a result as bad as a level, in whole money.
#[expect(clippy::cast_precision_loss, reason = "a level is no sum that is booked")]
fn is_lost(units: i128, level: f64, one: u128) -> bool {
    units < 0 && units as f64 <= level * one as f64
}

fn wall_us() -> u64 {
    u64::try_from(clock::wall().as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::gate::SHARE_ONE;

    #[test]
    fn a_loss_that_is_critical_warns_as_well_and_a_warning_hides_nothing_critical() {
        let percent = |lost: u128| Some((SHARE_ONE * lost / 100, "worst"));
        let shares = [12, 15].map(|percent| Some(SHARE_ONE * percent / 100));
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
            assert_eq!(near(worst, shares, [None, Some(much)]), told, "{worst:?} {much:?}");
        }
        assert_eq!(near(percent(90), [None; 2], [None; 2]), (None, None), "switched off");
        assert_eq!(near(None, shares, [Some(Some("much")), Some(None)]), (Some("much"), None), "a warning in money");
    }

    #[test]
    fn a_result_is_as_bad_as_a_level_at_it() {
        for (units, lost) in [(-4_999, false), (-5_000, true), (-5_001, true), (0, false), (5_000, false)] {
            assert_eq!(is_lost(units, -50.0, 100), lost, "{units}");
        }
        assert!(!is_lost(0, 0.0, 100), "nothing is no loss");
    }

    #[test]
    fn a_loss_that_cannot_be_said_is_not_over() {
        let of = |result| DailyResult { account: "a".to_owned(), result, opening: None, lost: None, reached: false };
        assert!(are_known(&[of(Some(-1)), of(Some(0))]));
        assert!(!are_known(&[of(Some(5)), of(None)]), "after a start what is held has no price yet");
    }
}
