//! Outside ids that were booked: the latest ones, so that a bot that repeats itself after a lost answer is told "already", and one
//! that means something else by the same id is refused. What is older is found by `verify-data --deep`, which knows them all.

use super::entry::Entry;
use crate::sha256;
use std::collections::{BTreeMap, VecDeque};

/// The most ids that the running fold remembers.
pub const IDS_KEPT: usize = 32_768;

/// Enough of a SHA-256 that no two ids ever meet by chance, and none can be made to meet at will.
pub(crate) type Mark = [u8; 16];

/// The mark of an id of a record type. Ids of different types are different things.
pub(crate) fn mark(kind: &str, id: &str) -> Mark {
    half(&[kind.as_bytes(), b"\n", id.as_bytes()].concat())
}

/// The mark of an entry's content.
pub(crate) fn content(entry: &Entry) -> Mark {
    half(entry.payload().as_bytes())
}

fn half(bytes: &[u8]) -> Mark {
    let digest = sha256::digest(bytes);
    std::array::from_fn(|index| digest[index])
}

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booked {
    pub seq: u64,
    pub content: Mark,
}

/// The latest ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    booked: BTreeMap<Mark, Booked>,
    order: VecDeque<(Mark, u64)>,
}

impl Ids {
    pub fn get(&self, mark: &Mark) -> Option<Booked> {
        self.booked.get(mark).copied()
    }

    pub fn put(&mut self, mark: Mark, booked: Booked) {
        self.order.push_back((mark, booked.seq));
        self.booked.insert(mark, booked);
        while self.order.len() > IDS_KEPT {
            let Some((oldest, seq)) = self.order.pop_front() else { return };
            // An id that was told of again since then is a younger entry of the queue.
            if self.booked.get(&oldest).is_some_and(|booked| booked.seq == seq) {
                self.booked.remove(&oldest);
            }
        }
    }
}
