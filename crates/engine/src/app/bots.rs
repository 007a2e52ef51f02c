//! What bots say on the bot socket, and what they are told.

use super::engine::Engine;
use crate::doors::bot::{
    Answer, BotEvent, BotRequest, Connection, ConnectionId, FeedClock, Meaning, meaning, mode_on_wire,
    permission_on_wire, places_of_each, rights_on_wire,
};
use crate::masking;
use crate::process::tree::TreeId;
use crate::status::words;
use failstop_client::wire::{self, Code, HaltNote, Push, Reply};
use failstop_core::{Ask, Input, Resource, Scope, Sign, Slot};
use std::collections::{BTreeMap, BTreeSet};

/// A client of the bot socket.
struct Client {
    connection: Connection,
    /// Which start of which component it belongs to; `None` for everybody else.
    tree: Option<TreeId>,
}

/// Everybody on the bot socket.
#[derive(Default)]
pub struct Bots {
    clients: BTreeMap<ConnectionId, Client>,
    feeds: FeedClock,
    /// What each slot was told last, so that only changes are pushed.
    told: BTreeMap<Option<Slot>, Push>,
}

impl Bots {
    /// How many connections the component of this tree holds, over all its starts; or what is no component's.
    fn connections_of(&self, tree: Option<TreeId>) -> usize {
        let slot = tree.map(|tree| tree.slot);
        self.clients.values().filter(|client| client.tree.map(|tree| tree.slot) == slot).count()
    }
}

impl Engine {
    /// Something happened on the bot socket.
    pub(super) fn bot(&mut self, event: BotEvent) {
        match event {
            BotEvent::Opened(connection) => {
                let tree = self.trees.tree_of(connection.peer().pid);
                let places = places_of_each(self.config.components.len());
                if self.bots.connections_of(tree) >= places {
                    let who = tree.and_then(|tree| self.name_of(tree.slot));
                    let who = who.map_or("what is no component's".to_owned(), |name| format!("component {name}"));
                    let error = format!("{who} has {places} connections open, which is its share: close some");
                    connection.turn_away(Code::TooManyConnections, error);
                    return;
                }
                self.bots.clients.insert(connection.id(), Client { connection, tree });
            }
            BotEvent::Closed(id) => {
                self.bots.clients.remove(&id);
            }
            BotEvent::Request(request) => self.bot_request(*request),
        }
    }

    fn bot_request(&mut self, request: BotRequest) {
        let BotRequest { connection, message, answer, .. } = request;
        let tree = self.bots.clients.get(&connection).and_then(|client| client.tree);
        if tree.is_none() && !matches!(message, wire::Message::Hello(_) | wire::Message::Permission) {
            self.meters.bot_message(false);
            let why = "only processes of a component of this system are listened to; start it as one";
            answer.refuse(Code::NotAComponent, why);
            return;
        }
        if let (wire::Message::Tick(tick), Some(tree)) = (&message, tree)
            && !self.core.watches_feed(&tick.feed)
        {
            // Refused before it could move a feed's clock; that it came is a sign of life, and that nobody watches it counts.
            let sign = Sign::Tick { feed: tick.feed.clone(), fresh: true };
            self.meters.bot_message(false);
            self.sign(tree, sign, answer);
            return;
        }
        let meaning = match meaning(message, &mut self.bots.feeds, crate::clock::wall()) {
            Ok(meaning) => meaning,
            Err(refusal) => {
                self.meters.bot_message(false);
                answer.give(&refusal);
                return;
            }
        };
        let taken = match (meaning, tree) {
            (Meaning::Hello(_), tree) => {
                self.greet(tree, answer);
                self.push_standing_maintenance(connection);
                true
            }
            (Meaning::Permission, tree) => {
                self.tell_permission(tree, answer);
                true
            }
            (Meaning::Sign(sign), Some(tree)) => self.sign(tree, sign, answer),
            (Meaning::Metric(metric), Some(tree)) => {
                let now = crate::clock::now();
                let taken = self.facts.custom.report(&metric.name, metric.value, now);
                if taken {
                    self.chart(|history| history.note_of_bot(now, &metric.name, metric.value));
                    self.note_figure(now, tree.slot, &metric);
                    answer.done();
                } else {
                    let why = "too many different metrics are reported already, or `[metrics]` has this name for another source";
                    answer.refuse(Code::BadField, why);
                }
                taken
            }
            (Meaning::Event(event), Some(_)) => {
                let payload = masking::owned(serde_json::Value::Object(event.data).to_string());
                self.ledger.event(event.kind, payload, answer);
                true
            }
            (Meaning::Books(message), Some(tree)) => self.booked_by_bot(tree, *message, answer),
            (Meaning::Snapshot(request), Some(tree)) => self.snapshot_for_bot(tree, request.reason, answer),
            (Meaning::Gate(message), Some(tree)) => self.gate_message(tree, *message, answer),
            // Refused above, before it could move a feed's clock.
            (
                Meaning::Sign(_)
                | Meaning::Metric(_)
                | Meaning::Event(_)
                | Meaning::Books(_)
                | Meaning::Snapshot(_)
                | Meaning::Gate(_),
                None,
            ) => false,
        };
        self.meters.bot_message(taken);
    }

