//! Writes the permit page: the lease by which bots may trade. For the loop, which publishes at the end of each healthy
//! cycle, and for the guard and the kill switch, which revoke.
//!
//! Three rules live here, so that no caller can forget them:
//! - renewal is a compare-exchange from this writer's own last word, so that what the kill switch wrote sticks;
//! - the kill switch's latch is looked at before each publication;
//! - no deadline lies further ahead than one lease, whatever the caller asks for.
//!
//! A page that was revoked stays so. Only a new page ([`PermitWriter::replace`]) grants again.

use crate::kill_switch::LatchProbe;
use failstop_client::permit::layout::{
    ABI, AT_ABI, AT_BOOT_ID, AT_CLOCK, AT_DIAGNOSTICS, AT_DURABLE_SEQ, AT_EPOCH, AT_HEAD, AT_JOURNAL_ID, AT_LEASE_US,
    AT_MAGIC, AT_PERMISSION, AT_SIZE, AT_TIME_NAMESPACE, AT_UPDATED_US, CLOCK_BOOTTIME, LIVE, MAGIC, OPEN, PAGE_SIZE,
    REDUCE, SLOTS, Word, slot_offset,
};
use failstop_client::permit::{Diagnostics, host};
use failstop_core::{Epoch, MAX_COMPONENTS, Monotonic, Page, Rights};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

const _: () = assert!(SLOTS == MAX_COMPONENTS + 1);

/// Why a permit page could not be made or reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the permit page {path}: {source}; no component is permitted to trade without it")]
pub struct PermitPageError {
    /// What was tried.
    pub action: &'static str,
    /// On which page.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Why nothing was renewed. The whole page denies by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The latch stands on disk, or cannot be looked at.
    #[error("the kill switch's latch is engaged: the permit page was revoked")]
    LatchEngaged,
    /// Somebody revoked the page: the kill switch, whose latch will follow, or this writer itself earlier.
    #[error("the permit page was found revoked")]
    Revoked,
    /// Somebody wrote what neither engine nor kill switch writes.
    #[error("slot {slot} of the permit page held {found:#018x}, which nobody of failstop wrote: the page was revoked")]
    Foreign {
        /// Which slot.
        slot: usize,
        /// What stood there.
        found: u64,
    },
}

/// What a page is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The fencing epoch.
    pub epoch: Epoch,
    /// How long a renewal is good for; no deadline may lie further ahead.
    pub lease: Duration,
    /// The file's mode: 0600, or 0644 where a component runs as another user.
    pub mode: u32,
}

/// The one writer of a system's permit page.
#[derive(Debug)]
pub struct PermitWriter {
    path: PathBuf,
    terms: Terms,
    latch: LatchProbe,
    page: Mapping,
    /// What this writer put into each slot last.
    last: [Word; SLOTS],
    revoked: bool,
    sequence: u64,
}

impl PermitWriter {
    /// Makes a fresh page at `path` that denies everything. A page that an earlier engine left there is revoked first.
    ///
    /// # Errors
    /// [`PermitPageError`]: no space, no rights, or no `/proc`.
    pub fn create(path: &Path, terms: Terms, latch: LatchProbe) -> Result<Self, PermitPageError> {
        // Whoever still maps the old page is denied from now on and not only when its lease is over.
        let _ = revoke_path(path);
        let page = fresh_page(path, &terms)?;
        let last = [Word::NONE; SLOTS];
        Ok(Self { path: path.to_owned(), terms, latch, page, last, revoked: false, sequence: 0 })
    }

    /// Where the page is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this page denies for good.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// Whether somebody else revoked the page since this writer last published. What this writer revoked itself is not that.
    pub fn is_revoked_from_outside(&self) -> bool {
        !self.revoked && (0..SLOTS).any(|slot| self.page.load_word(slot) == Word::REVOKED)
    }

