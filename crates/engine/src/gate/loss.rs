//! What the core is told of the day's loss: that the limit is reached, that the loss is far above it, and the end of each. The words
//! change with every price; the core hears of the beginning and the end.

use failstop_core::{Cause, Input, Trigger};

/// What it was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LossTold {
    reached: bool,
    far: bool,
}

impl LossTold {
    /// A trading day begins. The core clears the halt of the last one by itself; that nothing is far lost any more it still has to be
    /// told, or that trigger holds for as long as this process lives.
    pub fn day_begins(&mut self) {
        self.reached = false;
    }

    /// What it is to be told now: `reached` says by what the limit is reached, `far` whether the loss is far above it.
    pub fn news(&mut self, reached: Option<String>, far: bool) -> impl Iterator<Item = Input> + use<> {
        let (was, far_was) = (self.reached, self.far);
        (self.reached, self.far) = (reached.is_some(), far);
        let trigger = match (far_was, far) {
            (false, true) => {
                let evidence = reached.clone().unwrap_or_else(|| "the loss is far above its limit".to_owned());
                Some(Input::Trigger { trigger: Trigger::DailyLoss, evidence })
            }
            (true, false) => Some(Input::TriggerPassed(Trigger::DailyLoss)),
            (false, false) | (true, true) => None,
        };
        let halt = match (was, reached) {
            (false, Some(evidence)) => Some(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence }),
            (true, None) => Some(Input::Passed { cause: Cause::DailyLoss, slot: None }),
            (false, None) | (true, Some(_)) => None,
        };
        halt.into_iter().chain(trigger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(loss: &mut LossTold, reached: Option<&str>, far: bool) -> Vec<Input> {
        loss.news(reached.map(str::to_owned), far).collect()
    }

    #[test]
    fn the_beginning_and_the_end_are_told_once() {
        let mut loss = LossTold::default();
        assert_eq!(told(&mut loss, None, false), []);
        let raised = Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "20 %".to_owned() };
        assert_eq!(told(&mut loss, Some("20 %"), false), [raised]);
        assert_eq!(told(&mut loss, Some("21 %"), false), []);
        let far = Input::Trigger { trigger: Trigger::DailyLoss, evidence: "41 %".to_owned() };
        assert_eq!(told(&mut loss, Some("41 %"), true), [far]);
        let ends = [Input::Passed { cause: Cause::DailyLoss, slot: None }, Input::TriggerPassed(Trigger::DailyLoss)];
        assert_eq!(told(&mut loss, None, false), ends);
    }

    #[test]
    fn a_far_loss_ends_with_its_day() {
        let mut loss = LossTold::default();
        told(&mut loss, Some("41 %"), true);
        loss.day_begins();
        assert_eq!(told(&mut loss, None, false), [Input::TriggerPassed(Trigger::DailyLoss)], "else no resume is taken");
    }
}
