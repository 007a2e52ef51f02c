//! What this host allowed and the group was not told when the program ended, and the file that tells the next one.

use super::askers::{bounds, question, settings, started, word};
use super::server::{Redis, eventually};
use crate::shared_rates::memory::{Kept, KnownFile};
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

/// What the file of "one" says.
fn kept(redis: &Redis) -> Kept {
    KnownFile(redis.folder().join("one.json")).read().0.unwrap()
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
            assert!(kept(&redis).owes);
            rates.keep(word);
        }
        eventually("the disk has it", || kept(&redis).owes);
        drop(rates);
        redis.signal(Signal::SIGCONT);
        let (rates, mut words) = started(on(&redis, fallback));
        let word = ask(&rates, &mut words, "o3");
        assert_eq!(word.by, By::Forgotten, "{fallback}");
        rates.give_up(word);
        // Once: the group knows now that it does not know.
        eventually("it is owed no more", || !kept(&redis).owes);
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
    let kept = kept.unwrap();
    assert_eq!((kept.known.seq, kept.owes, fault), (4, false, None));
}

const DAY_US: u64 = 86_400_000_000;

/// A group that another system began so long ago that every window has passed since. Gives when that was.
fn an_old_group(redis: &Redis) -> u64 {
    let two = settings(Address::Unix(redis.socket()), redis.folder(), "two", Fallback::Refuse);
    let (rates, mut words) = started(two);
    let word = ask(&rates, &mut words, "o1");
    assert_eq!(word.by, By::Group);
    rates.keep(word);
    drop(rates);
    let mut client = redis.client();
    let born = client.field("failstop:{desk}:memory", "born").parse::<u64>().unwrap() - 3 * DAY_US;
    client.call(&["HSET", "failstop:{desk}:memory", "born", &born.to_string()]);
    born
}

/// Whether this system, and one that was never there, are told that the group does not know what was counted.
#[track_caller]
fn is_doubted_by_all(redis: &Redis) {
    for system in ["one", "three"] {
        let settings = settings(Address::Unix(redis.socket()), redis.folder(), system, Fallback::Refuse);
        let (rates, mut words) = started(settings);
        let word = ask(&rates, &mut words, "o9");
        assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (By::Forgotten, None), "{system}");
        rates.give_up(word);
    }
}

#[test]
fn what_a_host_allowed_before_it_first_reached_the_group_makes_all_doubt_it() {
    let redis = Redis::start(&[]);
    an_old_group(&redis);
    redis.signal(Signal::SIGSTOP);
    let (rates, mut words) = SharedRates::start(on(&redis, LOCAL)).unwrap();
    let word = ask(&rates, &mut words, "o2");
    assert_eq!((word.by, rates.decided(&word, &bounds(3, 0))), (By::Gone, Some(vec![])));
    rates.keep(word);
    eventually("it is owed", || rates.health().owed == 1);
    drop(rates);
    redis.signal(Signal::SIGCONT);
    is_doubted_by_all(&redis);
}

#[test]
fn what_was_owed_to_a_group_that_another_began_anew_makes_all_doubt_it() {
    let redis = Redis::start(&[]);
    let born = an_old_group(&redis) - 2 * DAY_US;
    std::fs::write(redis.folder().join("one.json"), format!("{{\"born\":{born},\"seq\":9,\"owes\":true}}")).unwrap();
    is_doubted_by_all(&redis);
}

#[test]
fn a_file_that_cannot_be_read_makes_all_doubt_the_group() {
    let redis = Redis::start(&[]);
    an_old_group(&redis);
    std::fs::write(redis.folder().join("one.json"), "{").unwrap();
    is_doubted_by_all(&redis);
}
