//! A snapshot as bytes: a header, the sorted body, a trailer with the sum of what is before it. Read strictly: there is one form.

use super::body::{self, Closings, Restored};
use super::line::{Header, Prev, Trailer};
use super::{FORMAT, SNAPSHOT_MAX, snapshot_name};
use crate::chain::{Head, hex};
use crate::jid::Jid;
use crate::ledger::Book;
use crate::sha256;
use crate::time::is_date;
use crate::verify::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A snapshot, its own sums and form verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    header: Header,
    lines: Vec<String>,
    bytes: Vec<u8>,
    sum: Head,
    closings: Closings,
}

/// Whose journal a snapshot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The system's name.
    pub origin: &'a str,
    /// The journal's identity.
    pub jid: Jid,
}

/// Why no snapshot can be taken of a book.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The journal names another snapshot before this one than was given.
    #[error("the journal names snapshot {named:?} as the last one, but {given:?} was given: read that one back first")]
    NotPrevious {
        /// The record that the last named one was taken at.
        named: Option<u64>,
        /// The record that the given one was taken at.
        given: Option<u64>,
    },
    /// The day is none, or does not rise.
    #[error("cannot close {day:?}: {why}")]
    Day {
        /// What was asked for.
        day: String,
        /// What is wrong with it.
        why: String,
    },
    /// It would be larger than a reader takes.
    #[error("the snapshot would have {bytes} bytes; at most {SNAPSHOT_MAX} are read back")]
    TooLarge {
        /// How large.
        bytes: u64,
    },
    /// The state cannot be written as JSON.
    #[error("the state cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What is wrong with a file that should be a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {offset}: {detail}")]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// The byte at which it begins.
    pub offset: u64,
    /// In words.
    pub detail: String,
}

impl Snapshot {
    /// The snapshot of a book that has folded everything up to `at` and nothing after it. `at` must be durable. `previous` is the last
    /// snapshot that the journal names ([`Book::last_snapshot`]), read back.
    ///
    /// # Errors
    ///
    /// [`TakeError`].
    pub fn take(
        book: &Book,
        of: Identity<'_>,
        at: Position,
        day: Option<&str>,
        previous: Option<&Self>,
    ) -> Result<Self, TakeError> {
        let named = book.last_snapshot().map(|taken| &taken.taken);
        if named.map(|taken| (taken.seq, taken.sha256)) != previous.map(|known| (known.header.seq, known.sum)) {
            let (named, given) = (named.map(|taken| taken.seq), previous.map(|known| known.header.seq));
            return Err(TakeError::NotPrevious { named, given });
        }
        if let Some(day) = day {
            let wrong = |why: String| Err(TakeError::Day { day: day.to_owned(), why });
            if !is_date(day) {
                return wrong("it is no day of the calendar".to_owned());
            }
            if let Some(last) = book.last_day().filter(|last| *last >= day) {
                return wrong(format!("{last} was closed before, and days rise strictly"));
            }
        }
        Self::project(book, of, at, day, &previous.map(|known| known.closings.clone()).unwrap_or_default())
    }

    /// As [`Self::take`], from what the snapshot before closed with and with nothing checked: for replay.
    pub(crate) fn project(
        book: &Book,
        of: Identity<'_>,
        at: Position,
        day: Option<&str>,
        openings: &Closings,
    ) -> Result<Self, TakeError> {
        let prev = book.last_snapshot().map(|known| Prev { seq: known.taken.seq, sha256: known.taken.sha256 });
        let header = Header {
            fmt: FORMAT.to_owned(),
            origin: of.origin.to_owned(),
            jid: of.jid,
            seq: at.seq,
            h: at.hash,
            prev,
            day: day.map(str::to_owned),
        };
        let (lines, closings) = body::project(book, openings)?;
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        for line in &lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        let trailer = Trailer { end: true, lines: lines.len() as u64, sha256: sum(&bytes) };
        bytes.extend_from_slice(&serde_json::to_vec(&trailer)?);
        bytes.push(b'\n');
        if bytes.len() as u64 > SNAPSHOT_MAX {
            return Err(TakeError::TooLarge { bytes: bytes.len() as u64 });
        }
        let sum = sum(&bytes);
        Ok(Self { header, lines, bytes, sum, closings })
    }

