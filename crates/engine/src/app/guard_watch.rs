//! Sees to it that the guard can do its work. A guard that somebody stopped (SIGSTOP, a debugger) hands on no signal, and would
//! end nothing if the engine died: nobody can want that, so it is woken, and people are told.

use super::engine::Engine;
use crate::process::pidfd::PidFd;
use crate::runtime_dir::{ProcessRef, ProcessState};
use serde_json::json;
use std::io;

/// What the engine knows of its guard beyond that it is there.
#[derive(Debug)]
pub struct GuardWatch {
    guard: Option<ProcessRef>,
    stopped: bool,
    /// There is a permit page that it could not be told of.
    pub(super) page_untold: bool,
}

/// What changed.
#[derive(Debug)]
enum Change {
    /// It was found stopped, and whether SIGCONT could be sent.
    Stopped(io::Result<bool>),
    /// It runs again.
    Runs,
}

impl GuardWatch {
    /// Of this guard; `None` where it could not be looked up, and then it is not watched.
    pub fn new(guard: Option<ProcessRef>) -> Self {
        Self { guard, stopped: false, page_untold: false }
    }

    /// Looks at it now. One that is found stopped is woken, once each time: whoever holds it in a debugger is not helped by more.
    fn look(&mut self) -> Option<Change> {
        let guard = self.guard?;
        match (guard.state(), self.stopped) {
            (ProcessState::Stopped, false) => {
                self.stopped = true;
                let opened = PidFd::open_exactly(guard.into());
                Some(Change::Stopped(
                    opened.and_then(|pidfd| pidfd.map_or(Ok(false), |pidfd| pidfd.signal(libc::SIGCONT))),
                ))
            }
            (ProcessState::Alive, true) => {
                self.stopped = false;
                Some(Change::Runs)
            }
            // That it is gone shows by the link's end.
            (ProcessState::Stopped, true) | (ProcessState::Alive, false) | (ProcessState::Gone, _) => None,
        }
    }
}

impl Engine {
    /// Looks whether the guard runs, and tells it what it could not be told before.
    pub(super) fn look_at_guard(&mut self) {
        let pid = self.side.guard_pid;
        match self.guard_watch.look() {
            Some(Change::Stopped(sent)) => {
                let woken = match &sent {
                    Ok(_) => "it was sent SIGCONT".to_owned(),
                    Err(error) => format!("it cannot be woken ({error}): run `kill -CONT {pid}`"),
                };
                let text = format!(
                    "the guard (pid {pid}) was stopped: it handed on no signal, and would have ended nothing after the engine; \
                     {woken}"
                );
                self.say("guard", &text);
                self.note("x.failstop.guard_stopped", &json!({ "pid": pid, "woken": sent.is_ok() }));
                self.facts.note_of_guard(Some(text));
            }
            Some(Change::Runs) => {
                self.say("guard", "runs again");
                self.note("x.failstop.guard_runs", &json!({ "pid": pid }));
                self.facts.note_of_guard(None);
            }
            None => {}
        }
        if std::mem::take(&mut self.guard_watch.page_untold) {
            self.announce_page();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    #[test]
    fn a_stopped_guard_is_woken_each_time_and_told_once() {
        let mut guard = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(guard.id()).unwrap());
        let mut watch = GuardWatch::new(ProcessRef::of(pid.as_raw()).unwrap());
        for _ in 0..2 {
            assert!(watch.look().is_none());
            kill(pid, Signal::SIGSTOP).unwrap();
            let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
            assert!(matches!(stopped, WaitStatus::Stopped(_, Signal::SIGSTOP)), "{stopped:?}");
            assert!(matches!(watch.look(), Some(Change::Stopped(Ok(true)))));
            let woken = waitpid(pid, Some(WaitPidFlag::WCONTINUED)).unwrap();
            assert!(matches!(woken, WaitStatus::Continued(_)), "{woken:?}");
            assert!(matches!(watch.look(), Some(Change::Runs)));
        }
        kill(pid, Signal::SIGSTOP).unwrap();
        waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(watch.look().is_some());
        waitpid(pid, Some(WaitPidFlag::WCONTINUED)).unwrap();
        kill(pid, Signal::SIGSTOP).unwrap();
        waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(watch.look().is_none(), "not told anew as long as it was not seen to run");
        guard.kill().unwrap();
        guard.wait().unwrap();
        assert!(watch.look().is_none(), "its end is the link's to tell");
        assert!(GuardWatch::new(None).look().is_none());
    }
}
