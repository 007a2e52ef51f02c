//! With a witness a release needs two keys: its record is durable, and the witness has acknowledged it.

use crate::host::*;
use failstop_core::*;

fn two_keys() -> Host {
    let mut host = Host::live(Policy { two_key: Some(3 * MINUTE), ..policy(asks()) });
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "seen".to_owned() });
    assert_eq!(host.core.awaits_witness(), None);
    host
}

/// The record of the order that waits.
fn awaited(host: &Host) -> Ticket {
    let ticket = host.core.awaits_witness().unwrap();
    assert!(host.journal.iter().any(|(other, record)| {
        *other == ticket
            && matches!(record, Record::OperatorOrder { order, .. } if order.contains("waiting for the witness"))
    }));
    ticket
}

#[test]
fn a_resume_waits_for_both_keys_in_either_order() {
    for witness_first in [false, true] {
        let mut host = two_keys();
        host.prompt = false;
        let effects = host.order_effects(Order::Resume(Vec::new()), "checked");
        assert!(answer(&effects).is_none());
        let ticket = awaited(&host);
        if witness_first {
            // A witness that claims what is not even durable opens nothing.
            host.send(Input::Witnessed(ticket));
        } else {
            host.sync();
        }
        assert_eq!(host.standing(), [Cause::DailyLoss]);
        assert!(!host.rights(0).open && host.core.awaits_witness() == Some(ticket));
        assert_eq!(host.records_of(|record| matches!(record, Record::HaltCleared { cause: Cause::DailyLoss, .. })), 0);
        if witness_first {
            host.sync();
        } else {
            host.send(Input::Witnessed(Ticket(ticket.0 - 1)));
            assert_eq!(host.core.awaits_witness(), Some(ticket), "one record too early");
            host.send(Input::Witnessed(ticket));
        }
        assert_eq!((host.core.awaits_witness(), host.standing()), (None, vec![Cause::DailyLoss]));
        assert!(!host.rights(0).open, "the clearing is not durable yet");
        let effects = host.sync();
        assert_eq!((answer(&effects), host.standing()), (Some(Ok(())), vec![]));
        assert!(host.rights(0).open);
    }
}

#[test]
fn a_crash_between_the_keys_leaves_the_halt_standing() {
    let mut host = two_keys();
    host.order_effects(Order::Resume(Vec::new()), "checked");
    let ticket = awaited(&host);
    assert!(ticket <= host.durable);
    host.crash_and_plain_start();
    host.pass_checks();
    assert_eq!((host.standing(), host.core.awaits_witness()), (vec![Cause::DailyLoss], None));
    assert!(!host.rights(0).open);
    // The old order's acknowledgement means nothing to the new life.
    host.send(Input::Witnessed(ticket));
    assert_eq!(host.standing(), [Cause::DailyLoss]);
}

#[test]
fn a_witness_that_says_nothing_in_time_is_a_refusal_in_words() {
    let mut host = two_keys();
    host.order_effects(Order::Resume(Vec::new()), "checked");
    let ticket = awaited(&host);
    assert!(answer(&host.pass(2 * MINUTE)).is_none());
    let refusals = answer(&host.pass(MINUTE)).unwrap().unwrap_err();
    assert!(refusals[0].contains("did not acknowledge") && refusals[0].contains("3 min"), "{refusals:?}");
    host.send(Input::Witnessed(ticket));
    assert_eq!((host.standing(), host.core.awaits_witness()), (vec![Cause::DailyLoss], None));
}

#[test]
fn what_holds_again_by_the_time_of_the_second_key_is_not_released() {
    let mut host = two_keys();
    host.send(Input::Raise { cause: Cause::Witness, slot: None, evidence: "rolled back".to_owned() });
    host.send(Input::Passed { cause: Cause::Witness, slot: None });
    host.order_effects(Order::Resume(Vec::new()), "checked");
    let ticket = awaited(&host);
    host.send(Input::Raise { cause: Cause::Witness, slot: None, evidence: "again".to_owned() });
    let refusals = answer(&host.send(Input::Witnessed(ticket))).unwrap().unwrap_err();
    assert!(refusals[0].contains("again"), "{refusals:?}");
    assert_eq!(host.standing().len(), 2, "all or nothing");
}

