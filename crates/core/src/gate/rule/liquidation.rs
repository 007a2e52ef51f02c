//! The distance to liquidation. Formulas, units and sources stand in docs/gate.md; here they are rearranged so that nothing is divided.
//!
//! `C` is what the position was entered for, `V` what it is worth at the mark (linear in the currency of the price, inverse in the
//! underlying), `L` the leverage, `m` the maintenance margin, `b` the buffer.

use super::Judge;
use crate::gate::limit::{Limit, LimitName, SHARE_ONE, SHARE_SCALE, Scope, TIMES_ONE};
use crate::gate::order::Side;
use crate::gate::overrides::Of;
use crate::gate::policy::Margin;
use crate::gate::refusal::Code;
use crate::gate::setup::shown;
use crate::gate::valuation::Overflow;
use core::cmp::Ordering;
use failstop_amount::{Rounding, Wide, compare_share};

impl Judge<'_> {
    pub(super) fn liquidation(&mut self) {
        let bound = [Of::System, Of::Instrument(self.placed.instrument)];
        let limits = bound.map(|of| match self.view.limit(LimitName::LiquidationBuffer, &of) {
            Limit::Set(buffer) => Some((of.scope(), buffer)),
            Limit::Waived => None,
        });
        if limits == [None, None] {
            return;
        }
        let (isolated, maintenance) = match self.instrument.margin {
            Margin::Spot => return,
            Margin::Isolated { maintenance } => (true, maintenance),
            Margin::Cross { maintenance } => (false, maintenance),
        };
        let Some(maintenance) = maintenance else {
            self.out.refuse(Code::MissingMaintenance, Scope::Instrument);
            return;
        };
        let maintenance = u128::from(maintenance);
        let stand = if isolated { self.isolated(maintenance) } else { self.cross(maintenance) };
        let Some(stand) = stand else { return };
        for (scope, buffer) in limits.into_iter().flatten() {
            let near = stand.is_near(self.placed.side == Side::Buy, self.valuation.inverse, buffer);
            if self.counted(near) == Some(true) {
                self.out.refuse_by(Code::LiquidationBuffer, scope, None, Some(shown(buffer, SHARE_SCALE)));
            }
        }
    }

    /// Where an isolated position would stand.
    fn isolated(&mut self, maintenance: u128) -> Option<Stand> {
        let position = self.position()?;
        let mark = self.reference.known()?;
        // Its absence is refused where the margin is judged.
        let leverage = self.highest_leverage()?;
        let buy = self.placed.side == Side::Buy;
        let price = self.placed.price.unwrap_or(mark);
        // Entering at a worse price is nearer to liquidation: for a linear long a higher one, and so on.
        let rounding = if buy == self.valuation.inverse { Rounding::Down } else { Rounding::Up };
        let pending = self.line.pending.side(self.placed.side);
        let (mut quantity, mut entered) = (pending.quantity, pending.worth);
        let held = self.line.holding.quantity;
        if held != 0 && (held > 0) == buy {
            let Some(basis) = position.basis else {
                self.out.refuse(Code::MissingEntry, Scope::Instrument);
                return None;
            };
            quantity = self.counted(quantity.checked_add(held.unsigned_abs()).ok_or(Overflow))?;
            entered = self.counted(entered.checked_add(basis).ok_or(Overflow))?;
        }
        let own = self.valuation.worth(self.placed.quantity, price, rounding);
        let own = self.counted(own)?;
        quantity = self.counted(quantity.checked_add(self.placed.quantity).ok_or(Overflow))?;
        entered = self.counted(entered.checked_add(own).ok_or(Overflow))?;
        let worth =
            self.valuation.worth(quantity, mark, if rounding == Rounding::Up { Rounding::Down } else { Rounding::Up });
        let worth = self.counted(worth)?;
        Some(Stand::Isolated { entered, worth, leverage, maintenance })
    }

    /// Where a cross position would stand: the whole equity behind it, less the maintenance margin of everything in the account, and
    /// all else at its mark.
    fn cross(&mut self, maintenance: u128) -> Option<Stand> {
        // The absence of it is refused where the exposure is judged; where it is nothing, nothing is liquidated.
        let notional = self.own.filter(|notional| *notional > 0)?;
        let equity = self.equity()?;
        let rest = self.rest()?;
        if rest.unknown {
            self.out.refuse(Code::MissingMaintenance, Scope::System);
            return None;
        }
        // All of it together, in millionths, rounded up once.
        let bound = notional.checked_mul(maintenance).and_then(|own| own.checked_add(rest.bound)).ok_or(Overflow);
        let bound = self.counted(bound)?.div_ceil(SHARE_ONE);
        let free = equity.saturating_sub(bound);
        Some(Stand::Cross { free, notional })
    }
}

