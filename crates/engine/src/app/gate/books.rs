//! What goes into the books and concerns the gate as well: trades, positions, equity, what became of orders. The gate is told first and
//! its record stands before that of the books: should only the gate's reach the disk, the bot says it again, and the gate knows it.

use super::super::engine::Engine;
use super::super::journal::Teller;
use super::GateWaiter;
use crate::clock;
use crate::doors::bot::Answer;
use crate::gate::{Desk, bearer, charged, side_of};
use failstop_amount::Amount;
use failstop_client::wire::{self, Booked, Code, Reply};
use failstop_core::Monotonic;
use failstop_core::gate::{Fact, FactError, Fill, GateRecord, Outcome, Side};
use failstop_journal::ledger::{self, Entry};

impl Engine {
    /// A bot says something for the books that is the gate's alone: a trade on paper, the equity where no capital is kept. Gives the
    /// message and the answer back where it is the books' business.
    pub(in crate::app) fn of_the_gate_alone(
        &mut self,
        message: wire::Message,
        answer: Answer,
    ) -> Result<bool, Box<(wire::Message, Answer)>> {
        let now = clock::now();
        let keeps_capital = self.config.books.keeps_capital();
        let already = Booked { seq: self.head.0, already: true };
        let Some(desk) = &mut self.desk else { return Err(Box::new((message, answer))) };
        desk.said_of_position = None;
        let taken = match &message {
            wire::Message::Fill(fill) => {
                let Some(client_id) = &fill.client_id else { return Err(Box::new((message, answer))) };
                let side = side_of(fill.side);
                if !desk.gate.is_paper(client_id, &fill.account, &fill.instrument, side) {
                    return Err(Box::new((message, answer)));
                }
                if desk.gate.open_order(client_id).is_none() {
                    // It was filled on paper, or is over: nothing more comes of it.
                    answer.give(&Reply::Booked(already));
                    return Ok(true);
                }
                desk.gate.take(
                    now,
                    Fact::Fill(Fill {
                        id: &fill.reference,
                        order: Some(client_id),
                        account: &fill.account,
                        instrument: &fill.instrument,
                        side,
                        quantity: &fill.quantity,
                        price: &fill.price,
                        fee: None,
                        paper: true,
                    }),
                )
            }
            wire::Message::Capital(capital) if !keeps_capital && capital.asset == desk.terms.money => {
                desk.gate.take(now, Fact::Equity { account: &capital.account, equity: &capital.total, paper: false })
            }
            wire::Message::Position(position) => {
                desk.said_of_position = Some((position.entry.clone(), position.leverage.clone()));
                return Err(Box::new((message, answer)));
            }
            _ => return Err(Box::new((message, answer))),
        };
        match taken {
            Ok(taken) => {
                match taken.records.split_last() {
                    Some(records) => self.record_all(records, GateWaiter::Booked(answer)),
                    None => answer.give(&Reply::Booked(already)),
                }
                self.results_may_have_changed(now, true);
                Ok(true)
            }
            Err(FactError::FillRepeated) => {
                answer.give(&Reply::Booked(already));
                Ok(true)
            }
            Err(error) => {
                answer.refuse(Code::BadField, error.to_string());
                Ok(false)
            }
        }
    }

