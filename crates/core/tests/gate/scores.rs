//! How near each limit is: 0 far, 1000 reached, and reached where it cannot be said.

use crate::bed::*;
use failstop_core::gate::*;

fn score(bed: &Bed, limit: LimitName, scope: Scope) -> Vec<(String, Option<u128>, u16)> {
    let scores = bed.gate.scores(bed.now(), false).into_iter();
    let own = scores.filter(|score| score.limit == limit && score.scope == scope);
    own.map(|score| (score.of, score.used, score.thousandths)).collect()
}

#[test]
fn each_limit_that_is_set_has_its_distance() {
    let mut policy = policy();
    policy.system = Limits::shipped(100).with(LimitName::DailyLossMoney, Limit::Set(100_000));
    policy.user = Limits::WAIVED.with(LimitName::OpeningsPerMinute, Limit::Set(2));
    let mut bed = Bed::flat(policy);
    bed.take(Fact::Day(TradingDay(1))).unwrap();
    assert_eq!(score(&bed, LimitName::Position, Scope::System), [(String::new(), Some(0), 0)]);
    assert_eq!(bed.ask(&Order { user: Some("alice"), ..buy(SPOT, "9") }), []);
    let id = bed.last_id();
    bed.fill(Some(&id), SPOT, Side::Buy, "9", "100");
    let all = [("main BTC-USD".to_owned(), Some(90_000), 9)];
    assert_eq!(score(&bed, LimitName::Position, Scope::System), all, "900.00 of 100 000.00");
    let total = [("main".to_owned(), Some(9), 0), ("second".to_owned(), Some(0), 0)];
    assert_eq!(score(&bed, LimitName::TotalLeverage, Scope::System), total);
    assert_eq!(score(&bed, LimitName::OpeningsPerMinute, Scope::User), [("alice".to_owned(), Some(1), 500)]);
    assert_eq!(score(&bed, LimitName::OpeningsPerMinute, Scope::System), [(String::new(), Some(1), 200)]);
    bed.price(SPOT, "90");
    assert_eq!(score(&bed, LimitName::DailyLossMoney, Scope::System), [(String::new(), Some(9_000), 90)]);
    assert_eq!(score(&bed, LimitName::DailyLoss, Scope::System)[0], ("main".to_owned(), Some(9_000), 45));
}

#[test]
fn what_cannot_be_said_is_not_far() {
    let mut policy = policy();
    policy.system = Limits::WAIVED.with(LimitName::Position, Limit::Set(1)).with(LimitName::DailyLoss, Limit::Set(1));
    let mut bed = Bed::new(policy);
    bed.position(SPOT, "1");
    assert_eq!(score(&bed, LimitName::Position, Scope::System), [("main BTC-USD".to_owned(), None, 1000)]);
    assert_eq!(score(&bed, LimitName::DailyLoss, Scope::System)[0], ("main".to_owned(), None, 1000));
}

#[test]
fn how_near_an_unknown_position_is_cannot_be_said() {
    let mut policy = policy();
    policy.system =
        Limits::WAIVED.with(LimitName::Position, Limit::Set(1)).with(LimitName::TotalLeverage, Limit::Set(TIMES_ONE));
    let mut bed = Bed::flat(policy);
    bed.take(Fact::PositionUnknown { account: "main", instrument: SPOT }).unwrap();
    let (position, total) = (LimitName::Position, LimitName::TotalLeverage);
    assert_eq!(score(&bed, position, Scope::System), [("main BTC-USD".to_owned(), None, 1000)]);
    let second = ("second".to_owned(), Some(0), 0);
    assert_eq!(score(&bed, total, Scope::System), [("main".to_owned(), None, 1000), second.clone()]);
    bed.position(SPOT, "0");
    assert_eq!(score(&bed, position, Scope::System), [(String::new(), Some(0), 0)]);
    assert_eq!(score(&bed, total, Scope::System), [("main".to_owned(), Some(0), 0), second]);
}
