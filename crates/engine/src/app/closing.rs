//! The end of an engine: what is sealed, said, removed and left, and the exit status.

use super::engine::{Ended, Engine, OUTPUT_WITHIN};
use super::status;
use crate::doors::HttpDoors;
use crate::process::extinguish::extinguish;
use failstop_core::ExitReason;

impl Engine {
    pub(super) fn close(mut self, doors: HttpDoors, ended: Ended) -> u8 {
        let as_ordered = matches!(ended, Ended::Ordered(_));
        let alone = !matches!(ended, Ended::LockGone);
        let status = match ended {
            Ended::Ordered(ExitReason::Requested | ExitReason::RequestedInShutdown)
                if self.is_to_be_started_again() =>
            {
                status::RESTART
            }
            Ended::Ordered(ExitReason::Requested) => status::STOPPED,
            Ended::Ordered(ExitReason::RequestedInShutdown) => status::STOPPED_IN_SHUTDOWN,
            Ended::Ordered(ExitReason::Storage) => status::STORAGE,
            Ended::GuardGone => {
                self.permit.revoke();
                self.say("engine", "the guard died: every component is killed and the engine ends");
                // The next start tells people: this one has no time to, a service manager ends what is left of its unit.
                self.note("x.failstop.guard_died", &serde_json::json!({ "pid": self.side.guard_pid }));
                self.extinguish();
                status::ENGINE_DIED
            }
            Ended::LockGone => {
                self.permit.revoke();
                self.say(
                    "engine",
                    "the file LOCK in the state directory was removed or replaced: another engine may run on this state by \
                     now, so every component is killed and this one ends; start it again, and leave LOCK where it is",
                );
                self.extinguish();
                status::ANOTHER_INSTANCE
            }
            Ended::Broken(error) => {
                self.permit.revoke();
                self.say("engine", &format!("cannot wait for events any more: {error}; every component is killed"));
                self.extinguish();
                status::ENGINE_DIED
            }
        };
        // A journal whose disk is full is sealed behind its last words; one whose disk failed is left alone.
        if let Some(recorder) = self.recorder.take().filter(|_| alone)
            && (!self.storage_failed || self.ledger.said_last_words())
        {
            match recorder.seal_and_stop() {
                Ok(sealed) => {
                    self.head = (sealed.seq, sealed.hash);
                    if as_ordered && !self.storage_failed {
                        self.last_beat();
                    }
                }
                Err(error) => self.say("journal", &format!("could not be sealed: {error}")),
            }
        }
        self.ending.no_more_beats();
        if alone {
            self.leave_last_word();
        }
        doors.close();
        // What another engine has put in their place is not removed.
        if alone && self.is_quiet() {
            self.info.withdraw();
            self.runtime.clear();
            if let Some(cgroup) = self.cgroup.take() {
                // What cannot be removed is found and removed by the next start.
                let _ = cgroup.remove();
            }
            self.controllers.put_back();
        }
        if as_ordered {
            // Otherwise whoever starts the next engine waits for this one's lock: that one tells what this one could not.
            self.alerts.close();
        }
        self.output.finish(OUTPUT_WITHIN);
        status
    }

    fn extinguish(&mut self) {
        let kill = self.cgroup.as_ref().and_then(|cgroup| crate::process::cgroup::KillHandle::open(cgroup.path()).ok());
        let trees = &mut self.trees;
        let outcome = extinguish(kill.as_ref(), None, &mut |reaped| {
            trees.reaped(reaped.pid);
        });
        if let Err(error) = outcome {
            self.say("engine", &format!("components could not all be ended: {error}"));
        }
    }
}
