//! The outbox as the driver uses it: writes happen off its thread, within a bound. A disk that fails or stands still does not
//! keep alerts from people: the driver goes on without it, says so, and writes the outbox anew once the disk answers.

use crate::heart::{Fact, Now, Record};
use crate::store::Store;
use std::io;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a write may hold messages up.
pub(crate) const WRITE_MAX: Duration = Duration::from_secs(2);

/// How long after a failure the disk is tried again.
const AGAIN: Duration = Duration::from_secs(5);

type Written = (Store, io::Result<()>);

enum State {
    Idle(Store),
    /// A write that takes too long, or is on its way.
    Busy(JoinHandle<Written>),
    /// There is no outbox to write to.
    Gone,
}

/// The outbox, and whether it can be trusted.
pub(crate) struct Disk {
    state: State,
    /// Why what was decided is not on disk.
    fault: Option<String>,
    again: Option<tokio::time::Instant>,
}

impl Disk {
    pub(crate) fn new(store: Store) -> Self {
        Self { state: State::Idle(store), fault: None, again: None }
    }

    /// For an outbox that could not be opened.
    pub(crate) fn gone(fault: String) -> Self {
        Self { state: State::Gone, fault: Some(fault), again: None }
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
            if !task.is_finished() {
                self.again = Some(tokio::time::Instant::now() + AGAIN);
                return;
            }
            // It is over; what it was about is part of the whole state by now.
            match task.await {
                Ok((store, _)) => self.state = State::Idle(store),
                Err(_) => self.state = State::Gone,
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
        let State::Idle(mut store) = std::mem::replace(&mut self.state, State::Gone) else {
            // Nothing brings it back but another start.
            self.again = None;
            return;
        };
        let work: Box<dyn FnOnce() -> Written + Send> = if everything {
            let facts = whole();
            Box::new(move || {
                let result = store.rewrite(now, facts);
                (store, result)
            })
        } else {
            let hard = records.iter().any(|record| record.fact.is_hard());
            Box::new(move || {
                let result = store.append(&records, hard);
                (store, result)
            })
        };
        let mut task = tokio::task::spawn_blocking(work);
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
