//! Descriptors that components gave to be kept over their restarts (`FDSTORE=1`): a listening socket, a connection, shared
//! memory. Each component's own, as many as its `fd_store_max` says, given back to nobody else.

use crate::process::watch_set::WatchSet;
use failstop_core::Slot;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

/// What one without a name is called, as service managers do.
const UNNAMED: &str = "stored";

/// The longest name, bytes.
const NAME_MAX_BYTES: usize = 255;

/// Tokens of the watch set from here on are of kept descriptors.
pub const TOKENS_FROM: u64 = 1 << 32;

#[derive(Debug)]
struct Kept {
    token: u64,
    name: String,
    fd: OwnedFd,
}

/// What became of descriptors that a component gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Kept from now on.
    pub kept: usize,
    /// Kept already.
    pub known: usize,
    /// Closed, since its component may not have so many kept.
    pub refused: usize,
}

/// Everything that is kept.
#[derive(Debug, Default)]
pub struct FdStore {
    kept: BTreeMap<Slot, Vec<Kept>>,
    given_out: u64,
}

impl FdStore {
    /// Keeps what a component gave, up to `max` in all. With `poll` one whose other end hangs up is dropped by itself.
    pub fn put(
        &mut self,
        slot: Slot,
        max: usize,
        name: Option<&str>,
        fds: Vec<OwnedFd>,
        watch: Option<&WatchSet>,
    ) -> Put {
        let name = name.filter(|name| is_name(name)).unwrap_or(UNNAMED);
        let kept = self.kept.entry(slot).or_default();
        let mut put = Put::default();
        for fd in fds {
            if kept.iter().any(|other| is_same(other.fd.as_fd(), fd.as_fd())) {
                put.known += 1;
                continue;
            }
            if kept.len() >= max {
                put.refused += 1;
                continue;
            }
            let token = TOKENS_FROM + self.given_out;
            self.given_out += 1;
            if let Some(watch) = watch {
                // One that cannot be watched is kept all the same: its owner finds out when it uses it.
                let _ = watch.watch_hang_up(fd.as_fd(), token);
            }
            kept.push(Kept { token, name: name.to_owned(), fd });
            put.kept += 1;
        }
        put
    }

    /// Closes a component's descriptors of this name; how many there were.
    pub fn remove(&mut self, slot: Slot, name: &str, watch: &WatchSet) -> usize {
        self.drop_where(slot, watch, |kept| kept.name == name)
    }

    /// Closes everything of a component; how many there were.
    pub fn drop_all(&mut self, slot: Slot, watch: &WatchSet) -> usize {
        self.drop_where(slot, watch, |_| true)
    }

    /// The other end of one hung up: it is closed. Whose it was, and its name.
    pub fn hung_up(&mut self, token: u64, watch: &WatchSet) -> Option<(Slot, String)> {
        let (slot, name) = self
            .kept
            .iter()
            .find_map(|(slot, kept)| kept.iter().find(|one| one.token == token).map(|one| (*slot, one.name.clone())))?;
        self.drop_where(slot, watch, |kept| kept.token == token);
        Some((slot, name))
    }

    fn drop_where(&mut self, slot: Slot, watch: &WatchSet, which: impl Fn(&Kept) -> bool) -> usize {
        let Some(kept) = self.kept.get_mut(&slot) else { return 0 };
        let dropped = kept.extract_if(.., |one| which(one)).map(|one| watch.forget(one.fd.as_fd())).count();
        if kept.is_empty() {
            self.kept.remove(&slot);
        }
        dropped
    }

    /// How many are kept for a component.
    pub fn count(&self, slot: Slot) -> usize {
        self.kept.get(&slot).map_or(0, Vec::len)
    }

    /// What a component's next start is given: names and descriptors, in the order in which they came.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.kept.get(&slot).into_iter().flatten().map(|kept| (kept.name.as_str(), kept.fd.as_fd()))
    }
}

/// A name that survives `LISTEN_FDNAMES`, whose entries are separated by colons.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b':')
}

