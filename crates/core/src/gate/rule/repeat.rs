//! Orders that come again: the same one within its window, a component that opens in circles, and more than can be remembered.

use super::Judge;
use crate::gate::limit::{COUNT_SCALE, Limit, LimitName, Scope};
use crate::gate::overrides::Of;
use crate::gate::recent::{CIRCLE_WITHIN, MAX_DUPLICATE_WINDOW};
use crate::gate::refusal::Code;
use crate::gate::setup::shown;
use core::time::Duration;

impl Judge<'_> {
    pub(super) fn repeats(&mut self) {
        let at = self.view.at;
        let recent = &self.view.memory.recent;
        let content = self.placed.content();
        let window = match self.view.limit(LimitName::DuplicateWindow, &Of::System) {
            Limit::Set(millis) => {
                Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(MAX_DUPLICATE_WINDOW)
            }
            Limit::Waived => Duration::ZERO,
        };
        if recent.repeats(at, &content, window) {
            self.out.refuse(Code::DuplicateContent, Scope::System);
        }
        if self.view.memory.open.is_full() {
            self.out.refuse(Code::OpenOrdersFull, Scope::System);
        }
        // The rest keeps nobody from getting out. Where what reduces pushes out others, what opens waits until those are over.
        if self.reduces {
            return;
        }
        let circles = self.view.limit(LimitName::RepeatedOrders, &Of::System);
        let remembered = if circles == Limit::Waived { window } else { window.max(CIRCLE_WITHIN) };
        if recent.is_full(at, remembered) {
            self.out.refuse(Code::RecentFull, Scope::System);
        }
        if let Limit::Set(limit) = circles {
            let circled = recent.circled(at, &content);
            let circled = u128::try_from(circled).unwrap_or(u128::MAX).saturating_add(1);
            if circled > limit {
                let (found, limit) = (shown(circled, COUNT_SCALE), shown(limit, COUNT_SCALE));
                self.out.refuse_by(Code::RepeatedOrders, Scope::System, Some(found), Some(limit));
            }
        }
    }
}
