//! The witness's share of the loop: heads that were shown are remembered, compared, and what is found is kept and told.

use super::carry_out::send;
use super::{App, Event};
use crate::heart::Input;
use crate::heart::order::{Shown, TargetIndex};
use crate::heart::time::{Boot, Now};
use crate::witness::fetch::{Compared, compare};
use tokio::task::spawn_local;

/// Lines of a journal are fetched no more often than this for one target, milliseconds.
const COMPARE_EVERY_MS: u64 = 10_000;

impl App {
    /// A head was shown. The highest is remembered at once, proved or not; then it is compared with what was agreed on.
    pub(super) fn compare(&mut self, now: Now, target: TargetIndex, shown: Shown) {
        let Some(watched) = self.watched.get_mut(target) else { return };
        let Some(witness) = &mut watched.witness else { return };
        if let Some(point) = witness.store.saw(&shown, now.wall, now.boot) {
            let jid = witness.store.memory().jid.clone();
            self.shown.note(&watched.name, jid, point);
        }
        let soon = witness.compared_at.is_some_and(|at| now.boot.since(at) < COMPARE_EVERY_MS);
        let higher = witness.store.memory().is_progress(&shown);
        // Progress may wait; whatever may be a step back is looked into at once.
        if witness.busy || soon && higher {
            let waits = |next: &Shown| next.seq > shown.seq && higher || !witness.store.memory().is_progress(next);
            if !witness.next.as_ref().is_some_and(waits) {
                witness.next = Some(shown);
            }
            return;
        }
        witness.busy = true;
        witness.compared_at = Some(now.boot);
        let (memory, engine, events) = (witness.store.memory().clone(), watched.engine.clone(), self.events.clone());
        spawn_local(async move {
            let compared = compare(&memory, &shown, now.wall, engine.as_ref()).await;
            send(&events, Event::Compared { target, compared }).await;
        });
    }

    /// Compares the heads that had to wait. A system that has stopped writing shows no further head to remind of them.
    pub(super) fn compare_waiting(&mut self, now: Now) {
        for target in 0..self.watched.len() {
            let waiting = self.watched.get_mut(target).and_then(|watched| watched.witness.as_mut()?.next.take());
            if let Some(shown) = waiting {
                self.compare(now, target, shown);
            }
        }
    }

    /// Takes in what a comparison came to. What is found is on disk before anybody is told.
    pub(super) fn compared(&mut self, now: Now, target: TargetIndex, compared: Compared) -> Option<Input> {
        let watched = self.watched.get_mut(target)?;
        let witness = watched.witness.as_mut()?;
        witness.busy = false;
        let name = watched.name.clone();
        let (input, written) = match compared {
            Compared::Nothing => (None, Ok(())),
            Compared::Remember(finding) => {
                witness.trouble = None;
                (None, witness.store.remember(&finding, Some(now.boot)))
            }
            Compared::NoLines(why) => {
                if witness.trouble.as_ref() != Some(&why) {
                    self.log.warn(now.wall, &format!("{name}: the lines of its journal cannot be had: {why}"));
                }
                witness.trouble = Some(why);
                (None, Ok(()))
            }
            Compared::Alarm(alarm) => {
                let input = Input::WitnessAlarm { target, found: alarm.found.clone(), last_agreed: alarm.last_agreed };
                (Some(input), witness.store.raise(alarm))
            }
        };
        if let Err(error) = written {
            self.log.warn(now.wall, &error.to_string());
            self.save_trouble = Some(error.to_string());
        }
        if let Some(next) = witness.next.take() {
            self.compare(now, target, next);
        }
        input
    }

    /// Writes what was shown, where that is due.
    pub(super) fn write_shown(&mut self, now: Now) {
        match self.shown.write_where_due(now.boot) {
            Ok(()) => {
                // Nothing that was due and yet is not written.
                if self.shown.due().is_none() {
                    self.shown_trouble = None;
                }
            }
            Err(error) => {
                let text = error.to_string();
                if self.shown_trouble.as_ref() != Some(&text) {
                    self.log.warn(now.wall, &text);
                }
                self.shown_trouble = Some(text);
            }
        }
    }

    /// Writes what was shown, at the end. What cannot be written then is what a kill would have lost too.
    pub(super) fn write_all_shown(&mut self) {
        let _ = self.shown.write_where_due(Boot(i64::MAX));
    }
}
