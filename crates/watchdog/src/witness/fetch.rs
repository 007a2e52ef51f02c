//! The lines of a journal, fetched from the engine over its control listener, signed; and the search for the last record on
//! which both agree.

use super::judge::{Alarm, Continues, Finding, Memory, Next, Point};
use super::line::Line;
use crate::asking::Asking;
use crate::heart::order::Shown;
use crate::heart::time::Wall;
use failstop_journal::Head;

/// How many bytes of lines are asked for at once.
const PIECE: usize = 1024 * 1024;

/// How many bytes of lines are asked for where only the first line counts: the least that an engine gives, one line of the
/// longest.
const LINE: usize = 64 * 1024;

/// The most pieces that are fetched for one comparison; the rest follows with the next.
const PIECES_MAX: usize = 64;

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Nothing new.
    Nothing,
    /// Remember this.
    Remember(Finding),
    /// Raise this alarm.
    Alarm(Alarm),
    /// The lines could not be had: nothing is concluded. Why.
    NoLines(String),
}

/// Compares a head that was shown with what is remembered.
pub async fn compare(memory: &Memory, shown: &Shown, now: Wall, engine: Option<&Asking>) -> Compared {
    match memory.shown(shown, now, engine.is_some()) {
        Next::Nothing => Compared::Nothing,
        Next::Remember(finding) => Compared::Remember(finding),
        Next::Alarm(alarm) => Compared::Alarm(alarm),
        Next::Search(found) => {
            Compared::Alarm(Alarm { found, last_agreed: last_agreed(memory, engine).await, at: now })
        }
        Next::Fetch(from) => match engine {
            Some(engine) => follow(memory, shown, now, from, engine).await,
            None => Compared::Nothing,
        },
    }
}

async fn follow(memory: &Memory, shown: &Shown, now: Wall, from: u64, engine: &Asking) -> Compared {
    let Some(last) = memory.last() else { return Compared::Nothing };
    let Some(start) = Head::from_hex(last.head.as_bytes()) else { return Compared::Nothing };
    let (mut seq, mut head) = (from - 1, start);
    // The lines are asked for after all that was shown was seen.
    let wanted = memory.shown.as_ref().map_or(shown.seq, |top| top.seq.max(shown.seq));
    for _ in 0..PIECES_MAX {
        let text = match engine.journal(seq + 1, PIECE).await {
            Ok(text) => text,
            Err(why) => return Compared::NoLines(why),
        };
        match memory.continues((seq, head), &text) {
            Continues::Upto(_, upto) if upto == seq => {
                let found = format!(
                    "Its journal went back: it showed record {wanted} as its head, and has none after record {seq}."
                );
                return broken(memory, found, seq, now, engine).await;
            }
            Continues::Upto(next, upto) => (seq, head) = (upto, next),
            Continues::Broken { found, agreed } => return broken(memory, found, agreed, now, engine).await,
        }
        if seq >= wanted {
            break;
        }
    }
    if seq == shown.seq && head.as_str() != shown.head {
        let found = format!("It shows another hash of record {seq} than its own lines have.");
        return Compared::Alarm(Alarm { found, last_agreed: Some(last.seq), at: now });
    }
    let point = Point { seq, head: head.to_string(), at: now };
    let jid = (!shown.jid.is_empty()).then(|| shown.jid.clone()).or_else(|| memory.jid.clone());
    Compared::Remember(Finding { point, jid, proved: true })
}

/// A line does not follow. Either what was agreed on is no longer there, or that line itself was changed.
async fn broken(memory: &Memory, found: String, agreed: u64, now: Wall, engine: &Asking) -> Compared {
    let Some(last) = memory.last() else { return Compared::NoLines(found) };
    match has(engine, last).await {
        Err(why) => Compared::NoLines(why),
        Ok(true) => Compared::Alarm(Alarm { found, last_agreed: Some(agreed), at: now }),
        Ok(false) => {
            let found = format!(
                "Its journal was rewritten: record {} is not the one that was agreed on at {}.",
                last.seq,
                last.at.text()
            );
            Compared::Alarm(Alarm { found, last_agreed: last_agreed(memory, Some(engine)).await, at: now })
        }
    }
}

/// Whether the engine still has this record with this hash.
async fn has(engine: &Asking, point: &Point) -> Result<bool, String> {
    let text = engine.journal(point.seq, LINE).await?;
    let first = text.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Line::read(first).is_some_and(|line| line.seq == point.seq && line.head.as_str() == point.head))
}

/// The last remembered record that the engine still has, by halves. Without lines: unknown.
async fn last_agreed(memory: &Memory, engine: Option<&Asking>) -> Option<u64> {
    let engine = engine?;
    let (mut low, mut high) = (0, memory.points.len());
    while let Some((middle, point)) = memory.search(low, high) {
        match has(engine, point).await {
            Ok(true) => low = middle + 1,
            Ok(false) => high = middle,
            Err(_) => return None,
        }
    }
    low.checked_sub(1).and_then(|index| memory.points.get(index)).map(|point| point.seq)
}
