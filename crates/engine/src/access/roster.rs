//! The file of tokens: who there is besides the users of this host, as what, and by what they are known.
//!
//! ```text
//! # NAME ROLE sha256:DIGITS, one a line; `failstop token new` writes one, taking it out revokes it at once
//! ana super-admin sha256:9f2c…
//! deployer admin certificate
//! ```
//!
//! The second is known by a certificate for that name instead, of an authority that `[control] client_ca` names.
//!
//! It is read anew whenever somebody has to be known: at most 64 lines, and whoever is taken out is out with the next request.

use super::role::Role;
use super::used::Sign;
use crate::kill_switch::durable::Next;
use core::time::Duration;
use failstop_client::private_file::{PrivateFile, PrivateFileFault};
use failstop_client::token::{Digest, Token};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The most entries that there may be.
pub const ENTRIES_MAX: usize = 64;

/// The largest file that is read, bytes.
pub const ROSTER_MAX_BYTES: u64 = 64 * 1024;

/// How often it is tried to hold the file's folder: ten seconds.
const HOLD_TRIES: u32 = 500;

/// Between two tries.
const HOLD_AGAIN: Duration = Duration::from_millis(20);

/// What a line says of somebody who is known by a certificate.
const CERTIFICATE: &str = "certificate";

/// The longest name of a token.
const NAME_MAX: usize = 64;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is, or what for. No secret.
    pub name: String,
    /// As what.
    pub role: Role,
    proof: Proof,
}

/// By what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// A token with this digest.
    Token(Digest),
    /// A certificate for the entry's name.
    Certificate,
}

impl Entry {
    /// Of this token.
    ///
    /// # Errors
    /// [`RosterFault::Name`].
    pub fn new(name: &str, role: Role, digest: Digest) -> Result<Self, RosterFault> {
        Self::known_by(name, role, Proof::Token(digest))
    }

    fn known_by(name: &str, role: Role, proof: Proof) -> Result<Self, RosterFault> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(good) {
            return Err(RosterFault::Name);
        }
        Ok(Self { name: name.to_owned(), role, proof })
    }

    /// What it is told by.
    pub fn sign(&self) -> Sign {
        match self.proof {
            Proof::Token(digest) => Sign::Token(digest),
            Proof::Certificate => Sign::Certificate(self.name.clone()),
        }
    }

    /// Its line.
    pub fn line(&self) -> String {
        match self.proof {
            Proof::Token(digest) => format!("{} {} sha256:{digest}", self.name, self.role),
            Proof::Certificate => format!("{} {} {CERTIFICATE}", self.name, self.role),
        }
    }
}

/// What is wrong with a line, or with the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterFault {
    /// Not three words.
    #[error("a line is `NAME ROLE sha256:DIGITS`, as `failstop token new` writes it, or `NAME ROLE certificate`")]
    Words,
    /// The name.
    #[error("a token's name is 1 to {NAME_MAX} letters, digits, `-`, `_` or `.`")]
    Name,
    /// The role.
    #[error("the role is none of viewer, admin and super-admin")]
    Role,
    /// The digest.
    #[error("the digest is not `sha256:` and 64 lower-case hexadecimal digits")]
    Digest,
    /// A token where its digest belongs.
    #[error("a token itself stands there: take it out and revoke it, only its digest is kept")]
    Revealed,
    /// A name that is taken.
    #[error("this name stands there twice")]
    Twice,
    /// Too many.
    #[error("there are more than {ENTRIES_MAX} tokens: remove those that nobody uses")]
    TooMany,
}

/// Why the file is no use. Nobody is known by a token then.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// It cannot be read.
    #[error("the token file {path} cannot be read: {source}; `failstop token new NAME --role ROLE` makes it")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or change it.
    #[error("the token file {path} may be read or changed by others (mode {mode:04o}); chmod 600 {path}")]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else, who could put anything there.
    #[error("the token file {path} belongs to user {owner}, who could make himself anything; chown it to user {us}")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The engine's user.
        us: u32,
    },
    /// It cannot be written.
    #[error("the token file {path} cannot be written: {source}; run the command as the file's owner or as root")]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no plain file, or too large.
    #[error(
        "the token file {path} is not a plain file of at most {ROSTER_MAX_BYTES} bytes of text; write another `token_file`"
    )]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// A line is wrong.
    #[error("the token file {path}, line {line}: {fault}; correct it, meanwhile no token is taken")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        fault: RosterFault,
    },
}

