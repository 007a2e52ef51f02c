//! A bot in Rust that asks failstop before each order. It replays recorded prices, buys what rises and sells what falls; that is no
//! strategy. What can be taken from it is the rest: signs of life, prices, the gate before each order, what became of orders, and
//! the end when it is asked to end.

use failstop_client::permit::{Intent, Permit};
use failstop_client::session::{Notice, Session};
use failstop_client::wire::{Order, OrderOutcome, OrderResult, Price, Push, Side};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RECORDING: &str = include_str!("../../data/binance-spot-2025-03-25.csv");
const ACCOUNT: &str = "main";
const SOURCE: &str = "binance";
const QUANTITY: &str = "0.001";
/// Between two rows. As recorded it would be 23.
const PAUSE: Duration = Duration::from_millis(5);
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Set by SIGTERM, which comes with the push `stop` and without it where the connection is lost.
static ENDING: AtomicBool = AtomicBool::new(false);

extern "C" fn end(_signal: libc::c_int) {
    ENDING.store(true, Ordering::Relaxed);
}

fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: the handler only touches an atomic, which is allowed in a signal handler.
    unsafe { libc::signal(libc::SIGTERM, end as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let (permit, mut session) = (Permit::from_env()?, Session::from_env()?);
    let epoch = session.hello("rust-bot", env!("CARGO_PKG_VERSION"))?.epoch;
    let mut bot = Bot { permit, session, epoch, orders: 0, markets: BTreeMap::new() };
    let (mut steps, mut next_beat) = (0, Instant::now());
    // received_utc,instrument,kind,price_or_bid,quantity_or_ask,side
    for row in RECORDING.lines().skip(1).cycle() {
        if ENDING.load(Ordering::Relaxed) || bot.told_to_stop() {
            break;
        }
        if let [_, instrument, "quote", bid, ask, _] = row.split(',').collect::<Vec<_>>()[..] {
            bot.quote(instrument, bid, ask)?;
            steps += 1;
        }
        if Instant::now() >= next_beat {
            // One that cannot be said is no reason to end: without the engine there is no permit either.
            let _ = bot.session.heartbeat(Some(steps));
            next_beat = Instant::now() + BEAT_EVERY;
        }
        std::thread::sleep(PAUSE);
    }
    println!("stopped in good order");
    Ok(())
}

struct Bot<'a> {
    permit: Permit,
    session: Session,
    epoch: u64,
    orders: u64,
    markets: BTreeMap<&'a str, Market>,
}

#[derive(Default)]
struct Market {
    /// The last bid, and how often on end it rose (above zero) or fell.
    last: f64,
    run: i32,
    holds: bool,
}

impl<'a> Bot<'a> {
    fn quote(&mut self, instrument: &'a str, bid: &str, ask: &str) -> Result<(), Box<dyn Error>> {
        // The venue's time is long past; that they arrive is what counts.
        let _ = self.session.tick(SOURCE, Some(instrument), None);
        let _ = self.session.price(Price::bid_ask(SOURCE, instrument, bid, ask));
        // A strategy may think in floats; what is said of money stays text.
        let now: f64 = bid.parse()?;
        let market = self.markets.entry(instrument).or_default();
        market.run = if now > market.last {
            market.run.max(0) + 1
        } else if now < market.last {
            market.run.min(0) - 1
        } else {
            market.run
        };
        market.last = now;
        match (market.holds, market.run) {
            (false, 2..) => self.place(instrument, Side::Buy, ask),
            (true, ..=-2) => self.place(instrument, Side::Sell, bid),
            (true, _) | (false, _) => {}
        }
        Ok(())
    }

    /// The one way to an order.
    fn place(&mut self, instrument: &'a str, side: Side, price: &str) {
        self.orders += 1;
        // Used once, ever: it begins with the epoch, which grows with each start of failstop.
        let client_id = format!("e{}-{}", self.epoch, self.orders);
        let reduces = side == Side::Sell;
        let order = Order::market(&client_id, ACCOUNT, instrument, side, QUANTITY).at(price);
        let order = Order { reduce_only: reduces, ..order };
        let intent = if reduces { Intent::Reduce } else { Intent::Open };
        let decision = self.session.order_with_permit(order, &mut self.permit, intent);
        if let Some(fill) = &decision.paper_fill {
            println!("on paper: {side:?} {} {instrument} at {}", fill.quantity, fill.price);
            if let Some(market) = self.markets.get_mut(instrument) {
                market.holds = !reduces;
            }
        } else if decision.allow {
            // Here it would go to the exchange, which this bot has none of.
            let told = self.session.order_result(OrderResult::of(&client_id, OrderOutcome::NotSent));
            println!("allowed, and not sent: {instrument} {:?}", told.map(|booked| booked.seq));
        } else {
            let codes: Vec<&str> = decision.reasons.iter().map(|reason| reason.code.as_str()).collect();
            println!("held back: {side:?} {instrument} {}", codes.join(" "));
            if decision.may_be_recorded() {
                // One that cannot be said is in doubt, which stops what follows.
                let _ = self.session.order_result(OrderResult::of(&client_id, OrderOutcome::NotSent));
            }
        }
    }

    fn told_to_stop(&mut self) -> bool {
        while let Some(notice) = self.session.notice() {
            match notice {
                Notice::Push(Push::Stop { reason, .. }) => {
                    println!("asked to stop: {reason}");
                    return true;
                }
                Notice::Push(_) => {}
                Notice::Refused { error, .. } => println!("failstop did not take it: {error}"),
            }
        }
        false
    }
}
