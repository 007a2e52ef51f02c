//! What people are told: each cause by its row of the alert policy, once, with words that stand alone, and its end.

use crate::causes::{Cleared, ROWS, raise, well};
use crate::host::*;
use failstop_core::*;
use std::collections::BTreeMap;

pub fn alerts(effects: &[Effect]) -> Vec<Alert> {
    let alerts = effects.iter().filter_map(|effect| match effect {
        Effect::Alert(alert) => Some(Alert::clone(alert)),
        _ => None,
    });
    alerts.collect()
}

fn of(cause: Cause, alerts: &[Alert]) -> Vec<&Alert> {
    alerts.iter().filter(|alert| alert.id.subject == Subject::Halt(cause)).collect()
}

fn triggers<'a>(alerts: &[&'a Alert]) -> Vec<&'a Alert> {
    alerts.iter().copied().filter(|alert| alert.change == AlertChange::Trigger).collect()
}

fn resolves<'a>(alerts: &[&'a Alert]) -> Vec<&'a Alert> {
    alerts.iter().copied().filter(|alert| matches!(alert.change, AlertChange::Resolve(_))).collect()
}

const PLACE: Place<'_> = Place { system: "demo", at: "20:51:07Z" };

#[test]
fn every_row_is_told_when_its_policy_says_and_its_end_once() {
    for (number, row) in ROWS.iter().enumerate() {
        let what = format!("row {number}, {}", row.cause.name());
        let mut host = well();
        let before = host.log.len();
        (row.raise)(&mut host);
        let told = alerts(&host.log[before..]);
        let at_once = match alert_row(row.cause).when {
            When::AtOnce => true,
            When::Never | When::AfterStanding(_) | When::AtStartOrAfter(_) | When::DownForGoodOr(_) => false,
        };
        let triggered = triggers(&of(row.cause, &told)).len();
        assert_eq!(triggered, usize::from(at_once), "{what}");
        let halt = host.halt(row.cause).unwrap();
        if let [trigger] = triggers(&of(row.cause, &told))[..] {
            assert_eq!(trigger.id.halt, Some(halt.id), "{what}");
            assert_eq!(trigger.id.component, halt.component, "{what}");
            assert_eq!(trigger.severity, alert_severity(&halt), "{what}");
        }
        let before = host.log.len();
        match row.cleared {
            Cleared::Itself(act) => act(&mut host),
            Cleared::Resume { after, .. } => {
                after(&mut host);
                host.resume().unwrap();
            }
        }
        assert!(host.halt(row.cause).is_none(), "{what}");
        let told = alerts(&host.log[before..]);
        let own: Vec<_> = of(row.cause, &told).into_iter().filter(|alert| alert.id.halt == Some(halt.id)).collect();
        // `unhealthy` is raised for longer than its two minutes by the way it is cleared here.
        let late = triggers(&own).len();
        assert_eq!(resolves(&own).len(), triggered + late, "{what}: its end");
        assert!(triggered + late <= 1, "{what}");
    }
}

#[test]
fn a_condition_that_should_have_passed_by_itself_is_told_when_it_has_not() {
    type Begin = fn(&mut Host);
    let standing: [(Cause, Begin); 4] = [
        (Cause::Environment, |host| raise(host, Cause::Environment, None)),
        (Cause::Reclaiming, |host| raise(host, Cause::Reclaiming, Some(slot(1)))),
        (Cause::Unhealthy, |host| {
            host.sign(0, Sign::Queue { state: QueueState::Stalled, depth: 1 });
        }),
        (Cause::ComponentDown, |host| {
            host.obliging = false;
            host.exits(1, Exit::Status(1));
        }),
    ];
    for (cause, begin) in standing {
        let span = match alert_row(cause).when {
            When::AfterStanding(span) | When::AtStartOrAfter(span) | When::DownForGoodOr(span) => span,
            When::Never | When::AtOnce => panic!("{cause:?}"),
        };
        // Nothing else happens at these moments: neither renewals nor heartbeats fall on them.
        let two = vec![component("a", Orders::Asks), component("b", Orders::Asks)];
        let mut host = Host::live(Policy { renew: SECOND * 7 / 10, ..policy(two) });
        host.pass(SECOND * 137 / 1000);
        begin(&mut host);
        host.pass(span - SECOND);
        assert_eq!(of(cause, &alerts(&host.log)).len(), 0, "{cause:?}: too early");
        host.pass(2 * SECOND);
        let told = alerts(&host.log);
        let told = of(cause, &told);
        assert_eq!(triggers(&told).len(), 1, "{cause:?}");
        assert_eq!(told[0].stood, span, "{cause:?}: late");
        host.pass(2 * MINUTE);
        assert_eq!(triggers(&of(cause, &alerts(&host.log))).len(), 1, "{cause:?}: told twice");
    }
}

