//! A book that is told of things as a journal would tell it.

use failstop_journal::Wall;
use failstop_journal::ledger::{At, Book, Check, Entry, Judged, Unsound, Violation};

/// Where its times begin.
pub const NOW: u64 = 1_800_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// A book and the number of its last record.
pub struct Folding {
    pub book: Book,
    pub seq: u64,
    pub epoch: u64,
}

impl Folding {
    pub fn new() -> Self {
        Self { book: Book::new(), seq: 0, epoch: 1 }
    }

    /// With two assets, two accounts, three pools of which two are allocations of the first, an instrument and a strategy.
    pub fn declared() -> Self {
        let mut folding = Self::new();
        for (kind, payload) in DECLARED {
            folding.good(kind, payload);
        }
        folding
    }

    /// The next record's time: a second a record.
    pub fn now(&self) -> Wall {
        Wall(NOW + self.seq * SECOND)
    }

    /// A record that keeps every rule.
    #[track_caller]
    pub fn good(&mut self, kind: &str, payload: &str) {
        if let Some(entry) = Entry::parse(kind, payload).unwrap() {
            assert_eq!(self.book.judge(&entry), Ok(Judged::New), "{kind} {payload}");
        }
        self.seq += 1;
        let at = At { seq: self.seq, epoch: self.epoch, time: self.now() };
        self.book.take(&at, kind, payload).unwrap();
    }

    /// One that breaks this rule by this difference: the judge and the fold say the same, and nothing changes.
    #[track_caller]
    pub fn bad(&mut self, kind: &str, payload: &str, check: Check, difference: Option<&str>) -> Violation {
        let before = self.book.clone();
        let entry = Entry::parse(kind, payload).unwrap().unwrap();
        let judged = self.book.judge(&entry).unwrap_err();
        assert_eq!((judged.check, judged.difference.as_deref()), (check, difference), "{judged}");
        let at = At { seq: self.seq + 1, epoch: self.epoch, time: self.now() };
        assert_eq!(self.book.take(&at, kind, payload), Err(Unsound::Violation(judged.clone())));
        assert_eq!(self.book, before, "a violation changed the book: {judged}");
        judged
    }

    /// One that says what is booked already, by this record.
    #[track_caller]
    pub fn already(&mut self, kind: &str, payload: &str, seq: Option<u64>) {
        let entry = Entry::parse(kind, payload).unwrap().unwrap();
        assert_eq!(self.book.judge(&entry), Ok(Judged::Already { seq }), "{payload}");
    }

    pub fn balance(&self, account: &str, asset: &str) -> String {
        self.book.balance(account, asset).unwrap().to_string()
    }
}

pub const DECLARED: [(&str, &str); 9] = [
    ("ledger.asset", r#"{"name":"USDT","scale":2,"tolerance":"0.05","negative":false}"#),
    ("ledger.asset", r#"{"name":"BTC","scale":8,"tolerance":"0.00000000","negative":false}"#),
    ("ledger.account", r#"{"name":"binance","negative":false}"#),
    ("ledger.account", r#"{"name":"margin","negative":true}"#),
    ("ledger.pool", r#"{"name":"main"}"#),
    ("ledger.pool", r#"{"name":"grid","within":"main"}"#),
    ("ledger.pool", r#"{"name":"trend","within":"main"}"#),
    ("ledger.instrument", r#"{"name":"BTC-PERP","quantity_scale":3,"price_scale":1}"#),
    (
        "strategy.declared",
        r#"{"name":"grid","states":["idle","entering","in","closed"],"initial":"idle","transitions":[{"from":"idle","to":"entering"},{"from":"entering","to":"in"},{"from":"in","to":"closed"}],"final":["closed"]}"#,
    ),
];

/// A posting of legs `asset account[/pool] amount`.
pub fn posting(id: &str, legs: &[&str]) -> String {
    format!(r#"{{"id":"{id}","legs":[{}]}}"#, legs.iter().map(|leg| self::leg(leg)).collect::<Vec<_>>().join(","))
}

fn leg(text: &str) -> String {
    let parts: Vec<&str> = text.split(' ').collect();
    let (account, pool) = parts[1].split_once('/').map_or((parts[1], None), |(account, pool)| (account, Some(pool)));
    let pool = pool.map(|pool| format!(r#""pool":"{pool}","#)).unwrap_or_default();
    format!(r#"{{"asset":"{}","account":"{account}",{pool}"amount":"{}"}}"#, parts[0], parts[2])
}
