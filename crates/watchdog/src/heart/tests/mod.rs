//! The heart in a small world: targets that answer as they are told, reference addresses, clocks that jump. Time is a number.

mod asking;
mod checkins;
mod clocks;
mod crash;
mod judging;
mod peers;
mod restarts;
mod sight;
mod stopping;
mod stream;
mod windows;

use super::Save;
use super::checkin::Signal;
use super::fault::{Fault, Stage};
use super::notice::{Change, Notice, Severity};
use super::order::Order;
use super::progress::ProgressSettings;
use super::reading::Beat;
use super::settings::{CheckInSettings, Judging, Settings, StreamSettings, TargetSettings};
use super::stored::{Clock, Stored};
use super::target::Probed;
use super::time::Jump;
use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Where wall time stands when the worlds begin.
const WALL: i64 = 1_794_274_387_000;

/// How a target answers.
#[derive(Clone, Debug)]
enum Answers {
    /// Healthy, fresh, with progress.
    Well,
    /// Says of itself that it is degraded.
    Degraded,
    /// A body as it is.
    Body(u16, String),
    /// Refuses the connection.
    Refuses,
    /// Does not answer: the whole time-out passes.
    Silent,
}

struct World {
    heart: Heart,
    now: Now,
    started_boot: Boot,
    /// What will be handed in, and when; the second number keeps the order.
    due: BTreeMap<(Boot, u64), Input>,
    count: u64,
    answers: Vec<Answers>,
    epochs: Vec<u64>,
    kill_switch: bool,
    /// What health answers say under `announced`, as JSON.
    announced: String,
    /// What they say under `maintenance`, as JSON.
    maintenance: String,
    references_up: usize,
    /// How long a look around takes, milliseconds.
    look_ms: u64,
    told: Vec<Notice>,
    /// What its notifier goes on about.
    reminds: BTreeSet<String>,
    acts: Vec<(TargetIndex, steps::Step, Option<u64>, u64)>,
    notes: Vec<String>,
    probes: Vec<(TargetIndex, Boot)>,
    peers_asked: Vec<u64>,
    streams_asked: usize,
    compared: Vec<order::Shown>,
    saved: Stored,
}

fn target(name: &str) -> TargetSettings {
    TargetSettings {
        name: name.to_owned(),
        place: format!("http://{name}:8080/health"),
        judging: Judging::Health,
        interval_ms: 60_000,
        timeout_ms: 10_000,
        failures: 3,
        window: 3,
        settle_ms: 60_000,
        degraded_is_failure: false,
        severity: Severity::Critical,
        progress: ProgressSettings {
            answer_max_age_ms: 300_000,
            journal_still_ms: Some(180_000),
            data_still_ms: None,
            nonce_required: false,
        },
        flap: flap::FlapSettings::default(),
        stream: None,
        ladder: None,
    }
}

const STREAM: StreamSettings = StreamSettings { beat_max_age_ms: 1500, confirm_timeout_ms: 800, confirm_gap_ms: 200 };

fn settings(targets: Vec<TargetSettings>) -> Settings {
    Settings {
        name: "wd1".to_owned(),
        targets,
        checkins: Vec::new(),
        eyes: eyes::EyesSettings::default(),
        peer: None,
        outside_every_ms: None,
    }
}

impl World {
    fn new(settings: Settings) -> Self {
        Self::resumed(settings, Stored::default(), None, Now { boot: Boot(1_000_000), wall: Wall(WALL) })
    }

    fn resumed(settings: Settings, stored: Stored, was: Option<Was>, now: Now) -> Self {
        let count = settings.targets.len();
        let references = settings.eyes.references;
        let mut world = Self {
            heart: Heart::new(settings, stored, was, now),
            now,
            started_boot: now.boot,
            due: BTreeMap::new(),
            count: 0,
            answers: vec![Answers::Well; count],
            epochs: vec![3; count],
            kill_switch: false,
            announced: "null".to_owned(),
            maintenance: "null".to_owned(),
            references_up: references,
            look_ms: 20,
            told: Vec::new(),
            reminds: BTreeSet::new(),
            acts: Vec::new(),
            notes: Vec::new(),
            probes: Vec::new(),
            peers_asked: Vec::new(),
            streams_asked: 0,
            compared: Vec::new(),
            saved: Stored::default(),
        };
        world.carry_out();
        world
    }

    fn clock(&self) -> Clock {
        Clock { boot_id: "b".to_owned(), boot: self.now.boot, wall: self.now.wall }
    }

    fn push(&mut self, after_ms: u64, input: Input) {
        self.count += 1;
        self.due.insert((self.now.boot.plus(after_ms), self.count), input);
    }

