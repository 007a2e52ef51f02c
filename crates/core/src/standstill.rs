//! Standing still: an engine that was frozen or starved finds every deadline passed and every sign of life unread.
//!
//! What it did not look at says nothing about others. So a step that comes late judges nobody's silence: what waits is read
//! first, for [`CATCH_UP`]. The permit is not renewed meanwhile, so this lengthens no right, and a component that really hangs is
//! found that much later after an engine's own freeze, and at no other time. It is granted once for each standstill: the first
//! step after it judges, however late it comes, so that a host that is always late cannot put a judgement off for ever.

use crate::machine::Core;
use crate::time::Monotonic;
use core::time::Duration;

/// A step that comes so much later than it was due says that the engine stood still.
const LATE: Duration = Duration::from_millis(100);

/// How long what waits is read before anybody is judged.
pub(crate) const CATCH_UP: Duration = Duration::from_millis(200);

impl Core {
    /// Notices a standstill that this step ends, or that what waited during the last one has been read.
    pub(crate) fn notice_standstill(&mut self, now: Monotonic) {
        match self.life.catching_up_until {
            Some(until) if now < until => {}
            Some(_) => {
                self.life.catching_up_until = None;
                self.dirty = true;
            }
            None => {
                if self.due.is_some_and(|due| now.since(due) >= LATE) {
                    self.life.catching_up_until = Some(now.plus(CATCH_UP));
                    self.dirty = true;
                }
            }
        }
    }

    /// Whether what waits is still being read: nobody's silence counts yet, and nothing is renewed.
    pub(crate) fn is_catching_up(&self) -> bool {
        self.life.catching_up_until.is_some()
    }
}
