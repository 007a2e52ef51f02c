//! A simulated disk, byte by byte: what a crash, a power loss, a failed fsync or a full disk leaves behind. The journal's own
//! code runs on it through its storage trait. For the journal's tests and for the simulation of the whole engine.
//!
//! The model, harsher than most real disks:
//!
//! - A file has what the page cache shows and what the disk has, in sectors of 512 bytes. Power loss keeps a seeded subset of the
//!   sectors written since the last successful sync, stale or zero elsewhere, and any length up to the written one.
//! - Creating, renaming and removing become durable by syncing the folder; power loss keeps a seeded prefix of what was not.
//! - A failed sync makes pages clean that are not on the disk; a later sync succeeds without writing them, and only dropping the
//!   cache shows the truth.
//! - A write may be short; a full disk takes part of it.
//! - The machine can stop at any operation, with that operation half done.

use failstop_journal::{Storage, StorageFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that reach the disk together.
pub const SECTOR: usize = 512;

/// A small seeded generator (splitmix64): the same seed, the same run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Faults that are to happen.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The machine stops during the operation with this number; see [`SimDisk::operations`].
    pub crash_at: Option<u64>,
    /// The sync with this number fails (counting from 0), once.
    pub fail_sync: Option<u64>,
    /// Bytes that the disk still takes.
    pub space: Option<u64>,
    /// Writes are sometimes short.
    pub short_writes: bool,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of it.
pub struct SimFile {
    disk: SimDisk,
    inode: u64,
    /// The machine's life in which it was opened.
    life: u64,
}

#[derive(Clone, Default)]
struct Inode {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors whose cached content is not on the disk and will be written by the next sync.
    dirty: BTreeSet<usize>,
    /// Sectors that a failed sync left clean in the cache, though the disk does not have them.
    lost: BTreeSet<usize>,
    /// Whether the cached length is not on the disk.
    length_dirty: bool,
    /// Blocks set aside that are not content.
    reserved: u64,
}

#[derive(Clone)]
enum Change {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

struct State {
    inodes: BTreeMap<u64, Inode>,
    /// Names as the running machine sees them, and as the disk has them.
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    changes: Vec<Change>,
    dirs: BTreeSet<String>,
    next_inode: u64,
    life: u64,
    operations: u64,
    syncs: u64,
    crashed: bool,
    faults: Faults,
    random: Random,
}

fn stopped() -> io::Error {
    io::Error::other("the simulated machine has stopped")
}

fn no_space() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let state = State {
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            dirs: BTreeSet::new(),
            next_inode: 1,
            life: 0,
            operations: 0,
            syncs: 0,
            crashed: false,
            faults: Faults::default(),
            random: Random::new(seed),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the faults to come.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Changing operations since the beginning.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Syncs of files and folders since the beginning.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Whether the machine has stopped.
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// The process is gone, the machine goes on: open files are closed, the cache stays.
    pub fn process_restart(&self) {
        let mut state = self.lock();
        state.life += 1;
        state.crashed = false;
        state.faults = Faults::default();
    }

    /// Power is lost and comes back.
    pub fn power_cycle(&self) {
        let mut state = self.lock();
        state.life += 1;
        state.crashed = false;
        state.faults = Faults::default();
        let State { inodes, names, durable_names, changes, random, .. } = &mut *state;
        let kept = usize::try_from(random.below(changes.len() as u64 + 1)).unwrap_or(0);
        for change in changes.drain(..).take(kept) {
            apply(durable_names, change);
        }
        *names = durable_names.clone();
        let linked: BTreeSet<u64> = names.values().copied().collect();
        inodes.retain(|number, _| linked.contains(number));
        for inode in inodes.values_mut() {
            inode.lose_power(random);
        }
    }

    /// A file's bytes as the running machine sees them.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        let inode = state.names.get(path)?;
        state.inodes.get(inode).map(|inode| inode.cached.clone())
    }

    /// Puts bytes into a file, durably, as bit-rot or an intruder would.
    pub fn overwrite(&self, path: &str, bytes: Vec<u8>) {
        let mut state = self.lock();
        if let Some(inode) = state.names.get(path).copied()
            && let Some(inode) = state.inodes.get_mut(&inode)
        {
            *inode = Inode { cached: bytes.clone(), durable: bytes, ..Inode::default() };
        }
    }

    /// Every file's path.
    pub fn paths(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: Change) {
    match change {
        Change::Link(name, inode) => {
            names.insert(name, inode);
        }
        Change::Unlink(name) => {
            names.remove(&name);
        }
        Change::Rename(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
    }
}

impl Inode {
    fn lose_power(&mut self, random: &mut Random) {
        let (short, long) = if self.cached.len() < self.durable.len() {
            (self.cached.len(), self.durable.len())
        } else {
            (self.durable.len(), self.cached.len())
        };
        let changed = self.length_dirty || !self.lost.is_empty() || short != long;
        let len =
            if changed { short + usize::try_from(random.below((long - short) as u64 + 1)).unwrap_or(0) } else { short };
        let mut left = self.durable.clone();
        left.resize(long.max(left.len()), 0);
        for sector in self.dirty.iter().chain(&self.lost) {
            if random.one_in(2) {
                let start = sector * SECTOR;
                let end = (start + SECTOR).min(self.cached.len());
                if start < end {
                    left[start..end].copy_from_slice(&self.cached[start..end]);
                }
            }
        }
        left.truncate(len);
        *self = Self { cached: left.clone(), durable: left, ..Self::default() };
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.persist(sector);
        }
        let len = self.cached.len();
        let grown_by_lost = self.lost.iter().any(|sector| sector * SECTOR + SECTOR > self.durable.len());
        if self.length_dirty || !grown_by_lost {
            self.durable.resize(len, 0);
        }
        self.length_dirty = false;
    }

    fn persist(&mut self, sector: usize) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.cached.len());
        if start < end {
            if self.durable.len() < end {
                self.durable.resize(end, 0);
            }
            self.durable[start..end].copy_from_slice(&self.cached[start..end]);
        }
    }

    fn used(&self) -> u64 {
        self.cached.len() as u64 + self.reserved
    }
}

