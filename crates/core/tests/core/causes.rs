//! The whole list of halts: each cause raised by its input, with its cap, and cleared the way its row says.

use crate::host::*;
use failstop_core::*;
use std::time::Duration;

/// How a row is cleared.
pub enum Cleared {
    /// By itself, after this was done.
    Itself(fn(&mut Host)),
    /// By a resume: refused before this was done, accepted afterwards.
    Resume { refused_before: bool, after: fn(&mut Host) },
}

pub struct Row {
    pub cause: Cause,
    pub scope: Scope,
    pub cap: Permission,
    latched: bool,
    pub raise: fn(&mut Host),
    pub cleared: Cleared,
}

fn nothing(_: &mut Host) {}

pub fn raise(host: &mut Host, cause: Cause, slot: Option<Slot>) {
    host.send(Input::Raise { cause, slot, evidence: "seen".to_owned() });
}

fn passed(host: &mut Host, cause: Cause, slot: Option<Slot>) {
    host.send(Input::Passed { cause, slot });
}

fn heartbeats(host: &mut Host) {
    host.sign(0, Sign::Heartbeat(None));
    host.sign(1, Sign::Beat);
}

fn fresh_again(host: &mut Host) {
    // Both were restarted and are ready; a first fresh sign makes them well.
    heartbeats(host);
    host.sign(1, Sign::Heartbeat(Some(2)));
}

/// Two components with every kind of deadline, and everybody well.
pub fn well() -> Host {
    let beating =
        ComponentPolicy { liveness: Some(Liveness::Heartbeat(2 * MINUTE)), ..component("beating", Orders::Asks) };
    let watched = ComponentPolicy {
        liveness: Some(Liveness::Watchdog(3 * MINUTE)),
        progress_within: Some(4 * MINUTE),
        essential: false,
        ..component("watched", Orders::Asks)
    };
    let mut policy = policy(vec![beating, watched]);
    policy.dependencies = vec![DependencyPolicy { name: "venue".to_owned(), timeout: 10 * SECOND }];
    let mut host = Host::live(policy);
    heartbeats(&mut host);
    host.sign(1, Sign::Heartbeat(Some(1)));
    host.sign(0, Sign::Tick { feed: "venue".to_owned(), fresh: true });
    assert_eq!(host.core.permission(), Permission::Active);
    assert_eq!(host.standing(), []);
    host
}

fn tick(host: &mut Host) {
    host.sign(0, Sign::Tick { feed: "venue".to_owned(), fresh: true });
    heartbeats(host);
}

