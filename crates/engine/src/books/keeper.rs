//! Two views of the same fold. `settled` has what is durable, with the journal's own numbers and times: snapshots are made of it.
//! `ahead` has what was handed over besides, as long as there is any: what a bot says next is judged against it, so that two
//! postings of one batch cannot both spend the same money.

use failstop_journal::ledger::{
    At, Book, Check, Correcting, Correction, Entry, Judged, KINDS, Statement, Unsound, Violation,
};
use failstop_journal::{Wall, Written};
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

/// The id of a statement that is compared with the book and not recorded.
const COMPARED_ONLY: &str = "a statement that is known, compared once more";

/// What the judge says of an entry that breaks no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is to be recorded.
    New,
    /// It is durable already, in this record.
    Known(u64),
    /// The same was handed over before and is not durable yet: known once everything that waits is.
    Underway,
}

/// A record that was handed over and is not durable.
#[derive(Debug)]
struct Pending {
    number: u64,
    kind: Cow<'static, str>,
    payload: String,
    /// Whether the book judges by it.
    entry: bool,
}

/// The engine's books.
#[derive(Debug)]
pub struct Books {
    epoch: u64,
    settled: Book,
    /// The last durable record that was folded.
    seq: u64,
    ahead: Option<Book>,
    pending: VecDeque<Pending>,
    /// How many of them the book judges by.
    entries: usize,
    /// Snapshots that the journal names and has not retired, by the record that each was taken at.
    named: BTreeSet<u64>,
    /// Entries that became durable in this epoch.
    pub booked: u64,
    /// Entries that were refused in this epoch.
    pub violations: u64,
}

impl Books {
    /// Goes on from a book that has folded the journal up to `seq`, and the snapshots that it names.
    pub fn new(book: Book, named: BTreeSet<u64>, seq: u64, epoch: u64) -> Self {
        Self {
            epoch,
            settled: book,
            seq,
            ahead: None,
            pending: VecDeque::new(),
            entries: 0,
            named,
            booked: 0,
            violations: 0,
        }
    }

    /// The book of what is durable.
    pub fn settled(&self) -> &Book {
        &self.settled
    }

    /// Snapshots that the journal names and has not retired.
    pub fn named(&self) -> &BTreeSet<u64> {
        &self.named
    }

    /// Whether an entry may be recorded, after everything that was handed over before it. A statement that is known is held
    /// against the book all the same, which has moved since.
    ///
    /// # Errors
    ///
    /// [`Violation`]: it would break a rule.
    pub fn judge(&mut self, entry: &Entry, now: Wall) -> Result<Judgement, Violation> {
        let book = self.ahead(now);
        let judged = book.judge(entry)?;
        if let (Entry::Statement(known), Judged::Already { .. }) = (entry, judged) {
            book.judge(&Entry::Statement(Statement { id: COMPARED_ONLY.to_owned(), ..known.clone() }))?;
        }
        Ok(self.judgement(entry, judged))
    }

    /// What makes the book agree with a statement ([`Book::correction`]), after everything that was handed over. A statement that is
    /// known agreed when it was recorded: what differs from it by now came later, and would be undone.
    ///
    /// # Errors
    ///
    /// [`Violation`]: that of [`Book::correction`]; or there is something to correct and the statement's id is in the book.
    pub fn correction(
        &mut self,
        statement: &Statement,
        how: Correcting<'_>,
        now: Wall,
    ) -> Result<Correction, Violation> {
        let book = self.ahead(now);
        let correction = book.correction(statement, how)?;
        if correction.entries.is_empty() {
            return Ok(correction);
        }
        match book.judge(&Entry::Statement(statement.clone())) {
            Ok(Judged::Already { .. }) => Err(Violation {
                check: Check::IdReused,
                subject: statement.id.clone(),
                difference: None,
                detail: "this statement is known, and the book has moved since: import a newer one".to_owned(),
            }),
            Err(violation) if violation.check == Check::IdReused => Err(violation),
            // It does not agree yet, which is why it is corrected.
            Ok(Judged::New) | Err(_) => Ok(correction),
        }
    }

