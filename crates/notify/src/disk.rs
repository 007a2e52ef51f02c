//! The outbox as the driver uses it: writes happen off its thread, within a bound. A disk that fails or stands still does not
//! keep alerts from people: the driver goes on without it, says so, and writes the outbox anew once the disk answers.

use crate::heart::{Fact, Now, Record};
use crate::store::Store;
use crate::threads::{NoThread, Threads};
use std::io;
use std::time::Duration;
use tokio::sync::oneshot::{Receiver, error::TryRecvError};

/// How long a write may hold messages up.
pub(crate) const WRITE_MAX: Duration = Duration::from_secs(2);

/// How long after a failure the disk is tried again.
const AGAIN: Duration = Duration::from_secs(5);

type Written = (Store, io::Result<()>);

/// What is written, and where.
struct Write {
    store: Store,
    what: What,
}

enum What {
    Whole(Vec<Fact>),
    Records(Vec<Record>),
}

impl Write {
    fn carry_out(mut self, now: Now) -> Written {
        let result = match self.what {
            What::Whole(facts) => self.store.rewrite(now, facts),
            What::Records(records) => {
                let hard = records.iter().any(|record| record.fact.is_hard());
                self.store.append(&records, hard)
            }
        };
        (self.store, result)
    }
}

enum State {
    Idle(Store),
    /// A write that takes too long, or is on its way.
    Busy(Receiver<Written>),
    /// There is no outbox to write to.
    Gone,
}

/// The outbox, and whether it can be trusted.
pub(crate) struct Disk {
    state: State,
    /// Why what was decided is not on disk.
    fault: Option<String>,
    again: Option<tokio::time::Instant>,
    threads: &'static Threads,
}

impl Disk {
    pub(crate) fn new(store: Store, threads: &'static Threads) -> Self {
        Self { state: State::Idle(store), fault: None, again: None, threads }
    }

    /// For an outbox that could not be opened.
    pub(crate) fn gone(fault: String, threads: &'static Threads) -> Self {
        Self { state: State::Gone, fault: Some(fault), again: None, threads }
    }

    /// Why what was decided is not on disk, if it is not.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// When to try again although nothing else happens.
    pub(crate) fn again(&self) -> Option<tokio::time::Instant> {
        self.again
    }

    /// Whether the next save should write everything.
    fn is_whole_due(&self) -> bool {
        match &self.state {
            State::Idle(store) => store.wants_rewrite() || self.fault.is_some(),
            State::Busy(_) => true,
            State::Gone => false,
        }
    }

    /// Puts records on disk; `whole` gives the facts of the whole state. Returns when they are there, or when it is clear
    /// that people should not wait for it.
    pub(crate) async fn save(&mut self, now: Now, records: Vec<Record>, whole: impl FnOnce() -> Vec<Fact>) {
        if let State::Busy(task) = &mut self.state {
            match task.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.again = Some(tokio::time::Instant::now() + AGAIN);
                    return;
                }
                // It is over; what it was about is part of the whole state by now.
                Ok((store, _)) => self.state = State::Idle(store),
                Err(TryRecvError::Closed) => self.state = State::Gone,
            }
        }
        let due = self.again.is_none_or(|again| tokio::time::Instant::now() >= again);
        if self.fault.is_some() && !due {
            return;
        }
        if records.is_empty() && self.fault.is_none() {
            return;
        }
        let everything = self.is_whole_due();
        let State::Idle(store) = std::mem::replace(&mut self.state, State::Gone) else {
            // Nothing brings it back but another start.
            self.again = None;
            return;
        };
        let what = if everything { What::Whole(whole()) } else { What::Records(records) };
        let mut task = match self.threads.run(Write { store, what }, move |write| write.carry_out(now)) {
            Ok(task) => task,
            Err(NoThread { value: Write { store, .. }, error }) => {
                self.state = State::Idle(store);
                return self.failed(format!("the outbox cannot be written: there is no thread for it: {error}"));
            }
        };
        match tokio::time::timeout(WRITE_MAX, &mut task).await {
            Ok(Ok((store, result))) => {
                self.state = State::Idle(store);
                match result {
                    Ok(()) => {
                        self.fault = None;
                        self.again = None;
                    }
                    Err(error) => self.failed(format!("the outbox cannot be written: {error}")),
                }
            }
            Ok(Err(_)) => self.failed("the outbox is gone: the thread that wrote it ended".to_owned()),
            Err(_) => {
                self.state = State::Busy(task);
                self.failed(format!("the disk has not answered for {} s", WRITE_MAX.as_secs()));
            }
        }
    }

    fn failed(&mut self, fault: String) {
        self.fault = Some(fault);
        self.again = Some(tokio::time::Instant::now() + AGAIN);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::heart::At;
    use crate::key::Key;
    use crate::threads::THREADS;
    use crate::threads::tests::NONE;

    #[test]
    fn without_a_thread_nothing_is_written_and_it_is_told_and_written_anew_once_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, found) = Store::open(folder.path()).unwrap();
        assert_eq!(found.records.len(), 0);
        let mut disk = Disk::new(store, &NONE);
        let wall = crate::clock::wall();
        let now = Now { at: At(1), wall };
        let fact = Fact::HandedOver { key: Key::of("demo", "hung", None, 1).unwrap() };
        let record = Record { at: now.at, wall, fact: fact.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(disk.save(now, vec![record], Vec::new));
        let fault = disk.fault().unwrap();
        assert!(fault.contains("there is no thread for it: 0 threads are busy"), "{fault}");
        assert!(disk.again().is_some(), "it is tried again");
        disk.threads = &THREADS;
        disk.again = Some(tokio::time::Instant::now());
        runtime.block_on(disk.save(now, Vec::new(), || vec![fact.clone()]));
        assert_eq!((disk.fault(), disk.again()), (None, None));
        drop(disk);
        let written = crate::store::peek(folder.path()).unwrap();
        assert!(written.iter().any(|record| record.fact == fact), "{written:?}");
    }
}
