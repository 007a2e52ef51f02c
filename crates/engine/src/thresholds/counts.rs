//! Figures that come of counts: bots report totals that only rise, and what is judged is by how much they rose lately.

use core::time::Duration;
use failstop_core::{Monotonic, Slot};
use std::collections::{BTreeMap, VecDeque};

/// A window slides in so many steps.
const STEPS: u64 = 30;

/// The most endpoints of the APIs, of each component, whose requests are counted.
pub const ENDPOINTS_MAX: usize = 64;

/// A total above this counts for nothing: further ones are not told apart by what bots report them in.
const COUNTED_MAX: f64 = 9_007_199_254_740_992.0;

/// Over which requests are judged.
const REQUESTS_WITHIN: Duration = Duration::from_secs(5 * 60);

/// Over which reconnects are counted.
const RECONNECTS_WITHIN: Duration = Duration::from_secs(3_600);

/// Over which trades are judged.
const TRADES_WITHIN: Duration = Duration::from_secs(86_400);

/// With fewer requests the share of all errors is chance.
const REQUESTS_LEAST: f64 = 1_000.0;

/// With fewer not even a gross one can be told.
const REQUESTS_LEAST_GROSS: f64 = 200.0;

/// With fewer requests nothing is said of one endpoint, and with fewer trades nothing of trades.
const FEW: f64 = 20.0;

/// By how much a total rose within a window, as far back as it is heard of.
#[derive(Clone, Debug)]
struct Rise {
    step: Duration,
    last: Option<f64>,
    /// Since it is heard of.
    sum: f64,
    steps: VecDeque<(u64, f64)>,
}

impl Rise {
    fn over(window: Duration) -> Self {
        Self { step: window / 30, last: None, sum: 0.0, steps: VecDeque::new() }
    }

    /// A total, and whether it rose. One below the last begins anew: whoever counts was started again.
    fn take(&mut self, now: Monotonic, total: f64) -> bool {
        // The first total says nothing of when it came to be.
        let rose = match self.last.replace(total) {
            None => 0.0,
            Some(last) if total < last => total,
            Some(last) => total - last,
        };
        self.sum += rose;
        let step = self.step_of(now);
        match self.steps.back_mut() {
            Some((open, sum)) if *open >= step => *sum += rose,
            Some(_) | None => self.steps.push_back((step, rose)),
        }
        while self.steps.front().is_some_and(|(old, _)| old.saturating_add(STEPS) <= step) {
            self.steps.pop_front();
        }
        rose > 0.0
    }

    fn step_of(&self, now: Monotonic) -> u64 {
        now.as_nanos() / u64::try_from(self.step.as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn within(&self, now: Monotonic) -> f64 {
        let step = self.step_of(now);
        self.steps.iter().filter(|(old, _)| old.saturating_add(STEPS) > step).map(|(_, rose)| rose).sum()
    }
}

/// The requests of one component to one endpoint; to all together, where it names none.
#[derive(Clone, Debug)]
struct Requests {
    requests: Rise,
    errors: Rise,
    /// Good ones at the last look, and errors at the last look that saw another good one.
    good: f64,
    errors_then: f64,
    /// When any of it rose last, or it was first heard of.
    rose: Monotonic,
    /// When any of it was reported last.
    heard: Monotonic,
}

impl Requests {
    fn is_fresh(&self, now: Monotonic, stale_after: Duration) -> bool {
        now.since(self.heard) <= stale_after
    }
}

/// Everything that is counted. Nothing is kept of what nobody reports.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    reconnects: BTreeMap<Slot, Rise>,
    trades: BTreeMap<Slot, (Rise, Rise)>,
    requests: BTreeMap<(Slot, String), Requests>,
    /// Requests and errors of those that made room.
    forgotten: (f64, f64),
    heard: BTreeMap<&'static str, Monotonic>,
    left_out: bool,
}

/// A share and what it is a share of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Per cent.
    pub percent: f64,
    /// Of so many.
    pub of: f64,
}

/// All requests to APIs, of all components and endpoints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requested {
    /// How many there were since each count was heard of. Never falls.
    pub requests: f64,
    /// How many of them failed, likewise.
    pub errors: f64,
    /// When requests were reported last.
    pub heard: Monotonic,
}

const RECONNECTS: &str = "websocket_reconnects";
const EXECUTED: &str = "trades_executed";
const SUCCEEDED: &str = "trades_succeeded";
const REQUESTED: &str = "api_requests";
const FAILED: &str = "api_errors";

