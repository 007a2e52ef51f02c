//! Random postings against an independent oracle: arbitrary-precision integers, texts read by other code, rules stated once more. Some
//! postings are wrong by one unit; each is refused, with that unit as the difference. `FAILSTOP_POSTINGS=1000000` runs the whole.

use crate::folding::NOW;
use failstop_journal::Wall;
use failstop_journal::ledger::{At, Book, Check, Outside, Unsound};
use num_bigint::BigInt;
use std::collections::{BTreeMap, BTreeSet};

/// A small seeded generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// Name, decimals, whether below zero is allowed.
const ASSETS: [(&str, u32, bool); 4] = [("A", 0, false), ("B", 2, false), ("C", 8, false), ("D", 18, true)];
const ACCOUNTS: [(&str, bool); 3] = [("x", false), ("y", true), ("z", false)];
const POOLS: [&str; 3] = ["p", "q", "r"];
const PARENT: &str = "p";

#[derive(Clone)]
struct Leg {
    asset: usize,
    account: &'static str,
    pool: Option<&'static str>,
    units: BigInt,
}

/// Units as text, by the oracle.
fn text(units: &BigInt, decimals: u32) -> String {
    let digits = format!("{:0>width$}", units.magnitude().to_string(), width = decimals as usize + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals as usize);
    let sign = if units < &BigInt::ZERO { "-" } else { "" };
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

fn json(id: u64, legs: &[Leg]) -> String {
    let leg = |leg: &Leg| {
        let (asset, decimals, _) = ASSETS[leg.asset];
        let pool = leg.pool.map(|pool| format!(r#""pool":"{pool}","#)).unwrap_or_default();
        let amount = text(&leg.units, decimals);
        format!(r#"{{"asset":"{asset}","account":"{}",{pool}"amount":"{amount}"}}"#, leg.account)
    };
    format!(r#"{{"id":"{id}","legs":[{}]}}"#, legs.iter().map(leg).collect::<Vec<_>>().join(","))
}

type Key = (usize, &'static str, Option<&'static str>);

#[derive(Default)]
struct Oracle {
    balances: BTreeMap<Key, BigInt>,
}

impl Oracle {
    fn after(&self, legs: &[Leg]) -> BTreeMap<Key, BigInt> {
        let mut after = BTreeMap::new();
        for leg in legs {
            let key = (leg.asset, leg.account, leg.pool);
            let known = after.entry(key).or_insert_with(|| self.balances.get(&key).cloned().unwrap_or_default());
            *known += &leg.units;
        }
        after
    }

    fn pool(&self, asset: usize, pool: &str) -> BigInt {
        self.balances.iter().filter(|((a, _, p), _)| *a == asset && *p == Some(pool)).map(|(_, units)| units).sum()
    }

    fn account(&self, asset: usize, account: &str) -> BigInt {
        self.balances.iter().filter(|((a, of, _), _)| *a == asset && *of == account).map(|(_, units)| units).sum()
    }

    /// Every rule that the posting breaks, and the sum that is off.
    fn breaks(&self, legs: &[Leg]) -> (BTreeSet<&'static str>, Option<String>) {
        let mut broken = BTreeSet::new();
        let mut off = None;
        for (asset, (_, decimals, _)) in ASSETS.iter().enumerate() {
            let sum: BigInt = legs.iter().filter(|leg| leg.asset == asset).map(|leg| &leg.units).sum();
            if sum != BigInt::ZERO {
                broken.insert("posting-sum");
                off.get_or_insert(text(&sum, *decimals));
            }
        }
        for ((asset, account, pool), units) in self.after(legs) {
            let allowed = ASSETS[asset].2 || ACCOUNTS.iter().any(|(name, negative)| *name == account && *negative);
            let before = self.balances.get(&(asset, account, pool)).cloned().unwrap_or_default();
            if pool.is_some() && !allowed && units < BigInt::ZERO && units < before {
                broken.insert("negative");
            }
        }
        for asset in 0..ASSETS.len() {
            let before = self.pool(asset, PARENT);
            let change: BigInt =
                legs.iter().filter(|leg| leg.asset == asset && leg.pool == Some(PARENT)).map(|leg| &leg.units).sum();
            if change < BigInt::ZERO && before + change < BigInt::ZERO {
                broken.insert("allocation");
            }
        }
        (broken, off)
    }
}

fn random_legs(random: &mut Random) -> Vec<Leg> {
    let asset = usize::try_from(random.below(4)).unwrap();
    let count = 1 + random.below(4);
    let mut legs = Vec::new();
    let mut sum = BigInt::ZERO;
    let place = |random: &mut Random| match random.below(3) {
        0 => (random.of(&["venue", "fees", "funding", "pnl", "suspense"]), None),
        _ => (random.of(&["x", "y", "z"]), Some(random.of(&POOLS))),
    };
    for _ in 0..count {
        // Of every size, more in than out.
        let size = BigInt::from(random.next() >> random.below(64));
        let units = if random.below(5) < 2 { -size } else { size };
        sum += &units;
        let (account, pool) = place(random);
        legs.push(Leg { asset, account, pool, units });
    }
    let (account, pool) = if random.below(3) == 0 { place(random) } else { ("venue", None) };
    legs.push(Leg { asset, account, pool, units: -sum });
    legs
}

fn declared() -> Book {
    let mut book = Book::new();
    let at = At { seq: 1, epoch: 1, time: Wall(NOW) };
    for (name, scale, negative) in ASSETS {
        let payload = format!(r#"{{"name":"{name}","scale":{scale},"tolerance":"0","negative":{negative}}}"#);
        book.take(&at, "ledger.asset", &payload).unwrap();
    }
    for (name, negative) in ACCOUNTS {
        book.take(&at, "ledger.account", &format!(r#"{{"name":"{name}","negative":{negative}}}"#)).unwrap();
    }
    for pool in [r#"{"name":"p"}"#, r#"{"name":"q","within":"p"}"#, r#"{"name":"r"}"#] {
        book.take(&at, "ledger.pool", pool).unwrap();
    }
    book
}

#[test]
fn random_postings_are_booked_or_refused_as_the_oracle_says() {
    let postings: u64 = std::env::var("FAILSTOP_POSTINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let (mut book, mut oracle, mut random) = (declared(), Oracle::default(), Random(7));
    let (mut booked, mut refused, mut off_by_one) = (0u64, BTreeMap::<&str, u64>::new(), 0u64);
    for seq in 2..postings + 2 {
        let mut legs = random_legs(&mut random);
        let wrong = random.below(50) == 0;
        if wrong {
            let leg = usize::try_from(random.below(legs.len() as u64)).unwrap();
            let unit = if random.below(2) == 0 { 1 } else { -1 };
            legs[leg].units += unit;
        }
        let (broken, off) = oracle.breaks(&legs);
        let at = At { seq, epoch: 1, time: Wall(NOW + seq) };
        match book.take(&at, "ledger.posted", &json(seq, &legs)) {
            Ok(()) => {
                assert!(broken.is_empty(), "{seq}: booked, but {broken:?}");
                oracle.balances.extend(oracle.after(&legs));
                booked += 1;
            }
            Err(Unsound::Violation(violation)) => {
                assert!(broken.contains(violation.check.name()), "{seq}: {violation}, but {broken:?}");
                if wrong {
                    // Whatever else it breaks, the sum comes first, and by exactly one unit.
                    assert_eq!(violation.check, Check::PostingSum, "{seq}: {violation}");
                    assert_eq!(violation.difference, off, "{seq}: {violation}");
                    off_by_one += 1;
                }
                *refused.entry(violation.check.name()).or_default() += 1;
            }
            Err(Unsound::Malformed(malformed)) => panic!("{seq}: {malformed}"),
        }
        if seq % (postings / 4) == 0 {
            agree(&book, &oracle);
        }
    }
    agree(&book, &oracle);
    println!("{booked} booked, {refused:?} refused, {off_by_one} wrong by one unit");
    assert!(booked > postings / 3 && off_by_one > postings / 100);
    for rule in ["posting-sum", "negative", "allocation"] {
        assert!(refused.contains_key(rule), "sometimes: {rule}");
    }
}

/// Every balance, to the last digit.
fn agree(book: &Book, oracle: &Oracle) {
    for (asset, (name, decimals, _)) in ASSETS.iter().enumerate() {
        for (account, _) in ACCOUNTS {
            let expected = text(&oracle.account(asset, account), *decimals);
            assert_eq!(book.balance(account, name).unwrap().to_string(), expected, "{account} {name}");
        }
        for pool in POOLS {
            assert_eq!(
                book.pool(pool, name).unwrap().to_string(),
                text(&oracle.pool(asset, pool), *decimals),
                "{pool}"
            );
        }
        for outside in Outside::ALL {
            let expected = text(&oracle.account(asset, outside.name()), *decimals);
            assert_eq!(book.outside(outside, name).unwrap().to_string(), expected, "{outside} {name}");
        }
    }
    assert_eq!(book.reconcile(), []);
}

#[test]
fn sums_at_the_end_of_what_can_be_counted_are_exact_or_refused() {
    let (mut book, mut oracle, mut random) = (declared(), Oracle::default(), Random(11));
    let ends = [BigInt::from(i128::MAX), BigInt::from(i128::MAX) / 2, BigInt::from(i128::MAX) / 3];
    let (mut booked, mut beyond) = (0, 0);
    for seq in 2..4_000 {
        let size = &ends[usize::try_from(random.below(3)).unwrap()] - BigInt::from(random.below(3));
        let units = if random.below(2) == 0 { -size } else { size };
        let legs = [
            Leg { asset: 3, account: "y", pool: Some("r"), units: units.clone() },
            Leg { asset: 3, account: random.of(&["venue", "pnl"]), pool: None, units: -units },
        ];
        let counted = |units: &BigInt| i128::try_from(units).is_ok();
        // The account and the pool hold what the one cell holds.
        let fits = oracle.after(&legs).values().all(counted);
        let at = At { seq, epoch: 1, time: Wall(NOW) };
        match book.take(&at, "ledger.posted", &json(seq, &legs)) {
            Ok(()) => {
                assert!(fits, "{seq}");
                oracle.balances.extend(oracle.after(&legs));
                booked += 1;
            }
            Err(Unsound::Violation(violation)) => {
                assert!(!fits && violation.check == Check::Overflow, "{seq}: {violation}");
                beyond += 1;
            }
            Err(Unsound::Malformed(malformed)) => panic!("{seq}: {malformed}"),
        }
    }
    assert!(booked > 100 && beyond > 100, "{booked} booked, {beyond} beyond");
    for outside in Outside::ALL {
        let expected = text(&oracle.account(3, outside.name()), 18);
        assert_eq!(book.outside(outside, "D").unwrap().to_string(), expected);
    }
}
