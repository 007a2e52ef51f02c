//! What the gate brings to the rest by and by: the trading day, the daily loss and its halt, and what people are told of.

use super::super::engine::Engine;
use super::super::thresholds::{is_in_money, money, percent};
use crate::alerts::Concern;
use crate::clock;
use crate::gate::{ConfirmationNews, Desk};
use core::cmp::Reverse;
use core::time::Duration;
use failstop_core::gate::{DailyResult, Fact, GateTime, Limit, LimitName, OrderText, Side};
use failstop_core::{Cause, Degree, Input, Mode, Monotonic, Rule};

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
        self.alerts.confirmations(&[], clock::wall());
        self.look_at_day(now);
        self.look_at_results(now);
    }

    /// Without a gate nothing of it concerns anybody: what an earlier life told of one is over.
    fn nothing_of_the_gate_concerns(&mut self) {
        self.alerts.confirmations(&[], clock::wall());
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
        let rules = ["daily_loss", "daily_pnl"].map(|figure| self.thresholds.rule(figure));
        let Some(desk) = &mut self.desk else { return };
        desk.results_due = None;
        let results = desk.gate.daily_results(now, paper);
        let levels = Levels::new(rules, desk.gate.policy().money.units_in_one());
        let in_words_each = |results: Vec<&DailyResult>| {
            let words: Vec<String> = results.into_iter().map(|result| in_words(desk, result, paper)).collect();
            (!words.is_empty()).then(|| words.join("; "))
        };
        let evidence = in_words_each(results.iter().filter(|result| result.reached).collect());
        let limit = desk.gate.policy().system.get(LimitName::DailyLoss);
        let far = if !paper && self.core.policy().limits.emergency_shutdown {
            let far = results.iter().filter(|result| is_far(result, limit) || levels.is_emergency(result));
            in_words_each(far.collect())
        } else {
            None
        };
        let words = |least: Degree| levels.worst(&results, least).map(|result| in_words(desk, result, paper));
        let (warning, critical) = (words(Degree::Warning), words(Degree::Critical));
        let known = are_known(&results);
        for told in desk.loss.news(known, evidence, far) {
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
        let Some(desk) = &self.desk else { return };
        if news == ConfirmationNews::default() {
            return;
        }
        let waiting: Vec<(bool, String)> = desk
            .gate
            .awaiting(now)
            .map(|waiting| (news.begun.contains(&waiting.order.client_id), to_confirm(&waiting.order)))
            .collect();
        for (_, text) in waiting.iter().filter(|(begun, _)| *begun) {
            self.say("gate", text);
        }
        let all: Vec<String> = waiting.into_iter().map(|(_, text)| text).collect();
        self.alerts.confirmations(&all, clock::wall());
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

/// Whether more than twice the limit is lost.
fn is_far(result: &DailyResult, limit: Limit) -> bool {
    let Limit::Set(limit) = limit else { return false };
    result.reached && result.lost.is_some_and(|lost| lost > limit.saturating_mul(2))
}

/// What the day's result of an account is held against: the share of its opening equity that is lost, or where none says what a loss means,
/// so much money.
#[derive(Clone, Copy, Debug)]
struct Levels {
    share: Option<Rule>,
    money: Option<Rule>,
    /// Units in one of money.
    one: u128,
}

impl Levels {
    fn new([share, money]: [Option<Rule>; 2], one: u128) -> Self {
        Self { share, money, one }
    }

    fn degree_of(&self, result: &DailyResult) -> Option<Degree> {
        if is_in_money(result) {
            self.money?.degree_of(money(result.result?, self.one))
        } else {
            self.share?.degree_of(percent(result.lost?))
        }
    }

    /// Whether so much money is lost that everything is to be shut down. Of shares the gate's own limit says it ([`is_far`]).
    fn is_emergency(&self, result: &DailyResult) -> bool {
        is_in_money(result) && self.degree_of(result) == Some(Degree::Emergency)
    }

    /// The worst account that is at least so bad: of those whose opening equity is known the one that lost the largest share.
    fn worst<'a>(&self, results: &'a [DailyResult], least: Degree) -> Option<&'a DailyResult> {
        let bad = results.iter().filter(|result| self.degree_of(result) >= Some(least));
        bad.max_by_key(|result| (!is_in_money(result), result.lost, Reverse(result.result)))
    }
}

