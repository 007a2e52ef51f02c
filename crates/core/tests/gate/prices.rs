//! Prices: fresh, stale, apart; sources that go back, run ahead or repeat themselves; and an independent median.

use crate::bed::*;
use failstop_core::gate::*;
use proptest::prelude::*;
use std::time::Duration;

/// `sources` sources of the spot instrument, so many of which must agree.
fn sourced(sources: usize, required: usize) -> Bed {
    let mut policy = policy();
    policy.instruments.truncate(1);
    policy.instruments[0].sources = (0..sources).map(|n| format!("s{n}")).collect();
    policy.instruments[0].required = required;
    let mut bed = Bed::new(policy);
    bed.position(SPOT, "0");
    bed
}

fn say(bed: &mut Bed, prices: &[&str]) {
    for (index, price) in prices.iter().enumerate() {
        bed.price_of(&format!("s{index}"), SPOT, price).unwrap();
    }
}

fn opens(bed: &mut Bed) -> Vec<Code> {
    let order = Order { client_id: "never", ..buy(SPOT, "1") };
    let mut out = Decision::default();
    bed.gate.consider(bed.now(), &order, ACTIVE, &mut out);
    bed.last = out;
    bed.last.refusals.iter().map(|refusal| refusal.code).collect()
}

#[test]
fn a_price_is_fresh_for_five_seconds() {
    let mut bed = sourced(1, 1);
    assert_eq!(opens(&mut bed), [Code::MissingPrice]);
    say(&mut bed, &["100"]);
    bed.pass(5 * SECOND - Duration::from_micros(1));
    assert_eq!(opens(&mut bed), []);
    bed.pass(Duration::from_micros(1));
    assert_eq!(opens(&mut bed), []);
    bed.pass(Duration::from_micros(1));
    assert_eq!(opens(&mut bed), [Code::PriceStale]);
    assert!(bed.last.fallback && bed.last.price.unwrap().to_string() == "100.00", "the last known price, marked");
}

#[test]
fn the_last_known_price_closes_but_does_not_open() {
    let mut bed = sourced(1, 1);
    say(&mut bed, &["100"]);
    bed.position(SPOT, "2");
    bed.pass(MINUTE);
    assert_eq!(bed.ask(&buy(SPOT, "1")), [Code::PriceStale]);
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    assert!(bed.last.fallback && bed.last.reduces);
    // And without any price at all.
    let mut bed = sourced(1, 1);
    bed.position(SPOT, "2");
    assert_eq!(bed.ask(&sell(SPOT, "1")), []);
    assert_eq!(bed.ask(&Order { price: Some("1"), ..sell(SPOT, "1") }), []);
}

#[test]
fn an_old_price_does_not_keep_anybody_in_a_position() {
    let mut policy = with(LimitName::PriceCollar, SHARE_ONE / 20);
    policy.instruments.truncate(1);
    let mut bed = Bed::flat(policy);
    bed.position(SPOT, "2");
    let exit = Order { price: Some("50"), kind: Kind::Exit, ..sell(SPOT, "1") };
    assert_eq!(bed.ask(&exit), [Code::PriceCollar], "fresh: a slip of the finger");
    bed.pass(6 * SECOND);
    assert_eq!(bed.ask(&exit), [], "old: the market may be there");
}

#[test]
fn an_outlier_is_left_out_at_exactly_half_a_percent() {
    let table: [(&[&str], &[Code], &str); 6] = [
        // 0.5 % of 200 is 1: at the edge it agrees.
        (&["200", "200", "201"], &[], "200.00"),
        (&["200", "200", "201.01"], &[], "200.00"),
        (&["199", "200", "201"], &[], "200.00"),
        // Left out, the other two make the price.
        (&["199", "200", "230"], &[], "199.50"),
        // Two that are apart from their own middle.
        (&["100", "110"], &[Code::PriceOutlier], "none"),
        (&["100", "150", "200"], &[Code::PriceOutlier], "none"),
    ];
    for (prices, codes, price) in table {
        let mut bed = sourced(prices.len(), 2);
        say(&mut bed, prices);
        assert_eq!(opens(&mut bed), codes, "{prices:?}");
        if codes.is_empty() {
            assert_eq!(bed.last.price.unwrap().to_string(), price, "{prices:?}");
        }
    }
}

#[test]
fn the_required_number_must_be_fresh() {
    let mut bed = sourced(3, 2);
    say(&mut bed, &["100"]);
    assert_eq!(opens(&mut bed), [Code::MissingPrice]);
    bed.pass(3 * SECOND);
    bed.price_of("s1", SPOT, "100").unwrap();
    assert_eq!(opens(&mut bed), []);
    bed.pass(3 * SECOND);
    assert_eq!(opens(&mut bed), [Code::PriceStale], "the first one is six seconds old");
    bed.price_of("s2", SPOT, "100.2").unwrap();
    assert_eq!(opens(&mut bed), []);
    assert_eq!(bed.last.price.unwrap().to_string(), "100.10");
}

