//! What operators may ask of the gate: another value for a limit for a while, the end of one, the confirmation of one order. What
//! tightens is in force at once; what loosens, and every confirmation, once its record is durable.

use super::super::engine::Engine;
use super::super::journal::Teller;
use super::{GateWaiter, NO_GATE};
use crate::clock;
use crate::command::{Answer as DoorAnswer, GateOrder, ReplyTo, override_name};
use failstop_core::gate::{Fact, Taken};

impl Engine {
    /// An operator's word to the gate.
    pub(in crate::app) fn gate_by_operator(&mut self, what: GateOrder, who: &str, reply: ReplyTo) {
        let now = clock::now();
        if let Some(why) = self.takes_nothing() {
            drop(reply.send(DoorAnswer::Refused(vec![why.to_owned()])));
            return;
        }
        let Some(desk) = &mut self.desk else {
            drop(reply.send(DoorAnswer::Refused(vec![NO_GATE.to_owned()])));
            return;
        };
        let taken = match &what {
            GateOrder::Override { limit, scope, of, value, span, reason } => {
                let name = override_name(*limit, *scope, of.as_deref());
                let fact = Fact::Override {
                    name: &name,
                    by: who,
                    reason,
                    limit: *limit,
                    scope: *scope,
                    of: of.as_deref(),
                    value,
                    span: *span,
                };
                desk.take(now, fact)
            }
            GateOrder::EndOverride { name } => desk.take(now, Fact::EndOverride { name, by: who }),
            GateOrder::Confirm { client_id } => desk.take(now, Fact::Confirm { client_id, by: who }),
        };
        match taken {
            Ok(Taken { records, waits, given_back: _, counted: _ }) => {
                let Some(records) = records.split_last() else {
                    drop(reply.send(DoorAnswer::Done));
                    return;
                };
                let teller = Teller::Operator(reply);
                let waiter = match waits {
                    Some(ticket) => GateWaiter::Loosening(ticket, teller),
                    None => GateWaiter::Told(teller),
                };
                self.record_all(records, waiter);
            }
            Err(error) => drop(reply.send(DoorAnswer::Refused(vec![error.to_string()]))),
        }
    }
}
