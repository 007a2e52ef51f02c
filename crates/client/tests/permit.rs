//! The permit as a bot meets it: real files, real mappings, the real clock.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_client::permit::layout::{
    ABI, AT_ABI, AT_BOOT_ID, AT_CLOCK, AT_EPOCH, AT_LEASE_US, AT_MAGIC, AT_SIZE, AT_TIME_NAMESPACE, CLOCK_BOOTTIME,
    LIVE, MAGIC, OPEN, PAGE_SIZE, REDUCE, Word, slot_offset,
};
use failstop_client::permit::{Denial, Intent, Permit, PermitError, PermitPage, Verdict, host};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const FAR_US: u64 = 60_000_000;

/// Writes pages as the engine does: a new file, filled, then renamed over the old one.
struct Writer {
    path: PathBuf,
}

impl Writer {
    fn new(folder: &Path) -> Self {
        Self { path: folder.join("permit") }
    }

    fn page(&self, epoch: u64) {
        self.damaged_page(epoch, |_| {});
    }

    fn damaged_page(&self, epoch: u64, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut page = vec![0; PAGE_SIZE];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        put(AT_MAGIC, &MAGIC.to_le_bytes());
        put(AT_ABI, &ABI.to_le_bytes());
        put(AT_SIZE, &u32::try_from(PAGE_SIZE).unwrap().to_le_bytes());
        put(AT_BOOT_ID, &host::boot_id().unwrap());
        put(AT_EPOCH, &epoch.to_le_bytes());
        put(AT_TIME_NAMESPACE, &host::time_namespace().unwrap().to_le_bytes());
        put(AT_CLOCK, &CLOCK_BOOTTIME.to_le_bytes());
        put(AT_LEASE_US, &2_000_000_u64.to_le_bytes());
        damage(&mut page);
        let new = self.path.with_extension("new");
        std::fs::write(&new, page).unwrap();
        std::fs::rename(new, &self.path).unwrap();
    }

    fn grant(&self, slot: usize, word: Word) {
        let file = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        file.write_all_at(&word.bits().to_le_bytes(), slot_offset(slot).unwrap() as u64).unwrap();
    }
}

fn now_us() -> u64 {
    host::boottime_ns().unwrap() / 1_000
}

#[test]
fn a_granted_slot_allows_and_every_other_denies() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new(folder.path());
    writer.page(5);
    let page = PermitPage::open(&writer.path).unwrap();
    assert_eq!(page.check(3, Intent::Open), Verdict::Denied(Denial::NotGranted));
    writer.grant(3, Word::pack(OPEN | REDUCE | LIVE, 5, now_us() + FAR_US));
    for slot in 0..40 {
        let expected = match slot {
            3 => Verdict::Live,
            0..32 => Verdict::Denied(Denial::NotGranted),
            _ => Verdict::Denied(Denial::NoSuchSlot),
        };
        assert_eq!(page.check(slot, Intent::Open), expected, "slot {slot}");
    }
    writer.grant(3, Word::pack(REDUCE, 5, now_us() + FAR_US));
    assert_eq!(page.check(3, Intent::Open), Verdict::Denied(Denial::ReduceOnly));
    assert_eq!(page.check(3, Intent::Reduce), Verdict::Paper);
    writer.grant(3, Word::REVOKED);
    assert_eq!(page.check(3, Intent::Reduce), Verdict::Denied(Denial::Revoked));
    writer.grant(3, Word::pack(OPEN | REDUCE, 5, now_us()));
    assert_eq!(page.check(3, Intent::Open), Verdict::Denied(Denial::Expired));
}

#[test]
fn a_page_of_another_abi_boot_or_clock_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new(folder.path());
    for (at, field) in [
        (AT_MAGIC, "magic"),
        (AT_ABI, "abi"),
        (AT_SIZE, "stated size"),
        (AT_BOOT_ID, "boot id (first half)"),
        (AT_BOOT_ID + 15, "boot id (second half)"),
        (AT_TIME_NAMESPACE, "time namespace"),
        (AT_CLOCK, "clock"),
    ] {
        writer.damaged_page(1, |page| page[at] ^= 0x40);
        match PermitPage::open(&writer.path) {
            Err(PermitError::Foreign { field: found, .. }) => assert_eq!(found, field),
            other => panic!("a damaged {field} gave {other:?}"),
        }
    }
    for length in [0, 8, PAGE_SIZE - 1, PAGE_SIZE + 1] {
        writer.damaged_page(1, |page| page.resize(length, 0));
        assert!(matches!(PermitPage::open(&writer.path), Err(PermitError::Foreign { field: "size", .. })));
    }
    assert!(matches!(PermitPage::open(folder.path()), Err(PermitError::Foreign { field: "size", .. })));
    assert!(matches!(PermitPage::open(&folder.path().join("none")), Err(PermitError::Io { .. })));
}

#[test]
fn an_unbound_permit_follows_a_new_start_and_a_bound_one_never_does() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new(folder.path());
    writer.page(8);
    let all = OPEN | REDUCE;
    writer.grant(1, Word::pack(all, 8, now_us() + FAR_US));
    let mut follows = Permit::open(&writer.path, 1).unwrap();
    let mut bound = Permit::open_bound(&writer.path, 1, Some(8)).unwrap();
    assert_eq!((follows.may_open(), bound.may_open()), (Verdict::Paper, Verdict::Paper));

    // The engine dies: the old page's lease runs out. Its successor makes a page of its own.
    writer.grant(1, Word::pack(all, 8, now_us()));
    writer.page(9);
    writer.grant(1, Word::pack(all, 9, now_us() + FAR_US));
    assert_eq!(follows.may_open(), Verdict::Paper);
    assert_eq!(follows.page().epoch(), 9);
    assert_eq!(bound.may_open(), Verdict::Denied(Denial::OtherEpoch));
    assert_eq!(bound.may_reduce(), Verdict::Denied(Denial::OtherEpoch));
    assert!(matches!(Permit::open_bound(&writer.path, 1, Some(8)), Err(PermitError::OtherEpoch { .. })));
}

#[test]
fn a_bound_permit_takes_a_new_page_of_its_own_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new(folder.path());
    writer.page(8);
    writer.grant(1, Word::REVOKED);
    let mut permit = Permit::open_bound(&writer.path, 1, Some(8)).unwrap();
    writer.page(8);
    writer.grant(1, Word::pack(OPEN | REDUCE, 8, now_us() + FAR_US));
    assert_eq!(permit.may_open(), Verdict::Paper);
}

#[test]
fn a_vanished_page_keeps_denying_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new(folder.path());
    writer.page(8);
    let mut permit = Permit::open(&writer.path, 0).unwrap();
    std::fs::remove_file(&writer.path).unwrap();
    for _ in 0..3 {
        assert_eq!(permit.may_open(), Verdict::Denied(Denial::NotGranted));
        assert!(permit.refresh().is_err());
    }
}

#[test]
fn slots_beyond_the_page_are_refused_at_opening() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer::new(folder.path());
    writer.page(1);
    assert!(matches!(Permit::open(&writer.path, 32), Err(PermitError::NoSuchSlot(32))));
}
