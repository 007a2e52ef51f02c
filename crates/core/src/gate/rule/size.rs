//! How large one order may be: its quantity, what it is worth, and above what worth somebody must confirm it.

use super::Judge;
use crate::gate::limit::{LimitName, Scope};
use crate::gate::refusal::Code;
use crate::gate::setup::shown;
use failstop_amount::Rounding;

impl Judge<'_> {
    /// What the order is worth in money, at its limit price where that is above the reference. 0 where that cannot be said: then it
    /// reduces, or is refused for want of a price.
    pub(super) fn volume(&mut self) -> u128 {
        let Some(reference) = self.reference.known() else { return 0 };
        let price = self.placed.price.map_or(reference, |price| price.max(reference));
        let Some(notional) = self.notional(self.placed.quantity, price) else { return 0 };
        self.out.notional = Some(shown(notional, self.view.setup.policy.money));
        self.out.volume = notional;
        notional
    }

    /// While it is open it counts finely, together with everything open on its side. What cannot be counted is not sent, also where
    /// it reduces: when it is over it would take with it what others have open.
    pub(super) fn fits(&mut self) {
        let open = self.line.pending.side(self.placed.side);
        let fine = match self.placed.price.or(self.reference.known()) {
            Some(price) => self.valuation.worth(self.placed.quantity, price, Rounding::Up).ok(),
            None => Some(0),
        };
        let worth = fine.and_then(|fine| open.worth.checked_add(fine));
        if worth.is_none() || open.quantity.checked_add(self.placed.quantity).is_none() {
            self.out.refuse(Code::Overflow, Scope::System);
        }
    }

    pub(super) fn size(&mut self) {
        self.at_most(LimitName::OrderQuantity, self.placed.quantity, Code::OrderQuantity);
        let notional = self.out.volume;
        self.at_most(LimitName::OrderNotional, notional, Code::OrderNotional);
        let content = self.placed.content();
        let confirmations = &self.view.memory.confirmations;
        if !self.placed.paper && !confirmations.is_confirmed(self.view.at, &self.placed.client, &content) {
            self.at_most(LimitName::ConfirmAbove, notional, Code::ConfirmationRequired);
        }
    }
}
