//! The lines of all accounts, and which of them have anything to them: whoever sums up an account looks at those alone.

use crate::gate::holding::{Holding, Pending, Position};

/// One instrument in one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// As the venue has it; `None`: never reported, or unknown.
    pub position: Option<Position>,
    /// Whether something uncounted happened to it since it was reported last: nobody knows what it is.
    pub unknown: bool,
    /// As it follows from reports and fills, and what it brought.
    pub holding: Holding,
    /// What is open.
    pub pending: Pending,
}

impl Line {
    /// Whether it is known that nothing is held, nothing is open and nothing came in.
    fn is_nothing(&self) -> bool {
        let flat = self.position.is_none_or(|position| (position.low, position.high) == (0, 0));
        flat && !self.unknown && self.holding.is_nothing() && self.pending.is_nothing()
    }
}

/// All of them. They are changed here only, so that none with something to it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Account by account, all instruments.
    lines: Vec<Line>,
    instruments: usize,
    /// Account by account, a bit for each instrument that has anything to it.
    busy: Vec<u64>,
}

impl Lines {
    pub fn new(accounts: usize, instruments: usize) -> Self {
        Self {
            lines: vec![Line::default(); accounts * instruments],
            instruments,
            busy: vec![0; accounts * instruments.div_ceil(64)],
        }
    }

    pub fn get(&self, account: usize, instrument: usize) -> Option<&Line> {
        self.lines.get(account * self.instruments + instrument)
    }

    pub fn change(&mut self, account: usize, instrument: usize, change: impl FnOnce(&mut Line)) {
        let words = self.instruments.div_ceil(64);
        let line = self.lines.get_mut(account * self.instruments + instrument);
        if let (Some(line), Some(word)) = (line, self.busy.get_mut(account * words + instrument / 64)) {
            change(line);
            let bit = 1 << (instrument % 64);
            if line.is_nothing() {
                *word &= !bit;
            } else {
                *word |= bit;
            }
        }
    }

    /// Changes all that have anything to them, each with its instrument.
    pub fn change_busy(&mut self, mut change: impl FnMut(usize, &mut Line)) {
        let words = self.instruments.div_ceil(64);
        for place in 0..self.busy.len() {
            // As it was: what a change leaves with nothing to it is not looked at again.
            let bits = self.busy.get(place).copied().unwrap_or_default();
            for bit in ones(bits) {
                let (account, instrument) = (place / words, place % words * 64 + bit);
                self.change(account, instrument, |line| change(instrument, line));
            }
        }
    }

    /// Those of an account that have anything to them, with the instrument.
    pub fn busy(&self, account: usize) -> impl Iterator<Item = (usize, &Line)> {
        let words = self.instruments.div_ceil(64);
        let busy = self.busy.get(account * words..(account + 1) * words).unwrap_or_default();
        let instruments = busy.iter().enumerate().flat_map(|(word, bits)| ones(*bits).map(move |bit| word * 64 + bit));
        instruments.filter_map(move |instrument| Some((instrument, self.get(account, instrument)?)))
    }
}

/// The places of the ones, the lowest first.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        usize::try_from(place).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::holding::Open;
    use crate::gate::order::Side;

    #[test]
    fn those_with_anything_to_them_are_found_and_no_others() {
        let (accounts, instruments) = (3, 131);
        let mut lines = Lines::new(accounts, instruments);
        let mut dice = 5u64;
        for _ in 0..5_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let roll = |bits: u32, below: usize| usize::try_from(dice >> bits).unwrap_or(0) % below;
            let (account, instrument) = (roll(40, accounts), roll(20, instruments));
            lines.change(account, instrument, |line| match roll(50, 5) {
                0 => line.holding.quantity = if line.holding.quantity == 0 { -7 } else { 0 },
                1 => {
                    let (open, none) = (Open { quantity: 1, worth: 1 }, Open::default());
                    let is_open = line.pending.side(Side::Buy).quantity > 0;
                    line.pending.replace(
                        Side::Buy,
                        if is_open { open } else { none },
                        if is_open { none } else { open },
                    );
                }
                2 => line.unknown = !line.unknown,
                _ => *line = Line::default(),
            });
            for account in 0..accounts {
                let all = (0..instruments).map(|instrument| (instrument, lines.get(account, instrument).unwrap()));
                assert!(lines.busy(account).eq(all.filter(|(_, line)| **line != Line::default())));
            }
        }
        let busy = |lines: &Lines| (0..accounts).map(|account| lines.busy(account).count()).sum::<usize>();
        let (before, mut changed) = (busy(&lines), 0);
        assert!(before > 0);
        lines.change_busy(|instrument, line| {
            changed += 1;
            assert_ne!(*line, Line::default());
            *line = Line::default();
            // Left with something in it where the instrument is an odd one.
            line.unknown = instrument % 2 == 1;
        });
        assert_eq!(changed, before);
        for account in 0..accounts {
            assert!(lines.busy(account).all(|(instrument, line)| instrument % 2 == 1 && line.unknown));
        }
    }
}
