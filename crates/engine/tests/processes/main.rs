//! The process modules against real processes that misbehave: as root with a cgroup, as root without, as an ordinary user.
//!
//! Where the tests do not run as root, or no cgroup can be made, the modes that need it are passed over with a line that
//! says so. `FAILSTOP_TRIES` sets how often the deaths are tried (default 5; 100 is what is claimed).

#![expect(clippy::unwrap_used, clippy::panic, reason = "what is not expected fails the test")]

mod deaths;
mod harness;
mod spawning;
mod trees;