    /// The book after everything that was handed over.
    pub fn ahead(&mut self, now: Wall) -> &Book {
        if self.entries == 0 { &self.settled } else { self.look_ahead(now) }
    }

    fn judgement(&self, entry: &Entry, judged: Judged) -> Judgement {
        match judged {
            Judged::New => Judgement::New,
            // Numbers of what is not durable are guesses; the book of what is has the true one.
            Judged::Already { .. } => match self.settled.judge(entry) {
                Ok(Judged::Already { seq }) => Judgement::Known(seq.unwrap_or(self.seq)),
                Ok(Judged::New) | Err(_) => Judgement::Underway,
            },
        }
    }

    /// The book after everything that was handed over.
    fn look_ahead(&mut self, now: Wall) -> &Book {
        let (epoch, seq) = (self.epoch, self.seq);
        self.ahead.get_or_insert_with(|| {
            let mut ahead = self.settled.clone();
            for (seq, pending) in (seq + 1..).zip(&self.pending) {
                // What is there was judged before it was handed over.
                drop(ahead.take(&At { seq, epoch, time: now }, &pending.kind, &pending.payload));
            }
            ahead
        })
    }

    /// A record was handed to the recorder under this number. Types that only inform are nobody's business here.
    pub fn handed_over(&mut self, number: u64, kind: Cow<'static, str>, payload: String, now: Wall) {
        if kind.starts_with("x.") {
            return;
        }
        let guess = self.seq.saturating_add(1).saturating_add(u64::try_from(self.pending.len()).unwrap_or(u64::MAX));
        if let Some(ahead) = &mut self.ahead {
            drop(ahead.take(&At { seq: guess, epoch: self.epoch, time: now }, &kind, &payload));
        }
        let entry = KINDS.contains(&kind.as_ref());
        self.entries += usize::from(entry);
        self.pending.push_back(Pending { number, kind, payload, entry });
    }

    /// These records are durable. Returns what the journal should not have, if anything: a defect, since it was judged.
    pub fn settle(&mut self, written: &[Written]) -> Vec<(u64, Unsound)> {
        let mut unsound = Vec::new();
        for written in written {
            while self.pending.front().is_some_and(|pending| pending.number <= written.ticket) {
                let Some(pending) = self.pending.pop_front() else { break };
                self.entries -= usize::from(pending.entry);
                if pending.number < written.ticket {
                    // It was lost; what was judged on top of it has to be judged anew.
                    self.ahead = None;
                    continue;
                }
                self.booked += u64::from(pending.entry);
                let at = At { seq: written.seq, epoch: self.epoch, time: written.time };
                match self.settled.take(&at, &pending.kind, &pending.payload) {
                    Ok(()) => note_snapshots(&mut self.named, &pending.kind, &pending.payload),
                    Err(wrong) => unsound.push((written.seq, wrong)),
                }
            }
            self.seq = self.seq.max(written.seq);
        }
        unsound
    }

    /// Gives the memory of the second view back while nothing is under way.
    pub fn rest(&mut self) {
        if self.entries == 0 {
            self.ahead = None;
        }
    }
}

