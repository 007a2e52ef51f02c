//! The whole notifier against services on loopback: as they should be, hostile, and in a storm of crashes.
//!
//! Rounds of the crash storm: `FAILSTOP_STORM` (30 by default, 500 for the long run).

#![expect(clippy::expect_used, reason = "a failed setup fails the test")]

mod certificates;
mod delivery;
mod hostile;
mod loopback;
mod mail;
mod storm;
mod world;
