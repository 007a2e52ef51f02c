//! Whose processes a state directory is about, by what it proves itself: the first lines of its journal. For the kill switch,
//! which must find them also where `engine.json` is damaged or gone.

use crate::process::mark::SystemMark;
use failstop_journal::{JOURNAL_DIR, LINE_MAX, read_opening, segment_first};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The most names in the journal's folder that are looked at.
const NAMES_MAX: usize = 100_000;

/// The most segments whose first line is read: each says the same, so one that is sound is enough.
const SEGMENTS_MAX: usize = 16;

/// What the journal says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Traces {
    /// There is no journal: nothing was ever started here.
    None,
    /// Whose it is, and who owns the file that says so.
    Of(SystemMark, u32),
    /// There is one, and it does not say whose it is.
    Silent,
}

/// Reads them. No link is followed on the way from the state directory: its owner could have it lead to another system's
/// journal.
pub(super) fn traces(state_dir: &Path) -> Traces {
    let opened =
        File::options().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(state_dir.join(JOURNAL_DIR));
    let folder = match opened {
        Ok(folder) => folder,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            // Something else in its place is no journal, but it is not nothing either.
            return if state_dir.join(JOURNAL_DIR).symlink_metadata().is_ok() { Traces::Silent } else { Traces::None };
        }
        Err(_) => return Traces::Silent,
    };
    let folder = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let Ok(entries) = std::fs::read_dir(&folder) else { return Traces::Silent };
    let mut segments: Vec<(u64, PathBuf)> = entries
        .take(NAMES_MAX)
        .filter_map(Result::ok)
        .filter_map(|entry| Some((segment_first(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    if segments.is_empty() {
        return Traces::None;
    }
    segments.sort_unstable();
    let newest_first = segments.iter().rev().take(SEGMENTS_MAX);
    newest_first.filter_map(|(_, path)| of_segment(path)).next().unwrap_or(Traces::Silent)
}

fn of_segment(path: &Path) -> Option<Traces> {
    let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut line = Vec::new();
    file.take(LINE_MAX as u64).read_to_end(&mut line).ok()?;
    line.truncate(line.iter().position(|byte| *byte == b'\n')? + 1);
    let open = read_opening(&line)?;
    Some(Traces::Of(SystemMark { name: open.origin, jid: open.jid.to_string() }, metadata.uid()))
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_journal::{Disk, Settings, Wall, recover};

    /// Begins a journal in this state directory; its id.
    pub(in crate::kill_switch) fn begin_journal(state_dir: &Path, name: &str) -> String {
        let recovered = recover(Disk::new(state_dir), Settings::new(name, "boot", "a test"), None).unwrap();
        let (jid, epoch) = (recovered.jid().to_string(), recovered.last_epoch() + 1);
        drop(recovered.start(epoch, Wall::now()).unwrap());
        jid
    }

    fn segments(state_dir: &Path) -> Vec<PathBuf> {
        let mut found: Vec<_> = std::fs::read_dir(state_dir.join(JOURNAL_DIR))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn the_journal_says_whose_it_is_as_long_as_one_segment_does() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(traces(state.path()), Traces::None);
        let jid = begin_journal(state.path(), "demo");
        assert_eq!(begin_journal(state.path(), "demo"), jid);
        let us = nix::unistd::geteuid().as_raw();
        let told = Traces::Of(SystemMark { name: "demo".to_owned(), jid }, us);
        assert_eq!(traces(state.path()), told);
        let segments = segments(state.path());
        assert_eq!(segments.len(), 2);
        let sound = std::fs::read_to_string(&segments[1]).unwrap();
        std::fs::write(&segments[1], sound.replace("\"demo\"", "\"demp\"")).unwrap();
        assert_eq!(traces(state.path()), told, "by the other one: a changed line vouches for nothing");
        std::fs::write(&segments[0], "").unwrap();
        assert_eq!(traces(state.path()), Traces::Silent);
    }

    #[test]
    fn no_link_leads_to_anothers_journal() {
        let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        begin_journal(other.path(), "other");
        std::os::unix::fs::symlink(other.path().join(JOURNAL_DIR), state.path().join(JOURNAL_DIR)).unwrap();
        assert_eq!(traces(state.path()), Traces::Silent);
        std::fs::remove_file(state.path().join(JOURNAL_DIR)).unwrap();
        std::fs::create_dir(state.path().join(JOURNAL_DIR)).unwrap();
        let segment = &segments(other.path())[0];
        let name = segment.file_name().unwrap();
        std::os::unix::fs::symlink(segment, state.path().join(JOURNAL_DIR).join(name)).unwrap();
        assert_eq!(traces(state.path()), Traces::Silent);
    }
}
