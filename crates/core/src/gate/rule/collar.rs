//! The price collar: how far beyond the reference a limit price may reach to where it costs. A price that waits on the other side costs
//! nothing and passes.

use super::Judge;
use crate::gate::limit::{Limit, LimitName, SHARE_ONE, SHARE_SCALE};
use crate::gate::order::Side;
use crate::gate::overrides::Of;
use crate::gate::price::Reference;
use crate::gate::refusal::Code;
use crate::gate::setup::shown;
use core::cmp::Ordering;
use failstop_amount::{Rounding, compare_share, mul_div};

impl Judge<'_> {
    /// What reduces is judged by a fresh price only: an old one must not keep anybody in a position.
    pub(super) fn collar(&mut self) {
        let reference = match (self.reference, self.reduces) {
            (Reference::Fresh(price), _) => price,
            (Reference::Stale { last: Some(price), .. }, false) => price,
            (Reference::Stale { .. }, _) => return,
        };
        let Some(price) = self.placed.price else { return };
        let beyond = match self.placed.side {
            Side::Buy => price.saturating_sub(reference),
            Side::Sell => reference.saturating_sub(price),
        };
        for of in [Of::System, Of::Instrument(self.placed.instrument)] {
            if let Limit::Set(collar) = self.view.limit(LimitName::PriceCollar, &of)
                && compare_share(beyond, reference, collar, SHARE_ONE) == Ordering::Greater
            {
                let found = mul_div(beyond, SHARE_ONE, reference, Rounding::Up).map(|share| shown(share, SHARE_SCALE));
                self.out.refuse_by(Code::PriceCollar, of.scope(), found, Some(shown(collar, SHARE_SCALE)));
            }
        }
    }
}