    /// Takes a component's sign and answers it; whether it was taken whole.
    fn sign(&mut self, tree: TreeId, sign: Sign, answer: Answer) -> bool {
        let refusal = self.core.refusal(tree.slot, &sign);
        self.feed(Input::Sign { slot: tree.slot, instance: tree.instance, sign });
        match refusal {
            None => {
                answer.done();
                true
            }
            Some(why) => {
                answer.refuse(Code::BadField, why);
                false
            }
        }
    }

    fn greet(&self, tree: Option<TreeId>, answer: Answer) {
        answer.give(&Reply::Hello(Box::new(wire::HelloAnswer {
            system: self.mark.name.clone(),
            component: tree.and_then(|tree| self.name_of(tree.slot)).map(str::to_owned),
            slot: tree.and_then(|tree| u8::try_from(tree.slot.number()).ok()),
            epoch: self.epoch.0,
            permission: permission_on_wire(self.core.permission()),
            mode: mode_on_wire(self.core.mode()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })));
    }

    fn tell_permission(&self, tree: Option<TreeId>, answer: Answer) {
        let slot = tree.map_or(Slot::SYSTEM, |tree| tree.slot);
        let page = self.core.page();
        let rights = page.and_then(|page| page.rights.get(slot.number())).copied().unwrap_or_default();
        answer.give(&Reply::Permission(wire::PermissionAnswer {
            permission: permission_on_wire(self.core.permission()),
            mode: mode_on_wire(self.core.mode()),
            rights: rights_on_wire(rights),
            epoch: self.epoch.0,
            permit_deadline: page.map(|page| page.deadline.as_micros()),
        }));
    }

    /// Pushes the permission to everybody whose view of it changed.
    pub(super) fn push_permission(&mut self) {
        if self.bots.clients.is_empty() {
            return;
        }
        let slots: BTreeSet<Option<Slot>> =
            self.bots.clients.values().map(|client| client.tree.map(|tree| tree.slot)).collect();
        for slot in slots {
            let push = self.permission_for(slot);
            if self.bots.told.get(&slot) == Some(&push) {
                continue;
            }
            for client in self.bots.clients.values().filter(|client| client.tree.map(|tree| tree.slot) == slot) {
                client.connection.push(&push);
            }
            self.bots.told.insert(slot, push);
        }
    }

    fn permission_for(&self, slot: Option<Slot>) -> Push {
        let name = slot.and_then(|slot| self.name_of(slot));
        let halts = self
            .core
            .halts()
            .map(|(halt, _)| halt)
            .filter(|halt| match halt.scope {
                Scope::System => true,
                Scope::Component => name.is_some() && halt.component.as_ref().map(|one| one.0.as_str()) == name,
            })
            .map(|halt| HaltNote {
                id: format!("h-{}", halt.id.0),
                cause: words::cause(halt.cause).to_owned(),
                cap: permission_on_wire(halt.cap),
                latched: halt.latched,
            })
            .collect();
        Push::Permission {
            permission: permission_on_wire(self.core.permission()),
            mode: mode_on_wire(self.core.mode()),
            halts,
        }
    }

    /// Tells every component's clients that maintenance begins, for so long, or is over: they may tell their users.
    pub(super) fn push_maintenance(&self, reason: &str, span_ms: Option<u64>) {
        let until = span_ms.map(|span| {
            let end = crate::clock::wall().saturating_add(core::time::Duration::from_millis(span));
            crate::clock::rfc3339(end.unwrap_or(jiff::Timestamp::MAX))
        });
        let push = Push::Maintenance { reason: reason.to_owned(), until };
        for client in self.bots.clients.values().filter(|client| client.tree.is_some()) {
            client.connection.push(&push);
        }
    }

    /// Tells a client that has just said who it is of the window that stands, if one does.
    fn push_standing_maintenance(&self, connection: ConnectionId) {
        let client = self.bots.clients.get(&connection).filter(|client| client.tree.is_some());
        if let (Some(client), Some(window)) = (client, self.standing_maintenance()) {
            client.connection.push(&Push::Maintenance { reason: window.reason, until: Some(window.until) });
        }
    }

    /// Tells a component's clients that it is being stopped.
    pub(super) fn push_stop(&self, slot: Slot, reason: &str) {
        let grace = slot.index().and_then(|index| self.config.components.get(index)).map(|one| one.stop_grace);
        let grace_ms = grace.map_or(0, |grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
        let push = Push::Stop { reason: reason.to_owned(), grace_ms };
        for client in self.bots.clients.values().filter(|client| client.tree.is_some_and(|tree| tree.slot == slot)) {
            client.connection.push(&push);
        }
    }

    /// Asks a component's clients to give back what it uses too much of. One that does not listen misses it.
    pub(super) fn push_ask(&self, tree: TreeId, ask: &Ask) {
        let push = match ask.resource {
            Resource::Cpu => Push::ReduceLoad {
                reason: ask.reason.clone(),
                used_percent: ask.used.div_ceil(100),
                limit_percent: ask.limit.div_ceil(100),
            },
            Resource::Memory | Resource::Processes | Resource::Files => Push::Reclaim {
                reason: ask.reason.clone(),
                resource: ask.resource.name().to_owned(),
                used: ask.used,
                limit: ask.limit,
            },
        };
        for client in self.bots.clients.values().filter(|client| client.tree == Some(tree)) {
            client.connection.push(&push);
        }
    }
}