#[test]
fn a_component_that_nothing_starts_again_is_told_at_once_and_one_that_may_not_run_never() {
    let never = ComponentPolicy { restart: RestartPolicy::Never, ..component("once", Orders::Asks) };
    let mut host = Host::live(policy(vec![never]));
    let told = alerts(&host.exits(0, Exit::Status(0)));
    let told = of(Cause::ComponentDown, &told);
    assert_eq!(triggers(&told).len(), 1);
    let words = told[0].words(&PLACE);
    assert_eq!(words.title, "demo: once is down, once's trading is halted");

    // An operator who stopped it knows; its own failure halt says it better.
    let mut host = Host::live(policy(asks()));
    for _ in 0..5 {
        host.exits(0, Exit::Status(1));
        host.pass(MINUTE / 2);
    }
    assert!(host.halt(Cause::ComponentFailed).is_some(), "{:?}", host.standing());
    host.pass(20 * MINUTE);
    let told = alerts(&host.log);
    assert_eq!(triggers(&of(Cause::ComponentFailed, &told)).len(), 1, "a crash loop is one alert");
    assert_eq!(of(Cause::ComponentDown, &told).len(), 0);
}

#[test]
fn what_failed_at_the_start_is_told_at_once_and_later_only_when_it_stays() {
    let mut host = Host::new(policy(asks()));
    host.plain_start();
    let outcome = Err("no space on /var".to_owned());
    let told = alerts(&host.send(Input::Checked { class: CheckClass::Environment, outcome: outcome.clone() }));
    assert_eq!(triggers(&of(Cause::Environment, &told)).len(), 1);

    let mut host = Host::started(policy(asks()));
    let told = alerts(&host.send(Input::Checked { class: CheckClass::Environment, outcome }));
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn checks_that_do_not_end_are_told_and_failed_ones_only_as_what_they_found() {
    let mut host = Host::new(policy(asks()));
    host.plain_start();
    host.pass(PROLONGED);
    assert_eq!(of(Cause::Starting, &alerts(&host.log)).len(), 1);

    let mut host = Host::new(policy(asks()));
    host.plain_start();
    host.send(Input::Checked { class: CheckClass::Integrity, outcome: Err("line 3".to_owned()) });
    host.pass(2 * PROLONGED);
    let told = alerts(&host.log);
    assert_eq!(of(Cause::Starting, &told).len(), 0);
    assert_eq!(of(Cause::Integrity, &told).len(), 1);
}

#[test]
fn a_lost_heartbeat_is_told_its_restart_is_told_and_its_resume() {
    let beating = ComponentPolicy { liveness: Some(Liveness::Heartbeat(2 * MINUTE)), ..component("bot", Orders::Asks) };
    let mut host = Host::live(policy(vec![beating]));
    host.sign(0, Sign::Heartbeat(None));
    host.pass(2 * MINUTE);
    host.sign(0, Sign::Heartbeat(None));
    host.sign(0, Sign::Heartbeat(None));
    host.resume().unwrap();
    let told = alerts(&host.log);
    let told = of(Cause::HeartbeatLost, &told);
    let changes: Vec<_> = told.iter().map(|alert| &alert.change).collect();
    let by = ClearedBy::Operator { who: "ops (0)".to_owned(), reason: "a good reason".to_owned() };
    assert_eq!(changes, [&AlertChange::Trigger, &AlertChange::Recovered, &AlertChange::Resolve(by)]);

    let trigger = told[0].words(&PLACE);
    assert_eq!(trigger.title, "demo: bot stopped beating, trading is halted");
    assert!(trigger.message.starts_with("At 20:51:07Z: no heartbeat within 2 min.\n"), "{}", trigger.message);
    assert!(trigger.message.contains("killed bot with everything it had started, and starts it again"));
    assert!(trigger.message.contains("Permission now observe-only"), "{}", trigger.message);
    let number = told[0].id.halt.unwrap().0;
    let command = format!("failstop resume --halt h-{number} --reason \"...\" --confirm demo");
    assert!(trigger.recommended_action.unwrap().ends_with(&command));
    assert_eq!(trigger.runbook, "docs/runbooks/heartbeat-lost.md");

    let again = told[1].words(&PLACE);
    assert_eq!(again.title, "demo: bot runs again and waits for `failstop resume`");
    assert!(again.recommended_action.unwrap().contains(&command));

    let over = told[2].words(&PLACE);
    assert_eq!(over.title, "demo: over: bot stopped beating");
    assert!(over.message.contains("ops (0): a good reason"), "{}", over.message);
    assert!(over.message.contains("Permission now active"), "{}", over.message);
    assert_eq!(over.recommended_action, None);
    assert_eq!(told[0].id, told[2].id);
}

#[test]
fn the_gate_closes_before_anybody_is_told() {
    for row in ROWS {
        let mut host = well();
        let before = host.log.len();
        (row.raise)(&mut host);
        let effects = &host.log[before..];
        let at = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted);
        let told = at(&|effect| matches!(effect, Effect::Alert(alert) if alert.id.subject == Subject::Halt(row.cause)));
        if let Some(told) = told {
            let closed = at(
                &|effect| matches!(effect, Effect::Publish(page) if page.rights[0].within(Rights::of(row.cap, Mode::Live)) || row.scope == Scope::Component),
            );
            let recorded = at(
                &|effect| matches!(effect, Effect::Record { record: Record::HaltRaised(halt), .. } if halt.cause == row.cause),
            );
            assert!(closed.unwrap() < told, "{}: told before the page was closed", row.cause.name());
            assert!(recorded.unwrap() < told, "{}", row.cause.name());
        }
    }
}

