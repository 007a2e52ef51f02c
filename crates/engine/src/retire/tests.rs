#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
use super::*;
use crate::app::WRITER;
use crate::process::epoch::EPOCH_FILE;
use failstop_core::{Cause, ClearedBy, ComponentName, Halt, Mode, Permission, Record, Scope};
use failstop_journal::verify::{Options, Outcome, verify};
use failstop_journal::{Disk, Importance, Settings, read_records, recover};
use std::collections::BTreeMap;

fn halt(id: u64, cause: Cause, latched: bool) -> Record {
    let (component, scope, cap) = (None, Scope::System, Permission::Shutdown);
    let evidence = format!("evidence of {id}");
    Record::HaltRaised(Halt { id: HaltId(id), cause, component, scope, cap, latched, trigger: None, evidence })
}

fn held(held: bool, name: &str) -> Record {
    let (by, reason) = ("ana (1000)".to_owned(), "looks odd".to_owned());
    Record::ComponentHeld { component: ComponentName(name.to_owned()), held, by, reason }
}

/// A life of a system: its journal sealed, or left as a crash leaves it.
fn life(state: &Path, epoch: u64, records: &[Record], sealed: bool) {
    let settings = Settings { ballast_bytes: 0, ..Settings::new("demo", "boot", WRITER) };
    let mut journal = recover(Disk::new(state), settings, None).unwrap().start(epoch, Wall::now()).unwrap();
    for record in records {
        let (kind, payload) = crate::app::encode(record);
        journal.stage(Wall::now(), &kind, &payload, Importance::Ordinary).unwrap();
    }
    journal.commit().unwrap();
    if sealed {
        journal.seal(Wall::now()).unwrap();
    }
    fs::write(state.join(EPOCH_FILE), format!("{epoch}\n")).unwrap();
}

/// Two lives, with everything that is carried over and what is not.
fn lived() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    let who = || ClearedBy::Operator { who: "ana".to_owned(), reason: "well".to_owned() };
    let first = [
        Record::EngineStarted { epoch: Epoch(1), mode_ceiling: Mode::Live },
        halt(1, Cause::Starting, false),
        halt(2, Cause::KillSwitch, true),
        halt(3, Cause::Hung, true),
        Record::HaltCleared { id: HaltId(3), cause: Cause::Hung, by: who() },
        halt(9, Cause::Unhealthy, false),
        held(true, "bot"),
        held(true, "scanner"),
    ];
    life(state.path(), 1, &first, true);
    life(state.path(), 2, &[halt(4, Cause::Failsafe, true), held(false, "scanner")], false);
    fs::create_dir(state.path().join(SNAPSHOT_DIR)).unwrap();
    fs::write(state.path().join(SNAPSHOT_DIR).join("s-0000000000000001.ndjson"), "a snapshot\n").unwrap();
    fs::create_dir(state.path().join("checkpoints")).unwrap();
    fs::write(state.path().join("checkpoints/trusted.ckpt"), "a checkpoint\n").unwrap();
    fs::write(state.path().join("kill-switch"), "{}").unwrap();
    state
}

fn request(state: &Path) -> Request<'_> {
    Request { state_dir: state, name: Some("demo"), confirm: "demo", reason: "bit rot" }
}

/// The bytes of every file of a folder, by name.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        found.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
    }
    found
}

fn kinds_of(state: &Path) -> Vec<(String, serde_json::Value)> {
    let mut kinds = Vec::new();
    read_records::<io::Error>(state, 0, |record| {
        kinds.push((record.kind.to_owned(), serde_json::from_str(record.payload)?));
        Ok(())
    })
    .unwrap();
    kinds
}

fn outcome(state: &Path) -> Outcome {
    verify(state, &Options::default(), &|_| {}).unwrap().result
}