/// What stands between a position and its liquidation.
#[derive(Clone, Copy, Debug)]
enum Stand {
    /// What it was entered for, what it is worth at the mark, its leverage and its maintenance margin rate.
    Isolated { entered: u128, worth: u128, leverage: u128, maintenance: u128 },
    /// What stands behind it, and what it is worth, both in money.
    Cross { free: u128, notional: u128 },
}

impl Stand {
    /// Whether liquidation would be nearer than the buffer.
    fn is_near(self, long: bool, inverse: bool, buffer: u128) -> Result<bool, Overflow> {
        match self {
            Self::Isolated { entered, worth, leverage, maintenance } => {
                isolated_is_near(long, inverse, [entered, worth, leverage, maintenance, buffer])
            }
            Self::Cross { free, notional } => Ok(cross_is_near(long, inverse, free, notional, buffer)),
        }
    }
}

/// Isolated, in millionths and hundredths: `entered` C, `worth` V, then leverage, maintenance and buffer.
fn isolated_is_near(
    long: bool,
    inverse: bool,
    [entered, worth, leverage, maintenance, buffer]: [u128; 5],
) -> Result<bool, Overflow> {
    // Everything times leverage: 1 is `whole`, 1/L is `borrowed`, m is `kept`.
    let whole = leverage.checked_mul(SHARE_ONE).ok_or(Overflow)?;
    let borrowed = TIMES_ONE * SHARE_ONE;
    let kept = leverage.checked_mul(maintenance).ok_or(Overflow)?;
    let plus = |left: u128, right: u128| left.checked_add(right).ok_or(Overflow);
    // 1 - 1/L + m, and 1 + 1/L - m.
    let lower = plus(whole, kept)?.checked_sub(borrowed);
    let higher = plus(whole, borrowed)?.checked_sub(kept);
    let below = SHARE_ONE.saturating_sub(buffer);
    let above = plus(SHARE_ONE, buffer)?;
    let times = |left: u128, right: u128| left.checked_mul(right).ok_or(Overflow);
    Ok(match (long, inverse) {
        // C (1 - 1/L + m) > V (1 - b)
        (true, false) => match lower {
            Some(lower) => {
                Wide::product(entered, times(lower, SHARE_ONE)?) > Wide::product(worth, times(below, whole)?)
            }
            None => false,
        },
        // C (1 + 1/L - m) < V (1 + b)
        (false, false) => match higher {
            Some(higher) => {
                Wide::product(entered, times(higher, SHARE_ONE)?) < Wide::product(worth, times(above, whole)?)
            }
            None => true,
        },
        // C (1 + 1/L - m) (1 - b) < V
        (true, true) => match higher {
            Some(higher) => {
                Wide::product(entered, times(higher, below)?) < Wide::product(worth, times(whole, SHARE_ONE)?)
            }
            None => true,
        },
        // C (1 - 1/L + m) (1 + b) > V
        (false, true) => match lower {
            Some(lower) => {
                Wide::product(entered, times(lower, above)?) > Wide::product(worth, times(whole, SHARE_ONE)?)
            }
            None => false,
        },
    })
}

/// Cross, where `free` is what stands behind the position and `notional` what it is worth, both in money.
fn cross_is_near(long: bool, inverse: bool, free: u128, notional: u128, buffer: u128) -> bool {
    let below = SHARE_ONE.saturating_sub(buffer);
    let above = SHARE_ONE.saturating_add(buffer);
    let near = match (long, inverse) {
        // free < b N
        (_, false) => compare_share(free, notional, buffer, SHARE_ONE),
        // free (1 - b) < b N
        (true, true) => Wide::product(free, below).cmp(&Wide::product(notional, buffer)),
        // free (1 + b) < b N
        (false, true) => Wide::product(free, above).cmp(&Wide::product(notional, buffer)),
    };
    near == Ordering::Less
}
