//! A stream of orders that is the same in every run, for other programs that judge orders: 20 spot instruments, limit orders around
//! the price, and about one in forty that nobody should send.

use crate::bed::{Bed, RIGHTS, Size, policy};
use crate::{Row, single};
use failstop_core::Slot;
use failstop_core::gate::{GatePolicy, Kind, Limit, LimitName, Margin, Order, Side};
use std::path::Path;

const ORDERS: usize = 20_000;
const SEED: u64 = 20_250_325;
const SIZE: Size = Size { instruments: 20, held: 0, open: 0, users: 1 };

/// The largest order, in millionths, and what it may be worth, in cents.
const QUANTITY_MOST: u128 = 10_000_000;
const NOTIONAL_MOST: u128 = 500_000;

struct Line {
    id: String,
    instrument: String,
    side: Side,
    quantity: String,
    price: String,
}

/// A number below `below`, from a linear congruence.
fn roll(dice: &mut u64, below: u64) -> u64 {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*dice >> 33) % below
}

fn lines() -> Vec<Line> {
    let mut dice = SEED;
    let mut line = |number: usize| {
        let cents = 99_500 + roll(&mut dice, 1_000);
        let millionths = 1 + roll(&mut dice, 1_000_000);
        let mut line = Line {
            id: format!("O-{number}"),
            instrument: format!("COIN{}-PERP", roll(&mut dice, 20)),
            side: if roll(&mut dice, 2) == 0 { Side::Buy } else { Side::Sell },
            quantity: format!("0.{:06}", millionths % 1_000_000),
            price: format!("{}.{:02}", cents / 100, cents % 100),
        };
        match roll(&mut dice, 160) {
            // Finer than the price is counted, of nothing known, more than one order may be, worth more than one may be.
            0 => line.price.push('1'),
            1 => line.instrument = "NOTHING-PERP".to_owned(),
            2 => line.quantity = "12.500000".to_owned(),
            3 => line.quantity = "8.000000".to_owned(),
            _ => {}
        }
        if line.quantity == "0.000000" {
            line.quantity = "0.000001".to_owned();
        }
        line
    };
    (0..ORDERS).map(&mut line).collect()
}

fn spot() -> GatePolicy {
    let mut policy = policy(SIZE);
    for instrument in &mut policy.instruments {
        instrument.margin = Margin::Spot;
        let limits = instrument.limits.clone().with(LimitName::OrderQuantity, Limit::Set(QUANTITY_MOST));
        instrument.limits = limits.with(LimitName::OrderNotional, Limit::Set(NOTIONAL_MOST));
    }
    policy
}

/// Nanoseconds for each order, and how many were allowed.
fn judge(lines: &[Line]) -> (Vec<f64>, usize) {
    let mut bed = Bed::with(SIZE, spot());
    let mut allowed = 0;
    let mut took = Vec::with_capacity(lines.len());
    for line in lines {
        let now = bed.pass();
        let order = Order {
            component: Slot::component(0).unwrap(),
            client_id: &line.id,
            user: Some("user-0"),
            account: "main",
            instrument: &line.instrument,
            kind: Kind::Entry,
            side: line.side,
            quantity: &line.quantity,
            price: Some(&line.price),
            leverage: None,
            reduce_only: false,
            live: true,
        };
        let (gate, out) = (&mut bed.gate, &mut bed.out);
        took.push(single(|| gate.decide(now, &order, RIGHTS, out)));
        if bed.out.allows() {
            allowed += 1;
            bed.cancel(now, &line.id);
        }
    }
    (took, allowed)
}

/// The row of the table, a round for each run, and how many orders were allowed, in each run the same.
fn figures(lines: &[Line]) -> (Row, usize) {
    let mut row = Row::of("decided, each remembered");
    let mut allowed = 0;
    for _ in 0..9 {
        let (took, allows) = judge(lines);
        row.means.push(took.iter().sum::<f64>() / took.len() as f64);
        row.singles.extend(took);
        allowed = allows;
    }
    (row, allowed)
}

/// The row of the table.
pub fn print(clock: f64) {
    let (row, allowed) = figures(&lines());
    println!("the stream for the peer: {ORDERS} orders in 20 spot instruments, {allowed} of them allowed");
    row.print(clock);
}

/// The orders, one JSON object a line, and beside them what this gate needs for them.
pub fn write(file: &Path) {
    let lines = lines();
    let mut text = String::new();
    for line in &lines {
        let Line { id, instrument, side, quantity, price } = line;
        let order = serde_json::json!({
            "id": id, "instrument": instrument, "side": side, "quantity": quantity, "price": price,
        });
        text.push_str(&format!("{order}\n"));
    }
    std::fs::write(file, text).unwrap();
    let (row, allowed) = figures(&lines);
    let (mean, p50, p99) = row.figures();
    let ours = serde_json::json!({"mean_ns": mean, "p50_ns": p50, "p99_ns": p99, "allowed": allowed, "orders": ORDERS});
    std::fs::write(file.with_extension("ours"), format!("{ours}\n")).unwrap();
}