#[test]
fn the_kill_switch_is_told_when_engaged_and_when_released_also_when_engaged_without_an_engine() {
    let mut host = Host::live(policy(asks()));
    let told = alerts(&host.order_effects(Order::KillSwitchEngage, "odd fills"));
    assert_eq!(triggers(&of(Cause::KillSwitch, &told)).len(), 1);
    assert_eq!(told[0].severity, Severity::Critical);
    assert_eq!(told[0].words(&PLACE).title, "demo: kill switch engaged, trading is shut down");
    let told = alerts(&host.order_effects(Order::KillSwitchRelease, "looked at it"));
    assert_eq!(resolves(&of(Cause::KillSwitch, &told)).len(), 1);

    let mut host = Host::new(policy(asks()));
    let kill_switch = Some(("ana (1000)".to_owned(), "fire".to_owned()));
    let told = alerts(&host.start(Start {
        epoch: Epoch(4),
        kill_switch,
        latches: Vec::new(),
        new_journal: false,
        unclean: None,
        damage: None,
    }));
    assert_eq!(told.len(), 1);
    assert!(told[0].words(&PLACE).message.contains("engaged by ana (1000): fire"));
}

#[test]
fn a_failed_journal_is_told_although_nothing_can_be_recorded() {
    let mut host = Host::live(policy(asks()));
    let told = alerts(&host.send(storage_failed("fsync: EIO", false)));
    assert_eq!(triggers(&of(Cause::Storage, &told)).len(), 1);
    assert_eq!(told[0].severity, Severity::Critical);
    assert!(told[0].words(&PLACE).message.contains("fsync: EIO"));
}

#[test]
fn an_engine_that_died_is_told_by_the_next_one_and_over_when_its_checks_passed() {
    let mut host = Host::started(policy(asks()));
    host.crash_and_start(|epoch| Start { unclean: Some(Unclean::default()), ..plain(epoch) });
    let told = alerts(&host.log);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].id.to_string(), "engine-died/2");
    assert_eq!(host.core.alerts().len(), 1);
    host.pass_checks();
    let told = alerts(&host.log);
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].id, told[0].id);
    assert!(matches!(told[1].change, AlertChange::Resolve(ClearedBy::Itself)));
    assert_eq!(host.core.alerts(), []);
}

