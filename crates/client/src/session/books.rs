//! What a bot says about money and about the states of its strategies. Each call returns once it is durable.

use super::{Session, SessionError};
use crate::wire::{Booked, Capital, Fill, Message, Position, Posting, SnapshotRequest, StrategyState};

impl Session {
    /// Books a change of capital. After [`SessionError::Lost`] or [`SessionError::TimedOut`] it may or may not be booked: say it
    /// again with the same `reference`, and it is booked once.
    ///
    /// ```no_run
    /// use failstop_client::session::Session;
    /// use failstop_client::wire::{Leg, Posting};
    ///
    /// let mut session = Session::from_env()?;
    /// session.posting(Posting {
    ///     reference: "deposit-2026-11-07".to_owned(),
    ///     legs: vec![Leg::inside("USDT", "kraken", "main", "1000"), Leg::outside("USDT", "venue", "-1000")],
    ///     reason: None,
    /// })?;
    /// # Ok::<(), failstop_client::session::SessionError>(())
    /// ```
    ///
    /// # Errors
    /// See [`SessionError`]. Refused with [`crate::wire::Code::Violation`] it broke a rule of the ledger, and trading is halted.
    pub fn posting(&mut self, posting: Posting) -> Result<Booked, SessionError> {
        self.ask(&Message::Posting(posting))
    }

    /// Books a fill, with what it did to capital where that is not said in a posting of its own. As [`Session::posting`].
    ///
    /// # Errors
    /// As [`Session::posting`].
    pub fn fill(&mut self, fill: Fill) -> Result<Booked, SessionError> {
        self.ask(&Message::Fill(fill))
    }

    /// Says what is in an account, to be compared with the book.
    ///
    /// # Errors
    /// As [`Session::posting`]; a difference is a violation.
    pub fn capital(&mut self, capital: Capital) -> Result<Booked, SessionError> {
        self.ask(&Message::Capital(capital))
    }

    /// Says what a position is, to be compared with the sum of its fills.
    ///
    /// # Errors
    /// As [`Session::posting`]; a difference is a violation.
    pub fn position(&mut self, position: Position) -> Result<Booked, SessionError> {
        self.ask(&Message::Position(position))
    }

    /// Says that a strategy went to another state.
    ///
    /// # Errors
    /// As [`Session::posting`]; a state or a transition that is not declared is a violation.
    pub fn strategy_state(&mut self, state: StrategyState) -> Result<Booked, SessionError> {
        self.ask(&Message::StrategyState(state))
    }

    /// Asks for a snapshot of capital, positions, strategies and permission, and returns once it is on the disk.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub fn snapshot(&mut self, reason: Option<&str>) -> Result<Booked, SessionError> {
        self.ask(&Message::SnapshotRequest(SnapshotRequest { reason: reason.map(str::to_owned) }))
    }
}
