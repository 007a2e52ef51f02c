//! For the doors' tests: a loop that answers over the real queue, and a plain-text HTTP exchange over any stream.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::{Link, Pulse};
use crate::access::Access;
use crate::command::{
    Answer, BooksOrder, COMMAND_QUEUE, Command, CommandSender, Engagements, Principal, Request, TurnedAway,
};
use crate::history::{Extract, History, Own, Span};
use crate::limits::processes::Membership;
use crate::metrics::{Format, Meters, render};
use crate::status::tests::status;
use failstop_client::alerts::{AlertAcknowledgement, AlertEntry, AlertList, AlertTest, AlertTests};
use failstop_client::books::{Imported, OrderEntry, OrderList, SnapshotEntry};
use failstop_client::configuration::{Changed, Difference, InForce, Setting};
use failstop_client::status::{Beat, EndKind, Receipt, Status};
use failstop_core::Monotonic;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

/// What the fake loop does with a request.
pub enum Does {
    /// Answers a question about this status, and `Done` or what is given here to orders.
    Answers(Box<Status>),
    /// As `Answers`, and the status's epoch says how many questions were put before.
    Counts,
    /// Refuses every order with these reasons.
    Refuses(Vec<String>),
    /// Takes requests and never answers, keeping the way back open.
    Hangs,
    /// As `Answers`, but an operator's orders each once something comes here.
    Later(mpsc::Receiver<()>),
    /// Makes this many beats, and then hangs.
    Beats(u64),
}

/// A running fake loop. Ends when the last sender is dropped.
pub struct FakeLoop {
    pub commands: CommandSender,
    pub beats: watch::Receiver<Option<Pulse>>,
    /// Where the journal is looked for.
    pub state_dir: std::path::PathBuf,
    /// It refuses what was meant before one of these.
    pub engagements: Engagements,
    pub orders: mpsc::Receiver<String>,
    /// Whom a door turned away.
    pub turned: mpsc::Receiver<TurnedAway>,
    /// What the door of Telegram said of its way there.
    pub heard: mpsc::Receiver<Option<String>>,
    pub questions: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    _thread: JoinHandle<()>,
}

