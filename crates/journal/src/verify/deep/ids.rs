//! Ids that were booked twice, however far apart, with bounded memory: a filter over all ids names the few that may have been seen
//! before; those alone are then looked at exactly. Where even they are too many the ids are split by their marks and each part is
//! gone through alone.

use crate::ledger::Mark;
use std::collections::{BTreeMap, BTreeSet};

/// The filter's bits: 16 MiB. With 4 probes it errs once in a million over a million ids, once in 200 over ten million.
const BITS: usize = 1 << 27;
const PROBES: usize = 4;

/// The most ids that are looked at exactly in one go, some 20 MB.
pub(super) const SUSPECTS_MAX: usize = 1 << 18;

/// The first look at every id of a part.
pub(super) struct Filter {
    bits: Vec<u64>,
    suspects: BTreeSet<u64>,
    part: u64,
    parts: u64,
    most: usize,
    too_many: bool,
}

impl Filter {
    /// Over the ids of one part of so many.
    pub fn new(part: u64, parts: u64, most: usize) -> Self {
        Self { bits: Vec::new(), suspects: BTreeSet::new(), part, parts, most, too_many: false }
    }

    pub fn see(&mut self, mark: &Mark) {
        let print = print(mark);
        if self.too_many || print % self.parts != self.part {
            return;
        }
        if self.bits.is_empty() {
            self.bits = vec![0; BITS / 64];
        }
        let mut seen = true;
        for probe in 0..PROBES {
            let at = probe_at(mark, probe);
            let (word, bit) = (at / 64, 1u64 << (at % 64));
            seen &= self.bits[word] & bit != 0;
            self.bits[word] |= bit;
        }
        if seen {
            self.suspects.insert(print);
            self.too_many = self.suspects.len() > self.most;
        }
    }

    /// Those to be looked at exactly; nothing where they are too many and the part must be split.
    pub fn suspects(self) -> Option<Suspects> {
        (!self.too_many).then(|| Suspects { prints: self.suspects, known: BTreeMap::new() })
    }
}

/// The second look.
pub(super) struct Suspects {
    prints: BTreeSet<u64>,
    known: BTreeMap<Mark, u64>,
}

impl Suspects {
    pub fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    /// The record that had this id first, if one did.
    pub fn see(&mut self, mark: &Mark, seq: u64) -> Option<u64> {
        if !self.prints.contains(&print(mark)) {
            return None;
        }
        let first = *self.known.entry(*mark).or_insert(seq);
        (first != seq).then_some(first)
    }
}

fn print(mark: &Mark) -> u64 {
    mark.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The marks are halves of a SHA-256: any of their bits are as good as a hash.
fn probe_at(mark: &Mark, probe: usize) -> usize {
    let bytes = [mark[4 * probe], mark[4 * probe + 1], mark[4 * probe + 2], mark[4 * probe + 3]];
    u32::from_le_bytes(bytes) as usize % BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::mark;

    fn marks(count: u64) -> impl Iterator<Item = Mark> {
        (0..count).map(|number| mark("ledger.posted", &number.to_string()))
    }

    #[test]
    fn ids_that_were_seen_once_raise_no_suspicion_and_one_that_came_again_is_found_exactly() {
        let mut filter = Filter::new(0, 1, SUSPECTS_MAX);
        marks(200_000).for_each(|mark| filter.see(&mark));
        filter.see(&mark("ledger.posted", "7"));
        let mut suspects = filter.suspects().unwrap_or_else(|| unreachable!("one of them came again"));
        assert_eq!(suspects.prints.len(), 1);
        let again = marks(200_000).chain([mark("ledger.posted", "7")]);
        let found: Vec<_> = again.enumerate().filter_map(|(at, mark)| suspects.see(&mark, at as u64)).collect();
        assert_eq!(found, [7]);
    }

    #[test]
    fn parts_together_see_every_id() {
        let twice = |number: u64| mark("ledger.posted", &number.to_string());
        let mut found = 0;
        for part in 0..4 {
            let mut filter = Filter::new(part, 4, 40);
            (0..100).chain(0..100).for_each(|number| filter.see(&twice(number)));
            found += filter.suspects().map_or(0, |suspects| suspects.prints.len());
        }
        assert_eq!(found, 100);
        let mut filter = Filter::new(0, 1, 40);
        (0..100).chain(0..100).for_each(|number| filter.see(&twice(number)));
        assert!(filter.suspects().is_none(), "too many to be looked at in one go");
    }
}
