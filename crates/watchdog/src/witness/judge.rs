//! What a shown head means against what is remembered. Pure: heads and lines in, findings out.

use super::line::{Line, lines};
use crate::heart::order::Shown;
use crate::heart::time::{Boot, Wall};
use failstop_journal::Head;
use serde::{Deserialize, Serialize};

/// The most points that are remembered of one origin: dense near the end, sparse far back.
pub const POINTS_MAX: usize = 256;

/// A record that was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash, 64 digits.
    pub head: String,
    /// When it was agreed on, wall time.
    pub at: Wall,
}

/// What is remembered of one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The journal's id, pinned at first contact.
    pub jid: Option<String>,
    /// What was agreed on, oldest first.
    pub points: Vec<Point>,
    /// Whether the last point was recomputed from the lines since the one before, or only shown.
    pub proved: bool,
    /// What is wrong, until an operator releases it.
    pub alarm: Option<Alarm>,
    /// The highest head that was shown since, where it could not be proved yet.
    pub shown: Option<Point>,
    /// When the highest of both was seen, on the clock of this life.
    pub(super) seen: Option<Boot>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// In a sentence.
    pub found: String,
    /// The last record on which both agree, where there is one.
    pub last_agreed: Option<u64>,
    /// When, wall time.
    pub at: Wall,
}

/// What follows from a head that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is what is remembered, or older than what is remembered and not proof of anything.
    Nothing,
    /// Remember it.
    Remember(Finding),
    /// Fetch the lines from this number on, and hand them to [`Memory::continues`].
    Fetch(u64),
    /// Find out where both parted ([`Memory::search`]), then raise the alarm.
    Search(String),
    /// Raise the alarm.
    Alarm(Alarm),
}

/// What is remembered from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The record.
    pub point: Point,
    /// The journal's id.
    pub jid: Option<String>,
    /// Whether it was recomputed.
    pub proved: bool,
}

/// What lines say about the head that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Continues {
    /// They continue what was agreed on, as far as this record.
    Upto(Head, u64),
    /// A line is not the next one: what was seen.
    Broken {
        /// In a sentence.
        found: String,
        /// Records before this one were recomputed and agree.
        agreed: u64,
    },
}

impl Memory {
    /// The last record that was agreed on.
    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// The highest head that is known.
    fn top(&self) -> Option<&Point> {
        self.shown.as_ref().or(self.last())
    }

    /// Whether a head is the highest so far: not one that may show a step back.
    pub fn is_progress(&self, shown: &Shown) -> bool {
        self.last().is_some_and(|last| shown.seq > last.seq)
            && self
                .shown
                .as_ref()
                .is_none_or(|top| shown.seq > top.seq || shown.seq == top.seq && shown.head == top.head)
    }

    /// A head was shown at `at`: where it is the highest so far, whatever is shown later must not be below it. The record then.
    /// An engine shows only what is durable.
    pub fn saw(&mut self, shown: &Shown, at: Wall, seen: Option<Boot>) -> Option<Point> {
        let other = self.jid.as_ref().is_some_and(|pinned| !shown.jid.is_empty() && shown.jid != *pinned);
        let higher = self.top().is_some_and(|top| shown.seq > top.seq);
        let head = Head::from_hex(shown.head.as_bytes())?;
        if self.alarm.is_some() || other || !higher {
            return None;
        }
        let point = Point { seq: shown.seq, head: head.to_string(), at };
        self.shown = Some(point.clone());
        self.seen = seen;
        Some(point)
    }

