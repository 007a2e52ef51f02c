//! The thread around the desk: one connection, read and written as it can be, and words out.

use super::desk::{Desk, Line, LineOrder};
use super::keeping::Keeping;
use super::link::{Link, LinkFault, Stream, open};
use super::question::{Debt, Question, Serial, Word};
use super::resp::Parser;
use super::settings::Settings;
use super::{Fallback, LineState, SharedHealth};
use crate::clock;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use failstop_core::Monotonic;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// How long a connection may take to be made, greeting and all.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long a word by the fallback waits until it is on the disk that something may be owed. After that it allows nothing.
const MARK_WITHIN: Duration = Duration::from_millis(500);

/// At the end: how long the server has to answer what it was told, and then the disk.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    Ask { serial: Serial, question: Box<Question>, attempt: String, place: OwnedSemaphorePermit },
    Owe(Debt),
}

/// What the handle and the thread share.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// Something that counts did not get through to the thread.
    pub spilled: AtomicBool,
    /// It is on the disk that something may be owed.
    pub marked: AtomicBool,
    pub health: Mutex<SharedHealth>,
}

/// Everything the thread has.
pub(super) struct Worker {
    pub desk: Desk,
    pub settings: Settings,
    pub messages: mpsc::Receiver<Message>,
    pub words: mpsc::Sender<Word>,
    pub common: Arc<Common>,
    pub kept: Keeping,
    /// Words by the fallback that wait for the disk, and until when.
    pub held: VecDeque<(Monotonic, Word)>,
}

type Reader = ReadHalf<Box<dyn Stream>>;
type Writer = WriteHalf<Box<dyn Stream>>;

/// A connection in use.
struct Live {
    reader: Reader,
    writer: Writer,
    parser: Parser,
    /// Not written yet.
    out: Vec<u8>,
    /// What was written must be flushed: TLS keeps it otherwise.
    unflushed: bool,
}

type Opening = Pin<Box<dyn Future<Output = Result<Link, LinkFault>> + Send>>;

enum Event {
    Told(Option<Message>),
    Opened(Result<Link, LinkFault>),
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Kept(io::Result<()>),
    Passed,
}

/// How much is read at once, bytes.
const CHUNK: usize = 16 * 1024;

