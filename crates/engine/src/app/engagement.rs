//! The kill switch as the loop meets it: engaged by a latch on the disk, by a page that somebody revoked, or by an order.

use super::engine::Engine;
use super::latch;
use crate::clock;
use crate::kill_switch::{Engagement, read_latch, write_latch};
use core::time::Duration;
use failstop_core::Input;

/// How long a page that was found revoked waits for the latch that the kill switch writes next, or for its order, so that the
/// journal can say who and why. Nothing is permitted or started meanwhile; whoever revoked it kills what runs.
const WORDS_FOLLOW_WITHIN: Duration = Duration::from_millis(500);

/// An engagement that is not on the disk: the journal alone remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlatched {
    /// Who engaged it.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// Why the latch could not be written.
    pub error: String,
}

impl Engine {
    /// Looks at the latch now; an engagement that the core does not know of is told to it.
    pub(super) fn look_at_latch(&mut self) {
        if self.probe.engaged() {
            self.kill_switch_seen();
            self.pump();
        }
    }

    /// Whether somebody engaged the kill switch whom the core may not know of: the latch stands, or the page was revoked and no
    /// latch is there (yet). Looked at on both sides of each spawn.
    pub(super) fn is_engaged_from_outside(&self) -> bool {
        self.probe.engaged() || self.revoked_until.is_some() || self.permit.is_revoked_from_outside()
    }

    /// What [`Self::is_engaged_from_outside`] found is told to the core, or waits for who and why.
    pub(super) fn engaged_from_outside(&mut self) {
        if self.probe.engaged() { self.kill_switch_seen() } else { self.revoked_by_somebody() }
    }

    /// The page was found revoked, or the latch stands.
    pub(super) fn kill_switch_seen(&mut self) {
        let latch = read_latch(&self.state_dir);
        let identity = latch::identity(&latch);
        if identity.is_some() && identity == self.latch_seen && self.core.kill_switch() {
            return;
        }
        self.permit.revoke();
        self.leave_what_loosens();
        self.trees.forget_prepared();
        for slot in self.blueprints.iter().map(|blueprint| blueprint.slot).collect::<Vec<_>>() {
            self.drop_stored(slot);
        }
        self.latch_seen = identity;
        self.revoked_until = None;
        let unknown = || ("unknown".to_owned(), "the permit page was revoked by another process".to_owned());
        let (by, reason) = latch.who_and_why().unwrap_or_else(unknown);
        self.bring(Input::KillSwitchSeen { by, reason });
    }

    /// The page was found revoked: the kill switch writes its latch next, and gives its order besides, which say who and why.
    /// Nothing is permitted meanwhile.
    pub(super) fn revoked_by_somebody(&mut self) {
        if self.storage_failed || self.core.kill_switch() {
            return;
        }
        if self.probe.engaged() {
            self.kill_switch_seen();
        } else if self.revoked_until.is_none() {
            self.revoked_until = Some(clock::now().plus(WORDS_FOLLOW_WITHIN));
        }
    }

    pub(super) fn write_kill_switch(&mut self, by: String, reason: String) {
        self.ledger.flush();
        let engagement = Engagement { by, reason, time: clock::rfc3339(clock::wall()) };
        // The file itself decides: where nobody can tell, nothing is on the disk until it is written.
        if self.probe.stands() {
            self.facts.unlatched = None;
        } else if let Err(error) = write_latch(&self.state_dir, &engagement) {
            self.say("halt", &error.to_string());
            let Engagement { by, reason, time: _ } = engagement;
            let error = error.without_place();
            // Whoever came first engaged it, as where the latch stands.
            match &mut self.facts.unlatched {
                Some(unlatched) => unlatched.error = error,
                none @ None => *none = Some(Unlatched { by, reason, error }),
            }
        } else {
            self.facts.unlatched = None;
        }
        self.latch_seen = latch::identity(&read_latch(&self.state_dir));
    }
}
