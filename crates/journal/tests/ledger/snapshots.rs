//! Snapshots of a book: one form, read back strictly, and the book that comes back is the book that was.

use crate::folding::{Folding, posting};
use failstop_journal::ledger::{Book, Entry};
use failstop_journal::snapshot::{self, Identity, Snapshot, TakeError};
use failstop_journal::{Disk, Head, Jid, Position};

const OF: Identity<'static> = Identity { origin: "demo", jid: JID };
const JID: Jid = Jid::from_u128(7);

/// A book with something of everything in it.
pub fn full() -> Folding {
    let mut folding = Folding::declared();
    folding.good("engine.started", r#"{"epoch":1,"mode_ceiling":"live"}"#);
    folding.good("mode.set", r#"{"mode":"live","by":"eve","reason":"ready"}"#);
    folding.good(
        "halt.raised",
        r#"{"id":3,"cause":"daily-loss","scope":"system","cap":"reduce-only","latched":true,"evidence":"20 % lost"}"#,
    );
    folding.good("ledger.posted", &posting("deposit", &["USDT binance/main 100.00", "USDT venue -100.00"]));
    folding.good("ledger.posted", &posting("allot", &["USDT binance/main -40", "USDT binance/grid 40"]));
    folding.good("ledger.posted", &posting("odd", &["USDT binance/main 0.01", "USDT suspense -0.01"]));
    folding.good("ledger.capital", r#"{"account":"binance","asset":"USDT","total":"100","free":"90","locked":"10"}"#);
    folding.good("strategy.state", r#"{"strategy":"grid","to":"entering"}"#);
    folding.good("strategy.state", r#"{"strategy":"grid","instance":"a","to":"entering"}"#);
    let of = r#""account":"binance","instrument":"BTC-PERP","side":"buy""#;
    folding.good("order.intent", &format!(r#"{{"id":"o1","component":"bot",{of},"quantity":"3","valid_ms":900}}"#));
    folding.good("order.intent", &format!(r#"{{"id":"o2",{of},"quantity":"1","parent":"o1"}}"#));
    folding.good("ledger.fill", &format!(r#"{{"id":"f","order":"o2",{of},"quantity":"0.25","price":"60000"}}"#));
    let off = r#"{"id":"s","account":"binance","balances":[{"asset":"USDT","total":"7"}],"source":"x"}"#;
    let entry = Entry::parse("ledger.statement", off).unwrap().unwrap();
    let refusal = Book::refusal(&entry, Some("bot"), folding.book.judge(&entry).unwrap_err());
    folding.good(refusal.kind(), &refusal.payload());
    folding
}

fn at(folding: &Folding) -> Position {
    Position { seq: folding.seq, hash: Head::genesis("any", &Jid::from_u128(u128::from(folding.seq))) }
}

fn take(folding: &Folding, day: Option<&str>, previous: Option<&Snapshot>) -> Result<Snapshot, TakeError> {
    Snapshot::take(&folding.book, OF, at(folding), day, previous)
}

fn name(folding: &mut Folding, snapshot: &Snapshot) {
    folding.good("snapshot.taken", &Entry::SnapshotTaken(snapshot.taken()).payload());
}

#[test]
fn a_snapshot_is_read_back_as_it_was_taken_and_so_is_its_book() {
    let mut folding = full();
    let first = take(&folding, Some("2027-01-14"), None).unwrap();
    assert_eq!(Snapshot::decode(first.bytes().to_vec()), Ok(first.clone()));
    name(&mut folding, &first);
    folding.good("ledger.posted", &posting("lost", &["USDT binance/grid -2.50", "USDT pnl 2.50"]));
    folding.good("order.outcome", r#"{"id":"o2","outcome":"cancelled"}"#);
    folding.good("halt.cleared", r#"{"id":3,"cause":"daily-loss","by":"itself"}"#);
    let second = take(&folding, Some("2027-01-15"), Some(&first)).unwrap();
    assert_eq!(second.header().prev.unwrap().sha256, first.sum());
    let opened = r#"{"k":"account.balance","account":"binance","asset":"USDT","opening":"100.01","closing":"97.51"}"#;
    assert!(second.lines().iter().any(|line| line == opened), "{:#?}", second.lines());

    // The book from the first snapshot, and the records after it, give the second byte for byte.
    let mut restored = Folding { book: first.restore().unwrap(), seq: first.header().seq, epoch: 1 };
    name(&mut restored, &first);
    restored.good("ledger.posted", &posting("lost", &["USDT binance/grid -2.50", "USDT pnl 2.50"]));
    restored.good("order.outcome", r#"{"id":"o2","outcome":"cancelled"}"#);
    restored.good("halt.cleared", r#"{"id":3,"cause":"daily-loss","by":"itself"}"#);
    let again = take(&restored, Some("2027-01-15"), Some(&first)).unwrap();
    assert_eq!(String::from_utf8_lossy(again.bytes()), String::from_utf8_lossy(second.bytes()));
}

#[test]
fn an_empty_book_has_a_snapshot_too() {
    let folding = Folding::new();
    let snapshot = take(&folding, None, None).unwrap();
    assert_eq!(snapshot.lines(), [r#"{"k":"mode","mode":"dry","permission":"active","epoch":0}"#]);
    assert_eq!(Snapshot::decode(snapshot.bytes().to_vec()), Ok(snapshot));
}

#[test]
fn days_rise_and_the_snapshot_before_is_the_one_that_the_journal_names() {
    let mut folding = full();
    let first = take(&folding, Some("2027-01-14"), None).unwrap();
    name(&mut folding, &first);
    assert!(matches!(take(&folding, None, None), Err(TakeError::NotPrevious { .. })));
    for day in ["2027-01-14", "2027-01-13", "2027-01-32", "tomorrow"] {
        assert!(matches!(take(&folding, Some(day), Some(&first)), Err(TakeError::Day { .. })), "{day}");
    }
    // One on demand closes no day, and the next daily one still rises above the last.
    let demanded = take(&folding, None, Some(&first)).unwrap();
    name(&mut folding, &demanded);
    assert!(matches!(take(&folding, Some("2027-01-14"), Some(&demanded)), Err(TakeError::Day { .. })));
    take(&folding, Some("2027-01-15"), Some(&demanded)).unwrap();
    // The journal's record says the same.
    let mut late = first.taken();
    late.seq += 1000;
    let entry = Entry::SnapshotTaken(late);
    assert!(folding.book.judge(&entry).is_err());
}

#[test]
fn every_flipped_bit_and_every_cut_is_damage() {
    let snapshot = take(&full(), Some("2027-01-14"), None).unwrap();
    let bytes = snapshot.bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            let damage = Snapshot::decode(changed).unwrap_err();
            assert!(damage.offset as usize <= bytes.len() && damage.line >= 1, "{damage}");
        }
        assert!(Snapshot::decode(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
    assert!(Snapshot::decode([bytes, b"x"].concat()).is_err());
    assert!(Snapshot::decode([bytes, b"\n"].concat()).is_err());
}

/// Whoever can write the folder can also make the sums fit. Then the lines must still agree with one another.
#[test]
fn a_rewritten_snapshot_whose_sums_fit_must_still_add_up() {
    let snapshot = take(&full(), Some("2027-01-14"), None).unwrap();
    let whole = String::from_utf8(snapshot.bytes().to_vec()).unwrap();
    for (from, to) in [
        (r#""opening":"0.00","closing":"100.01""#, r#""opening":"0.00","closing":"100.02""#),
        (r#""pool":"grid","asset":"USDT","amount":"40.00""#, r#""pool":"grid","asset":"USDT","amount":"40.01""#),
        (r#""outside":"-100.01""#, r#""outside":"-100.02""#),
        (r#""permission":"reduce-only""#, r#""permission":"active""#),
        (r#""state":"entering""#, r#""state":"nowhere""#),
        (r#""scale":2"#, r#""scale":3"#),
        (r#""filled":"0.250""#, r#""filled":"0.25""#),
        (r#""negative":true"#, r#""negative": true"#),
    ] {
        assert!(whole.contains(from), "{from}");
        let changed = resealed(&whole.replacen(from, to, 1));
        assert!(Snapshot::decode(changed).is_err(), "{to}");
    }
    assert!(Snapshot::decode(resealed(&whole)).is_ok(), "the sealing itself is right");
}

/// Whoever makes the sums fit can also write down that they do not add up, as a report that stands: no line excuses another.
#[test]
fn a_discrepancy_that_says_so_does_not_make_a_snapshot_add_up() {
    let snapshot = take(&full(), Some("2027-01-14"), None).unwrap();
    let whole = String::from_utf8(snapshot.bytes().to_vec()).unwrap();
    let standing = |check: &str, subject: &str, detail: &str| {
        format!(r#"{{"k":"discrepancy","seq":1,"violation":{{"check":"{check}","subject":"{subject}",{detail}}}}}"#)
    };
    let off = |kept: &str, parts: &str| {
        format!(r#""difference":"-0.01","detail":"its balance is said to sum to {kept}, its parts to {parts}""#)
    };
    let astray = r#""detail":"instance \"\" is in state \"nowhere\", which is not declared""#;
    for (from, to, excuses) in [
        (
            r#""pool":"grid","asset":"USDT","amount":"40.00""#,
            r#""pool":"grid","asset":"USDT","amount":"40.01""#,
            vec![
                standing("pools", "account binance (USDT)", &off("100.01", "100.02")),
                standing("pools", "pool grid (USDT)", &off("40.00", "40.01")),
            ],
        ),
        (
            r#""strategy":"grid","state":"entering""#,
            r#""strategy":"grid","state":"nowhere""#,
            vec![standing("strategy-state", "grid", astray)],
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let changed = whole.replacen(from, to, 1);
        let (header, rest) = changed.split_once('\n').unwrap();
        let (body, trailer) = rest.trim_end().rsplit_once('\n').unwrap();
        let mut lines: Vec<&str> = body.lines().chain(excuses.iter().map(String::as_str)).collect();
        lines.sort_unstable();
        let excused = resealed(&format!("{header}\n{}\n{trailer}\n", lines.join("\n")));
        let damage = Snapshot::decode(excused).unwrap_err();
        // What is wrong is what the discrepancy tells of, word for word.
        let told = damage.detail.splitn(3, ": ").nth(2).unwrap();
        assert!(excuses.iter().any(|excuse| excuse.replace('\\', "").contains(told)), "{damage}");
    }
}

/// Going up from a pool ends somewhere, or whoever goes up never comes back.
#[test]
fn pools_that_are_allocations_of_one_another_are_damage() {
    let snapshot = take(&full(), Some("2027-01-14"), None).unwrap();
    let whole = String::from_utf8(snapshot.bytes().to_vec()).unwrap();
    let from = r#"{"k":"pool","name":"main"}"#;
    assert!(whole.contains(from) && whole.contains(r#""name":"grid","within":"main""#));
    for within in ["grid", "main"] {
        let to = format!(r#"{{"k":"pool","name":"main","within":"{within}"}}"#);
        let damage = Snapshot::decode(resealed(&whole.replacen(from, &to, 1))).unwrap_err();
        assert!(damage.detail.contains("allocation of itself"), "{damage}");
    }
}

/// The same body with sums that fit it.
fn resealed(text: &str) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let (before, _) = text.trim_end().rsplit_once('\n').unwrap();
    let before = format!("{before}\n");
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), before.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let lines = before.lines().count() - 1;
    format!("{before}{{\"end\":true,\"lines\":{lines},\"sha256\":\"{}\"}}\n", &out[..64]).into_bytes()
}

#[test]
fn what_is_written_is_there_whole_and_is_never_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    assert_eq!(snapshot::list(&disk).unwrap(), []);
    let mut folding = full();
    let first = take(&folding, Some("2027-01-14"), None).unwrap();
    snapshot::write(&disk, &first).unwrap();
    assert_eq!(snapshot::read(&disk, &first.name()).unwrap(), first);
    assert!(matches!(snapshot::write(&disk, &first), Err(snapshot::StoreError::Exists { .. })));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(dir.path().join("snapshots").join(first.name())).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o440);
    name(&mut folding, &first);
    let second = take(&folding, None, Some(&first)).unwrap();
    // What a crash left of another attempt is no obstacle.
    std::fs::write(dir.path().join(format!("snapshots/{}.tmp", second.name())), "half").unwrap();
    snapshot::write(&disk, &second).unwrap();
    let names = [(first.header().seq, first.name()), (second.header().seq, second.name())];
    assert_eq!(snapshot::list(&disk).unwrap(), names);
    std::fs::rename(
        dir.path().join("snapshots").join(second.name()),
        dir.path().join("snapshots").join("s-0000000000000999.ndjson"),
    )
    .unwrap();
    assert!(matches!(snapshot::read(&disk, "s-0000000000000999.ndjson"), Err(snapshot::StoreError::Damaged { .. })));
}

#[test]
fn retention_keeps_what_it_was_told_and_at_least_two() {
    let named = [5, 9, 14, 20].into();
    assert_eq!(snapshot::retirable(&named, 400), None);
    assert_eq!(snapshot::retirable(&named, 4), None);
    assert_eq!(snapshot::retirable(&named, 3), Some(5));
    assert_eq!(snapshot::retirable(&named, 0), Some(9));
    assert_eq!(snapshot::retirable(&[1, 2].into(), 1), None);
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    std::fs::create_dir(dir.path().join("snapshots")).unwrap();
    for seq in [5, 7, 9, 14] {
        std::fs::write(dir.path().join("snapshots").join(snapshot::snapshot_name(seq)), "").unwrap();
    }
    assert_eq!(snapshot::retire(&disk, 9).unwrap(), 3);
    assert_eq!(snapshot::list(&disk).unwrap(), [(14, snapshot::snapshot_name(14))]);
}

#[test]
fn the_fold_is_the_same_from_every_start() {
    // Nothing in a snapshot depends on the order in which things were declared.
    let folding = full();
    let snapshot = take(&folding, None, None).unwrap();
    let again = Folding { book: snapshot.restore().unwrap(), seq: folding.seq, epoch: 1 };
    assert_eq!(take(&again, None, None).unwrap().bytes(), snapshot.bytes());
}