impl Counts {
    /// A component reports a total; what has another name is none of these, and what is no count changes nothing.
    pub fn take(&mut self, now: Monotonic, who: Slot, name: &str, endpoint: Option<&str>, total: f64) {
        let Some(known) = [RECONNECTS, EXECUTED, SUCCEEDED, REQUESTED, FAILED].into_iter().find(|one| *one == name)
        else {
            return;
        };
        if !(0.0..=COUNTED_MAX).contains(&total) {
            return;
        }
        self.heard.insert(known, now);
        let day = || (Rise::over(TRADES_WITHIN), Rise::over(TRADES_WITHIN));
        match known {
            RECONNECTS => {
                self.reconnects.entry(who).or_insert_with(|| Rise::over(RECONNECTS_WITHIN)).take(now, total);
            }
            EXECUTED => {
                self.trades.entry(who).or_insert_with(day).0.take(now, total);
            }
            SUCCEEDED => {
                self.trades.entry(who).or_insert_with(day).1.take(now, total);
            }
            _ => {
                let key = (who, endpoint.unwrap_or_default().to_owned());
                if !self.requests.contains_key(&key) && !self.has_room(now, &key) {
                    if !std::mem::replace(&mut self.left_out, true) {
                        tracing::warn!(most = ENDPOINTS_MAX, "further endpoints of APIs are not judged");
                    }
                    return;
                }
                let of = self.requests.entry(key).or_insert_with(|| Requests {
                    requests: Rise::over(REQUESTS_WITHIN),
                    errors: Rise::over(REQUESTS_WITHIN),
                    good: 0.0,
                    errors_then: 0.0,
                    rose: now,
                    heard: now,
                });
                of.heard = now;
                let counted = if known == REQUESTED { &mut of.requests } else { &mut of.errors };
                if counted.take(now, total) {
                    of.rose = now;
                }
            }
        }
    }

    /// Whether one more endpoint of this component is counted. Those that did not rise for so long that nothing of them is judged make
    /// room. One component takes none from another, and what it reports without an endpoint has its place.
    fn has_room(&mut self, now: Monotonic, (who, endpoint): &(Slot, String)) -> bool {
        let named =
            |counts: &Self| counts.requests.keys().filter(|(slot, name)| slot == who && !name.is_empty()).count();
        if endpoint.is_empty() || named(self) < ENDPOINTS_MAX {
            return true;
        }
        let (requests, errors) = &mut self.forgotten;
        self.requests.retain(|(slot, name), one| {
            let stays = slot != who || name.is_empty() || now.since(one.rose) <= REQUESTS_WITHIN;
            if !stays {
                *requests += one.requests.sum;
                *errors += one.errors.sum;
            }
            stays
        });
        named(self) < ENDPOINTS_MAX
    }

    /// Whether this count was reported within `stale_after`.
    fn is_heard(&self, name: &'static str, now: Monotonic, stale_after: Duration) -> bool {
        self.heard.get(name).is_some_and(|at| now.since(*at) <= stale_after)
    }

    /// When requests were reported last.
    pub fn requests_heard(&self) -> Option<Monotonic> {
        self.heard.get(REQUESTED).copied()
    }

    /// All requests, whichever counts they are in; `None`: nobody reports any.
    pub fn requested(&self) -> Option<Requested> {
        let heard = self.requests_heard()?;
        let all = self.requests.values();
        let (requests, errors) =
            all.fold(self.forgotten, |(requests, errors), one| (requests + one.requests.sum, errors + one.errors.sum));
        Some(Requested { requests, errors, heard })
    }

    /// What is known of requests is over: only what comes from here on counts.
    pub fn forget_requests(&mut self) {
        for one in self.requests.values_mut() {
            one.requests.steps.clear();
            one.errors.steps.clear();
        }
    }

    /// Reconnects within an hour.
    pub fn reconnects(&self, now: Monotonic, stale_after: Duration) -> Option<f64> {
        self.is_heard(RECONNECTS, now, stale_after).then(|| self.reconnects.values().map(|rise| rise.within(now)).sum())
    }

    /// Errors of all requests within five minutes; whether there are enough to tell more than a gross share.
    pub fn errors(&self, now: Monotonic, stale_after: Duration) -> Option<(Share, bool)> {
        if !self.is_heard(REQUESTED, now, stale_after) {
            return None;
        }
        let all = self.requests.values();
        let (requests, errors) = all.fold((0.0, 0.0), |(requests, errors), one| {
            (requests + one.requests.within(now), errors + one.errors.within(now))
        });
        (requests >= REQUESTS_LEAST_GROSS).then(|| {
            // An error is counted when its request was, or later.
            let percent = (100.0 * errors / requests).clamp(0.0, 100.0);
            (Share { percent, of: requests }, requests >= REQUESTS_LEAST)
        })
    }

