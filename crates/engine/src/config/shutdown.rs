//! `[shutdown]`: how long failstop's own end may take. And how long the components' own words make it.

use super::{Component, Config};
use failstop_core::STOP_GRACES_MAX;
use failstop_settings::document::{Table, Value};
use failstop_settings::{Consistent, Kind, Origin, Reading, section, within, write_duration};
use std::time::Duration;

section! {
    /// How failstop ends.
    pub struct Shutdown {
        /// After this long whatever is left of the components is killed. Absent: what their graces and hooks add up to, each
        /// grace counted twice, along the longest chain of `depends_on`. Never less than what was promised to each: a value
        /// below the sum with each grace counted once is refused.
        within: Option<Duration>, absent "90s", within("1s", "24h");
    }
}

impl Consistent for Shutdown {}

impl Config {
    /// After this long whatever is left is killed.
    pub fn shutdown_within(&self) -> Duration {
        self.shutdown.within.unwrap_or_else(|| longest_stop(&self.components, STOP_GRACES_MAX))
    }
}

/// Refuses an end that would cut into what is promised to a component.
pub(super) fn check(root: &Table, shutdown: &Shutdown, components: &[Component], reading: &mut Reading<'_>) {
    let promised = longest_stop(components, 1);
    if let Some(within) = shutdown.within.filter(|within| *within < promised) {
        reading.refuse(
            Kind::Contradiction,
            &origin(root),
            format!(
                "`within` ({}) in [shutdown] is less than the {} that the components are promised to stop in",
                write_duration(within),
                write_duration(promised)
            ),
            format!("write at least `within = \"{}\"`, or shorten `stop_grace` or a hook", write_duration(promised)),
        );
    }
}

/// Where `within` was written.
fn origin(root: &Table) -> Origin {
    let section = root.get("shutdown").map(|entry| &entry.node.value);
    let Some(Value::Table(section)) = section else { return Origin::Whole };
    section.get("within").map_or_else(|| section.origin.clone(), |entry| entry.node.origin.clone())
}

/// The longest that stopping takes: along each chain of components that wait for one another, every one its hooks and so many
/// of its graces.
fn longest_stop(components: &[Component], graces: u32) -> Duration {
    // The configuration refuses cycles; each level of the walk goes one dependency down.
    fn of(components: &[Component], component: &Component, graces: u32, depth: usize) -> Duration {
        let below = component
            .depends_on
            .iter()
            .filter(|_| depth < components.len())
            .filter_map(|name| components.iter().find(|other| other.name == *name))
            .map(|other| of(components, other, graces, depth + 1))
            .max()
            .unwrap_or_default();
        let hooks = [&component.pre_stop, &component.post_stop].into_iter().flatten().map(|hook| hook.timeout);
        hooks.sum::<Duration>().saturating_add(component.stop_grace.saturating_mul(graces)).saturating_add(below)
    }
    components.iter().map(|component| of(components, component, graces, 0)).max().unwrap_or_default()
}
