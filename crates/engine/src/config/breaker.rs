//! `[breaker]`: the circuit breaker of what only shows.

use failstop_core::BreakerPolicy;
use failstop_settings::{Consistent, section, within};
use std::time::Duration;

section! {
    /// While this host is too busy the dashboard and the figures over time give way, and the verification beside for at most as long again
    /// as it waits anyway ([journal] verify_every). What keeps trading safe never does.
    pub struct Breaker {
        /// Whether it trips at all.
        enabled: bool, default true;
        /// Whether it comes back by itself. Without, `failstop breaker reset` brings it back.
        recovery: bool, default true;
        /// Trips above this use of the host's processors, in per cent: the mean since the sample before ([limits] sample_every).
        cpu_percent: u32, default 90, within("1", "100");
        /// Trips above this use of the host's memory, in per cent.
        memory_percent: u32, default 85, within("1", "100");
        /// From the trip to a try to come back, and from one failed try to the next. A try is good below four fifths of both.
        retry_every: Duration, default "60s", within("1s", "1h");
        /// So many failed tries, and it stays shed until it is reset, with a warning.
        tries: u32, default 3, within("1", "1000");
    }
}

impl Consistent for Breaker {}

impl Breaker {
    /// As the core wants it.
    pub fn policy(&self) -> BreakerPolicy {
        BreakerPolicy {
            enabled: self.enabled,
            recovery: self.recovery,
            cpu: self.cpu_percent * 10,
            memory: self.memory_percent * 10,
            retry_every: self.retry_every,
            tries: self.tries,
        }
    }
}