    /// Judges a head. `can_fetch`: whether the lines can be had.
    pub fn shown(&self, shown: &Shown, now: Wall, can_fetch: bool) -> Next {
        if self.alarm.is_some() {
            return Next::Nothing;
        }
        let Some(head) = Head::from_hex(shown.head.as_bytes()) else {
            return Next::Alarm(self.alarm(
                now,
                format!("It shows \"{}\" as its head, which is no hash.", short(&shown.head)),
                self.agreed(),
            ));
        };
        if let Some(pinned) = &self.jid
            && !shown.jid.is_empty()
            && shown.jid != *pinned
        {
            let found = format!(
                "Its journal is another one: its id is {}, and was {pinned}. Its state was lost, or replaced.",
                short(&shown.jid)
            );
            return Next::Alarm(self.alarm(now, found, None));
        }
        let remember = |proved| {
            Next::Remember(Finding {
                point: Point { seq: shown.seq, head: head.to_string(), at: now },
                jid: (!shown.jid.is_empty()).then(|| shown.jid.clone()).or_else(|| self.jid.clone()),
                proved,
            })
        };
        let Some(last) = self.last() else {
            // A beat does not name the journal: the first contact is a health answer.
            return if shown.jid.is_empty() { Next::Nothing } else { remember(false) };
        };
        if let Some(top) = self.shown.as_ref().filter(|top| top.seq > last.seq) {
            if shown.seq == top.seq && shown.head != top.head {
                return Next::Search(format!(
                    "Its journal forked: record {} has another hash than the one that it showed at {}.",
                    top.seq,
                    top.at.text()
                ));
            }
            if shown.seq < top.seq && asked_after(shown.asked, self.seen) {
                return Next::Search(format!(
                    "Its journal went back: it ends at record {}, and had shown record {} at {}.",
                    shown.seq,
                    top.seq,
                    top.at.text()
                ));
            }
        }
        if shown.seq > last.seq {
            return if can_fetch { Next::Fetch(last.seq + 1) } else { remember(false) };
        }
        if shown.seq == last.seq {
            return if shown.head == last.head {
                Next::Nothing
            } else {
                Next::Search(format!(
                    "Its journal forked: record {} has another hash than the one that was agreed on.",
                    last.seq
                ))
            };
        }
        match self.points.iter().find(|point| point.seq == shown.seq) {
            Some(point) if point.head != shown.head => Next::Search(format!(
                "Its journal was rewritten: record {} has another hash than the one that was agreed on.",
                shown.seq
            )),
            // An answer that was overtaken by a later one is older, not wrong.
            Some(_) | None if !asked_after(shown.asked, self.seen) => Next::Nothing,
            Some(_) | None => Next::Search(format!(
                "Its journal went back: it ends at record {}, and had record {} at {}.",
                shown.seq,
                last.seq,
                last.at.text()
            )),
        }
    }

    /// Whether lines, from the one after the last agreed record on, continue it. Only whole lines count.
    pub fn continues(&self, from: (u64, Head), text: &[u8]) -> Continues {
        let (mut seq, mut head) = from;
        for line in lines(text).filter(|line| line.ends_with(b"\n")) {
            let Some(read) = Line::read(line) else {
                return Continues::Broken {
                    found: format!("What it gives as record {} is no journal line.", seq + 1),
                    agreed: seq,
                };
            };
            if read.seq != seq + 1 {
                return Continues::Broken { found: format!("Record {} follows record {seq}.", read.seq), agreed: seq };
            }
            let next = head.next(read.body);
            if next != read.head {
                return Continues::Broken {
                    found: format!("Record {} does not follow from the records before it.", read.seq),
                    agreed: seq,
                };
            }
            if let Some(top) = &self.shown
                && top.seq == read.seq
                && next.as_str() != top.head
            {
                return Continues::Broken {
                    found: format!(
                        "Its journal was rewritten: record {} is not the one that it showed at {}.",
                        top.seq,
                        top.at.text()
                    ),
                    agreed: seq,
                };
            }
            (seq, head) = (read.seq, next);
        }
        Continues::Upto(head, seq)
    }

    /// The remembered record in the middle of those that may still agree; `None` once it is settled. `low` and `high` are
    /// indices into [`Memory::points`]: all below `low` agree, all from `high` on do not.
    pub fn search(&self, low: usize, high: usize) -> Option<(usize, &Point)> {
        let middle = low + high.checked_sub(low)? / 2;
        (low < high).then(|| self.points.get(middle).map(|point| (middle, point))).flatten()
    }

    /// Takes in what was found.
    pub fn remember(&mut self, finding: &Finding, seen: Option<Boot>) {
        self.jid = self.jid.take().or_else(|| finding.jid.clone());
        self.proved = finding.proved;
        self.seen = seen.or(self.seen);
        self.shown = self.shown.take().filter(|shown| shown.seq > finding.point.seq);
        self.points.push(finding.point.clone());
        if self.points.len() > POINTS_MAX {
            // Every other one of the older half goes, but for the first.
            let half = self.points.len() / 2;
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index == 1 || index > half || index % 2 == 0
            });
        }
    }

    /// An operator accepts what is there now: the next head is a first contact.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    fn agreed(&self) -> Option<u64> {
        self.last().map(|point| point.seq)
    }

    pub(super) fn alarm(&self, at: Wall, found: String, last_agreed: Option<u64>) -> Alarm {
        Alarm { found, last_agreed, at }
    }
}

fn asked_after(asked: Option<Boot>, seen: Option<Boot>) -> bool {
    match (asked, seen) {
        (Some(asked), Some(seen)) => asked >= seen,
        // What was remembered by an earlier life was seen before anything that is asked now.
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(64).collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
