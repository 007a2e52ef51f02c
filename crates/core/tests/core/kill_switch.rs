//! The kill switch: engaged at any moment, released in the one right order.

use crate::host::*;
use failstop_core::*;

fn seen() -> Input {
    Input::KillSwitchSeen { by: "ops".to_owned(), reason: "fire".to_owned() }
}

fn all_revoked(host: &Host) -> bool {
    (0..=MAX_COMPONENTS).all(|slot| host.rights(slot) == Rights::REVOKED)
}

#[test]
fn engaged_it_revokes_every_slot_then_latches_then_kills() {
    let mut host = Host::live(policy(asks()));
    let effects = host.order_effects(Order::KillSwitchEngage, "fire");
    let order: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Publish(page) => {
                Some(if page.rights.iter().all(|rights| rights.revoked) { "revoke" } else { "open" })
            }
            Effect::WriteKillSwitchLatch { .. } => Some("latch"),
            Effect::Answer { outcome: Ok(()), .. } => Some("answer"),
            Effect::KillTree { .. } => Some("kill"),
            Effect::Stop { .. } => Some("stop"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["revoke", "latch", "answer", "kill"]);
    assert_eq!(host.core.permission(), Permission::Shutdown);
    assert_eq!(host.state(0), ComponentState::Stopped);
    assert!(host.exit.is_none(), "the engine stays up");
    host.pass(10 * MINUTE);
    assert!(all_revoked(&host));
}

#[test]
fn a_resume_never_releases_it() {
    let mut host = Host::live(policy(asks()));
    host.send(seen());
    let id = host.halt(Cause::KillSwitch).unwrap().id;
    assert!(host.resume().is_err());
    assert!(host.order(Order::Resume(vec![id])).unwrap_err()[0].contains("kill-switch release"));
    assert!(host.core.kill_switch());
}

#[test]
fn its_release_needs_a_reason_passed_checks_and_an_engaged_switch() {
    let mut host = Host::live(policy(asks()));
    assert!(host.order(Order::KillSwitchRelease).unwrap_err()[0].contains("not engaged"));
    host.send(seen());
    let effects = host.order_effects(Order::KillSwitchRelease, " ");
    assert!(answer(&effects).unwrap().unwrap_err()[0].contains("reason"));
    host.send(Input::Checked { class: CheckClass::Integrity, outcome: Err("damaged".to_owned()) });
    assert!(host.order(Order::KillSwitchRelease).unwrap_err()[0].contains("damaged"));
    assert!(host.core.kill_switch());
}

#[test]
fn released_it_opens_only_after_the_record_is_durable_and_the_latch_is_gone() {
    let mut host = Host::live(policy(asks()));
    host.send(seen());
    host.prompt = false;
    host.obliging = false;
    let effects = host.order_effects(Order::KillSwitchRelease, "checked");
    assert!(answer(&effects).is_none() && !effects.contains(&Effect::RemoveKillSwitchLatch));
    assert!(host.core.kill_switch() && all_revoked(&host));
    let effects = host.sync();
    assert!(effects.contains(&Effect::RemoveKillSwitchLatch));
    assert!(host.core.kill_switch() && all_revoked(&host), "the latch is still on the disk");
    assert!(answer(&effects).is_none());
    let effects = host.send(Input::KillSwitchLatchRemoved);
    assert_eq!(answer(&effects), Some(Ok(())));
    assert!(!host.core.kill_switch());
    assert_eq!(host.rights(0), Rights::of(Permission::Active, Mode::Live));
    assert_eq!(spawns(&effects), 1);
}