    /// Publishes these rights until `page.deadline`, or until one lease from `now` where that is earlier. Rights that
    /// say revoked revoke the whole page.
    ///
    /// # Errors
    /// [`Refused`]: somebody else closed the page, or had; every slot is revoked when this returns. The caller tells
    /// the core that the kill switch was seen.
    pub fn publish(&mut self, page: &Page, now: Monotonic) -> Result<(), Refused> {
        if self.latch.engaged() {
            self.revoke();
            return Err(Refused::LatchEngaged);
        }
        if page.rights.iter().any(|rights| rights.revoked) {
            self.revoke();
            return Ok(());
        }
        if self.revoked {
            return Err(Refused::Revoked);
        }
        let deadline = page.deadline.min(now.plus(self.terms.lease));
        for (slot, rights) in page.rights.iter().enumerate() {
            let word = Word::pack(bits(*rights), self.terms.epoch.0, deadline.as_micros());
            if let Err(found) = self.page.exchange(slot, self.last[slot], word) {
                self.revoke();
                return Err(if found == Word::REVOKED {
                    Refused::Revoked
                } else {
                    Refused::Foreign { slot, found: found.bits() }
                });
            }
            self.last[slot] = word;
        }
        Ok(())
    }

    /// Denies everything, for good: only a new page grants again.
    pub fn revoke(&mut self) {
        self.page.revoke();
        self.revoked = true;
    }

    /// A new page in the place of a revoked one, denying until the next publication. For the release of the kill
    /// switch, once its latch is gone from the disk, and for nothing else.
    ///
    /// # Errors
    /// [`PermitPageError`]; the old page stays and denies.
    pub fn replace(&mut self) -> Result<(), PermitPageError> {
        self.revoke();
        self.page = fresh_page(&self.path, &self.terms)?;
        self.last = [Word::NONE; SLOTS];
        self.revoked = false;
        self.sequence = 0;
        Ok(())
    }

    /// Notes what readers may display. Never a reason to trade: decisions read one slot's word and nothing else.
    pub fn note(&mut self, diagnostics: &Diagnostics) {
        self.page.store(AT_DIAGNOSTICS, self.sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        let mut state = [0; 8];
        state[0] = diagnostics.permission;
        state[1] = diagnostics.mode;
        state[2..4].copy_from_slice(&diagnostics.halts.to_le_bytes());
        self.page.store(AT_PERMISSION, u64::from_le_bytes(state), Ordering::Relaxed);
        self.page.store(AT_DURABLE_SEQ, diagnostics.durable_seq, Ordering::Relaxed);
        self.page.store_bytes(AT_HEAD, &diagnostics.head);
        self.page.store(AT_UPDATED_US, diagnostics.updated_us, Ordering::Relaxed);
        self.page.store_bytes(AT_JOURNAL_ID, &diagnostics.journal_id);
        self.sequence += 2;
        self.page.store(AT_DIAGNOSTICS, self.sequence, Ordering::Release);
    }
}

impl Drop for PermitWriter {
    /// The engine is done: nothing is permitted any more. What the kill switch wrote stays as it is.
    fn drop(&mut self) {
        for (slot, last) in self.last.iter().enumerate() {
            let _ = self.page.exchange(slot, *last, Word::NONE);
        }
    }
}

/// Revokes every slot of the page at `path`. Works on a page of any epoch, whoever wrote it and whatever became of them.
///
/// # Errors
/// Those of opening it, `NotFound` where there is none; `InvalidData` where it is not a permit page's size.
pub fn revoke_path(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != PAGE_SIZE as u64 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a permit page: a page is a file of 4096 bytes"));
    }
    Mapping::new(&file)?.revoke();
    Ok(())
}

/// The rights of a word. Those of a page that is not revoked.
fn bits(rights: Rights) -> u64 {
    let right = |given: bool, bit| if given { bit } else { 0 };
    right(rights.open, OPEN) | right(rights.reduce, REDUCE) | right(rights.live, LIVE)
}

