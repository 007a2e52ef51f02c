//! Another configuration while running: what tightens is in force in the step that learns of it, everything else once the record
//! of the change is durable. A replay sees the record; which policy a start has is its own configuration's matter.

use crate::effect::Effect;
use crate::health::Feed;
use crate::id::Ticket;
use crate::machine::Core;
use crate::policy::{Liveness, Policy};
use crate::record::{ConfigChange, Record};
use crate::time::Monotonic;
use crate::turn::Turn;
use core::time::Duration;
use std::sync::Arc;

/// Another configuration, validated by the host: nothing in it needs a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// What the core decides by from then on.
    pub policy: Policy,
    /// What changes, for the record.
    pub change: ConfigChange,
}

/// A policy that waits for its record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Coming {
    ticket: Ticket,
    policy: Arc<Policy>,
}

impl Core {
    /// The policy that is in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes another configuration. One for other components is the host's mistake and changes nothing; one that comes while another
    /// waits takes its place.
    pub(crate) fn configure(&mut self, turn: &mut Turn<'_>, configuration: Configuration) {
        let Configuration { policy, change } = configuration;
        if !self.policy.may_become(&policy) {
            return;
        }
        let Some(ticket) = self.record(turn, Record::ConfigChanged(change)) else { return };
        let tightest = Arc::new(self.policy.tightest(&policy));
        self.coming = Some(Coming { ticket, policy: Arc::new(policy) });
        self.adopt(turn.now, tightest);
    }

    /// Everything up to `upto` is durable: a policy whose record is among it comes into force.
    pub(crate) fn settle_configuration(&mut self, turn: &mut Turn<'_>, upto: Ticket) {
        if let Some(Coming { policy, .. }) = self.coming.take_if(|coming| coming.ticket <= upto) {
            self.adopt(turn.now, policy);
            turn.push(Effect::Configured);
        }
    }

    fn adopt(&mut self, now: Monotonic, policy: Arc<Policy>) {
        let before = core::mem::replace(&mut self.policy, policy);
        let spans = before.components.iter().zip(&self.policy.components);
        for (component, (old, new)) in self.components.iter_mut().zip(spans) {
            if !component.is_ready() {
                continue;
            }
            if old.liveness != new.liveness {
                let shorter = beat(new.liveness) <= beat(old.liveness);
                let armed = component.beat_by;
                component.arm_beat(now, new.liveness);
                // A shorter span never puts off what was due already.
                if shorter && let (Some(armed), Some(anew)) = (armed, component.beat_by) {
                    component.beat_by = Some(armed.min(anew));
                }
            }
            if old.progress_within != new.progress_within {
                let anew = new.progress_within.map(|span| now.plus(span));
                let shorter = new.progress_within <= old.progress_within;
                component.progress_by = match (component.progress_by.filter(|_| shorter), anew) {
                    (Some(armed), Some(anew)) => Some(armed.min(anew)),
                    (_, anew) => anew,
                };
            }
        }
        for name in &self.policy.health.feeds {
            if !self.watch.feeds.contains_key(name) && self.watch.feeds.len() < crate::MAX_FEEDS {
                self.watch.feeds.insert(name.clone(), Feed { base: now, ..Feed::default() });
            }
        }
        // One that is not configured any more and was never seen is no source. One that was seen is judged as ever.
        let (old, new) = (&before.health.feeds, &self.policy.health.feeds);
        self.watch.feeds.retain(|name, feed| {
            feed.last.is_some() || feed.owner.is_some() || new.contains(name) || !old.contains(name)
        });
        self.life.heartbeat_at = self.life.heartbeat_at.min(now.plus(self.policy.heartbeat_every));
        self.dirty = true;
    }
}

/// How long a component may be silent; without an end where no beat is wanted.
fn beat(liveness: Option<Liveness>) -> Duration {
    match liveness {
        Some(Liveness::Heartbeat(span) | Liveness::Watchdog(span)) => span,
        Some(Liveness::Probe) | None => Duration::MAX,
    }
}
