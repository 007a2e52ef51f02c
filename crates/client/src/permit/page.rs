//! One mapped permit page: opened and validated once, then read with one load a check.

use super::host;
use super::layout::{
    ABI, AT_ABI, AT_BOOT_ID, AT_CLOCK, AT_DIAGNOSTICS, AT_DURABLE_SEQ, AT_EPOCH, AT_HEAD, AT_JOURNAL_ID, AT_LEASE_US,
    AT_MAGIC, AT_PERMISSION, AT_SIZE, AT_SLOTS, AT_TIME_NAMESPACE, AT_UPDATED_US, CLOCK_BOOTTIME, MAGIC, PAGE_SIZE,
    Word, slot_offset,
};
use super::verdict::{Denial, Intent, Verdict, judge};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("a read-only mapping can be read atomically in 64-bit words only on 64-bit Linux");

/// Why a permit page cannot be used. Without a page there is no permit: treat every order as denied.
#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    /// An environment variable that `failstop run` sets for its components is missing.
    #[error("{variable} is not set: start this program as a component of `failstop run`, or open the page by its path")]
    NotUnderFailstop {
        /// Which one.
        variable: &'static str,
    },
    /// An environment variable does not hold what it must.
    #[error("{variable} is `{value}`, but has to be {expected}")]
    BadVariable {
        /// Which one.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// The page cannot be opened or mapped.
    #[error("cannot {action} the permit page {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file is no permit page, or not one for this version, boot or time namespace.
    #[error("{} is not a usable permit page: its {field} is {found}, expected {expected}", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The page belongs to another start of the engine than this process.
    #[error(
        "the permit page {} is of epoch {found}, but this process belongs to epoch {expected}: failstop was started \
         anew, and this process has to end",
        path.display()
    )]
    OtherEpoch {
        /// Where.
        path: PathBuf,
        /// The page's epoch.
        found: u64,
        /// This process's epoch.
        expected: u64,
    },
    /// A page has 32 slots.
    #[error("slot {0} does not exist: a permit page has slots 0 (the system) to 31")]
    NoSuchSlot(usize),
}

/// A mapped page. It stays the page that it was at opening: a new start of the engine is a new file, and this one's
/// leases run out. [`super::Permit`] follows along.
#[derive(Debug)]
pub struct PermitPage {
    base: NonNull<u8>,
    epoch: u64,
    epoch_bits: u64,
    lease_us: u64,
    identity: (u64, u64),
}

// SAFETY: the mapping is read-only, is only read by atomic loads, and lives until drop.
unsafe impl Send for PermitPage {}
// SAFETY: as above: a shared page is only ever read.
unsafe impl Sync for PermitPage {}

impl PermitPage {
    /// Opens, validates and maps the page at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is no page of this abi, boot and time namespace.
    pub fn open(path: &Path) -> Result<Self, PermitError> {
        let io = |action| move |source| PermitError::Io { action, path: path.to_owned(), source };
        // O_NONBLOCK, so that a FIFO in its place cannot hang the bot.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(io("open"))?;
        let metadata = file.metadata().map_err(io("inspect"))?;
        let mut header = [0; AT_SLOTS];
        let foreign = |field, found: String, expected: String| PermitError::Foreign {
            path: path.to_owned(),
            field,
            found,
            expected,
        };
        if !metadata.is_file() || metadata.len() != PAGE_SIZE as u64 {
            let found = if metadata.is_file() { format!("{} bytes", metadata.len()) } else { "no file's".to_owned() };
            return Err(foreign("size", found, format!("{PAGE_SIZE} bytes")));
        }
        file.read_exact_at(&mut header, 0).map_err(io("read"))?;
        let boot_id = host::boot_id().map_err(io("compare the boot id with"))?;
        let time_namespace = host::time_namespace().map_err(io("compare the time namespace with"))?;
        for (field, found, expected) in [
            ("magic", long(&header, AT_MAGIC), MAGIC),
            ("abi", short(&header, AT_ABI), u64::from(ABI)),
            ("stated size", short(&header, AT_SIZE), PAGE_SIZE as u64),
            ("boot id (first half)", long(&header, AT_BOOT_ID), long(&boot_id, 0)),
            ("boot id (second half)", long(&header, AT_BOOT_ID + 8), long(&boot_id, 8)),
            ("time namespace", long(&header, AT_TIME_NAMESPACE), time_namespace),
            ("clock", long(&header, AT_CLOCK), CLOCK_BOOTTIME),
        ] {
            if found != expected {
                return Err(foreign(field, format!("{found:#x}"), format!("{expected:#x}")));
            }
        }
        let epoch = long(&header, AT_EPOCH);
        Ok(Self {
            base: map(&file).map_err(io("map"))?,
            epoch,
            epoch_bits: Word::epoch_bits_of(epoch),
            lease_us: long(&header, AT_LEASE_US),
            identity: identity(&metadata),
        })
    }

