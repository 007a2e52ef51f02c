//! Who decides each question, what is sent when, and how far the connection is trusted. Pure: time and replies are inputs, bytes and
//! words come out; the thread around it does the rest.
//!
//! ```text
//! apart ──> connecting ──> doubted ──(a probe in time)──> settling ──(debts are paid)──> good
//!   ^           │             │ ^                             │                           │
//!   └───────────┴─────────────┴─┼─────── an error, garbage, silence, an end ──────────────┤
//!                               └──────────────────────────── a question out of time ─────┘
//! ```
//!
//! Questions are sent in `good` only; otherwise they are decided by the fallback at once. So an order waits for Redis once, not each.

use super::memory::Known;
use super::question::{Asked, By, Debt, Question, Refused, Serial, Word};
use super::resp::Reply;
use super::script::{Answer, Call, Keys, Outcome};
use crate::probing::peers_words;
use core::time::Duration;
use failstop_core::Monotonic;
use failstop_core::gate::RateBounds;
use std::collections::VecDeque;
use tokio::sync::OwnedSemaphorePermit;

/// The most questions that are under way; more are turned away.
pub const MAX_ASKS: usize = 256;

/// The most calls that are under way on the connection.
const MAX_IN_FLIGHT: usize = 64;

/// The most that is kept to be told later. Beyond it what is to be given back is left out, which lets less through; where something
/// that counts is left out, the group's memory is declared lost.
pub const MAX_DEBTS: usize = 1_024;

/// A connection that has answered nothing for so long is none.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// A connection over which nothing was said for so long is asked whether it is one.
const IDLE_PROBE: Duration = Duration::from_secs(10);

/// The pause before the second try of a connection or a probe; each further one doubles it.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// By what is asked and decided.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub keys: Keys,
    /// How long a question may take.
    pub timeout: Duration,
    /// Whether the fallback decides anything: then what fits is counted in a memory that is not whole.
    pub falls_back: bool,
}

/// How far the connection is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// There is none until then.
    Apart { until: Monotonic },
    /// One is being made.
    Connecting,
    /// There is one; the next probe is due then, or under way.
    Doubted { probe_at: Option<Monotonic> },
    /// It answers in time; what is owed is paid first.
    Settling,
    /// Questions go over it.
    Good,
}

/// What is to be done about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineOrder {
    Connect,
    Close,
}

#[derive(Debug)]
enum Job {
    /// `None` once its time was up and its word was given.
    Ask(Option<Box<Ask>>),
    Debt(Debt),
    /// Whether it declares the memory lost.
    Probe {
        spills: bool,
    },
}

#[derive(Debug)]
struct Ask {
    serial: Serial,
    at: Monotonic,
    asked: Asked,
    bounds: RateBounds,
    place: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Sent {
    job: Job,
    at: Monotonic,
    /// With the script itself.
    whole: bool,
}

/// What happened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedCounts {
    /// Questions.
    pub asked: u64,
    /// Answered by Redis: all fits.
    pub fitted: u64,
    /// Answered by Redis: something is used up.
    pub refused: u64,
    /// Left to the fallback, out of time.
    pub timed_out: u64,
    /// Left to the fallback at once.
    pub gone: u64,
    /// Left to the fallback, since the group's memory is not whole.
    pub forgotten: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that failed or ended.
    pub failures: u64,
    /// What was to be given back and was left out.
    pub left_out: u64,
    /// How often more that counts was owed than is kept.
    pub spilled: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    terms: Terms,
    line: Line,
    known: Known,
    /// Not sent yet: debts, and behind them in `good` questions.
    queue: VecDeque<Job>,
    debts: usize,
    sent: VecDeque<Sent>,
    /// Something that counts was left out, and the group does not know.
    spilled: bool,
    pause: Duration,
    digest: String,
    /// When the last reply came.
    heard: Monotonic,
    fault: Option<String>,
    took: Option<Duration>,
    /// The server's clock less this host's, in microseconds.
    ahead: Option<i64>,
    counts: SharedCounts,
    words: VecDeque<Word>,
    bytes: VecDeque<Vec<u8>>,
    order: Option<LineOrder>,
}