/// A whole new file, put in place by its name at the end: a reader sees the old page or the new one, never a part.
fn fresh_page(path: &Path, terms: &Terms) -> Result<Mapping, PermitPageError> {
    let failed = |action| move |source| PermitPageError { action, path: path.to_owned(), source };
    let mut bytes = [0_u8; PAGE_SIZE];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(AT_MAGIC, &MAGIC.to_le_bytes());
    put(AT_ABI, &ABI.to_le_bytes());
    put(AT_SIZE, &u32::try_from(PAGE_SIZE).unwrap_or(u32::MAX).to_le_bytes());
    put(AT_BOOT_ID, &host::boot_id().map_err(failed("read the boot id for"))?);
    put(AT_EPOCH, &terms.epoch.0.to_le_bytes());
    put(AT_TIME_NAMESPACE, &host::time_namespace().map_err(failed("read the time namespace for"))?.to_le_bytes());
    put(AT_CLOCK, &CLOCK_BOOTTIME.to_le_bytes());
    put(AT_LEASE_US, &u64::try_from(terms.lease.as_micros()).unwrap_or(u64::MAX).to_le_bytes());

    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let _ = std::fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(terms.mode)
        .open(&temporary)
        .map_err(failed("create"))?;
    // Written in full, so that the memory is there: a mapped page that a full tmpfs cannot back would kill us by SIGBUS.
    file.write_all(&bytes).map_err(failed("fill"))?;
    file.set_permissions(std::fs::Permissions::from_mode(terms.mode)).map_err(failed("set the mode of"))?;
    let page = Mapping::new(&file).map_err(failed("map"))?;
    let mut read_back = [0; PAGE_SIZE];
    file.read_exact_at(&mut read_back, 0).map_err(failed("read back"))?;
    if read_back != bytes {
        return Err(failed("verify")(io::Error::new(io::ErrorKind::InvalidData, "it reads back other than written")));
    }
    std::fs::rename(&temporary, path).map_err(failed("put into place"))?;
    Ok(page)
}

/// A page mapped for writing.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
}

