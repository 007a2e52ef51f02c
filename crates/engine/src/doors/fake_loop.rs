//! For the doors' tests: a loop that answers over the real queue, and a plain-text HTTP exchange over any stream.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use crate::command::{Answer, COMMAND_QUEUE, Command, CommandSender, Request};
use crate::metrics::{Format, Meters, render};
use crate::status::tests::status;
use failstop_client::alerts::{AlertAcknowledgement, AlertEntry, AlertList, AlertTest, AlertTests};
use failstop_client::status::Status;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

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
}

/// A running fake loop. Ends when the last sender is dropped.
pub struct FakeLoop {
    pub commands: CommandSender,
    pub orders: mpsc::Receiver<String>,
    pub questions: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    _thread: JoinHandle<()>,
}

impl FakeLoop {
    pub fn start(does: Does) -> Self {
        let (commands, mut requests) = tokio::sync::mpsc::channel::<Request>(COMMAND_QUEUE);
        let (told, orders) = mpsc::channel();
        let questions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let asked = questions.clone();
        let thread = std::thread::spawn(move || {
            let mut kept: Vec<oneshot::Sender<Answer>> = Vec::new();
            let current = match &does {
                Does::Answers(status) => status.clone(),
                Does::Counts | Does::Refuses(_) | Does::Hangs => Box::new(status()),
            };
            while let Some(Request { command, reply }) = requests.blocking_recv() {
                if matches!(does, Does::Hangs) {
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
                    Command::Alerts => Answer::Alerts(Box::new(alert_list())),
                    Command::AcknowledgeAlert { id, peer } => {
                        let _ = told.send(format!("AcknowledgeAlert {id:?} uid {}", peer.uid));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs => Answer::Done,
                        }
                    }
                    Command::TestAlerts { channel } => {
                        let _ = told.send(format!("TestAlerts {channel:?}"));
                        Answer::Tested(alert_tests())
                    }
                    Command::Operate { order, reason, peer } => {
                        let _ = told.send(format!("{order:?} {reason:?} uid {}", peer.uid));
                        match &does {
                            Does::Refuses(reasons) => Answer::Refused(reasons.clone()),
                            Does::Answers(_) | Does::Counts | Does::Hangs => Answer::Done,
                        }
                    }
                    Command::Stop => {
                        let _ = told.send("Stop".to_owned());
                        Answer::Done
                    }
                };
                let _ = reply.send(answer);
            }
        });
        Self { commands, orders, questions, _thread: thread }
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
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
}

/// A POST of JSON that asks the other side to close afterwards.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