    /// The endpoint of which the smallest share of requests succeeds, of those that are reported.
    pub fn worst_endpoint(&self, now: Monotonic, stale_after: Duration) -> Option<(&str, Share)> {
        if !self.is_heard(REQUESTED, now, stale_after) {
            return None;
        }
        let named = self.requests.iter().filter(|((_, name), one)| !name.is_empty() && one.is_fresh(now, stale_after));
        let judged = named.filter_map(|((_, endpoint), one)| {
            let (requests, errors) = (one.requests.within(now), one.errors.within(now));
            let percent = (100.0 * (requests - errors) / requests).clamp(0.0, 100.0);
            (requests >= FEW).then_some((endpoint.as_str(), Share { percent, of: requests }))
        });
        judged.min_by(|one, other| one.1.percent.total_cmp(&other.1.percent))
    }

    /// The most failures of one endpoint in a row, and which, of those that are reported: nobody knows how one fares that its component
    /// does not speak of any more. A look that finds another good one begins anew.
    pub fn failures_in_a_row(&mut self, now: Monotonic, stale_after: Duration) -> Option<(&str, f64)> {
        if !self.is_heard(FAILED, now, stale_after) {
            return None;
        }
        let mut worst: Option<(&str, f64)> = None;
        for ((_, endpoint), one) in &mut self.requests {
            let good = one.requests.sum - one.errors.sum;
            if good > one.good {
                one.errors_then = one.errors.sum;
            }
            one.good = good;
            let row = one.errors.sum - one.errors_then;
            if one.is_fresh(now, stale_after) && worst.is_none_or(|(_, most)| row > most) {
                worst = Some((endpoint, row));
            }
        }
        worst
    }