impl FakeLoop {
    pub fn start(does: Does) -> Self {
        let (commands, mut requests) = tokio::sync::mpsc::channel::<Request>(COMMAND_QUEUE);
        let (told, orders) = mpsc::channel();
        let (turn, turned) = mpsc::channel();
        let (hears, heard) = mpsc::channel();
        let (pulses, beats) = watch::channel(None);
        let questions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let asked = questions.clone();
        let engagements = Engagements::default();
        let engaged = engagements.clone();
        let thread = std::thread::spawn(move || {
            let mut kept: Vec<oneshot::Sender<Answer>> = Vec::new();
            let mut beaten = 0;
            let current = match &does {
                Does::Answers(status) => status.clone(),
                Does::Counts | Does::Refuses(_) | Does::Hangs | Does::Later(_) | Does::Beats(_) => Box::new(status()),
            };
            while let Some(request) = requests.blocking_recv() {
                let overtaken = request.is_overtaken(&engaged);
                let (command, reply) = request.into_parts();
                if overtaken {
                    let _ = reply.send(Answer::Refused(vec!["engaged since".to_owned()]));
                    continue;
                }
                if matches!(does, Does::Hangs) || matches!(does, Does::Beats(most) if beaten >= most) {
                    kept.push(reply);
                    continue;
                }
                let answer = match command {
                    Command::Status => {
                        let before = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        let mut status = current.clone();
                        if matches!(does, Does::Counts) {
                            status.epoch = before as u64;
                        }
                        Answer::Status(status)
                    }
                    Command::Metrics { openmetrics } => {
                        let format = if openmetrics { Format::OpenMetrics } else { Format::Text };
                        Answer::Metrics(render(format, &current, &Meters::new(), None))
                    }
                    Command::History(span) => Answer::History(Box::new(history(span))),
                    Command::Processes => Answer::Processes(Box::new(Membership {
                        components: vec![("bot".to_owned(), None, Vec::new())],
                        failstop: vec![i32::try_from(std::process::id()).unwrap_or_default()],
                    })),
                    Command::Alerts => Answer::Alerts(Box::new(alert_list())),
                    Command::Orders => Answer::Orders(Box::new(order_list())),
                    Command::Config => Answer::InForce(Box::new(in_force())),
                    Command::CompareConfig { by } => {
                        let _ = told.send(format!("CompareConfig {}", said(&by)));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs | Does::Later(_) | Does::Beats(_) => {
                                Answer::Config(Box::new(difference()))
                            }
                        }
                    }
                    Command::ReloadConfig { set, by } => {
                        let _ = told.send(format!("ReloadConfig {set:?} {}", said(&by)));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs | Does::Later(_) | Does::Beats(_) => {
                                Answer::Config(Box::new(difference()))
                            }
                        }
                    }
                    Command::Book { what, by } => {
                        let _ = told.send(format!("{what:?} {}", said(&by)));
                        match (&does, what) {
                            (Does::Refuses(reasons), _) => Answer::Refused(reasons.clone()),
                            (_, BooksOrder::TakeSnapshot { .. }) => Answer::Snapshot(Box::new(snapshot())),
                            (_, BooksOrder::Correct { .. }) => {
                                let corrected = vec!["USDT +5.00".to_owned()];
                                Answer::Imported(Imported { seq: 9, already: false, corrected })
                            }
                            (_, BooksOrder::ResolveOrder { .. } | BooksOrder::Statement(_)) => {
                                Answer::Imported(Imported { seq: 9, already: false, corrected: Vec::new() })
                            }
                        }
                    }
                    Command::Gate { what, by } => {
                        let _ = told.send(format!("{what:?} {}", said(&by)));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs | Does::Later(_) | Does::Beats(_) => {
                                Answer::Imported(Imported { seq: 9, already: false, corrected: Vec::new() })
                            }
                        }
                    }
                    Command::AcknowledgeAlert { id, by } => {
                        let _ = told.send(format!("AcknowledgeAlert {id:?} {}", said(&by)));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs | Does::Later(_) | Does::Beats(_) => {
                                Answer::Done
                            }
                        }
                    }
                    Command::ResetBreaker { by } => {
                        let _ = told.send(format!("ResetBreaker {}", said(&by)));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs | Does::Later(_) | Does::Beats(_) => {
                                Answer::Done
                            }
                        }
                    }
                    Command::TestAlerts { channel, by: _ } => {
                        let _ = told.send(format!("TestAlerts {channel:?}"));
                        Answer::Tested(alert_tests())
                    }
                    Command::Operate { order, reason, by } => {
                        let _ = told.send(format!("{order:?} {reason:?} {}", said(&by)));
                        match &does {
                            Does::Later(word) => {
                                let _ = word.recv();
                                Answer::Done
                            }
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs | Does::Beats(_) => Answer::Done,
                        }
                    }
                    Command::Beat => {
                        beaten += 1;
                        let beat = beat(&current, beaten);
                        pulses.send_replace(Some(Pulse::of(&beat)));
                        Answer::Beat(Box::new(beat))
                    }
                    Command::End { kind, expected_epoch, reason, by } => {
                        if expected_epoch.is_some_and(|epoch| epoch != current.epoch) {
                            Answer::WrongEpoch { epoch: current.epoch }
                        } else if let Does::Refuses(reasons) = &does {
                            Answer::Refused(reasons.clone())
                        } else {
                            let _ = told.send(format!("{kind:?} {reason:?} {}", said(&by)));
                            Answer::Ending(receipt(&current, kind))
                        }
                    }
                    Command::Hearing { fault } => {
                        let _ = hears.send(fault);
                        Answer::Done
                    }
                    Command::TurnedAway(turned_away) => {
                        let _ = turn.send(turned_away);
                        Answer::Done
                    }
                };
                let _ = reply.send(answer);
            }
        });
        Self {
            commands,
            beats,
            state_dir: "/nonexistent".into(),
            engagements,
            orders,
            turned,
            heard,
            questions,
            _thread: thread,
        }
    }

    /// How often it was asked how things stand.
    pub fn asked(&self) -> usize {
        self.questions.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// What the doors need of it.
    pub fn link(&self) -> Link {
        Link {
            commands: self.commands.clone(),
            beats: self.beats.clone(),
            state_dir: self.state_dir.clone(),
            engagements: self.engagements.clone(),
        }
    }
}

