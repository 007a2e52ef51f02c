//! How the engine ends on purpose: who may have it end, what is announced, who is told, and what its last word is. Beside
//! it the beats, by which those outside see that the loop runs and what it is about to do.
//!
//! `failstop run` never starts itself again. A restart is a stop that says so: it is announced as one, and the process ends
//! with a status by which whoever started it starts it anew.

use super::engine::Engine;
use crate::access::Access;
use crate::clock;
use crate::command::{Answer, ReplyTo};
use crate::config::Config;
use crate::doors::Pulse;
use crate::runtime_dir::EngineEnd;
use crate::status::words;
use core::time::Duration;
use failstop_client::status::{Announced, Beat, EndKind, Receipt};
use failstop_core::{Input, Mode, Permission};
use failstop_journal::Head;
use tokio::sync::watch;

/// What an end takes beyond the components' own time to stop: kills, the journal's last records, the doors.
const END_ALLOWANCE: Duration = Duration::from_secs(5);

/// What a restart takes beyond the end: whoever started it notices, and the new engine checks its journal.
const START_ALLOWANCE: Duration = Duration::from_secs(60);

/// The end that is coming, and the beats.
pub struct Ending {
    announced: Option<Announced>,
    recording: Recording,
    /// Who asked and waits until the announcement with this number is durable.
    waiting: Vec<(u64, EndKind, ReplyTo)>,
    beats: Option<watch::Sender<Option<Pulse>>>,
    /// What those who listen were told last, without the parts that change by themselves.
    told: Option<(Permission, Mode, bool, bool)>,
    stop_takes: Duration,
}

impl Ending {
    /// Nothing announced; beats go to `beats`.
    pub fn new(config: &Config, beats: watch::Sender<Option<Pulse>>) -> Self {
        let stop_takes = config.shutdown_within() + END_ALLOWANCE;
        let (announced, recording, waiting) = (None, Recording::Nothing, Vec::new());
        Self { announced, recording, waiting, beats: Some(beats), told: None, stop_takes }
    }

    /// An end takes so long by this configuration.
    pub fn adopt(&mut self, config: &Config) {
        self.stop_takes = config.shutdown_within() + END_ALLOWANCE;
    }

    /// The end that is coming.
    pub fn announced(&self) -> Option<&Announced> {
        self.announced.as_ref()
    }

    /// Everything up to the record with this number is durable, the last with `seq` and `head`: whoever waited has a
    /// receipt.
    pub fn settle(&mut self, number: u64, epoch: u64, seq: u64, head: &Head) {
        if matches!(self.recording, Recording::Under(waited) if waited <= number) {
            self.recording = Recording::Durable;
        }
        for (_, kind, reply) in self.waiting.extract_if(.., |(waited, _, _)| *waited <= number) {
            // Whoever asked may have gone.
            let _ = reply.send(Answer::Ending(receipt(kind, epoch, seq, head, true)));
        }
    }

    /// Nothing more becomes durable: it ends all the same, and the receipt says what is not recorded.
    pub fn fail(&mut self, epoch: u64, seq: u64, head: &Head) {
        if matches!(self.recording, Recording::Under(_)) {
            self.recording = Recording::Nothing;
        }
        for (_, kind, reply) in self.waiting.drain(..) {
            let _ = reply.send(Answer::Ending(receipt(kind, epoch, seq, head, false)));
        }
    }

    /// The streams of beats end.
    pub fn no_more_beats(&mut self) {
        self.beats = None;
    }
}

/// Whether the announcement is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recording {
    /// There is none, or it was not taken.
    Nothing,
    /// It is on its way to the disk, under this number.
    Under(u64),
    /// It is durable.
    Durable,
}

fn receipt(kind: EndKind, epoch: u64, seq: u64, head: &Head, recorded: bool) -> Receipt {
    let state = match kind {
        EndKind::Restart => "restarting",
        EndKind::Stop => "stopping",
    };
    Receipt { epoch, seq, head: head.to_string(), state: state.to_owned(), recorded }
}

/// How things stand when somebody asks for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stand {
    epoch: u64,
    kill_switch: bool,
    announced: Option<EndKind>,
}

/// Why an end is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    WrongEpoch,
    Because(&'static str),
}

