//! The orders to be confirmed that people were told of. Whoever asks under ever new ids floods nobody: no more are told of at once
//! than the gate keeps.

use failstop_core::gate::MAX_CONFIRMATIONS;
use std::collections::BTreeSet;

/// The client ids of the orders that people were told of, at most as many as the gate keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldToConfirm(BTreeSet<String>);

/// Whom people are to be told of, by client id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfirmationNews {
    /// These wait for nobody any more.
    pub over: Vec<String>,
    /// These wait.
    pub begun: Vec<String>,
}

impl ToldToConfirm {
    /// An order has come to wait, or waits as another one than before; `waiting` are all that wait, with it, oldest first.
    ///
    /// Where people were told of as many as the gate keeps, those that are over make room for it. Not where the gate itself is full:
    /// there each further one drives out another, and [`ToldToConfirm::look`] tells of those that stay.
    pub fn asked(&mut self, id: &str, waiting: &[&str]) -> ConfirmationNews {
        let mut over = Vec::new();
        if self.0.len() >= MAX_CONFIRMATIONS && !self.0.contains(id) {
            if waiting.len() >= MAX_CONFIRMATIONS {
                return ConfirmationNews::default();
            }
            over = self.end(waiting);
        }
        self.0.insert(id.to_owned());
        ConfirmationNews { over, begun: vec![id.to_owned()] }
    }

    /// What changed by itself: orders that were confirmed, or whose time to be is over; and those that wait and were not told of yet.
    pub fn look(&mut self, waiting: &[&str]) -> ConfirmationNews {
        let over = self.end(waiting);
        let untold: Vec<String> =
            waiting.iter().filter(|id| !self.0.contains(**id)).map(|id| (*id).to_owned()).collect();
        let room = MAX_CONFIRMATIONS.saturating_sub(self.0.len());
        let begun: Vec<String> = untold.into_iter().take(room).collect();
        self.0.extend(begun.iter().cloned());
        ConfirmationNews { over, begun }
    }

    /// Forgets those that do not wait any more, and says which.
    fn end(&mut self, waiting: &[&str]) -> Vec<String> {
        let (waits, over) = std::mem::take(&mut self.0).into_iter().partition(|id| waiting.contains(&id.as_str()));
        self.0 = waits;
        let over: BTreeSet<String> = over;
        over.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: std::ops::Range<usize>) -> Vec<String> {
        of.map(|number| format!("c{number}")).collect()
    }

    fn borrowed(names: &[String]) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }

    /// After people were told of as many as the gate keeps.
    fn full() -> ToldToConfirm {
        let (mut told, all) = (ToldToConfirm::default(), names(0..MAX_CONFIRMATIONS));
        for (at, id) in all.iter().enumerate() {
            let news = told.asked(id, &borrowed(&all[..=at]));
            assert_eq!(news, ConfirmationNews { over: Vec::new(), begun: vec![id.clone()] });
        }
        told
    }

    #[test]
    fn those_that_are_over_make_room_at_once() {
        let mut told = full();
        let news = told.asked("new", &["new"]);
        assert_eq!((news.over.len(), news.begun), (MAX_CONFIRMATIONS, vec!["new".to_owned()]));
        assert_eq!(told.look(&["new"]), ConfirmationNews::default());
        assert_eq!(told.look(&[]).over, ["new"]);
    }

    #[test]
    fn whoever_asks_under_ever_new_ids_floods_nobody_and_what_waits_is_told_later() {
        let mut told = full();
        // Each new one drove the oldest out of the gate.
        for last in MAX_CONFIRMATIONS..3 * MAX_CONFIRMATIONS {
            let waiting = names(last + 1 - MAX_CONFIRMATIONS..last + 1);
            let news = told.asked(&format!("c{last}"), &borrowed(&waiting));
            assert_eq!(news, ConfirmationNews::default(), "{last}");
        }
        let waiting = names(2 * MAX_CONFIRMATIONS..3 * MAX_CONFIRMATIONS);
        let news = told.look(&borrowed(&waiting));
        assert_eq!((news.over.len(), news.begun), (MAX_CONFIRMATIONS, waiting));
    }

    #[test]
    fn another_order_under_an_id_that_was_told_needs_no_room() {
        let (mut told, all) = (full(), names(0..MAX_CONFIRMATIONS));
        assert_eq!(told.asked("c7", &borrowed(&all)).begun, ["c7"]);
    }
}
