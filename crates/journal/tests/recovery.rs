//! The recovery table, row by row, on a simulated disk; what a sealed journal looks like to ordinary tools on a real one; and
//! what a full disk leaves.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "../../../tests/sim/disk.rs"]
#[expect(dead_code, reason = "the disk is shared with the simulation of the engine, which uses the rest")]
mod disk;

use disk::{Faults, SimDisk};
use failstop_journal::{
    Class, Disk, Importance, JOURNAL_DIR, Journal, OpenError, Outcome, Record, Recovered, SEG_OPEN, SegOpen, Settings,
    Storage, Verdict, Violation, Wall, recover, segment_name, verify,
};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const NOW: Wall = Wall(1_800_000_000_000_000_000);
const FIRST: &str = "journal/j-0000000000000001.ndjson";

fn settings() -> Settings {
    let mut settings = Settings::new("demo", "boot", "test");
    settings.ballast_bytes = 4096;
    settings
}

fn reopen<S: Storage>(storage: S, mark: Option<u64>) -> Recovered<S> {
    recover(storage, settings(), mark).unwrap()
}

fn note<S: Storage>(journal: &mut Journal<S>, number: u64) -> u64 {
    let payload = format!("{{\"n\":{number}}}");
    let seq = journal.stage(NOW, "x.note", &payload, Importance::Ordinary).unwrap();
    journal.commit().unwrap();
    seq
}

/// A journal of one segment with `records` notes that was never sealed.
fn unsealed(records: u64) -> SimDisk {
    let disk = SimDisk::new(1);
    let mut journal = reopen(disk.clone(), None).start(1, NOW).unwrap();
    for number in 0..records {
        note(&mut journal, number);
    }
    disk
}

fn lines(disk: &SimDisk, path: &str) -> Vec<Vec<u8>> {
    disk.read(path).unwrap().split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

fn kinds(recovered: &Recovered<SimDisk>) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    recovered
        .replay(|record: Record<'_>| -> Result<(), io::Error> {
            out.push((record.seq, record.kind.to_owned()));
            Ok(())
        })
        .unwrap();
    out
}

fn last_open(disk: &SimDisk, name: &str) -> SegOpen {
    let first = lines(disk, &format!("{JOURNAL_DIR}/{name}")).remove(0);
    let value: serde_json::Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(value["t"], SEG_OPEN);
    serde_json::from_value(value["b"].clone()).unwrap()
}

fn damage(recovered: &Recovered<SimDisk>) -> Violation {
    match recovered.verdict() {
        Verdict::Damaged(damage) => damage.clone(),
        other => panic!("{other:?}"),
    }
}

/// A damaged journal still takes records, in a new segment, stays damaged, and keeps what it had.
fn goes_on_damaged(disk: &SimDisk, recovered: Recovered<SimDisk>) {
    let before = disk.paths();
    let bytes: Vec<_> = before.iter().map(|path| disk.read(path).unwrap()).collect();
    let found = damage(&recovered);
    let epoch = recovered.last_epoch() + 1;
    let mut journal = recovered.start(epoch, NOW).unwrap();
    let seq = note(&mut journal, 99);
    drop(journal);
    for (path, bytes) in before.iter().zip(bytes) {
        if path.ends_with(".ndjson") {
            assert_eq!(disk.read(path).unwrap(), bytes, "{path} was touched");
        }
    }
    let again = reopen(disk.clone(), None);
    assert!(kinds(&again).contains(&(seq, "x.note".to_owned())), "the halt is in the journal");
    let still = damage(&again);
    assert_eq!(still.class, found.class);
    let newest = disk.paths().into_iter().rfind(|path| path.ends_with(".ndjson")).unwrap();
    assert_eq!(last_open(disk, newest.strip_prefix("journal/").unwrap()).damage, Some(found));
}

#[test]
fn an_empty_directory_is_a_new_journal() {
    let disk = SimDisk::new(1);
    let recovered = reopen(disk.clone(), None);
    assert_eq!(recovered.verdict(), &Verdict::New);
    assert_eq!((recovered.last().seq, recovered.last_epoch()), (0, 0));
    let mut journal = recovered.start(1, NOW).unwrap();
    assert_eq!(journal.durable().seq, 1, "seg.open is the first record");
    assert_eq!(note(&mut journal, 0), 2);
}

#[test]
fn a_sealed_journal_is_clean_and_goes_on_in_a_new_segment() {
    let disk = unsealed(0);
    let mut journal = reopen(disk.clone(), None).start(2, NOW).unwrap();
    note(&mut journal, 1);
    let head = journal.seal(NOW).unwrap();
    let recovered = reopen(disk.clone(), Some(head.seq));
    assert_eq!(recovered.verdict(), &Verdict::Clean);
    assert_eq!((recovered.last(), recovered.last_epoch()), (head, 2));
    assert!(matches!(recovered.start(2, NOW), Err(OpenError::Epoch { epoch: 2, last: 2 })));
}

