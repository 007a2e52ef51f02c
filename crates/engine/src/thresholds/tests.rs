#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::config::tests::with;

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_nanos(1_000_000_000_000 + seconds * 1_000_000_000)
}

/// A watcher, what bots report, and what was heard.
struct Bed {
    watcher: Watcher,
    custom: Custom,
    outside: Outside,
}

impl Bed {
    fn new(lines: &str) -> Self {
        Self { watcher: Watcher::new(&with(lines), at(0)), custom: Custom::default(), outside: Outside::default() }
    }

    fn says(&mut self, second: u64, name: &str, value: f64) {
        self.one_says(0, second, name, value);
    }

    fn one_says(&mut self, component: usize, second: u64, name: &str, value: f64) {
        assert!(self.custom.report(name, value, at(second)), "{name}");
        self.watcher.heard(at(second), Slot::component(component).unwrap(), name, None, value);
    }

    fn look(&mut self, second: u64) -> Vec<(String, News, String)> {
        let heard = self.watcher.look(at(second), Which::Due, &self.outside, &self.custom);
        heard.into_iter().map(|heard| (heard.name, heard.news, heard.what)).collect()
    }

    fn level(&self, name: &str, degree: Degree) -> Option<f64> {
        self.watcher.rule(name)?.level(degree)
    }

    fn emergencies(&mut self, second: u64, stands: bool) -> Vec<(Trigger, String)> {
        self.watcher.emergencies(at(second), |_| stands)
    }

    fn standing(&self, second: u64, name: &str) -> Standing {
        let all = self.watcher.standings(at(second), jiff::Timestamp::UNIX_EPOCH, true);
        all.into_iter().find(|one| one.name == name).unwrap()
    }
}

#[test]
fn what_nobody_reports_is_unknown_and_no_alarm() {
    let mut bed = Bed::new("");
    assert_eq!(bed.look(0), []);
    let all = bed.watcher.standings(at(0), jiff::Timestamp::UNIX_EPOCH, true);
    assert!(all.iter().all(|one| (one.level, one.value, one.source) == ("unknown", None, "default")), "{all:?}");
    assert_eq!(all.len(), 12);
}

#[test]
fn a_figure_is_looked_at_when_it_is_due_and_told_once() {
    let mut bed = Bed::new("");
    bed.look(0);
    bed.says(1, "websocket_latency", 1_200.5);
    assert_eq!(bed.look(299), [], "not due yet");
    let what = "websocket_latency is 1200.5 ms, above the warning level of 1000 ms".to_owned();
    assert_eq!(bed.look(300), [("websocket_latency".to_owned(), News::Begun(Degree::Warning), what)]);
    let standing = bed.standing(300, "websocket_latency");
    assert_eq!((standing.level, standing.value, standing.since.is_some()), ("warning", Some(1_200.5), true));
    assert_eq!(bed.look(600), []);
    bed.says(601, "websocket_latency", 1_000.0);
    assert_eq!(bed.look(900), []);
    bed.says(901, "websocket_latency", 90.0);
    let over = bed.look(1_200);
    assert!(matches!(over.as_slice(), [(_, News::Over, what)] if what.contains("is 90 ms")), "{over:?}");
}

#[test]
fn a_stale_figure_is_unknown_and_ends_nothing() {
    let mut bed = Bed::new("");
    bed.says(0, "websocket_latency", 1_200.0);
    assert_eq!(bed.look(900).len(), 1, "as old as it may be");
    assert_eq!(bed.look(1_200), []);
    let standing = bed.standing(1_200, "websocket_latency");
    assert_eq!((standing.level, standing.value), ("warning", None));
    let mut bed = Bed::new("");
    bed.says(0, "websocket_latency", 1_200.0);
    assert_eq!(bed.look(901), [], "too old to begin anything");
}

#[test]
fn a_loss_twice_as_large_as_is_critical_is_an_emergency_without_waiting_for_the_next_look() {
    let mut bed = Bed::new("");
    bed.look(0);
    bed.says(1, "daily_pnl", -100.0);
    let heard = bed.look(30);
    assert!(matches!(heard.as_slice(), [(_, News::Begun(Degree::Critical), _)]), "{heard:?}");
    assert_eq!(bed.emergencies(30, false), [], "at the level it is none");
    assert_eq!(bed.watcher.crossed().map(|words| words.len()), Some(1));
    assert_eq!(bed.watcher.crossed(), None, "said once");
    bed.says(31, "daily_pnl", -100.01);
    bed.look(60);
    let what = "daily_pnl is -100.01, below the emergency level of -100".to_owned();
    assert_eq!(bed.emergencies(60, false), [(Trigger::DailyLoss, what)]);
    assert_eq!(bed.emergencies(60, false), [], "told once");
    let worse = "daily_pnl is -100.01, below the emergency level of -100".to_owned();
    assert_eq!(bed.watcher.crossed(), Some(vec![worse]), "as it is now");
    bed.says(61, "daily_pnl", 0.0);
    bed.look(90);
    bed.says(390, "daily_pnl", 0.0);
    bed.look(390);
    assert_eq!(bed.watcher.crossed(), Some(vec![]));
}

