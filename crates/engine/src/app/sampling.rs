//! What is looked at again and again: what components, engine and host use, and whatever else is due at that pace.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::process::own_code;
use core::time::Duration;
use failstop_core::{Input, Monotonic, Slot};

/// Two samples are at least so far apart, however soon the core wants to look again.
const LOOKS_APART: Duration = Duration::from_secs(1);

/// After this time a start is through, and little of what ran for it runs again.
pub(super) const START_IS_OVER: Duration = Duration::from_secs(20);

/// What runs once in a while, such as the verification of the journal, is let go as often.
const LETS_GO_EVERY: Duration = Duration::from_secs(60 * 60);

impl Engine {
    /// Samples, and looks at what goes by that.
    pub(super) fn sample(&mut self, now: Monotonic) {
        self.look_at_guard();
        self.look_whether_on_time(now);
        self.trees.sample();
        self.trees.sweep_strays();
        let mut usage = Vec::new();
        for (tree, _) in self.trees.main_processes().collect::<Vec<_>>() {
            let members = self.trees.members(tree);
            let counts_files = self.counts_files(tree.slot);
            if let Some(name) = self.name_of(tree.slot).map(str::to_owned) {
                usage.push(self.facts.sample_tree((tree, &name), &members, counts_files, now));
            }
        }
        self.feed(Input::Usage(usage));
        let next = now.plus(self.config.limits.sample_every);
        let wanted = self.core.next_look().map(|at| at.max(now.plus(LOOKS_APART)));
        self.sample_at = wanted.map_or(next, |at| at.min(next));
        self.facts.sample_host();
        self.look_at_footprint(now);
        self.tell_of_sources();
        self.look_at_load(now);
        self.sample_at = self.breaker.due().map_or(self.sample_at, |at| at.min(self.sample_at));
        self.look_at_books(now);
        self.note_figures_of_the_hour(now);
        self.emergencies.look_again();
        self.look_at_concerns(now);
        self.look_at_thresholds(now);
        self.look_at_unproved(now);
        self.look_at_runtime_directory();
        self.alerts.catch_up();
        if self.alerts.is_behind() {
            self.reconcile_alerts();
        }
        let lost = self.output.lost();
        if lost != self.lost_output {
            let text = lost.since(self.lost_output);
            self.lost_output = lost;
            self.meters.output_lost = lost;
            self.say("output", &text);
        }
        for stuck in self.trees.stuck() {
            let text = format!("pid {} ({}) does not die of SIGKILL", stuck.process.id.pid, stuck.process.comm);
            self.say(&stuck.component, &text);
        }
        if now >= self.code_let_go_at {
            self.code_let_go_at = now.plus(LETS_GO_EVERY);
            if let Err(error) = own_code::let_go() {
                tracing::debug!(%error, "code that does not run stays in memory");
            }
        }
    }

    /// The commands of operators and the components that start need what is in there. It cannot be made anew: sockets cannot be bound to
    /// another place while connections are open at the old one, and what runs has the old paths.
    fn look_at_runtime_directory(&mut self) {
        let missing = self.runtime.missing();
        if let Some(missing) = missing.as_ref().filter(|_| !self.is_told(Concern::RuntimeDirectory)) {
            self.say(
                "runtime",
                &format!("{missing}: no command reaches this engine, and no component that starts gets a permit, until failstop is restarted"),
            );
        }
        self.concern(Concern::RuntimeDirectory, missing);
    }

    /// Whether a component's descriptors are counted: a limit asks for them.
    fn counts_files(&self, slot: Slot) -> bool {
        slot.index()
            .and_then(|index| self.config.components.get(index))
            .is_some_and(|component| component.limits.files_max.is_some())
    }
}
