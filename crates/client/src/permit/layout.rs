//! The permit page's layout: the promise between the engine, which writes it, and every reader.
//!
//! ```text
//! 0x000  u64      magic "FSPERMT1"
//! 0x008  u32      abi = 1
//! 0x00c  u32      size = 4096
//! 0x010  u8[16]   boot id
//! 0x020  u64      epoch
//! 0x028  u64      inode of the time namespace, 0 where the kernel has none
//! 0x030  u64      clock id, 7 = CLOCK_BOOTTIME
//! 0x038  u64      nominal lease in microseconds
//! 0x040 + 64*i    slot i: one word. Slot 0 is the system, slots 1 to 31 are components
//! 0x840           diagnostics under a sequence lock: never used for a decision
//! ```
//!
//! A word: bits 0 to 5 rights, bits 6 to 15 the epoch mod 1024, bits 16 to 63 the deadline in microseconds of
//! `CLOCK_BOOTTIME`. Everything is little endian. A zero word denies, so that a fresh, zeroed or dead page denies.
//! The engine publishes the *effective* rights of each slot, so that a reader decides from one word.

/// Bytes of the page.
pub const PAGE_SIZE: usize = 4096;
/// "FSPERMT1" as the first eight bytes.
pub const MAGIC: u64 = u64::from_le_bytes(*b"FSPERMT1");
/// This layout's number. A reader refuses any other.
pub const ABI: u32 = 1;
/// The only clock a page may use: `CLOCK_BOOTTIME`.
pub const CLOCK_BOOTTIME: u64 = 7;

/// Where the magic is.
pub const AT_MAGIC: usize = 0x000;
/// Where the abi number is.
pub const AT_ABI: usize = 0x008;
/// Where the size is.
pub const AT_SIZE: usize = 0x00c;
/// Where the boot id is: 16 raw bytes in the order of the text form.
pub const AT_BOOT_ID: usize = 0x010;
/// Where the epoch is.
pub const AT_EPOCH: usize = 0x020;
/// Where the time namespace's inode is.
pub const AT_TIME_NAMESPACE: usize = 0x028;
/// Where the clock's number is.
pub const AT_CLOCK: usize = 0x030;
/// Where the nominal lease is, in microseconds.
pub const AT_LEASE_US: usize = 0x038;
/// Where slot 0 is.
pub const AT_SLOTS: usize = 0x040;
/// From one slot to the next: a cache line, so that a renewal of one does not slow readers of another.
pub const SLOT_STRIDE: usize = 64;
/// Slots in a page.
pub const SLOTS: usize = 32;

/// Where the diagnostics' sequence lock is: a u64, odd while the writer is inside.
pub const AT_DIAGNOSTICS: usize = 0x840;
/// Where the durable mark is: the journal's last durable sequence number, u64.
pub const AT_DURABLE_SEQ: usize = 0x848;
/// Where the hash of that record is, 32 raw bytes.
pub const AT_HEAD: usize = 0x850;
/// Where the permission is, one byte: 0 shutdown, 1 observe-only, 2 reduce-only, 3 active.
pub const AT_PERMISSION: usize = 0x870;
/// Where the mode is, one byte: 0 dry, 1 live.
pub const AT_MODE: usize = 0x871;
/// Where the number of standing halts is, u16.
pub const AT_HALTS: usize = 0x872;
/// When the diagnostics were last written, microseconds of `CLOCK_BOOTTIME`, u64.
pub const AT_UPDATED_US: usize = 0x878;
/// Where the journal's id is, 16 raw bytes.
pub const AT_JOURNAL_ID: usize = 0x880;

/// Right: may open or enlarge positions.
pub const OPEN: u64 = 1 << 0;
/// Right: may shrink positions.
pub const REDUCE: u64 = 1 << 1;
/// Orders go to the exchange; without it, to paper.
pub const LIVE: u64 = 1 << 2;
/// The kill switch is engaged: denied, whatever else the word says.
pub const REVOKED: u64 = 1 << 3;
/// All bits that rights may use. Those without a meaning in this abi deny.
pub const RIGHTS_MASK: u64 = 0x3f;

