//! What operators and doors ask of the engine: status and metrics at once, orders through the core, resumption after checks.

use super::diagnosis::Purpose;
use super::engine::Engine;
use super::gate::Sharing;
use crate::access::own_words;
use crate::alerts::Concern;
use crate::clock::{self};
use crate::command::{self, Command, Request};
use crate::limits::processes::Membership;
use crate::masking;
use crate::metrics::{Format as MetricsFormat, HealthCheck, render};
use crate::reloading::By;
use crate::status::build;
use failstop_core::{Cause, Input, Order, RequestId, Trigger};

impl Engine {
    pub(super) fn command(&mut self, request: Request) {
        let overtaken = request.is_overtaken(&self.engagements);
        let (mut command, reply) = request.into_parts();
        if let Some(words) = own_words(&mut command) {
            *words = masking::owned(std::mem::take(words));
        }
        let reply = self.audit(&command, reply);
        if overtaken {
            let why =
                "the kill switch was engaged since this was asked for: look again, and ask again if you still mean it";
            let _ = reply.send(command::Answer::Refused(vec![why.to_owned()]));
            return;
        }
        match command {
            Command::Status => {
                let status = Box::new(self.status());
                // Whoever asked may have gone; then nobody wants it.
                let _ = reply.send(command::Answer::Status(status));
            }
            Command::Metrics { openmetrics } => {
                let format = if openmetrics { MetricsFormat::OpenMetrics } else { MetricsFormat::Text };
                let status = self.status();
                let text = render(format, &status, &self.meters, self.facts.own());
                let _ = reply.send(command::Answer::Metrics(text));
            }
            Command::History(span) => {
                let _ = reply.send(command::Answer::History(Box::new(self.history_of(span))));
            }
            Command::Processes => {
                let _ = reply.send(command::Answer::Processes(Box::new(self.membership())));
            }
            Command::Alerts => {
                let _ = reply.send(command::Answer::Alerts(Box::new(self.alert_list())));
            }
            Command::Orders => {
                let _ = reply.send(command::Answer::Orders(Box::new(self.open_orders())));
            }
            Command::Book { what, by } => self.booked_by_operator(what, &by.to_string(), reply),
            Command::Gate { what, by } => self.gate_by_operator(what, &by.to_string(), reply),
            Command::AcknowledgeAlert { id, by } => self.acknowledge_alert(&id, &by.to_string(), reply),
            Command::TestAlerts { channel, by: _ } => self.test_alerts(channel.as_deref(), reply),
            Command::ResetBreaker { by } => self.reset_breaker(&by.to_string(), reply),
            Command::Config => {
                let _ = reply.send(command::Answer::InForce(Box::new(self.config_in_force())));
            }
            Command::CompareConfig { by: _ } => self.compare_configuration(reply),
            Command::ReloadConfig { set, by } => {
                self.read_configuration(By::User(by.to_string()), set, Some(reply));
            }
            Command::Beat => {
                let beat = self.beat();
                self.send_beat(&beat);
                let _ = reply.send(command::Answer::Beat(Box::new(beat)));
            }
            Command::End { kind, expected_epoch, reason, by } => {
                self.end_on_request(kind, expected_epoch, reason, &by, reply);
            }
            Command::TurnedAway(turned_away) => {
                self.turned_away(&turned_away);
                let _ = reply.send(command::Answer::Done);
            }
            Command::Hearing { fault } => {
                self.concern(Concern::Telegram, fault);
                let _ = reply.send(command::Answer::Done);
            }
            Command::Operate { order, reason, by } => {
                let request = RequestId(self.next_request);
                self.next_request += 1;
                self.requests.retain(|_, waiting| !waiting.is_closed());
                self.requests.insert(request, reply);
                self.operate(order, by.to_string(), reason, request);
            }
        }
    }