#[test]
fn one_component_that_does_well_hides_none_that_does_not() {
    for [first, then] in [[0, 1], [1, 0]] {
        let mut bed = Bed::new("");
        for component in [first, then] {
            bed.one_says(component, 1, "daily_pnl", [-500.0, 10.0][component]);
            bed.one_says(component, 1, "websocket_latency", [9.0, 1_001.0][component]);
        }
        assert_eq!(bed.look(2).len(), 2);
        assert_eq!(bed.emergencies(2, false).len(), 1);
        // What the other says after a resume is no news of the first, and its own emergency is one.
        bed.emergencies(3, true);
        bed.one_says(1, 4, "daily_pnl", 20.0);
        bed.look(5);
        assert_eq!(bed.emergencies(5, false), []);
        bed.one_says(1, 6, "daily_pnl", -101.0);
        bed.look(7);
        assert_eq!(bed.emergencies(7, false).len(), 1);
        // One that is not heard of any more counts as long as it is fresh.
        bed.one_says(1, 901, "daily_pnl", 30.0);
        bed.look(901);
        assert_eq!(bed.standing(901, "daily_pnl").value, Some(-500.0));
        bed.look(902);
        assert_eq!(bed.standing(902, "daily_pnl").value, Some(30.0));
    }
}

#[test]
fn a_report_that_is_the_whole_figure_is_judged_as_it_comes_and_nothing_else_is() {
    let mut bed = Bed::new("");
    bed.look(0);
    for (name, wanted) in [("daily_pnl", true), ("api_errors", false), ("api_requests", false), ("nonce_rate", false)] {
        assert_eq!(bed.watcher.is_judged_with(name), wanted, "{name}");
    }
    bed.says(1, "nonce_rate", 1.0);
    bed.says(1, "daily_pnl", -100.01);
    let heard = bed.watcher.look(at(1), Which::Reported, &bed.outside, &bed.custom);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(bed.emergencies(1, false).len(), 1);
    assert_eq!(bed.watcher.due(), at(300), "the others in their turn");
    // Where there is a gate, it has the results.
    bed.outside.gate = true;
    bed.says(2, "daily_pnl", -1_000.0);
    bed.watcher.look(at(2), Which::Reported, &bed.outside, &bed.custom);
    assert_eq!(bed.emergencies(2, false), []);
}

#[test]
fn a_resume_is_undone_by_what_is_reported_after_it_and_by_nothing_before() {
    let mut bed = Bed::new("");
    bed.says(0, "daily_pnl", -500.0);
    bed.look(0);
    assert_eq!(bed.emergencies(0, false).len(), 1);
    // Until the bot is stopped it goes on reporting.
    bed.says(5, "daily_pnl", -501.0);
    bed.look(30);
    assert_eq!(bed.emergencies(30, true), [], "everything is shut down");
    bed.look(60);
    assert_eq!(bed.emergencies(60, false), [], "resumed, and nothing was reported since");
    bed.says(70, "daily_pnl", -502.0);
    bed.look(90);
    assert_eq!(bed.emergencies(90, false).len(), 1, "it is still so");
}

#[test]
fn requests_before_a_shutdown_count_no_more_after_a_resume() {
    let mut bed = Bed::new("");
    let report = |bed: &mut Bed, second, requests, errors| {
        bed.says(second, "api_requests", requests);
        bed.says(second, "api_errors", errors);
        bed.look(second);
    };
    report(&mut bed, 0, 0.0, 0.0);
    report(&mut bed, 1, 2_000.0, 200.0);
    assert_eq!(bed.emergencies(1, false).len(), 1);
    assert_eq!(bed.emergencies(2, true), []);
    report(&mut bed, 60, 2_300.0, 200.0);
    assert_eq!(bed.emergencies(60, false), [], "300 good ones since");
    report(&mut bed, 90, 2_600.0, 250.0);
    assert_eq!(bed.emergencies(90, false).len(), 1, "50 bad ones of 600");
}