impl Desk {
    /// Begins with what is known of the group's memory, and whether something that counts was never told it; the first connection is
    /// made at once.
    pub fn new(terms: Terms, known: Known, spilled: bool) -> Self {
        Self {
            terms,
            line: Line::Connecting,
            known,
            queue: VecDeque::new(),
            debts: 0,
            sent: VecDeque::new(),
            spilled,
            pause: PAUSE_FIRST,
            digest: String::new(),
            heard: Monotonic::from_nanos(0),
            fault: None,
            took: None,
            ahead: None,
            counts: SharedCounts::default(),
            words: VecDeque::new(),
            bytes: VecDeque::new(),
            order: Some(LineOrder::Connect),
        }
    }

    /// A question. Exactly one word follows, at the latest when its time is up and [`Self::tick`] is called.
    pub fn ask(
        &mut self,
        now: Monotonic,
        serial: Serial,
        question: Question,
        attempt: String,
        place: Option<OwnedSemaphorePermit>,
    ) {
        self.counts.asked += 1;
        let Question { id, user, cost, bounds } = question;
        let asked = Asked { id, user, cost, attempt, left: false };
        let ask = Ask { serial, at: now, asked, bounds, place };
        match self.line {
            Line::Good => {
                self.queue.push_back(Job::Ask(Some(Box::new(ask))));
                self.pump(now);
            }
            Line::Apart { .. } | Line::Connecting | Line::Doubted { .. } | Line::Settling => {
                self.fall_back(ask, By::Gone);
            }
        }
    }

    /// Something is to be told.
    pub fn owe(&mut self, now: Monotonic, debt: Debt) {
        if self.debts >= MAX_DEBTS && !self.make_room(now, &debt) {
            return;
        }
        self.debts += 1;
        self.queue.push_back(Job::Debt(debt));
        self.pump(now);
    }

    /// Something that counts was left out: the group is told as soon as it can be.
    pub fn spill(&mut self, now: Monotonic) {
        self.spilled = true;
        self.counts.spilled += 1;
        if matches!(self.line, Line::Settling | Line::Good) {
            self.turn_away();
            self.line = Line::Doubted { probe_at: Some(now) };
        }
    }

    /// Leaves out what may be left out: first what only gives back.
    fn make_room(&mut self, now: Monotonic, debt: &Debt) -> bool {
        if !debt.is_count() {
            self.counts.left_out += 1;
            return false;
        }
        let gives_back = |job: &Job| matches!(job, Job::Debt(debt) if !debt.is_count());
        match self.queue.iter().position(gives_back) {
            Some(place) => {
                self.queue.remove(place);
                self.debts -= 1;
                self.counts.left_out += 1;
                true
            }
            None => {
                self.spill(now);
                false
            }
        }
    }

    /// There is a connection, and the server knows the script by this digest.
    pub fn connected(&mut self, now: Monotonic, digest: String) {
        self.counts.connections += 1;
        self.digest = digest;
        self.line = Line::Doubted { probe_at: None };
        self.probe(now);
    }

    /// There is no connection any more, or none could be made. Says why, for people.
    pub fn lost(&mut self, now: Monotonic, why: String) {
        self.counts.failures += 1;
        self.fault = Some(why);
        self.bytes.clear();
        let sent: Vec<Sent> = self.sent.drain(..).collect();
        // Whatever it came to: said again it is the same.
        for sent in sent.into_iter().rev() {
            match sent.job {
                Job::Ask(Some(ask)) => self.fall_back(*ask, By::Gone),
                Job::Debt(debt) => {
                    self.debts += 1;
                    self.queue.push_front(Job::Debt(debt));
                }
                Job::Ask(None) | Job::Probe { .. } => {}
            }
        }
        self.turn_away();
        self.line = Line::Apart { until: now.plus(self.next_pause()) };
    }

    /// A reply came, the next one in order. `wall_us`: this host's wall clock, in microseconds since 1970.
    pub fn replied(&mut self, now: Monotonic, wall_us: u64, reply: &Reply) {
        // First: a reply may have lain there while this process stood still, and what was counted then holds no more.
        self.time_out(now);
        self.heard = now;
        let Some(sent) = self.sent.pop_front() else {
            self.fail(now, "answers what it was not asked".to_owned());
            return;
        };
        if let Reply::Error(words) = reply {
            // Whoever does not know it although it came along has no scripts.
            if words.starts_with("NOSCRIPT") && !sent.whole {
                self.send(now, sent.job, true);
                return;
            }
            let why = format!("refuses: {}", peers_words(words));
            if matches!(&sent.job, Job::Debt(debt) if !debt.is_count()) {
                self.counts.left_out += 1;
            } else {
                // An error comes before anything is written: it is with the others that were not answered, and is told first again.
                self.sent.push_front(sent);
            }
            self.fail(now, why);
            return;
        }
        let Some(answer) = Answer::read(reply) else {
            self.sent.push_front(sent);
            self.fail(now, "answers with something that is no answer of the script".to_owned());
            return;
        };
        self.known = self.known.max(answer.known);
        self.ahead = i64::try_from(i128::from(answer.clock) - i128::from(wall_us)).ok();
        let took = now.since(sent.at);
        self.took = Some(took);
        match sent.job {
            Job::Ask(Some(ask)) => self.answered(*ask, answer),
            Job::Ask(None) | Job::Debt(_) => {}
            Job::Probe { spills } => self.probed(now, took, spills),
        }
        self.pump(now);
    }

