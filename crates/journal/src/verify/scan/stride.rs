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

#[cfg(test)]
mod tests {
    use super::super::{SegmentScan, pieces, scan_in};
    use super::*;
    use crate::jid::Jid;
    use crate::record::{Envelope, SEG_CLOSE, SEG_OPEN, encode};
    use crate::sha256;
    use crate::time::Wall;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::io;

    /// A file in memory that gives fewer bytes than asked for, and none from `rotten` on.
    struct Piecemeal {
        bytes: Vec<u8>,
        most: usize,
        rotten: usize,
    }

    impl StorageFile for Piecemeal {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
            let at = usize::try_from(offset).map_err(io::Error::other)?;
            if at >= self.rotten {
                return Err(io::Error::other("unreadable"));
            }
            let rest = &self.bytes[..self.rotten.min(self.bytes.len())][at..];
            let len = rest.len().min(to.len()).min(self.most);
            to[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        }

        fn append(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }

        fn truncate(&mut self, _len: u64) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }

        fn sync_data(&mut self) -> io::Result<()> {
            Err(io::Error::from(io::ErrorKind::Unsupported))
        }

        fn drop_cache(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Default)]
    struct Seen(Vec<(u64, Vec<u8>)>);

    impl Visit for Seen {
        fn verified(&mut self, frame: &Frame, line: &[u8]) {
            self.0.push((frame.seq, line.to_vec()));
        }
    }

    /// A sealed segment with payloads of these lengths, whose writer breaks a rule at the odd line, if there is one.
    fn segment(lengths: &[usize], odd: Option<(u64, u8)>) -> Vec<Vec<u8>> {
        let jid = Jid::from_u128(1);
        let mut head = Head::genesis("demo", &jid);
        let open = format!(
            r#"{{"fmt":"failstop-journal/1","origin":"demo","jid":"{jid}","seg":1,"first":1,"prev":"{head}","boot":"b","writer":"w"}}"#
        );
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut add = |kind: &str, payload: &str| {
            let seq = lines.len() as u64 + 1;
            let mut line = Vec::new();
            let mut envelope = Envelope { seq, durable: (seq - 1) / 5 * 5, epoch: 1 + seq / 3, at: Wall(seq), kind };
            match odd.filter(|(at, _)| *at == seq).map(|(_, what)| what % 6) {
                Some(0) => envelope.seq += 1,
                Some(1) => envelope.durable = seq,
                Some(2) => envelope.durable = envelope.durable.saturating_sub(1),
                Some(3) => envelope.epoch -= 1,
                Some(4) => envelope.kind = SEG_OPEN,
                Some(_) => envelope.kind = SEG_CLOSE,
                None => {}
            }
            head = encode(&mut line, &envelope, payload, &head);
            lines.push(line);
            lines.iter().map(Vec::len).sum::<usize>()
        };
        let mut bytes = add(SEG_OPEN, &open);
        for length in lengths {
            bytes = add("x.note", &format!(r#"{{"v":"{}"}}"#, "y".repeat(*length)));
        }
        let records = lengths.len() + 2;
        add(SEG_CLOSE, &format!(r#"{{"records":{records},"bytes":{bytes},"first":1,"d":0}}"#));
        lines
    }

    fn scanned(most: usize, file: &Piecemeal) -> (SegmentScan, Vec<(u64, Vec<u8>)>) {
        let stride = Stride { most, ..Stride::new() };
        let mut seen = Seen::default();
        let scan = scan_in(stride, file, "j", 1, file.bytes.len() as u64, true, &mut seen);
        (scan, seen.0)
    }

    /// Line by line (a stride of none) and in strides.
    fn agree(file: &Piecemeal) -> SegmentScan {
        let (alone, alone_seen) = scanned(0, file);
        for most in [1, 2, 7, LINES_MAX] {
            let (strides, seen) = scanned(most, file);
            assert_eq!(format!("{strides:?}"), format!("{alone:?}"), "strides of {most}");
            assert!(seen == alone_seen, "strides of {most} hand out other records");
        }
        alone
    }

    /// The same again, cut into pieces of every size.
    fn agree_in_pieces(file: &Piecemeal) {
        let limit = file.bytes.len() as u64;
        let whole = format!("{:?}", scan_in(Stride::new(), file, "j", 1, limit, false, &mut Seen::default()));
        for size in [1 + limit / 2, 7_000, 1_300, 333] {
            let pieces: Vec<_> =
                (0..limit.div_ceil(size)).map(|index| pieces::piece(file, index, size, limit)).collect();
            let joined = pieces::join(file, "j", 1, limit, &pieces);
            assert_eq!(format!("{joined:?}"), whole, "pieces of {size}");
        }
    }

    fn damage(lines: &mut Vec<Vec<u8>>, what: u8, at: usize, byte: usize) {
        let at = at % lines.len();
        let byte = byte % lines[at].len();
        match what % 9 {
            0 => lines[at][byte] ^= 1 << (byte % 8),
            1 => lines[at].truncate(byte),
            2 => drop(lines.remove(at)),
            3 => lines.insert(at, lines[at].clone()),
            4 => {
                let with = (at + 1) % lines.len();
                lines.swap(at, with);
            }
            5 => lines[at].insert(byte, b'\n'),
            6 => lines[at][byte..].fill(0),
            // The hash's text, which the next line is hashed after.
            7 => {
                let digit = lines[at].len().saturating_sub(5 + byte % 60);
                lines[at][digit] ^= 1;
            }
            _ => lines.insert(at, b"foreign\n".to_vec()),
        }
        lines.retain(|line| !line.is_empty());
        if lines.is_empty() {
            lines.push(b"\n".to_vec());
        }
    }

    proptest! {
        #[test]
        fn strides_find_what_the_walk_line_by_line_finds(
            lengths in proptest::collection::vec(0usize..400, 0..200),
            damages in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 0..4),
            read in 1usize..5000,
            rotten in proptest::option::weighted(0.1, 0usize..40_000),
            odd in proptest::option::weighted(0.3, (1u64..200, any::<u8>())),
        ) {
            let mut lines = segment(&lengths, odd);
            for (what, at, byte) in &damages {
                damage(&mut lines, *what, *at, *byte);
            }
            let file = Piecemeal { bytes: lines.concat(), most: read, rotten: rotten.unwrap_or(usize::MAX) };
            let scan = agree(&file);
            agree_in_pieces(&file);
            if rotten.is_none() {
                prop_assert_eq!(scan.digest, Some(sha256::digest(&file.bytes)));
            }
            if damages.is_empty() && rotten.is_none() && odd.is_none() {
                prop_assert!(scan.damage.is_none() && scan.closed, "{:?}", scan.violations);
                prop_assert_eq!(scan.records, lengths.len() as u64 + 2);
            }
        }
    }

    #[test]
    fn lines_of_every_length_across_every_read_are_verified() {
        // Some 5 MB: several reads, with lines up to the longest payload across them.
        let lengths: Vec<usize> = (0..700).map(|i| if i % 7 == 0 { 32_000 - i } else { i * 13 % 3000 }).collect();
        for most in [1 << 30, 77_777] {
            let file = Piecemeal { bytes: segment(&lengths, None).concat(), most, rotten: usize::MAX };
            let scan = agree(&file);
            agree_in_pieces(&file);
            assert!(scan.damage.is_none() && scan.closed, "{:?}", scan.violations.first());
            assert_eq!((scan.records, scan.digest), (702, Some(sha256::digest(&file.bytes))));
        }
    }
}
