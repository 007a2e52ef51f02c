//! Which lanes hear of a notice.

use super::lane::{LaneId, Spec};
use super::{Heart, OWN_CAUSE};
use crate::notice::Notice;
use crate::policy::Environments;

impl Heart {
    /// The lanes for `notice`, in the order of the configuration. A route chooses among the channels of the notice's
    /// environment and never beyond them.
    pub(super) fn lanes_for(&self, notice: &Notice) -> Vec<LaneId> {
        let route = self.policy.routes.iter().find(|route| route.matches(notice));
        let chosen = |spec: &&Spec| route.is_none_or(|route| route.channels.contains(&spec.channel));
        let here = |spec: &&Spec| spec.environments.contain(&notice.environment);
        let other = |spec: &&Spec| !about_lane(notice, spec);
        let routed: Vec<LaneId> =
            self.specs.iter().filter(here).filter(other).filter(chosen).map(|spec| spec.id.clone()).collect();
        if routed.is_empty() && !notice.nature.can_be_switched_off() {
            return self.specs.iter().filter(here).map(|spec| spec.id.clone()).collect();
        }
        routed
    }

    /// The lanes of the named channels that may hear of `notice`.
    pub(super) fn lanes_of(&self, channels: &[String], notice: &Notice) -> Vec<LaneId> {
        let wanted = |spec: &&Spec| channels.contains(&spec.channel) && spec.environments.contain(&notice.environment);
        self.specs.iter().filter(wanted).filter(|spec| !about_lane(notice, spec)).map(|spec| spec.id.clone()).collect()
    }

    /// The next lane after `refusing` that may hear of `notice` and is not among `taken`; around the end to the beginning.
    pub(super) fn next_lane(
        &self,
        refusing: &LaneId,
        notice: &Notice,
        taken: impl Fn(&LaneId) -> bool,
    ) -> Option<LaneId> {
        let at = self.specs.iter().position(|spec| spec.id == *refusing).map_or(0, |at| at + 1);
        let (before, after) = self.specs.split_at(at.min(self.specs.len()));
        after
            .iter()
            .chain(before)
            .filter(|spec| spec.environments.contain(&notice.environment) && !about_lane(notice, spec))
            .find(|spec| !taken(&spec.id))
            .map(|spec| spec.id.clone())
    }

    /// The environment to tell about trouble with a lane.
    pub(super) fn environment_of(spec: &Spec) -> String {
        match &spec.environments {
            Environments::All | Environments::Production => crate::PRODUCTION.to_owned(),
            Environments::NotProduction => "staging".to_owned(),
            Environments::Only(names) => names.first().map_or(crate::PRODUCTION, String::as_str).to_owned(),
        }
    }
}

/// Trouble with a lane is not told over that lane.
fn about_lane(notice: &Notice, spec: &Spec) -> bool {
    notice.cause == OWN_CAUSE && notice.component.as_deref() == Some(spec.id.0.as_str())
}