pub const ROWS: &[Row] = &[
    Row {
        cause: Cause::Integrity,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| raise(host, Cause::Integrity, None),
        cleared: Cleared::Resume { refused_before: true, after: |host| passed(host, Cause::Integrity, None) },
    },
    Row {
        cause: Cause::Integrity,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| {
            host.send(Input::Checked { class: CheckClass::Integrity, outcome: Err("line 3 is damaged".to_owned()) });
        },
        cleared: Cleared::Resume { refused_before: true, after: Host::pass_checks },
    },
    Row {
        cause: Cause::Witness,
        scope: Scope::System,
        cap: Permission::Shutdown,
        latched: true,
        raise: |host| raise(host, Cause::Witness, None),
        cleared: Cleared::Resume { refused_before: true, after: |host| passed(host, Cause::Witness, None) },
    },
    Row {
        cause: Cause::OrdersInDoubt,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| raise(host, Cause::OrdersInDoubt, None),
        cleared: Cleared::Resume { refused_before: true, after: |host| passed(host, Cause::OrdersInDoubt, None) },
    },
    Row {
        cause: Cause::HeartbeatLost,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| {
            host.pass_with(2 * MINUTE, |host| {
                host.sign(1, Sign::Beat);
            })
        },
        cleared: Cleared::Resume { refused_before: true, after: fresh_again },
    },
    Row {
        cause: Cause::Hung,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| {
            host.pass_with(3 * MINUTE, |host| {
                host.sign(0, Sign::Heartbeat(None));
            })
        },
        cleared: Cleared::Resume { refused_before: true, after: fresh_again },
    },
    Row {
        cause: Cause::Hung,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| {
            host.sign(1, Sign::WatchdogTrigger);
        },
        cleared: Cleared::Resume { refused_before: true, after: fresh_again },
    },
    Row {
        cause: Cause::NoProgress,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: true,
        raise: |host| {
            host.pass_with(4 * MINUTE, |host| {
                heartbeats(host);
                host.sign(1, Sign::Heartbeat(Some(1)));
            })
        },
        cleared: Cleared::Resume { refused_before: false, after: fresh_again },
    },
    Row {
        cause: Cause::ComponentFailed,
        scope: Scope::System,
        cap: Permission::Shutdown,
        latched: true,
        raise: |host| raise(host, Cause::ComponentFailed, Some(slot(0))),
        cleared: Cleared::Resume { refused_before: false, after: nothing },
    },
    Row {
        cause: Cause::ComponentFailed,
        scope: Scope::Component,
        cap: Permission::Shutdown,
        latched: true,
        raise: |host| raise(host, Cause::ComponentFailed, Some(slot(1))),
        cleared: Cleared::Resume { refused_before: false, after: nothing },
    },
    Row {
        cause: Cause::Unhealthy,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            for _ in 0..11 {
                host.sign(0, Sign::Error { severity: 2, fatal: false, message: "no".to_owned() });
            }
        },
        cleared: Cleared::Itself(|host| host.pass_with(2 * MINUTE, tick)),
    },
    Row {
        cause: Cause::Environment,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            host.send(Input::Dependency { index: 0, up: false, evidence: "no answer".to_owned() });
        },
        cleared: Cleared::Itself(|host| {
            host.send(Input::Dependency { index: 0, up: true, evidence: String::new() });
        }),
    },
    Row {
        cause: Cause::Environment,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            host.send(Input::Checked { class: CheckClass::Environment, outcome: Err("disk full".to_owned()) });
        },
        cleared: Cleared::Itself(|host| {
            host.send(Input::Checked { class: CheckClass::Environment, outcome: Ok(()) });
        }),
    },
    Row {
        cause: Cause::Environment,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| raise(host, Cause::Environment, None),
        cleared: Cleared::Itself(|host| passed(host, Cause::Environment, None)),
    },
    Row {
        cause: Cause::ComponentDown,
        scope: Scope::Component,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            host.exits(0, Exit::Status(1));
        },
        cleared: Cleared::Itself(tick),
    },
    Row {
        cause: Cause::Reclaiming,
        scope: Scope::Component,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| raise(host, Cause::Reclaiming, Some(slot(1))),
        cleared: Cleared::Itself(|host| passed(host, Cause::Reclaiming, Some(slot(1)))),
    },
    Row {
        cause: Cause::DailyLoss,
        scope: Scope::System,
        cap: Permission::ReduceOnly,
        latched: true,
        raise: |host| raise(host, Cause::DailyLoss, None),
        cleared: Cleared::Resume { refused_before: false, after: nothing },
    },
    Row {
        cause: Cause::DailyLoss,
        scope: Scope::System,
        cap: Permission::ReduceOnly,
        latched: true,
        raise: |host| raise(host, Cause::DailyLoss, None),
        cleared: Cleared::Itself(|host| {
            host.send(Input::TradingDay);
        }),
    },
    Row {
        cause: Cause::Maintenance,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            host.order_effects(Order::MaintenanceOn { span: 10 * MINUTE, keep_trading: false }, "upgrade");
        },
        cleared: Cleared::Itself(|host| {
            host.pass_with(10 * MINUTE, |host| {
                tick(host);
                host.sign(1, Sign::Heartbeat(Some(host.now.as_nanos())));
            })
        }),
    },
    Row {
        cause: Cause::Maintenance,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            host.order_effects(Order::MaintenanceOn { span: 10 * MINUTE, keep_trading: false }, "upgrade");
        },
        cleared: Cleared::Itself(|host| host.order(Order::MaintenanceOff).unwrap()),
    },
    Row {
        cause: Cause::Clock,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            host.send(Input::ClockJumped { by: Duration::from_secs(3600), evidence: "the machine slept".to_owned() });
        },
        cleared: Cleared::Itself(|host| host.pass_with(3 * SECOND, tick)),
    },
    Row {
        cause: Cause::Overload,
        scope: Scope::System,
        cap: Permission::ObserveOnly,
        latched: false,
        raise: |host| {
            for _ in 0..3 {
                // The engine comes back too late three times.
                host.stands_still(5 * SECOND);
            }
        },
        cleared: Cleared::Itself(|host| host.pass_with(61 * SECOND, tick)),
    },
    Row {
        cause: Cause::BotRequest,
        scope: Scope::Component,
        cap: Permission::ReduceOnly,
        latched: true,
        raise: |host| {
            host.sign(0, Sign::Halt { cap: Permission::ReduceOnly, reason: "odd fills".to_owned() });
        },
        cleared: Cleared::Resume { refused_before: false, after: nothing },
    },
];