// SAFETY: the mapping is reached by atomic operations only and lives until drop.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(file: &File) -> io::Result<Self> {
        // SAFETY: a new shared mapping at an address that the kernel chooses touches no existing memory.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base =
            NonNull::new(base.cast()).ok_or_else(|| io::Error::other("the kernel mapped the page at address zero"))?;
        Ok(Self { base })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= PAGE_SIZE, "every offset is one of the layout's");
        // SAFETY: within the mapping, aligned to 8, and alive as long as `self`. All processes reach it atomically.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast::<u64>()) }
    }

    fn slot(&self, slot: usize) -> &AtomicU64 {
        // Slots are counted by arrays of that length, so there is an offset for each.
        self.word(slot_offset(slot).unwrap_or(PAGE_SIZE))
    }

    fn store(&self, offset: usize, value: u64, order: Ordering) {
        self.word(offset).store(value.to_le(), order);
    }

    fn store_bytes(&self, offset: usize, bytes: &[u8]) {
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.store(offset + index * 8, u64::from_le_bytes(word), Ordering::Relaxed);
        }
    }

    fn load_word(&self, slot: usize) -> Word {
        Word::from_bits(u64::from_le(self.slot(slot).load(Ordering::Acquire)))
    }

    /// Puts `word` where `expected` stands; gives back what stands there otherwise.
    fn exchange(&self, slot: usize, expected: Word, word: Word) -> Result<(), Word> {
        self.slot(slot)
            .compare_exchange(expected.bits().to_le(), word.bits().to_le(), Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
            .map_err(|found| Word::from_bits(u64::from_le(found)))
    }

    fn revoke(&self) {
        for slot in 0..SLOTS {
            self.slot(slot).store(Word::REVOKED.bits().to_le(), Ordering::SeqCst);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and nothing borrows from it any more.
        let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), PAGE_SIZE) };
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::clock;
    use crate::kill_switch;
    use failstop_client::permit::{Denial, Intent, PermitPage, Verdict};

    const LEASE: Duration = Duration::from_secs(60);
    const TRADE: Rights = Rights { open: true, reduce: true, live: true, revoked: false };

    struct Rig {
        dir: tempfile::TempDir,
        writer: PermitWriter,
    }

    impl Rig {
        fn new(epoch: u64) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let writer = writer(dir.path(), epoch);
            Self { dir, writer }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("permit")
        }

        fn publish(&mut self, rights: Rights) -> Result<(), Refused> {
            let now = clock::now();
            self.writer.publish(&page(rights, now.plus(LEASE)), now)
        }

        fn reader(&self) -> PermitPage {
            PermitPage::open(&self.path()).unwrap()
        }
    }

    fn writer(dir: &Path, epoch: u64) -> PermitWriter {
        let terms = Terms { epoch: Epoch(epoch), lease: LEASE, mode: 0o600 };
        PermitWriter::create(&dir.join("permit"), terms, LatchProbe::open(dir).unwrap()).unwrap()
    }

    fn page(rights: Rights, deadline: Monotonic) -> Page {
        Page { rights: [rights; SLOTS], deadline }
    }

    #[test]
    fn what_is_published_is_what_a_reader_gets() {
        let mut rig = Rig::new(1_030);
        let reader = rig.reader();
        assert_eq!((reader.epoch(), reader.lease_us()), (1_030, 60_000_000));
        assert!(matches!(reader.check(1, Intent::Open), Verdict::Denied(_)), "a fresh page denies");

        let now = clock::now();
        let mut mixed = page(Rights::NONE, now.plus(LEASE));
        mixed.rights[1] = TRADE;
        mixed.rights[2] = Rights { live: false, ..TRADE };
        mixed.rights[31] = Rights { open: false, ..TRADE };
        rig.writer.publish(&mixed, now).unwrap();
        assert_eq!(reader.check(1, Intent::Open), Verdict::Live);
        assert_eq!(reader.check(2, Intent::Open), Verdict::Paper);
        assert!(matches!(reader.check(31, Intent::Open), Verdict::Denied(_)));
        assert_eq!(reader.check(31, Intent::Reduce), Verdict::Live);
        assert!(matches!(reader.check(0, Intent::Reduce), Verdict::Denied(_)));
    }

    #[test]
    fn no_deadline_lies_further_ahead_than_a_lease() {
        let mut rig = Rig::new(1);
        let now = clock::now();
        rig.writer.publish(&page(TRADE, now.plus(LEASE * 1_000)), now).unwrap();
        assert_eq!(rig.reader().word(1).unwrap().deadline_us(), now.plus(LEASE).as_micros());
        // A tightening may keep an older, shorter one.
        rig.writer.publish(&page(Rights::NONE, now.plus(LEASE / 2)), now).unwrap();
        assert_eq!(rig.reader().word(1).unwrap().deadline_us(), now.plus(LEASE / 2).as_micros());
    }

    #[test]
    fn a_revoked_word_sticks() {
        let mut rig = Rig::new(1);
        rig.publish(TRADE).unwrap();
        let reader = rig.reader();
        revoke_path(&rig.path()).unwrap();
        assert_eq!(reader.check(1, Intent::Open), Verdict::Denied(Denial::Revoked));
        assert_eq!(rig.publish(TRADE), Err(Refused::Revoked));
        assert_eq!(rig.publish(Rights::NONE), Err(Refused::Revoked));
        assert_eq!(reader.check(1, Intent::Open), Verdict::Denied(Denial::Revoked));
        assert_eq!(reader.word(0), Some(Word::REVOKED));
        // Even the engine's end does not wipe it out.
        drop(rig.writer);
        assert_eq!(reader.word(1), Some(Word::REVOKED));
    }

    #[test]
    fn one_revoked_slot_closes_all() {
        let mut rig = Rig::new(1);
        rig.publish(TRADE).unwrap();
        rig.writer.page.slot(31).store(Word::REVOKED.bits().to_le(), Ordering::SeqCst);
        assert_eq!(rig.publish(TRADE), Err(Refused::Revoked));
        for slot in 0..SLOTS {
            assert_eq!(rig.reader().word(slot), Some(Word::REVOKED), "slot {slot}");
        }
    }

    #[test]
    fn what_a_stranger_wrote_closes_the_page() {
        let mut rig = Rig::new(1);
        rig.publish(Rights::NONE).unwrap();
        let forged = Word::pack(OPEN | REDUCE | LIVE, 1, clock::now().plus(LEASE * 100).as_micros());
        rig.writer.page.slot(5).store(forged.bits().to_le(), Ordering::SeqCst);
        assert_eq!(rig.publish(Rights::NONE), Err(Refused::Foreign { slot: 5, found: forged.bits() }));
        assert_eq!(rig.reader().check(5, Intent::Open), Verdict::Denied(Denial::Revoked));
    }

    #[test]
    fn the_latch_closes_the_page_even_if_nobody_revoked_it() {
        let mut rig = Rig::new(1);
        rig.publish(TRADE).unwrap();
        std::fs::write(rig.dir.path().join("kill-switch"), "").unwrap();
        assert_eq!(rig.publish(TRADE), Err(Refused::LatchEngaged));
        assert_eq!(rig.reader().check(1, Intent::Open), Verdict::Denied(Denial::Revoked));
        kill_switch::remove_latch(rig.dir.path()).unwrap();
        assert_eq!(rig.publish(TRADE), Err(Refused::Revoked), "the page stays closed without its latch");
    }

    #[test]
    fn only_a_new_page_grants_again() {
        let mut rig = Rig::new(1);
        rig.publish(TRADE).unwrap();
        let old = rig.reader();
        rig.publish(Rights::REVOKED).unwrap();
        assert_eq!(rig.publish(TRADE), Err(Refused::Revoked));
        rig.writer.replace().unwrap();
        assert!(old.is_replaced(&rig.path()));
        assert!(matches!(rig.reader().check(1, Intent::Open), Verdict::Denied(_)));
        rig.publish(TRADE).unwrap();
        assert_eq!(rig.reader().check(1, Intent::Open), Verdict::Live);
        assert_eq!(old.check(1, Intent::Open), Verdict::Denied(Denial::Revoked));
    }

    #[test]
    fn a_new_start_revokes_what_the_last_one_left() {
        let mut rig = Rig::new(1);
        rig.publish(TRADE).unwrap();
        let old = rig.reader();
        let second = writer(rig.dir.path(), 2);
        assert_eq!(old.check(1, Intent::Open), Verdict::Denied(Denial::Revoked));
        assert_eq!(rig.reader().epoch(), 2);
        drop(second);
    }

    #[test]
    fn the_end_of_the_writer_denies() {
        let mut rig = Rig::new(1);
        rig.publish(TRADE).unwrap();
        let reader = rig.reader();
        drop(rig.writer);
        assert_eq!(reader.word(1), Some(Word::NONE));
    }

    #[test]
    fn diagnostics_are_read_back() {
        let mut rig = Rig::new(1);
        let reader = rig.reader();
        assert_eq!(reader.diagnostics(), None);
        let mut noted = Diagnostics {
            durable_seq: 18_441,
            head: std::array::from_fn(|index| u8::try_from(index).unwrap()),
            permission: 3,
            mode: 1,
            halts: 300,
            updated_us: 5,
            journal_id: [7; 16],
        };
        rig.writer.note(&noted);
        assert_eq!(reader.diagnostics(), Some(noted));
        noted.halts = 2;
        rig.writer.note(&noted);
        assert_eq!(reader.diagnostics(), Some(noted));
    }

    #[test]
    fn only_a_page_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("permit");
        assert_eq!(revoke_path(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, "something else").unwrap();
        assert_eq!(revoke_path(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(std::fs::read(&path).unwrap(), b"something else");
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(revoke_path(&path).unwrap_err().kind(), io::ErrorKind::InvalidData, "and does not hang on a pipe");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(revoke_path(&path).is_err());
    }

    #[test]
    fn a_full_disk_is_an_error_and_no_signal() {
        let error = fresh_page(Path::new("/dev/full/permit"), &Rig::new(1).writer.terms).unwrap_err();
        assert!(error.to_string().contains("no component is permitted to trade"), "{error}");
    }

    #[test]
    fn revocation_wins_every_race_with_renewal() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..300 {
            let mut writer = writer(dir.path(), 1);
            let path = writer.path().to_owned();
            let revoker = std::thread::spawn(move || revoke_path(&path).unwrap());
            let mut renew = || {
                let now = clock::now();
                writer.publish(&page(TRADE, now.plus(LEASE)), now)
            };
            while !revoker.is_finished() {
                let _ = renew();
            }
            revoker.join().unwrap();
            assert_eq!(renew(), Err(Refused::Revoked));
            let reader = PermitPage::open(writer.path()).unwrap();
            for slot in 0..SLOTS {
                assert_eq!(reader.check(slot, Intent::Reduce), Verdict::Denied(Denial::Revoked));
            }
        }
    }
}
