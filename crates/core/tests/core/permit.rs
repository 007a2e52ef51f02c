//! The permit: when it is published, renewed, withheld, and what it says.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

const LIVE: Rights = Rights { open: true, reduce: true, live: true, revoked: false };

#[test]
fn nothing_is_published_or_spawned_before_the_epoch_is_durable() {
    let mut host = Host::new(policy(asks()));
    host.prompt = false;
    let mut effects = host.plain_start();
    effects.extend(host.pass(30 * SECOND));
    assert!(page(&effects).is_none() && spawns(&effects) == 0);
    let effects = host.sync();
    assert!(page(&effects).is_some() && spawns(&effects) == 1);
}

#[test]
fn every_start_begins_in_observe_only_until_the_checks_passed() {
    let mut host = Host::new(policy(asks()));
    host.plain_start();
    assert_eq!(host.core.permission(), Permission::ObserveOnly);
    assert_eq!(host.rights(0), Rights::NONE);
    host.send(Input::Checked { class: CheckClass::Environment, outcome: Ok(()) });
    assert_eq!(host.core.permission(), Permission::ObserveOnly);
    host.pass_checks();
    assert_eq!(host.rights(1), Rights { live: false, ..LIVE }, "paper: no ceremony was held");
}

#[test]
fn it_is_renewed_in_time_and_never_beyond_the_lease() {
    let mut host = Host::live(policy(asks()));
    for _ in 0..100 {
        host.pass(Duration::from_millis(137));
        let deadline = host.core.page().unwrap().deadline;
        assert!(deadline > host.now && deadline <= host.now.plus(2 * SECOND));
    }
    assert_eq!(host.rights(1), LIVE);
}

#[test]
fn renewal_is_withheld_while_a_record_waits_longer_than_half_the_lease() {
    let mut host = Host::live(policy(asks()));
    host.prompt = false;
    host.order_effects(Order::Resume(vec![HaltId(999)]), "leaves a record of its refusal");
    let written = host.now;
    host.pass(Duration::from_millis(1000));
    let last = host.core.page().unwrap().deadline;
    assert!(last <= written.plus(3 * SECOND));
    host.pass(10 * SECOND);
    assert_eq!(host.core.page().unwrap().deadline, last, "withheld");
    assert_eq!(host.rights(1), Rights::NONE, "and so it has run out");
    assert_eq!(host.core.permit_lapses(), 0);
    // A tightening goes out at once, with the old deadline.
    let effects = host.send(Input::Trigger { trigger: Trigger::Capital, evidence: "off by 3".to_owned() });
    let page = page(&effects).unwrap();
    assert_eq!((page.deadline, page.rights[0]), (last, Rights::NONE));
    host.sync();
    assert_eq!(host.core.permit_lapses(), 1, "counted once");
}

#[test]
fn what_loosens_while_renewal_is_withheld_waits_for_it() {
    let mut host = Host::live(policy(asks()));
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    host.prompt = false;
    host.order_effects(Order::Resume(Vec::new()), "checked");
    let clearing = host.journal.last().unwrap().0;
    host.pass(500 * SECOND / 1000);
    host.order_effects(Order::Resume(vec![HaltId(999)]), "leaves a record of its refusal");
    host.pass(1500 * SECOND / 1000);
    let before = host.core.page().cloned();
    // Only the clearing is durable, and a later record has waited too long.
    let effects = host.send(Input::Durable(clearing));
    assert_eq!(host.core.permission(), Permission::Active);
    assert!(page(&effects).is_none_or(|page| !page.rights[0].open), "{effects:?}");
    assert_eq!(host.core.page().map(|page| page.deadline), before.map(|page| page.deadline));
    host.sync();
    assert_eq!(host.rights(0), LIVE);
}

#[test]
fn a_component_that_is_not_ready_has_no_rights() {
    let bot = ComponentPolicy { readiness: true, ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![bot, component("other", Orders::Asks)]));
    assert_eq!(
        (host.rights(0), host.rights(1), host.rights(2), host.rights(3)),
        (LIVE, Rights::NONE, LIVE, Rights::NONE)
    );
    host.sign(0, Sign::Ready);
    assert_eq!(host.rights(1), LIVE);
}

#[test]
fn the_mode_rises_only_when_durable_and_falls_at_once() {
    let mut host = Host::started(policy(asks()));
    host.prompt = false;
    let effects = host.order_effects(Order::Mode(Mode::Live), "ready");
    assert!(answer(&effects).is_none());
    assert_eq!((host.core.mode(), host.rights(1).live), (Mode::Dry, false));
    // Dry again before live was ever durable: the later word wins, in the core and in the journal.
    host.order_effects(Order::Mode(Mode::Dry), "no");
    host.sync();
    assert_eq!(host.core.mode(), Mode::Dry);
    host.order_effects(Order::Mode(Mode::Live), "yes");
    host.sync();
    assert!(host.rights(1).live);
    let effects = host.order_effects(Order::Mode(Mode::Dry), "enough");
    assert!(page(&effects).is_some_and(|page| !page.rights[1].live));
}