/// Whether two descriptors are one open file. Where the kernel does not say they count as two.
fn is_same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    const KCMP_FILE: libc::c_int = 0;
    let me = std::process::id();
    // SAFETY: five numbers; nothing is written.
    unsafe { libc::syscall(libc::SYS_kcmp, me, me, KCMP_FILE, one.as_raw_fd(), other.as_raw_fd()) == 0 }
}

/// Whether a descriptor may be kept: one that is only a name of a file (`O_PATH`) gives its holder nothing to go on with.
///
/// # Errors
/// Whatever the kernel says.
pub fn is_worth_keeping(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?;
    Ok(flags & libc::O_PATH == 0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    fn slot(index: usize) -> Slot {
        Slot::component(index).unwrap()
    }

    fn names(store: &FdStore, slot: Slot) -> Vec<String> {
        store.of(slot).map(|(name, _)| name.to_owned()).collect()
    }

    fn file() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn each_component_has_its_own_up_to_its_limit() {
        let (mut store, watch) = (FdStore::default(), WatchSet::new().unwrap());
        assert_eq!(store.put(slot(0), 0, None, vec![file()], Some(&watch)), Put { refused: 1, ..Put::default() });
        let put = store.put(slot(0), 2, Some("feed"), vec![file(), file(), file()], Some(&watch));
        assert_eq!(put, Put { kept: 2, known: 0, refused: 1 });
        store.put(slot(1), 2, None, vec![file()], None);
        assert_eq!(
            (names(&store, slot(0)), names(&store, slot(1))),
            (vec!["feed".to_owned(); 2], vec!["stored".to_owned()])
        );
        assert_eq!(store.remove(slot(1), "feed", &watch), 0, "another's are out of reach");
        assert_eq!(store.remove(slot(0), "feed", &watch), 2);
        assert_eq!((store.count(slot(0)), store.count(slot(1))), (0, 1));
        assert_eq!(store.drop_all(slot(1), &watch), 1);
    }

    #[test]
    fn one_open_file_is_kept_once() {
        let (mut store, watch) = (FdStore::default(), WatchSet::new().unwrap());
        let one = file();
        let copy = one.try_clone().unwrap();
        store.put(slot(0), 8, None, vec![one], Some(&watch));
        assert_eq!(
            store.put(slot(0), 8, None, vec![copy, file()], Some(&watch)),
            Put { kept: 1, known: 1, refused: 0 }
        );
    }

    #[test]
    fn one_whose_other_end_hangs_up_is_dropped_unless_that_was_not_wanted() {
        let (mut store, watch) = (FdStore::default(), WatchSet::new().unwrap());
        let (polled, other) = UnixStream::pair().unwrap();
        let (unpolled, another) = UnixStream::pair().unwrap();
        store.put(slot(0), 8, Some("polled"), vec![polled.into()], Some(&watch));
        store.put(slot(0), 8, Some("unpolled"), vec![unpolled.into()], None);
        drop((other, another));
        let news = watch.news().unwrap();
        assert_eq!(news.len(), 1);
        assert_eq!(store.hung_up(news[0], &watch), Some((slot(0), "polled".to_owned())));
        assert_eq!((watch.news().unwrap(), names(&store, slot(0))), (vec![], vec!["unpolled".to_owned()]));
        assert_eq!(store.hung_up(news[0], &watch), None);
    }

    #[test]
    fn a_name_that_would_break_the_list_of_names_is_none() {
        for bad in ["", "a:b", "a\nb", "\u{e9}", &"x".repeat(256)] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("order feed") && is_name(&"x".repeat(255)));
    }

    #[test]
    fn a_mere_name_of_a_file_is_not_worth_keeping() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = File::options().read(true).custom_flags(libc::O_PATH).open("/dev/null").unwrap();
        assert!(!is_worth_keeping(path.as_fd()).unwrap());
        assert!(is_worth_keeping(file().as_fd()).unwrap());
    }
}
