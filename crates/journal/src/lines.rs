//! A segment's bytes cut at line feeds, with memory bounded whatever the file holds. For verification, recovery and replay.

use crate::record::LINE_MAX;
use crate::sha256::lanes::Run;
use crate::sha256::{Block, BlockDigest};
use crate::storage::StorageFile;
use std::io;

/// How much is read at a time.
const READ: usize = 1 << 20;

/// How many bytes of an oversized chunk are kept to say what it is.
const KEPT: usize = 4096;

/// What stands between two line feeds.
pub(crate) struct Chunk<'a> {
    /// Its bytes with the line feed; of an oversized one the first few.
    pub bytes: &'a [u8],
    /// How long it really is.
    pub len: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

/// The digest of the file, which follows the walk by whole blocks.
struct Digesting {
    digest: BlockDigest,
    /// The buffer's first byte that is not in it.
    at: usize,
}

/// A walk over a file's chunks.
pub(crate) struct Lines<'f, F> {
    file: &'f F,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The file's offset of the buffer's first byte.
    base: u64,
    /// Where to stop: the file's length when the walk began. A writer may append meanwhile.
    limit: u64,
    line: u64,
    digest: Option<Digesting>,
    spare: Vec<u8>,
}

impl<'f, F: StorageFile> Lines<'f, F> {
    pub fn new(file: &'f F, limit: u64, digest: bool) -> Self {
        Self::from(file, 0, 0, limit, digest)
    }

    /// From a byte on at which a line begins, behind so many lines.
    pub fn from(file: &'f F, offset: u64, lines: u64, limit: u64, digest: bool) -> Self {
        // What is shorter than the longest line needs no more than itself.
        let whole = usize::try_from(limit.saturating_sub(offset)).unwrap_or(READ);
        let room = if whole <= LINE_MAX { whole } else { whole.min(READ) + LINE_MAX + size_of::<Block>() };
        Self {
            file,
            buffer: vec![0; room],
            start: 0,
            end: 0,
            base: offset,
            limit,
            line: lines,
            digest: digest.then(|| Digesting { digest: BlockDigest::new(), at: 0 }),
            spare: Vec::new(),
        }
    }

    /// The digest of everything that was read.
    pub fn digest(&mut self) -> Option<[u8; 32]> {
        let Digesting { digest, at } = self.digest.take()?;
        Some(digest.finish(&self.buffer[at..self.end]))
    }

    /// What has been read and not been handed out yet; its last line may be cut.
    pub fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// What the digest has yet to take of everything before the first `len` bytes of [`Self::ahead`] have passed, where there is
    /// a digest. Goes back to [`Self::digested`].
    pub fn undigested(&self, len: usize) -> Option<Run<'_>> {
        let Digesting { digest, at } = self.digest.as_ref()?;
        Some(digest.run(self.blocks(*at, self.start + len)))
    }

    /// The state of the run that [`Self::undigested`] gave for the same `len`, compressed.
    pub fn digested(&mut self, len: usize, state: [u32; 8]) {
        let Some(Digesting { at, .. }) = self.digest else { return };
        let blocks = self.blocks(at, self.start + len);
        let (count, bytes) = (blocks.len(), size_of_val(blocks));
        if let Some(digesting) = &mut self.digest {
            digesting.digest.ran(state, count);
            digesting.at += bytes;
        }
    }

    /// The whole blocks between two places of the buffer; none where the second lies before the first.
    fn blocks(&self, from: usize, to: usize) -> &[Block] {
        self.buffer.get(from..to).unwrap_or_default().as_chunks::<64>().0
    }

    /// Passes over the first bytes of [`Self::ahead`], which are so many lines.
    pub fn pass(&mut self, bytes: usize, lines: u64) {
        self.start += bytes;
        self.line += lines;
    }

    /// Goes on at another byte at which a line begins, so many lines further on. Not for a walk that makes a digest.
    pub fn jump(&mut self, offset: u64, lines: u64) {
        (self.start, self.end, self.base) = (0, 0, offset);
        self.line += lines;
    }

    /// Stops at another byte than before, behind a line feed.
    pub fn stop_at(&mut self, limit: u64) {
        self.limit = limit;
        // What had been read beyond it is read again.
        let rest = usize::try_from(limit.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.end = self.end.min(rest.max(self.start));
    }

    /// Where the next chunk begins.
    pub fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The next chunk's line, from 1.
    pub fn line(&self) -> u64 {
        self.line + 1
    }

    #[inline]
    pub fn next(&mut self) -> io::Result<Option<Chunk<'_>>> {
        loop {
            if let Some(feed) = memchr::memchr(b'\n', &self.buffer[self.start..self.end]) {
                return Ok(Some(self.take(feed + 1)));
            }
            let pending = self.end - self.start;
            if pending > LINE_MAX {
                return self.oversized().map(Some);
            }
            if !self.fill()? {
                return Ok(if pending == 0 { None } else { Some(self.take(pending)) });
            }
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Chunk<'_> {
        let at = self.start;
        self.start += len;
        self.line += 1;
        let offset = self.base + at as u64;
        Chunk { bytes: &self.buffer[at..at + len], len: len as u64, offset, line: self.line }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut keep = self.start;
        if let Some(Digesting { digest, at }) = &mut self.digest {
            let blocks = self.buffer.get(*at..self.start).unwrap_or_default().as_chunks::<64>().0;
            digest.update(blocks);
            *at += size_of_val(blocks);
            // Part of a block may be left behind the walk.
            keep = keep.min(*at);
            *at -= keep;
        }
        self.buffer.copy_within(keep..self.end, 0);
        self.base += keep as u64;
        self.end -= keep;
        self.start -= keep;
        let left = self.limit.saturating_sub(self.base + self.end as u64);
        let room = (self.buffer.len() - self.end).min(usize::try_from(left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(false);
        }
        let got = self.file.read_at(&mut self.buffer[self.end..self.end + room], self.base + self.end as u64)?;
        self.end += got;
        Ok(got > 0)
    }

    /// A chunk longer than any line: skipped to its line feed without keeping it.
    fn oversized(&mut self) -> io::Result<Chunk<'_>> {
        let offset = self.offset();
        self.spare.clear();
        self.spare.extend_from_slice(&self.buffer[self.start..self.start + KEPT]);
        loop {
            if let Some(feed) = memchr::memchr(b'\n', &self.buffer[self.start..self.end]) {
                self.start += feed + 1;
                break;
            }
            self.start = self.end;
            if !self.fill()? {
                break;
            }
        }
        self.line += 1;
        Ok(Chunk { bytes: &self.spare, len: self.offset() - offset, offset, line: self.line })
    }
}
