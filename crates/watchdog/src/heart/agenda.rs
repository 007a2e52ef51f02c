//! Who wants to be called when: one instant for each.

use super::order::{CheckInIndex, TargetIndex};
use super::time::Boot;
use std::collections::{BTreeMap, BTreeSet};

/// Somebody with deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A target.
    Target(TargetIndex),
    /// A check-in.
    CheckIn(CheckInIndex),
    /// The watchdog's own sight.
    Eyes,
    /// The other watchdog.
    Peer,
    /// The outside dead man's switch.
    Outside,
}

/// The next instant of each, in order.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Boot, Who)>,
    by_who: BTreeMap<Who, Boot>,
}

impl Agenda {
    /// The next instant of this one is `at`, in place of the one before; `None`: it waits for nothing.
    pub fn set(&mut self, who: Who, at: Option<Boot>) {
        let old = match at {
            Some(at) => self.by_who.insert(who, at),
            None => self.by_who.remove(&who),
        };
        if let Some(old) = old {
            self.by_time.remove(&(old, who));
        }
        if let Some(at) = at {
            self.by_time.insert((at, who));
        }
    }

    /// The first instant of all.
    pub fn first(&self) -> Option<Boot> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Those whose instant is not after `now`, the earliest first.
    pub fn due(&self, now: Boot) -> Vec<Who> {
        self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, who)| *who).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_instant_and_the_earliest_is_first() {
        let mut agenda = Agenda::default();
        agenda.set(Who::Target(0), Some(Boot(30)));
        agenda.set(Who::Eyes, Some(Boot(20)));
        agenda.set(Who::Target(0), Some(Boot(10)));
        assert_eq!(agenda.due(Boot(9)), []);
        assert_eq!(agenda.due(Boot(30)), [Who::Target(0), Who::Eyes]);
        agenda.set(Who::Target(0), None);
        assert_eq!(agenda.first(), Some(Boot(20)));
        agenda.set(Who::Eyes, Some(Boot(20)));
        assert_eq!(agenda.due(Boot(20)), [Who::Eyes], "the same instant again is still one");
    }
}