#[test]
fn a_source_whose_time_goes_back_or_stands_or_runs_ahead_is_not_fresh() {
    let mut bed = sourced(1, 1);
    let say = |bed: &mut Bed, price: &str, time: u64| {
        let time = Some(GateTime::from_micros(time));
        bed.take(Fact::Price { source: "s0", instrument: SPOT, quote: Quoted::Last(price), time })
    };
    let begin = BEGIN;
    assert!(say(&mut bed, "100", begin).is_ok());
    assert_eq!(say(&mut bed, "50", begin - 1), Err(FactError::TimeWentBack));
    assert_eq!(opens(&mut bed), []);
    assert_eq!(bed.last.price.unwrap().to_string(), "100.00", "what was refused changed nothing");
    bed.pass(4 * SECOND);
    // The same moment again: the price may be corrected, but it grows no younger.
    assert!(say(&mut bed, "101", begin).is_ok());
    assert_eq!(opens(&mut bed), []);
    assert_eq!(bed.last.price.unwrap().to_string(), "101.00");
    bed.pass(2 * SECOND);
    assert!(say(&mut bed, "101", begin).is_ok());
    assert_eq!(opens(&mut bed), [Code::PriceStale]);
    let ahead = bed.at().plus(MAX_AHEAD);
    assert_eq!(say(&mut bed, "101", ahead.as_micros() + 1), Err(FactError::TimeAhead));
    assert!(say(&mut bed, "101", ahead.as_micros()).is_ok());
    assert_eq!(opens(&mut bed), []);
    let health = &bed.gate.feeds(bed.now())[0].sources[0];
    assert_eq!((health.taken, health.refused, health.state), (4, 2, SourceState::Good));
}

#[test]
fn what_had_to_be_asked_for_may_be_as_old_as_its_answer_took() {
    let mut bed = sourced(1, 1);
    let quote = Quoted::Last("100");
    let fact = Fact::PriceAsked { source: "s0", instrument: SPOT, quote, time: None, took: 4 * SECOND };
    assert!(bed.take(fact).is_ok());
    assert_eq!(opens(&mut bed), []);
    bed.pass(2 * SECOND);
    assert_eq!(opens(&mut bed), [Code::PriceStale]);
}

#[test]
fn what_is_no_price_is_refused() {
    let mut bed = sourced(2, 1);
    let say = |bed: &mut Bed, source, bid, ask| {
        bed.take(Fact::Price { source, instrument: SPOT, quote: Quoted::BidAsk { bid, ask }, time: None })
    };
    assert_eq!(say(&mut bed, "s0", "101", "100"), Err(FactError::Crossed));
    assert_eq!(say(&mut bed, "s0", "0", "100"), Err(FactError::Invalid(What::Price)));
    assert_eq!(say(&mut bed, "s0", "1", "NaN"), Err(FactError::Invalid(What::Price)));
    assert_eq!(say(&mut bed, "s9", "1", "1"), Err(FactError::Unknown(What::Source)));
    let other = Fact::Price { source: "s0", instrument: "x", quote: Quoted::Last("1"), time: None };
    assert_eq!(bed.take(other), Err(FactError::Unknown(What::Instrument)));
    assert_eq!(opens(&mut bed), [Code::MissingPrice]);
    assert!(say(&mut bed, "s0", "100", "100.01").is_ok());
    assert_eq!(opens(&mut bed), []);
    assert_eq!(bed.last.price.unwrap().to_string(), "100.01", "the middle, rounded up");
}

#[test]
fn each_source_shows_how_it_stands() {
    let mut bed = sourced(4, 2);
    say(&mut bed, &["100", "100", "120"]);
    let states = |bed: &Bed| bed.gate.feeds(bed.now())[0].sources.iter().map(|one| one.state).collect::<Vec<_>>();
    use SourceState::{Good, Outlier, Silent, Stale};
    assert_eq!(states(&bed), [Good, Good, Outlier, Silent]);
    assert!(bed.gate.feeds(bed.now())[0].fresh);
    bed.pass(6 * SECOND);
    assert_eq!(states(&bed), [Stale, Stale, Stale, Silent]);
    let health = &bed.gate.feeds(bed.now())[0];
    assert_eq!((health.fresh, health.price), (false, Some(10_000)));
}

/// The median by counting, without sorting and without a share that is rounded.
fn expected(prices: &[u128], required: usize) -> Option<u128> {
    let median = |prices: &[u128]| -> Option<u128> {
        let rank = |price: u128| prices.iter().filter(|other| **other < price).count();
        let at = |wanted: usize| {
            prices.iter().copied().find(|price| {
                rank(*price) <= wanted && wanted < rank(*price) + prices.iter().filter(|other| *other == price).count()
            })
        };
        if prices.is_empty() {
            return None;
        }
        let (low, high) = (at((prices.len() - 1) / 2)?, at(prices.len() / 2)?);
        Some((low + high).div_ceil(2))
    };
    if prices.len() < required {
        return None;
    }
    let middle = median(prices)?;
    let near: Vec<u128> = prices.iter().copied().filter(|price| price.abs_diff(middle) * 200 <= middle).collect();
    if near.len() < required { None } else { median(&near) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_price_is_the_median_of_those_that_agree(
        prices in prop::collection::vec(prop_oneof![9_900u128..10_100, 9_000u128..11_000, 1u128..1_000_000], 1..9),
        required in 1usize..4,
    ) {
        let required = required.min(prices.len());
        let mut bed = sourced(prices.len(), required);
        for (index, price) in prices.iter().enumerate() {
            let text = format!("{}.{:02}", price / 100, price % 100);
            bed.price_of(&format!("s{index}"), SPOT, &text).unwrap();
        }
        let codes = opens(&mut bed);
        match expected(&prices, required) {
            Some(price) => {
                prop_assert_eq!(codes, vec![]);
                prop_assert_eq!(bed.last.price.unwrap().units(), i128::try_from(price).unwrap());
            }
            None => prop_assert_eq!(codes, vec![Code::PriceOutlier]),
        }
    }
}