#[test]
fn api_errors_are_an_emergency_at_ten_times_what_is_critical_and_with_fewer_requests() {
    let mut bed = Bed::new("");
    for name in ["api_requests", "api_errors"] {
        bed.says(0, name, 0.0);
    }
    bed.says(1, "api_requests", 200.0);
    bed.says(1, "api_errors", 2.0);
    assert_eq!(bed.look(1), [], "1 % of few says nothing yet");
    bed.says(2, "api_errors", 3.0);
    let heard = bed.look(2);
    assert!(matches!(heard.as_slice(), [(_, News::Begun(Degree::Emergency), _)]), "{heard:?}");
    let what = "api_error_rate is 1.5 % of 200 requests within 5 min, above the emergency level of 1 %".to_owned();
    assert_eq!(bed.emergencies(2, false), [(Trigger::ApiErrors, what)]);
}

fn whole(known: f64) -> Option<Worst> {
    Some(Worst { known: Some(known), of_all: true })
}

#[test]
fn a_result_in_money_is_shown_and_degrades_health_until_none_is_judged_by_it() {
    let mut bed = Bed::new("");
    let with = |result| Outside { gate: true, result, ..Outside::default() };
    bed.outside = with(whole(-101.0));
    assert_eq!(bed.look(0), [], "the gate tells of it itself");
    assert_eq!(bed.emergencies(0, false), [], "and of its emergency");
    let result = bed.standing(0, "daily_pnl");
    assert_eq!((result.level, result.value), ("emergency", Some(-101.0)));
    let words =
        "daily_pnl is -101 in an account of which no opening equity is known, below the emergency level of -100";
    assert_eq!(bed.watcher.crossed(), Some(vec![words.to_owned()]));
    // Nobody can say that an account without a price is better.
    for second in [300, 600, 900] {
        bed.outside = with(Some(Worst { known: Some(-51.0), of_all: false }));
        bed.look(second);
        assert_eq!(bed.standing(second, "daily_pnl").level, "emergency");
        assert_eq!(bed.standing(second, "daily_pnl").value, None);
    }
    bed.outside = with(Some(Worst { known: Some(-102.0), of_all: false }));
    bed.look(1_200);
    assert_eq!(bed.standing(1_200, "daily_pnl").value, Some(-102.0), "another one's tells enough");
    bed.outside = with(None);
    bed.look(1_500);
    assert_eq!(bed.standing(1_500, "daily_pnl").level, "unknown", "every opening equity is known");
    assert_eq!(bed.watcher.crossed(), Some(vec![]));
}

#[test]
fn the_worst_of_accounts_and_whether_all_are_known() {
    let of = |accounts: &[Option<f64>], side| Worst::of(accounts.iter().copied(), side);
    assert_eq!(of(&[], Side::Below), None);
    assert_eq!(of(&[Some(-1.0), Some(-3.0), Some(5.0)], Side::Below), whole(-3.0));
    assert_eq!(of(&[Some(1.0), Some(3.0), Some(2.0)], Side::Above), whole(3.0));
    for accounts in [[None, Some(-1.0)], [Some(-1.0), None]] {
        assert_eq!(of(&accounts, Side::Below), Some(Worst { known: Some(-1.0), of_all: false }));
    }
    assert_eq!(of(&[None], Side::Below), Some(Worst { known: None, of_all: false }));
}

#[test]
fn a_gate_knows_better_than_the_bot() {
    let mut bed = Bed::new("");
    bed.outside = Outside {
        gate: true,
        success: Some(0.84),
        execution: Some(Duration::from_secs(6)),
        lost: whole(15.5),
        result: whole(-49.0),
        ..Outside::default()
    };
    bed.says(0, "daily_pnl", -500.0);
    bed.says(0, "trade_execution_time", 1.0);
    let names = |heard: Vec<(String, News, String)>| heard.into_iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(names(bed.look(0)), ["success_rate", "trade_execution_time"], "of losses it tells itself");
    assert_eq!(bed.standing(0, "daily_loss").level, "critical");
    let result = bed.standing(0, "daily_pnl");
    assert_eq!((result.level, result.value), ("good", Some(-49.0)), "and not what the bot says");
    assert_eq!(bed.emergencies(0, false), []);
    bed.outside = Outside { gate: true, success: Some(0.9), ..Outside::default() };
    let of_orders = bed.watcher.look(at(10), Which::OfOrders, &bed.outside, &bed.custom);
    assert_eq!((of_orders, bed.standing(10, "success_rate").value), (vec![], Some(90.0)));
    bed.outside = Outside { gate: true, too_few: true, ..Outside::default() };
    let of_orders = bed.watcher.look(at(20), Which::OfOrders, &bed.outside, &bed.custom);
    assert!(
        matches!(of_orders.as_slice(), [Heard { news: News::Over, .. }]),
        "a day without enough orders: {of_orders:?}"
    );
    assert_eq!(bed.standing(20, "trade_execution_time").level, "warning", "nobody knows that there was none");
}

