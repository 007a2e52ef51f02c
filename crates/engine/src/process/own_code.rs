//! The program's own code in memory: what only the start needed is let go.

use std::io;

/// Has the kernel take this program's code out of this process's map. What runs next is mapped again when it is reached, out of the
/// page cache where it still lies; what only the start ran stays out, and the kernel may use its place.
///
/// # Errors
/// The map cannot be read, or the code is locked in memory.
pub fn let_go() -> io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let here = let_go as *const () as usize;
    let Some((start, end)) = maps.lines().find_map(|line| code_around(line, here)) else {
        return Err(io::Error::other("/proc/self/maps does not show where this program's code is"));
    };
    // SAFETY: it is mapped from the program's file, readable and executable and never written (see `code_around`), so that each page
    // comes back from the file as it was; also the one that runs this.
    if unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// `55d0c0a2e000-55d0c14c9000 r-xp 0022e000 fe:00 5456145   /usr/bin/failstop`: the range, if it is code that holds this address and
/// nobody may write. What the loader relocated is no code and is not named so.
fn code_around(line: &str, here: usize) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let range = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let is_code = fields.next()? == "r-xp" && fields.nth(2)? != "0";
    (is_code && (range.0..range.1).contains(&here)).then_some(range)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn only_code_that_nobody_writes_is_let_go() {
        for (line, range) in [
            ("1000-3000 r-xp 0022e000 fe:00 5456145   /usr/bin/failstop", Some((0x1000, 0x3000))),
            ("1000-3000 r-xp 0022e000 fe:00 5456145   /usr/bin/failstop (deleted)", Some((0x1000, 0x3000))),
            ("1000-2000 r-xp 0022e000 fe:00 5456145   /usr/bin/failstop", None),
            ("1000-3000 r--p 0022e000 fe:00 5456145   /usr/bin/failstop", None),
            ("1000-3000 rwxp 0022e000 fe:00 5456145   /usr/bin/failstop", None),
            ("1000-3000 r-xp 00000000 00:00 0", None),
            ("nonsense", None),
        ] {
            assert_eq!(code_around(line, 0x2000), range, "{line}");
        }
    }

    #[test]
    fn what_runs_goes_on() {
        let resident = || {
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let here = let_go as *const () as usize;
            let mut lines = smaps.lines().skip_while(|line| code_around(line, here).is_none());
            let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
            resident.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
        };
        // Other tests run beside this one, and have some of it mapped again at once.
        let before = resident();
        let after = (0..100).map(|_| let_go().map(|()| resident()).unwrap()).min().unwrap();
        assert!(after < before, "{after} kB of {before} kB");
    }
}
