//! What the loop notes in its day of figures, and when: at wakes that come anyway.

use super::engine::Engine;
use crate::clock;
use crate::history::{Extract, History, Own, Span};
use crate::metrics::whole;
use crate::words::permission_level;
use failstop_core::Monotonic;

impl Engine {
    /// Looks at the engine's own figures, where that is due.
    pub(super) fn look_for_history(&mut self, now: Monotonic) {
        if !self.history.is_due(now) || self.is_shed() {
            return;
        }
        let health = self.core.health(now);
        let components = self.core.components();
        let running = components.iter().filter(|component| component.pid.is_some()).map(|one| one.name.0.as_str());
        let (memory, cpu) = self.facts.in_use(running);
        let oldest = self.core.feeds().iter().filter_map(|feed| feed.last).min();
        let queues = components.iter().filter_map(|component| component.queue).map(|queue| queue.depth);
        let queued = queues.reduce(u64::saturating_add);
        let host = self.facts.host();
        let used = host.map(|host| host.memory_total_bytes.saturating_sub(host.memory_available_bytes));
        let figures = [
            (Own::Permission, Some(f64::from(permission_level(self.core.permission())))),
            (Own::Health, Some(f64::from(health.overall) / 1000.0)),
            (Own::Errors, Some(f64::from(health.errors_per_minute))),
            (Own::Memory, memory.map(whole)),
            (Own::Cpu, cpu),
            (Own::FeedAge, oldest.map(|at| now.since(at).as_secs_f64())),
            (Own::Queue, queued.map(whole)),
            (Own::HostCpu, host.and_then(|host| host.cpu_percent)),
            (Own::HostMemory, used.map(whole)),
        ];
        self.history.look(now, figures.into_iter().filter_map(|(figure, value)| Some((figure, value?))));
    }

    /// Notes a figure that bots or sources add, unless the memory for that was given up.
    pub(super) fn chart(&mut self, note: impl FnOnce(&mut History)) {
        if !self.is_shed() {
            note(&mut self.history);
        }
    }

    /// The permission may have changed.
    pub(super) fn note_permission(&mut self) {
        self.history.note_change(clock::now(), Own::Permission, f64::from(permission_level(self.core.permission())));
    }

    /// What a door asked for.
    pub(super) fn history_of(&self, span: Span) -> Extract {
        self.history.extract(span, clock::now(), clock::wall(), self.facts.custom.len())
    }
}