impl Worker {
    /// Until nobody asks any more.
    pub async fn run(mut self) {
        let mut live: Option<Live> = None;
        let mut opening: Option<Opening> = None;
        let mut chunk = vec![0_u8; CHUNK];
        let mut end_by: Option<Monotonic> = None;
        loop {
            self.give_words(clock::now());
            if let Some(end_by) = end_by
                && (end_by <= clock::now() || self.desk.line() != Line::Good || self.desk.is_settled())
            {
                let (known, owes) = (self.desk.known(), self.desk.owes_counts());
                return self.kept.close(known, owes, self.desk.is_settled(), CLOSE_WITHIN).await;
            }
            match self.desk.poll_order() {
                Some(LineOrder::Connect) => {
                    live = None;
                    let settings = self.settings.clone();
                    opening = Some(Box::pin(async move {
                        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "takes too long to connect").into();
                        tokio::time::timeout(CONNECT_WITHIN, open(&settings))
                            .await
                            .unwrap_or_else(|gone| Err(late(gone)))
                    }));
                }
                Some(LineOrder::Close) => (live, opening) = (None, None),
                None => {}
            }
            while let Some(bytes) = self.desk.poll_bytes() {
                if let Some(live) = &mut live {
                    live.out.extend_from_slice(&bytes);
                }
            }
            self.publish();
            let held = self.held.front().map(|(until, _)| *until);
            let deadlines = [self.desk.next_deadline(), self.kept.next_deadline(), held, end_by];
            let deadline = deadlines.into_iter().flatten().min().map(|at| at.since(clock::now()));
            let (reader, writer) = match &mut live {
                Some(Live { reader, writer, out, unflushed, .. }) => {
                    (Some(reader), Some((writer, out.as_slice(), *unflushed)))
                }
                None => (None, None),
            };
            let event = tokio::select! {
                message = self.messages.recv(), if end_by.is_none() => Event::Told(message),
                ended = self.kept.ended() => Event::Kept(ended),
                opened = opened(&mut opening) => Event::Opened(opened),
                read = read(reader, &mut chunk) => Event::Read(read),
                wrote = write(writer) => Event::Wrote(wrote),
                () = passed(deadline) => Event::Passed,
            };
            let now = clock::now();
            if self.common.spilled.swap(false, Ordering::AcqRel) {
                self.desk.spill(now);
            }
            match event {
                Event::Told(None) => end_by = Some(now.plus(CLOSE_WITHIN)),
                Event::Told(Some(message)) => self.told(now, message),
                Event::Opened(Ok(link)) => {
                    opening = None;
                    let (reader, writer) = tokio::io::split(link.stream);
                    live = Some(Live { reader, writer, parser: link.parser, out: Vec::new(), unflushed: false });
                    self.desk.connected(now, link.digest);
                }
                Event::Opened(Err(fault)) => {
                    opening = None;
                    self.desk.lost(now, fault.to_string());
                }
                Event::Read(Ok(read)) if read > 0 => self.read(now, &mut live, chunk.get(..read).unwrap_or_default()),
                Event::Wrote(Ok(wrote)) => {
                    if let Some(live) = &mut live {
                        live.out.drain(..wrote.min(live.out.len()));
                        live.unflushed = wrote > 0;
                    }
                }
                Event::Read(ended) | Event::Wrote(ended) => {
                    live = None;
                    let words = ended.map_or_else(|error| error.to_string(), |_| LinkFault::Ended.to_string());
                    self.desk.lost(now, words);
                }
                Event::Kept(ended) => self.kept.wrote(ended),
                Event::Passed => {}
            }
            // Whatever happened: nothing waits longer than its time.
            self.desk.tick(clock::now());
        }
    }

    /// Gives out what was decided. What this host alone may allow goes out only once the disk has it that something may be owed.
    fn give_words(&mut self, now: Monotonic) {
        let falls_back = self.settings.fallback != Fallback::Refuse;
        while let Some(word) = self.desk.poll_word() {
            if falls_back && word.may_owe() {
                self.held.push_back((now.plus(MARK_WITHIN), word));
            } else {
                self.give(word);
            }
        }
        let owes = !self.held.is_empty() || self.desk.line() != Line::Good && self.desk.owes_counts();
        self.kept.note(now, self.desk.known(), owes, self.desk.is_settled());
        let marked = self.kept.is_marked();
        self.common.marked.store(marked, Ordering::Release);
        while let Some((until, mut word)) = self.held.pop_front() {
            if !marked && now < until && !self.kept.failed {
                self.held.push_front((until, word));
                return;
            }
            word.unmarked = !marked;
            self.give(word);
        }
    }

    fn give(&self, word: Word) {
        // Each has its place there; a loop that has ended wants none.
        let _ = self.words.try_send(word);
    }

    fn told(&mut self, now: Monotonic, message: Message) {
        match message {
            Message::Ask { serial, question, attempt, place } => {
                self.desk.ask(now, serial, *question, attempt, Some(place));
            }
            Message::Owe(debt) => self.desk.owe(now, debt),
        }
    }

    fn read(&mut self, now: Monotonic, live: &mut Option<Live>, bytes: &[u8]) {
        let Some(Live { parser, .. }) = live else { return };
        parser.take(bytes);
        let wall_us = u64::try_from(clock::wall().as_microsecond()).unwrap_or(0);
        loop {
            match parser.next() {
                Ok(Some(reply)) => {
                    self.desk.replied(now, wall_us, &reply);
                    // Once it is not trusted, nothing more of it is.
                    if matches!(self.desk.line(), Line::Apart { .. }) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(malformed) => {
                    *live = None;
                    self.desk.lost(now, malformed.to_string());
                    return;
                }
            }
        }
    }

    fn publish(&self) {
        let health = SharedHealth {
            line: match self.desk.line() {
                Line::Apart { .. } | Line::Connecting => LineState::Apart,
                Line::Doubted { .. } => LineState::Doubted,
                Line::Settling => LineState::Settling,
                Line::Good => LineState::Good,
            },
            fault: self.desk.fault().map(|words| format!("{} {words}", self.settings.address)),
            owed: self.desk.owed(),
            took: self.desk.took(),
            clock_ahead_us: self.desk.ahead_us(),
            counts: self.desk.counts(),
            file_fault: self.kept.fault.clone(),
        };
        *self.common.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

async fn opened(opening: &mut Option<Opening>) -> Result<Link, LinkFault> {
    match opening {
        Some(opening) => opening.await,
        None => core::future::pending().await,
    }
}

async fn read(reader: Option<&mut Reader>, chunk: &mut [u8]) -> io::Result<usize> {
    match reader {
        Some(reader) => reader.read(chunk).await,
        None => core::future::pending().await,
    }
}

async fn write(writer: Option<(&mut Writer, &[u8], bool)>) -> io::Result<usize> {
    match writer {
        Some((writer, [], true)) => writer.flush().await.map(|()| 0),
        Some((_, [], false)) | None => core::future::pending().await,
        Some((writer, out, _)) => match writer.write(out).await {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            wrote => wrote,
        },
    }
}

async fn passed(deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline).await,
        None => core::future::pending().await,
    }
}
