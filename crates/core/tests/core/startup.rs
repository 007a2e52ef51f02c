//! The start gate, the order of starts, and the end.

use crate::host::*;
use failstop_core::*;

fn start(change: impl FnOnce(&mut Start)) -> Host {
    let mut host = Host::new(policy(asks()));
    let mut start = Start {
        epoch: Epoch(1),
        kill_switch: None,
        latches: Vec::new(),
        new_journal: false,
        unclean: None,
        damage: None,
    };
    change(&mut start);
    host.start(start);
    host
}

#[test]
fn a_crash_behind_the_start_gate_starts_behind_a_new_one() {
    let mut host = start(|_| {});
    host.crash_and_plain_start();
    host.pass(MINUTE);
    assert_eq!(host.standing(), [Cause::Starting]);
    assert_eq!(host.core.permission(), Permission::ObserveOnly);
    host.pass_checks();
    assert_eq!(host.core.permission(), Permission::Active);
}

#[test]
fn an_empty_journal_is_a_halt_only_where_live_is_configured() {
    let mut host = start(|start| start.new_journal = true);
    host.pass_checks();
    assert_eq!(host.standing(), [Cause::NewJournal]);
    host.resume().unwrap();
    assert_eq!(host.core.permission(), Permission::Active);
    let mut dry = policy(asks());
    dry.mode_ceiling = Mode::Dry;
    let mut host = Host::new(dry);
    host.start(Start {
        epoch: Epoch(1),
        kill_switch: None,
        latches: Vec::new(),
        new_journal: true,
        unclean: None,
        damage: None,
    });
    host.pass_checks();
    assert_eq!(host.standing(), []);
}

#[test]
fn damage_is_integrity_and_resumes_only_after_the_check_passes() {
    let mut host = start(|start| start.damage = Some("j-1, line 3: the body was changed".to_owned()));
    assert!(host.standing().contains(&Cause::Integrity));
    assert!(host.resume().unwrap_err()[0].contains("not finished"));
    host.send(Input::Checked { class: CheckClass::Integrity, outcome: Err("line 3".to_owned()) });
    assert!(host.resume().unwrap_err()[0].contains("verify-data"));
    host.pass_checks();
    host.resume().unwrap();
}

#[test]
fn a_record_that_contradicts_the_halts_is_integrity() {
    let mut host = Host::new(policy(asks()));
    let halt = Halt {
        id: HaltId(1),
        cause: Cause::Witness,
        component: None,
        scope: Scope::System,
        cap: Permission::Shutdown,
        latched: true,
        trigger: None,
        evidence: String::new(),
    };
    host.core.replay(&Record::HaltRaised(halt));
    host.core.replay(&Record::PermissionChanged { from: Permission::Shutdown, to: Permission::Active });
    host.plain_start();
    assert!(host.standing().contains(&Cause::Integrity));
}

#[test]
fn failed_environment_checks_clear_themselves_unless_the_operator_wants_them() {
    let mut with = policy(asks());
    with.environment_latched = true;
    let mut host = Host::new(with);
    host.plain_start();
    host.send(Input::Checked { class: CheckClass::Environment, outcome: Err("no venue".to_owned()) });
    host.send(Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) });
    assert!(host.halt(Cause::Environment).unwrap().latched);
    assert!(host.resume().is_err());
    host.send(Input::Checked { class: CheckClass::Environment, outcome: Ok(()) });
    assert_eq!(host.standing(), [Cause::Environment]);
    host.resume().unwrap();
    assert_eq!(host.standing(), []);
}

fn chain() -> Vec<ComponentPolicy> {
    let ready = |name: &str, depends_on: Vec<usize>| ComponentPolicy {
        readiness: true,
        depends_on,
        ..component(name, Orders::Asks)
    };
    vec![ready("feed", vec![]), ready("brain", vec![0]), ready("hands", vec![1])]
}