fn in_words(desk: &Desk, result: &DailyResult, paper: bool) -> String {
    let won = result.result.is_some_and(|units| units > 0);
    let units = result.result.and_then(|units| if won { Some(units) } else { units.checked_neg() });
    let amount = units.map_or_else(|| "an unknown amount of".to_owned(), |units| desk.gate.money(units).to_string());
    let share = match result.lost {
        _ if is_in_money(result) => "; no opening equity says what that means".to_owned(),
        Some(lost) => format!(", {}.{} % of the opening equity", lost / 10_000, lost % 10_000 / 1_000),
        None => String::new(),
    };
    let word = if won { "won" } else { "lost" };
    let (account, money, on_paper) = (&result.account, &desk.terms.money, if paper { " on paper" } else { "" });
    format!("account {account} {word} {amount} {money}{on_paper} in this trading day{share}")
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

fn wall_us() -> u64 {
    u64::try_from(clock::wall().as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;
    use crate::thresholds::rows;
    use failstop_core::gate::SHARE_ONE;

    /// An account with an opening equity, so much of which is lost.
    fn of_share(account: &str, millionths: u128) -> DailyResult {
        DailyResult { opening: Some(100_000), lost: Some(millionths), ..in_money(account, Some(-1)) }
    }

    /// One without.
    fn in_money(account: &str, result: Option<i128>) -> DailyResult {
        DailyResult { account: account.to_owned(), result, opening: None, lost: None, reached: false }
    }

    /// By cents.
    fn levels(lines: &str) -> Levels {
        let rows = rows(&with(lines));
        let rule = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.rule);
        Levels::new(["daily_loss", "daily_pnl"].map(rule), 100)
    }

    #[test]
    fn at_a_level_a_loss_is_still_good_as_every_figure_is() {
        let degree = |lines: &str, result: &DailyResult| levels(lines).degree_of(result);
        for (millionths, found) in [
            (0, None),
            (120_000, None),
            (120_001, Some(Degree::Warning)),
            (150_000, Some(Degree::Warning)),
            (150_001, Some(Degree::Critical)),
            (SHARE_ONE, Some(Degree::Critical)),
        ] {
            assert_eq!(degree("", &of_share("a", millionths)), found, "{millionths}");
        }
        for (cents, found) in [
            (0, None),
            (-5_000, None),
            (-5_001, Some(Degree::Critical)),
            (-10_000, Some(Degree::Critical)),
            (-10_001, Some(Degree::Emergency)),
        ] {
            assert_eq!(degree("", &in_money("a", Some(cents))), found, "{cents}");
        }
        let tenths = "[thresholds.daily_loss]\nwarning = 12.1\n";
        assert_eq!(degree(tenths, &of_share("a", 121_000)), None);
        let least = "[thresholds.daily_loss]\nwarning = 0\n[thresholds.daily_pnl]\nwarning = 0\n";
        assert_eq!(degree(least, &of_share("a", 0)), None, "a day without a loss is good");
        assert_eq!(degree(least, &in_money("a", Some(0))), None);
        assert_eq!(degree(least, &of_share("a", 1)), Some(Degree::Warning));
        assert_eq!(degree(least, &in_money("a", Some(-1))), Some(Degree::Warning));
        let off = "[thresholds.daily_loss]\nwarning = \"off\"\ncritical = \"off\"\n[thresholds.daily_pnl]\ncritical = \"off\"\n";
        assert_eq!(degree(off, &of_share("a", SHARE_ONE)), None);
        assert_eq!(degree(off, &in_money("a", Some(-1_000_000))), None);
    }

    #[test]
    fn a_loss_that_is_critical_warns_as_well_and_a_warning_hides_nothing_critical() {
        let levels = levels("");
        for (results, told) in [
            (vec![of_share("share", 110_000)], [None, None]),
            (vec![of_share("share", 130_000)], [Some("share"), None]),
            (vec![of_share("share", 160_000), of_share("more", 170_000)], [Some("more"), Some("more")]),
            (vec![in_money("much", Some(-5_100)), in_money("more", Some(-5_200))], [Some("more"), Some("more")]),
            (vec![of_share("share", 110_000), in_money("much", Some(-5_100))], [Some("much"), Some("much")]),
            (vec![of_share("share", 130_000), in_money("much", Some(-5_100))], [Some("share"), Some("much")]),
            (vec![in_money("much", Some(-5_100)), of_share("share", 160_000)], [Some("share"), Some("share")]),
            (vec![in_money("unknown", None)], [None, None]),
        ] {
            let found = [Degree::Warning, Degree::Critical].map(|least| levels.worst(&results, least));
            assert_eq!(found.map(|result| result.map(|result| result.account.as_str())), told, "{results:?}");
        }
    }

    #[test]
    fn much_money_is_an_emergency_where_no_opening_equity_says_what_it_means() {
        let emergency = |lines: &str, result: &DailyResult| levels(lines).is_emergency(result);
        assert!(!emergency("", &in_money("a", Some(-10_000))), "at the level it is none");
        assert!(emergency("", &in_money("a", Some(-10_001))));
        let of_nothing = DailyResult { opening: Some(0), ..in_money("a", Some(-10_001)) };
        assert!(emergency("", &of_nothing), "no share is lost of nothing");
        assert!(!emergency("", &DailyResult { result: Some(-10_001), ..of_share("a", 1) }));
        assert!(!emergency("", &of_share("a", SHARE_ONE)), "the gate's own limit says it");
        assert!(!emergency("[thresholds.daily_pnl]\nemergency_times = \"off\"\n", &in_money("a", Some(-1_000_000))));
    }

    #[test]
    fn a_loss_that_cannot_be_said_is_not_over() {
        let of = |result| in_money("a", result);
        assert!(are_known(&[of(Some(-1)), of(Some(0))]));
        assert!(!are_known(&[of(Some(5)), of(None)]), "after a start what is held has no price yet");
    }
}