impl State {
    /// Counts a changing operation; half of them happen when the machine stops during them.
    fn begin(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(stopped());
        }
        let number = self.operations;
        self.operations += 1;
        if self.faults.crash_at == Some(number) {
            self.crashed = true;
            return Ok(self.random.one_in(2));
        }
        Ok(true)
    }

    fn end(&self) -> io::Result<()> {
        if self.crashed { Err(stopped()) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        let live: BTreeSet<u64> = self.names.values().copied().collect();
        live.iter().filter_map(|inode| self.inodes.get(inode)).map(Inode::used).sum()
    }

    fn room(&self) -> u64 {
        self.faults.space.map_or(u64::MAX, |space| space.saturating_sub(self.used()))
    }

    fn sync_fails(&mut self) -> bool {
        let number = self.syncs;
        self.syncs += 1;
        self.faults.fail_sync == Some(number)
    }

    fn inode(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, change.clone());
        self.changes.push(change);
    }
}

impl Storage for SimDisk {
    type File = SimFile;

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        if state.crashed {
            return Err(stopped());
        }
        if !state.dirs.contains(dir) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let inside = |path: &String| path.strip_prefix(dir)?.strip_prefix('/').map(str::to_owned);
        Ok(state.names.keys().filter_map(inside).collect())
    }

    fn make_dir(&self, dir: &str) -> io::Result<()> {
        // Folders are made once, at the first start; that they may be lost is not modelled.
        let mut state = self.lock();
        if state.crashed {
            return Err(stopped());
        }
        state.dirs.insert(dir.to_owned());
        Ok(())
    }

    fn create(&self, path: &str) -> io::Result<SimFile> {
        let mut state = self.lock();
        let happens = state.begin()?;
        if state.names.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        if state.room() == 0 {
            return Err(no_space());
        }
        let inode = state.next_inode;
        if happens {
            state.next_inode += 1;
            state.inodes.insert(inode, Inode::default());
            state.change(Change::Link(path.to_owned(), inode));
        }
        state.end()?;
        Ok(SimFile { disk: self.clone(), inode, life: state.life })
    }

    fn open(&self, path: &str) -> io::Result<SimFile> {
        let state = self.lock();
        if state.crashed {
            return Err(stopped());
        }
        let inode = *state.names.get(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(SimFile { disk: self.clone(), inode, life: state.life })
    }

    fn open_write(&self, path: &str) -> io::Result<SimFile> {
        self.open(path)
    }

    fn names(&self, path: &str, file: &SimFile) -> io::Result<bool> {
        Ok(file.state()?.names.get(path) == Some(&file.inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let happens = state.begin()?;
        if !state.names.contains_key(from) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        if happens {
            state.change(Change::Rename(from.to_owned(), to.to_owned()));
        }
        state.end()
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.lock();
        let happens = state.begin()?;
        if !state.names.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        if happens {
            state.change(Change::Unlink(path.to_owned()));
        }
        state.end()
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.lock();
        let happens = state.begin()?;
        if state.sync_fails() {
            return Err(io::Error::from_raw_os_error(5));
        }
        if happens {
            // One log of names for all folders: syncing one makes everything before it durable, as journaling file systems do.
            let _ = dir;
            let State { durable_names, changes, .. } = &mut *state;
            for change in changes.drain(..) {
                apply(durable_names, change);
            }
        }
        state.end()
    }

    fn protect(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, path: &str, bytes: u64) -> io::Result<()> {
        let mut state = self.lock();
        let happens = state.begin()?;
        if state.room() < bytes {
            return Err(no_space());
        }
        if happens {
            let inode = state.next_inode;
            state.next_inode += 1;
            state.inodes.insert(inode, Inode { reserved: bytes, ..Inode::default() });
            state.change(Change::Link(path.to_owned(), inode));
        }
        state.end()
    }
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.crashed || state.life != self.life { Err(stopped()) } else { Ok(state) }
    }
}

impl StorageFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.inode(self.inode)?.used())
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        let cached = &state.inode(self.inode)?.cached;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(cached.len());
        let len = to.len().min(cached.len() - start);
        to[..len].copy_from_slice(&cached[start..start + len]);
        Ok(len)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        let whole = state.begin()?;
        let mut len = bytes.len();
        if !whole || (state.faults.short_writes && len > 1 && state.random.one_in(3)) {
            len = 1 + usize::try_from(state.random.below(len as u64)).unwrap_or(0);
            len = len.min(bytes.len());
        }
        let room = usize::try_from(state.room()).unwrap_or(usize::MAX);
        if room == 0 {
            return Err(no_space());
        }
        len = len.min(room);
        let inode = state.inode(self.inode)?;
        let start = inode.cached.len();
        inode.cached.extend_from_slice(&bytes[..len]);
        inode.length_dirty = true;
        if len > 0 {
            let touched = start / SECTOR..=(start + len - 1) / SECTOR;
            for sector in touched {
                inode.dirty.insert(sector);
                inode.lost.remove(&sector);
            }
        }
        state.end()?;
        Ok(len)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let happens = state.begin()?;
        if happens {
            let inode = state.inode(self.inode)?;
            inode.cached.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
            inode.length_dirty = true;
        }
        state.end()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        let happens = state.begin()?;
        if state.sync_fails() {
            let State { inodes, random, .. } = &mut *state;
            if let Some(inode) = inodes.get_mut(&self.inode) {
                for sector in std::mem::take(&mut inode.dirty) {
                    if random.one_in(2) {
                        inode.persist(sector);
                    } else {
                        inode.lost.insert(sector);
                    }
                }
                inode.length_dirty = false;
            }
            return Err(io::Error::from_raw_os_error(5));
        }
        if happens {
            state.inode(self.inode)?.sync();
        }
        state.end()
    }

    fn drop_cache(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        let inode = state.inode(self.inode)?;
        for sector in std::mem::take(&mut inode.lost) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(inode.cached.len());
            if start < end {
                let on_disk = inode.durable.get(start..end.min(inode.durable.len())).unwrap_or_default().to_vec();
                inode.cached[start..end].fill(0);
                inode.cached[start..start + on_disk.len()].copy_from_slice(&on_disk);
            }
        }
        Ok(())
    }
}
