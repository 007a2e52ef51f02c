//! What the journal says of processes that programs left running and that were killed: a program may leave something at each of its
//! runs, and runs every second.

use crate::process::tree::Stray;
use core::time::Duration;
use failstop_core::Monotonic;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Between two records of the same program and component.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// So many programs are told apart within that time; further ones share one record.
const APART_MAX: usize = 64;

/// The name of further ones.
const FURTHER: &str = "(further)";

/// Which strays were noted. Pure: time is given.
#[derive(Debug, Default)]
pub struct Strays {
    /// When each program of a component was noted last, and how many of it were killed since.
    noted: BTreeMap<(String, Option<String>), (Monotonic, u64)>,
}

impl Strays {
    /// One was killed; what is to be noted of that, where it is.
    pub fn killed(&mut self, now: Monotonic, stray: &Stray) -> Option<Value> {
        let mut which = (stray.comm.clone(), stray.component.clone());
        if self.noted.len() >= APART_MAX && !self.noted.contains_key(&which) {
            // What was killed of them meanwhile is told with their next, or never: they come no more.
            self.noted.retain(|_, (at, _)| now.since(*at) < EVERY);
            if self.noted.len() >= APART_MAX {
                which = (FURTHER.to_owned(), None);
            }
        }
        if let Some((at, untold)) = self.noted.get_mut(&which)
            && now.since(*at) < EVERY
        {
            *untold += 1;
            return None;
        }
        let more = self.noted.insert(which, (now, 0)).map_or(0, |(_, untold)| untold);
        Some(json!({ "pid": stray.id.pid, "program": stray.comm, "component": stray.component, "more": more }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::procfs::ProcessId;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    fn stray(pid: i32, program: &str) -> Stray {
        Stray { id: ProcessId { pid, start_time: 7 }, comm: program.to_owned(), component: None }
    }

    #[test]
    fn a_program_that_leaves_something_every_second_is_noted_once_an_hour_with_how_many() {
        let mut strays = Strays::default();
        let told = |second: u64| strays.killed(at(second), &stray(42, "sleep"));
        let told: Vec<Value> = (0..86_400).filter_map(told).collect();
        assert_eq!(told.len(), 24);
        assert_eq!(told[0], json!({ "pid": 42, "program": "sleep", "component": null, "more": 0 }));
        assert_eq!(told[1]["more"], 3_599);
        assert!(strays.killed(at(90_000), &stray(43, "nc")).is_some(), "another program is another matter");
    }

    #[test]
    fn memory_and_records_do_not_grow_with_the_names_of_programs() {
        let mut strays = Strays::default();
        let told = (0..10_000).filter(|pid| strays.killed(at(1), &stray(*pid, &format!("p{pid}"))).is_some()).count();
        assert_eq!((told, strays.noted.len()), (APART_MAX + 1, APART_MAX + 1));
        assert!(strays.killed(at(3_601), &stray(1, "p9999")).is_some());
        assert_eq!(strays.noted.len(), 1, "what is older is forgotten");
    }
}
