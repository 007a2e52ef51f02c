//! Carries out what the heart orders: each order becomes a task that ends in an event, or is done at once.

use super::{App, Event};
use crate::acting::{Act, act};
use crate::client::{self, Ask};
use crate::clock;
use crate::heart::fault::{Fault, Stage};
use crate::heart::notice::Notice;
use crate::heart::order::{Order, TargetIndex};
use crate::heart::peer::PeerState;
use crate::heart::time::Now;
use crate::heart::{Input, Save};
use crate::probe::{self, stream};
use crate::tell;
use failstop_notify::{Key, Reported};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::task::{AbortHandle, spawn_local};

/// Time for an answer of the peer.
const PEER: Duration = Duration::from_secs(3);

/// A notice that the notifier refused is told again after so long, milliseconds.
const TELL_AGAIN_MS: u64 = 5_000;

/// A step of a ladder that was asked of somebody else.
#[derive(Debug)]
pub(super) struct AskedStep {
    target: TargetIndex,
    ticket: u64,
    task: AbortHandle,
}

impl App {
    /// One turn: what changed is durable first, then the orders.
    pub(super) fn turn(&mut self, now: Now) {
        let turn = self.heart.turn();
        match turn.save {
            Save::First => self.save(now),
            Save::Soon => self.unsaved = true,
            Save::Not => {}
        }
        self.call_off();
        for order in turn.orders {
            self.carry_out(now, order);
        }
    }

    /// Makes durable what the heart remembers.
    pub(super) fn save(&mut self, now: Now) {
        let stored = self.heart.stored(clock::mark(now, &self.boot_id));
        match self.state.save(&stored) {
            Ok(()) => (self.save_trouble, self.unsaved) = (None, false),
            // People are told all the same: a disk that is full must not silence the watchdog.
            Err(error) => {
                let text = error.to_string();
                if self.save_trouble.as_ref() != Some(&text) {
                    self.log.warn(now.wall, &text);
                }
                self.save_trouble = Some(text);
            }
        }
    }

    /// Gives up what was asked of others for a step that its ladder no longer stands on. A request that waits for a connection would
    /// otherwise arrive when the connection is there again, and end an engine that is well.
    fn call_off(&mut self) {
        let heart = &self.heart;
        self.asked.retain(|asked| {
            let wanted = heart.stands_on(asked.target) == Some(asked.ticket);
            if !wanted {
                asked.task.abort();
            }
            wanted
        });
    }

    fn carry_out(&mut self, now: Now, order: Order) {
        match order {
            Order::Note(text) => self.log.info(now.wall, &text),
            Order::Tell(notice) => self.tell(now, &notice),
            Order::HandOver { key } => self.hand_over(now, key),
            Order::Probe { target, ticket, timeout_ms } => self.probe(target, ticket, timeout_ms),
            Order::OpenStream { target } => self.open_stream(target),
            Order::LookAround { ticket, need, timeout_ms } => self.look_around(ticket, need, timeout_ms),
            Order::AskPeer { ticket } => self.ask_peer(ticket),
            Order::PingOutside => self.ping_outside(now),
            Order::Compare { target, shown } => self.compare(now, target, shown),
            Order::Act { target, ticket, step, expected_epoch, reason, until } => {
                let Some(watched) = self.watched.get(target) else { return };
                let within = Duration::from_millis(until.since(now.boot));
                let order = Act { target: watched.name.clone(), step, expected_epoch, reason, within };
                let (means, events) = (Rc::clone(&watched.means), self.events.clone());
                let asks = means.asks(step);
                let task = spawn_local(async move {
                    let outcome = act(&means, &order).await;
                    send(&events, Event::Fact(Input::Stepped { target, ticket, outcome })).await;
                });
                // A program of this host is not torn off in the middle of what it does.
                if asks {
                    self.asked.push(AskedStep { target, ticket, task: task.abort_handle() });
                }
            }
        }
    }

    fn probe(&mut self, target: TargetIndex, ticket: u64, timeout_ms: u64) {
        let Some(watched) = self.watched.get_mut(target) else { return };
        self.meters.probes += 1;
        let (method, connection) = (Rc::clone(&watched.method), watched.connection.take());
        let (tls, events) = (Rc::clone(&self.tls), self.events.clone());
        spawn_local(async move {
            let (probed, connection) = probe::probe(&method, connection, &tls, timeout_ms).await;
            let input = Input::Probed { target, ticket, probed };
            send(&events, Event::Probed { target, connection, input }).await;
        });
    }

