//! The free texts of a status as they may be shown: somebody else wrote them (a bot, an operator, a venue, a program).

use crate::masking;
use failstop_client::gate::GateStatus;
use failstop_client::status::{EmergencyRun, Status};

/// Covers wallet addresses in every text that is no name and no id. What a status has is named here one by one, so that of each new
/// text somebody decides.
pub(super) fn covered(mut status: Status) -> Status {
    let own = |text: &mut String| *text = masking::owned(std::mem::take(text));
    let Status {
        // Names, ids, numbers, times, words of a fixed choice, and what failstop says in its own words alone.
        system: _,
        epoch: _,
        permission: _,
        mode: _,
        mode_ceiling: _,
        kill_switch: _,
        kill_switch_unlatched: _,
        parts: _,
        feeds: _,
        dependencies: _,
        queue: _,
        metrics: _,
        journal: _,
        uptime_seconds: _,
        version: _,
        coverage: _,
        host_notes: _,
        not_watched: _,
        engine_pid: _,
        guard_pid: _,
        permit_lapses: _,
        observe: _,
        timestamp: _,
        resources: _,
        host: _,
        environment: _,
        breaker: _,
        footprint: _,
        // What others say, or what failstop says of it.
        health,
        halts,
        components,
        alerts,
        announced,
        maintenance,
        books,
        verified,
        config,
        emergency,
        custom,
        gate,
    } = &mut status;
    health.reasons.iter_mut().for_each(own);
    halts.iter_mut().for_each(|halt| own(&mut halt.evidence));
    for component in components {
        component.status_text.iter_mut().for_each(own);
        component.held.iter_mut().for_each(|held| own(&mut held.reason));
    }
    alerts.channels.values_mut().for_each(|channel| channel.last_error.iter_mut().for_each(own));
    alerts.problem.iter_mut().for_each(own);
    maintenance.iter_mut().for_each(|window| own(&mut window.reason));
    announced.iter_mut().for_each(|announced| own(&mut announced.reason));
    books.discrepancies.iter_mut().for_each(own);
    verified.iter_mut().for_each(|verified| verified.detail.iter_mut().for_each(own));
    config.fault.iter_mut().for_each(own);
    let steps = |run: &mut EmergencyRun| run.actions.iter_mut().for_each(|action| own(&mut action.detail));
    emergency.run.iter_mut().chain(&mut emergency.drill).for_each(steps);
    custom.sources.iter_mut().for_each(|source| source.fault.iter_mut().for_each(own));
    if let Some(GateStatus { polls, shared_rates, .. }) = gate {
        polls.iter_mut().for_each(|poll| poll.fault.iter_mut().for_each(own));
        shared_rates.iter_mut().for_each(|shared| shared.fault.iter_mut().for_each(own));
    }
    status
}