    /// Whether an order with this intent may go out now. One relaxed load, then the clock.
    #[inline]
    pub fn check(&self, slot: usize, intent: Intent) -> Verdict {
        let Some(word) = self.word(slot) else { return Verdict::Denied(Denial::NoSuchSlot) };
        // The clock after the word: the other order would compare a fresh word with a stale time.
        fence(Ordering::Acquire);
        let Some(now_ns) = host::boottime_ns() else { return Verdict::Denied(Denial::NoClock) };
        judge(word, self.epoch_bits, intent, now_ns)
    }

    /// The word of a slot as it is now; `None` above slot 31. For display: [`PermitPage::check`] decides.
    #[inline]
    pub fn word(&self, slot: usize) -> Option<Word> {
        slot_offset(slot).map(|offset| Word::from_bits(self.load(offset)))
    }

    /// The epoch of the engine that made this page.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How long a renewal is nominally good for, in microseconds.
    pub fn lease_us(&self) -> u64 {
        self.lease_us
    }

    /// Whether the file now at `path` is another one than this page: the engine was started anew, or is gone.
    pub fn is_replaced(&self, path: &Path) -> bool {
        std::fs::metadata(path).map_or(true, |metadata| identity(&metadata) != self.identity)
    }

    /// What the engine last noted for display. `None` before its first note, or while it keeps being rewritten.
    pub fn diagnostics(&self) -> Option<Diagnostics> {
        for _ in 0..8 {
            let before = self.load(AT_DIAGNOSTICS);
            fence(Ordering::Acquire);
            if before == 0 || before % 2 == 1 {
                std::hint::spin_loop();
                continue;
            }
            let state = self.load(AT_PERMISSION).to_le_bytes();
            let diagnostics = Diagnostics {
                durable_seq: self.load(AT_DURABLE_SEQ),
                head: self.bytes(AT_HEAD),
                permission: state[0],
                mode: state[1],
                halts: u16::from_le_bytes([state[2], state[3]]),
                updated_us: self.load(AT_UPDATED_US),
                journal_id: self.bytes(AT_JOURNAL_ID),
            };
            fence(Ordering::Acquire);
            if self.load(AT_DIAGNOSTICS) == before {
                return Some(diagnostics);
            }
        }
        None
    }

    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        for (index, chunk) in bytes.chunks_mut(8).enumerate() {
            chunk.copy_from_slice(&self.load(offset + index * 8).to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    #[inline]
    fn load(&self, offset: usize) -> u64 {
        debug_assert!(offset.is_multiple_of(8) && offset + 8 <= PAGE_SIZE, "every offset is one of the layout's");
        // SAFETY: the mapping has PAGE_SIZE bytes and lives as long as `self`; offsets are the layout's, aligned to 8
        // and within the page. Other processes write the word only as a whole. On read-only memory only relaxed loads
        // of at most 8 bytes are defined, and that is what this is.
        let word = unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast::<u64>()) };
        u64::from_le(word.load(Ordering::Relaxed))
    }
}

impl Drop for PermitPage {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and nothing borrows from it any more.
        let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), PAGE_SIZE) };
    }
}

/// What the engine notes on the page for display. Never a reason to trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// The journal's last durable sequence number.
    pub durable_seq: u64,
    /// That record's hash.
    pub head: [u8; 32],
    /// 0 shutdown, 1 observe-only, 2 reduce-only, 3 active.
    pub permission: u8,
    /// 0 dry, 1 live.
    pub mode: u8,
    /// Standing halts.
    pub halts: u16,
    /// When this was noted, in microseconds of `CLOCK_BOOTTIME`.
    pub updated_us: u64,
    /// The journal's id.
    pub journal_id: [u8; 16],
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn map(file: &File) -> io::Result<NonNull<u8>> {
    // SAFETY: a new read-only mapping at an address that the kernel chooses touches no existing memory.
    let base =
        unsafe { libc::mmap(std::ptr::null_mut(), PAGE_SIZE, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(base.cast()).ok_or_else(|| io::Error::other("the kernel mapped the page at address zero"))
}

fn long(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn short(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)))
}
