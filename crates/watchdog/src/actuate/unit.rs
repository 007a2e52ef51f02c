//! One unit: how its process is found, stopped, proved gone, and started.

use super::engine::{self, LastWord, Life};
use super::process::{Held, Process, cgroup_is_empty, kill_cgroup, marked};
use crate::clock;
use crate::disk::replace;
use crate::heart::reading::BY_SIGNAL;
use crate::probe::{Ran, run_program};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// From SIGKILL to the look at what is left.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// A start command that ends within this must end with 0; one that goes on is the unit itself.
const START_WAIT: Duration = Duration::from_secs(1);

/// How a unit's process is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PidSource {
    /// A file with its number, and where it is written its start time (`PID` or `PID START_TIME`).
    File(PathBuf),
    /// An engine's runtime or state directory: `engine.json` in it names guard, engine, epoch, mark and cgroup.
    Engine(PathBuf),
}

/// A unit, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// How its process is found.
    pub source: PidSource,
    /// What stops it, where SIGTERM does not do.
    pub stop: Option<Vec<String>>,
    /// What starts it.
    pub start: Option<Vec<String>>,
    /// From the stop to SIGKILL.
    pub grace: Duration,
}

/// The units of a host, and where it is remembered what was started.
#[derive(Clone, Debug)]
pub struct Units {
    /// By name.
    pub units: Vec<Unit>,
    /// Where locks and started processes are kept.
    pub state_dir: PathBuf,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which unit.
    pub unit: String,
    /// Whether no process of it is left.
    pub gone: bool,
    /// What it took: `already gone`, `stop command`, `SIGTERM`, `SIGKILL`, `start`.
    pub how: String,
    /// Processes that are left.
    pub left: Vec<i32>,
    /// Whether its cgroup is empty; `null` where there is none.
    pub cgroup_empty: Option<bool>,
    /// The process that was started.
    pub started: Option<i32>,
    /// Where nothing of it is left because somebody stopped it on purpose, and not this responder: how, for people. It is not
    /// started from here then.
    #[serde(default)]
    pub stopped_on_purpose: Option<String>,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such unit.
    #[error("there is no unit `{0}` here")]
    Unknown(String),
    /// Another request for it is being carried out.
    #[error("another request for this unit is being carried out")]
    Busy,
    /// Another epoch runs.
    #[error("epoch {found} runs, and {expected} was meant: somebody else acted meanwhile")]
    Epoch {
        /// What was meant.
        expected: u64,
        /// What runs.
        found: u64,
    },
    /// The old process lives.
    #[error("its old process still lives ({0}): a second copy is never started")]
    Lives(String),
    /// Its kill switch is engaged.
    #[error(
        "its kill switch is engaged ({0} exists): it is neither stopped nor started from elsewhere until somebody releases it"
    )]
    KillSwitch(PathBuf),
    /// It was stopped on purpose: how.
    #[error("it was stopped on purpose ({0}): a person starts it again")]
    StoppedOnPurpose(String),
    /// There is no command for it.
    #[error("the unit has no start command")]
    NoStart,
    /// The command failed.
    #[error("{0}")]
    Failed(String),
}

/// What a unit consists of now.
#[derive(Debug, Default)]
struct Found {
    /// Told to stop: the guard, or the process itself.
    first: Option<Process>,
    /// Everything that is alive.
    alive: Vec<Process>,
    /// Which life of which engine.
    life: Option<Life>,
    cgroup: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Started {
    process: Process,
    boot_id: String,
}

/// A unit's lock. Let go of by name: a child of this process between its fork and its exec still has the file open, and closing
/// ours alone would leave the lock with it.
#[derive(Debug)]
struct Locked(fs::File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file, which follows, is all that is left to do where this fails.
        let _ = self.0.unlock();
    }
}

impl Units {
    fn find_unit(&self, name: &str) -> Result<&Unit, Refused> {
        self.units.iter().find(|unit| unit.name == name).ok_or_else(|| Refused::Unknown(name.to_owned()))
    }

