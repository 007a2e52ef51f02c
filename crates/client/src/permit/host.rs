//! Facts about this boot and this process that a permit page is bound to. For the page's writer and its readers, so
//! that both read them in the same way.

use std::io;
use std::os::unix::fs::MetadataExt;

/// The id of this boot, 16 raw bytes in the order of the text form.
///
/// # Errors
/// When `/proc/sys/kernel/random/boot_id` cannot be read or does not hold 32 hex digits.
pub fn boot_id() -> io::Result<[u8; 16]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    parse_boot_id(text.trim()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "/proc/sys/kernel/random/boot_id does not hold 32 hex digits")
    })
}

/// The inode of this process's time namespace; 0 where the kernel has no time namespaces.
///
/// # Errors
/// When `/proc/self/ns/time` exists but cannot be read.
pub fn time_namespace() -> io::Result<u64> {
    match std::fs::metadata("/proc/self/ns/time") {
        Ok(metadata) => Ok(metadata.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Nanoseconds of `CLOCK_BOOTTIME`. `None` only where the kernel does not know the clock, or before its zero.
#[inline]
pub fn boottime_ns() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for a timespec, and clock_gettime keeps no pointer to it.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) } != 0;
    if failed {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    let mut id = [0; 16];
    for byte in &mut id {
        let high = char::from(digits.next()?).to_digit(16)?;
        let low = char::from(digits.next()?).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    if digits.next().is_some() { None } else { Some(id) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn boot_ids() {
        let id = parse_boot_id("00112233-4455-6677-8899-aabbccddeeff").unwrap();
        assert_eq!(
            id,
            [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]
        );
        for bad in ["", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0", "x"] {
            assert_eq!(parse_boot_id(bad), None, "{bad}");
        }
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    }

    #[test]
    fn boottime_never_falls() {
        let first = boottime_ns().unwrap();
        assert!(boottime_ns().unwrap() >= first);
    }
}
