//! The program's own code and constants in memory: what only the start needed is let go.

use std::io;
use std::ops::Range;

/// Has the kernel take this program's code and constants out of this process's map. What is needed next is mapped again when it is
/// reached, out of the page cache where it still lies; what only the start needed stays out, and the kernel may use its place.
///
/// # Errors
/// The map cannot be read, or a part of it is locked in memory.
pub fn let_go() -> io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/smaps")?;
    let parts = as_in_the_file(&maps, let_go as *const () as usize);
    if parts.is_empty() {
        return Err(io::Error::other("/proc/self/smaps does not show where this program's code is"));
    }
    for part in parts {
        // SAFETY: it is mapped from the program's file, nobody may write to it, and no page of it differs from the file's (see
        // `as_in_the_file`), so that each comes back as it was; also the one that runs this.
        if unsafe { libc::madvise(part.start as *mut libc::c_void, part.len(), libc::MADV_DONTNEED) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The parts of the program that holds the code at `here` which are in memory as they are in its file and which nobody may write to.
/// What the loader relocated has pages of its own (`Anonymous`, or `Swap` once they are swapped out) and is not among them.
fn as_in_the_file(smaps: &str, here: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::<(Part<'_>, Own)>::new();
    let is_none = |kilobytes: &str| kilobytes.trim() == "0 kB";
    for line in smaps.lines() {
        if let Some(part) = Part::of(line) {
            parts.push((part, Own::default()));
        } else if let Some((_, own)) = parts.last_mut() {
            match line.split_once(':') {
                Some(("Anonymous", kilobytes)) => own.none_in_memory = is_none(kilobytes),
                Some(("Swap", kilobytes)) => own.none_swapped_out = is_none(kilobytes),
                _ => {}
            }
        }
    }
    let code = parts.iter().find(|(part, _)| part.mode == "r-xp" && part.range.contains(&here));
    let Some(file) = code.and_then(|(code, _)| code.file) else { return Vec::new() };
    let kept = |part: &Part<'_>| matches!(part.mode, "r-xp" | "r--p") && part.file == Some(file);
    parts.iter().filter(|(part, own)| own.is_nothing() && kept(part)).map(|(part, _)| part.range.clone()).collect()
}

/// Whether a part has pages of its own, which differ from its file's.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    none_in_memory: bool,
    /// What was swapped out counts as `Anonymous` no more, and would be lost all the same.
    none_swapped_out: bool,
}

impl Own {
    /// Only where both are said.
    const fn is_nothing(self) -> bool {
        self.none_in_memory && self.none_swapped_out
    }
}

/// One part of a process's map.
struct Part<'a> {
    range: Range<usize>,
    mode: &'a str,
    /// The file's device, number and name.
    file: Option<(&'a str, &'a str, &'a str)>,
}

impl<'a> Part<'a> {
    /// `55d0c0a2e000-55d0c14c9000 r-xp 0022e000 fe:00 5456145   /usr/bin/failstop`; `None` for a line that says something else.
    fn of(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        let (mode, _, device, number) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let name = fields.next().unwrap_or_default().trim_start();
        Some(Self { range, mode, file: (number != "0").then_some((device, number, name)) })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn only_what_is_as_in_the_programs_file_is_let_go() {
        let own = "fe:00 5456145                    /usr/bin/failstop";
        let part = |range: &str, mode: &str, file: &str, own: u32, swapped: u32| {
            let own = format!("Anonymous:  {own} kB\nSwap:  {swapped} kB\nSwapPss:  0 kB\n");
            format!("{range} {mode} 0022e000 {file}\nSize:  8 kB\n{own}VmFlags: rd mr mw me\n")
        };
        let map = |parts: &[(&str, &str, &str, u32)]| {
            parts.iter().map(|(range, mode, file, own)| part(range, mode, file, *own, 0)).collect::<String>()
        };
        let whole = map(&[
            ("1000-3000", "r--p", own, 0),
            ("3000-5000", "r-xp", own, 0),
            ("5000-6000", "r--p", own, 4),
            ("6000-7000", "rw-p", own, 0),
            ("8000-9000", "r-xp", "fe:00 77 /usr/lib/libc.so.6", 0),
            ("9000-a000", "r--p", "00:00 0", 0),
            ("a000-b000", "r-xp", "00:00 0     [vdso]", 0),
        ]);
        assert_eq!(as_in_the_file(&whole, 0x4000), [0x1000..0x3000, 0x3000..0x5000]);
        assert_eq!(as_in_the_file(&whole, 0x8800).first(), Some(&(0x8000..0x9000)), "a part of another file");
        for (text, why) in [
            (map(&[("3000-5000", "r-xp", own, 4)]), "a breakpoint is in it"),
            (part("3000-5000", "r-xp", own, 0, 4), "a page of its own is swapped out"),
            (map(&[("3000-5000", "r-xp", own, 0)]).replace("Swap:", "Other:"), "not known what is swapped out"),
            (map(&[("3000-5000", "rwxp", own, 0)]), "somebody may write to it"),
            (map(&[("3000-4000", "r-xp", own, 0)]), "other code"),
            (map(&[("3000-5000", "r-xp", "00:00 0", 0)]), "of no file"),
            (
                "3000-5000 r-xp 0022e000 fe:00 5456145 /usr/bin/failstop\n".to_owned(),
                "not known whether it is as in the file",
            ),
            ("nonsense\n".to_owned(), "no map"),
        ] {
            assert_eq!(as_in_the_file(&text, 0x4000), [], "{why}");
        }
    }

    #[test]
    fn what_runs_goes_on() {
        let resident = || {
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let here = let_go as *const () as usize;
            let of_code =
                |line: &&str| Part::of(line).is_none_or(|part| part.mode != "r-xp" || !part.range.contains(&here));
            let mut lines = smaps.lines().skip_while(of_code);
            let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
            resident.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap()
        };
        // Other tests run beside this one, and have some of it mapped again at once.
        let before = resident();
        let after = (0..100).map(|_| let_go().map(|()| resident()).unwrap()).min().unwrap();
        assert!(after < before, "{after} kB of {before} kB");
    }
}