    /// One request a unit at a time, whoever asks: the lock is the kernel's and ends with this process.
    fn lock(&self, unit: &Unit) -> Result<Locked, Refused> {
        let failed = |error: std::io::Error| Refused::Failed(format!("{}: {error}", self.state_dir.display()));
        fs::DirBuilder::new().recursive(true).create(&self.state_dir).map_err(failed)?;
        let path = self.state_dir.join(format!("unit-{}.lock", unit.name));
        let file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Locked(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Refused::Busy),
            Err(fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn started_path(&self, unit: &Unit) -> PathBuf {
        self.state_dir.join(format!("unit-{}.started", unit.name))
    }

    /// The process that was started here last, if it is still alive.
    fn started(&self, unit: &Unit) -> Option<Process> {
        let started: Started = serde_json::from_slice(&fs::read(self.started_path(unit)).ok()?).ok()?;
        (started.boot_id == clock::boot_id()).then_some(started.process).filter(|process| process.is_alive())
    }

    fn look(&self, unit: &Unit) -> Found {
        let mut found = match &unit.source {
            PidSource::File(path) => by_file(path),
            PidSource::Engine(folder) => by_engine(folder),
        };
        if let Some(started) = self.started(unit) {
            found.first = found.first.or(Some(started));
            found.alive.push(started);
        }
        let trees: Vec<Process> = found.alive.iter().flat_map(|process| process.tree()).collect();
        found.alive.extend(trees);
        found.alive.sort_unstable();
        found.alive.dedup();
        found.alive.retain(|process| process.is_alive());
        found
    }

    /// What is there of a unit.
    ///
    /// # Errors
    /// [`Refused::Unknown`].
    pub fn status(&self, name: &str) -> Result<Receipt, Refused> {
        let unit = self.find_unit(name)?;
        let found = self.look(unit);
        Ok(self.receipt(unit, &found, "status"))
    }

    /// Stops a unit: its stop command or SIGTERM, grace, SIGKILL of everything that is left. `kill`: SIGKILL at once. The receipt
    /// says what was seen afterwards.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn stop(&self, name: &str, expected_epoch: Option<u64>, kill: bool) -> Result<Receipt, Refused> {
        let unit = self.find_unit(name)?;
        let _lock = self.lock(unit)?;
        // A kill goes on: it can only end what the kill switch wants ended.
        if !kill {
            refuse_by_kill_switch(unit)?;
        }
        let found = self.look(unit);
        if let (Some(expected), Some(epoch)) = (expected_epoch, found.life.as_ref().map(|life| life.epoch))
            && expected != epoch
            && !found.alive.is_empty()
        {
            return Err(Refused::Epoch { expected, found: epoch });
        }
        if found.alive.is_empty() {
            return Ok(self.receipt(unit, &found, "already gone"));
        }
        if let Some(life) = &found.life {
            self.remember_ending(unit, life)?;
        }
        // Held before the first signal: once the first is dead, its children are nobody's and could not be found any more.
        let held: Vec<Held> = found.alive.iter().filter_map(|process| process.hold()).collect();
        let mut how = "SIGKILL";
        if !kill {
            how = self.ask_to_stop(unit, &found, &held).await?;
            let waiting = async {
                for one in &held {
                    one.ends(unit.grace).await;
                }
            };
            // One grace for all of them together.
            let _ = tokio::time::timeout(unit.grace, waiting).await;
        }
        let left = || held.iter().map(|one| one.process).chain(self.look(unit).alive).filter(|one| one.is_alive());
        if left().next().is_some() {
            how = "SIGKILL";
            kill_cgroup_of(&found);
            // What they bore meanwhile is killed with them; twice, since a fork may race the first look.
            for _ in 0..2 {
                let mut now: Vec<Process> = left().flat_map(Process::tree).collect();
                now.sort_unstable();
                now.dedup();
                let now: Vec<Held> = now.iter().filter_map(|process| process.hold()).collect();
                for one in &now {
                    one.signal(libc::SIGKILL)
                        .map_err(|error| Refused::Failed(format!("SIGKILL to {}: {error}", one.process.pid)))?;
                }
                for one in &now {
                    one.ends(KILL_WAIT).await;
                }
            }
        }
        let mut after = self.look(unit);
        after.cgroup = after.cgroup.or(found.cgroup);
        after.alive.extend(held.iter().map(|one| one.process).filter(|process| process.is_alive()));
        Ok(self.receipt(unit, &after, how))
    }

    async fn ask_to_stop(&self, unit: &Unit, found: &Found, held: &[Held]) -> Result<&'static str, Refused> {
        if let Some(argv) = &unit.stop {
            return match run_program(argv, &[], unit.grace).await {
                // Whether it did what it should is seen by what is left, not by its status.
                Ran::Ended { .. } | Ran::TimedOut => Ok("stop command"),
                Ran::NotStarted(error) => Err(Refused::Failed(format!("{} cannot be started: {error}", argv[0]))),
            };
        }
        for one in held.iter().filter(|one| Some(one.process) == found.first) {
            one.signal(libc::SIGTERM)
                .map_err(|error| Refused::Failed(format!("SIGTERM to {}: {error}", one.process.pid)))?;
        }
        Ok("SIGTERM")
    }