#[test]
fn the_configuration_is_the_ceiling() {
    let mut host = Host::live(policy(asks()));
    host.policy.mode_ceiling = Mode::Dry;
    host.crash_and_plain_start();
    host.pass_checks();
    assert_eq!(host.core.mode(), Mode::Dry);
    assert!(host.order(Order::Mode(Mode::Live)).unwrap_err()[0].contains("mode = \"live\""));
    host.policy.mode_ceiling = Mode::Live;
    host.crash_and_plain_start();
    host.pass_checks();
    assert_eq!(host.core.mode(), Mode::Live, "the journal kept the ceremony");
}

#[test]
fn a_failed_journal_closes_the_gate_for_good_and_ends_the_engine() {
    let mut host = Host::live(policy(asks()));
    let mut other = Host::live(policy(asks()));
    let deadline = other.core.page().unwrap().deadline;
    other.now = other.now.plus(SECOND / 10);
    let effects = other.send(storage_failed("EIO on fdatasync", false));
    let closed = Page { rights: [Rights::NONE; MAX_COMPONENTS + 1], deadline };
    assert_eq!(effects[0], Effect::Publish(closed), "closed first of all, and not renewed");
    host.prompt = false;
    host.obliging = false;
    host.send(Input::Raise { cause: Cause::Integrity, slot: None, evidence: "line 3".to_owned() });
    let waiting = host.order_effects(Order::Mode(Mode::Dry), "x");
    assert!(answer(&waiting).is_none());
    let effects = host.send(storage_failed("EIO on fdatasync", false));
    let latched: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Latch(halt) => Some(halt.cause),
            _ => None,
        })
        .collect();
    assert_eq!(latched, [Cause::Integrity, Cause::Storage], "a halt whose record may be lost is latched, too");
    assert!(answer(&effects).unwrap().is_err());
    assert_eq!(stops(&effects), 1);
    let mut later = host.send(Input::Durable(Ticket(1000)));
    later.extend(host.pass(9 * SECOND));
    let forbidden = |e: &Effect| {
        matches!(e, Effect::Publish(_) | Effect::Record { .. } | Effect::LastWord { .. } | Effect::Spawn { .. })
    };
    assert!(effects.iter().chain(&later).filter(|e| !matches!(e, Effect::Publish(_))).all(|e| !forbidden(e)));
    assert!(later.iter().all(|e| !forbidden(e)));
    host.send(Input::Exited { slot: slot(0), instance: Instance(1), exit: Exit::Status(0) });
    host.send(Input::TreeGone { slot: slot(0), instance: Instance(1) });
    assert_eq!(host.exit, Some(ExitReason::Storage));
    // The next start finds the latches.
    host.exit = None;
    host.prompt = true;
    host.obliging = true;
    host.crash_and_start(|epoch| Start {
        latches: vec![(Cause::Integrity, "line 3".to_owned()), (Cause::Storage, "EIO".to_owned())],
        ..plain(epoch)
    });
    assert!(host.log.contains(&Effect::RemoveLatches), "they are in the journal now");
    assert_eq!(host.core.permission(), Permission::Shutdown);
    assert!(host.resume().is_err(), "the checks have not passed");
    host.pass_checks();
    host.resume().unwrap();
    assert_eq!(host.core.permission(), Permission::Active);
}

fn last_words(effects: &[Effect]) -> Vec<&Record> {
    let words = effects.iter().filter_map(|effect| match effect {
        Effect::LastWord { record, again: false } => Some(record),
        _ => None,
    });
    words.collect()
}