#[test]
fn components_start_when_what_they_depend_on_is_ready_and_stop_in_reverse() {
    let mut host = Host::started(policy(chain()));
    for index in 0..3 {
        let running: Vec<_> = (0..3).filter(|i| host.state(*i) == ComponentState::Starting).collect();
        assert_eq!(running, [index]);
        host.sign(index, Sign::Ready);
    }
    let effects = host.send(Input::StopRequested);
    let stopped: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Stop { slot, .. } => Some(slot.number()),
            _ => None,
        })
        .collect();
    assert_eq!(stopped, [3, 2, 1]);
    assert_eq!(host.exit, Some(ExitReason::Requested));
    assert!(matches!(host.journal.last(), Some((_, Record::EngineStopped { permission: Permission::Active }))));
}

#[test]
fn a_stop_takes_the_rights_at_once_and_ends_only_when_recorded() {
    let mut host = Host::live(policy(asks()));
    host.polite = false;
    host.prompt = false;
    let effects = host.send(Input::StopRequested);
    assert!(page(&effects).is_some_and(|page| page.rights.iter().all(|rights| *rights == Rights::NONE)));
    host.send(Input::StopRequested);
    let effects = host.pass(10 * SECOND);
    assert_eq!(kills(&effects), 1, "only after its grace");
    assert_eq!(host.exit, None, "the record is not durable yet");
    host.sync();
    assert_eq!(host.exit, Some(ExitReason::Requested));
    assert!(host.send(Input::Wake).is_empty());
}

#[test]
fn nothing_that_only_informs_follows_the_record_of_the_stop() {
    let mut host = Host::live(policy(asks()));
    host.sign(0, Sign::Part { name: "x".to_owned(), health: 100, critical: false });
    host.prompt = false;
    host.send(Input::StopRequested);
    // The verdict has changed for good, and a heartbeat is due: the disk takes that long.
    host.pass(MINUTE);
    host.sync();
    assert_eq!(host.exit, Some(ExitReason::Requested));
    assert!(matches!(host.journal.last(), Some((_, Record::EngineStopped { .. }))), "{:?}", host.journal.last());
}

#[test]
fn a_stop_in_shutdown_says_so() {
    let mut host = Host::live(policy(asks()));
    host.send(Input::Trigger { trigger: Trigger::Capital, evidence: "off".to_owned() });
    host.send(Input::StopRequested);
    assert_eq!(host.exit, Some(ExitReason::RequestedInShutdown));
}

#[test]
fn nothing_happens_before_the_start_or_for_slots_that_are_nobodys() {
    let mut host = Host::new(policy(asks()));
    assert!(host.send(Input::Wake).is_empty());
    assert!(host.send(Input::KillSwitchSeen { by: String::new(), reason: String::new() }).is_empty());
    let mut host = Host::live(policy(asks()));
    let before = host.core.clone();
    for slot in [Slot::SYSTEM, slot(1), slot(30)] {
        let instance = Instance(1);
        host.send(Input::Exited { slot, instance, exit: Exit::Status(0) });
        host.send(Input::TreeGone { slot, instance });
        host.send(Input::Sign { slot, instance, sign: Sign::WatchdogTrigger });
    }
    assert_eq!(host.core.recorded(), before.recorded());
}

#[test]
fn evidence_is_cut_on_a_character() {
    let mut host = Host::live(policy(asks()));
    host.sign(0, Sign::Halt { cap: Permission::ReduceOnly, reason: "ä".repeat(1000) });
    assert_eq!(host.halt(Cause::BotRequest).unwrap().evidence.len(), 512);
    host.send(Input::Raise { cause: Cause::DailyLoss, slot: None, evidence: format!("x{}", "ä".repeat(1000)) });
    assert_eq!(host.halt(Cause::DailyLoss).unwrap().evidence.len(), 511);
}

#[test]
fn the_engine_says_in_the_journal_that_it_lives() {
    let mut host = Host::live(policy(asks()));
    host.pass(10 * MINUTE);
    assert_eq!(host.records_of(|record| matches!(record, Record::Heartbeat { .. })), 20);
}
