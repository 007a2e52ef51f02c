//! What a permit word says about one order. Pure, so that every case can be tested.

use super::layout::{EPOCH_MASK, LIVE, OPEN, REDUCE, REVOKED, Word};
use std::fmt;

/// What an order would do to the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Opens or enlarges it. An order whose effect is unknown is this.
    Open,
    /// Shrinks it, and cannot turn it over.
    Reduce,
}

/// The answer. Cancels need none: they are always allowed.
#[must_use = "an order may only be sent when the verdict allows it"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Send it to the exchange.
    Live,
    /// Do not send it; fill it on paper.
    Paper,
    /// Neither.
    Denied(Denial),
}

impl Verdict {
    /// Whether the order may go anywhere at all, be it on paper.
    pub const fn allows(self) -> bool {
        match self {
            Self::Live | Self::Paper => true,
            Self::Denied(_) => false,
        }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The engine gave this slot nothing yet, or took all of it back.
    NotGranted,
    /// The kill switch is engaged.
    Revoked,
    /// The lease ran out: the engine is dead, frozen, late, or withholds renewal.
    Expired,
    /// The permit belongs to another start of the engine. This process outlived its own and has to end.
    OtherEpoch,
    /// The permission is `observe-only` or `shutdown`, or this component is not ready.
    Halted,
    /// The permission is `reduce-only`, and the order does not reduce.
    ReduceOnly,
    /// A page has 32 slots.
    NoSuchSlot,
    /// The word has rights that this version does not know.
    Unreadable,
    /// The clock cannot be read, so that no deadline can be judged.
    NoClock,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotGranted => "no permit was granted yet",
            Self::Revoked => "the kill switch is engaged",
            Self::Expired => "the permit ran out: failstop is not renewing it",
            Self::OtherEpoch => "failstop was started anew: this process belongs to an earlier start and has to end",
            Self::Halted => "a halt stands: see `failstop status`",
            Self::ReduceOnly => "only orders that reduce a position are allowed: see `failstop status`",
            Self::NoSuchSlot => "the permit page has no such slot",
            Self::Unreadable => {
                "the permit has rights that this version of the client does not know: update the client"
            }
            Self::NoClock => "CLOCK_BOOTTIME cannot be read",
        })
    }
}

/// Judges one word of a page of the epoch with `epoch_bits` at `now_ns` of `CLOCK_BOOTTIME`.
///
/// `now_ns` must have been read after the word.
#[inline]
pub const fn judge(word: Word, epoch_bits: u64, intent: Intent, now_ns: u64) -> Verdict {
    let right = match intent {
        Intent::Open => OPEN,
        Intent::Reduce => REDUCE,
    };
    let bits = word.bits();
    // Deadlines have 48 bits, so the product stays below 2^58.
    let runs = now_ns < word.deadline_us() * 1_000;
    // One comparison decides the usual case: right set, not revoked, nothing unknown, of this epoch.
    if runs && bits & (DENYING | EPOCH_MASK | right) == epoch_bits | right {
        return if bits & LIVE != 0 { Verdict::Live } else { Verdict::Paper };
    }
    Verdict::Denied(why(word, epoch_bits, runs))
}

/// Bits that deny when set: the kill switch's, and those without a meaning in this abi.
const DENYING: u64 = REVOKED | 1 << 4 | 1 << 5;

#[cold]
const fn why(word: Word, epoch_bits: u64, runs: bool) -> Denial {
    let bits = word.bits();
    if bits == 0 {
        Denial::NotGranted
    } else if bits & REVOKED != 0 {
        Denial::Revoked
    } else if bits & DENYING != 0 {
        Denial::Unreadable
    } else if bits & EPOCH_MASK != epoch_bits {
        Denial::OtherEpoch
    } else if !runs {
        Denial::Expired
    } else if bits & REDUCE != 0 {
        Denial::ReduceOnly
    } else {
        Denial::Halted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 7;
    const OF_EPOCH: u64 = Word::epoch_bits_of(EPOCH);
    const DEADLINE_US: u64 = 2_000_000;

    fn at(rights: u64, intent: Intent, now_ns: u64) -> Verdict {
        judge(Word::pack(rights, EPOCH, DEADLINE_US), OF_EPOCH, intent, now_ns)
    }

    #[test]
    fn rights_decide_while_the_lease_runs() {
        use Intent::{Open, Reduce};
        let now = DEADLINE_US * 1_000 - 1;
        assert_eq!(at(OPEN | REDUCE | LIVE, Open, now), Verdict::Live);
        assert_eq!(at(OPEN | REDUCE | LIVE, Reduce, now), Verdict::Live);
        assert_eq!(at(OPEN | REDUCE, Open, now), Verdict::Paper);
        assert_eq!(at(REDUCE | LIVE, Reduce, now), Verdict::Live);
        assert_eq!(at(REDUCE, Reduce, now), Verdict::Paper);
        assert_eq!(at(REDUCE | LIVE, Open, now), Verdict::Denied(Denial::ReduceOnly));
        assert_eq!(at(LIVE, Open, now), Verdict::Denied(Denial::Halted));
        assert_eq!(at(0, Reduce, now), Verdict::Denied(Denial::Halted));
    }

    #[test]
    fn nothing_is_allowed_at_or_after_the_deadline() {
        for rights in 0..16 {
            for now in [DEADLINE_US * 1_000, DEADLINE_US * 1_000 + 1, u64::MAX] {
                for intent in [Intent::Open, Intent::Reduce] {
                    assert!(!at(rights, intent, now).allows(), "rights {rights:#x} at {now}");
                }
            }
        }
        assert_eq!(at(OPEN | REDUCE, Intent::Open, DEADLINE_US * 1_000), Verdict::Denied(Denial::Expired));
    }

    #[test]
    fn zero_revoked_foreign_and_unknown_words_deny() {
        let judge = |word| judge(word, OF_EPOCH, Intent::Reduce, 0);
        assert_eq!(judge(Word::NONE), Verdict::Denied(Denial::NotGranted));
        assert_eq!(judge(Word::REVOKED), Verdict::Denied(Denial::Revoked));
        let all = OPEN | REDUCE | LIVE;
        assert_eq!(judge(Word::pack(all | REVOKED, EPOCH, DEADLINE_US)), Verdict::Denied(Denial::Revoked));
        assert_eq!(judge(Word::pack(all, EPOCH + 1, DEADLINE_US)), Verdict::Denied(Denial::OtherEpoch));
        assert_eq!(judge(Word::pack(all, EPOCH + 1024, DEADLINE_US)), Verdict::Live);
        for unknown in [1 << 4, 1 << 5] {
            assert_eq!(judge(Word::pack(all | unknown, EPOCH, DEADLINE_US)), Verdict::Denied(Denial::Unreadable));
        }
    }

    #[test]
    fn the_longest_lease_does_not_overflow() {
        let word = Word::pack(OPEN | REDUCE, EPOCH, u64::MAX);
        assert_eq!(judge(word, OF_EPOCH, Intent::Open, 0), Verdict::Paper);
        assert!(!judge(word, OF_EPOCH, Intent::Open, u64::MAX).allows());
    }
}