/// Whether an end may be had. A stop always: it only tightens.
fn judge(kind: EndKind, expected_epoch: Option<u64>, stand: Stand) -> Result<(), Refusal> {
    if expected_epoch.is_some_and(|expected| expected != stand.epoch) {
        return Err(Refusal::WrongEpoch);
    }
    match (kind, stand.announced) {
        (EndKind::Stop, None | Some(EndKind::Restart | EndKind::Stop)) => Ok(()),
        (EndKind::Restart, None | Some(EndKind::Restart | EndKind::Stop)) if stand.kill_switch => {
            Err(Refusal::Because(
                "the kill switch is engaged: what a person stopped is started again by a person, after `failstop kill-switch release`",
            ))
        }
        (EndKind::Restart, Some(EndKind::Stop)) => Err(Refusal::Because(
            "it stops already, on purpose: start it with `failstop run` (or its service manager) once somebody wants it back",
        )),
        (EndKind::Restart, None | Some(EndKind::Restart)) => Ok(()),
    }
}

impl Engine {
    /// A door asks for an end.
    pub(super) fn end_on_request(
        &mut self,
        kind: EndKind,
        expected_epoch: Option<u64>,
        reason: String,
        by: &Access,
        reply: ReplyTo,
    ) {
        let stand = Stand {
            epoch: self.epoch.0,
            // The latch on disk may be newer than what the core was told.
            kill_switch: self.core.kill_switch() || self.probe.engaged(),
            announced: self.ending.announced().map(|announced| announced.kind),
        };
        match judge(kind, expected_epoch, stand) {
            Ok(()) => {}
            Err(refusal) => {
                let answer = match refusal {
                    Refusal::WrongEpoch => Answer::WrongEpoch { epoch: self.epoch.0 },
                    Refusal::Because(why) => Answer::Refused(vec![why.to_owned()]),
                };
                let _ = reply.send(answer);
                return;
            }
        }
        self.end(kind, &by.to_string(), &reason);
        let recorded = match self.ending.recording {
            Recording::Under(number) => return self.ending.waiting.push((number, kind, reply)),
            Recording::Durable => true,
            Recording::Nothing => false,
        };
        let _ = reply.send(Answer::Ending(receipt(kind, self.epoch.0, self.head.0, &self.head.1, recorded)));
    }

    /// Announces an end and begins it.
    pub(super) fn end(&mut self, kind: EndKind, by: &str, reason: &str) {
        match self.ending.announced().map(|announced| announced.kind) {
            // Said already; and nothing takes back a stop.
            Some(EndKind::Stop) => {}
            Some(EndKind::Restart) if kind == EndKind::Restart => {}
            Some(EndKind::Restart) | None => self.announce(kind, by, reason),
        }
        self.feed(Input::StopRequested);
    }

    fn announce(&mut self, kind: EndKind, by: &str, reason: &str) {
        let takes = match kind {
            EndKind::Stop => self.ending.stop_takes,
            EndKind::Restart => self.ending.stop_takes + START_ALLOWANCE,
        };
        let takes = takes + self.emergencies.may_take(clock::now());
        let now = clock::wall();
        let until = clock::rfc3339(now.saturating_add(takes).unwrap_or(now));
        let announced = Announced { kind, until, by: by.to_owned(), reason: reason.to_owned() };
        let note = serde_json::json!(announced);
        self.ending.announced = Some(announced);
        self.ending.recording = match self.ledger.note("x.failstop.end_announced", &note) {
            Ok(number) => Recording::Under(number),
            Err(error) => {
                self.say("journal", &format!("the announced {} could not be recorded: {error}", kind.word()));
                Recording::Nothing
            }
        };
        let beat = self.beat();
        self.send_beat(&beat);
        let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        self.say("engine", &format!("{} asked for by {by}{why}", kind.word()));
        let line = self.systemd.stopping(&format!("{} asked for by {by}", kind.word()));
        self.tell_systemd(line);
        self.ask_for_time();
    }

    /// Whether whoever started this engine is to start it again. An engagement of the kill switch since the announcement
    /// takes it back.
    pub(super) fn is_to_be_started_again(&self) -> bool {
        self.ending.announced().is_some_and(|announced| announced.kind == EndKind::Restart)
            && !self.core.kill_switch()
            && !self.probe.engaged()
    }

    /// How things stand now.
    pub(super) fn beat(&self) -> Beat {
        Beat {
            system: self.mark.name.clone(),
            epoch: self.epoch.0,
            seq: self.head.0,
            head: self.head.1.to_string(),
            jid: self.info.jid.clone(),
            permission: words::permission(self.core.permission()).to_owned(),
            status: words::health(self.core.health(clock::now()).status).to_owned(),
            mode: words::mode(self.core.mode()).to_owned(),
            kill_switch: self.core.kill_switch(),
            announced: self.ending.announced().cloned(),
            maintenance: self.standing_maintenance(),
            ended: false,
            at: clock::rfc3339(clock::wall()),
        }
    }