    /// An operator's order. One that would lift an integrity halt waits for the checks to be made anew.
    fn operate(&mut self, order: Order, by: String, reason: String, request: RequestId) {
        if order == Order::KillSwitchEngage {
            self.leave_what_loosens();
        }
        if order == Order::KillSwitchRelease
            && let Some(why) = self.emergency_stands()
        {
            self.answer(request, Err(vec![why]));
            return;
        }
        let checks_first = match order {
            Order::Resume(_) | Order::KillSwitchRelease => self.core.halts().any(|(halt, _)| {
                matches!(halt.cause, Cause::Integrity | Cause::Environment) || halt.trigger == Some(Trigger::Capital)
            }),
            Order::KillSwitchEngage
            | Order::Mode(_)
            | Order::MaintenanceOn { .. }
            | Order::MaintenanceOff
            | Order::StopComponent(_)
            | Order::StartComponent(_)
            | Order::RestartComponent(_)
            | Order::ReloadComponent(_) => false,
        };
        if checks_first {
            self.resumes.push((order, by, reason, request));
            self.diagnosis.start(Purpose::Resume);
        } else {
            self.feed(Input::Operator { request, by, reason, order });
        }
    }

    /// The kill switch was engaged. What was to loosen once checks have been made, and what is still to be confirmed at a door, was meant
    /// before that.
    pub(super) fn leave_what_loosens(&mut self) {
        self.engagements.one_more();
        for (_, _, _, request) in std::mem::take(&mut self.resumes) {
            let why =
                "the kill switch was engaged while checks were made: look again, and ask again if you still mean it";
            self.answer(request, Err(vec![why.to_owned()]));
        }
    }

    /// The answer to an operator's order.
    pub(super) fn answer(&mut self, request: RequestId, outcome: Result<(), Vec<String>>) {
        if let Some(reply) = self.requests.remove(&request) {
            let answer = match outcome {
                Ok(()) => command::Answer::Done,
                Err(refusals) => command::Answer::Refused(refusals),
            };
            let _ = reply.send(answer);
        }
    }

    /// Which processes there are. What each uses is read beside the loop.
    fn membership(&self) -> Membership {
        let components = self.blueprints.iter().filter_map(|blueprint| {
            let tree = self.trees.of_slot(blueprint.slot)?;
            let main = self.trees.main_processes().find(|(id, _)| *id == tree).map(|(_, main)| main.pid);
            let first = self.trees.first_processes().filter(|(id, _)| *id == tree).map(|(_, first)| first);
            Some((blueprint.name.clone(), main, self.trees.members(tree).into_iter().chain(first).collect()))
        });
        let engine = i32::try_from(std::process::id()).unwrap_or_default();
        Membership { components: components.collect(), failstop: vec![self.side.guard_pid, engine] }
    }

    fn host_facts(&self) -> crate::status::HostFacts {
        let facts = self.facts.host_facts(self.head.0, self.head.1.to_string(), self.alerts.summary());
        let paper = self.core.mode() == failstop_core::Mode::Dry;
        crate::status::HostFacts {
            announced: self.ending.announced().cloned(),
            books: self.books_summary(),
            gate: self.desk.as_ref().map(|desk| failstop_client::gate::GateStatus {
                shared_rates: self.sharing.as_ref().map(Sharing::entry),
                polls: self.polls.health().map(crate::gate::poll).collect(),
                ..crate::gate::status(desk, clock::now(), paper)
            }),
            verified: self.verifier.last().cloned(),
            breaker: self.breaker_summary(),
            config: self.config_summary(),
            emergency: self.emergencies.summary(),
            custom: self.custom_summary(),
            footprint: self.footprint_summary(),
            ..facts
        }
    }

    fn status(&mut self) -> failstop_client::status::Status {
        let now = clock::now();
        let status = build(&self.core, now, &self.host_facts());
        let verdict = self.core.health(now).status;
        self.meters.health_check(HealthCheck::Verdict(verdict), clock::now().since(now));
        status
    }
}