#[test]
fn what_ended_with_its_engine_is_not_told_again_when_the_journal_fails_before_that_is_recorded() {
    let mut host = Host::new(policy(asks()));
    host.plain_start();
    host.send(Input::Checked { class: CheckClass::Environment, outcome: Err("no space".to_owned()) });
    assert_eq!(of(Cause::Environment, &alerts(&host.log)).len(), 1);
    host.prompt = false;
    host.crash_and_plain_start();
    let before = host.log.len();
    host.send(storage_failed("EIO", false));
    assert!(host.halt(Cause::Environment).is_some(), "its end was not recorded");
    assert_eq!(of(Cause::Environment, &alerts(&host.log[before..])), [] as [&Alert; 0]);
}

#[test]
fn an_engine_that_died_twice_before_its_checks_passed_is_over_only_when_they_pass() {
    let mut host = Host::new(policy(asks()));
    host.plain_start();
    let unclean = |epoch| Start { unclean: Some(Unclean::default()), ..plain(epoch) };
    host.crash_and_start(unclean);
    assert_eq!(host.core.alerts().len(), 1, "the end of the old `starting` is not the end of the new one");
    host.pass_checks();
    assert_eq!(host.core.alerts(), []);
}

#[test]
fn a_restart_tells_nothing_again_but_lists_what_stands_under_the_same_key() {
    let mut host = Host::live(policy(asks()));
    raise(&mut host, Cause::Witness, None);
    let told = alerts(&host.log);
    assert_eq!(told.len(), 1);
    let before = host.log.len();
    host.crash_and_plain_start();
    assert_eq!(alerts(&host.log[before..]), []);
    let standing = host.core.alerts();
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0].id, told[0].id);
    assert_eq!(standing[0].id.to_string(), format!("witness/1-{}", told[0].id.halt.unwrap().0));
}

#[test]
fn a_number_whose_record_was_lost_never_makes_the_same_key_again() {
    let mut host = Host::live(policy(asks()));
    host.prompt = false;
    raise(&mut host, Cause::Witness, None);
    raise(&mut host, Cause::OrdersInDoubt, None);
    let lost = alerts(&host.log);
    // The process dies before either record is durable.
    host.prompt = true;
    host.crash_and_plain_start();
    let before = host.log.len();
    raise(&mut host, Cause::OrdersInDoubt, None);
    let again = alerts(&host.log[before..]);
    assert_eq!(again[0].id.halt, lost[1].id.halt, "the number is given again: the case that this is about");
    assert_ne!(again[0].id, lost[1].id);
}

#[test]
fn what_ended_with_its_engine_is_not_listed_any_more() {
    let mut host = Host::started(policy(asks()));
    host.send(Input::Dependency { index: 0, up: false, evidence: String::new() });
    raise(&mut host, Cause::Environment, None);
    host.pass(PROLONGED);
    assert_eq!(host.core.alerts().len(), 1);
    host.crash_and_plain_start();
    assert_eq!(host.core.alerts(), []);
}

#[test]
fn maintenance_marks_what_is_told() {
    let mut host = Host::live(policy(asks()));
    host.order(Order::MaintenanceOn { span: 10 * MINUTE, keep_trading: true }).unwrap();
    raise(&mut host, Cause::Witness, None);
    let told = alerts(&host.log);
    assert_eq!(told.len(), 1, "the window itself is somebody's order");
    assert!(told[0].maintenance);
}

#[test]
fn a_latched_halt_is_critical_and_what_stops_one_slot_is_a_warning() {
    let halt = |cause, latched, scope| Halt {
        id: HaltId(1),
        cause,
        component: None,
        scope,
        cap: Permission::ObserveOnly,
        latched,
        trigger: None,
        evidence: "seen".to_owned(),
    };
    let expected = [
        (Cause::Hung, true, Scope::System, Severity::Critical),
        (Cause::Hung, false, Scope::System, Severity::Warning),
        (Cause::ComponentFailed, true, Scope::Component, Severity::Warning),
        (Cause::Environment, false, Scope::System, Severity::Warning),
        (Cause::Environment, true, Scope::System, Severity::Critical),
        (Cause::DailyLoss, false, Scope::System, Severity::Critical),
        (Cause::BotRequest, true, Scope::Component, Severity::Warning),
    ];
    for (cause, latched, scope, wanted) in expected {
        assert_eq!(alert_severity(&halt(cause, latched, scope)), wanted, "{cause:?} {latched} {scope:?}");
    }
}