#[test]
fn every_row_is_raised_capped_and_cleared_as_the_list_says() {
    for (number, row) in ROWS.iter().enumerate() {
        let what = format!("row {number}, {}", row.cause.name());
        let mut host = well();
        (row.raise)(&mut host);
        let halt = host.halt(row.cause).unwrap_or_else(|| panic!("{what}: not raised, standing {:?}", host.standing()));
        assert_eq!((halt.scope, halt.cap, halt.latched), (row.scope, row.cap, row.latched), "{what}");
        match row.scope {
            Scope::System => {
                assert_eq!(host.core.permission(), row.cap, "{what}");
                let allowed = Rights::of(row.cap, Mode::Live);
                assert!((0..3).all(|slot| host.rights(slot).within(allowed)), "{what}: rights above the cap");
            }
            Scope::Component => {
                assert_eq!(host.core.permission(), Permission::Active, "{what}");
                let index = host.policy.components.iter().position(|c| Some(&c.name) == halt.component.as_ref());
                assert!(host.rights(index.unwrap() + 1).within(Rights::of(row.cap, Mode::Live)), "{what}");
                assert_eq!(host.rights(0), Rights::of(Permission::Active, Mode::Live), "{what}: the system goes on");
            }
        }
        match row.cleared {
            Cleared::Itself(act) => {
                act(&mut host);
                assert!(host.halt(row.cause).is_none(), "{what}: did not clear: {:?}", host.halt(row.cause));
            }
            Cleared::Resume { refused_before, after } => {
                if refused_before {
                    let refusals = host.resume().expect_err(&what);
                    assert!(refusals.iter().all(|why| why.len() > 20), "{what}: {refusals:?}");
                    assert!(host.halt(row.cause).is_some(), "{what}: gone although refused");
                }
                after(&mut host);
                assert!(host.halt(row.cause).is_some(), "{what}: a latched halt cleared itself");
                host.resume().unwrap_or_else(|why| panic!("{what}: {why:?}"));
                assert!(host.halt(row.cause).is_none(), "{what}: did not clear by resume");
            }
        }
        // Components that went down with a cap of shutdown come back and everything opens again.
        host.pass_with(3 * SECOND, |host| {
            fresh_again(host);
            tick(host);
        });
        let left: Vec<_> = host.standing().into_iter().filter(|cause| *cause != Cause::HeartbeatLost).collect();
        assert_eq!(left, [], "{what}: something else was left standing");
        assert_eq!(host.rights(1), Rights::of(Permission::Active, Mode::Live), "{what}: did not open again");
    }
}

