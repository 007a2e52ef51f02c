//! The ordinary lines of a segment, many at a time. Each line's predecessor hash stands as text in the line before it, so a
//! stride of lines can be hashed at once instead of one after the other, the file's own digest beside them. Whatever is not
//! ordinary, or whose hash does not fit, is left to the walk line by line, which judges it as if there were no strides.

use super::{Expect, Scan, Visit, ordinary};
use crate::chain::{Head, hex};
use crate::lines::Lines;
use crate::record::Frame;
use crate::sha256::lanes::{self, Run};
use crate::sha256::{Block, START, push_after_block, spelled};
use crate::storage::StorageFile;

/// The most lines in a stride.
const LINES_MAX: usize = 64;

/// A stride ends with the line that fills this many blocks: what the processor's first cache holds.
const BLOCKS: usize = 256;

/// After a line that ended a stride early the next one has this many: what a damaged journal costs more than a sound one is
/// bounded by what is hashed in vain.
const LINES_AFTER_DAMAGE: usize = 2;

/// A line that keeps all rules but, perhaps, the chain.
struct Framed {
    frame: Frame,
    /// Where it begins and ends, from where the stride began.
    begin: usize,
    end: usize,
    /// How many blocks it is hashed as.
    blocks: usize,
}

/// The lines that are being hashed, and room for them.
pub(super) struct Stride {
    lines: Vec<Framed>,
    /// Their messages, one after the other.
    blocks: Vec<Block>,
    /// How many lines the next stride may have.
    most: usize,
}

impl Stride {
    pub fn new() -> Self {
        Self { lines: Vec::new(), blocks: Vec::new(), most: LINES_MAX }
    }

    /// Verifies lines that have been read already. False where the next line has to be taken alone: it is not ordinary or does
    /// not fit, or the rest of it has not been read.
    pub fn take<F: StorageFile, V: Visit>(
        &mut self,
        scan: &mut Scan<'_, F>,
        lines: &mut Lines<'_, F>,
        visit: &mut V,
    ) -> bool {
        let Some(Expect::Next { seq, previous }) = scan.expect else { return false };
        if scan.closed {
            return false;
        }
        let ahead = lines.ahead();
        let full = self.gather(ahead, seq, previous, scan.durable, scan.epoch);
        let Some(len) = self.lines.last().map(|line| line.end) else { return false };
        let mut runs = Vec::with_capacity(self.lines.len() + 1);
        // First, so that it has one lane and the records the other: both are about equally many blocks.
        let digest = lines.undigested(len);
        let records_from = usize::from(digest.is_some());
        runs.extend(digest);
        let mut rest = self.blocks.as_slice();
        for line in &self.lines {
            let (blocks, after) = rest.split_at(line.blocks);
            runs.push(Run { state: START, blocks });
            rest = after;
        }
        lanes::compress(&mut runs);
        let (digest, records) = runs.split_at(records_from);
        let mut good = 0;
        let mut last = None;
        for (line, run) in self.lines.iter().zip(records) {
            let bytes = &ahead[line.begin..line.end];
            let head = hex(&spelled(&run.state));
            if head != line.frame.head_bytes(bytes) {
                break;
            }
            visit.verified(&line.frame, bytes);
            good += 1;
            last = Some((line, head));
        }
        let digest = digest.first().map(|run| run.state);
        if let Some(state) = digest {
            lines.digested(len, state);
        }
        if let Some((line, head)) = last {
            scan.accept(&line.frame, Head::from_digits(head), good as u64);
            lines.pass(line.end, good as u64);
            scan.out.lines = lines.line() - 1;
        }
        let all = good == self.lines.len();
        self.most = if all { (self.most * 2).min(LINES_MAX) } else { LINES_AFTER_DAMAGE };
        all && full
    }

    /// Finds the lines of the next stride and writes their messages out. False where something stopped it before it was full.
    fn gather(&mut self, ahead: &[u8], seq: u64, previous: Head, mut durable: u64, mut epoch: u64) -> bool {
        self.lines.clear();
        self.blocks.clear();
        let mut previous = *previous.as_bytes();
        let mut begin = 0;
        for seq in seq.. {
            if self.lines.len() == self.most || self.blocks.len() >= BLOCKS {
                return true;
            }
            let Some(feed) = memchr::memchr(b'\n', &ahead[begin..]) else { break };
            let end = begin + feed + 1;
            let line = &ahead[begin..end];
            let Some(frame) = Frame::read(line).filter(|frame| ordinary(frame, seq, durable, epoch)) else { break };
            let before = self.blocks.len();
            push_after_block(&mut self.blocks, &previous, &line[..frame.hashed]);
            previous = frame.head_bytes(line);
            (durable, epoch) = (frame.durable, frame.epoch);
            self.lines.push(Framed { frame, begin, end, blocks: self.blocks.len() - before });
            begin = end;
        }
        false
    }
}