    /// Starts a unit, unless anything of it is alive.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn start(&self, name: &str) -> Result<Receipt, Refused> {
        let unit = self.find_unit(name)?;
        let _lock = self.lock(unit)?;
        let argv = unit.start.as_ref().ok_or(Refused::NoStart)?;
        refuse_by_kill_switch(unit)?;
        let found = self.look(unit);
        if let Some(alive) = found.alive.first() {
            return Err(Refused::Lives(format!("process {}", alive.pid)));
        }
        if found.cgroup.as_deref().and_then(cgroup_is_empty) == Some(false) {
            return Err(Refused::Lives("its cgroup is not empty".to_owned()));
        }
        if let Some(how) = self.stopped_on_purpose(unit) {
            return Err(Refused::StoppedOnPurpose(how));
        }
        let log = self.state_dir.join(format!("unit-{}.log", unit.name));
        let pid = spawn(argv, &log, |process| {
            let started = Started { process, boot_id: clock::boot_id() };
            let text = serde_json::to_vec(&started).unwrap_or_default();
            replace(&self.started_path(unit), &text, true)
        })
        .await?;
        Ok(Receipt { started: Some(pid), ..self.receipt(unit, &self.look(unit), "start") })
    }

    /// Which life of an engine this responder is about to end: on disk before the first signal, since the engine's last word will
    /// say that it was stopped, and not by whom.
    fn remember_ending(&self, unit: &Unit, life: &Life) -> Result<(), Refused> {
        let path = self.ending_path(unit);
        let text = serde_json::to_vec(life).unwrap_or_default();
        replace(&path, &text, true).map_err(|error| Refused::Failed(format!("{}: {error}", path.display())))
    }

    fn ending_path(&self, unit: &Unit) -> PathBuf {
        self.state_dir.join(format!("unit-{}.ending", unit.name))
    }

    /// How somebody else than this responder stopped it on purpose, where that is how it ended last.
    fn stopped_on_purpose(&self, unit: &Unit) -> Option<String> {
        let PidSource::Engine(folder) = &unit.source else { return None };
        let word = match LastWord::of(folder) {
            Ok(word) => word?,
            // Whoever cannot tell takes it for a stop.
            Err(how) => return Some(how),
        };
        let ending: Option<Life> =
            fs::read(self.ending_path(unit)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let own = ending.as_ref() == Some(&word.life) && (word.by == BY_SIGNAL || unit.stop.is_some());
        (word.is_stop() && !own).then(|| word.shown())
    }

    fn receipt(&self, unit: &Unit, found: &Found, how: &str) -> Receipt {
        let cgroup_empty = found.cgroup.as_deref().and_then(cgroup_is_empty);
        let mut left: Vec<i32> = found.alive.iter().map(|process| process.pid).collect();
        left.sort_unstable();
        left.dedup();
        let gone = left.is_empty() && cgroup_empty != Some(false);
        Receipt {
            unit: unit.name.clone(),
            gone,
            how: how.to_owned(),
            left,
            cgroup_empty,
            started: None,
            stopped_on_purpose: if gone { self.stopped_on_purpose(unit) } else { None },
        }
    }
}

