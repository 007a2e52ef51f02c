//! Measures what engine and guard use, at a wake that happens anyway: some files of `/proc` and one call.

use crate::limits::sampling::{ProcessFigures, ProcessSample, process_pss_bytes};
use core::time::Duration;
use nix::sys::resource::{UsageWho, getrusage};

/// The unit in which the kernel counts what a process had written to disks.
const BLOCK: u64 = 512;

/// How memory was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meter {
    /// The proportional set size: what is shared counts in parts.
    Proportional,
    /// The resident size: what is shared counts whole. Never less.
    Resident,
}

impl Meter {
    /// `proportional`, `resident`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proportional => "proportional",
            Self::Resident => "resident",
        }
    }
}

/// What engine and guard use. Counters are since the engine started and never fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Memory of both, bytes; `None` where it cannot be read.
    pub memory: Option<u64>,
    /// How that was measured.
    pub meter: Meter,
    /// Processor time of both.
    pub cpu: Duration,
    /// Threads of both.
    pub threads: u64,
    /// Open descriptors of the engine.
    pub open_files: u64,
    /// Bytes that the engine had written to disks; `None` where the kernel does not say.
    pub written: Option<u64>,
    /// Bytes that the doors sent.
    pub sent: u64,
}

/// Measures now. `own` is what was read of this process; `guard` the guard's process number, 0 where there is none.
pub fn measure(own: &ProcessSample, guard: u32) -> Reading {
    let of_guard = (guard != 0).then(|| ProcessFigures::of(guard)).flatten();
    let proportional = process_pss_bytes(std::process::id()).ok();
    let (engine, meter) = match proportional {
        Some(bytes) => (bytes, Meter::Proportional),
        None => (own.resident_bytes, Meter::Resident),
    };
    // A guard that does not let itself be read is small; the engine's own is what may grow.
    let guards = (guard != 0).then(|| process_pss_bytes(guard).ok()).flatten().unwrap_or_default();
    Reading {
        memory: Some(engine.saturating_add(guards)),
        meter,
        cpu: own.cpu.saturating_add(of_guard.map_or(Duration::ZERO, |figures| figures.cpu)),
        threads: own.threads.saturating_add(of_guard.map_or(0, |figures| figures.threads)),
        open_files: own.open_fds,
        written: written(),
        sent: crate::doors::sent_bytes(),
    }
}

/// What this process had the kernel write to disks, all threads, pages that it made dirty counted when it did.
fn written() -> Option<u64> {
    let blocks = getrusage(UsageWho::RUSAGE_SELF).ok()?.block_writes();
    u64::try_from(blocks).ok().map(|blocks| blocks.saturating_mul(BLOCK))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn this_process_can_be_measured_and_a_guard_that_is_none_adds_nothing() {
        let own = ProcessSample::own().unwrap();
        let alone = measure(&own, 0);
        let memory = alone.memory.unwrap();
        assert!(memory > 100_000 && memory <= own.resident_bytes.saturating_mul(2), "{alone:?}");
        assert_eq!((alone.meter, alone.threads, alone.open_files), (Meter::Proportional, own.threads, own.open_fds));
        assert!(alone.written.is_some());
        // Init's figures may be read by everybody, its memory by few.
        let with_another = measure(&own, 1);
        assert!(with_another.cpu >= alone.cpu && with_another.threads > alone.threads, "{with_another:?}");
        assert_eq!(measure(&own, u32::MAX >> 1).threads, own.threads, "a process that is not there");
    }
}