    fn open_stream(&mut self, target: TargetIndex) {
        let Some((endpoint, token)) = self.watched.get(target).and_then(|watched| watched.stream.clone()) else {
            return;
        };
        let (tls, events) = (Rc::clone(&self.tls), self.events.clone());
        spawn_local(async move {
            stream::follow(&endpoint, token.as_deref(), &tls, async |news| {
                let input = match news {
                    stream::News::Opened => Input::StreamOpened { target },
                    stream::News::Beat(beat) => Input::Beat { target, beat },
                    stream::News::Ended { offered, why } => Input::StreamEnded { target, offered, why },
                };
                send(&events, Event::Fact(input)).await
            })
            .await;
        });
    }

    fn look_around(&self, ticket: u64, need: usize, timeout_ms: u64) {
        let (references, events) = (Rc::clone(&self.references), self.events.clone());
        spawn_local(async move {
            let mut looks = tokio::task::JoinSet::new();
            for (host, port) in references.iter().cloned() {
                looks.spawn_local(async move {
                    let timeout = Duration::from_millis(timeout_ms);
                    matches!(tokio::time::timeout(timeout, client::reach(&host, port)).await, Ok(Ok(_)))
                });
            }
            let mut reached = 0;
            // One that is dead must not make everybody wait for its time-out.
            while reached < need
                && let Some(look) = looks.join_next().await
            {
                reached += usize::from(look.unwrap_or(false));
            }
            send(&events, Event::Fact(Input::Looked { ticket, reached })).await;
        });
    }

    fn ask_peer(&self, ticket: u64) {
        let Some(endpoint) = self.peer.clone() else { return };
        let (tls, events) = (Rc::clone(&self.tls), self.events.clone());
        spawn_local(async move {
            let asked = client::once(&endpoint, &tls, &Ask::get(), 16 * client::HEALTH_MAX, PEER).await;
            let answer = asked.and_then(|answer| match answer.status {
                200 => serde_json::from_slice::<PeerState>(&answer.body)
                    .map_err(|error| Fault::new(Stage::Body, error.to_string())),
                status => Err(Fault::new(Stage::Status, format!("HTTP {status}"))),
            });
            send(&events, Event::PeerAnswered { ticket, answer }).await;
        });
    }

    /// Hands a notice to the notifier. Its word that it is on disk comes back as an event.
    pub(super) fn tell(&mut self, now: Now, notice: &Notice) {
        let change = notice.change;
        self.log.info(now.wall, &format!("alert {change:?} {:?} {}: {}", notice.severity, notice.key, notice.title));
        self.meters.notices += 1;
        let told = match tell::notice(notice, &self.environment) {
            Ok(told) => told,
            Err(fault) => {
                self.log.warn(now.wall, &format!("{}: {fault}", notice.key));
                return;
            }
        };
        let events = self.events.clone();
        let key = notice.key.clone();
        match self.alerts.report(told) {
            Ok(reply) => drop(spawn_local(async move {
                let result = reply.answer().await.map_err(|refused| refused.to_string());
                send(&events, Event::Told { key, change, result }).await;
            })),
            Err(refused) => self.refused(now, &key, &refused.to_string()),
        }
    }

    /// Has the notifier let go of an incident that the other watchdog tells of.
    pub(super) fn hand_over(&mut self, now: Now, key: String) {
        let parsed = match Key::parse(&key) {
            Ok(parsed) => parsed,
            Err(fault) => {
                self.log.warn(now.wall, &format!("{key}: {fault}"));
                return;
            }
        };
        let events = self.events.clone();
        match self.alerts.hand_over(parsed) {
            Ok(reply) => drop(spawn_local(async move {
                // Without an answer the notifier has ended. The heart asks again at the peer's next answer.
                if reply.answer().await.is_ok() {
                    send(&events, Event::Fact(Input::HandedOver { key })).await;
                }
            })),
            Err(refused) => self.log.warn(now.wall, &format!("{key} was not handed over ({refused}): again soon")),
        }
    }

    pub(super) fn refused(&mut self, now: Now, key: &str, why: &str) {
        self.log.warn(now.wall, &format!("{key} was not taken ({why}): told again soon"));
        self.tell_again_at.get_or_insert(now.boot.plus(TELL_AGAIN_MS));
    }

    pub(super) fn told(
        &mut self,
        now: Now,
        key: String,
        change: crate::heart::notice::Change,
        result: Result<Reported, String>,
    ) -> Option<Input> {
        match result {
            Ok(
                Reported::Opened
                | Reported::HeldBack
                | Reported::Unrouted
                | Reported::Sent
                | Reported::Duplicate
                | Reported::Cooling
                | Reported::Resolved
                | Reported::Unknown
                | Reported::Over,
            ) => Some(Input::Recorded { key, change }),
            Ok(Reported::Full) => {
                self.refused(now, &key, "too many incidents are open");
                None
            }
            Err(why) => {
                self.refused(now, &key, &why);
                None
            }
        }
    }
}

/// Hands an event to the loop; `false` where the loop has ended.
pub(super) async fn send(events: &Sender<Event>, event: Event) -> bool {
    events.send(event).await.is_ok()
}
