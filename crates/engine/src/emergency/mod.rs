//! Emergency actions: programs of the user's that cancel orders and close positions when everything is to end. Run by failstop and
//! not by the bot, in order, each with its time, and each once for an engagement as far as that can be known.
//!
//! One small process runs them, whoever wants them run: the runner ([`runner::NAME`]), failstop's own file under another name.
//! `failstop kill-switch engage` starts one, and so does an engine that learns of the latch; the kernel's lock on
//! `STATE/emergency/lock` lets one of them work while the other waits, and finds then that everything was done. What was begun
//! and how it ended is on the disk before and after each action, so that whoever comes after a death goes on where it stopped
//! (docs/adr/0095-who-runs-emergency-actions.md).
//!
//! ```text
//! STATE/emergency/  lock (who has it may take so long)  plan.json (the last start's actions, for a day on which the configuration cannot be read)
//!                   run-kill-switch.json  run-failsafe.json  run-drill.json (what was done)  failsafe.json (for which halts)
//! ```

mod account;
mod execute;
mod follow;
mod given;
mod lock;
mod plan;
mod remains;
mod run;
pub mod runner;
mod saying;
mod tail;
mod waiting;

pub use account::Account;
pub use follow::{Followed, Following, last_word, start};
pub use lock::{Held, held, is_runner, make_folder, runner_of};
pub use plan::{Action, Plan, PlanError};
pub use run::{BEGINNINGS_MAX, Cause, Ended, Outcome, Run, RunError, Step, key_of, seconds};
pub use runner::{Came, Order, PATH, Word};

/// The folder of all this within the state directory.
pub const FOLDER: &str = "emergency";
