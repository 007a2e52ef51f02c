//! What a bot asks the gate. A question about an order is always answered: whatever goes wrong is a refusal with its reason.

use super::{Session, SessionError};
use crate::permit::host::boottime_ns;
use crate::permit::{Intent, Permit, Verdict};
use crate::wire::{ApiUsage, Booked, Decision, Message, Order, OrderResult, Price, Rate, RateDecision, Reason};

/// Codes of refusals that are the client's own; those of the gate stand in `docs/reference/refusals.md`.
pub mod code {
    /// There is no connection to failstop.
    pub const OFFLINE: &str = "OFFLINE";
    /// The connection broke before the answer.
    pub const LOST: &str = "LOST";
    /// No answer came in time.
    pub const TIMED_OUT: &str = "TIMED_OUT";
    /// The answer cannot be read.
    pub const UNREADABLE: &str = "UNREADABLE";
    /// The answer came after its permit had run out, or the permit page does not allow it any more.
    pub const PERMIT_EXPIRED: &str = "PERMIT_EXPIRED";
    /// `CLOCK_BOOTTIME` cannot be read, so that no deadline can be judged.
    pub const NO_CLOCK: &str = "NO_CLOCK";
}

impl Session {
    /// Asks whether this order may be sent. Never fails and never waits longer than the session's time-out: what cannot be asked is
    /// refused. Send it at once, and only where the decision allows it; to the exchange where [`Decision::is_live`].
    ///
    /// A refusal may leave the intent in the journal: where [`Decision::may_be_recorded`], say what became of the order
    /// ([`crate::wire::OrderOutcome::NotSent`]) with [`Session::order_result`].
    ///
    /// ```no_run
    /// use failstop_client::session::Session;
    /// use failstop_client::wire::{Order, OrderOutcome, OrderResult, Side};
    ///
    /// let mut session = Session::from_env()?;
    /// let decision = session.order(Order::market("e7-1", "main", "BTC/USDT", Side::Buy, "0.001").at("64000.10"));
    /// if decision.is_live() {
    ///     // Send it, then say what became of it.
    ///     session.order_result(OrderResult::of("e7-1", OrderOutcome::Accepted))?;
    /// } else {
    ///     if decision.may_be_recorded() {
    ///         session.order_result(OrderResult::of("e7-1", OrderOutcome::NotSent))?;
    ///     }
    ///     for reason in &decision.reasons {
    ///         eprintln!("not sent: {}", reason.error);
    ///     }
    /// }
    /// # Ok::<(), failstop_client::session::SessionError>(())
    /// ```
    pub fn order(&mut self, order: Order) -> Decision {
        match self.ask::<Decision>(&Message::Order(order)) {
            Ok(decision) => decision.still_good(),
            Err(error) => Decision { reasons: vec![reason(error)], ..Decision::refused("", "") },
        }
    }

    /// As [`Session::order`], held against the permit page as well: at once refused where that denies, without asking, and looked at
    /// again after the answer. `intent` is what the order does to the position, [`Intent::Open`] where that is not certain.
    pub fn order_with_permit(&mut self, order: Order, permit: &mut Permit, intent: Intent) -> Decision {
        if let Verdict::Denied(denial) = permit.check(intent) {
            return Decision::refused(code::PERMIT_EXPIRED, format!("the permit page denies it: {denial}"));
        }
        let decision = self.order(order);
        match (decision.allow, permit.check(intent)) {
            (true, Verdict::Denied(denial)) => {
                too_late(decision, code::PERMIT_EXPIRED, format!("the permit page denies it by now: {denial}"))
            }
            // The mode fell to `dry` after the answer.
            (true, Verdict::Paper) if decision.is_live() => {
                too_late(decision, code::PERMIT_EXPIRED, "the mode is dry by now: ask again".to_owned())
            }
            (_, Verdict::Live | Verdict::Paper | Verdict::Denied(_)) => decision,
        }
    }

    /// Says what became of an order; returns once it is durable.
    ///
    /// # Errors
    /// As [`Session::posting`]. Said again it changes nothing.
    pub fn order_result(&mut self, result: OrderResult) -> Result<Booked, SessionError> {
        self.ask(&Message::OrderResult(result))
    }

