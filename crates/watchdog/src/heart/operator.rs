//! What an operator asks for: silence, its end, a release.

use super::Heart;
use super::agenda::Who;
use super::hub::Hub;
use super::maintenance::{Kind, MAINTENANCE_MAX_MS};
use super::target::Target;
use super::time::Now;

impl Heart {
    /// Silences a target for at most a week. `false` where there is no such target.
    pub fn silence(&mut self, now: Now, target: &str, owner: &str, reason: &str, for_ms: u64) -> bool {
        let for_ms = for_ms.min(MAINTENANCE_MAX_MS);
        self.by_name(now, target, |of, now, hub| {
            of.silence(now, Kind::Silenced, owner.to_owned(), reason.to_owned(), for_ms, hub);
            true
        })
        .is_some()
    }

    /// Ends a target's maintenance. `None`: no such target; `Some(false)`: it was in none.
    pub fn end_maintenance(&mut self, now: Now, target: &str, by: &str) -> Option<bool> {
        self.by_name(now, target, |of, now, hub| of.end_maintenance(now, &format!("ended by {by}"), hub))
    }

    /// Releases a target's ladder and accepts its journal. `None`: no such target; `Some(false)`: there was nothing to release.
    pub fn release(&mut self, now: Now, target: &str, by: &str) -> Option<bool> {
        self.by_name(now, target, |of, now, hub| of.release(now, by, hub))
    }

    fn by_name<T>(&mut self, now: Now, name: &str, call: impl FnOnce(&mut Target, Now, &mut Hub) -> T) -> Option<T> {
        let index = self.targets.iter().position(|target| target.settings().name == name)?;
        let result = call(&mut self.targets[index], now, &mut self.hub);
        self.plan(now, Who::Target(index));
        Some(result)
    }
}