const EPOCH_SHIFT: u32 = 6;
const EPOCH_MODULUS: u64 = 1024;
/// The bits that hold the epoch.
pub const EPOCH_MASK: u64 = (EPOCH_MODULUS - 1) << EPOCH_SHIFT;
const DEADLINE_SHIFT: u32 = 16;
/// The last deadline that a word can hold, in microseconds: 8.9 years of uptime.
pub const MAX_DEADLINE_US: u64 = (1 << 48) - 1;

const _: () = assert!(AT_SLOTS + SLOTS * SLOT_STRIDE == AT_DIAGNOSTICS);
const _: () = assert!(AT_JOURNAL_ID + 16 <= PAGE_SIZE);
const _: () = assert!(RIGHTS_MASK & EPOCH_MASK == 0 && EPOCH_MASK < 1 << DEADLINE_SHIFT);

/// Where the word of `slot` is, for slots 0 to 31.
pub const fn slot_offset(slot: usize) -> Option<usize> {
    if slot < SLOTS { Some(AT_SLOTS + slot * SLOT_STRIDE) } else { None }
}

/// One slot's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Word(u64);

impl Word {
    /// Denies. What a fresh page holds.
    pub const NONE: Self = Self(0);
    /// What the kill switch writes. It is never what the engine wrote, so the engine's next compare-exchange fails.
    pub const REVOKED: Self = Self(REVOKED);

    /// A word from its parts. `rights` beyond [`RIGHTS_MASK`] are cut off. A deadline above [`MAX_DEADLINE_US`] becomes
    /// [`MAX_DEADLINE_US`]: it runs out earlier, never later.
    pub const fn pack(rights: u64, epoch: u64, deadline_us: u64) -> Self {
        let deadline_us = if deadline_us > MAX_DEADLINE_US { MAX_DEADLINE_US } else { deadline_us };
        Self(rights & RIGHTS_MASK | Self::epoch_bits_of(epoch) | deadline_us << DEADLINE_SHIFT)
    }

    /// The word with these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its 64 bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Its rights, within [`RIGHTS_MASK`].
    pub const fn rights(self) -> u64 {
        self.0 & RIGHTS_MASK
    }

    /// Its epoch mod 1024.
    pub const fn epoch(self) -> u64 {
        (self.0 & EPOCH_MASK) >> EPOCH_SHIFT
    }

    /// Its deadline in microseconds of `CLOCK_BOOTTIME`. At that very microsecond it has run out.
    pub const fn deadline_us(self) -> u64 {
        self.0 >> DEADLINE_SHIFT
    }

    /// `epoch` mod 1024 in the place where a word has it.
    pub const fn epoch_bits_of(epoch: u64) -> u64 {
        (epoch % EPOCH_MODULUS) << EPOCH_SHIFT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_gives_back_its_parts() {
        for (rights, epoch, deadline) in [(0, 0, 0), (OPEN | REDUCE, 7, 1), (LIVE | REDUCE, 1023, MAX_DEADLINE_US)] {
            let word = Word::pack(rights, epoch, deadline);
            assert_eq!((word.rights(), word.epoch(), word.deadline_us()), (rights, epoch, deadline));
            assert_eq!(Word::from_bits(word.bits()), word);
        }
    }

    #[test]
    fn parts_never_spill_into_one_another() {
        let word = Word::pack(u64::MAX, 0, 0);
        assert_eq!((word.rights(), word.epoch(), word.deadline_us()), (RIGHTS_MASK, 0, 0));
        let word = Word::pack(0, u64::MAX, 0);
        assert_eq!((word.rights(), word.epoch(), word.deadline_us()), (0, 1023, 0));
        let word = Word::pack(0, 0, u64::MAX);
        assert_eq!((word.rights(), word.epoch(), word.deadline_us()), (0, 0, MAX_DEADLINE_US));
    }

    #[test]
    fn the_table_is_as_documented() {
        assert_eq!(MAGIC.to_le_bytes(), *b"FSPERMT1");
        assert_eq!(slot_offset(0), Some(0x040));
        assert_eq!(slot_offset(31), Some(0x040 + 64 * 31));
        assert_eq!(slot_offset(32), None);
        assert_eq!(Word::pack(OPEN | REDUCE, 3, 5).bits(), 0b11 | 3 << 6 | 5 << 16);
    }
}
