//! A small engine: writes records to a journal, folds them, and takes snapshots, as the real one does.

use failstop_journal::ledger::{At, Book, Entry};
use failstop_journal::snapshot::{self, Identity, Snapshot, StoreError, TakeError};
use failstop_journal::verify::Options;
use failstop_journal::verify::deep::{DeepOptions, deepen};
use failstop_journal::{
    Disk, Importance, Journal, JournalError, OpenError, Outcome, Record, Recovered, Report, Settings, Storage, Wall,
    recover, verify,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

pub const NOW: u64 = 1_800_000_000_000_000_000;
pub const DAY: u64 = 86_400_000_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// Files of a state directory, by their names within it.
pub type Files = BTreeMap<String, Vec<u8>>;

pub struct Keeper<S: Storage> {
    pub journal: Journal<S>,
    pub book: Book,
    pub last: Option<Snapshot>,
    pub named: BTreeSet<u64>,
    pub now: u64,
    epoch: u64,
}

#[derive(Debug)]
pub enum Failure {
    Open(OpenError),
    Journal(JournalError),
    Store(StoreError),
    Take(TakeError),
}

pub fn settings() -> Settings {
    let mut settings = Settings::new("demo", "boot", "test");
    settings.ballast_bytes = 0;
    settings
}

impl<S: Storage + Clone> Keeper<S> {
    /// Opens what is there, replays it, and reads the last snapshot back.
    pub fn start(storage: &S, recovered: Recovered<S>, now: u64) -> Result<Self, Failure> {
        let mut book = Book::new();
        let mut named = BTreeSet::new();
        recovered
            .replay(|record: Record<'_>| -> Result<(), std::io::Error> {
                book.replay(&record).map_err(std::io::Error::other)?;
                match Entry::parse(record.kind, record.payload).unwrap() {
                    Some(Entry::SnapshotTaken(taken)) => drop(named.insert(taken.seq)),
                    Some(Entry::SnapshotRetired(retired)) => named = named.split_off(&(retired.upto + 1)),
                    _ => {}
                }
                Ok(())
            })
            .unwrap();
        let last = match book.last_snapshot() {
            Some(taken) => {
                let snapshot = snapshot::read(storage, &taken.taken.file).map_err(Failure::Store)?;
                assert_eq!(snapshot.sum(), taken.taken.sha256);
                Some(snapshot)
            }
            None => None,
        };
        let epoch = recovered.last_epoch() + 1;
        let journal = recovered.start(epoch, Wall(now)).map_err(Failure::Open)?;
        Ok(Self { journal, book, last, named, now, epoch })
    }

    /// Records something durably and folds it.
    pub fn write(&mut self, kind: &str, payload: &str) -> Result<u64, Failure> {
        let seq = self.journal.stage(Wall(self.now), kind, payload, Importance::Ordinary).map_err(Failure::Journal)?;
        self.journal.commit().map_err(Failure::Journal)?;
        let at = At { seq, epoch: self.epoch, time: Wall(self.now) };
        self.book.take(&at, kind, payload).unwrap();
        self.now += SECOND;
        Ok(seq)
    }

    /// Takes a snapshot and has the journal name it.
    pub fn snapshot(&mut self, day: Option<&str>) -> Result<(), Failure> {
        let identity = Identity { origin: "demo", jid: self.journal.jid() };
        let taken = Snapshot::take(&self.book, identity, self.journal.durable(), day, self.last.as_ref());
        let taken = taken.map_err(Failure::Take)?;
        snapshot::write(self.journal.storage(), &taken).map_err(Failure::Store)?;
        self.write("snapshot.taken", &Entry::SnapshotTaken(taken.taken()).payload())?;
        self.named.insert(taken.header().seq);
        self.last = Some(taken);
        Ok(())
    }

    /// Retires all but so many.
    pub fn retire(&mut self, keep: usize) -> Result<(), Failure> {
        if let Some(upto) = snapshot::retirable(&self.named, keep) {
            self.write("snapshot.retired", &format!(r#"{{"upto":{upto}}}"#))?;
            self.named = self.named.split_off(&(upto + 1));
            snapshot::retire(self.journal.storage(), upto).map_err(Failure::Store)?;
        }
        Ok(())
    }
}

pub fn open(state: &Path, now: u64) -> Keeper<Disk> {
    let disk = Disk::new(state);
    Keeper::start(&disk, recover(disk.clone(), settings(), None).unwrap(), now).unwrap()
}

/// What every journal of these tests begins with.
pub const DECLARED: [(&str, &str); 7] = [
    ("engine.started", r#"{"epoch":1,"mode_ceiling":"dry"}"#),
    ("ledger.asset", r#"{"name":"USDT","scale":2,"tolerance":"0.05","negative":false}"#),
    ("ledger.account", r#"{"name":"binance","negative":false}"#),
    ("ledger.pool", r#"{"name":"main"}"#),
    ("ledger.pool", r#"{"name":"grid","within":"main"}"#),
    ("ledger.instrument", r#"{"name":"BTC","quantity_scale":3,"price_scale":1}"#),
    (
        "strategy.declared",
        r#"{"name":"grid","states":["idle","in"],"initial":"idle","transitions":[{"from":"idle","to":"in"},{"from":"in","to":"idle"}]}"#,
    ),
];

/// A posting of an amount into an account's pool.
pub fn posting(id: &str, pool: &str, amount: &str) -> String {
    let back = amount.strip_prefix('-').map_or(format!("-{amount}"), str::to_owned);
    format!(
        r#"{{"id":"{id}","legs":[{{"asset":"USDT","account":"binance","pool":"{pool}","amount":"{amount}"}},{{"asset":"USDT","account":"venue","amount":"{back}"}}]}}"#
    )
}

/// Forty records in three segments, a segment a day, with three snapshots.
pub fn write_forty(state: &Path) {
    let mut keeper = open(state, NOW);
    for (kind, payload) in DECLARED {
        keeper.write(kind, payload).unwrap();
    }
    keeper.write("ledger.posted", &posting("deposit", "main", "100.00")).unwrap();
    keeper.write("ledger.posted", &posting("start", "grid", "20.00")).unwrap();
    keeper.write("strategy.state", r#"{"strategy":"grid","to":"in"}"#).unwrap();
    keeper.snapshot(Some("2027-01-14")).unwrap();
    let of = r#""account":"binance","instrument":"BTC","side":"buy""#;
    for day in 0..2 {
        keeper.now = NOW + (day + 1) * DAY;
        keeper.write("order.intent", &format!(r#"{{"id":"o{day}",{of},"quantity":"2"}}"#)).unwrap();
        let fill = format!(r#"{{"id":"f{day}","order":"o{day}",{of},"quantity":"1.5","price":"60000"}}"#);
        keeper.write("ledger.fill", &fill).unwrap();
        for number in 0..3 {
            keeper.write("ledger.posted", &posting(&format!("p{day}{number}"), "grid", "-1.25")).unwrap();
        }
        keeper.write("order.outcome", &format!(r#"{{"id":"o{day}","outcome":"filled"}}"#)).unwrap();
        keeper.snapshot(Some(&format!("2027-01-1{}", day + 5))).unwrap();
        keeper
            .write("strategy.state", &format!(r#"{{"strategy":"grid","to":"{}"}}"#, ["idle", "in"][day as usize]))
            .unwrap();
    }
    while keeper.journal.durable().seq < 39 {
        keeper.write("x.note", "{}").unwrap();
    }
    keeper.journal.seal(Wall(keeper.now)).unwrap();
}

/// Thousands of small files that need not survive anything: in memory where there is such a place.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub fn forty() -> (tempfile::TempDir, Files) {
    let dir = scratch();
    write_forty(dir.path());
    let files = read(dir.path());
    assert_eq!(files.len(), 7, "three segments, their sums, three snapshots: {:?}", files.keys());
    (dir, files)
}

pub fn read(state: &Path) -> Files {
    let mut files = Files::new();
    for folder in ["journal", "snapshots"] {
        for entry in fs::read_dir(state.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

pub fn put(state: &Path, name: &str, bytes: &[u8]) {
    let path = state.join(name);
    // Sealed files are read-only; a new file takes their place.
    drop(fs::remove_file(&path));
    fs::write(path, bytes).unwrap();
}

/// A verification and a replay, a day after the last record.
pub fn check(state: &Path) -> Report {
    let mut report = verify(state, &Options { threads: 1, sums: true }, &|_| {}).unwrap();
    deepen(state, &mut report, &DeepOptions { strict: true, now: Wall(NOW + 4 * DAY) }).unwrap();
    assert_eq!(report.result == Outcome::Violated, !report.violations.is_empty());
    report
}
