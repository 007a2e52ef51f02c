//! What the core is told of the day's loss: that the limit is reached, that the loss is far above it, and the end of each. The words
//! change with every price; the core hears of the beginning and the end.

use failstop_core::{Cause, Input, Trigger};

/// What it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossTold {
    reached: bool,
    far: bool,
    /// A day began, and nothing was told in it: what was far lost was lost in the day before.
    day_began: bool,
}

impl LossTold {
    /// A trading day begins. The core clears the halt of the last one by itself; that nothing is far lost any more it still has to be
    /// told, or that trigger holds for as long as this process lives.
    pub fn day_begins(&mut self) {
        self.reached = false;
        self.day_began = true;
    }

    /// What it is to be told now: by what the limit is reached, and by what the loss is so far that everything is to be shut down. Where
    /// not every result is `known` either may begin, and ends only with its day: a loss that cannot be said is not over.
    pub fn news(
        &mut self,
        known: bool,
        reached: Option<String>,
        far: Option<String>,
    ) -> impl Iterator<Item = Input> + use<> {
        let may_end = core::mem::take(&mut self.day_began) || known;
        let (was, far_was) = (self.reached, self.far);
        self.reached = reached.is_some() || (was && !may_end);
        self.far = far.is_some() || (far_was && !may_end);
        let trigger = match (far_was, far) {
            (false, Some(evidence)) => Some(Input::Trigger { trigger: Trigger::DailyLoss, evidence }),
            (true, None) => may_end.then_some(Input::TriggerPassed(Trigger::DailyLoss)),
            (false, None) | (true, Some(_)) => None,
        };
        let halt = match (was, reached) {
            (false, Some(evidence)) => Some(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence }),
            (true, None) => may_end.then_some(Input::Passed { cause: Cause::DailyLoss, slot: None }),
            (false, None) | (true, Some(_)) => None,
        };
        halt.into_iter().chain(trigger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(loss: &mut LossTold, reached: Option<&str>, far: Option<&str>) -> Vec<Input> {
        loss.news(true, reached.map(str::to_owned), far.map(str::to_owned)).collect()
    }

    fn told_unknown(loss: &mut LossTold, reached: Option<&str>, far: Option<&str>) -> Vec<Input> {
        loss.news(false, reached.map(str::to_owned), far.map(str::to_owned)).collect()
    }

    #[test]
    fn the_beginning_and_the_end_are_told_once() {
        let mut loss = LossTold::default();
        assert_eq!(told(&mut loss, None, None), []);
        let raised = Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "20 %".to_owned() };
        assert_eq!(told(&mut loss, Some("20 %"), None), [raised]);
        assert_eq!(told(&mut loss, Some("21 %"), None), []);
        let far = Input::Trigger { trigger: Trigger::DailyLoss, evidence: "41 %".to_owned() };
        assert_eq!(told(&mut loss, Some("41 %"), Some("41 %")), [far]);
        let ends = [Input::Passed { cause: Cause::DailyLoss, slot: None }, Input::TriggerPassed(Trigger::DailyLoss)];
        assert_eq!(told(&mut loss, None, None), ends);
    }

    #[test]
    fn a_loss_may_be_far_without_a_limit_that_it_reaches() {
        let mut loss = LossTold::default();
        let far = Input::Trigger { trigger: Trigger::DailyLoss, evidence: "-101".to_owned() };
        assert_eq!(told(&mut loss, None, Some("-101")), [far]);
        assert_eq!(told(&mut loss, None, Some("-102")), []);
        assert_eq!(told(&mut loss, None, None), [Input::TriggerPassed(Trigger::DailyLoss)]);
    }

    #[test]
    fn a_far_loss_ends_with_its_day() {
        let mut loss = LossTold::default();
        told(&mut loss, Some("41 %"), Some("41 %"));
        loss.day_begins();
        assert_eq!(told(&mut loss, None, None), [Input::TriggerPassed(Trigger::DailyLoss)], "else no resume is taken");
    }

    #[test]
    fn where_a_result_is_not_known_a_loss_begins_but_does_not_end() {
        let mut loss = LossTold::default();
        let begins = told_unknown(&mut loss, Some("41 %"), Some("41 %"));
        assert!(matches!(begins[..], [Input::Raise { .. }, Input::Trigger { .. }]), "{begins:?}");
        assert_eq!(told_unknown(&mut loss, None, None), []);
        assert_eq!(told_unknown(&mut loss, Some("41 %"), Some("41 %")), [], "it was told");
        assert_eq!(told_unknown(&mut loss, None, None), []);
        let ends = [Input::Passed { cause: Cause::DailyLoss, slot: None }, Input::TriggerPassed(Trigger::DailyLoss)];
        assert_eq!(told(&mut loss, None, None), ends, "every result is known again");
    }

    #[test]
    fn a_day_ends_what_was_far_lost_before_it_whatever_is_known_of_the_new_one() {
        let mut loss = LossTold::default();
        told(&mut loss, Some("41 %"), Some("41 %"));
        loss.day_begins();
        assert_eq!(told_unknown(&mut loss, None, None), [Input::TriggerPassed(Trigger::DailyLoss)]);
        assert_eq!(told_unknown(&mut loss, Some("41 %"), Some("41 %")).len(), 2);
        assert_eq!(told_unknown(&mut loss, None, None), [], "that is of this day");
    }
}