#[test]
fn an_unsealed_journal_is_unclean_and_keeps_every_record() {
    let disk = unsealed(3);
    let recovered = reopen(disk.clone(), Some(4));
    assert_eq!(recovered.verdict(), &Verdict::Unclean);
    let expected = [(1, "seg.open"), (2, "x.note"), (3, "x.note"), (4, "x.note")];
    assert_eq!(kinds(&recovered), expected.map(|(seq, kind)| (seq, kind.to_owned())));
    recovered.start(2, NOW).unwrap();
    let open = last_open(&disk, &segment_name(5));
    assert_eq!(open.prev_seg.unwrap().records, 4);
    assert_eq!(reopen(disk, None).report().result, Outcome::Intact);
}

#[test]
fn a_torn_tail_is_kept_and_cut_and_told() {
    let disk = unsealed(3);
    let whole = disk.read(FIRST).unwrap();
    let last = lines(&disk, FIRST).last().unwrap().len();
    disk.overwrite(FIRST, whole[..whole.len() - 10].to_vec());
    let recovered = reopen(disk.clone(), None);
    let Verdict::TornTail(torn) = recovered.verdict().clone() else { panic!("{:?}", recovered.verdict()) };
    let offset = whole.len() - last;
    assert_eq!((torn.offset, torn.bytes), (offset as u64, last as u64 - 10));
    assert_eq!(disk.read(&torn.copy).unwrap(), whole[offset..whole.len() - 10]);
    assert_eq!(disk.read(FIRST).unwrap(), whole[..offset]);
    assert_eq!(recovered.report().torn_tail.as_ref().unwrap().offset, torn.offset);
    recovered.start(2, NOW).unwrap();
    assert_eq!(last_open(&disk, &segment_name(4)).torn, Some(torn));
    assert_eq!(reopen(disk, None).verdict(), &Verdict::Unclean);
}

#[test]
fn a_durable_mark_beyond_the_end_is_an_acknowledged_record_lost_for_good() {
    let disk = unsealed(3);
    let whole = disk.read(FIRST).unwrap();
    disk.overwrite(FIRST, whole[..whole.len() - 10].to_vec());
    let recovered = reopen(disk.clone(), Some(4));
    let found = damage(&recovered);
    assert_eq!((found.class, found.seq, found.line), (Class::AcknowledgedLost, 4, 4));
    assert_eq!(disk.read(FIRST).unwrap().len(), whole.len() - 10, "nothing was cut");
    recovered.start(2, NOW).unwrap();
    assert!(reopen(disk, None).report().violations.iter().any(|v| v.class == Class::AcknowledgedLost));
}

#[test]
fn a_later_line_that_knew_it_durable_proves_damage() {
    for sector in [false, true] {
        let disk = unsealed(4);
        let mut bytes = disk.read(FIRST).unwrap();
        let at = lines(&disk, FIRST)[..2].concat().len() + 120;
        if sector {
            bytes[at..at + 20].fill(0);
        } else {
            bytes[at] ^= 1;
        }
        disk.overwrite(FIRST, bytes);
        let recovered = reopen(disk.clone(), None);
        let found = damage(&recovered);
        assert_eq!((found.seq, found.line), (3, 3));
        assert_eq!(kinds(&recovered).len(), 4, "the damaged record is not handed out, those around it are");
        goes_on_damaged(&disk, recovered);
    }
}

#[test]
fn bytes_after_the_seal_are_foreign() {
    let disk = unsealed(1);
    reopen(disk.clone(), None).start(2, NOW).unwrap().seal(NOW).unwrap();
    let path = format!("{JOURNAL_DIR}/{}", segment_name(3));
    let mut bytes = disk.read(&path).unwrap();
    bytes.extend_from_slice(b"{\"seq\":5");
    disk.overwrite(&path, bytes);
    let recovered = reopen(disk.clone(), None);
    assert_eq!(damage(&recovered).class, Class::ForeignBytes);
    goes_on_damaged(&disk, recovered);
}

#[test]
fn damage_in_the_middle_is_never_cut() {
    let disk = unsealed(3);
    reopen(disk.clone(), None).start(2, NOW).unwrap();
    let whole = disk.read(FIRST).unwrap();
    disk.overwrite(FIRST, whole[..whole.len() - 10].to_vec());
    let recovered = reopen(disk.clone(), None);
    assert_eq!(damage(&recovered).class, Class::Truncation);
    goes_on_damaged(&disk, recovered);
}

