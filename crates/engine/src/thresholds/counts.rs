//! Figures that come of counts: bots report totals that only rise, and what is judged is by how much they rose lately.

use core::time::Duration;
use failstop_core::{Monotonic, Slot};
use std::collections::{BTreeMap, VecDeque};

/// A window slides in so many steps.
const STEPS: u64 = 30;

/// The most endpoints of the APIs, over all components, whose requests are counted.
pub const ENDPOINTS_MAX: usize = 64;

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

    /// A total. One below the last begins anew: whoever counts was started again.
    fn take(&mut self, now: Monotonic, total: f64) {
        if !total.is_finite() || total < 0.0 {
            return;
        }
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
}

/// Everything that is counted. Nothing is kept of what nobody reports.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    reconnects: BTreeMap<Slot, Rise>,
    trades: BTreeMap<Slot, (Rise, Rise)>,
    requests: BTreeMap<(Slot, String), Requests>,
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

const RECONNECTS: &str = "websocket_reconnects";
const EXECUTED: &str = "trades_executed";
const SUCCEEDED: &str = "trades_succeeded";
const REQUESTED: &str = "api_requests";
const FAILED: &str = "api_errors";

impl Counts {
    /// A component reports a total; what has another name is none of these.
    pub fn take(&mut self, now: Monotonic, who: Slot, name: &str, endpoint: Option<&str>, total: f64) {
        let Some(known) = [RECONNECTS, EXECUTED, SUCCEEDED, REQUESTED, FAILED].into_iter().find(|one| *one == name)
        else {
            return;
        };
        self.heard.insert(known, now);
        let day = || (Rise::over(TRADES_WITHIN), Rise::over(TRADES_WITHIN));
        match known {
            RECONNECTS => {
                self.reconnects.entry(who).or_insert_with(|| Rise::over(RECONNECTS_WITHIN)).take(now, total);
            }
            EXECUTED => self.trades.entry(who).or_insert_with(day).0.take(now, total),
            SUCCEEDED => self.trades.entry(who).or_insert_with(day).1.take(now, total),
            _ => {
                let key = (who, endpoint.unwrap_or_default().to_owned());
                if !self.requests.contains_key(&key) && self.requests.len() >= ENDPOINTS_MAX {
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
                });
                let counted = if known == REQUESTED { &mut of.requests } else { &mut of.errors };
                counted.take(now, total);
            }
        }
    }

    /// Whether this count was reported within `stale_after`.
    fn is_heard(&self, name: &'static str, now: Monotonic, stale_after: Duration) -> bool {
        self.heard.get(name).is_some_and(|at| now.since(*at) <= stale_after)
    }

    /// When requests were reported last.
    pub fn requests_heard(&self) -> Option<Monotonic> {
        self.heard.get(REQUESTED).copied()
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

    /// The endpoint of which the smallest share of requests succeeds.
    pub fn worst_endpoint(&self, now: Monotonic, stale_after: Duration) -> Option<(&str, Share)> {
        if !self.is_heard(REQUESTED, now, stale_after) {
            return None;
        }
        let named = self.requests.iter().filter(|((_, endpoint), _)| !endpoint.is_empty());
        let judged = named.filter_map(|((_, endpoint), one)| {
            let (requests, errors) = (one.requests.within(now), one.errors.within(now));
            let percent = (100.0 * (requests - errors) / requests).clamp(0.0, 100.0);
            (requests >= FEW).then_some((endpoint.as_str(), Share { percent, of: requests }))
        });
        judged.min_by(|one, other| one.1.percent.total_cmp(&other.1.percent))
    }

    /// The most failures of one endpoint in a row, and which. A look that finds another good one begins anew.
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
            if worst.is_none_or(|(_, most)| row > most) {
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
        for (second, total) in [(0, 100.0), (60, 102.0), (120, f64::NAN), (180, -1.0), (240, 3.0), (300, 4.0)] {
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