#[test]
fn engaged_again_while_its_release_is_pending_it_stays_engaged_as_a_new_halt() {
    for moment in 0..2 {
        let mut host = Host::live(policy(asks()));
        host.send(seen());
        let first = host.halt(Cause::KillSwitch).unwrap().id;
        host.prompt = false;
        host.obliging = false;
        host.order_effects(Order::KillSwitchRelease, "checked");
        let mut effects = Vec::new();
        if moment == 0 {
            // Before the release's record is durable.
            effects.extend(host.send(seen()));
            effects.extend(host.sync());
            assert!(!effects.contains(&Effect::RemoveKillSwitchLatch), "the latch belongs to the new engagement");
        } else {
            // While the latch is being removed.
            effects.extend(host.sync());
            effects.extend(host.send(seen()));
            let removed = host.send(Input::KillSwitchLatchRemoved);
            assert!(removed.iter().any(|effect| matches!(effect, Effect::WriteKillSwitchLatch { .. })));
            effects.extend(removed);
        }
        assert!(answer(&effects).unwrap().unwrap_err()[0].contains("again"));
        let second = host.halt(Cause::KillSwitch).unwrap().id;
        assert_ne!(first, second);
        assert!(all_revoked(&host), "moment {moment}");
        host.obliging = true;
        host.sync();
        host.order_effects(Order::KillSwitchRelease, "really");
        host.sync();
        assert!(!host.core.kill_switch(), "moment {moment}");
    }
}

#[test]
fn a_latch_that_was_replaced_and_so_not_removed_ends_the_release_and_the_next_one_works() {
    let mut host = Host::live(policy(asks()));
    host.send(seen());
    host.obliging = false;
    host.order_effects(Order::KillSwitchRelease, "checked");
    let effects = host.send(seen());
    assert!(answer(&effects).unwrap().unwrap_err()[0].contains("again"));
    assert_eq!(host.standing(), [Cause::KillSwitch]);
    assert!(all_revoked(&host));
    host.obliging = true;
    host.order_effects(Order::KillSwitchRelease, "really");
    assert!(!host.core.kill_switch());
}

#[test]
fn it_survives_a_crash_by_its_latch_or_by_its_record() {
    for by_latch in [true, false] {
        let mut host = Host::live(policy(asks()));
        if by_latch {
            host.prompt = false;
            host.send(seen());
        } else {
            host.send(seen());
        }
        host.prompt = true;
        host.crash_and_start(|epoch| Start {
            kill_switch: by_latch.then(|| ("ops".to_owned(), "fire".to_owned())),
            ..plain(epoch)
        });
        host.pass_checks();
        assert!(host.core.kill_switch() && all_revoked(&host));
        assert_eq!(spawns(&host.log[host.log.len() - 5..]), 0);
    }
}

#[test]
fn a_crash_between_release_and_removal_of_the_latch_leaves_it_engaged() {
    let mut host = Host::live(policy(asks()));
    host.send(seen());
    host.obliging = false;
    host.order_effects(Order::KillSwitchRelease, "checked");
    assert!(host.core.kill_switch());
    host.obliging = true;
    host.crash_and_start(|epoch| Start { kill_switch: Some(("ops".to_owned(), "fire".to_owned())), ..plain(epoch) });
    host.pass_checks();
    assert!(host.core.kill_switch());
}

#[test]
fn it_kills_what_is_stopping_and_what_waits_for_a_restart_never_starts() {
    let mut host = Host::live(policy(asks()));
    host.polite = false;
    host.order(Order::StopComponent(slot(0))).unwrap();
    assert_eq!(host.state(0), ComponentState::Stopping);
    assert_eq!(kills(&host.send(seen())), 1);

    let mut host = Host::live(policy(asks()));
    host.exits(0, Exit::Status(1));
    host.exits(0, Exit::Status(1));
    assert_eq!(host.state(0), ComponentState::Backoff);
    host.send(seen());
    assert_eq!(spawns(&host.pass(5 * MINUTE)), 0);
}

#[test]
fn it_works_after_the_journal_failed() {
    let mut host = Host::live(policy(asks()));
    host.obliging = false;
    host.send(storage_failed("EIO", false));
    let effects = host.order_effects(Order::KillSwitchEngage, "fire");
    assert_eq!(answer(&effects), Some(Ok(())));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::WriteKillSwitchLatch { .. })));
    assert!(all_revoked(&host));
}
