//! The free texts of a status as they may be shown: somebody else wrote them (a bot, an operator, a venue).

use crate::masking;
use failstop_client::status::{EmergencyRun, Status};

/// Covers wallet addresses in every text that is no name and no id.
pub(super) fn covered(mut status: Status) -> Status {
    let own = |text: &mut String| *text = masking::owned(std::mem::take(text));
    status.health.reasons.iter_mut().for_each(own);
    status.halts.iter_mut().for_each(|halt| own(&mut halt.evidence));
    for component in &mut status.components {
        component.status_text.iter_mut().for_each(own);
        component.held.iter_mut().for_each(|held| own(&mut held.reason));
    }
    status.announced.iter_mut().for_each(|announced| own(&mut announced.reason));
    status.config.fault.iter_mut().for_each(own);
    let steps = |run: &mut EmergencyRun| run.actions.iter_mut().for_each(|action| own(&mut action.detail));
    status.emergency.run.iter_mut().chain(&mut status.emergency.drill).for_each(steps);
    status
}
