//! Releases the kill switch's latch without losing an engagement of this very moment, nor one that a crash interrupts.

use crate::kill_switch::{Engagement, LATCH_FILE, Latch, LatchError, read_latch, remove_latch};
use std::io;
use std::path::{Path, PathBuf};

/// Where the latch is while its release is looked at. What a crash leaves here counts as engaged.
const RELEASING: &str = "releasing";

/// What tells one engagement from another: the author and time of the first and of the latest, and how often it was repeated
/// as far as that is kept.
pub type Identity = (String, usize, String);

/// What became of a release.
#[derive(Debug)]
pub enum Released {
    /// The latch is gone, durably.
    Gone,
    /// Somebody engaged it again meanwhile: it stands.
    EngagedAgain {
        /// As it stands.
        latch: Latch,
        /// The one that was to be released is gone, and this is another.
        anew: bool,
    },
}

/// Which engagement a reading shows; `None` when it is clear.
pub fn identity(latch: &Latch) -> Option<Identity> {
    match latch {
        Latch::Clear => None,
        Latch::Engaged { first, again } => {
            let latest = again.last().unwrap_or(first);
            let who = |engagement: &Engagement| format!("{} {} {}", engagement.time, engagement.by, engagement.reason);
            Some((who(first), again.len(), who(latest)))
        }
        // Not where it is: it is read at another place while its release is looked at.
        Latch::Unreadable(error) => Some((error.without_place(), 0, String::new())),
    }
}

/// Puts back what a crash in the middle of a release left behind. Before the latch is read at start.
///
/// # Errors
/// When it can neither be put back nor shown to be absent.
pub fn put_back(state_dir: &Path) -> Result<(), LatchError> {
    let aside = state_dir.join(RELEASING).join(LATCH_FILE);
    let path = state_dir.join(LATCH_FILE);
    match std::fs::hard_link(&aside, &path) {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
        Err(source) => return Err(LatchError::Write { path, source }),
    }
    discard(&aside).map_err(|source| LatchError::Remove { path: aside, source })
}

/// Removes the latch that was `seen`. Another one, or one that was engaged again since, is put back.
///
/// # Errors
/// [`LatchError`]: the latch counts as engaged.
pub fn release(state_dir: &Path, seen: Option<&Identity>) -> Result<Released, LatchError> {
    let path = state_dir.join(LATCH_FILE);
    let failed = |source| LatchError::Remove { path: path.clone(), source };
    let folder: PathBuf = state_dir.join(RELEASING);
    match std::fs::create_dir(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let aside = folder.join(LATCH_FILE);
    // Moved aside first: whoever engages from now on makes a file of their own, which stays.
    match std::fs::rename(&path, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let found = read_latch(&folder);
    if found.is_engaged() && identity(&found).as_ref() != seen {
        put_back(state_dir)?;
        return Ok(Released::EngagedAgain { latch: read_latch(state_dir), anew: false });
    }
    discard(&aside).map_err(failed)?;
    match read_latch(state_dir) {
        Latch::Clear => {
            // Nothing is left to remove; this makes the removal durable.
            remove_latch(state_dir)?;
            Ok(Released::Gone)
        }
        latch @ (Latch::Engaged { .. } | Latch::Unreadable(_)) => Ok(Released::EngagedAgain { latch, anew: true }),
    }
}

fn discard(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::kill_switch::write_latch;

    fn engage(dir: &Path, who: &str) {
        let time = "2026-11-03T09:14:07Z".to_owned();
        write_latch(dir, &Engagement { by: who.to_owned(), reason: "test".to_owned(), time }).unwrap();
    }

    #[test]
    fn the_engagement_that_was_seen_is_released() {
        let dir = tempfile::tempdir().unwrap();
        engage(dir.path(), "ann");
        let seen = identity(&read_latch(dir.path()));
        assert!(matches!(release(dir.path(), seen.as_ref()).unwrap(), Released::Gone));
        assert!(!read_latch(dir.path()).is_engaged());
    }

    #[test]
    fn one_without_words_is_released_and_one_with_words_that_came_meanwhile_stands() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LATCH_FILE);
        std::fs::write(&path, "").unwrap();
        let seen = identity(&read_latch(dir.path()));
        assert!(matches!(release(dir.path(), seen.as_ref()).unwrap(), Released::Gone));
        assert!(!read_latch(dir.path()).is_engaged());
        engage(dir.path(), "ann");
        assert!(matches!(
            release(dir.path(), seen.as_ref()).unwrap(),
            Released::EngagedAgain { latch: Latch::Engaged { .. }, anew: false }
        ));
    }

    #[test]
    fn an_engagement_that_came_meanwhile_stands() {
        let dir = tempfile::tempdir().unwrap();
        engage(dir.path(), "ann");
        let seen = identity(&read_latch(dir.path()));
        engage(dir.path(), "bob");
        assert!(matches!(release(dir.path(), seen.as_ref()).unwrap(), Released::EngagedAgain { anew: false, .. }));
        assert!(read_latch(dir.path()).is_engaged());
    }

    #[test]
    fn a_release_that_a_crash_interrupted_counts_as_engaged() {
        let dir = tempfile::tempdir().unwrap();
        engage(dir.path(), "ann");
        std::fs::create_dir(dir.path().join(RELEASING)).unwrap();
        std::fs::rename(dir.path().join(LATCH_FILE), dir.path().join(RELEASING).join(LATCH_FILE)).unwrap();
        assert!(!read_latch(dir.path()).is_engaged());
        put_back(dir.path()).unwrap();
        assert!(read_latch(dir.path()).is_engaged());
        assert!(!dir.path().join(RELEASING).join(LATCH_FILE).exists());
    }
}
