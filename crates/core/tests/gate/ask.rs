//! What a host asks beside decisions.

use crate::bed::{Bed, MINUTE, SECOND, SPOT, buy, policy, slot, with};
use failstop_core::Rights;
use failstop_core::gate::{Bucket, Fact, Limit, LimitName, Outcome, RateAsk, Side};

#[test]
fn an_order_is_known_open_and_then_as_used() {
    let mut bed = Bed::flat(policy());
    assert!(!bed.gate.was_used("order-1"));
    assert_eq!(bed.ask(&buy(SPOT, "2")), []);
    let open = bed.gate.open_order("order-1").unwrap();
    assert!(!open.paper && open.opening && bed.gate.was_used("order-1"));
    assert_eq!(bed.gate.open_ids(false), ["order-1"]);
    bed.fill(Some("order-1"), SPOT, Side::Buy, "0.5", "100");
    assert_eq!(bed.gate.open_order("order-1").unwrap().remaining.to_string(), "1.5000");
    assert_eq!(bed.gate.holding(bed.now(), "main", SPOT, false).unwrap().quantity.to_string(), "0.5000");
    bed.outcome("order-1", Outcome::Cancelled);
    assert_eq!(bed.gate.open_order("order-1"), None);
    assert!(bed.gate.was_used("order-1") && !bed.gate.was_used("") && !bed.gate.was_used("a b"));
}

#[test]
fn what_is_papers_is_known_when_it_is_over_too() {
    let mut bed = Bed::flat(policy());
    bed.may = Rights { live: false, ..bed.may };
    // Paper is a book of its own, which has heard nothing yet.
    let (account, instrument, quantity) = ("main", SPOT, "0");
    bed.take(Fact::Position { account, instrument, quantity, entry: None, leverage: None, paper: true }).unwrap();
    assert_eq!(bed.ask(&buy(SPOT, "2")), []);
    let is_paper = |bed: &Bed, side| bed.gate.is_paper("order-1", "main", SPOT, side);
    assert!(is_paper(&bed, Side::Buy) && !is_paper(&bed, Side::Sell) && bed.gate.open_order("order-1").unwrap().paper);
    bed.outcome("order-1", Outcome::Cancelled);
    assert!(is_paper(&bed, Side::Buy));
    bed.may = Rights { live: true, ..bed.may };
    assert_eq!(bed.ask(&buy(SPOT, "2")), []);
    assert!(!bed.gate.is_paper("order-2", "main", SPOT, Side::Buy));
    assert!(!bed.gate.is_paper("order-2", "nowhere", SPOT, Side::Buy));
}

#[test]
fn ages_are_told_of_what_was_heard() {
    let mut bed = Bed::new(policy());
    assert_eq!(bed.gate.equity(bed.now(), "main", false), None);
    assert_eq!(bed.gate.holding(bed.now(), "main", SPOT, false).unwrap().heard, None);
    bed.equity("main", "12.50");
    bed.position(SPOT, "-1");
    bed.pass(3 * SECOND);
    let (equity, age) = bed.gate.equity(bed.now(), "main", false).unwrap();
    assert_eq!((equity.to_string().as_str(), age), ("12.50", 3 * SECOND));
    let held = bed.gate.holding(bed.now(), "main", SPOT, false).unwrap();
    assert_eq!((held.quantity.to_string().as_str(), held.heard), ("-1.0000", Some(3 * SECOND)));
    assert_eq!(bed.gate.holding(bed.now(), "main", SPOT, true).unwrap().heard, None, "paper is another book");
    assert_eq!(bed.gate.holding(bed.now(), "main", "nothing", false), None);
    bed.price(SPOT, "100");
    assert!(bed.gate.feed(bed.now(), SPOT).unwrap().fresh && bed.gate.feed(bed.now(), "nothing").is_none());
}

#[test]
fn who_comes_again_when_he_is_told_is_allowed_and_not_before() {
    let user = policy().user.with(LimitName::CopiesPerMinute, Limit::Set(3));
    let mut bed = Bed::flat(failstop_core::gate::GatePolicy { user, ..with(LimitName::CopiesPerMinute, 5) });
    let ask = |cost| RateAsk { component: slot(0), bucket: Bucket::Copies, user: Some("u"), cost };
    let mut out = failstop_core::gate::Decision::default();
    assert!(bed.gate.rate(bed.now(), &ask(3), &mut out).is_some());
    assert_eq!(bed.gate.retry_after(bed.now(), &ask(0)), Some(core::time::Duration::ZERO));
    let after = bed.gate.retry_after(bed.now(), &ask(1)).unwrap();
    assert!(after > 50 * SECOND && after <= MINUTE + 5 * SECOND, "{after:?}");
    bed.pass(after - 5 * SECOND);
    assert!(bed.gate.rate(bed.now(), &ask(1), &mut out).is_none(), "five seconds too early");
    bed.pass(5 * SECOND);
    assert!(bed.gate.rate(bed.now(), &ask(1), &mut out).is_some());
    // More than there ever is, and what hangs on the trading day, has no time.
    assert_eq!(bed.gate.retry_after(bed.now(), &ask(4)), None);
}