    /// Asks the limiter about something that is no order. Never fails: what cannot be asked is refused.
    pub fn rate(&mut self, bucket: &str, user: Option<&str>, cost: u64) -> RateDecision {
        let ask = Rate { bucket: bucket.to_owned(), user: user.map(str::to_owned), cost: cost.to_string() };
        match self.ask::<RateDecision>(&Message::Rate(ask)) {
            Ok(decision) => decision,
            Err(error) => RateDecision { allow: false, reasons: vec![reason(error)], retry_after_ms: None },
        }
    }

    /// Says a price. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn price(&mut self, price: Price) -> Result<(), SessionError> {
        self.tell(&Message::Price(price))
    }

    /// Says how much of the venue's own request budget is used. One way.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn api_usage(&mut self, endpoint: &str, used: u64, limit: u64) -> Result<(), SessionError> {
        self.tell(&Message::ApiUsage(ApiUsage { endpoint: endpoint.to_owned(), used, limit, resets_at: None }))
    }
}

/// Why something could not be asked, as a refusal.
fn reason(error: SessionError) -> Reason {
    let (code, error) = match error {
        SessionError::Refused { code, error, .. } => return Reason { code: code.name(), error },
        error @ (SessionError::NotUnderFailstop | SessionError::Connect { .. }) => (code::OFFLINE, error),
        error @ SessionError::Lost { .. } => (code::LOST, error),
        error @ SessionError::TimedOut { .. } => (code::TIMED_OUT, error),
        error @ SessionError::Unreadable { .. } => (code::UNREADABLE, error),
    };
    Reason { code: code.to_owned(), error: error.to_string() }
}

impl Decision {
    /// Whether it is refused on this side alone, so that the intent may be in the journal: no answer came in time or it cannot be read
    /// ([`code::TIMED_OUT`], [`code::LOST`], [`code::UNREADABLE`]), or it came too late to go by ([`code::PERMIT_EXPIRED`],
    /// [`code::NO_CLOCK`]). Whoever sends nothing then says so ([`crate::wire::OrderOutcome::NotSent`]): until then the gate counts the
    /// order. Never after the gate's own refusals, which record nothing: after `DUPLICATE` it would end the first order of that id.
    pub fn may_be_recorded(&self) -> bool {
        [code::TIMED_OUT, code::LOST, code::UNREADABLE, code::PERMIT_EXPIRED, code::NO_CLOCK]
            .iter()
            .any(|code| self.has(code))
    }

    /// This decision, or its refusal where its permit has run out by now or it does not say until when it is good. [`Session::order`]
    /// has looked already; for whoever talks to the bot socket by other means, and again whenever time has passed since.
    pub fn still_good(self) -> Self {
        if !self.allow {
            return self;
        }
        let Some(deadline) = self.permit_deadline else {
            return Self::refused(code::UNREADABLE, "failstop's answer to `order` allows it without `permit_deadline`");
        };
        match boottime_ns() {
            Some(now) if now / 1_000 < deadline => self,
            Some(_) => {
                let why =
                    "the decision came after its permit had run out: ask again under another client id".to_owned();
                too_late(self, code::PERMIT_EXPIRED, why)
            }
            None => too_late(self, code::NO_CLOCK, "CLOCK_BOOTTIME cannot be read".to_owned()),
        }
    }
}

fn too_late(mut decision: Decision, code: &str, error: String) -> Decision {
    decision.allow = false;
    decision.paper_fill = None;
    decision.reasons.push(Reason { code: code.to_owned(), error });
    decision
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_refused_on_this_side_may_be_recorded() {
        for code in [code::TIMED_OUT, code::LOST, code::UNREADABLE, code::PERMIT_EXPIRED, code::NO_CLOCK] {
            assert!(Decision::refused(code, "").may_be_recorded(), "{code}");
        }
        for code in [code::OFFLINE, "DUPLICATE", "HALTED", "DRY_MODE", "NOT_CONFIGURED"] {
            assert!(!Decision::refused(code, "").may_be_recorded(), "{code}");
        }
        let allowed =
            Decision { allow: true, reasons: Vec::new(), permit_deadline: Some(u64::MAX), ..Decision::refused("", "") };
        assert!(!allowed.may_be_recorded());
        assert!(Decision { permit_deadline: Some(1), ..allowed.clone() }.still_good().may_be_recorded());
        assert!(Decision { permit_deadline: None, ..allowed }.still_good().may_be_recorded());
    }
}
