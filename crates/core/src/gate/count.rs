//! How often was decided what, for metrics.

use crate::gate::refusal::{Code, Decision};

/// Counters since the gate was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateCounts {
    allowed: u64,
    refused: u64,
    cancels: u64,
    rates_allowed: u64,
    rates_refused: u64,
    codes: [u64; Code::ALL.len()],
}

impl Default for GateCounts {
    fn default() -> Self {
        Self { allowed: 0, refused: 0, cancels: 0, rates_allowed: 0, rates_refused: 0, codes: [0; Code::ALL.len()] }
    }
}

impl GateCounts {
    /// Orders that were allowed.
    pub fn allowed(&self) -> u64 {
        self.allowed
    }

    /// Orders that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Cancels that passed.
    pub fn cancels(&self) -> u64 {
        self.cancels
    }

    /// Questions about rates that were allowed.
    pub fn rates_allowed(&self) -> u64 {
        self.rates_allowed
    }

    /// Questions about rates that were refused.
    pub fn rates_refused(&self) -> u64 {
        self.rates_refused
    }

    /// How many answers gave this reason, orders and rates together.
    pub fn of(&self, code: Code) -> u64 {
        self.codes[code as usize]
    }

    pub(crate) fn order(&mut self, decision: &Decision) {
        *(if decision.allows() { &mut self.allowed } else { &mut self.refused }) += 1;
        self.reasons(decision);
    }

    pub(crate) fn rate(&mut self, decision: &Decision) {
        *(if decision.allows() { &mut self.rates_allowed } else { &mut self.rates_refused }) += 1;
        self.reasons(decision);
    }

    pub(crate) fn cancel(&mut self) {
        self.cancels += 1;
    }

    /// A reason counts once an answer, however many scopes gave it.
    fn reasons(&mut self, decision: &Decision) {
        for (index, refusal) in decision.refusals.iter().enumerate() {
            if !decision.refusals[..index].iter().any(|other| other.code == refusal.code) {
                self.codes[refusal.code as usize] += 1;
            }
        }
    }
}
