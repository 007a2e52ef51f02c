//! N of the last M: how many failures among the last answers make a target bad. † 3 in a row by default.

use serde::{Deserialize, Serialize};

/// The most answers that a register looks back on.
pub const WINDOW_MAX: u32 = 64;

/// A shift register of the last answers, newest in the lowest bit; a set bit is a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    bits: u64,
}

impl Register {
    /// Takes one answer in.
    pub fn push(&mut self, bad: bool) {
        self.bits = self.bits << 1 | u64::from(bad);
    }

    /// Whether at least `failures` of the last `window` answers were bad. Both from 1 to [`WINDOW_MAX`].
    pub fn is_bad(self, failures: u32, window: u32) -> bool {
        let mask = if window >= WINDOW_MAX { u64::MAX } else { (1 << window) - 1 };
        (self.bits & mask).count_ones() >= failures
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bits = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_a_row_and_three_of_five() {
        // The answers, and whether 3 of 3 and 3 of 5 are bad after the last.
        for (answers, row, five) in [
            ("xx", false, false),
            ("xxx", true, true),
            ("x.xx", false, true),
            ("xx..x", false, true),
            ("xx...x", false, false),
            ("xxx.", false, true),
            ("xxx...", false, false),
        ] {
            let mut register = Register::default();
            answers.bytes().for_each(|answer| register.push(answer == b'x'));
            assert_eq!((register.is_bad(3, 3), register.is_bad(3, 5)), (row, five), "{answers}");
        }
    }

    #[test]
    fn the_widest_window_is_whole() {
        let mut register = Register::default();
        register.push(true);
        (0..63).for_each(|_| register.push(false));
        assert!(register.is_bad(1, 64) && !register.is_bad(1, 63));
        register.push(false);
        assert!(!register.is_bad(1, 64));
    }
}
