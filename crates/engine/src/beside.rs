//! Threads for what may block beside the loop and beside the doors: each hangs for itself, and where the host gives none that is an error that
//! is told ([`Threads`]), not the end of the engine.

use failstop_notify::threads::Threads;

/// Beside the loop: a snapshot, checks, limits that the kernel is to hold, at most one each; the rest is for some that hang.
pub static LOOP: Threads = Threads::new(8);

/// Beside the doors: readers of the journal and of processes, which wait for one another.
pub static DOORS: Threads = Threads::new(8);

/// Beside the connection to the group's limits: its files.
pub static SHARED_RATES: Threads = Threads::new(4);