#[test]
fn a_closing_is_published_in_the_step_that_learned_the_cause_and_before_its_record() {
    for row in ROWS.iter().filter(|row| row.cause != Cause::Overload) {
        let mut host = well();
        host.prompt = false;
        let before = host.log.len();
        (row.raise)(&mut host);
        let effects = &host.log[before..];
        let raised = effects
            .iter()
            .position(|effect| {
                matches!(effect, Effect::Record { record: Record::HaltRaised(halt), .. } if halt.cause == row.cause)
            })
            .unwrap();
        let allowed = Rights::of(row.cap, Mode::Live);
        let slots: &[usize] = match row.scope {
            Scope::System => &[0, 1, 2],
            Scope::Component if host.halt(row.cause).unwrap().component.unwrap().0 == "beating" => &[1],
            Scope::Component => &[2],
        };
        let closed = effects.iter().take(raised).any(
            |effect| matches!(effect, Effect::Publish(page) if slots.iter().all(|slot| page.rights[*slot].within(allowed))),
        );
        assert!(closed, "{}: the page was not closed before its record", row.cause.name());
    }
}

#[test]
fn every_trigger_is_a_failsafe_of_its_own_and_is_held_until_it_passed() {
    let judged_outside =
        [Trigger::Capital, Trigger::BotFatal, Trigger::Memory, Trigger::ApiErrors, Trigger::DailyLoss, Trigger::Limit];
    for trigger in judged_outside {
        let mut host = well();
        host.send(Input::Trigger { trigger, evidence: "seen".to_owned() });
        let halt = host.halt(Cause::Failsafe).unwrap();
        assert_eq!((halt.cap, halt.latched, halt.trigger), (Permission::Shutdown, true, Some(trigger)));
        assert_eq!(host.state(0), ComponentState::Stopped, "components are stopped, the engine stays");
        assert!(host.exit.is_none());
        assert!(host.resume().unwrap_err()[0].contains("still holds"));
        host.send(Input::TriggerPassed(trigger));
        host.resume().unwrap();
        assert_eq!(host.core.permission(), Permission::Active);
        assert_eq!(host.state(0), ComponentState::Ready);
    }
}

#[test]
fn the_configuration_changes_only_rows_that_are_not_fixed() {
    let mut with = policy(asks());
    let over = HaltPolicy { latched: Some(false), clear_after: Some(SECOND) };
    with.halts = Cause::ALL.into_iter().map(|cause| (cause, over)).collect();
    let mut host = Host::live(with);
    for cause in [Cause::Integrity, Cause::Witness, Cause::OrdersInDoubt] {
        raise(&mut host, cause, None);
        assert!(host.halt(cause).unwrap().latched, "{cause:?} is fixed");
    }
    raise(&mut host, Cause::DailyLoss, None);
    assert!(!host.halt(Cause::DailyLoss).unwrap().latched);
    passed(&mut host, Cause::DailyLoss, None);
    host.pass(2 * SECOND);
    assert!(host.halt(Cause::DailyLoss).is_none());
    // And every row that is not fixed is one that the configuration does change.
    for cause in Cause::ALL.into_iter().filter(|cause| !cause.is_fixed()) {
        for latched in [true, false] {
            let mut with = policy(asks());
            with.halts.insert(cause, HaltPolicy { latched: Some(latched), clear_after: None });
            let mut host = Host::live(with);
            let about = matches!(cause, Cause::Reclaiming | Cause::ComponentFailed).then(|| slot(0));
            raise(&mut host, cause, about);
            let raised = host.journal.iter().rev().find_map(|(_, record)| match record {
                Record::HaltRaised(halt) if halt.cause == cause => Some(halt.latched),
                _ => None,
            });
            assert_eq!(raised, Some(latched), "{cause:?}");
        }
    }
}

#[test]
fn the_names_are_those_of_the_journal() {
    for cause in Cause::ALL {
        assert_eq!(serde_json::to_string(&cause).unwrap(), format!("\"{}\"", cause.name()));
    }
}