    /// Decides every question whose time is up.
    fn time_out(&mut self, now: Monotonic) {
        let timeout = self.terms.timeout;
        let late = |ask: &Ask| ask.at.plus(timeout) <= now;
        let mut out_of_time = Vec::new();
        for sent in &mut self.sent {
            if let Job::Ask(ask) = &mut sent.job
                && ask.as_deref().is_some_and(late)
            {
                out_of_time.extend(ask.take());
            }
        }
        for job in &mut self.queue {
            if let Job::Ask(ask) = job
                && ask.as_deref().is_some_and(late)
            {
                out_of_time.extend(ask.take());
            }
        }
        self.queue.retain(|job| !matches!(job, Job::Ask(None)));
        if !out_of_time.is_empty() && self.line == Line::Good {
            self.fault = Some(format!("did not answer within {} ms", timeout.as_millis()));
            self.turn_away();
            self.line = Line::Doubted { probe_at: Some(now.plus(self.next_pause())) };
        }
        for ask in out_of_time {
            self.fall_back(*ask, By::TimedOut);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Monotonic) {
        self.time_out(now);
        if self.sent.front().is_some_and(|sent| sent.at.plus(self.silent_after()) <= now) {
            self.fail(now, format!("has answered nothing for {} ms", self.silent_after().as_millis()));
            return;
        }
        match self.line {
            Line::Apart { until } if until <= now => {
                self.line = Line::Connecting;
                self.order = Some(LineOrder::Connect);
            }
            Line::Doubted { probe_at: Some(at) } if at <= now => {
                self.line = Line::Doubted { probe_at: None };
                self.probe(now);
            }
            Line::Good if self.is_idle() && self.heard.plus(IDLE_PROBE) <= now => self.probe(now),
            Line::Apart { .. } | Line::Connecting | Line::Doubted { .. } | Line::Settling | Line::Good => {}
        }
    }

    /// When [`Self::tick`] is to be called.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let asks = self.sent.iter().map(|sent| &sent.job).chain(self.queue.iter());
        let first = asks
            .filter_map(|job| match job {
                Job::Ask(ask) => ask.as_ref().map(|ask| ask.at.plus(self.terms.timeout)),
                Job::Debt(_) | Job::Probe { .. } => None,
            })
            .min();
        let silent = self.sent.front().map(|sent| sent.at.plus(self.silent_after()));
        let line = match self.line {
            Line::Apart { until } => Some(until),
            Line::Doubted { probe_at } => probe_at,
            Line::Good if self.is_idle() => Some(self.heard.plus(IDLE_PROBE)),
            Line::Connecting | Line::Settling | Line::Good => None,
        };
        [first, silent, line].into_iter().flatten().min()
    }

    pub fn poll_word(&mut self) -> Option<Word> {
        self.words.pop_front()
    }

