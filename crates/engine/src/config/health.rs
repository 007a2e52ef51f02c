//! `[health]`: what makes the verdict unhealthy. `[failsafe]`: what ends in fail-safe shutdown.

use failstop_settings::{Consistent, Name, section, within};
use std::time::Duration;

section! {
    /// What makes the verdict unhealthy (observe-only, clears by itself). A source is judged once it is named in `feeds` or
    /// first seen.
    pub struct Health {
        /// Market data older than this, for every feed.
        market_data_max_age: Duration, default "5m", within("100ms", "168h");
        /// Feeds that are judged from the start and not only once seen.
        feeds: Vec<Name>, default [];
        /// No durable journal write for this long.
        journal_max_age: Duration, default "10m", within("1s", "168h");
        /// More errors reported by the bots within a minute than this.
        errors_per_minute: u32, default 10, within("0", "1000000");
        /// A queue with entries and no progress for this long is stalled.
        queue_stalled_after: Duration, default "60s", within("1s", "24h");
        /// The verdict is formed at every input, and at least this often.
        every: Duration, default "30s", within("1s", "10m");
        /// Healthy for this long clears the halt.
        clear_after: Duration, default "60s", within("0s", "24h");
    }
}

impl Consistent for Health {}

section! {
    /// What ends in fail-safe shutdown: components stopped, latched until an operator resumes.
    pub struct Failsafe {
        /// Market data older than this.
        market_data_max_age: Duration, default "10m", within("100ms", "168h");
        /// No journal write possible for this long (a failed fsync is fatal at once).
        journal_max_age: Duration, default "15m", within("1s", "168h");
        /// The last snapshot is older than this. Counted from the start where there was none before.
        snapshot_max_age: Duration, default "25h", within("1m", "8760h");
        /// Unhealthy for this long without a break.
        unhealthy_for: Duration, default "5m", within("0s", "168h");
        /// Whether thresholds may end in shutdown: memory above twice its warning threshold where no limit governs it.
        /// Integrity, storage, heartbeat and the kill switch always do.
        emergency_shutdown: bool, default true;
    }
}

impl Consistent for Failsafe {}
