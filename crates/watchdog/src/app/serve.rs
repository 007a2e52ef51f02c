//! The listeners' tasks: each request becomes an event, its answer comes back on a channel of its own.

use super::carry_out::send;
use super::{App, Event};
use crate::doors::server::{self, Asked, Reply};
use crate::doors::{control, routes};
use crate::heart::time::Now;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc::Sender, oneshot};

/// After an accept that failed (no descriptors), wait so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

fn ask(
    events: Sender<Event>,
    event: impl FnOnce(oneshot::Sender<Reply>) -> Event,
) -> impl Future<Output = Reply> + 'static {
    let (reply, answer) = oneshot::channel();
    let event = event(reply);
    async move {
        if !send(&events, event).await {
            return Reply::error(503, "the watchdog stops");
        }
        answer.await.unwrap_or_else(|_| Reply::error(503, "the watchdog stops"))
    }
}

pub(super) async fn serve(listener: TcpListener, events: Sender<Event>) {
    let places = server::places();
    let handle = Rc::new(move |asked: Asked| ask(events.clone(), |reply| Event::Asked { asked, reply }));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(server::serve(stream, None, place, Rc::clone(&handle)))),
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

pub(super) async fn serve_control(listener: UnixListener, events: Sender<Event>) {
    let places = server::places();
    let handle = Rc::new(move |asked: Asked| ask(events.clone(), |reply| Event::Commanded { asked, reply }));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                drop(tokio::task::spawn_local(server::serve(stream, user, place, Rc::clone(&handle))));
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

impl App {
    /// An answer on the watchdog's address.
    pub(super) fn answer(&mut self, now: Now, asked: &Asked) -> Reply {
        let reply = match routes::route(asked) {
            Err(reply) => reply,
            Ok(routes::Route::Page) => self.page(now),
            Ok(routes::Route::Status) => Reply::json(200, &self.status(now)),
            Ok(routes::Route::Health) => self.health(now),
            Ok(routes::Route::Metrics) => self.metrics(now),
            Ok(routes::Route::Peer) => Reply::json(200, &self.heart.for_peer(self.health_reasons(now).is_empty())),
            Ok(routes::Route::Witness { origin }) => self.witness(origin),
            Ok(routes::Route::Ping { name, signal }) => self.ping(now, asked, name, signal),
        };
        self.turn(now);
        reply
    }

    fn ping(&mut self, now: Now, asked: &Asked, name: &str, signal: crate::heart::checkin::Signal) -> Reply {
        let Some(checkin) = self.heart.checkin_named(name) else {
            return Reply::error(404, "there is no such check-in: see [[checkin]] in the watchdog's configuration");
        };
        if let Some(token) = self.checkin_tokens.get(name)
            && !same(token.as_bytes(), asked.query("token").unwrap_or_default().as_bytes())
        {
            return Reply::error(403, "this check-in wants its ?token=...");
        }
        let run = asked.query("rid").unwrap_or_default().chars().take(64).collect();
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        self.meters.pings += 1;
        self.heart.handle(now, crate::heart::Input::Signal { checkin, signal, run, text });
        // On disk before it is answered: a job that heard OK does not ping again.
        self.turn(now);
        match &self.save_trouble {
            None => Reply::text(200, "OK\n"),
            Some(why) => Reply::error(507, format!("heard, and not on disk: {why}")),
        }
    }

    fn witness(&self, origin: &str) -> Reply {
        let store =
            self.watched.iter().find(|watched| watched.name == origin).and_then(|watched| watched.witness.as_ref());
        match store {
            Some(witness) => Reply::json(200, &crate::witness::export::Export::of(&self.name, &witness.store)),
            None => Reply::error(404, "no journal of this name is remembered here"),
        }
    }

    fn status(&self, now: Now) -> serde_json::Value {
        let mut status = serde_json::to_value(self.heart.view(now)).unwrap_or_default();
        if let Some(object) = status.as_object_mut() {
            let alerts = self.alerts.status();
            object.insert("channels".to_owned(), serde_json::to_value(&alerts.channels).unwrap_or_default());
            object.insert("open_incidents".to_owned(), alerts.open.into());
        }
        status
    }

    fn health(&self, now: Now) -> Reply {
        let reasons = self.health_reasons(now);
        let status = if reasons.is_empty() { "healthy" } else { "critical" };
        let health = super::Health {
            status,
            timestamp: now.wall.text(),
            name: self.name.clone(),
            acting: self.heart.is_acting(),
            reasons,
        };
        Reply::json(if health.reasons.is_empty() { 200 } else { 503 }, &health)
    }

    fn metrics(&self, now: Now) -> Reply {
        let text = crate::doors::metrics::render(&self.heart.view(now), &self.alerts.status(), &self.meters);
        Reply { content_type: "text/plain; version=0.0.4; charset=utf-8", ..Reply::text(200, text) }
    }

    fn page(&self, now: Now) -> Reply {
        let text = crate::doors::page::render(&self.heart.view(now), &self.health_reasons(now));
        Reply { content_type: "text/html; charset=utf-8", ..Reply::text(200, text) }
    }

    /// A command on the control socket. Those that wait for the notifier answer from a task.
    pub(super) fn command(&mut self, now: Now, asked: &Asked, reply: oneshot::Sender<Reply>) {
        if let Err(refused) = control::may(asked.user) {
            let _ = reply.send(refused);
            return;
        }
        let by = control::name_of(asked.user);
        let answer = match control::parse(asked) {
            Err(refused) => refused,
            Ok(control::Command::Status) => Reply::json(200, &self.status(now)),
            Ok(control::Command::Alerts) => Reply::json(200, &*self.alerts.list()),
            Ok(control::Command::Release { target }) => self.release(now, &target, &by),
            Ok(control::Command::Resume { target }) => match self.heart.end_maintenance(now, &target, &by) {
                None => control::no_target(&target),
                Some(false) => Reply::error(409, format!("{target} is not silenced")),
                Some(true) => control::done(),
            },
            Ok(control::Command::Silence { target, for_seconds, reason }) => {
                if self.heart.silence(now, &target, &by, &reason, for_seconds.saturating_mul(1000)) {
                    control::done()
                } else {
                    control::no_target(&target)
                }
            }
            Ok(control::Command::Ack { key }) => {
                let waiting = failstop_notify::Key::parse(&key)
                    .map_err(|fault| fault.to_string())
                    .and_then(|key| self.alerts.acknowledge(key, by).map_err(|refused| refused.to_string()));
                control::answer_later(reply, waiting, move |acknowledged| control::acknowledged(&key, acknowledged));
                return;
            }
            Ok(control::Command::Test { channel }) => {
                let waiting = self.alerts.test(channel.as_deref()).map_err(|refused| refused.to_string());
                control::answer_later(reply, waiting, |tested| Reply::json(200, &tested));
                return;
            }
            Ok(control::Command::Drill { severity }) => {
                self.drill(now, severity, reply);
                return;
            }
        };
        self.turn(now);
        let _ = reply.send(answer);
    }

    fn release(&mut self, now: Now, target: &str, by: &str) -> Reply {
        let Some(released) = self.heart.release(now, target, by) else { return control::no_target(target) };
        let mut witness = false;
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.name == target)
            && let Some(held) = &mut watched.witness
            && held.store.memory().alarm.is_some()
        {
            // What was shown first: the other way round, a crash between the two would raise the alarm anew.
            if let Err(error) = self.shown.release(target).and_then(|()| held.store.release(by, now.wall)) {
                return Reply::error(500, error.to_string());
            }
            witness = true;
        }
        if released || witness {
            control::done()
        } else {
            Reply::error(409, format!("there is nothing to release about {target}"))
        }
    }
}

/// In a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