    /// Gives a beat to everybody who listens.
    pub(super) fn send_beat(&mut self, beat: &Beat) {
        self.ending.told = Some(self.told_in_beats());
        if let Some(beats) = &self.ending.beats {
            beats.send_replace(Some(Pulse::of(beat)));
        }
    }

    /// What of a beat does not change by itself.
    fn told_in_beats(&self) -> (Permission, Mode, bool, bool) {
        let maintained = self.core.maintenance().is_some();
        (self.core.permission(), self.core.mode(), self.core.kill_switch(), maintained)
    }

    /// A beat out of turn, where what people act on has changed: it must not wait for the next second.
    pub(super) fn beat_if_changed(&mut self) {
        let now = self.told_in_beats();
        if self.ending.told.is_some_and(|told| told != now) {
            let beat = self.beat();
            self.send_beat(&beat);
        }
    }

    /// Leaves word, for whoever may start it again, of an end that was announced: not all of them hear beats.
    pub(super) fn leave_last_word(&self) {
        let Some(announced) = self.ending.announced() else { return };
        let end = EngineEnd {
            mark: self.info.mark.clone(),
            epoch: self.epoch.0,
            kind: if self.is_to_be_started_again() { EndKind::Restart } else { EndKind::Stop },
            by: announced.by.clone(),
            reason: announced.reason.clone(),
            at: clock::rfc3339(clock::wall()),
            state_dir: self.info.state_dir.clone(),
        };
        if let Err(error) = end.publish(&self.info) {
            self.say(
                "engine",
                &format!(
                    "could not leave word of this end ({error}): a responder may take it for a death and start it"
                ),
            );
        }
    }

    /// The last word in beats: everything is down and the journal is sealed.
    pub(super) fn last_beat(&mut self) {
        let beat = Beat { ended: true, ..self.beat() };
        self.send_beat(&beat);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use tokio::sync::oneshot;

    fn stand(kill_switch: bool, announced: Option<EndKind>) -> Stand {
        Stand { epoch: 7, kill_switch, announced }
    }

    #[test]
    fn an_end_is_for_the_epoch_that_was_meant() {
        for kind in [EndKind::Stop, EndKind::Restart] {
            for (expected, outcome) in [
                (Some(7), Ok(())),
                (None, Ok(())),
                (Some(6), Err(Refusal::WrongEpoch)),
                (Some(8), Err(Refusal::WrongEpoch)),
            ] {
                assert_eq!(judge(kind, expected, stand(false, None)), outcome, "{kind:?} {expected:?}");
            }
        }
        // The epoch first: who asks about another one learns nothing else.
        assert_eq!(judge(EndKind::Restart, Some(6), stand(true, None)), Err(Refusal::WrongEpoch));
    }

    #[test]
    fn a_stop_is_always_had_and_a_restart_never_takes_one_back() {
        let announced = [None, Some(EndKind::Stop), Some(EndKind::Restart)];
        for kill_switch in [false, true] {
            for announced in announced {
                assert_eq!(judge(EndKind::Stop, Some(7), stand(kill_switch, announced)), Ok(()));
                let restart = judge(EndKind::Restart, Some(7), stand(kill_switch, announced));
                let may = !kill_switch && announced != Some(EndKind::Stop);
                assert_eq!(restart.is_ok(), may, "{kill_switch} {announced:?}");
                assert!(may || matches!(restart, Err(Refusal::Because(_))));
            }
        }
    }

    #[test]
    fn those_who_wait_get_their_receipt_when_their_record_is_durable_and_no_sooner() {
        let (beats, _listeners) = watch::channel(None);
        let mut ending = Ending {
            announced: None,
            recording: Recording::Under(3),
            waiting: Vec::new(),
            beats: Some(beats),
            told: None,
            stop_takes: Duration::ZERO,
        };
        let (early, mut at_once) = oneshot::channel();
        let (late, mut later) = oneshot::channel();
        ending.waiting = vec![(3, EndKind::Stop, early.into()), (5, EndKind::Restart, late.into())];
        let head = Head::genesis("demo", &failstop_journal::Jid::from_u128(1));
        ending.settle(4, 7, 90, &head);
        let Answer::Ending(receipt) = at_once.try_recv().unwrap() else { panic!("no receipt") };
        assert_eq!((receipt.epoch, receipt.seq, receipt.state.as_str(), receipt.recorded), (7, 90, "stopping", true));
        assert_eq!(receipt.head, head.to_string());
        assert!(later.try_recv().is_err());
        assert_eq!(ending.recording, Recording::Durable);
        ending.fail(7, 90, &head);
        let Answer::Ending(receipt) = later.try_recv().unwrap() else { panic!("no receipt") };
        assert_eq!((receipt.state.as_str(), receipt.recorded), ("restarting", false));
    }
}
