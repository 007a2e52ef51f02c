//! Many askers at once: two systems of one group, eight threads each, one user.

use super::server::{LONG, Redis, eventually};
use crate::shared_rates::{Address, Busy, By, Fallback, LineState, Question, Settings, SharedRates, Word};
use core::time::Duration;
use failstop_core::gate::{Cost, Limit, RATE_COUNT, RateBound, RateBounds};
use std::path::Path;
use tokio::sync::mpsc::Receiver;

/// On a server, with a time-out that only what never answers runs into.
pub fn settings(address: Address, folder: &Path, system: &str, fallback: Fallback) -> Settings {
    Settings {
        address,
        tls: false,
        ca_file: None,
        user: None,
        password: None,
        database: 0,
        group: "desk".to_owned(),
        system: system.to_owned(),
        timeout: Duration::from_secs(10),
        fallback,
        day_starts: Duration::ZERO,
        file: folder.join(format!("{system}.json")),
    }
}

/// Started, and answered by Redis.
pub fn started(settings: Settings) -> (SharedRates, Receiver<Word>) {
    let (rates, words) = SharedRates::start(settings).unwrap();
    eventually("a connection", || rates.health().line == LineState::Good);
    (rates, words)
}

/// Of everybody and of alice: so many openings, of which this host used so many itself.
pub fn bounds(limit: u128, used: u128) -> RateBounds {
    let mut bounds = [RateBound { limit: Limit::Waived, used: 0 }; RATE_COUNT];
    bounds[0] = RateBound { limit: Limit::Set(limit), used };
    RateBounds { system: bounds, user: Some(bounds) }
}

/// One opening of alice's.
pub fn question(id: &str, bounds: RateBounds) -> Question {
    let cost = Cost { openings: 1, trades: 1, ..Cost::default() };
    Question { id: id.to_owned(), user: Some("alice".to_owned()), cost, bounds }
}

/// The next word; panics after long.
pub fn word(words: &mut Receiver<Word>) -> Word {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, words.recv()).await }).unwrap().unwrap()
}

#[test]
fn two_systems_with_eight_threads_each_never_let_one_more_through() {
    const LIMIT: u128 = 100;
    const EACH: usize = 40;
    let redis = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let at = || Address::Unix(redis.socket());
    let start = |system| started(settings(at(), folder.path(), system, Fallback::Refuse));
    let (one, two) = (start("one"), start("two"));
    let allowed: usize = std::thread::scope(|scope| {
        let counting: Vec<_> = [one, two]
            .into_iter()
            .map(|(rates, mut words)| {
                scope.spawn(move || {
                    std::thread::scope(|scope| {
                        for thread in 0..8 {
                            let rates = &rates;
                            scope.spawn(move || {
                                for order in 0..EACH {
                                    let id = format!("{thread}-{order}");
                                    while rates.ask(question(&id, bounds(LIMIT, 0))) == Err(Busy) {
                                        std::thread::yield_now();
                                    }
                                }
                            });
                        }
                        let mut allowed = 0;
                        for _ in 0..8 * EACH {
                            let word = word(&mut words);
                            assert_eq!(word.by, By::Group);
                            let refused = rates.decided(&word, &bounds(LIMIT, 0)).unwrap();
                            if refused.is_empty() {
                                allowed += 1;
                                rates.keep(word);
                            } else {
                                assert_eq!(refused.len(), 2);
                                rates.give_up(word);
                            }
                        }
                        allowed
                    })
                })
            })
            .collect();
        counting.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(allowed, 100);
    let mut client = redis.client();
    assert_eq!(client.used("failstop:{desk}:all", "openings"), 100);
    assert_eq!(client.used("failstop:{desk}:user:alice", "openings"), 100);
}

#[test]
fn what_is_given_up_or_given_back_is_there_for_others() {
    let redis = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let start = |system| started(settings(Address::Unix(redis.socket()), folder.path(), system, Fallback::Refuse));
    let ((one, mut ones), (two, mut twos)) = (start("one"), start("two"));
    let ask = |rates: &SharedRates, words: &mut Receiver<Word>, id: &str| {
        rates.ask(question(id, bounds(1, 0))).unwrap();
        word(words)
    };
    let first = ask(&one, &mut ones, "o1");
    assert_eq!(one.decided(&first, &bounds(1, 0)), Some(vec![]));
    // The other's order of the same id is another order.
    let refused = ask(&two, &mut twos, "o1");
    assert_eq!(two.decided(&refused, &bounds(1, 0)).unwrap().len(), 2);
    assert!(refused.retry_after.is_some_and(|after| after <= Duration::from_secs(65)));
    two.give_up(refused);
    let mut client = redis.client();
    let mut all_used = || client.used("failstop:{desk}:all", "openings");
    one.give_up(first);
    eventually("it was given up", || all_used() == 0);
    let second = ask(&two, &mut twos, "o1");
    assert_eq!(two.decided(&second, &bounds(1, 0)), Some(vec![]));
    two.keep(second);
    let counted = failstop_core::gate::GateTime::from_micros(0);
    let back = failstop_core::gate::GivenBack { counted, openings: 1, trades: 1, copies: 0, volume: 0 };
    one.give_back("o1", &back);
    two.give_back("o1", &back);
    eventually("it was given back", || all_used() == 0);
    // What reduces counts whatever the limit.
    one.count("o2", Some("alice"), Cost { trades: 3, openings: 3, ..Cost::default() });
    eventually("it was counted", || all_used() == 3);
}