/// The tokens that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    entries: Vec<Entry>,
}

impl Roster {
    /// What a text has. Empty lines and those that begin with `#` are nobody's.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, RosterFault)> {
        let mut roster = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = entry(line).and_then(|entry| roster.add(entry));
            entry.map_err(|fault| (index + 1, fault))?;
        }
        Ok(roster)
    }

    /// Reads the file for an engine that runs as user `engine`. It must be a plain one of that user's or root's that nobody but its
    /// owner and group may read and nobody but its owner may change.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn read(path: &Path, engine: u32) -> Result<Self, RosterError> {
        let text = text_of(path, Some(engine))?;
        Self::parse(&text).map_err(|(line, fault)| RosterError::Line { path: path.to_owned(), line, fault })
    }

    /// Every token.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The token with this digest. All are compared, whichever fits.
    pub fn find(&self, digest: Digest) -> Option<&Entry> {
        let is_its = |entry: &Entry| matches!(entry.proof, Proof::Token(of_it) if of_it == digest);
        self.entries.iter().fold(None, |found, entry| if is_its(entry) { Some(entry) } else { found })
    }

    /// Whoever is known by a certificate for this name.
    pub fn certified(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.proof == Proof::Certificate && entry.name == name)
    }

    /// Adds one.
    ///
    /// # Errors
    /// A name that is taken, or too many.
    pub fn add(&mut self, entry: Entry) -> Result<(), RosterFault> {
        if self.entries.iter().any(|known| known.name == entry.name) {
            return Err(RosterFault::Twice);
        }
        if self.entries.len() >= ENTRIES_MAX {
            return Err(RosterFault::TooMany);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The text of a file with another line: what somebody wrote stays as it is.
    pub fn with_line(text: &str, entry: &Entry) -> String {
        let mut text = if text.is_empty() {
            "# NAME ROLE sha256:DIGITS, one a line; taking a line out revokes that token at once\n".to_owned()
        } else {
            text.to_owned()
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}", entry.line());
        text
    }

    /// The text of a file without the line of this name; `None` where there is none.
    pub fn without_line(text: &str, name: &str) -> Option<String> {
        let is_its = |line: &&str| line.split_whitespace().next() == Some(name) && !line.trim_start().starts_with('#');
        text.lines().find(is_its)?;
        Some(text.lines().filter(|line| !is_its(line)).map(|line| format!("{line}\n")).collect())
    }
}

fn entry(line: &str) -> Result<Entry, RosterFault> {
    if line.split_whitespace().any(|word| Token::parse(word).is_ok()) {
        return Err(RosterFault::Revealed);
    }
    let mut words = line.split_whitespace();
    let (Some(name), Some(role), Some(digest), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(RosterFault::Words);
    };
    let role = Role::named(role).ok_or(RosterFault::Role)?;
    if digest == CERTIFICATE {
        return Entry::known_by(name, role, Proof::Certificate);
    }
    let digest = digest.strip_prefix("sha256:").and_then(Digest::parse).ok_or(RosterFault::Digest)?;
    Entry::new(name, role, digest)
}

/// Changes the file, whole or not at all, and one change after the other. Where there is none yet it is made, mode 0600, for user and
/// group `owner`. Whose it is does not change: who cannot keep that changes nothing. `change` gets the text as it is and gives another, or says why not.
///
/// # Errors
/// The file cannot be read or written, or what `change` says.
pub fn edit<E: From<RosterError>>(
    path: &Path,
    owner: Option<(u32, u32)>,
    change: impl FnOnce(&str) -> Result<String, E>,
) -> Result<(), E> {
    let unwritable = |source: io::Error| RosterError::Unwritable { path: path.to_owned(), source };
    // What a link leads to is changed, not the link.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _held = hold(folder, HOLD_TRIES).map_err(unwritable)?;
    let (old, kept) = match text_of(&real, None) {
        Ok(text) => {
            let metadata = std::fs::metadata(&real).map_err(unwritable)?;
            (text, Some((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)))
        }
        Err(RosterError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            (String::new(), None)
        }
        Err(error) => return Err(error.into()),
    };
    let text = change(&old)?;
    let us = nix::unistd::geteuid();
    let (owner, mode) = match kept {
        Some((uid, gid, mode)) => (Some((uid, gid)), mode),
        // A group that its own user is not in is no reason to make none.
        None => (owner.filter(|(uid, _)| us.is_root() || *uid != us.as_raw()), 0o600),
    };
    let mut temporary = real.as_os_str().to_owned();
    temporary.push(".new");
    let next = Next::write(&real, temporary.into(), text.as_bytes(), owner, mode);
    let next = next.map_err(|unmade| unwritable(unmade.into()))?;
    next.place().map_err(unwritable)?;
    Ok(())
}

/// Holds the folder against others who change the file, if that can be had in so many tries. Anybody who may read the folder can hold it
/// as long as he likes, and a token that is to be revoked must not wait for him unsaid.
fn hold(folder: &Path, tries: u32) -> io::Result<Flock<std::fs::File>> {
    let mut file = std::fs::File::open(folder)?;
    for left in (0..tries).rev() {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => return Ok(held),
            Err((again, Errno::EWOULDBLOCK)) => file = again,
            Err((_, errno)) => return Err(errno.into()),
        }
        if left > 0 {
            std::thread::sleep(HOLD_AGAIN);
        }
    }
    let folder = folder.display();
    let held = format!("another process holds its folder locked (see `lslocks` or `fuser {folder}`)");
    Err(io::Error::new(io::ErrorKind::WouldBlock, held))
}