    pub fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        self.bytes.pop_front()
    }

    pub fn poll_order(&mut self) -> Option<LineOrder> {
        self.order.take()
    }

    pub fn line(&self) -> Line {
        self.line
    }

    pub fn known(&self) -> Known {
        self.known
    }

    pub fn counts(&self) -> SharedCounts {
        self.counts
    }

    /// Why it is not trusted, or was not lately.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    pub fn owed(&self) -> usize {
        self.debts
    }

    /// Whether something that counts was not told the group, or may not have been.
    pub fn owes_counts(&self) -> bool {
        let mut jobs = self.sent.iter().map(|sent| &sent.job).chain(&self.queue);
        self.spilled || jobs.any(|job| matches!(job, Job::Debt(debt) if debt.is_count()))
    }

    /// Whether Redis decides and has been told everything.
    pub fn is_settled(&self) -> bool {
        self.line == Line::Good && !self.owes_counts()
    }

    pub fn took(&self) -> Option<Duration> {
        self.took
    }

    pub fn ahead_us(&self) -> Option<i64> {
        self.ahead
    }

    fn answered(&mut self, ask: Ask, answer: Answer) {
        let by = if answer.unsure { By::Forgotten } else { By::Group };
        match (answer.outcome, answer.unsure) {
            (_, true) => self.counts.forgotten += 1,
            (Outcome::Refused, false) => self.counts.refused += 1,
            (Outcome::Counted, false) => self.counts.fitted += 1,
            (Outcome::Unsure | Outcome::Dropped | Outcome::Given | Outcome::Nothing | Outcome::Probed, false) => {
                // No answer to a question: as if there were none.
                self.fall_back(Ask { asked: Asked { left: true, ..ask.asked }, ..ask }, By::Gone);
                return;
            }
        }
        self.pause = PAUSE_FIRST;
        let counted = answer.outcome == Outcome::Counted;
        self.say(ask, by, answer.refused, answer.retry_after, counted);
    }

    fn fall_back(&mut self, ask: Ask, by: By) {
        match by {
            By::TimedOut => self.counts.timed_out += 1,
            By::Gone => self.counts.gone += 1,
            By::Group | By::Forgotten => {}
        }
        let left = ask.asked.left;
        self.say(ask, by, Vec::new(), None, left);
    }

    fn say(&mut self, ask: Ask, by: By, refused: Vec<Refused>, retry_after: Option<Duration>, left: bool) {
        let asked = Asked { left, ..ask.asked };
        self.words.push_back(Word {
            serial: ask.serial,
            by,
            retry_after,
            refused,
            unmarked: false,
            asked,
            _place: ask.place,
        });
    }

    /// Questions that were not sent yet are not.
    fn turn_away(&mut self) {
        let queue = core::mem::take(&mut self.queue);
        for job in queue {
            match job {
                Job::Ask(Some(ask)) => self.fall_back(*ask, By::Gone),
                Job::Ask(None) => {}
                Job::Debt(_) | Job::Probe { .. } => self.queue.push_back(job),
            }
        }
    }

    fn fail(&mut self, now: Monotonic, why: String) {
        self.order = Some(LineOrder::Close);
        self.lost(now, why);
    }

    fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.queue.is_empty()
    }

    fn probe(&mut self, now: Monotonic) {
        self.send(now, Job::Probe { spills: self.spilled }, false);
    }

    fn probed(&mut self, now: Monotonic, took: Duration, spills: bool) {
        if spills {
            self.spilled = false;
        }
        if took > self.terms.timeout {
            self.fault = Some(format!(
                "answers after {} ms, later than the {} ms that an order waits",
                took.as_millis(),
                self.terms.timeout.as_millis()
            ));
            self.line = Line::Doubted { probe_at: Some(now.plus(self.next_pause())) };
        } else if self.line == Line::Good {
            // It was only asked since it was idle.
        } else if self.spilled {
            self.probe(now);
        } else {
            self.line = Line::Settling;
        }
    }

    fn pump(&mut self, now: Monotonic) {
        if !matches!(self.line, Line::Settling | Line::Good) {
            return;
        }
        while self.sent.len() < MAX_IN_FLIGHT
            && let Some(job) = self.queue.pop_front()
        {
            if matches!(job, Job::Debt(_)) {
                self.debts -= 1;
            }
            self.send(now, job, false);
        }
        if self.line == Line::Settling && self.sent.is_empty() {
            self.line = Line::Good;
            self.fault = None;
        }
    }

    fn send(&mut self, now: Monotonic, mut job: Job, whole: bool) {
        let keys = &self.terms.keys;
        let call = match &mut job {
            Job::Ask(Some(ask)) => {
                ask.asked.left = true;
                Call::question(keys, self.known, &ask.asked, &ask.bounds, self.terms.falls_back)
            }
            // Its time was up while the server learned the script: it is not asked again.
            Job::Ask(None) => return,
            Job::Debt(debt) => Call::debt(keys, self.known, debt),
            Job::Probe { spills } => Call::probe(keys, self.known, *spills),
        };
        self.bytes.push_back(if whole { call.whole() } else { call.by_digest(&self.digest) });
        self.sent.push_back(Sent { job, at: now, whole });
    }

    fn silent_after(&self) -> Duration {
        SILENT_AFTER.max(self.terms.timeout * 4)
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }
}