    /// Reads a snapshot: its sums, its form, and that its lines agree with one another. Whether the journal agrees with it is for
    /// whoever has the journal.
    ///
    /// # Errors
    ///
    /// The first [`Damage`].
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Damage> {
        let cut = cut(&bytes)?;
        let trailer: Trailer = cut.canonical(cut.count() - 1)?;
        let before = cut.offset(cut.count() - 1);
        if trailer.sha256 != sum(&bytes[..before]) {
            let detail = "the bytes before do not give the sum that the trailer states".to_owned();
            return Err(Damage { line: cut.count() as u64, offset: before as u64, detail });
        }
        let header: Header = cut.canonical(0)?;
        let wrong =
            |line: usize, detail: String| Damage { line: line as u64 + 1, offset: cut.offset(line) as u64, detail };
        if header.fmt != FORMAT {
            return Err(wrong(0, format!("the format is {:?}, not {FORMAT}", header.fmt)));
        }
        if let Some(day) = header.day.as_deref().filter(|day| !is_date(day)) {
            return Err(wrong(0, format!("{day:?} is no day")));
        }
        if header.prev.is_some_and(|prev| prev.seq >= header.seq) {
            return Err(wrong(0, "the snapshot before is not older".to_owned()));
        }
        let count = cut.count() - 2;
        if !trailer.end || trailer.lines != count as u64 {
            return Err(wrong(count + 1, format!("the trailer counts {} lines of {count}", trailer.lines)));
        }
        let lines: Vec<String> = (1..=count).map(|line| cut.text(line).map(str::to_owned)).collect::<Result<_, _>>()?;
        if let Some(at) = lines.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(wrong(at + 2, "the lines are not in order, or one stands twice".to_owned()));
        }
        let restored = body::restore(&lines).map_err(|(line, why)| wrong(line + 1, why))?;
        agrees(&restored, &lines).map_err(|(line, why)| wrong(line + 1, why))?;
        let sum = sum(&bytes);
        Ok(Self { header, lines, bytes, sum, closings: restored.closings })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The body, line by line.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The SHA-256 of the whole file, as `sha256sum` prints it and the journal names it.
    pub fn sum(&self) -> Head {
        self.sum
    }

    /// Its file's name.
    pub fn name(&self) -> String {
        snapshot_name(self.header.seq)
    }

    /// The record that names it, to be written once the file is durable.
    pub fn taken(&self) -> crate::ledger::SnapshotTaken {
        crate::ledger::SnapshotTaken {
            seq: self.header.seq,
            sha256: self.sum,
            file: self.name(),
            day: self.header.day.clone(),
        }
    }

    /// The book as it was, without the memory of outside ids, which no snapshot has. The last snapshot it knows of is the one before
    /// this one, as it was then.
    ///
    /// # Errors
    ///
    /// [`Damage`]; never for a snapshot that was read or taken.
    pub fn restore(&self) -> Result<Book, Damage> {
        let restored = body::restore(&self.lines);
        let mut book = restored.map_err(|(line, detail)| Damage { line: line as u64 + 2, offset: 0, detail })?.book;
        if let Some(prev) = self.header.prev {
            let day = book.last_day().map(str::to_owned);
            let taken = crate::ledger::SnapshotTaken {
                seq: prev.seq,
                sha256: prev.sha256,
                file: snapshot_name(prev.seq),
                day: None,
            };
            let taken = crate::ledger::Taken { at: prev.seq, time: crate::Wall(0), taken };
            book.resume_from(Some(taken), day);
        }
        Ok(book)
    }

    pub(crate) fn closings(&self) -> &Closings {
        &self.closings
    }
}

pub(crate) fn sum(bytes: &[u8]) -> Head {
    Head::from_digits(hex(&sha256::digest(bytes)))
}

/// Whether the lines say together what each says alone: sums, permission, balances by account, pool and both.
fn agrees(restored: &Restored, lines: &[String]) -> Result<(), (usize, String)> {
    // A discrepancy that stands is told of by the snapshot; it is no damage to it, and excuses none.
    if let Some(violation) = restored.book.unsound().into_iter().next() {
        return Err((0, violation.to_string()));
    }
    let (again, _) = body::project(&restored.book, &restored.openings).map_err(|error| (0, error.to_string()))?;
    match lines.iter().zip(&again).position(|(line, again)| line != again) {
        Some(at) => Err((at, format!("does not follow from the other lines, which give {}", again[at]))),
        None if lines.len() == again.len() => Ok(()),
        None => Err((lines.len().min(again.len()), "lines are missing or too many".to_owned())),
    }
}

/// The file cut at its line feeds.
struct Cut<'b> {
    bytes: &'b [u8],
    /// Where each line begins; and the end.
    begins: Vec<usize>,
}

fn cut(bytes: &[u8]) -> Result<Cut<'_>, Damage> {
    let mut begins = vec![0];
    begins.extend(memchr::memchr_iter(b'\n', bytes).map(|feed| feed + 1));
    let last = *begins.last().unwrap_or(&0);
    if last != bytes.len() || begins.len() < 3 {
        let detail = "the file ends early".to_owned();
        return Err(Damage { line: begins.len() as u64, offset: last as u64, detail });
    }
    Ok(Cut { bytes, begins })
}

impl Cut<'_> {
    fn count(&self) -> usize {
        self.begins.len() - 1
    }

    fn offset(&self, line: usize) -> usize {
        self.begins[line]
    }

    fn text(&self, line: usize) -> Result<&str, Damage> {
        let bytes = &self.bytes[self.begins[line]..self.begins[line + 1] - 1];
        std::str::from_utf8(bytes).map_err(|_| self.wrong(line, "is not UTF-8"))
    }

    fn wrong(&self, line: usize, detail: impl Into<String>) -> Damage {
        Damage { line: line as u64 + 1, offset: self.offset(line) as u64, detail: detail.into() }
    }

    /// A line that is exactly what its content is written as.
    fn canonical<T: Serialize + DeserializeOwned>(&self, line: usize) -> Result<T, Damage> {
        let text = self.text(line)?;
        let value: T = serde_json::from_str(text).map_err(|error| self.wrong(line, error.to_string()))?;
        match serde_json::to_string(&value) {
            Ok(again) if again == text => Ok(value),
            Ok(_) | Err(_) => Err(self.wrong(line, "is not in the one form in which it is written")),
        }
    }
}
