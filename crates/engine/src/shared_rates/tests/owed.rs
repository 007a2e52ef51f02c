//! What this host allowed and the group was not told when the program ended, and the file that tells the next one.

use super::askers::{bounds, question, settings, started, word};
use super::server::{Redis, eventually};
use crate::shared_rates::memory::KnownFile;
use crate::shared_rates::{Address, By, Fallback, LineState, Settings, SharedRates, Word};
use core::time::Duration;
use failstop_core::gate::Cost;
use nix::sys::signal::Signal;
use tokio::sync::mpsc::Receiver;

const LOCAL: Fallback = Fallback::Local { share: 1_000_000 };

fn on(redis: &Redis, fallback: Fallback) -> Settings {
    settings(Address::Unix(redis.socket()), redis.folder(), "one", fallback)
}

fn ask(rates: &SharedRates, words: &mut Receiver<Word>, id: &str) -> Word {
    rates.ask(question(id, bounds(3, 0))).unwrap();
    word(words)
}

#[test]
fn what_was_allowed_apart_and_never_told_makes_the_next_life_doubt_the_group() {
    for fallback in [LOCAL, Fallback::Refuse] {
        let redis = Redis::start(&[]);
        let settings = || Settings { timeout: Duration::from_millis(60), ..on(&redis, fallback) };
        let (rates, words) = started(settings());
        drop((rates, words));
        // Ended in good order it owes nothing.
        let (rates, mut words) = started(on(&redis, fallback));
        let counted = ask(&rates, &mut words, "o1");
        assert_eq!(counted.by, By::Group, "{fallback}");
        rates.keep(counted);
        drop(rates);
        let (rates, mut words) = started(settings());
        redis.signal(Signal::SIGSTOP);
        rates.count("r1", None, Cost { trades: 1, ..Cost::default() });
        eventually("it is given up", || rates.health().line == LineState::Apart);
        if fallback == LOCAL {
            let word = ask(&rates, &mut words, "o2");
            assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (By::Gone, Some(vec![])));
            // Before it goes out the disk has it, so the program may end in any way from here on.
            assert!(KnownFile(redis.folder().join("one.json")).read().0.owes);
            rates.keep(word);
        }
        eventually("the disk has it", || KnownFile(redis.folder().join("one.json")).read().0.owes);
        drop(rates);
        redis.signal(Signal::SIGCONT);
        let (rates, mut words) = started(on(&redis, fallback));
        let word = ask(&rates, &mut words, "o3");
        assert_eq!(word.by, By::Forgotten, "{fallback}");
        rates.give_up(word);
        // Once: the group knows now that it does not know.
        eventually("it is owed no more", || !KnownFile(redis.folder().join("one.json")).read().0.owes);
    }
}

#[test]
fn what_cannot_be_written_down_to_be_owed_is_not_allowed() {
    let redis = Redis::start(&[]);
    redis.signal(Signal::SIGSTOP);
    let nowhere = Settings { file: redis.folder().join("none").join("one.json"), ..on(&redis, LOCAL) };
    let (rates, mut words) = SharedRates::start(nowhere).unwrap();
    let word = ask(&rates, &mut words, "o1");
    assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (By::Gone, None));
    rates.give_up(word);
    assert_eq!(rates.unasked(&Cost::default(), &bounds(3, 0)), None);
    eventually("it is said", || {
        rates.health().file_fault.is_some_and(|fault| fault.contains("one.json cannot be written"))
    });
    redis.signal(Signal::SIGCONT);
    // Where it can be, this host's share holds.
    let (rates, mut words) = SharedRates::start(Settings { timeout: Duration::ZERO, ..on(&redis, LOCAL) }).unwrap();
    let word = ask(&rates, &mut words, "o2");
    assert_eq!(rates.decided(&word, &bounds(3, 0)), Some(vec![]));
    assert_eq!(rates.unasked(&Cost::default(), &bounds(3, 0)), Some(vec![]));
    rates.give_up(word);
}

#[test]
fn how_far_the_group_had_come_is_on_the_disk_at_the_end() {
    let redis = Redis::start(&[]);
    let (rates, mut words) = started(on(&redis, Fallback::Refuse));
    for id in ["o1", "o2", "o3"] {
        let word = ask(&rates, &mut words, id);
        rates.keep(word);
    }
    rates.count("r1", None, Cost { trades: 1, ..Cost::default() });
    drop(rates);
    let (kept, fault) = KnownFile(redis.folder().join("one.json")).read();
    assert_eq!((kept.known.seq, kept.owes, fault), (4, false, None));
}

#[test]
fn how_far_it_has_come_is_on_the_disk_soon_while_nobody_asks() {
    let redis = Redis::start(&[]);
    let (rates, mut words) = started(on(&redis, Fallback::Refuse));
    for id in ["o1", "o2"] {
        let word = ask(&rates, &mut words, id);
        rates.keep(word);
    }
    let before = std::time::Instant::now();
    eventually("it is written", || KnownFile(redis.folder().join("one.json")).read().0.known.seq == 2);
    // An idle connection is tried every ten seconds; that must not be what it takes.
    assert!(before.elapsed() < Duration::from_secs(8));
}
