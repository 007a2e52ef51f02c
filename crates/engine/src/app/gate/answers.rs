//! Whoever waits until what the gate recorded is durable, and what they are told then. An order that was allowed is looked at once
//! more: what tightened meanwhile counts, and it comes to nothing.

use super::super::engine::Engine;
use super::super::journal::Teller;
use crate::clock;
use crate::doors::bot::Answer;
use failstop_client::wire::{self, Booked, Decision, Mode, PaperFill, RateDecision, Reason, Reply};
use failstop_core::gate::{Code, GateTicket, Outcome};
use failstop_core::{Monotonic, Rights, Slot};
use failstop_journal::ledger::{self, Entry, OrderOutcome};

/// An order that was allowed and is not answered yet.
#[derive(Debug)]
pub struct PendingOrder {
    /// Whoever asks.
    pub answer: Answer,
    /// Their slot.
    pub slot: Slot,
    /// The order.
    pub client_id: String,
    /// Whether it stays on paper.
    pub paper: bool,
    /// Whether it reduces.
    pub reduces: bool,
    /// How it was filled on paper.
    pub fill: Option<PaperFill>,
    /// When it was asked.
    pub asked: Monotonic,
    /// The number of its intent among what was handed to the recorder.
    pub intent: u64,
}

/// Who waits for a record of the gate's.
#[derive(Debug)]
pub enum GateWaiter {
    /// Nobody.
    Nobody,
    /// Nobody yet: it is the intent of an order that a later record is of, too. Where it stands is told with that.
    Intent,
    /// A bot that asked for an order. Answered by the loop, which looks at the permission again.
    Order(Box<PendingOrder>),
    /// A bot that said something.
    Booked(Answer),
    /// A bot that asked the limiter.
    Rate(Answer, RateDecision),
    /// Whoever wanted something that is in force already.
    Told(Teller),
    /// Something loosens: the gate is told, then whoever wanted it.
    Loosening(GateTicket, Teller),
}

impl GateWaiter {
    /// Tells whoever waits that it will never be durable.
    pub fn refused(self, why: &str) {
        match self {
            Self::Nobody | Self::Intent => {}
            Self::Order(pending) => pending.answer.refuse(wire::Code::NotDurable, why),
            Self::Booked(answer) | Self::Rate(answer, _) => answer.refuse(wire::Code::NotDurable, why),
            Self::Told(teller) | Self::Loosening(_, teller) => teller.refused(wire::Code::NotDurable, why),
        }
    }

    /// Answers those who need nothing but to know it; gives back the others.
    pub fn settle(self, seq: u64) -> Option<Self> {
        match self {
            Self::Nobody | Self::Intent => None,
            Self::Booked(answer) => {
                answer.give(&Reply::Booked(Booked { seq, already: false }));
                None
            }
            Self::Rate(answer, decision) => {
                answer.give(&Reply::Rate(decision));
                None
            }
            Self::Told(teller) => {
                teller.booked(seq, false);
                None
            }
            waits @ (Self::Order(_) | Self::Loosening(..)) => Some(waits),
        }
    }
}

impl Engine {
    /// Records of the gate's are durable that somebody waits for: with the number of the intent, or of the record.
    pub(in crate::app) fn gate_settled(&mut self, settled: Vec<(GateWaiter, u64)>) {
        for (waiter, seq) in settled {
            match waiter {
                GateWaiter::Order(pending) => self.finish_order(*pending, seq),
                GateWaiter::Loosening(ticket, teller) => {
                    if let Some(desk) = &mut self.desk {
                        desk.durable(clock::now(), ticket);
                    }
                    teller.booked(seq, false);
                }
                GateWaiter::Nobody
                | GateWaiter::Intent
                | GateWaiter::Booked(_)
                | GateWaiter::Rate(..)
                | GateWaiter::Told(_) => {}
            }
        }
    }

