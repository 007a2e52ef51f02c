//! The journal gives back what it kept: the same changes of the same memory as when the facts came.

use crate::gate::Gate;
use crate::gate::fact::{FactError, What};
use crate::gate::memory::{FillRead, PositionRead};
use crate::gate::order::{ShortText, leverage};
use crate::gate::overrides::Override;
use crate::gate::record::{Filled, GateRecord, PositionSeen};
use crate::gate::time::GateTime;

impl Gate {
    /// Takes one record of the journal, before the start. A record that names what is not declared any more, or does not fit what
    /// is, changes nothing and is counted ([`Gate::left_out`]).
    pub fn replay(&mut self, record: &GateRecord) {
        self.clock.see(at_of(record));
        if let GateRecord::Day { day, .. } = record {
            self.left_out_of = (Some(*day), 0);
        }
        if self.replayed(record).is_err() {
            self.left_out = self.left_out.saturating_add(1);
            self.left_out_of.1 = self.left_out_of.1.saturating_add(1);
        }
    }

    fn replayed(&mut self, record: &GateRecord) -> Result<(), FactError> {
        match record {
            GateRecord::Allowed(allowed) => {
                let placed = self.setup.placed(&allowed.order, allowed.paper)?;
                let reference = allowed.reference.as_deref();
                let reference = reference.map(|price| self.setup.price(placed.instrument, price)).transpose()?;
                let volume = unsigned(self.setup.money(&allowed.volume)?)?;
                self.memory.allow(&self.setup, allowed.at, &placed, allowed.reduces, reference, volume);
            }
            GateRecord::Outcome { at: _, client_id, outcome } => {
                self.memory.outcome(&self.setup, client_id, *outcome);
            }
            GateRecord::Fill(fill) => self.replay_fill(fill)?,
            GateRecord::Position(position) => self.replay_position(position)?,
            GateRecord::PositionUnknown { at: _, account, instrument } => {
                let (account, instrument) = self.setup.place(account, instrument)?;
                self.memory.position_unknown(account, instrument);
            }
            GateRecord::Equity { at, account, equity, paper } => {
                let account = self.setup.account(account).ok_or(FactError::Unknown(What::Account))?;
                self.memory.equity(*at, account, self.setup.money(equity)?, *paper);
            }
            GateRecord::Result { at: _, account, amount, paper } => {
                let account = self.setup.account(account).ok_or(FactError::Unknown(What::Account))?;
                self.memory.result(account, self.setup.money(amount)?, *paper);
            }
            GateRecord::Settled { at: _, instrument, mark } => {
                let instrument = self.setup.instrument(instrument).ok_or(FactError::Unknown(What::Instrument))?;
                let mark = self.setup.price(instrument, mark)?;
                self.memory.settle(&self.setup, instrument, mark);
            }
            GateRecord::Day { at, day, marks } => {
                let mut known = Vec::with_capacity(marks.len());
                for mark in marks {
                    // One that is not declared any more has no holding either.
                    if let Some(instrument) = self.setup.instrument(&mark.instrument) {
                        known.push((instrument, self.setup.price(instrument, &mark.mark)?));
                    }
                }
                let mark = |index: usize| known.iter().find(|(other, _)| *other == index).map(|(_, mark)| *mark);
                self.memory.begin_day(&self.setup, *at, *day, mark);
            }
            GateRecord::Override(note) => {
                self.tickets += 1;
                let over = self.read_override(note)?;
                self.memory.override_limit(note.at, Override { given: self.tickets, ..over });
            }
            GateRecord::OverrideEnded { at, name, by: _ } => {
                self.tickets += 1;
                let name = ShortText::of(name).ok_or(FactError::Invalid(What::Override))?;
                self.memory.overrides.end(*at, &name, self.tickets);
            }
            GateRecord::Confirmed { at, order, by: _, until } => {
                self.tickets += 1;
                let confirmed = self.read_confirmed(order, *until)?;
                self.memory.confirm(*at, confirmed);
            }
            GateRecord::Counted { at, bucket, component, user, cost } => {
                let component = component.as_deref().and_then(|component| self.setup.component(component));
                let user = user.as_deref().map(|user| ShortText::of(user).ok_or(FactError::Invalid(What::User)));
                self.memory.counted(*at, component, user.transpose()?, &bucket.costs(*cost));
            }
        }
        Ok(())
    }

    fn replay_fill(&mut self, fill: &Filled) -> Result<(), FactError> {
        let (account, instrument) = self.setup.place(&fill.account, &fill.instrument)?;
        let read = FillRead {
            id: &fill.id,
            order: fill.order.as_deref(),
            account,
            instrument,
            side: fill.side,
            quantity: self.setup.quantity(instrument, &fill.quantity)?,
            price: self.setup.price(instrument, &fill.price)?,
            fee: fill.fee.as_deref().map_or(Ok(0), |fee| self.setup.money(fee))?,
            paper: fill.paper,
            volume: fill.volume.as_deref().map(|volume| unsigned(self.setup.money(volume)?)).transpose()?,
        };
        self.memory.fill(&self.setup, fill.at, &read).map(drop).map_err(|_| FactError::Overflow)
    }

    fn replay_position(&mut self, position: &PositionSeen) -> Result<(), FactError> {
        let (account, instrument) = self.setup.place(&position.account, &position.instrument)?;
        let price = |text: &Option<String>| text.as_deref().map(|text| self.setup.price(instrument, text)).transpose();
        let read = PositionRead {
            account,
            instrument,
            quantity: self.setup.signed_quantity(instrument, &position.quantity)?,
            entry: price(&position.entry)?,
            leverage: match position.leverage.as_deref() {
                Some(text) => Some(leverage(text).ok_or(FactError::Invalid(What::Leverage))?),
                None => None,
            },
            paper: position.paper,
            mark: price(&position.mark)?,
        };
        self.memory.position(&self.setup, position.at, &read).map_err(|_| FactError::Overflow)
    }
}

fn unsigned(units: i128) -> Result<u128, FactError> {
    u128::try_from(units).map_err(|_| FactError::Invalid(What::Money))
}

/// When a record was made.
fn at_of(record: &GateRecord) -> GateTime {
    match record {
        GateRecord::Allowed(allowed) => allowed.at,
        GateRecord::Fill(fill) => fill.at,
        GateRecord::Position(position) => position.at,
        GateRecord::Override(note) => note.at,
        GateRecord::Outcome { at, .. }
        | GateRecord::PositionUnknown { at, .. }
        | GateRecord::Equity { at, .. }
        | GateRecord::Result { at, .. }
        | GateRecord::Settled { at, .. }
        | GateRecord::Day { at, .. }
        | GateRecord::OverrideEnded { at, .. }
        | GateRecord::Confirmed { at, .. }
        | GateRecord::Counted { at, .. } => *at,
    }
}
