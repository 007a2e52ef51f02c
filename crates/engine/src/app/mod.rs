//! `failstop run`: the engine's life from its first instruction to its exit status. A table of contents; each line's work is
//! in the module that it names.

mod accounts;
mod alerts;
mod audit;
mod books;
mod bots;
mod breaker;
mod closing;
mod components;
mod concerns;
mod credentials;
mod diagnosis;
mod effects;
mod emergency;
mod ending;
mod engagement;
mod engine;
mod error;
mod events;
mod facts;
mod figures;
mod findings;
mod footprint;
mod gate;
mod guard_watch;
mod history;
mod hooks;
mod isolation;
mod journal;
mod latch;
mod latch_watch;
mod log_files;
mod logging;
mod maintenance;
mod measuring;
mod notices;
mod open;
mod orders;
mod probes;
mod programs;
mod readings;
mod reaping;
mod reload;
mod sampling;
mod sandbox;
mod sentence;
mod snapshots;
mod standing_still;
mod start;
mod strays;
mod summary;
mod thresholds;
mod traces;
pub(crate) mod verifier;
mod witness;

pub(crate) use credentials::read as read_credentials;
pub use error::RunError;
pub(crate) use journal::{decode, encode};
pub(crate) use start::WRITER;

use crate::config::Overrides;
use crate::process::guard::{self, EngineSide, Role};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Exit statuses of `failstop run`. API: runbooks and units depend on them.
pub mod status {
    /// Stopped on request.
    pub const STOPPED: u8 = 0;
    /// The configuration or the host does not let it start.
    pub const CONFIGURATION: u8 = 2;
    /// Another instance of this system runs, or something of an earlier one cannot be ended.
    pub const ANOTHER_INSTANCE: u8 = 4;
    /// Asked to stop while in fail-safe shutdown.
    pub const STOPPED_IN_SHUTDOWN: u8 = 5;
    /// The journal cannot be written or read.
    pub const STORAGE: u8 = 6;
    /// Asked to end so that whoever started it starts it again.
    pub const RESTART: u8 = 8;
    /// The engine died under its guard.
    pub const ENGINE_DIED: u8 = crate::process::guard::ENGINE_DIED;
}

/// What `failstop run` was asked for.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// What comes on top of it.
    pub overrides: Overrides,
    /// End instead of staying up when a fail-safe shutdown is complete.
    pub exit_on_failsafe: bool,
}

/// Runs until asked to stop. The first thing that happens is the fork of the guard, so the caller has started no thread.
///
/// Errors are printed on standard error, with what to do next; the exit status says which kind it was.
pub fn run(options: &RunOptions) -> ExitCode {
    match guard::split() {
        Ok(Role::Guard(status)) => status,
        Ok(Role::Engine(side)) => ExitCode::from(engine(options, side)),
        Err(error) => {
            eprintln!("error: failstop cannot start: {error}");
            ExitCode::from(status::CONFIGURATION)
        }
    }
}

fn engine(options: &RunOptions, side: EngineSide) -> u8 {
    let prepared = match start::prepare(options, side) {
        Ok(prepared) => prepared,
        Err(error) => {
            error.print();
            crate::alerts::start_failed(options, &error);
            return error.status();
        }
    };
    // One thread drives everything; what may block has threads of its own (`beside`).
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(1).build();
    let ended = match runtime {
        Ok(runtime) => to_its_end(runtime, engine::live(prepared)),
        Err(source) => Err(RunError::Host { what: "make the event loop", source }),
    };
    match ended {
        Ok(status) => status,
        Err(error) => {
            error.print();
            crate::alerts::start_failed(options, &error);
            error.status()
        }
    }
}

/// Runs to its end. What is done beside it may be cut off at any moment, as by a crash, and on a file system that hangs it never ends: the
/// process ends without it. A runtime that is dropped would wait for whatever is on threads of its own.
fn to_its_end<T>(runtime: Runtime, life: impl Future<Output = T>) -> T {
    let ended = runtime.block_on(life);
    runtime.shutdown_background();
    ended
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn what_hangs_beside_the_loop_keeps_no_engine_from_ending() {
        let (release, hangs) = mpsc::channel::<()>();
        let (ends, end) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).build().unwrap();
        std::thread::spawn(move || {
            let life = async move {
                let (begun, is_begun) = tokio::sync::oneshot::channel();
                drop(tokio::task::spawn_blocking(move || {
                    let _ = begun.send(());
                    let _ = hangs.recv();
                }));
                is_begun.await.is_ok()
            };
            ends.send(to_its_end(runtime, life))
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(true));
        drop(release);
    }
}
