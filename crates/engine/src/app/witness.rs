//! The witness's word while the engine runs: a release that waits for its acknowledgement has it asked again and again, on a
//! thread of its own.

use super::engine::Engine;
use crate::clock;
use crate::config;
use crate::outside;
use core::time::Duration;
use failstop_core::{Cause, Input, Monotonic, Ticket};
use failstop_journal::verify::Agreement;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// The witness is asked again so much after an answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What the witness said, or why it said nothing.
pub type Word = Result<Agreement, String>;

/// Asks the witness, one question at a time, while a release waits for it.
#[derive(Debug)]
pub struct Witness {
    /// Where; absent where a release waits for no witness.
    source: Option<String>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    state: PathBuf,
    words: mpsc::Sender<Word>,
    asking: bool,
    due: Option<Monotonic>,
    /// The last of the core's records that is durable, and its sequence number.
    durable: (Ticket, u64),
    /// The record whose acknowledgement is waited for.
    target: Option<(Ticket, u64)>,
    /// Why the last question came to nothing, as last said.
    said: Option<String>,
}

impl Witness {
    /// For this configuration; words come out of the receiver.
    pub fn new(config: &config::Witness, state: &Path) -> (Self, mpsc::Receiver<Word>) {
        let (words, receiver) = mpsc::channel(1);
        let witness = Self {
            source: config.source().filter(|_| config.second_key().is_some()),
            ca_file: config.ca_file.clone(),
            timeout: config.timeout,
            state: state.to_owned(),
            words,
            asking: false,
            due: None,
            durable: (Ticket(0), 0),
            target: None,
            said: None,
        };
        (witness, receiver)
    }

    /// When it is to be asked next.
    pub fn due(&self) -> Option<Monotonic> {
        // While it is being asked its answer is waited for, and no deadline.
        self.due.filter(|_| !self.asking)
    }

    /// The core's records up to this one are durable; it has this sequence number.
    pub fn durable(&mut self, ticket: Ticket, seq: u64) {
        self.durable = (ticket, seq);
    }

    /// Sets the question for what the core waits for, if for anything; asks, where that is due.
    fn attend(&mut self, awaited: Option<Ticket>, now: Monotonic) {
        let (Some(source), Some(awaited)) = (&self.source, awaited) else {
            (self.target, self.due, self.said) = (None, None, None);
            return;
        };
        if self.target.is_none() && self.durable.0 >= awaited {
            self.target = Some(self.durable);
            self.due.get_or_insert(now);
        }
        if self.asking || self.due.is_none_or(|due| now < due) {
            return;
        }
        let (source, ca_file, timeout) = (source.clone(), self.ca_file.clone(), self.timeout);
        let (state, words) = (self.state.clone(), self.words.clone());
        let ask = move || {
            let memory = outside::memory(&source, ca_file.as_deref(), timeout);
            let word = memory.and_then(|memory| memory.agreement(&state).map_err(|error| error.to_string()));
            // The loop is gone when this fails, and nobody wants to know any more.
            let _ = words.blocking_send(word);
        };
        // Without a thread it is asked again with the next event.
        self.asking = std::thread::Builder::new().name("witness".into()).spawn(ask).is_ok();
        self.due = if self.asking { None } else { Some(now.plus(ASK_AGAIN)) };
    }
}

impl Engine {
    /// Has the witness asked while a release waits for it.
    pub(super) fn attend_witness(&mut self) {
        let awaited = self.core.awaits_witness();
        self.witness.attend(awaited, clock::now());
    }

    /// The witness answered, or did not.
    pub(super) fn witness_said(&mut self, word: Word) {
        self.witness.asking = false;
        self.witness.due = Some(clock::now().plus(ASK_AGAIN));
        let agreement = match word {
            Ok(agreement) => agreement,
            Err(why) => {
                if self.witness.said.as_ref() != Some(&why) {
                    self.say("witness", &format!("a release waits for it, and it does not answer: {why}"));
                    self.witness.said = Some(why);
                }
                return;
            }
        };
        if let Some(what) = agreement.disagreement {
            self.feed(Input::Raise { cause: Cause::Witness, slot: None, evidence: what });
            return;
        }
        // Only what the witness has made durable itself counts as its acknowledgement.
        if let Some((ticket, seq)) = self.witness.target
            && agreement.kept.is_some_and(|kept| kept >= seq)
        {
            self.witness.target = None;
            self.feed(Input::Witnessed(ticket));
        }
    }
}
