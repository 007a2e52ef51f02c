//! The thread on which the users of programs are looked up and what programs print is read: the loop reads no files, and goes through
//! nothing that somebody else wrote. It is there only where a source is a program.

use super::output::Printed;
use super::spec::{Reading, Said};
use crate::config::MAX_METRIC_SOURCES;
use crate::emergency::Account;
use crate::probing::{ProbeFault, StartFailed};
use crate::process::program::ProgramEnd;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc;

/// How much may wait for the thread: each source has one try under way, and may have one that was given up.
const WAITING_MAX: usize = 2 * MAX_METRIC_SOURCES;

/// What the thread needs.
const STACK: usize = 256 * 1024;

/// A program that is to be run.
#[derive(Debug)]
pub struct Run {
    /// Which try this is.
    pub serial: u64,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables that it has beside what all programs have.
    pub env: Vec<(String, String)>,
    /// The user that it is to run as, by name or number, while that is not looked up.
    pub(super) user: Option<String>,
    /// As whom, where that is another user.
    pub account: Option<Account>,
    /// How long it may take.
    pub timeout: Duration,
    /// How what it prints is read.
    pub reading: Reading,
}

/// What comes to the loop of a try.
#[derive(Debug)]
pub enum Measured {
    /// Its program may be run: the user that it runs as is known.
    Runnable(Run),
    /// It has ended.
    Ended {
        /// Which try.
        serial: u64,
        /// What was said.
        said: Said,
        /// Whether this process stood still meanwhile: then a time-out says nothing.
        stood_still: bool,
    },
}

/// A program that has ended, and what is to be read of it.
#[derive(Debug)]
struct Ended {
    serial: u64,
    program: String,
    printed: Printed,
    end: ProgramEnd,
    reading: Reading,
}

#[derive(Debug)]
enum Work {
    Find(Run),
    Read(Ended),
}

/// The way to the thread, which ends with the last of these.
#[derive(Clone, Debug)]
pub struct Beside(SyncSender<Work>);

/// How a user is found; `None` where that is this process's own.
pub(super) type Find = fn(&str) -> Result<Option<Account>, String>;

impl Beside {
    /// Starts the thread. Call it only after the guard has forked.
    pub(super) fn start(find: Find, outcomes: mpsc::Sender<Measured>) -> Result<Self, StartFailed> {
        let (work, waiting) = sync_channel(WAITING_MAX);
        let serve = move || {
            // Signals are the loop's: none may be delivered here. It cannot fail with this argument.
            let _ = nix::sys::signal::SigSet::all().thread_block();
            while let Ok(work) = waiting.recv() {
                let measured = match work {
                    Work::Find(run) => found(run, find),
                    Work::Read(Ended { serial, program, printed, end, reading }) => Measured::Ended {
                        serial,
                        said: reading.read(printed.outcome(&program, end)),
                        stood_still: false,
                    },
                };
                if outcomes.blocking_send(measured).is_err() {
                    // A loop that has ended wants to know nothing any more.
                    return;
                }
            }
        };
        std::thread::Builder::new().name("metrics".to_owned()).stack_size(STACK).spawn(serve)?;
        Ok(Self(work))
    }

    /// Looks up the user of a program. `false` where that cannot be: then nothing follows.
    pub(super) fn find(&self, run: Run) -> bool {
        self.0.try_send(Work::Find(run)).is_ok()
    }

    /// Reads what the program of this try printed. There is room for each.
    pub fn read(&self, serial: u64, program: String, printed: Printed, end: ProgramEnd, reading: Reading) {
        drop(self.0.try_send(Work::Read(Ended { serial, program, printed, end, reading })));
    }
}

fn found(mut run: Run, find: Find) -> Measured {
    match run.user.take().map_or(Ok(None), |user| find(&user)) {
        Ok(account) => {
            run.env = environment(run.env, account.as_ref());
            run.account = account;
            Measured::Runnable(run)
        }
        Err(why) => {
            let program = run.argv.first().cloned().unwrap_or_default();
            let fault = ProbeFault::NotStarted { program, kind: io::ErrorKind::PermissionDenied, why };
            Measured::Ended { serial: run.serial, said: Err(fault.into()), stood_still: false }
        }
    }
}

/// The user that a program runs as; `None` where that is this process's own.
pub(super) fn account_of(user: &str) -> Result<Option<Account>, String> {
    let account = Account::named(user).ok_or_else(|| format!("there is no user \"{user}\""))?;
    let own = nix::unistd::geteuid();
    if account.uid == own.as_raw() {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(format!("only root can run it as user \"{user}\"; remove `user`, or run failstop as root"));
    }
    Ok(Some(account))
}

/// What a program has in its environment beside what all have; what is configured counts before what its user has.
pub(super) fn environment(mut configured: Vec<(String, String)>, account: Option<&Account>) -> Vec<(String, String)> {
    let Some(account) = account else { return configured };
    for (name, value) in [("HOME", &account.home), ("USER", &account.name), ("LOGNAME", &account.name)] {
        if !configured.iter().any(|(there, _)| there == name) {
            configured.push((name.to_owned(), value.clone()));
        }
    }
    configured
}