/// Two values that are in force.
pub fn in_force() -> InForce {
    let setting = |key: &str, value: &str, class: &str| Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        class: class.to_owned(),
    };
    InForce {
        file: "failstop.toml".to_owned(),
        sha256: "ab".repeat(32),
        since: "2026-11-03T21:04:00.000Z".to_owned(),
        values: vec![setting("health.errors_per_minute", "10", "live"), setting("system.mode", "\"dry\"", "critical")],
    }
}

/// A value that is another, and one that is new.
pub fn difference() -> Difference {
    let changed = |key: &str, from: Option<&str>, to: Option<&str>| Changed {
        key: key.to_owned(),
        class: "live".to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    Difference {
        sha256: "cd".repeat(32),
        changes: vec![
            changed("health.errors_per_minute", Some("10"), Some("7")),
            changed("component.bot.progress_within", None, Some("\"5m\"")),
        ],
    }
}

/// Who gave an order, the same on every host.
fn said(by: &Access) -> String {
    match &by.who.principal {
        Principal::User(user) => format!("uid {}", user.uid),
        other @ (Principal::Key(_) | Principal::Token(_) | Principal::Certificate(_) | Principal::Telegram(_)) => {
            other.to_string()
        }
    }
}

/// Gives those questions their answers that `gives` says, and the others none. On the runtime's own thread, for clocks that a
/// test moves.
pub async fn answering(mut asked: tokio::sync::mpsc::Receiver<Request>, mut gives: impl FnMut(&Command) -> bool) {
    while let Some((command, reply)) = asked.recv().await.map(Request::into_parts) {
        if !gives(&command) {
            continue;
        }
        let answer = match command {
            Command::Status => Answer::Status(Box::new(status())),
            Command::Alerts => Answer::Alerts(Box::new(alert_list())),
            Command::History(span) => Answer::History(Box::new(history(span))),
            other => panic!("nobody asks this here: {other:?}"),
        };
        let _ = reply.send(answer);
    }
}

/// A history with a figure of the engine's and one of a bot's.
fn history(span: Span) -> Extract {
    let now = Monotonic::from_nanos(1_000_000_000_000);
    let mut history = History::new(now);
    history.look(now, [(Own::Permission, 1.0), (Own::Memory, 1e9)]);
    history.note_of_bot(now, "daily_pnl", -12.5);
    history.extract(span, now, jiff::Timestamp::now(), 1)
}

/// The beat of a status; its sequence number says how many were made before.
pub fn beat(status: &Status, seq: u64) -> Beat {
    Beat {
        system: status.system.clone(),
        epoch: status.epoch,
        seq,
        head: status.journal.head.clone(),
        jid: status.journal.jid.clone(),
        permission: status.permission.clone(),
        status: status.health.status.clone(),
        mode: status.mode.clone(),
        kill_switch: status.kill_switch,
        announced: status.announced.clone(),
        maintenance: status.maintenance.clone(),
        ended: false,
        at: status.timestamp.clone(),
    }
}

fn receipt(status: &Status, kind: EndKind) -> Receipt {
    let state = if kind == EndKind::Stop { "stopping" } else { "restarting" };
    let (seq, head) = (status.journal.seq, status.journal.head.clone());
    Receipt { epoch: status.epoch, seq, head, state: state.to_owned(), recorded: true }
}

/// One order with everything in it, and one with nothing.
pub fn order_list() -> OrderList {
    let since = "2026-11-03T21:04:00.000Z".to_owned();
    let whole = OrderEntry {
        id: "o-1".to_owned(),
        doubt: Some("engine-gone".to_owned()),
        component: Some("bot".to_owned()),
        account: Some("kraken".to_owned()),
        instrument: Some("BTC/USDT".to_owned()),
        side: Some("buy".to_owned()),
        quantity: Some("0.5".to_owned()),
        price: Some("64000".to_owned()),
        outcome: Some("unknown".to_owned()),
        venue_id: Some("V-1".to_owned()),
        seq: 31,
        epoch: 7,
        since: since.clone(),
    };
    let bare = OrderEntry { id: "o-2".to_owned(), seq: 32, epoch: 7, since: since.clone(), ..OrderEntry::default() };
    OrderList { orders: vec![whole, bare], in_doubt: 1, timestamp: since }
}

/// A daily snapshot.
pub fn snapshot() -> SnapshotEntry {
    SnapshotEntry {
        seq: 31,
        sha256: "ab".repeat(32),
        file: "s-0000000000000031.ndjson".to_owned(),
        day: Some("2026-11-02".to_owned()),
        recorded: 33,
        taken: "2026-11-03T00:00:00.100Z".to_owned(),
    }
}

/// An incident with everything in it.
pub fn alert_list() -> AlertList {
    let at = "2026-11-03T21:04:00.000Z".to_owned();
    let entry = AlertEntry {
        id: "demo/hung/bot/7-31".to_owned(),
        severity: "critical".to_owned(),
        system: "demo".to_owned(),
        environment: "staging".to_owned(),
        drill: false,
        cause: "hung".to_owned(),
        component: Some("bot".to_owned()),
        title: "demo: bot hangs, trading is halted".to_owned(),
        message: "At 21:04:00Z: no beat within 2 min.".to_owned(),
        root_cause: Some("no beat within 2 min".to_owned()),
        recommended_action: Some("failstop resume".to_owned()),
        runbook: Some("docs/runbooks/hung.md".to_owned()),
        metadata: vec![("halt".to_owned(), "h-31".to_owned())],
        trace_id: Some("7-31".to_owned()),
        opened_at: at.clone(),
        resolved_at: None,
        acknowledged: Some(AlertAcknowledgement { by: "ana (1000)".to_owned(), at: at.clone() }),
        held_back: false,
        delivered_to: vec!["telegram".to_owned()],
        waiting_for: vec!["slack".to_owned()],
    };
    AlertList { alerts: vec![entry], timestamp: at }
}

fn alert_tests() -> AlertTests {
    let test = |channel: &str, outcome: &str, error: Option<&str>| AlertTest {
        channel: channel.to_owned(),
        destination: None,
        outcome: outcome.to_owned(),
        error: error.map(str::to_owned),
    };
    AlertTests { tests: vec![test("telegram", "accepted", None), test("slack", "failed", Some("503"))] }
}

/// An HTTP answer in pieces.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// Sends `request` as it is (the peer may hang up before it is all sent) and reads until the other side closes.
pub fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Reply {
    let _ = stream.write_all(request);
    reply(stream)
}

/// Reads until the other side closes.
pub fn reply(mut stream: impl Read) -> Reply {
    let mut text = Vec::new();
    let mut piece = [0u8; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(&piece[..read]),
        }
    }
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Reply { code, head: head.to_owned(), body: body.to_owned() }
}

/// A GET that asks the other side to close afterwards.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\n\r\n").into_bytes()
}

/// A POST of JSON that asks the other side to close afterwards.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: failstop\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