#[test]
fn a_sealed_last_segment_that_lost_its_end_is_damage() {
    let disk = unsealed(1);
    reopen(disk.clone(), None).start(2, NOW).unwrap().seal(NOW).unwrap();
    let path = format!("{JOURNAL_DIR}/{}", segment_name(3));
    let whole = disk.read(&path).unwrap();
    disk.overwrite(&path, whole[..whole.len() - 10].to_vec());
    assert_eq!(damage(&reopen(disk.clone(), None)).class, Class::Truncation);
    // Also where whole lines are gone.
    let first = lines(&disk, &path).remove(0);
    disk.overwrite(&path, first);
    assert_eq!(damage(&reopen(disk.clone(), None)).class, Class::Truncation);
    disk.remove(&path).unwrap();
    let recovered = reopen(disk.clone(), None);
    assert_eq!(damage(&recovered).class, Class::MissingSegment);
    goes_on_damaged(&disk, recovered);
}

#[test]
fn a_segment_whose_creation_was_interrupted_is_set_aside() {
    let disk = unsealed(2);
    reopen(disk.clone(), None).start(2, NOW).unwrap();
    let path = format!("{JOURNAL_DIR}/{}", segment_name(4));
    for left in [0, 100] {
        let whole = disk.read(&path).unwrap();
        disk.overwrite(&path, whole[..left].to_vec());
        let recovered = reopen(disk.clone(), None);
        let Verdict::Interrupted(kept) = recovered.verdict() else { panic!("{:?}", recovered.verdict()) };
        assert_eq!(disk.read(kept).unwrap(), whole[..left]);
        assert_eq!(recovered.last().seq, 3);
        recovered.start(3, NOW).unwrap();
        assert_eq!(last_open(&disk, &segment_name(4)).prev_seg.unwrap().records, 3, "the name is used again");
    }
    // The very first one, too.
    let disk = unsealed(0);
    disk.overwrite(FIRST, disk.read(FIRST).unwrap()[..50].to_vec());
    let recovered = reopen(disk, None);
    assert!(matches!(recovered.verdict(), Verdict::Interrupted(_)));
    assert_eq!(recovered.last().seq, 0);
}

#[test]
fn another_systems_journal_is_refused() {
    let disk = unsealed(1);
    let other = recover(disk, Settings::new("other", "boot", "test"), None);
    assert!(matches!(other, Err(OpenError::Origin { .. })));
}

#[test]
fn everything_gone_but_the_list_of_sums_is_damage() {
    let disk = unsealed(1);
    reopen(disk.clone(), None).start(2, NOW).unwrap().seal(NOW).unwrap();
    for path in disk.paths() {
        if path.ends_with(".ndjson") {
            disk.remove(&path).unwrap();
        }
    }
    let recovered = reopen(disk.clone(), None);
    assert_eq!(damage(&recovered).class, Class::MissingSegment);
    let mut journal = recovered.start(3, NOW).unwrap();
    assert!(note(&mut journal, 0) > 3, "no name or number is used twice");
}

#[test]
fn a_full_disk_takes_back_the_batch_and_keeps_room_for_the_halt() {
    let disk = unsealed(2);
    let mut journal = reopen(disk.clone(), None).start(2, NOW).unwrap();
    let before = journal.durable();
    assert!(disk.paths().contains(&"ballast".to_owned()));
    // The ballast, what is there, and a little more than nothing.
    let used: usize = disk.paths().iter().map(|path| disk.read(path).unwrap().len()).sum();
    disk.set_faults(Faults { space: Some(used as u64 + 4096 + 300), ..Faults::default() });
    for number in 0..10 {
        journal.stage(NOW, "x.note", &format!("{{\"n\":{number}}}"), Importance::Ordinary).unwrap();
    }
    let error = journal.commit().unwrap_err();
    assert!(error.is_no_space(), "{error}");
    assert_eq!(journal.durable(), before);
    assert!(!disk.paths().contains(&"ballast".to_owned()), "the ballast was given up");
    journal.stage(NOW, "x.note", "{}", Importance::Ordinary).unwrap_err();
    let seq = journal.stage(NOW, "halt.raised", "{}", Importance::LastWords).unwrap();
    assert_eq!(seq, before.seq + 1);
    journal.commit().unwrap();
    journal.seal(NOW).unwrap();
    disk.power_cycle();
    let recovered = reopen(disk, None);
    assert_eq!(recovered.verdict(), &Verdict::Clean);
    assert_eq!(kinds(&recovered)[4], (seq, "halt.raised".to_owned()));
}