/// Keeps track of which snapshots the journal names.
pub fn note_snapshots(named: &mut BTreeSet<u64>, kind: &str, payload: &str) {
    if !kind.starts_with("snapshot.") {
        return;
    }
    match Entry::parse(kind, payload) {
        Ok(Some(Entry::SnapshotTaken(taken))) => {
            named.insert(taken.seq);
        }
        Ok(Some(Entry::SnapshotRetired(retired))) => named.retain(|seq| *seq > retired.upto),
        // What cannot be read was refused by the book.
        Ok(_) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_journal::ledger::{Account, Asset, Leg, Pool, Posted, StatedBalance};

    const NOW: Wall = Wall(1_700_000_000_000_000_000);

    fn declarations() -> Vec<Entry> {
        vec![
            Entry::Asset(Asset { name: "USDT".into(), scale: 2, tolerance: "0".into(), negative: false }),
            Entry::Account(Account { name: "k".into(), negative: false }),
            Entry::Pool(Pool { name: "main".into(), within: None }),
        ]
    }

    fn moved(id: &str, amount: &str, back: &str) -> Entry {
        let leg = |account: &str, pool: Option<&str>, amount: &str| Leg {
            asset: "USDT".into(),
            account: account.into(),
            pool: pool.map(str::to_owned),
            amount: amount.into(),
        };
        let legs = vec![leg("k", Some("main"), amount), leg("venue", None, back)];
        Entry::Posted(Posted { id: id.into(), legs, component: None, reason: None })
    }

    struct Desk {
        books: Books,
        number: u64,
        seq: u64,
    }

    impl Desk {
        fn new() -> Self {
            let mut desk = Self { books: Books::new(Book::new(), BTreeSet::new(), 1, 7), number: 0, seq: 1 };
            for entry in declarations() {
                desk.hand(&entry);
            }
            desk.settle_all();
            desk
        }

        fn hand(&mut self, entry: &Entry) {
            assert_eq!(self.books.judge(entry, NOW), Ok(Judgement::New), "{entry:?}");
            self.number += 1;
            self.books.handed_over(self.number, Cow::Borrowed(entry.kind()), entry.payload(), NOW);
        }

        fn settle_all(&mut self) {
            let numbers: Vec<u64> = self.books.pending.iter().map(|pending| pending.number).collect();
            let written: Vec<Written> = numbers
                .into_iter()
                .map(|ticket| {
                    self.seq += 1;
                    Written { ticket, seq: self.seq, time: NOW }
                })
                .collect();
            assert_eq!(self.books.settle(&written), []);
        }
    }

    #[test]
    fn two_postings_of_one_batch_cannot_spend_the_same_money() {
        let mut desk = Desk::new();
        desk.hand(&moved("in", "10", "-10"));
        desk.settle_all();
        desk.hand(&moved("out-1", "-7", "7"));
        let refused = desk.books.judge(&moved("out-2", "-7", "7"), NOW).unwrap_err();
        assert_eq!(refused.difference.as_deref(), Some("-4.00"), "{refused}");
        desk.hand(&moved("out-3", "-3", "3"));
        desk.settle_all();
        assert_eq!(desk.books.settled().balance("k", "USDT").unwrap().to_string(), "0.00");
        desk.books.rest();
        assert!(desk.books.ahead.is_none());
    }

    #[test]
    fn what_is_repeated_is_known_once_it_is_durable_and_by_its_true_number() {
        let mut desk = Desk::new();
        let entry = moved("in", "10", "-10");
        desk.hand(&entry);
        assert_eq!(desk.books.judge(&entry, NOW), Ok(Judgement::Underway));
        let changed = desk.books.judge(&moved("in", "11", "-11"), NOW).unwrap_err();
        assert!(changed.to_string().contains("id-reused"), "{changed}");
        // The journal rolled meanwhile: the guess was wrong, the answer is not.
        desk.seq += 2;
        desk.settle_all();
        assert_eq!(desk.books.judge(&entry, NOW), Ok(Judgement::Known(desk.seq)));
    }

    #[test]
    fn a_statement_that_is_known_is_compared_each_time() {
        let mut desk = Desk::new();
        desk.hand(&moved("in", "10", "-10"));
        let statement = |id: &str, total: &str| {
            Entry::Statement(Statement {
                id: id.into(),
                account: "k".into(),
                balances: vec![StatedBalance { asset: "USDT".into(), total: total.into() }],
                positions: Vec::new(),
                complete: false,
                source: "venue.csv".into(),
                as_of: None,
            })
        };
        desk.hand(&statement("file-1", "10"));
        assert_eq!(desk.books.judge(&statement("file-1", "10"), NOW), Ok(Judgement::Underway));
        desk.hand(&moved("more", "5", "-5"));
        for settled in [false, true] {
            let differs = desk.books.judge(&statement("file-1", "10"), NOW).unwrap_err();
            assert_eq!((differs.check, differs.difference.as_deref()), (Check::Statement, Some("-5.00")), "{settled}");
            desk.settle_all();
        }
        let known = desk.seq - 1;
        desk.hand(&moved("back", "-5", "5"));
        desk.settle_all();
        assert_eq!(desk.books.judge(&statement("file-1", "10"), NOW), Ok(Judgement::Known(known)));
        let reused = desk.books.judge(&statement("file-1", "11"), NOW).unwrap_err();
        assert_eq!(reused.check, Check::IdReused, "{reused}");
    }

    #[test]
    fn a_book_that_moved_since_a_statement_is_not_corrected_back_to_it() {
        let mut desk = Desk::new();
        desk.hand(&moved("in", "10", "-10"));
        let statement = |id: &str, total: &str| Statement {
            id: id.into(),
            account: "k".into(),
            balances: vec![StatedBalance { asset: "USDT".into(), total: total.into() }],
            positions: Vec::new(),
            complete: false,
            source: "venue.csv".into(),
            as_of: None,
        };
        let how = Correcting { pool: None, number: 7, said: "a deposit nobody posted" };
        let correct = |desk: &mut Desk, id, total| desk.books.correction(&statement(id, total), how, NOW);
        assert_eq!(correct(&mut desk, "file-1", "15").unwrap().differences, ["USDT +5.00"]);
        desk.hand(&Entry::Statement(statement("file-1", "10")));
        assert_eq!(correct(&mut desk, "file-1", "10"), Ok(Correction::default()), "nothing is left to correct");
        desk.hand(&moved("more", "5", "-5"));
        for settled in [false, true] {
            let known = correct(&mut desk, "file-1", "10").unwrap_err();
            assert!(known.to_string().contains("the book has moved since: import a newer one"), "{settled}: {known}");
            let reused = correct(&mut desk, "file-1", "12").unwrap_err();
            assert_eq!(reused.check, Check::IdReused, "{settled}: {reused}");
            desk.settle_all();
        }
        assert_eq!(correct(&mut desk, "file-2", "10").unwrap().differences, ["USDT -5.00"]);
    }

    #[test]
    fn what_was_lost_is_not_counted() {
        let mut desk = Desk::new();
        desk.hand(&moved("lost", "10", "-10"));
        desk.hand(&moved("in", "1", "-1"));
        let last = Written { ticket: desk.number, seq: 9, time: NOW };
        assert_eq!(desk.books.settle(&[last]), []);
        assert_eq!(desk.books.settled().balance("k", "USDT").unwrap().to_string(), "1.00");
        assert_eq!(desk.books.judge(&moved("lost", "10", "-10"), NOW), Ok(Judgement::New));
    }

    #[test]
    fn the_same_records_give_the_same_book_as_replay() {
        let mut desk = Desk::new();
        for number in 0..50 {
            desk.hand(&moved(&format!("in-{number}"), "10", "-10"));
            if number % 7 == 0 {
                desk.settle_all();
            }
        }
        desk.settle_all();
        let mut replayed = Book::new();
        let mut seq = 1;
        let mut fold = |entry: &Entry| {
            seq += 1;
            replayed.apply(&At { seq, epoch: 7, time: NOW }, entry).unwrap();
        };
        declarations().iter().for_each(&mut fold);
        (0..50).for_each(|number| fold(&moved(&format!("in-{number}"), "10", "-10")));
        assert_eq!(*desk.books.settled(), replayed);
    }
}
