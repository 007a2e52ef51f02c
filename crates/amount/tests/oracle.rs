//! Amounts against an independent arbitrary-precision integer: whatever the oracle can do and counts within 2^127 units, an
//! amount does alike; whatever is beyond is an error. And the text: one way to write each, and what is read is what was meant.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use failstop_amount::{Amount, AmountError, SCALE_MAX, Scale};
use num_bigint::BigInt;
use proptest::prelude::*;

fn scales() -> impl Strategy<Value = Scale> {
    (0..=SCALE_MAX).prop_map(|decimals| Scale::new(decimals).unwrap())
}

/// Numbers of every length, and those around the ends.
fn units() -> impl Strategy<Value = i128> {
    prop_oneof![
        (any::<i128>(), 0u32..127).prop_map(|(n, shift)| n >> shift),
        (0i128..3).prop_map(|n| i128::MAX - n),
        (0i128..3).prop_map(|n| i128::MIN + n),
        -3i128..=3,
    ]
}

fn bounded(exact: &BigInt) -> Result<i128, AmountError> {
    i128::try_from(exact).map_err(|_| AmountError::Overflow)
}

/// What the text says, by the oracle: digits without the point, times what is missing of the scale.
fn meant(text: &str, scale: Scale) -> BigInt {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits: BigInt = format!("{whole}{decimals}").parse().unwrap();
    digits * BigInt::from(10u8).pow(u32::from(scale.decimals()) - u32::try_from(decimals.len()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn arithmetic_is_exact_or_an_error(a in units(), b in units(), scale in scales()) {
        let (x, y) = (Amount::from_units(a, scale), Amount::from_units(b, scale));
        let (big_a, big_b) = (BigInt::from(a), BigInt::from(b));
        prop_assert_eq!(x.checked_add(y).map(Amount::units), bounded(&(&big_a + &big_b)));
        prop_assert_eq!(x.checked_sub(y).map(Amount::units), bounded(&(&big_a - &big_b)));
        prop_assert_eq!(x.checked_neg().map(Amount::units), bounded(&-&big_a));
        prop_assert_eq!(x.checked_abs().map(Amount::units), bounded(&BigInt::from(big_a.magnitude().clone())));
        prop_assert_eq!(x.checked_cmp(y), Ok(big_a.cmp(&big_b)));
    }

    #[test]
    fn every_amount_is_written_in_one_way_and_read_back(units in units(), scale in scales()) {
        let amount = Amount::from_units(units, scale);
        let text = amount.to_string();
        prop_assert_eq!(meant(&text, scale), BigInt::from(units));
        prop_assert_eq!(Amount::parse(&text, scale), Ok(amount));
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        prop_assert_eq!(decimals, usize::from(scale.decimals()));
    }

    #[test]
    fn what_has_the_form_is_read_as_meant(whole in "0|[1-9][0-9]{0,44}", decimals in "[0-9]{0,20}", minus: bool, scale in scales()) {
        let point = if decimals.is_empty() { "" } else { "." };
        let text = format!("{}{whole}{point}{decimals}", if minus { "-" } else { "" });
        let found = Amount::parse(&text, scale);
        if decimals.len() > usize::from(scale.decimals()) {
            prop_assert_eq!(found, Err(AmountError::TooManyDecimals { decimals: decimals.len(), scale }));
        } else if minus && meant(&text, scale) == BigInt::from(0) {
            prop_assert_eq!(found, Err(AmountError::NegativeZero));
        } else {
            prop_assert_eq!(found.map(Amount::units), bounded(&meant(&text, scale)));
        }
    }

    #[test]
    fn whatever_is_read_has_the_form(text in "[-+0-9.eE ,_x]{0,12}|\\PC{0,8}", scale in scales()) {
        if let Ok(amount) = Amount::parse(&text, scale) {
            let digits = text.strip_prefix('-').unwrap_or(&text);
            let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
            let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert!(all_digits(whole) && all_digits(decimals), "{}", text);
            prop_assert!(whole == "0" || !whole.starts_with('0'), "{}", text);
            prop_assert_eq!(meant(&text, scale), BigInt::from(amount.units()));
        }
    }

    #[test]
    fn another_scale_is_exact_or_an_error(units in units(), from in scales(), to in scales()) {
        let (up, down) = (to.decimals().saturating_sub(from.decimals()), from.decimals().saturating_sub(to.decimals()));
        let raised = BigInt::from(units) * BigInt::from(10u8).pow(u32::from(up));
        let step = BigInt::from(10u8).pow(u32::from(down));
        let found = Amount::from_units(units, from).checked_rescale(to);
        if &raised % &step != BigInt::from(0) {
            prop_assert_eq!(found, Err(AmountError::Inexact { scale: to }));
        } else {
            prop_assert_eq!(found.map(Amount::units), bounded(&(raised / step)));
        }
    }
}

#[test]
fn each_way_out_of_the_form_is_named() {
    let scale = Scale::new(2).unwrap();
    for (text, error) in [
        ("", AmountError::NoDigit { at: 0 }),
        ("-", AmountError::NoDigit { at: 1 }),
        (".5", AmountError::NoDigit { at: 0 }),
        ("5.", AmountError::NoDigit { at: 2 }),
        ("+5", AmountError::Foreign { at: 0 }),
        (" 5", AmountError::Foreign { at: 0 }),
        ("5 ", AmountError::Foreign { at: 1 }),
        ("--5", AmountError::Foreign { at: 1 }),
        ("1e3", AmountError::Foreign { at: 1 }),
        ("1.5e3", AmountError::Foreign { at: 3 }),
        ("1,000", AmountError::Foreign { at: 1 }),
        ("1.0.0", AmountError::Foreign { at: 3 }),
        ("NaN", AmountError::Foreign { at: 0 }),
        ("\u{0665}", AmountError::Foreign { at: 0 }),
        ("007", AmountError::LeadingZero),
        ("00", AmountError::LeadingZero),
        ("-0", AmountError::NegativeZero),
        ("-0.00", AmountError::NegativeZero),
        ("0.000", AmountError::TooManyDecimals { decimals: 3, scale }),
        ("1701411834604692317316873037158841057.28", AmountError::Overflow),
        ("-1701411834604692317316873037158841057.29", AmountError::Overflow),
        ("99999999999999999999999999999999999999999999", AmountError::Overflow),
    ] {
        assert_eq!(Amount::parse(text, scale), Err(error), "{text:?}");
    }
    let ends = ["1701411834604692317316873037158841057.27", "-1701411834604692317316873037158841057.28"];
    for text in ends {
        assert_eq!(Amount::parse(text, scale).unwrap().to_string(), text);
    }
}

#[test]
fn scales_do_not_mix() {
    let (cents, wei) = (Scale::new(2).unwrap(), Scale::new(18).unwrap());
    let (a, b) = (Amount::zero(cents), Amount::zero(wei));
    let error = AmountError::Scales { left: cents, right: wei };
    assert_eq!(a.checked_add(b), Err(error));
    assert_eq!(a.checked_sub(b), Err(error));
    assert_eq!(a.checked_cmp(b), Err(error));
    assert_eq!(Scale::new(19), Err(AmountError::Scale { decimals: 19 }));
}
