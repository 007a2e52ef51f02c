//! `alerts test`: a message marked as a drill goes to a channel past every queue, and is read back where the service allows.

use crate::answer::Answer;
use crate::channel::{Carriers, Destination, Kind};
use crate::heart::{LaneId, Now, Order, What};
use crate::key::Key;
use crate::mask::Mask;
use crate::message::Message;
use crate::notice::{Change, Notice, Severity};
use crate::report::Proof;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The message of a test; its key is one that no incident has.
pub(crate) fn order(system: &str, lane: &LaneId, number: u64, now: Now) -> Option<Order> {
    let key = Key::of(system, "alert-test", None, number).or_else(|_| Key::of("failstop", "alert-test", None, number));
    let key = key.ok()?;
    let title = "test of this alert channel; nothing has happened";
    let mut notice = Notice::new(key.clone(), Change::Trigger, Severity::Info, title, now.wall);
    notice.system = system.to_owned();
    "alert-test".clone_into(&mut notice.cause);
    notice.drill = true;
    notice.message = format!("Sent by hand to {lane}, to see that it arrives. Nothing needs to be done.");
    Some(Order {
        lane: lane.clone(),
        key,
        seq: 1,
        what: What::Trigger,
        notice: Arc::new(notice.bounded()),
        note: None,
        receipt: None,
        covers: 1,
        late: None,
        plain: false,
        tries: 0,
        opened_at: now.wall,
        resolved_at: None,
        acknowledged_by: None,
        severities: BTreeSet::from([Severity::Info]),
    })
}

/// Sends it, looks for it, and closes what it opened.
pub(crate) async fn prove(
    kind: &Kind,
    carriers: &Carriers,
    order: Order,
    to: &Destination,
    mask: &Mask,
) -> Result<Proof, String> {
    let at = order.opened_at;
    let sent = kind.send(carriers, Message::new(order.clone(), at), to).await;
    let receipt = match sent {
        Answer::Ok { receipt } => receipt,
        Answer::Migrate { to, .. } => return Err(format!("the destination has moved to {to}: set that instead")),
        Answer::Retry { reason }
        | Answer::RetryAfter { reason, .. }
        | Answer::Permanent { reason }
        | Answer::FixPayload { reason }
        | Answer::Ambiguous { reason } => return Err(mask.cover(&reason)),
    };
    let seen = kind.read_back(carriers, Message::new(order.clone(), at), receipt.as_deref(), to).await;
    if kind.test_ends_with_resolve() {
        let end = Order { what: What::Resolve, seq: 2, resolved_at: Some(at), receipt, ..order };
        if !matches!(kind.send(carriers, Message::new(end, at), to).await, Answer::Ok { .. }) {
            return Err("it arrived, but the incident that it opened could not be closed: close it by hand".to_owned());
        }
    }
    match seen {
        None => Ok(Proof::Accepted),
        Some(Ok(())) => Ok(Proof::ReadBack),
        Some(Err(fault)) => Err(mask.cover(&fault)),
    }
}