fn refuse_by_kill_switch(unit: &Unit) -> Result<(), Refused> {
    match &unit.source {
        PidSource::Engine(folder) => {
            engine::kill_switch(folder).map_or(Ok(()), |latch| Err(Refused::KillSwitch(latch)))
        }
        PidSource::File(_) => Ok(()),
    }
}

/// Starts a command in a session of its own, its output in a file. One that ends soon must end with 0 (`systemctl start`); one
/// that goes on is the unit itself. `remember` keeps who it is before anything else can be asked.
async fn spawn(argv: &[String], log: &Path, remember: impl Fn(Process) -> std::io::Result<()>) -> Result<i32, Refused> {
    let failed =
        |error: std::io::Error| Refused::Failed(format!("{}: {error}", argv.first().map_or("", String::as_str)));
    let Some((program, arguments)) = argv.split_first() else { return Err(Refused::NoStart) };
    let out = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(log).map_err(failed)?;
    let err = out.try_clone().map_err(failed)?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(out).stderr(err);
    // SAFETY: setsid is safe between fork and exec; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(std::io::Error::from));
    }
    let mut child = command.spawn().map_err(failed)?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
    if let Some(process) = Process::of(pid) {
        // Unremembered, it could be started twice: then it must not stay.
        if let Err(error) = remember(process) {
            let _ = child.start_kill();
            let _ = child.wait().await;
            return Err(failed(error));
        }
    }
    match tokio::time::timeout(START_WAIT, child.wait()).await {
        Err(_) => Ok(pid),
        Ok(Ok(status)) if status.success() => Ok(pid),
        Ok(Ok(status)) => {
            Err(Refused::Failed(format!("{program} ended with {status}; its output is in {}", log.display())))
        }
        Ok(Err(error)) => Err(failed(error)),
    }
}

fn kill_cgroup_of(found: &Found) {
    if let Some(cgroup) = &found.cgroup {
        kill_cgroup(cgroup);
    }
}

/// By a pid file. A process that started after the file was written is not its subject: the number was given again.
fn by_file(path: &Path) -> Found {
    let read = || -> Option<Process> {
        let text = fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace();
        let process = Process::of(words.next()?.parse().ok()?)?;
        if let Some(start_time) = words.next() {
            return (start_time.parse() == Ok(process.start_time)).then_some(process);
        }
        let written = fs::metadata(path).ok()?.mtime();
        let now = clock::now();
        let booted = (now.wall.0 - now.boot.0) / 1000;
        #[expect(clippy::cast_precision_loss, reason = "whole seconds of a date")]
        let started = booted as f64 + process.started_seconds();
        #[expect(clippy::cast_precision_loss, reason = "whole seconds of a date")]
        let good = started <= written as f64 + 2.0;
        good.then_some(process)
    };
    let first = read().filter(|process| process.is_alive());
    Found { first, alive: first.into_iter().collect(), ..Found::default() }
}

/// By `engine.json`.
fn by_engine(folder: &Path) -> Found {
    let Some(info) = engine::info(folder) else { return Found::default() };
    if info.boot_id != clock::boot_id() {
        return Found::default();
    }
    let named: Vec<Process> =
        info.guard.into_iter().chain([info.engine]).filter(|process| process.is_alive()).collect();
    let mut alive = named.clone();
    // Components outlive guard and engine where both were killed at once; their mark does not wear off.
    alive.extend(marked(&info.life.mark));
    Found { first: named.first().copied(), alive, life: Some(info.life), cgroup: info.cgroup }
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
