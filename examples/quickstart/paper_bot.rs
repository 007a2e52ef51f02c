//! A paper-trading bot that failstop supervises: replays recorded Binance data for ever, at the speed at which it was
//! recorded, and trades it on paper.
//!
//! What makes it fail-stop is little: a heartbeat each second, a tick for each row of data, and a look at the permit
//! before each order. `SIGUSR1` starves it (its data stops, as when a venue goes silent) and feeds it again.

mod money;
mod recording;
mod strategy;

use failstop_client::permit::{Denial, Permit, Verdict};
use failstop_client::session::{Notice, Session, SessionError};
use failstop_client::wire::{Push, Time};
use jiff::Timestamp;
use recording::{Kind, Row};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strategy::{OPENING_CAPITAL, Order, Side, Strategy};

const RECORDING: &str = include_str!("../data/binance-spot-2025-03-25.csv");
const FEED: &str = "binance";
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
const REPORT_EVERY: Duration = Duration::from_secs(10);

static STARVED: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), String> {
    let rows = recording::read(RECORDING)?;
    on_signal(libc::SIGUSR1, starve);
    on_signal(libc::SIGTERM, stop);
    on_signal(libc::SIGINT, stop);
    let permit = Permit::from_env().map_err(|error| error.to_string())?;
    let mut session = Session::from_env().map_err(|error| error.to_string())?;
    let hello = session.hello("paper_bot", env!("CARGO_PKG_VERSION")).map_err(|error| error.to_string())?;
    say(&format!(
        "trading on paper for system {}, epoch {}, with {}",
        hello.system,
        hello.epoch,
        OPENING_CAPITAL.cents()
    ));

    let mut bot = Bot {
        permit,
        session,
        strategy: Strategy::new(),
        progress: 0,
        trades: 0,
        denied: None,
        starved: false,
        complained: None,
        next_heartbeat: Instant::now(),
        next_report: Instant::now() + REPORT_EVERY,
    };
    while bot.lap(&rows) {
        bot.strategy.forget_prices();
    }
    say(&format!("stopped with equity {}", bot.strategy.equity().cents()));
    Ok(())
}

struct Bot<'a> {
    permit: Permit,
    session: Session,
    strategy: Strategy<'a>,
    /// Moves with each row of data: what the heartbeat carries as progress.
    progress: u64,
    trades: u32,
    /// Since when and how often orders were held back, and why last.
    denied: Option<(Instant, u64, Denial)>,
    starved: bool,
    complained: Option<Instant>,
    next_heartbeat: Instant,
    next_report: Instant,
}

