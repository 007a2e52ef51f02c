//! The guard's hold on the permit page: mapped while the engine lives, revoked when it dies, without opening anything.

use failstop_client::permit::layout::{AT_SLOTS, PAGE_SIZE, REVOKED, SLOT_STRIDE, SLOTS};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A permit page, mapped.
#[derive(Debug)]
pub(super) struct Page {
    base: *mut u8,
}

impl Page {
    pub(super) fn map(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        if file.metadata()?.size() < PAGE_SIZE as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the permit page is too short"));
        }
        // SAFETY: a fresh shared mapping of an open file, of which the kernel keeps its own reference.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
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
        Ok(Self { base: base.cast() })
    }

    /// Writes the revoked word into every slot.
    pub(super) fn revoke(&self) {
        for slot in 0..SLOTS {
            // SAFETY: within the page, aligned to 8 bytes, and touched only by atomic operations of 8 bytes everywhere.
            let word = unsafe { AtomicU64::from_ptr(self.base.add(AT_SLOTS + SLOT_STRIDE * slot).cast()) };
            // No deadline in it, so it denies by that too.
            word.store(REVOKED, Ordering::SeqCst);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: our own mapping, to which no reference is left.
        unsafe { libc::munmap(self.base.cast(), PAGE_SIZE) };
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn every_slot_of_the_page_that_was_mapped_is_revoked_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("permit");
        std::fs::write(&path, vec![0xff; PAGE_SIZE]).unwrap();
        let page = Page::map(&path).unwrap();
        // A newer page is put in its place: that one is another engine's.
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        std::fs::write(&path, vec![0xff; PAGE_SIZE]).unwrap();
        page.revoke();
        assert_eq!(std::fs::read(&path).unwrap(), vec![0xff; PAGE_SIZE]);
        let old = std::fs::read(folder.path().join("old")).unwrap();
        for (at, word) in old.chunks(8).enumerate() {
            let (at, word) = (at * 8, u64::from_le_bytes(word.try_into().unwrap()));
            let is_slot = (0x40..0x40 + 64 * 32).contains(&at) && (at - 0x40) % 64 == 0;
            assert_eq!(word, if is_slot { REVOKED } else { u64::MAX }, "at {at:#x}");
        }
    }

    #[test]
    fn a_file_that_is_no_page_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("permit");
        assert!(Page::map(&path).is_err());
        std::fs::write(&path, [0; 100]).unwrap();
        assert!(Page::map(&path).is_err());
    }
}