    /// An entry was judged to be new and is about to be recorded: what it means for the gate.
    pub(in crate::app) fn tell_gate(&mut self, entry: &Entry) {
        let now = clock::now();
        let Some(desk) = &mut self.desk else { return };
        let said = desk.said_of_position.take().unwrap_or_default();
        let scale = desk.gate.policy().money;
        let taken = match entry {
            Entry::Fill(fill) => desk.gate.take(
                now,
                Fact::Fill(Fill {
                    id: &fill.id,
                    order: fill.order.as_deref(),
                    account: &fill.account,
                    instrument: &fill.instrument,
                    side: booked_side(fill.side),
                    quantity: &fill.quantity,
                    price: &fill.price,
                    fee: charged(&fill.legs, &desk.terms.money, scale).map(|fee| fee.to_string()).as_deref(),
                    paper: false,
                }),
            ),
            Entry::Posted(posted) => {
                let money = &desk.terms.money;
                let charged = charged(&posted.legs, money, scale).and_then(|paid| paid.units().checked_neg());
                let (Some(came_in), Some(account)) = (charged, bearer(&posted.legs, money)) else { return };
                let amount = Amount::from_units(came_in, scale).to_string();
                desk.gate.take(now, Fact::Result { account, amount: &amount, paper: false })
            }
            Entry::Position(position) => desk.gate.take(
                now,
                Fact::Position {
                    account: &position.account,
                    instrument: &position.instrument,
                    quantity: &position.quantity,
                    entry: said.0.as_deref(),
                    leverage: said.1.as_deref(),
                    paper: false,
                },
            ),
            Entry::Capital(capital) if capital.asset == desk.terms.money => {
                desk.gate.take(now, Fact::Equity { account: &capital.account, equity: &capital.total, paper: false })
            }
            Entry::OrderOutcome(said) => {
                desk.gate.take(now, Fact::Outcome { client_id: &said.id, outcome: outcome_of(said.outcome) })
            }
            Entry::OrderResolved(said) => {
                desk.gate.take(now, Fact::Outcome { client_id: &said.id, outcome: outcome_of(said.outcome) })
            }
            Entry::Statement(statement) => {
                let mut all = failstop_core::gate::Taken::default();
                for stated in &statement.positions {
                    let fact = Fact::Position {
                        account: &statement.account,
                        instrument: &stated.instrument,
                        quantity: &stated.quantity,
                        entry: None,
                        leverage: None,
                        paper: false,
                    };
                    match desk.gate.take(now, fact) {
                        Ok(taken) => all.records.extend(taken.records),
                        Err(error) => {
                            tracing::warn!(%error, "the gate does not take a stated position");
                            all.records.extend(unknown(desk, now, &statement.account, &stated.instrument));
                        }
                    }
                }
                Ok(all)
            }
            Entry::Asset(_)
            | Entry::Account(_)
            | Entry::Pool(_)
            | Entry::Instrument(_)
            | Entry::Capital(_)
            | Entry::Refused(_)
            | Entry::Strategy(_)
            | Entry::Moved(_)
            | Entry::OrderIntent(_)
            | Entry::SnapshotTaken(_)
            | Entry::SnapshotRetired(_) => return,
        };
        match taken {
            Ok(taken) => {
                self.record_taken(taken);
                self.results_may_have_changed(now, true);
            }
            // Told before, and lost on its way into the books.
            Err(FactError::FillRepeated) => {}
            Err(error) => {
                // What it knew of the position is not true any more.
                let place = if let Entry::Fill(fill) = entry {
                    Some((&fill.account, &fill.instrument))
                } else if let Entry::Position(position) = entry {
                    Some((&position.account, &position.instrument))
                } else {
                    None
                };
                let records = place.map(|(account, instrument)| unknown(desk, now, account, instrument));
                records.iter().flatten().for_each(|record| self.record_gate(record));
                let text = format!("the gate does not take a {} that the books take: {error}", entry.kind());
                self.say("gate", &text);
            }
        }
    }

    /// As [`Engine::booked_by_bot`], for an entry that is made already.
    pub(super) fn book_for(&mut self, entry: Entry, component: &str, answer: Answer) -> bool {
        self.book(entry, Some(component), Teller::Bot(answer))
    }
}

/// Tells the gate that a position is unknown; nothing where it knows no such account or instrument, and so no position.
fn unknown(desk: &mut Desk, now: Monotonic, account: &str, instrument: &str) -> Vec<GateRecord> {
    desk.gate.take(now, Fact::PositionUnknown { account, instrument }).map(|taken| taken.records).unwrap_or_default()
}

const fn booked_side(side: ledger::Side) -> Side {
    match side {
        ledger::Side::Buy => Side::Buy,
        ledger::Side::Sell => Side::Sell,
    }
}

pub(super) const fn outcome_of(outcome: ledger::Outcome) -> Outcome {
    match outcome {
        ledger::Outcome::Accepted => Outcome::Accepted,
        ledger::Outcome::Filled => Outcome::Filled,
        ledger::Outcome::Cancelled => Outcome::Cancelled,
        ledger::Outcome::Rejected => Outcome::Rejected,
        ledger::Outcome::Expired => Outcome::Expired,
        ledger::Outcome::NotSent => Outcome::NotSent,
        ledger::Outcome::Unknown => Outcome::Unknown,
    }
}
