//! Resource limits: the samples that limits, status and metrics are judged from, and what the kernel is told to hold.
//!
//! The kernel's limits stand a little above those that the core judges, so that as a rule a component is asked first and stopped
//! in good order; the kernel holds what grows faster than anybody looks.

pub mod kernel;
pub mod out_of_memory;
pub mod processes;
pub mod rlimits;
pub mod sampling;

/// The kernel stops a number an eighth above its limit, and at least one.
pub const fn kernel_count(limit: u64) -> u64 {
    let room = limit / 8;
    limit.saturating_add(if room == 0 { 1 } else { room })
}