    /// Answers an order that was allowed, by what is permitted now.
    pub(in crate::app) fn finish_order(&mut self, pending: PendingOrder, intent_seq: u64) {
        let now = clock::now();
        let PendingOrder { answer, slot, client_id, paper, reduces, fill, asked, intent: _ } = pending;
        let rights = self.rights_now(slot, now);
        let mode = if paper { Mode::Dry } else { Mode::Live };
        let is_open = self.desk.as_ref().is_some_and(|desk| desk.gate.open_order(&client_id).is_some());
        let reason = match denied(rights, reduces) {
            // What was filled on paper has happened; it harms nobody.
            _ if paper => None,
            Some(code) => Some((code, format!("{code}: {} {}", code.meaning(), code.next()))),
            None if is_open => None,
            None => Some((Code::Duplicate, format!("{}: {OVER_MEANWHILE}", Code::Duplicate))),
        };
        let decision = match reason {
            None => Decision {
                allow: true,
                mode,
                reasons: Vec::new(),
                // Without a page there is no deadline ahead, and the client refuses by itself.
                permit_deadline: Some(self.core.page().map_or(now, |page| page.deadline).as_micros()),
                intent_seq: Some(intent_seq),
                epoch: Some(self.epoch.0),
                paper_fill: fill,
            },
            Some((code, error)) => {
                self.undo(&client_id);
                let reasons = vec![Reason { code: code.code().to_owned(), error }];
                self.refused(mode, reasons, Some(intent_seq))
            }
        };
        self.answer_order(decision, asked, answer);
    }

    /// The answer to an order that is not allowed.
    pub(super) const fn refused(&self, mode: Mode, reasons: Vec<Reason>, intent_seq: Option<u64>) -> Decision {
        let epoch = Some(self.epoch.0);
        Decision { allow: false, mode, reasons, permit_deadline: None, intent_seq, epoch, paper_fill: None }
    }

    /// Answers an order.
    pub(super) fn answer_order(&mut self, decision: Decision, asked: Monotonic, answer: Answer) {
        answer.give(&Reply::Decision(Box::new(decision)));
        self.meters.gate_decision(clock::now().since(asked));
    }

    /// An order that was allowed and must not leave any more: it was never sent. Whoever waited too long, or an operator, may have said
    /// so already.
    fn undo(&mut self, client_id: &str) {
        self.gate_outcome(client_id, Outcome::NotSent);
        let entry = Entry::OrderOutcome(OrderOutcome {
            id: client_id.to_owned(),
            outcome: ledger::Outcome::NotSent,
            venue_id: None,
            component: None,
            reason: Some("the permission fell before it was answered".to_owned()),
        });
        self.ledger.book_if_new(&entry);
    }
}

/// Why an order is refused of which somebody said an end before it was answered.
const OVER_MEANWHILE: &str = "this order was said to be over before it was answered, and counts no more: it may not be sent. \
                              Ask again under a new client id.";

/// Why an order to the exchange may not go out by these rights any more.
fn denied(rights: Rights, reduces: bool) -> Option<Code> {
    match (rights.revoked, if reduces { rights.reduce } else { rights.open }, rights.live) {
        (true, _, _) => Some(Code::KillSwitch),
        (false, false, _) if rights.reduce => Some(Code::ReduceOnly),
        (false, false, _) => Some(Code::Halted),
        (false, true, false) => Some(Code::DryMode),
        (false, true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tightened_meanwhile_counts() {
        let all = Rights { open: true, reduce: true, live: true, revoked: false };
        assert_eq!(denied(all, false), None);
        assert_eq!(denied(all, true), None);
        let reduce = Rights { open: false, ..all };
        assert_eq!((denied(reduce, false), denied(reduce, true)), (Some(Code::ReduceOnly), None));
        assert_eq!(denied(Rights { live: false, ..all }, false), Some(Code::DryMode));
        assert_eq!(denied(Rights::NONE, true), Some(Code::Halted));
        assert_eq!(denied(Rights { revoked: true, ..all }, true), Some(Code::KillSwitch));
    }
}
