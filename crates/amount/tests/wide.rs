//! Wide products against an independent arbitrary-precision integer.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_amount::{Rounding, Wide, compare_share, mul_div};
use num_bigint::BigUint;
use proptest::prelude::*;

/// Numbers of every length, and those around the ends of halves and of the whole.
fn numbers() -> impl Strategy<Value = u128> {
    prop_oneof![
        (any::<u128>(), 0u32..128).prop_map(|(n, shift)| n >> shift),
        (0u128..3).prop_map(|n| u128::MAX - n),
        (0u128..6).prop_map(|n| (1 << 64) - 3 + n),
        0u128..4,
    ]
}

fn divided(left: u128, right: u128, divisor: u128, rounding: Rounding) -> Option<u128> {
    if divisor == 0 {
        return None;
    }
    let (product, divisor) = (BigUint::from(left) * right, BigUint::from(divisor));
    let quotient = match rounding {
        Rounding::Down => &product / &divisor,
        Rounding::Up => (&product + &divisor - 1u8) / &divisor,
    };
    u128::try_from(quotient).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn a_product_is_compared_exactly(a in numbers(), b in numbers(), c in numbers(), d in numbers()) {
        let (left, right) = (BigUint::from(a) * b, BigUint::from(c) * d);
        prop_assert_eq!(Wide::product(a, b).cmp(&Wide::product(c, d)), left.cmp(&right));
        prop_assert_eq!(Wide::product(a, b).narrow(), u128::try_from(&left).ok());
        let (part, whole) = (BigUint::from(a) * d, BigUint::from(b) * c);
        prop_assert_eq!(compare_share(a, b, c, d), part.cmp(&whole));
    }

    #[test]
    fn a_quotient_is_exact_up_to_the_rounding_asked_for(a in numbers(), b in numbers(), divisor in numbers()) {
        for rounding in [Rounding::Down, Rounding::Up] {
            prop_assert_eq!(mul_div(a, b, divisor, rounding), divided(a, b, divisor, rounding));
        }
    }

    #[test]
    fn what_was_multiplied_is_divided_back(a in numbers(), b in 1..u128::MAX) {
        prop_assert_eq!(Wide::product(a, b).divided(b, Rounding::Down), Some(a));
        prop_assert_eq!(Wide::product(a, b).divided(b, Rounding::Up), Some(a));
    }
}

#[test]
fn the_ends_are_where_they_are() {
    let most = Wide::product(u128::MAX, u128::MAX);
    assert_eq!(most.divided(u128::MAX, Rounding::Up).unwrap(), u128::MAX);
    assert_eq!(most.divided(u128::MAX - 1, Rounding::Down), None);
    assert_eq!(mul_div(1, 1, 0, Rounding::Down), None);
    // What divides evenly is not rounded, also at the end.
    assert_eq!(mul_div(u128::MAX, 3, 3, Rounding::Up).unwrap(), u128::MAX);
    assert_eq!(Wide::product(u128::MAX, 2).divided(2, Rounding::Up).unwrap(), u128::MAX);
    // (2^128 - 1) + 1 by rounding up: beyond, and no wrap to zero.
    assert_eq!(mul_div(u128::MAX - 1, u128::MAX - 1, u128::MAX - 2, Rounding::Down), Some(u128::MAX));
    assert_eq!(mul_div(u128::MAX - 1, u128::MAX - 1, u128::MAX - 2, Rounding::Up), None);
}