#[test]
fn the_kill_switch_waits_for_both_keys_too_and_tightening_never_does() {
    let mut host = Host::live(Policy { two_key: Some(3 * MINUTE), ..policy(asks()) });
    host.order(Order::KillSwitchEngage).unwrap();
    let effects = host.order_effects(Order::KillSwitchRelease, "venue is back");
    assert!(answer(&effects).is_none() && !effects.contains(&Effect::RemoveKillSwitchLatch));
    let effects = host.send(Input::Witnessed(awaited(&host)));
    assert!(effects.contains(&Effect::RemoveKillSwitchLatch));
    assert_eq!((answer(&effects), host.standing()), (Some(Ok(())), vec![]));
}

#[test]
fn an_engagement_while_a_release_waits_for_the_witness_is_not_released_by_it() {
    for by_order in [false, true] {
        let mut host = two_keys();
        host.order(Order::KillSwitchEngage).unwrap();
        host.order_effects(Order::Resume(Vec::new()), "checked");
        let resume = awaited(&host);
        host.order_effects(Order::KillSwitchRelease, "venue is back");
        let ticket = awaited(&host);
        let effects = if by_order {
            host.order_effects(Order::KillSwitchEngage, "fire again")
        } else {
            host.send(Input::KillSwitchSeen { by: "ops".to_owned(), reason: "fire again".to_owned() })
        };
        let refused = effects.iter().any(|effect| {
            matches!(effect, Effect::Answer { outcome: Err(why), .. } if why[0].contains("engaged again during the release"))
        });
        assert!(refused, "{effects:?}");
        assert_eq!(host.core.awaits_witness(), Some(resume), "whatever else waits goes on waiting");
        let effects = host.send(Input::Witnessed(ticket));
        assert!(!effects.contains(&Effect::RemoveKillSwitchLatch), "the latch belongs to the new engagement");
        assert_eq!((host.core.kill_switch(), host.standing()), (true, vec![Cause::KillSwitch]));
        // One that is given after it ends it.
        host.order_effects(Order::KillSwitchRelease, "really");
        let effects = host.send(Input::Witnessed(awaited(&host)));
        assert_eq!((answer(&effects), host.standing()), (Some(Ok(())), vec![]));
    }
}

#[test]
fn an_engine_that_stood_still_reads_the_acknowledgement_that_waits_before_it_refuses() {
    for acknowledged in [true, false] {
        let mut host = two_keys();
        host.order_effects(Order::Resume(Vec::new()), "checked");
        let ticket = awaited(&host);
        host.now = host.now.plus(5 * MINUTE);
        assert_eq!(answer(&host.send(Input::Wake)), None, "the acknowledgement may be waiting");
        if acknowledged {
            let effects = host.send(Input::Witnessed(ticket));
            assert_eq!((answer(&effects), host.standing()), (Some(Ok(())), vec![]));
        } else {
            let refusals = answer(&host.pass(MINUTE)).unwrap().unwrap_err();
            assert!(refusals[0].contains("did not acknowledge"), "{refusals:?}");
            assert_eq!(host.standing(), [Cause::DailyLoss]);
        }
    }
}

#[test]
fn a_failed_journal_answers_whoever_waits_for_the_witness() {
    let mut host = two_keys();
    host.order_effects(Order::Resume(Vec::new()), "checked");
    let ticket = awaited(&host);
    let effects = host.send(storage_failed("EIO", false));
    assert!(answer(&effects).unwrap().unwrap_err()[0].contains("nothing was released"));
    assert!(host.send(Input::Witnessed(ticket)).is_empty());
    assert!(host.standing().contains(&Cause::DailyLoss));
}

#[test]
fn only_so_many_releases_wait() {
    let mut host = two_keys();
    for _ in 0..16 {
        assert!(answer(&host.order_effects(Order::Resume(Vec::new()), "again")).is_none());
    }
    let refusals = host.order(Order::Resume(Vec::new())).unwrap_err();
    assert!(refusals[0].contains("too many releases"), "{refusals:?}");
    let effects = host.send(Input::Witnessed(awaited(&host)));
    // All of them were about the same halt: it is cleared once, and that answers every one.
    let answers: Vec<bool> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Answer { outcome, .. } => Some(outcome.is_ok()),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [true; 16]);
    assert_eq!(host.records_of(|record| matches!(record, Record::HaltCleared { cause: Cause::DailyLoss, .. })), 1);
    assert_eq!(host.standing(), []);
}
