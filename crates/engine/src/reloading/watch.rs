//! Tells that something happened to a file: by names that come and go in every directory that its path goes through, and by what is
//! written to the file itself. Only a hint, since network file systems tell nothing: the file is read again and again besides.

use super::places::places;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// Names that come and names that go.
const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_ONLYDIR);

/// What is done to the file under its name.
const CONTENT: AddWatchFlags =
    AddWatchFlags::IN_MODIFY.union(AddWatchFlags::IN_CLOSE_WRITE).union(AddWatchFlags::IN_ATTRIB);

/// Reads of the kernel's queue in one turn: whoever writes faster is read on in the next one.
const READS_MAX: usize = 16;

/// Watches one file.
#[derive(Debug)]
pub struct Watch {
    file: PathBuf,
    inotify: Inotify,
    /// Each directory with the names that matter in it.
    folders: Vec<(WatchDescriptor, Vec<OsString>)>,
    /// The file itself, where it is there.
    content: Option<WatchDescriptor>,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the user's inotify instances are used up.
    pub fn new(file: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let mut watch = Self { file: file.to_owned(), inotify, folders: Vec::new(), content: None };
        watch.renew();
        Ok(watch)
    }

    /// What is readable when something happened.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Takes what happened; whether any of it is about the file.
    pub fn happened(&mut self) -> bool {
        let mut ours = false;
        for _ in 0..READS_MAX {
            match self.inotify.read_events() {
                Ok(events) => {
                    for event in events {
                        ours |= self.is_ours(event.wd, event.mask, event.name.as_ref());
                    }
                }
                Err(Errno::EAGAIN) => break,
                // What cannot be read any more may have been about it.
                Err(_) => return true,
            }
        }
        if ours {
            self.renew();
        }
        ours
    }

    fn is_ours(&self, wd: WatchDescriptor, mask: AddWatchFlags, name: Option<&OsString>) -> bool {
        if mask.intersects(AddWatchFlags::IN_Q_OVERFLOW.union(AddWatchFlags::IN_IGNORED)) || self.content == Some(wd) {
            return true;
        }
        let wanted = self.folders.iter().find(|(known, _)| *known == wd).map(|(_, names)| names);
        wanted.zip(name).is_some_and(|(wanted, name)| wanted.contains(name))
    }

    /// Watches what the path goes through now. A directory that cannot be watched is missed: the file is read besides.
    fn renew(&mut self) {
        let mut folders: Vec<(WatchDescriptor, Vec<OsString>)> = Vec::new();
        for (folder, name) in places(&self.file) {
            let Ok(wd) = self.inotify.add_watch(&folder, NAMES) else { continue };
            match folders.iter_mut().find(|(known, _)| *known == wd) {
                Some((_, names)) => names.push(name),
                None => folders.push((wd, vec![name])),
            }
        }
        let content = self.inotify.add_watch(&self.file, CONTENT).ok();
        let gone = self.folders.iter().map(|(wd, _)| *wd).chain(self.content);
        let stay = |wd: &WatchDescriptor| content == Some(*wd) || folders.iter().any(|(known, _)| known == wd);
        for wd in gone.filter(|wd| !stay(wd)) {
            // One whose directory is gone is gone already.
            let _ = self.inotify.rm_watch(wd);
        }
        (self.folders, self.content) = (folders, content);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        (folder, root)
    }

    /// Whether the file's own changes are seen, and those of its neighbours are not. What the watch itself brings about is drained.
    #[track_caller]
    fn sees(watch: &mut Watch, change: impl FnOnce()) -> bool {
        while watch.happened() {}
        change();
        watch.happened()
    }

    #[test]
    fn a_file_that_is_written_or_replaced_is_seen_and_its_neighbours_are_not() {
        let (_folder, root) = folder();
        let file = root.join("f.toml");
        fs::write(&file, "a").unwrap();
        let mut watch = Watch::new(&file).unwrap();
        assert!(!sees(&mut watch, || {}));
        assert!(sees(&mut watch, || fs::write(&file, "b").unwrap()), "written in place");
        let replace = || {
            fs::write(root.join("f.toml.new"), "c").unwrap();
            fs::rename(root.join("f.toml.new"), &file).unwrap();
        };
        assert!(sees(&mut watch, replace), "renamed over");
        assert!(sees(&mut watch, || fs::write(&file, "d").unwrap()), "and the new one is watched");
        assert!(!sees(&mut watch, || fs::write(root.join("g.toml"), "x").unwrap()), "a neighbour");
        assert!(sees(&mut watch, || fs::remove_file(&file).unwrap()), "removed");
        assert!(sees(&mut watch, || fs::write(&file, "e").unwrap()), "and made anew");
        let mut open = fs::File::options().append(true).open(&file).unwrap();
        assert!(sees(&mut watch, || open.write_all(b"f").unwrap()), "while it is being written");
    }

    #[test]
    fn a_link_that_is_swapped_on_the_way_is_seen() {
        let (_folder, root) = folder();
        for version in ["..1", "..2"] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("f.toml"), version).unwrap();
        }
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/f.toml", root.join("f.toml")).unwrap();
        let mut watch = Watch::new(&root.join("f.toml")).unwrap();
        let swap = || {
            symlink("..2", root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        };
        assert!(sees(&mut watch, swap), "as a ConfigMap is updated");
        assert!(sees(&mut watch, || fs::write(root.join("..2/f.toml"), "x").unwrap()), "the new target is watched");
        assert!(!sees(&mut watch, || fs::write(root.join("..1/f.toml"), "x").unwrap()), "the old one no more");
    }

    #[test]
    fn a_folder_that_is_replaced_is_seen() {
        let (_folder, root) = folder();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/f.toml"), "1").unwrap();
        let mut watch = Watch::new(&root.join("a/b/f.toml")).unwrap();
        assert!(sees(&mut watch, || fs::rename(root.join("a"), root.join("old")).unwrap()), "moved away");
        assert!(sees(&mut watch, || fs::create_dir_all(root.join("a/b")).unwrap()), "made anew");
        assert!(sees(&mut watch, || fs::write(root.join("a/b/f.toml"), "2").unwrap()));
    }
}
