//! Fees and funding among the legs of a booking: what no price and no quantity shows, and the day's loss counts all the same.

use failstop_amount::{Amount, Scale};
use failstop_journal::ledger::{Leg, Outside};

/// What was charged in `money`: above zero what was paid, below zero what came in. `None` where the legs say nothing of it.
pub fn charged(legs: &[Leg], money: &str, scale: Scale) -> Option<Amount> {
    let mut sum = None;
    for leg in legs.iter().filter(|leg| leg.asset == money && is_charge(&leg.account)) {
        // What does not fit was refused by the books.
        let amount = Amount::parse(&leg.amount, scale).ok()?.units();
        sum = Some(sum.unwrap_or(0i128).checked_add(amount)?);
    }
    sum.map(|units| Amount::from_units(units, scale))
}

/// The account that bore it: the first inside one with a leg in `money`.
pub fn bearer<'a>(legs: &'a [Leg], money: &str) -> Option<&'a str> {
    legs.iter().find(|leg| leg.asset == money && leg.pool.is_some()).map(|leg| leg.account.as_str())
}

fn is_charge(account: &str) -> bool {
    match Outside::named(account) {
        Some(Outside::Fees | Outside::Funding) => true,
        Some(Outside::Venue | Outside::Pnl | Outside::Suspense) | None => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn leg(asset: &str, account: &str, pool: Option<&str>, amount: &str) -> Leg {
        let (asset, account, amount) = (asset.to_owned(), account.to_owned(), amount.to_owned());
        Leg { asset, account, pool: pool.map(str::to_owned), amount }
    }

    #[test]
    fn fees_and_funding_in_money_are_charges_and_nothing_else_is() {
        let scale = Scale::new(2).unwrap();
        let bought = [
            leg("USDT", "binance", Some("grid"), "-30.15"),
            leg("USDT", "venue", None, "30.00"),
            leg("USDT", "fees", None, "0.10"),
            leg("USDT", "funding", None, "0.05"),
            leg("BNB", "fees", None, "7.00"),
        ];
        assert_eq!(charged(&bought, "USDT", scale).unwrap().to_string(), "0.15");
        assert_eq!(bearer(&bought, "USDT"), Some("binance"));
        let came_in = [leg("USDT", "funding", None, "-1.00"), leg("USDT", "binance", Some("grid"), "1.00")];
        assert_eq!(charged(&came_in, "USDT", scale).unwrap().to_string(), "-1.00");
        assert_eq!(bearer(&came_in, "USDT"), Some("binance"));
        let deposit = [leg("USDT", "binance", Some("grid"), "100.00"), leg("USDT", "venue", None, "-100.00")];
        assert_eq!(charged(&deposit, "USDT", scale), None);
    }
}