    /// Trades that succeeded within a day, with enough of them.
    pub fn trades(&self, now: Monotonic, stale_after: Duration) -> Option<Share> {
        if !self.is_heard(EXECUTED, now, stale_after) {
            return None;
        }
        let all = self.trades.values();
        let (executed, good) =
            all.fold((0.0, 0.0), |(executed, good), one| (executed + one.0.within(now), good + one.1.within(now)));
        (executed >= FEW).then(|| Share { percent: (100.0 * good / executed).clamp(0.0, 100.0), of: executed })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    const STALE: Duration = Duration::from_secs(900);

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000_000 + seconds * 1_000_000_000)
    }

    fn slot(index: usize) -> Slot {
        Slot::component(index).unwrap()
    }

    fn said(counts: &mut Counts, second: u64, name: &str, total: f64) {
        counts.take(at(second), slot(0), name, None, total);
    }

    #[test]
    fn a_total_counts_by_how_much_it_rose_and_begins_anew_when_it_falls() {
        let mut counts = Counts::default();
        assert_eq!(counts.reconnects(at(0), STALE), None, "never heard of");
        for (second, total) in
            [(0, 100.0), (60, 102.0), (120, f64::NAN), (180, -1.0), (200, 1e300), (240, 3.0), (300, 4.0)]
        {
            said(&mut counts, second, RECONNECTS, total);
        }
        assert_eq!(counts.reconnects(at(300), STALE), Some(6.0), "2, then 3 since a start, then 1");
        counts.take(at(300), slot(1), RECONNECTS, None, 7.0);
        counts.take(at(301), slot(1), RECONNECTS, None, 8.0);
        assert_eq!(counts.reconnects(at(301), STALE), Some(7.0), "each component counts for itself");
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count_and_what_is_not_heard_is_not_known() {
        let mut counts = Counts::default();
        said(&mut counts, 0, RECONNECTS, 0.0);
        said(&mut counts, 0, RECONNECTS, 9.0);
        for second in (600..=3_000).step_by(600) {
            said(&mut counts, second, RECONNECTS, 9.0);
        }
        assert_eq!(counts.reconnects(at(3_300), STALE), Some(9.0));
        said(&mut counts, 3_600, RECONNECTS, 9.0);
        assert_eq!(counts.reconnects(at(3_720), STALE), Some(0.0));
        assert_eq!(counts.reconnects(at(4_500), STALE), Some(0.0), "15 minutes old");
        assert_eq!(counts.reconnects(at(4_501), STALE), None);
    }

    #[test]
    fn errors_are_judged_with_enough_requests_and_grossly_with_fewer() {
        let of = |requests: f64, errors: f64| {
            let mut counts = Counts::default();
            for name in [REQUESTED, FAILED] {
                said(&mut counts, 0, name, 0.0);
            }
            said(&mut counts, 10, REQUESTED, requests);
            said(&mut counts, 10, FAILED, errors);
            counts.errors(at(20), STALE).map(|(share, enough)| (share.percent, enough))
        };
        assert_eq!(of(199.0, 199.0), None);
        assert_eq!(of(200.0, 2.0), Some((1.0, false)));
        assert_eq!(of(999.0, 0.0), Some((0.0, false)));
        assert_eq!(of(1_000.0, 1.0), Some((0.1, true)));
        assert_eq!(of(1_000.0, 3_000.0), Some((100.0, true)), "never more than all");
    }

    #[test]
    fn one_endpoint_is_judged_by_itself() {
        let mut counts = Counts::default();
        let mut said = |second, endpoint, requests, errors| {
            counts.take(at(second), slot(0), REQUESTED, Some(endpoint), requests);
            counts.take(at(second), slot(0), FAILED, Some(endpoint), errors);
        };
        for endpoint in ["orders", "prices", "rare"] {
            said(0, endpoint, 0.0, 0.0);
        }
        said(10, "orders", 20.0, 5.0);
        said(10, "prices", 2_000.0, 0.0);
        said(10, "rare", 19.0, 19.0);
        assert_eq!(counts.worst_endpoint(at(20), STALE), Some(("orders", Share { percent: 75.0, of: 20.0 })));
        let (all, enough) = counts.errors(at(20), STALE).unwrap();
        assert_eq!((all.of, enough), (2_039.0, true), "all together");
    }

    #[test]
    fn all_requests_are_what_every_count_rose_by() {
        let mut counts = Counts::default();
        assert_eq!(counts.requested(), None);
        let mut said = |second, component, endpoint, requests, errors| {
            counts.take(at(second), slot(component), REQUESTED, endpoint, requests);
            counts.take(at(second), slot(component), FAILED, endpoint, errors);
            let all = counts.requested().unwrap();
            assert_eq!(all.heard, at(second));
            (all.requests, all.errors)
        };
        assert_eq!(said(0, 0, Some("orders"), 1_000_000.0, 40.0), (0.0, 0.0), "what was before is nobody's");
        assert_eq!(said(1, 0, Some("prices"), 500.0, 0.0), (0.0, 0.0));
        assert_eq!(said(2, 1, None, 7.0, 7.0), (0.0, 0.0));
        assert_eq!(said(3, 0, Some("orders"), 1_000_010.0, 41.0), (10.0, 1.0));
        assert_eq!(said(4, 0, Some("prices"), 503.0, 0.0), (13.0, 1.0));
        assert_eq!(said(5, 1, None, 2.0, 0.0), (15.0, 1.0), "it was started anew");
        counts.forget_requests();
        assert_eq!(counts.requested().map(|all| all.requests), Some(15.0));
    }

    #[test]
    fn failures_are_in_a_row_until_one_is_good() {
        let mut counts = Counts::default();
        let mut row = |second, requests, errors| {
            counts.take(at(second), slot(0), REQUESTED, Some("orders"), requests);
            counts.take(at(second), slot(0), FAILED, Some("orders"), errors);
            counts.failures_in_a_row(at(second), STALE).map(|(_, row)| row)
        };
        assert_eq!(row(0, 100.0, 7.0), Some(0.0), "what was before is nobody's row");
        assert_eq!(row(30, 103.0, 10.0), Some(3.0));
        assert_eq!(row(60, 105.0, 12.0), Some(5.0));
        assert_eq!(row(90, 106.0, 12.0), Some(0.0), "a good one");
        assert_eq!(row(120, 107.0, 13.0), Some(1.0));
    }

    #[test]
    fn an_endpoint_that_is_not_reported_any_more_is_not_known() {
        let mut counts = Counts::default();
        let mut said = |second, endpoint, requests, errors| {
            counts.take(at(second), slot(0), REQUESTED, Some(endpoint), requests);
            counts.take(at(second), slot(0), FAILED, Some(endpoint), errors);
            let stale = Duration::from_secs(60);
            let row = counts.failures_in_a_row(at(second), stale).map(|(endpoint, row)| (endpoint.to_owned(), row));
            (row, counts.worst_endpoint(at(second), stale).map(|(endpoint, _)| endpoint.to_owned()))
        };
        let of = |row: &str, failures, worst: &str| (Some((row.to_owned(), failures)), Some(worst.to_owned()));
        said(0, "old", 0.0, 0.0);
        said(0, "new", 0.0, 0.0);
        assert_eq!(said(10, "old", 25.0, 5.0), of("new", 0.0, "old"), "a good one may have been the last");
        assert_eq!(said(20, "old", 30.0, 10.0), of("old", 5.0, "old"));
        assert_eq!(said(70, "new", 40.0, 0.0), of("old", 5.0, "old"));
        assert_eq!(said(81, "new", 41.0, 0.0), of("new", 0.0, "new"), "the bot speaks of the other one alone");
        assert_eq!(said(90, "old", 30.0, 10.0), of("old", 5.0, "old"), "and again of both: none was good since");
    }

    #[test]
    fn what_is_no_count_makes_nothing_deaf() {
        let mut counts = Counts::default();
        let mut row = |second, requests, errors| {
            counts.take(at(second), slot(0), REQUESTED, Some("orders"), requests);
            counts.take(at(second), slot(0), FAILED, Some("orders"), errors);
            counts.failures_in_a_row(at(second), STALE).map(|(_, row)| row)
        };
        row(0, 0.0, 0.0);
        assert_eq!(row(10, 5.0, 5.0), Some(5.0));
        for odd in [1e300, f64::MAX, 2.0 * COUNTED_MAX, f64::INFINITY, f64::NAN, -1.0] {
            assert_eq!(row(20, odd, odd), Some(5.0), "{odd}");
        }
        assert_eq!(row(30, 6.0, 5.0), Some(0.0), "a good one is heard");
        assert_eq!(row(40, 7.0, 6.0), Some(1.0));
        let mut counts = Counts::default();
        counts.take(at(0), slot(0), REQUESTED, None, f64::NAN);
        assert_eq!(counts.requests_heard(), None);
    }

    #[test]
    fn trades_are_judged_with_enough_of_them() {
        let of = |executed: f64, good: f64| {
            let mut counts = Counts::default();
            for (second, by) in [(0, 0.0), (10, 1.0)] {
                said(&mut counts, second, EXECUTED, by * executed);
                said(&mut counts, second, SUCCEEDED, by * good);
            }
            counts.trades(at(20), STALE).map(|share| share.percent)
        };
        assert_eq!(of(19.0, 0.0), None);
        assert_eq!(of(20.0, 17.0), Some(85.0));
    }

    #[test]
    fn one_components_endpoints_take_no_room_from_anything_else() {
        let mut counts = Counts::default();
        for number in 0..2 * ENDPOINTS_MAX {
            counts.take(at(0), slot(0), REQUESTED, Some(&number.to_string()), 0.0);
        }
        for (who, endpoint) in [(slot(0), None), (slot(1), None), (slot(1), Some("orders"))] {
            for (second, requests, errors) in [(10, 0.0, 0.0), (20, 400.0, 200.0)] {
                counts.take(at(second), who, REQUESTED, endpoint, requests);
                counts.take(at(second), who, FAILED, endpoint, errors);
            }
        }
        let (share, _) = counts.errors(at(30), STALE).unwrap();
        assert_eq!(share, Share { percent: 50.0, of: 1_200.0 });
    }

    #[test]
    fn an_endpoint_that_rises_no_more_makes_room_for_another() {
        let mut counts = Counts::default();
        for number in 0..ENDPOINTS_MAX {
            counts.take(at(0), slot(0), REQUESTED, Some(&number.to_string()), 0.0);
        }
        counts.take(at(0), slot(0), REQUESTED, Some("1"), 5.0);
        counts.take(at(200), slot(0), REQUESTED, Some("0"), 30.0);
        let known = |counts: &Counts, name: &str| counts.requests.contains_key(&(slot(0), name.to_owned()));
        counts.take(at(300), slot(0), REQUESTED, Some("new"), 0.0);
        assert!(!known(&counts, "new"), "each of them is judged yet");
        counts.take(at(301), slot(0), REQUESTED, Some("new"), 0.0);
        assert!(known(&counts, "new") && known(&counts, "0") && !known(&counts, "1"));
        assert_eq!(counts.requested().map(|all| all.requests), Some(35.0), "what it counted stays counted");
    }

    #[test]
    fn there_are_only_so_many_endpoints() {
        let mut counts = Counts::default();
        for number in 0..2 * ENDPOINTS_MAX {
            counts.take(at(0), slot(0), REQUESTED, Some(&number.to_string()), 0.0);
        }
        assert_eq!(counts.requests.len(), ENDPOINTS_MAX);
        for second in 0..100_000 {
            counts.take(at(second), slot(0), REQUESTED, Some("0"), 1.0);
        }
        let steps = counts.requests.values().map(|one| one.requests.steps.len()).max();
        assert!(steps <= Some(30), "{steps:?}");
    }
}