#[test]
fn a_full_disk_still_takes_the_halt_and_what_became_of_the_components_and_nothing_else() {
    let mut host = Host::live(policy(asks()));
    host.prompt = false;
    host.obliging = false;
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "-15 %".to_owned() });
    host.order_effects(Order::Resume(Vec::new()), "on its way to the disk when it was full");
    let effects = host.send(storage_failed("no space left", true));
    assert!(matches!(&effects[0], Effect::Publish(page) if page.rights == [Rights::NONE; MAX_COMPONENTS + 1]));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Latch(halt) if halt.cause == Cause::Storage)));
    let words = last_words(&effects);
    assert!(words.iter().any(|word| matches!(word, Record::HaltRaised(halt) if halt.cause == Cause::Storage)));
    assert!(words.iter().any(|word| matches!(word, Record::PermissionChanged { to: Permission::Shutdown, .. })));
    assert!(words.iter().any(|word| matches!(word, Record::ComponentStopping { .. })));
    let mut later = host.send(Input::Durable(Ticket(1000)));
    later.extend(host.pass(9 * SECOND));
    assert!(host.halt(Cause::DailyLoss).is_some(), "what was not durable when the disk was full never loosens");
    later.extend(host.order_effects(Order::Resume(Vec::new()), "nothing loosens now"));
    later.extend(host.send(Input::Passed { cause: Cause::DailyLoss, slot: None }));
    assert!(last_words(&later).is_empty(), "{later:?}");
    let ends = host.send(Input::Exited { slot: slot(0), instance: Instance(1), exit: Exit::Status(0) });
    assert!(matches!(last_words(&ends)[..], [Record::ComponentExited { .. }]));
    let all = effects.iter().chain(&later).chain(&ends);
    assert!(all.clone().all(|effect| !matches!(effect, Effect::Record { .. })), "nothing is acknowledged any more");
    host.send(Input::TreeGone { slot: slot(0), instance: Instance(1) });
    assert_eq!(host.exit, Some(ExitReason::Storage));
    // The next start finds the halt in the journal and its latch beside it: one halt.
    host.exit = None;
    host.prompt = true;
    host.obliging = true;
    let latches = vec![(Cause::Storage, "no space left".to_owned())];
    host.crash_and_start(|epoch| Start { latches, ..plain(epoch) });
    assert_eq!(host.standing().iter().filter(|cause| **cause == Cause::Storage).count(), 1);
    assert_eq!(host.core.permission(), Permission::Shutdown);
    assert!(host.log.contains(&Effect::RemoveLatches));
}

#[test]
fn a_halt_whose_record_the_full_disk_swallowed_is_said_again() {
    let mut host = Host::live(policy(asks()));
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: "durable by now".to_owned() });
    host.prompt = false;
    host.obliging = false;
    host.send(Input::Raise { cause: Cause::Witness, slot: None, evidence: "another past".to_owned() });
    let effects = host.send(storage_failed("no space left", true));
    let again = effects.iter().filter_map(|effect| match effect {
        Effect::LastWord { record: Record::HaltRaised(halt), again: true } => Some(halt.cause),
        _ => None,
    });
    assert_eq!(again.collect::<Vec<_>>(), [Cause::Witness]);
    host.crash_and_plain_start();
    let standing = host.standing();
    assert!(standing.contains(&Cause::Witness) && standing.contains(&Cause::Storage), "{standing:?}");
}

#[test]
fn last_words_end_where_the_disk_fails_altogether() {
    let mut host = Host::live(policy(asks()));
    host.obliging = false;
    assert!(!last_words(&host.send(storage_failed("no space left", true))).is_empty());
    assert!(last_words(&host.send(storage_failed("EIO", false))).is_empty());
    // And they do not come back.
    host.send(storage_failed("no space left", true));
    let ends = host.send(Input::Exited { slot: slot(0), instance: Instance(1), exit: Exit::Status(0) });
    assert!(last_words(&ends).is_empty());
}

#[test]
fn a_latch_whose_last_word_was_written_is_the_same_halt() {
    let bot = ComponentPolicy { liveness: Some(Liveness::Watchdog(SECOND)), ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![bot]));
    host.obliging = false;
    host.send(storage_failed("no space left", true));
    // It says itself that it hangs while it is being stopped.
    let effects = host.sign(0, Sign::WatchdogTrigger);
    let latched = effects.iter().find_map(|effect| match effect {
        Effect::Latch(halt) => Some(halt.clone()),
        _ => None,
    });
    let hung = latched.unwrap();
    assert_eq!((hung.cause, hung.component.is_some()), (Cause::Hung, true));
    host.obliging = true;
    host.exit = None;
    let latches = vec![(Cause::Hung, hung.evidence), (Cause::Hung, "another".to_owned())];
    host.crash_and_start(|epoch| Start { latches, ..plain(epoch) });
    let halts = host.core.halts().map(|(halt, _)| halt).filter(|halt| halt.cause == Cause::Hung);
    let found: Vec<_> = halts.map(|halt| (halt.component.is_some(), halt.evidence.as_str())).collect();
    assert_eq!(found, [(true, "it said itself that it hangs"), (false, "another")]);
}

#[test]
fn lapses_are_written_but_never_faster_than_every_ten_seconds() {
    let mut host = Host::live(policy(asks()));
    for _ in 0..20 {
        host.stands_still(2 * SECOND);
    }
    let lapses: u32 = host
        .journal
        .iter()
        .filter_map(|(_, record)| match record {
            Record::PermitLapsed { times } => Some(*times),
            _ => None,
        })
        .sum();
    assert_eq!(host.core.permit_lapses(), 20);
    assert!(host.records_of(|r| matches!(r, Record::PermitLapsed { .. })) <= 5 && lapses >= 15);
}