#[test]
fn every_alert_stands_alone_on_a_lock_screen_and_says_what_to_do() {
    let mut titles = BTreeMap::new();
    for cause in Cause::ALL {
        for (component, scope) in [(None, Scope::System), (Some(ComponentName("bot".to_owned())), Scope::Component)] {
            for latched in [true, false] {
                let halt = Halt {
                    id: HaltId(31),
                    cause,
                    component: component.clone(),
                    scope,
                    cap: Permission::ObserveOnly,
                    latched,
                    trigger: (cause == Cause::Failsafe).then_some(Trigger::MarketData),
                    evidence: "what was seen".to_owned(),
                };
                let alert = Alert {
                    id: AlertId {
                        subject: Subject::Halt(cause),
                        component: component.clone(),
                        epoch: Epoch(7),
                        number: None,
                        halt: Some(halt.id),
                    },
                    change: AlertChange::Trigger,
                    severity: alert_severity(&halt),
                    crossing: None,
                    unclean: failstop_core::Unclean::default(),
                    halt: Some(halt),
                    stood: SECOND,
                    permission: Permission::ObserveOnly,
                    others: 0,
                    maintenance: false,
                };
                let words = alert.words(&PLACE);
                assert!(words.title.starts_with("demo: "), "{}", words.title);
                assert!(words.title.chars().count() <= 100, "{}: too long for a lock screen", words.title);
                assert!(!words.title.contains('\n'));
                assert!(words.message.contains("what was seen"), "{}", words.message);
                assert!(!words.message.contains('!'));
                let action = words.recommended_action.unwrap();
                assert!(action.len() > 10, "{action}");
                titles.insert(words.title, cause);
            }
        }
    }
    let causes: std::collections::BTreeSet<_> = titles.values().collect();
    assert_eq!(causes.len(), Cause::ALL.len(), "two causes with the same title");
}

#[test]
fn an_incident_of_an_engine_that_is_gone_ends_with_its_own_words() {
    let (title, message) = gone(&PLACE, "demo: bot is down, trading is halted", None);
    assert_eq!(title, "demo: over: bot is down, trading is halted");
    assert!(message.contains("does not find it any more"));
    let (title, _) = gone(&PLACE, "demo: the journal cannot be written", Some("storage/8-40"));
    assert_eq!(title, "demo: goes on as storage/8-40: the journal cannot be written");
}

/// A row of the reference.
fn documented(subject: Subject) -> String {
    let row = subject.row();
    let minutes = |span: std::time::Duration| format!("{} min", span.as_secs() / 60);
    let when = match row.when {
        When::Never => "never".to_owned(),
        When::AtOnce => "at once".to_owned(),
        When::AfterStanding(span) => format!("after {}", minutes(span)),
        When::AtStartOrAfter(span) => {
            format!("at once where found at the start or latched, otherwise after {}", minutes(span))
        }
        When::DownForGoodOr(span) => {
            format!("at once where nothing starts it again, otherwise after {} while it may run", minutes(span))
        }
    };
    let name = subject.name();
    let page = if row.when == When::Never { String::new() } else { format!("[{name}](../runbooks/{name}.md) ") };
    format!("| `{name}` | {} | {when} | {page}|", row.severity.name())
}

#[test]
fn the_reference_has_the_policy_and_every_alert_its_runbook() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let reference = std::fs::read_to_string(docs.join("reference/alert-policy.md")).unwrap();
    let listed: Vec<&str> = reference.lines().filter(|line| line.starts_with("| `")).collect();
    let subjects = Cause::ALL.into_iter().map(Subject::Halt).chain(Subject::OTHERS);
    let expected: Vec<String> = subjects.clone().map(documented).collect();
    assert_eq!(listed, expected);
    for subject in subjects.filter(|subject| subject.row().when != When::Never) {
        let page = docs.join("runbooks").join(format!("{}.md", subject.name()));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(text.contains(&format!("Alert `{}`", subject.name())), "{}", page.display());
        assert!(text.contains("**How it ends.**"), "{}", page.display());
    }
}
