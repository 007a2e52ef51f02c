//! What a snapshot costs the loop, and what the thread beside it: `cargo bench -p failstop-engine --bench books`.
//!
//! The loop copies the book, which holds up permits for so long; everything else (projection, sums, write, fsync) is the thread's.
//! The book here has 10 240 balances by account, pool and asset, and as many ids as are kept.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed setup fails the bench")]

use failstop_engine::books::{Books, Judgement, Request, make};
use failstop_journal::ledger::{Account, Asset, At, Book, Entry, IDS_KEPT, Leg, Pool, Posted};
use failstop_journal::verify::Position;
use failstop_journal::{Head, Jid, Wall};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const ACCOUNTS: usize = 128;
const POOLS: usize = 80;
const ROUNDS: usize = 30;

fn leg(account: &str, pool: Option<&str>, amount: &str) -> Leg {
    Leg { asset: "USDT".into(), account: account.into(), pool: pool.map(str::to_owned), amount: amount.into() }
}

fn posted(id: usize, account: usize, pool: usize) -> Entry {
    let legs =
        vec![leg(&format!("a{account}"), Some(&format!("p{pool}")), "1.000001"), leg("venue", None, "-1.000001")];
    Entry::Posted(Posted { id: format!("id-{id}"), legs, component: Some("bot".into()), reason: None })
}

fn large() -> Book {
    let mut book = Book::new();
    let mut seq = 1;
    let mut fold = |entry: &Entry| {
        seq += 1;
        book.apply(&At { seq, epoch: 1, time: Wall(1_700_000_000_000_000_000) }, entry).expect("a sound entry");
    };
    fold(&Entry::Asset(Asset { name: "USDT".into(), scale: 6, tolerance: "0".into(), negative: false }));
    for account in 0..ACCOUNTS {
        fold(&Entry::Account(Account { name: format!("a{account}"), negative: false }));
    }
    for pool in 0..POOLS {
        fold(&Entry::Pool(Pool { name: format!("p{pool}"), within: None }));
    }
    for id in 0..IDS_KEPT.max(ACCOUNTS * POOLS) {
        fold(&posted(id, id % ACCOUNTS, id / ACCOUNTS % POOLS));
    }
    book
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(mut what: impl FnMut() -> T) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        let made = what();
        let took = begun.elapsed();
        drop(made);
        took
    });
    median(times.collect())
}

fn main() {
    let book = large();
    let copied = timed(|| book.clone());
    let reconciled = timed(|| book.reconcile());
    let folder = tempfile::tempdir().unwrap();
    let hash: Head = "0".repeat(64).parse().unwrap();
    let mut seq = 100_000;
    let written = timed(|| {
        seq += 1;
        make(&Request {
            state_dir: folder.path().to_owned(),
            book: book.clone(),
            at: Position { seq, hash },
            origin: "bench".to_owned(),
            jid: Jid::from_u128(7),
            day: None,
        })
        .unwrap()
    });
    let mut books = Books::new(book.clone(), BTreeSet::new(), 99_000, 1);
    let mut id = 1_000_000;
    let judged = timed(|| {
        id += 1;
        assert_eq!(books.judge(&posted(id, 1, 1), Wall(1)), Ok(Judgement::New));
    });
    println!("copying a book of {} balances: {copied:?} (the loop's share of a snapshot)", ACCOUNTS * POOLS);
    println!("making the snapshot and writing it: {written:?} (beside the loop)");
    println!("reconciling the whole book: {reconciled:?} (the loop, once an hour)");
    println!("judging one posting: {judged:?}");
}