/// The file's text, where nobody else can have put it there: nobody but `engine` and root, where that is said.
///
/// # Errors
/// [`RosterError`], no line of it.
pub fn text_of(path: &Path, engine: Option<u32>) -> Result<String, RosterError> {
    let fault = |fault| match fault {
        PrivateFileFault::Unreadable(source) => RosterError::Unreadable { path: path.to_owned(), source },
        PrivateFileFault::NotText => RosterError::NotAFile { path: path.to_owned() },
        PrivateFileFault::Exposed(mode) => RosterError::Exposed { path: path.to_owned(), mode },
    };
    let file = PrivateFile::open(path, ROSTER_MAX_BYTES).map_err(fault)?;
    let owner = file.owner();
    if let Some(engine) = engine.filter(|engine| owner != *engine && owner != 0) {
        return Err(RosterError::Foreign { path: path.to_owned(), owner, us: engine });
    }
    file.text().map_err(fault)
}

/// A new token, of the system's random bytes.
///
/// # Errors
/// The system gives none.
pub fn new_token() -> io::Result<Token> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Token::of(random))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn us() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    fn of(name: &str, role: Role, byte: u8) -> Entry {
        Entry::new(name, role, Token::of([byte; 32]).digest()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_taken_out_is_gone() {
        let ana = of("ana", Role::SuperAdmin, 1);
        let phone = of("anas-phone", Role::Viewer, 2);
        let text = Roster::with_line(&Roster::with_line("", &ana), &phone);
        let roster = Roster::parse(&text).unwrap();
        assert_eq!(roster.entries(), [ana.clone(), phone.clone()]);
        assert_eq!(roster.find(Token::of([1; 32]).digest()), Some(&ana));
        assert_eq!(roster.find(Token::of([2; 32]).digest()), Some(&phone));
        assert_eq!(roster.find(Token::of([3; 32]).digest()), None);
        assert!(!text.contains(Token::of([1; 32]).reveal()));
        let mixed = Roster::parse(&format!("{text}deployer admin certificate\n")).unwrap();
        assert_eq!(mixed.certified("deployer").map(|entry| entry.role), Some(Role::Admin));
        // A token's name is no certificate's, and the other way round.
        assert_eq!((mixed.certified("ana"), mixed.certified("")), (None, None));
        assert_eq!(mixed.entries()[2].line(), "deployer admin certificate");

        let without = Roster::without_line(&format!("# ana is on leave\n{text}"), "ana").unwrap();
        assert_eq!(Roster::parse(&without).unwrap().entries(), [phone]);
        assert!(without.starts_with("# ana is on leave\n"));
        assert_eq!(Roster::without_line(&without, "ana"), None);
        assert_eq!(Roster::without_line(&without, "#"), None);
    }

    #[test]
    fn what_is_not_understood_lets_nobody_in_and_says_where() {
        let good = of("ana", Role::Admin, 1).line();
        let digest = Token::of([1; 32]).digest();
        for (line, fault) in [
            ("ana admin".to_owned(), RosterFault::Words),
            (format!("{good} more"), RosterFault::Words),
            (good.replace("admin", "root"), RosterFault::Role),
            (good.replace("ana", "a/na"), RosterFault::Name),
            (good.replace("ana", &"a".repeat(65)), RosterFault::Name),
            (good.replace("sha256:", "md5:"), RosterFault::Digest),
            (format!("{good}0"), RosterFault::Digest),
            (format!("ana admin {}", Token::of([1; 32]).reveal()), RosterFault::Revealed),
            (
                format!("bob admin sha256:{digest}\nana viewer sha256:{digest}\nana admin sha256:{digest}"),
                RosterFault::Twice,
            ),
        ] {
            let text = format!("\n# people\n{line}\n");
            let line = if fault == RosterFault::Twice { 5 } else { 3 };
            assert_eq!(Roster::parse(&text).unwrap_err(), (line, fault), "{text}");
        }
        let many: String = (0..=ENTRIES_MAX).map(|number| good.replace("ana", &format!("n{number}")) + "\n").collect();
        assert_eq!(Roster::parse(&many).unwrap_err(), (ENTRIES_MAX + 1, RosterFault::TooMany));
    }

    #[test]
    fn a_file_that_others_can_change_is_nobodys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Roster::read(&path, us())
        };
        let good = of("ana", Role::Admin, 1).line();
        assert_eq!(write(&good, 0o600).unwrap().entries().len(), 1);
        assert_eq!(write(&good, 0o640).unwrap().entries().len(), 1);
        for mode in [0o644, 0o660, 0o602] {
            assert!(matches!(write(&good, mode), Err(RosterError::Exposed { .. })), "{mode:o}");
        }
        let wrong = write(&format!("{good}\nbob"), 0o600).unwrap_err().to_string();
        assert!(wrong.contains("tokens, line 2: a line is `NAME ROLE"), "{wrong}");
        assert!(matches!(write(&"#".repeat(70_000), 0o600), Err(RosterError::NotAFile { .. })));
        assert!(matches!(Roster::read(&dir.path().join("none"), us()), Err(RosterError::Unreadable { .. })));
        if us() == 0 {
            write(&good, 0o600).unwrap();
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            assert!(matches!(Roster::read(&path, 0), Err(RosterError::Foreign { owner: 65_534, .. })));
            assert!(Roster::read(&path, 65_534).is_ok());
        }
    }

    #[test]
    fn whoever_holds_the_folder_holds_up_a_change_for_a_while_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_owned();
        let held = Flock::lock(std::fs::File::open(&folder).unwrap(), FlockArg::LockExclusive).unwrap();
        let (told, hears) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(hold(&folder, 3).map(drop)));
        let refused = hears.recv_timeout(Duration::from_secs(30)).unwrap().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let said = RosterError::Unwritable { path: dir.path().join("tokens"), source: refused }.to_string();
        assert!(said.contains("tokens cannot be written: another process holds its folder locked"), "{said}");
        drop(held);
        assert!(hold(dir.path(), 1).is_ok());
    }

    #[test]
    fn a_change_is_whole_or_none_and_keeps_who_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let add = |name: &str| {
            let entry = of(name, Role::Admin, 1);
            edit(&path, None, |old| Ok::<_, RosterError>(Roster::with_line(old, &entry)))
        };
        add("ana").unwrap();
        let mode = || std::fs::metadata(&path).unwrap().mode() & 0o7777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        add("bob").unwrap();
        assert_eq!((mode(), Roster::read(&path, us()).unwrap().entries().len()), (0o640, 2));
        let before = std::fs::read_to_string(&path).unwrap();
        let refused = edit(&path, None, |_| Err(RosterError::NotAFile { path: path.clone() }));
        assert!(refused.is_err() && std::fs::read_to_string(&path).unwrap() == before);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        edit(&link, None, |old| Ok::<_, RosterError>(Roster::without_line(old, "ana").unwrap())).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(Roster::read(&path, us()).unwrap().entries().len(), 1);
        // Whoever adds one while another does waits for him.
        std::thread::scope(|scope| {
            for number in 0..20 {
                let add = &add;
                scope.spawn(move || add(&format!("n{number}")).unwrap());
            }
        });
        assert_eq!(Roster::read(&path, us()).unwrap().entries().len(), 21);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
    }
}