#[test]
fn ordinary_tools_can_check_a_sealed_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = reopen(Disk::new(dir.path()), None).start(1, NOW).unwrap();
    note(&mut journal, 1);
    note(&mut journal, 2);
    journal.seal(NOW).unwrap();
    let folder = dir.path().join(JOURNAL_DIR);
    let name = segment_name(1);
    assert_eq!(std::fs::metadata(folder.join(&name)).unwrap().permissions().mode() & 0o777, 0o440);
    let sums =
        Command::new("sha256sum").args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(&folder).status();
    assert!(sums.unwrap().success());
    // The golden vector, as docs/journal-format.md has it.
    let script = r#"P=$(sed -n 2p F | tail -c 67 | head -c 64); L=$(sed -n 3p F); printf '%s%s' "$P" "${L%,\"h\":*}" | sha256sum"#;
    let format = include_str!("../../../docs/journal-format.md");
    assert!(format.contains(script), "the documented command is the tested one");
    let output = Command::new("sh").args(["-c", &script.replace('F', &name)]).current_dir(&folder).output().unwrap();
    let text = std::fs::read_to_string(folder.join(&name)).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().split(' ').next(), line["h"].as_str());
}

#[test]
fn the_documented_journal_verifies() {
    // The example in the documentation is a whole journal: its lines are what this version writes and accepts.
    let format = include_str!("../../../docs/journal-format.md");
    let lines: String =
        format.lines().filter(|l| l.starts_with("{\"seq\":") && !l.contains(":N,")).map(|l| format!("{l}\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(JOURNAL_DIR)).unwrap();
    std::fs::write(dir.path().join(JOURNAL_DIR).join(segment_name(1)), &lines).unwrap();
    let report = verify(dir.path(), &verify::Options::default(), &|_| {}).unwrap();
    assert_eq!(report.result, Outcome::Intact, "{:?}", report.violations);
    assert_eq!((report.records, report.origin.as_deref()), (4, Some("demo")));
    assert_eq!(report.torn_tail, None);
}

/// How many pages of a file the page cache holds.
fn cached_pages(file: &std::fs::File, bytes: usize) -> usize {
    use std::os::fd::AsRawFd as _;
    let mut seen = vec![0u8; bytes.div_ceil(4096)];
    // SAFETY: a read-only mapping of a file that is open and at least so long, unmapped before this returns; mincore writes one
    // byte a page.
    unsafe {
        let at = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(at, libc::MAP_FAILED);
        assert_eq!(libc::mincore(at, bytes, seen.as_mut_ptr()), 0);
        libc::munmap(at, bytes);
    }
    seen.iter().filter(|page| **page & 1 == 1).count()
}

#[test]
fn what_is_read_after_the_cache_was_dropped_comes_from_the_disk() {
    use failstop_journal::{Storage as _, StorageFile as _};
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (disk, bytes) = (Disk::new(dir.path()), 1 << 20);
    let mut file = disk.create("segment").unwrap();
    assert_eq!(file.append(&vec![b'x'; bytes]).unwrap(), bytes);
    assert!(cached_pages(&file, bytes) > 0);
    file.sync_data().unwrap();
    file.drop_cache().unwrap();
    // SAFETY: an all-zero statfs is a valid one, and it is written by the call.
    let kind = unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        assert_eq!(libc::fstatfs(std::os::fd::AsRawFd::as_raw_fd(&file), &raw mut about), 0);
        about.f_type
    };
    if kind == libc::TMPFS_MAGIC {
        println!("skipped: on tmpfs the cache is the disk");
        return;
    }
    assert_eq!(cached_pages(&file, bytes), 0, "a page of it is still what the cache had");
    let mut read = vec![0; bytes];
    let mut got = 0;
    while got < bytes {
        got += file.read_at(&mut read[got..], got as u64).unwrap();
    }
    assert!(read.iter().all(|byte| *byte == b'x'));
}

/// What somebody does to a segment that is written to.
type Mishap = fn(&std::path::Path);

#[test]
fn a_segment_that_is_no_more_where_its_name_says_takes_nothing_more() {
    let mishaps: [(&str, Mishap); 4] = [
        ("removed", |file| std::fs::remove_file(file).unwrap()),
        ("renamed", |file| std::fs::rename(file, file.with_extension("old")).unwrap()),
        ("replaced by a copy", |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::remove_file(file).unwrap();
            std::fs::write(file, bytes).unwrap();
        }),
        ("its folder renamed", |file| {
            let folder = file.parent().unwrap();
            std::fs::rename(folder, folder.with_extension("old")).unwrap();
        }),
    ];
    for (what, mishap) in mishaps {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = reopen(Disk::new(dir.path()), None).start(1, NOW).unwrap();
        note(&mut journal, 1);
        let durable = journal.durable();
        mishap(&dir.path().join(FIRST));
        journal.stage(NOW, "x.note", "{}", Importance::Ordinary).unwrap();
        let said = journal.commit().unwrap_err();
        assert!(said.to_string().contains("the file was removed or renamed"), "{what}: {said}");
        assert_eq!(journal.durable(), durable, "{what}");
        assert!(journal.stage(NOW, "x.note", "{}", Importance::LastWords).is_err(), "{what}: no last words either");
        assert!(journal.seal(NOW).is_err(), "{what}");
    }
}
