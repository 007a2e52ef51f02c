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
    use std::time::{Duration, Instant};

    /// Waits until the kernel shows it stopped, or not.
    fn wait_until(guard: ProcessRef, state: ProcessState) {
        let until = Instant::now() + Duration::from_secs(30);
        while guard.state() != state {
            assert!(Instant::now() < until, "it is not {state:?} in time");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_stopped_guard_is_woken_each_time_and_told_once() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let guard = ProcessRef::of(i32::try_from(child.id()).unwrap()).unwrap().unwrap();
        let stop = || {
            PidFd::open_exactly(guard.into()).unwrap().unwrap().signal(libc::SIGSTOP).unwrap();
            wait_until(guard, ProcessState::Stopped);
        };
        let mut watch = GuardWatch::new(Some(guard));
        for _ in 0..2 {
            assert!(watch.look().is_none());
            stop();
            assert!(matches!(watch.look(), Some(Change::Stopped(Ok(true)))));
            wait_until(guard, ProcessState::Alive);
            assert!(matches!(watch.look(), Some(Change::Runs)));
        }
        stop();
        assert!(watch.look().is_some());
        wait_until(guard, ProcessState::Alive);
        stop();
        assert!(watch.look().is_none(), "not told anew as long as it was not seen to run");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(watch.look().is_none(), "its end is the link's to tell");
        assert!(GuardWatch::new(None).look().is_none());
    }
}