    fn hand(&mut self, input: Input) {
        self.heart.handle(self.now, input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let turn = self.heart.turn();
        if turn.save > Save::Not {
            self.saved = self.heart.stored(self.clock());
        }
        for order in turn.orders {
            match order {
                Order::Probe { target, ticket, timeout_ms } => {
                    self.probes.push((target, self.now.boot));
                    let (after, probed) = self.answer(target, timeout_ms);
                    self.push(after, Input::Probed { target, ticket, probed });
                }
                Order::OpenStream { .. } => self.streams_asked += 1,
                Order::LookAround { ticket, timeout_ms, .. } => {
                    let reached = self.references_up;
                    let after = if reached == 0 { timeout_ms } else { self.look_ms };
                    self.push(after, Input::Looked { ticket, reached });
                }
                Order::AskPeer { ticket } => self.peers_asked.push(ticket),
                Order::PingOutside => {}
                Order::Act { target, ticket, step, expected_epoch, .. } => {
                    self.acts.push((target, step, expected_epoch, ticket));
                }
                Order::Compare { shown, .. } => self.compared.push(shown),
                Order::Tell(notice) => {
                    let recorded = Input::Recorded { key: notice.key.clone(), change: notice.change };
                    match notice.change {
                        Change::Trigger | Change::Update => self.reminds.insert(notice.key.clone()),
                        Change::Resolve => self.reminds.remove(&notice.key),
                    };
                    self.told.push(notice);
                    self.push(0, recorded);
                }
                Order::HandOver { key } => {
                    self.reminds.remove(&key);
                    self.push(0, Input::HandedOver { key });
                }
                Order::Note(text) => self.notes.push(text),
            }
        }
    }

    /// What a target answers, and after how long. Answers are made when they are asked for, as by a server.
    fn answer(&self, target: TargetIndex, timeout_ms: u64) -> (u64, Probed) {
        let at = self.now.wall.text();
        let body = |status: &str| {
            format!(
                r#"{{"status":"{status}","reasons":["because"],"timestamp":"{at}","epoch":{},"kill_switch":{},
                "announced":{},"maintenance":{},"journal":{{"jid":"j","seq":{},"head":"h{}"}}}}"#,
                self.epochs[target],
                self.kill_switch,
                self.announced,
                self.maintenance,
                self.now.boot.0 / 1000,
                self.now.boot.0 / 1000
            )
        };
        let answer = |status, body: String| Probed::Answer { status, body: body.into_bytes(), nonce: "n".to_owned() };
        match &self.answers[target] {
            Answers::Well => (5, answer(200, body("healthy"))),
            Answers::Degraded => (5, answer(200, body("degraded"))),
            Answers::Body(status, text) => (5, answer(*status, text.clone())),
            Answers::Refuses => (1, Probed::Failed(Fault::new(Stage::Connect, "connection refused"))),
            Answers::Silent => {
                (timeout_ms, Probed::Failed(Fault::new(Stage::TimeOut, format!("no answer within {timeout_ms} ms"))))
            }
        }
    }

    /// Lets so much time pass, event by event.
    fn run(&mut self, ms: u64) {
        let end = self.now.boot.plus(ms);
        loop {
            let input = self.due.keys().next().map(|(at, _)| *at);
            let tick = self.heart.next();
            let Some(at) = [input, tick].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.advance(at);
            if input.is_some_and(|at| at <= self.now.boot) {
                let Some((_, input)) = self.due.pop_first() else { break };
                self.hand(input);
            } else {
                self.hand(Input::Tick);
            }
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Boot) {
        let by = to.since(self.now.boot);
        self.now = Now { boot: self.now.boot.plus(by), wall: self.now.wall.plus(by) };
    }

    fn changes(&self) -> Vec<(String, Change)> {
        self.told.iter().map(|notice| (notice.key.clone(), notice.change)).collect()
    }

    fn triggers(&self) -> Vec<String> {
        self.told.iter().filter(|notice| notice.change == Change::Trigger).map(|notice| notice.key.clone()).collect()
    }

    fn state(&self, target: usize) -> String {
        self.heart.view(self.now).targets[target].state.clone()
    }

    /// From now on health answers announce this end, which takes so long.
    fn announces(&mut self, kind: &str, for_ms: u64, by: &str) {
        let until = self.now.wall.plus(for_ms).text();
        self.announced = format!(r#"{{"kind":"{kind}","until":"{until}","by":"{by}","reason":"r"}}"#);
    }

    /// From now on health answers say that the engine has a maintenance window of this length.
    fn maintains(&mut self, for_ms: u64) {
        let until = self.now.wall.plus(for_ms).text();
        self.maintenance = format!(r#"{{"until":"{until}","by":"ana","reason":"new disk","keep_trading":true}}"#);
    }

    fn since_start(&self, at: Boot) -> u64 {
        at.since(self.started_boot)
    }
}
