//! What the engine counts of itself since it started. Owned by the loop; nothing here decides anything.

use super::histogram::{DISK, Histogram, MICROSECONDS};
use crate::output::Lost;
use crate::thresholds::Shown;
use failstop_core::{Cause, HealthStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a verdict came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// It was computed.
    Verdict(HealthStatus),
    /// It could not be computed.
    Error,
}

/// The counters and histograms of this engine's life. They begin at 0 with each epoch, which Prometheus understands.
#[derive(Clone, Debug)]
pub struct Meters {
    pub(super) healthy: u64,
    pub(super) degraded: u64,
    pub(super) critical: u64,
    pub(super) errors: u64,
    pub(super) health_check_duration: Histogram,
    pub(super) journal_records: u64,
    pub(super) journal_bytes: u64,
    pub(super) journal_syncs: u64,
    pub(super) journal_durable: Histogram,
    pub(super) halts_raised: [u64; Cause::ALL.len()],
    pub(super) bot_requests: u64,
    pub(super) bot_refused: u64,
    pub(super) notify_taken: u64,
    pub(super) notify_refused: u64,
    pub(super) notify_malformed: u64,
    pub(super) gate_decision: Histogram,
    pub(super) order_latency: Histogram,
    /// How often the breaker of what only shows tripped.
    pub breaker_trips: u64,
    /// Figures and their levels, as last looked at.
    pub(crate) thresholds: Shown,
    /// Output of components that got lost, as last looked at.
    pub(crate) output_lost: Lost,
    /// Requests that the control listener did not believe, or the observe address where it wants a token; counted there. `None`
    /// where there is neither.
    refused_signatures: Option<Arc<AtomicU64>>,
    /// Controls that somebody known had not the role for; counted by the doors.
    forbidden: Option<Arc<AtomicU64>>,
    /// Messages over Telegram of who is not listed; counted by that door.
    strangers: Option<Arc<AtomicU64>>,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            healthy: 0,
            degraded: 0,
            critical: 0,
            errors: 0,
            health_check_duration: Histogram::new(&MICROSECONDS),
            journal_records: 0,
            journal_bytes: 0,
            journal_syncs: 0,
            journal_durable: Histogram::new(&DISK),
            halts_raised: [0; Cause::ALL.len()],
            bot_requests: 0,
            bot_refused: 0,
            notify_taken: 0,
            notify_refused: 0,
            notify_malformed: 0,
            breaker_trips: 0,
            gate_decision: Histogram::new(&DISK),
            order_latency: Histogram::new(&DISK),
            thresholds: Shown::default(),
            output_lost: Lost { from_files: 0, from_screen: 0, from_journal: 0 },
            refused_signatures: None,
            forbidden: None,
            strangers: None,
        }
    }

    /// The same, with the doors' own counts: of requests that were not believed, and of controls that somebody
    /// had not the role for.
    pub fn counting(refused_signatures: Option<Arc<AtomicU64>>, forbidden: Arc<AtomicU64>) -> Self {
        Self { refused_signatures, forbidden: Some(forbidden), ..Self::new() }
    }

    /// The same, with the count of Telegram's door.
    #[must_use]
    pub fn with_strangers(self, strangers: Arc<AtomicU64>) -> Self {
        Self { strangers: Some(strangers), ..self }
    }

    /// Messages over Telegram of who is not listed.
    pub(super) fn strangers(&self) -> u64 {
        self.strangers.as_ref().map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Controls that somebody known had not the role for.
    pub(super) fn forbidden(&self) -> u64 {
        self.forbidden.as_ref().map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Requests that the control listener did not believe, or the observe address where it wants a token; `None` where there is neither.
    pub(crate) fn refused_signatures(&self) -> Option<u64> {
        self.refused_signatures.as_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// A health verdict was computed (or could not be), and how long that took.
    pub fn health_check(&mut self, outcome: HealthCheck, took: Duration) {
        let count = match outcome {
            HealthCheck::Verdict(HealthStatus::Healthy) => &mut self.healthy,
            HealthCheck::Verdict(HealthStatus::Degraded) => &mut self.degraded,
            HealthCheck::Verdict(HealthStatus::Critical) => &mut self.critical,
            HealthCheck::Error => &mut self.errors,
        };
        *count = count.saturating_add(1);
        self.health_check_duration.observe(took);
    }

    /// An order was answered, and how long after it was asked.
    pub fn gate_decision(&mut self, took: Duration) {
        self.gate_decision.observe(took);
    }

    /// The venue took so long for an order, as the bot says.
    pub fn order_latency(&mut self, latency_us: Option<u64>) {
        if let Some(latency) = latency_us {
            self.order_latency.observe(Duration::from_micros(latency));
        }
    }

    /// One batch became durable: how many records and bytes, and how long its oldest record waited for that.
    pub fn journal_durable(&mut self, records: u64, bytes: u64, waited: Duration) {
        self.journal_records = self.journal_records.saturating_add(records);
        self.journal_bytes = self.journal_bytes.saturating_add(bytes);
        self.journal_syncs = self.journal_syncs.saturating_add(1);
        self.journal_durable.observe(waited);
    }

    /// A halt was raised.
    pub fn halt_raised(&mut self, cause: Cause) {
        let index = Cause::ALL.iter().position(|each| *each == cause);
        if let Some(count) = index.and_then(|index| self.halts_raised.get_mut(index)) {
            *count = count.saturating_add(1);
        }
    }

    /// A message came over a notify socket and was taken, but for so many lines that made no sense.
    pub fn notify_taken(&mut self, malformed: usize) {
        self.notify_taken = self.notify_taken.saturating_add(1);
        self.notify_malformed = self.notify_malformed.saturating_add(u64::try_from(malformed).unwrap_or(u64::MAX));
    }

    /// A message came over a notify socket and was refused, whole or in part.
    pub fn notify_refused(&mut self) {
        self.notify_refused = self.notify_refused.saturating_add(1);
    }

    /// A message came over the bot socket, and whether it was taken.
    pub fn bot_message(&mut self, taken: bool) {
        let count = if taken { &mut self.bot_requests } else { &mut self.bot_refused };
        *count = count.saturating_add(1);
    }
}
