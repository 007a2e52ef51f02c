//! What is known of the group's memory: since when it is whole and how far it has come. A server that knows less than that has lost
//! something, which only whoever remembers it can tell: so it is kept in a file as well.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// How far a memory has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Known {
    /// When it began, in microseconds since 1970 by the server's clock; of two the later one has the higher number.
    pub born: u64,
    /// How often something was counted since.
    pub seq: u64,
}

/// Numbers above this are none in the script.
const NUMBER_MAX: u64 = 1 << 53;

/// The longest file that is read, bytes.
const FILE_MAX: usize = 4 * 1024;

impl Known {
    /// Nothing.
    pub const NOTHING: Self = Self { born: 0, seq: 0 };
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub known: Known,
    /// Whether this host allowed something, or may have, that the group was not told: it dies with the program.
    #[serde(default)]
    pub owes: bool,
}

impl Kept {
    /// What holds where it cannot be read: it may have said anything.
    pub const UNREAD: Self = Self { known: Known::NOTHING, owes: true };
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct KnownFile(pub PathBuf);

impl KnownFile {
    /// What it says, and what people are told of that. One that is not there knows of nothing; `None` is one that cannot be read
    /// ([`Kept::UNREAD`]).
    pub fn read(&self) -> (Option<Kept>, Option<String>) {
        let unusable = |why: String| {
            let words = format!(
                "{} cannot be used: {why}. What the group has counted is taken as lost until its windows have passed",
                self.0.display()
            );
            (None, Some(words))
        };
        match std::fs::read(&self.0) {
            Ok(bytes) if bytes.len() > FILE_MAX => unusable("it is too long".to_owned()),
            Ok(bytes) => match serde_json::from_slice::<Kept>(&bytes) {
                Ok(Kept { known, .. }) if known.born >= NUMBER_MAX || known.seq >= NUMBER_MAX => {
                    unusable("its numbers are too high".to_owned())
                }
                Ok(kept) if kept.owes => {
                    let words = "failstop ended before it could tell the group what it had allowed. What the group has counted is \
                                 taken as lost until its windows have passed";
                    (Some(kept), Some(words.to_owned()))
                }
                Ok(kept) => (Some(kept), None),
                Err(error) => unusable(error.to_string()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (Some(Kept { known: Known::NOTHING, owes: false }), None)
            }
            Err(error) => unusable(error.to_string()),
        }
    }

    /// Writes it anew. After a crash it is there whole, as it was or as it is.
    pub fn write(&self, kept: Kept) -> io::Result<()> {
        let beside = self.0.with_extension("new");
        write_through(&beside, &serde_json::to_vec(&kept)?)?;
        std::fs::rename(&beside, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder)?.sync_all()
    }
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn it_comes_back_and_what_cannot_be_read_is_no_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = KnownFile(folder.path().join("shared-rates.json"));
        assert_eq!(file.read(), (Some(Kept { known: Known::NOTHING, owes: false }), None));
        let known = Known { born: 1_800_000_000_000_000, seq: 12 };
        file.write(Kept { known, owes: false }).unwrap();
        assert_eq!(file.read(), (Some(Kept { known, owes: false }), None));
        file.write(Kept { known, owes: true }).unwrap();
        let (owing, words) = file.read();
        assert_eq!(owing, Some(Kept { known, owes: true }));
        assert!(words.is_some_and(|words| words.contains("before it could tell the group")));
        // As it was written before there was such a mark.
        std::fs::write(&file.0, "{\"born\":7,\"seq\":3}").unwrap();
        assert_eq!(file.read().0, Some(Kept { known: Known { born: 7, seq: 3 }, owes: false }));
        for bad in ["", "{", "{\"born\":1}", "{\"born\":9007199254740992,\"seq\":1}", "{\"born\":-1,\"seq\":1}"] {
            std::fs::write(&file.0, bad).unwrap();
            let (kept, words) = file.read();
            assert_eq!(kept, None, "{bad}");
            assert!(words.is_some_and(|words| words.contains("shared-rates.json cannot be used")), "{bad}");
        }
    }
}
