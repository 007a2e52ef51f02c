//! Since when components are kept stopped by operators' words, for the status: the core knows who and why, and no wall time.

use failstop_core::ComponentName;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Since when each component is kept stopped. What keeps one stopped is the core's to say; this is asked only where it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldSince(BTreeMap<ComponentName, Span>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    since: Timestamp,
    /// A word that lets it start was written. In force it is once durable, so that until then this is still asked for.
    lifted: bool,
}

impl HeldSince {
    /// A word of an operator's was recorded at that time: `held` keeps the component stopped, or lets it start again. Said twice,
    /// the first counts.
    pub fn note(&mut self, component: &ComponentName, held: bool, at: Timestamp) {
        match self.0.get_mut(component) {
            Some(span) if !held => span.lifted = true,
            Some(span) if span.lifted => *span = Span { since: at, lifted: false },
            Some(_) => {}
            None if held => {
                self.0.insert(component.clone(), Span { since: at, lifted: false });
            }
            None => {}
        }
    }

    /// After a replay: every word in it is durable, and components long gone from the configuration are not kept in mind.
    pub fn forget_lifted(&mut self) {
        self.0.retain(|_, span| !span.lifted);
    }

    /// Since when it is kept stopped, without a break.
    pub fn of(&self, component: &ComponentName) -> Option<Timestamp> {
        self.0.get(component).map(|span| span.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap_or_default()
    }

    #[test]
    fn the_first_word_counts_until_the_component_may_start_again() {
        let bot = ComponentName("bot".to_owned());
        let mut held = HeldSince::default();
        held.note(&bot, false, at(5));
        assert_eq!(held.of(&bot), None, "one that was never stopped");
        held.note(&bot, true, at(10));
        held.note(&bot, true, at(20));
        assert_eq!(held.of(&bot), Some(at(10)), "the second says who and why anew, not since when");
        held.note(&bot, false, at(30));
        assert_eq!(held.of(&bot), Some(at(10)), "until that is durable it is kept stopped as before");
        held.note(&bot, true, at(40));
        assert_eq!(held.of(&bot), Some(at(40)));
    }

    #[test]
    fn a_replay_leaves_those_that_are_kept_stopped() {
        let (bot, gone) = (ComponentName("bot".to_owned()), ComponentName("gone".to_owned()));
        let mut held = HeldSince::default();
        held.note(&gone, true, at(10));
        held.note(&bot, true, at(20));
        held.note(&gone, false, at(30));
        held.forget_lifted();
        assert_eq!((held.of(&bot), held.of(&gone)), (Some(at(20)), None));
    }
}