/// Everything that a complete retirement comes to, whatever happened on the way.
fn is_retired(state: &Path, before: &[BTreeMap<String, Vec<u8>>; 3], done: &Retirement) {
    assert!(unfinished(state).is_none() && !state.join(RETIRING_DIR).exists());
    let folder = state.join(RETIRED_DIR).join(&done.folder);
    for (name, before) in [JOURNAL_DIR, SNAPSHOT_DIR, "checkpoints"].iter().zip(before) {
        assert_eq!(&contents(&folder.join(name)), before, "{name} is moved as it was");
    }
    for name in [SNAPSHOT_DIR, "checkpoints", TORN_DIR] {
        assert!(!state.join(name).exists(), "{name}");
    }
    let kept: Retirement = serde_json::from_slice(&fs::read(folder.join(RETIRED)).unwrap()).unwrap();
    assert_eq!(&kept, done);
    assert_eq!(outcome(&folder), Outcome::Intact);
    assert_eq!(outcome(state), Outcome::Intact);
    assert!(state.join("kill-switch").exists(), "the latch stays where it is");

    let records = kinds_of(state);
    let kinds: Vec<&str> = records.iter().map(|(kind, _)| kind.as_str()).collect();
    let expected = [
        "seg.open",
        "x.failstop.journal_retired",
        "halt.raised",
        "halt.raised",
        "halt.raised",
        "component.held",
        "seg.close",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(records[0].1["jid"], done.jid.as_str());
    assert_ne!(Some(&done.jid), done.old.jid.as_ref());
    let head = done.old.head.unwrap();
    assert_eq!(records[1].1["jid"], done.old.jid.as_deref().unwrap());
    assert_eq!(
        (records[1].1["seq"].as_u64(), records[1].1["head"].as_str()),
        (Some(head.seq), Some(head.hash.to_string().as_str()))
    );
    assert_eq!(records[1].1["reason"], "bit rot");
    let halts: Vec<_> = records[2..5].iter().map(|(_, halt)| (halt["id"].as_u64(), halt["cause"].as_str())).collect();
    let carried = [(Some(2), Some("kill-switch")), (Some(4), Some("failsafe")), (Some(10), Some("new-journal"))];
    assert_eq!(halts, carried, "latched ones with their own numbers, and one above every number that was given");
    assert_eq!((records[5].1["component"].as_str(), records[5].1["held"].as_bool()), (Some("bot"), Some(true)));
    // The next start's epoch is above that of these records.
    assert!(epoch::raise(state, Some(Epoch(done.epoch))).unwrap().epoch.0 > done.epoch);
}

fn before(state: &Path) -> [BTreeMap<String, Vec<u8>>; 3] {
    [JOURNAL_DIR, SNAPSHOT_DIR, "checkpoints"].map(|name| contents(&state.join(name)))
}

#[test]
fn what_keeps_the_system_from_trading_is_carried_over_and_the_old_journal_stays_as_it_is() {
    let state = lived();
    let before = before(state.path());
    let done = retire(&request(state.path())).unwrap();
    assert!(!done.taken_up && !done.gave_up_reserve);
    is_retired(state.path(), &before, &done.retirement);
    assert_eq!(done.retirement.old.unread, Unread::default());
    // Called again by somebody who did not hear of it, it is done already.
    let again = retire(&request(state.path())).unwrap();
    assert!(again.taken_up);
    assert_eq!((again.retirement, again.folder), (done.retirement.clone(), done.folder));
    // Once an engine has run with the new journal, that one is retired in turn.
    let started = Record::EngineStarted { epoch: Epoch(9), mode_ceiling: Mode::Dry };
    life(state.path(), 9, &[started], true);
    let next = retire(&request(state.path())).unwrap();
    assert_eq!(next.retirement.old.jid, Some(done.retirement.jid));
    assert_eq!(next.retirement.old.halts.len(), 3);
    assert_eq!(fs::read_dir(state.path().join(RETIRED_DIR)).unwrap().count(), 2);
}

#[test]
fn killed_at_any_moment_and_called_again_it_comes_to_the_same_end() {
    let mut moments = 0;
    let mut taken_up = 0;
    loop {
        let state = lived();
        let before = before(state.path());
        let mut left = moments;
        let mut step = || {
            if left == 0 {
                return Err(io::Error::other("killed"));
            }
            left -= 1;
            Ok(())
        };
        if let Ok(done) = retire_with(&request(state.path()), &mut step) {
            is_retired(state.path(), &before, &done.retirement);
            break;
        }
        // Until the plan stands the old journal is where it was; from then on no engine starts until all is done.
        let untouched = contents(&state.path().join(JOURNAL_DIR)) == before[0];
        let complete = fs::read_dir(state.path().join(RETIRED_DIR)).is_ok_and(|mut retired| {
            retired.next().is_some_and(|folder| folder.unwrap().path().join(RETIRED).exists())
        });
        assert!(unfinished(state.path()).is_some() || untouched || complete, "{moments}");
        let other = Request { reason: "bit rot", ..request(state.path()) };
        let done = retire(&other).unwrap();
        is_retired(state.path(), &before, &done.retirement);
        taken_up += usize::from(done.taken_up);
        moments += 1;
    }
    assert!(moments > 15 && taken_up > 10, "{moments} {taken_up}");
}

#[test]
fn a_full_disk_takes_the_reserve_and_is_refused_with_nothing_moved_where_there_is_none() {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    for moment in 1..=3 {
        let state = lived();
        let before = before(state.path());
        let mut step = || Err(full());
        let error = retire_with(&request(state.path()), &mut step).unwrap_err();
        assert!(error.is_no_space() && !error.is_refusal() && error.to_string().contains("free space"), "{error}");
        assert!(!state.path().join(RETIRING_DIR).exists());
        assert_eq!(super::tests::before(state.path()), before);

        fs::write(state.path().join(BALLAST), "room").unwrap();
        let mut left = moment;
        let mut step = || {
            left -= 1;
            if left == 0 { Err(full()) } else { Ok(()) }
        };
        let done = retire_with(&request(state.path()), &mut step).unwrap();
        assert!(done.gave_up_reserve && !state.path().join(BALLAST).exists());
        is_retired(state.path(), &before, &done.retirement);
    }
}

#[test]
fn a_second_call_that_completes_it_needs_the_name_too() {
    let state = lived();
    let mut left = 6;
    let mut step = || {
        left -= 1;
        if left == 0 { Err(io::Error::other("killed")) } else { Ok(()) }
    };
    assert!(matches!(retire_with(&request(state.path()), &mut step), Err(RetireError::Half { .. })));
    let wrong = Request { confirm: "dmeo", name: None, ..request(state.path()) };
    assert!(matches!(retire(&wrong), Err(RetireError::NotConfirmed { name, .. }) if name == "demo"));
    assert!(unfinished(state.path()).is_some());
    assert!(crate::lost_journal::evidence(state.path()).unwrap().contains("half retired"));
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_carried_over() {
    let state = lived();
    let path = state.path().join(JOURNAL_DIR).join(failstop_journal::segment_name(1));
    let mut bytes = fs::read(&path).unwrap();
    let at = String::from_utf8_lossy(&bytes).find("evidence of 2").unwrap();
    bytes[at] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let done = retire(&request(state.path())).unwrap();
    let old = &done.retirement.old;
    assert!(old.unread.places.len() == 1 && old.unread.places[0].contains("body-changed"), "{:?}", old.unread);
    assert_eq!(old.halts.iter().map(|halt| halt.id.0).collect::<Vec<_>>(), [4]);
    assert_eq!(outcome(&done.folder), Outcome::Violated);
    assert_eq!(outcome(state.path()), Outcome::Intact);
    let records = kinds_of(state.path());
    // Its number may be one that cannot be read any more.
    assert_eq!(records[3].1["id"], old.head.unwrap().seq + 1);
    let evidence = records[3].1["evidence"].as_str().unwrap();
    assert!(evidence.contains("could not be read"), "{evidence}");
    assert!(records[1].1["unread"][0].as_str().unwrap().contains("body-changed"));
}

#[test]
fn nothing_is_touched_where_it_is_refused() {
    let state = lived();
    let before = before(state.path());
    let refused = |request: &Request<'_>| {
        let error = retire(request).unwrap_err();
        assert!(error.is_refusal(), "{error}");
        assert!(unfinished(state.path()).is_none() && !state.path().join(RETIRED_DIR).exists());
        assert_eq!(super::tests::before(state.path()), before, "{error}");
        error.to_string()
    };
    let ours = request(state.path());
    refused(&Request { confirm: "other", ..ours.clone() });
    let other = refused(&Request { name: Some("other"), confirm: "other", ..ours.clone() });
    assert!(other.contains("demo"), "{other}");
    let lock = InstanceLock::take(state.path()).unwrap();
    // Its holder has no guard, as one that is ending: that is waited for, and in vain.
    drop(lock);
    let jid = old::read(state.path()).unwrap().old.jid.unwrap();
    let mark = SystemMark { name: "demo".to_owned(), jid };
    let mut bot = std::process::Command::new("sleep").arg("100").envs(mark.variables("bot", 1)).spawn().unwrap();
    let left = refused(&ours);
    assert!(left.contains(&format!("kill -9 {}", bot.id())), "{left}");
    bot.kill().unwrap();
    bot.wait().unwrap();
    let moved = state.path().join("elsewhere");
    fs::rename(state.path().join(SNAPSHOT_DIR), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, state.path().join(SNAPSHOT_DIR)).unwrap();
    assert!(refused(&ours).contains("it is a link"));
    life(state.path(), 7, &[], true);
    fs::remove_file(state.path().join(SNAPSHOT_DIR)).unwrap();
    let settings = Settings { ballast_bytes: 0, ..Settings::new("demo", "boot", WRITER) };
    let mut journal = recover(Disk::new(state.path()), settings, None).unwrap().start(8, Wall::now()).unwrap();
    journal.stage(Wall::now(), "halt.of_tomorrow", "{}", Importance::Ordinary).unwrap();
    journal.seal(Wall::now()).unwrap();
    let later = retire(&ours).unwrap_err();
    assert!(
        matches!(&later, RetireError::Later { kind, .. } if kind == "halt.of_tomorrow") && later.is_refusal(),
        "{later}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(retire(&request(empty.path())), Err(RetireError::NoJournal { .. })));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "not even a lock");
    assert!(matches!(retire(&request(&empty.path().join("none"))), Err(RetireError::NoJournal { .. })));
}

#[test]
fn one_that_is_put_back_and_retired_again_gets_a_folder_of_its_own() {
    let state = lived();
    let copy = state.path().join("copy");
    assert!(
        std::process::Command::new("cp")
            .arg("-a")
            .arg(state.path().join(JOURNAL_DIR))
            .arg(&copy)
            .status()
            .unwrap()
            .success()
    );
    let first = retire(&request(state.path())).unwrap();
    fs::remove_dir_all(state.path().join(JOURNAL_DIR)).unwrap();
    fs::rename(&copy, state.path().join(JOURNAL_DIR)).unwrap();
    let second = retire(&request(state.path())).unwrap();
    assert_eq!(second.retirement.folder, format!("{}.2", first.retirement.folder));
    assert_eq!(outcome(&second.folder), Outcome::Intact);
}

#[test]
fn what_root_makes_in_somebody_elses_directory_is_theirs() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give files away");
        return;
    }
    fn all(path: &Path, each: &mut impl FnMut(&Path)) {
        each(path);
        if let Ok(entries) = fs::read_dir(path) {
            entries.for_each(|entry| all(&entry.unwrap().path(), each));
        }
    }
    let state = lived();
    all(state.path(), &mut |path| std::os::unix::fs::lchown(path, Some(4_711), Some(4_711)).unwrap());
    retire(&request(state.path())).unwrap();
    all(state.path(), &mut |path| assert_eq!(fs::symlink_metadata(path).unwrap().uid(), 4_711, "{}", path.display()));
}