impl<'a> Bot<'a> {
    /// One lap over the recording. Returns whether to go on.
    fn lap(&mut self, rows: &[Row<'a>]) -> bool {
        let start = Instant::now();
        for row in rows {
            if !self.rest_until(start + row.after) {
                return false;
            }
            if STARVED.load(Ordering::Relaxed) != self.starved {
                self.starved = !self.starved;
                say(if self.starved { "starved: no market data any more" } else { "fed again" });
            }
            if !self.starved {
                self.take(row);
            }
        }
        true
    }

    fn take(&mut self, row: &Row<'a>) {
        self.progress += 1;
        // The recording is old; what counts is that its rows arrive now.
        let time = Time::UnixMs(Timestamp::now().as_millisecond());
        let told = self.session.tick(FEED, Some(row.instrument), Some(time));
        self.note(told);
        if let Kind::Quote { bid, ask } = row.kind
            && let Some(order) = self.strategy.quote(row.instrument, bid, ask)
        {
            self.place(row.instrument, order);
        }
    }

    /// The one way to an order: past the permit.
    fn place(&mut self, instrument: &'a str, order: Order) {
        let verdict = match order.side {
            Side::Buy => self.permit.may_open(),
            Side::Sell => self.permit.may_reduce(),
        };
        match verdict {
            Verdict::Denied(why) => {
                if self.denied.is_none() {
                    say(&format!("order held back: {why}"));
                }
                let (since, times, _) = self.denied.unwrap_or((Instant::now(), 0, why));
                self.denied = Some((since, times + 1, why));
            }
            // This bot knows no exchange: it fills on paper in `live` too.
            Verdict::Paper | Verdict::Live => {
                if let Some((since, times, _)) = self.denied.take() {
                    say(&format!(
                        "orders go out again: {times} tries were held back in {} s",
                        since.elapsed().as_secs()
                    ));
                }
                self.strategy.fill(instrument, order);
                self.trades += 1;
                let equity = self.strategy.equity().cents();
                let (side, quantity, price) = (order.side.word(), order.quantity.to_string(), order.price.to_string());
                say(&format!("paper {side:<4} {quantity:>8} {instrument} at {price:<9}  equity {equity}"));
                let fill = serde_json::json!({
                    "instrument": instrument, "side": side, "quantity": quantity, "price": price, "equity": equity,
                });
                let recorded = self.session.event("x.paper_fill", fill.as_object().cloned().unwrap_or_default());
                self.note(recorded);
            }
        }
    }

    /// Sleeps until `due`, with a heartbeat each second. Returns whether to go on.
    fn rest_until(&mut self, due: Instant) -> bool {
        loop {
            if STOP.load(Ordering::Relaxed) || self.told_to_stop() {
                return false;
            }
            let now = Instant::now();
            if now >= self.next_heartbeat {
                self.next_heartbeat = now + HEARTBEAT_EVERY;
                let told = self.session.heartbeat(Some(self.progress));
                self.note(told);
            }
            if now >= self.next_report {
                self.next_report = now + REPORT_EVERY;
                self.report();
            }
            if now >= due {
                return true;
            }
            // A signal ends the sleep of the thread early only at its end; a tenth of a second is soon enough.
            std::thread::sleep(due.min(self.next_heartbeat).saturating_duration_since(now).min(HEARTBEAT_EVERY / 10));
        }
    }

    fn told_to_stop(&mut self) -> bool {
        while let Some(notice) = self.session.notice() {
            match notice {
                Notice::Push(Push::Stop { reason, .. }) => {
                    say(&format!("asked to stop: {reason}"));
                    return true;
                }
                Notice::Push(_) => {}
                Notice::Refused { error, .. } => say(&format!("failstop did not take it: {error}")),
            }
        }
        false
    }

    fn report(&mut self) {
        if let Some((since, times, why)) = self.denied {
            let seconds = since.elapsed().as_secs();
            say(&format!("held back for {seconds} s now ({times} tries): {why}"));
        }
        let profit = self.strategy.equity() - OPENING_CAPITAL;
        let told = self
            .session
            .metric("daily_pnl", profit.figure())
            .and_then(|()| self.session.metric("trades_executed", f64::from(self.trades)));
        self.note(told);
    }

    /// What cannot be said is no reason to end: without the engine there is no permit either, and the engine's own death
    /// ends this process.
    fn note<T>(&mut self, told: Result<T, SessionError>) {
        let quiet = self.complained.is_some_and(|last| last.elapsed() < REPORT_EVERY);
        if let Err(error) = told
            && !quiet
        {
            self.complained = Some(Instant::now());
            say(&error.to_string());
        }
    }
}

/// One line, with the time.
fn say(line: &str) {
    use std::io::Write as _;
    let now = Timestamp::now().strftime("%H:%M:%SZ");
    // Nobody reading is no reason to end.
    let _ = writeln!(std::io::stdout(), "{now}  {line}");
}

extern "C" fn starve(_signal: libc::c_int) {
    STARVED.fetch_xor(true, Ordering::Relaxed);
}

extern "C" fn stop(_signal: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

fn on_signal(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the handlers only touch atomics, which is allowed in a signal handler.
    unsafe { libc::signal(signal, handler as libc::sighandler_t) };
}
