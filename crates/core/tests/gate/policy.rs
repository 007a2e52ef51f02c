//! A policy that is impossible is refused, with what is wrong.

use crate::bed::*;
use failstop_amount::Amount;
use failstop_core::gate::*;

fn refused(change: impl FnOnce(&mut GatePolicy)) -> String {
    let mut policy = policy();
    change(&mut policy);
    Gate::new(policy).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_is_impossible_is_named() {
    let says = |change: fn(&mut GatePolicy), text: &str| {
        let said = refused(change);
        assert!(said.contains(text), "{said}");
    };
    says(|policy| policy.accounts = (0..33).map(|n| format!("a{n}")).collect(), "more than 32 accounts");
    says(|policy| policy.accounts.push("main".to_owned()), "the account `main` is declared twice");
    says(|policy| policy.accounts.push("a b".to_owned()), "the account `a b` cannot be named so");
    says(|policy| policy.instruments[0].name = String::new(), "the instrument `` cannot be named so");
    says(|policy| policy.instruments[0].required = 0, "must require at least one");
    says(|policy| policy.instruments[0].required = 2, "must require at least one of its price sources, and no more");
    says(|policy| policy.instruments[0].quote = Quote::Through(0), "is converted through");
    says(|policy| policy.instruments[0].quote = Quote::Through(2), "is converted through");
    says(|policy| policy.instruments[0].quote = Quote::Through(99), "is converted through");
    says(
        |policy| policy.instruments[0].contract = Contract::Linear { size: Amount::from_units(0, scale(0)) },
        "needs a contract size or value above zero",
    );
    says(
        |policy| policy.instruments[1].margin = Margin::Isolated { maintenance: Some(1_000_000) },
        "a maintenance margin",
    );
    says(
        |policy| policy.user = Limits::WAIVED.with(LimitName::TotalLeverage, Limit::Set(1)),
        "`total_leverage` has no meaning for a User",
    );
}

#[test]
fn what_is_shipped_is_what_was_promised() {
    let (system, user) = (Limits::shipped(100), Limits::shipped_rates(100));
    let set = |value| Limit::Set(value);
    for (limit, value) in [
        (LimitName::Position, set(10_000_000)),
        (LimitName::AccountRisk, set(100_000)),
        (LimitName::Leverage, set(50_000)),
        (LimitName::LiquidationBuffer, set(50_000)),
        (LimitName::DailyLoss, set(200_000)),
        (LimitName::VolumePerDay, Limit::Waived),
        (LimitName::ConfirmAbove, Limit::Waived),
    ] {
        assert_eq!(system.get(limit), value, "{limit:?}");
    }
    for (limit, value) in [
        (LimitName::OpeningsPerMinute, 5),
        (LimitName::TradesPerDay, 50),
        (LimitName::VolumePerHour, 1_000_000),
        (LimitName::MessagesPerMinute, 30),
        (LimitName::CopiesPerMinute, 10),
    ] {
        assert_eq!((system.get(limit), user.get(limit)), (set(value), set(value)), "{limit:?}");
    }
}