#[test]
fn a_figure_of_one_component_is_as_that_one_reports_it() {
    let figure = "[[thresholds.figure]]\nname = \"waiting\"\nmetric = \"queue\"\nunit = \"orders\"\nwarning = 10\n";
    let mut bed = Bed::new(&format!("{figure}component = \"bot\"\n"));
    bed.watcher.heard(at(0), Slot::component(1).unwrap(), "queue", None, 99.0);
    bed.watcher.heard(at(0), Slot::component(0).unwrap(), "other", None, 99.0);
    assert_eq!(bed.look(0), []);
    bed.watcher.heard(at(300), Slot::component(0).unwrap(), "queue", None, 11.0);
    let what = "waiting of bot is 11 orders, above the warning level of 10 orders".to_owned();
    assert_eq!(bed.look(300), [("waiting".to_owned(), News::Begun(Degree::Warning), what)]);
    assert_eq!(bed.standing(300, "waiting").source, "written");
}

#[test]
fn the_largest_log_file_counts_where_some_are_named() {
    let mut bed = Bed::new("[thresholds]\nlog_files = [\"a.log\", \"b.log\"]\n");
    bed.says(0, "log_file_size", 9e9);
    assert_eq!(bed.look(0), [], "what the bot says of it is nobody's business");
    let file = |bytes, at| Some(LogFile { name: "b.log".to_owned(), bytes, at });
    bed.watcher.logs_seen(file(8_000_000, at(1)));
    assert_eq!((bed.look(300), bed.standing(300, "log_file_size").level), (vec![], "good"));
    bed.watcher.logs_seen(file(8_000_001, at(301)));
    let what = "log_file_size is 8000001 bytes (b.log), above the warning level of 8000000 bytes".to_owned();
    assert_eq!(bed.look(600), [("log_file_size".to_owned(), News::Begun(Degree::Warning), what)]);
    bed.watcher.logs_seen(None);
    bed.look(900);
    assert_eq!(bed.standing(900, "log_file_size").value, None);
    let mut bed = Bed::new("");
    bed.says(0, "log_file_size", 9e9);
    assert_eq!(bed.look(0).len(), 1, "where none is named the bot knows");
}

#[test]
fn what_tightens_holds_at_once_and_what_loosens_when_it_is_adopted() {
    let mut bed = Bed::new("");
    bed.says(0, "websocket_latency", 900.0);
    bed.says(0, "balance_check_time", 1.5);
    assert_eq!(bed.look(0), []);
    let new = with(
        "[thresholds]\nevery = \"10m\"\n[thresholds.websocket_latency]\nwarning = 800\n[thresholds.balance_check_time]\nwarning = 9\n\
         [[thresholds.figure]]\nname = \"mine\"\nwarning = 1\n",
    );
    bed.watcher.tighten(&new);
    assert_eq!(bed.level("websocket_latency", Degree::Warning), Some(800.0));
    assert_eq!(bed.level("balance_check_time", Degree::Warning), Some(2.0), "the looser one waits");
    assert_eq!(bed.look(1).len(), 1, "looked at anew");
    bed.watcher.adopt(&new);
    assert_eq!(bed.level("balance_check_time", Degree::Warning), Some(9.0));
    assert_eq!(bed.look(2), [], "what is known of it stays");
    assert_eq!(bed.standing(2, "websocket_latency").level, "warning");
    bed.watcher.adopt(&with(""));
    assert_eq!(bed.level("mine", Degree::Warning), None);
    let open = ["mine", "websocket_latency", "nonce_rate"];
    let over = bed.watcher.over(at(3), open.into_iter());
    assert_eq!(over, [("mine", "mine is not held against any level any more".to_owned())]);
}

#[test]
fn what_an_earlier_life_told_is_over_once_it_is_known_to_be_good() {
    let mut bed = Bed::new("");
    let over = |bed: &Bed, second| bed.watcher.over(at(second), ["websocket_latency"].into_iter()).len();
    bed.look(0);
    assert_eq!(over(&bed, 0), 0, "not known");
    bed.says(1, "websocket_latency", 90.0);
    bed.look(300);
    assert_eq!(over(&bed, 300), 0, "good for a moment");
    bed.look(600);
    assert_eq!(over(&bed, 600), 1);
    assert_eq!(bed.standing(600, "websocket_latency").level, "good");
}

#[test]
fn numbers_for_people() {
    for (value, text) in [(0.1, "0.1"), (-50.0, "-50"), (8_000_000.0, "8000000"), (0.123_45, "0.1235"), (0.0, "0")] {
        assert_eq!(number(value), text);
    }
}
