#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;
use crate::config::{Config, Overrides};
use crate::doors::telegram::said::HELP;
use failstop_core::Order;
use failstop_settings::Source;

const VIEWER: i64 = 5;
const ADMIN: i64 = 6;
const SUPER_ADMIN: i64 = 7;
const STRANGER: i64 = 99;

/// By the wall's clock.
const NOON: i64 = 1_800_000_000;

/// What `/import` is given.
const STATEMENT: &str = r#"{"id":"s-1","account":"kraken","balances":[],"source":"s.csv"}"#;

fn listed(telegram: &str) -> Settings {
    let component = |name: &str| format!("[[component]]\nname = \"{name}\"\ncommand = [\"true\"]\norders = \"asks\"\n");
    let text = format!(
        "[system]\nname = \"demo\"\n{}{}[telegram]\nbot_token = {{ env = \"T\" }}\n{telegram}",
        component("bot"),
        component("scanner")
    );
    let source = Source { file: "failstop.toml".into(), text, world_readable: false };
    Settings::of(&Config::of(&source, &Overrides::default()).unwrap()).unwrap()
}

fn settings() -> Settings {
    listed("viewers = [5]\nadmins = [6]\nsuper_admins = [7]\n")
}

/// A desk at which messages come one after another.
struct Table {
    desk: Desk,
    settings: Settings,
    next: i64,
    /// Seconds since the beginning.
    now: u64,
    engagements: u64,
    engaged: Option<bool>,
}

impl Table {
    fn new() -> Self {
        Self {
            desk: Desk::new(Monotonic::from_nanos(0)),
            settings: settings(),
            next: 1,
            now: 0,
            engagements: 0,
            engaged: Some(true),
        }
    }

    fn moment(&self) -> Moment {
        let now = Monotonic::from_nanos(self.now * 1_000_000_000);
        Moment {
            now,
            wall: NOON + i64::try_from(self.now).unwrap(),
            engagements: self.engagements,
            engaged: self.engaged,
        }
    }

    fn hear(&mut self, id: i64, heard: Heard) -> Step {
        let chance = Chance { trace: TraceId::new(), code: 42 };
        self.desk.hear(&Update { id, heard }, self.moment(), chance, &self.settings)
    }

    /// Somebody wrote this so many seconds ago.
    fn late(&mut self, user: i64, text: &str, age: i64) -> Step {
        let date = self.moment().wall.saturating_sub(age);
        let id = self.next;
        self.next += 1;
        self.hear(id, Heard::Words(Words { user, date, text: text.to_owned() }))
    }

    fn says(&mut self, user: i64, text: &str) -> Step {
        self.late(user, text, 1)
    }

    fn text(&mut self, user: i64, text: &str) -> String {
        said(self.says(user, text))
    }
}

#[track_caller]
fn said(step: Step) -> String {
    match step {
        Step::Say { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

/// How each control is written.
fn written(control: Control) -> &'static str {
    match control {
        Control::Resume => "/resume h-31 h-2 looked into",
        Control::ModeDry => "/execution_mode dry",
        Control::ModeLive => "/execution_mode live all is well",
        Control::EmergencyStop => "/emergency_stop odd fills",
        Control::ReleaseKillSwitch => "/emergency_resume looked into",
        Control::MaintenanceOn => "/maintenance_mode on 30m keep-trading new disk",
        Control::MaintenanceOff => "/maintenance_mode off",
        Control::StopEngine => "/stop_engine moving house",
        Control::RestartEngine => "/restart_engine new version",
        Control::StartComponent => "/component start scanner",
        Control::StopComponent => "/component stop scanner odd",
        Control::RestartComponent => "/component restart bot",
        Control::ReloadComponent => "/component reload bot",
        Control::AcknowledgeAlert => "/ack h-31",
        Control::TestAlerts => "/alerts_test",
        Control::TakeSnapshot => "/snapshot before the move",
        Control::ResolveOrder => "/order_resolve o-1 filled the venue says so",
        Control::Import => "/import ",
        Control::CorrectBooks => "/import_correct ",
        Control::ConfirmOrder => "/order_confirm o-2",
        Control::OverrideLimit => "/limit_override messages_per_minute 10 2h component:bot quiet night",
        Control::EndOverride => "/limit_end messages_per_minute:component:bot",
        Control::ResetBreaker => "/breaker_reset",
        Control::CompareConfig => "/config_diff",
        Control::ReloadConfig => "/config_reload",
    }
}

fn text_of(control: Control) -> String {
    let statement = match control {
        Control::Import => STATEMENT.to_owned(),
        Control::CorrectBooks => format!(r#"{{"statement":{STATEMENT},"reason":"a fill was missed"}}"#),
        _ => String::new(),
    };
    format!("{}{statement}", written(control))
}

#[track_caller]
fn given(step: Step, control: Control, must_loosen: bool) -> What {
    let Step::Give { by, what, loosens, .. } = step else { panic!("{control:?}: {step:?}") };
    assert_eq!(loosens.is_some(), must_loosen, "{control:?}");
    let command = what.clone().command(by);
    assert_eq!(ordered(&command).map(|ordered| ordered.control), Some(control));
    what
}

#[test]
fn every_control_is_given_by_who_may_and_by_nobody_else() {
    for control in Control::ALL {
        let text = text_of(control);
        for (user, role) in [(VIEWER, Role::Viewer), (ADMIN, Role::Admin), (SUPER_ADMIN, Role::SuperAdmin)] {
            let mut table = Table::new();
            let step = table.says(user, &text);
            if !control.allows(Standing::Role(role)) {
                let Step::Forbidden { user: whose, forbidden, .. } = step else { panic!("{text} {role}: {step:?}") };
                assert_eq!((whose, forbidden.control, forbidden.standing), (user, control, Standing::Role(role)));
                // And no confirmation makes up for it.
                assert!(table.text(user, "demo 0042").contains("nothing waits"), "{text}");
                continue;
            }
            if !waits(control) {
                given(step, control, false);
                continue;
            }
            let asked = said(step);
            assert!(asked.starts_with("demo: to ") && asked.contains("\ndemo 0042\nwithin 60 s"), "{asked}");
            given(table.says(user, "demo 0042"), control, true);
            assert!(table.text(user, "demo 0042").contains("nothing waits"), "once: {text}");
        }
        let nobody = Step::Stranger { user: Some(STRANGER), why: "is not listed in [telegram]" };
        assert_eq!(Table::new().says(STRANGER, &text), nobody);
    }
}

#[test]
fn what_tightens_waits_for_nothing_and_a_super_admins_alone_always_waits() {
    for control in Control::ALL {
        assert!(control.row().least < Role::SuperAdmin || waits(control), "{control:?}");
    }
    for tightens in [Control::EmergencyStop, Control::ModeDry, Control::StopComponent] {
        assert!(!waits(tightens), "{tightens:?}");
    }
}

#[test]
fn controls_are_read_to_the_last_word() {
    let mut table = Table::new();
    let mut gives = |control: Control| match table.says(SUPER_ADMIN, &text_of(control)) {
        Step::Say { .. } => given(table.says(SUPER_ADMIN, "demo 0042"), control, true),
        step => given(step, control, false),
    };
    let operate = |order, reason: &str| What::Operate { order, reason: reason.to_owned() };
    let halts = vec![failstop_core::HaltId(31), failstop_core::HaltId(2)];
    assert_eq!(gives(Control::Resume), operate(Order::Resume(halts), "looked into"));
    let span = Duration::from_secs(1_800);
    assert_eq!(gives(Control::MaintenanceOn), operate(Order::MaintenanceOn { span, keep_trading: true }, "new disk"));
    let scanner = failstop_core::Slot::component(1).unwrap();
    assert_eq!(gives(Control::StopComponent), operate(Order::StopComponent(scanner), "odd"));
    assert_eq!(gives(Control::EmergencyStop), operate(Order::KillSwitchEngage, "odd fills"));
    let What::Gate(crate::command::GateOrder::Override { of, value, span, reason, .. }) = gives(Control::OverrideLimit)
    else {
        panic!("no override")
    };
    assert_eq!((of.as_deref(), value.as_str(), span.as_secs()), (Some("bot"), "10", 7_200));
    assert_eq!(reason, "quiet night");
}

#[test]
fn a_stop_needs_no_reason_and_any_spelling_of_its_command_will_do() {
    let spellings = [
        "/emergency_stop",
        "/EMERGENCY_STOP",
        "  /Emergency_Stop@demo_bot  ",
        "/kill_switch engage",
        "/emergency_stop\nnow",
    ];
    for text in spellings {
        let what = given(Table::new().says(ADMIN, text), Control::EmergencyStop, false);
        let What::Operate { reason, .. } = what else { panic!("{text}") };
        assert!(reason == "ordered over Telegram" || reason == "now", "{reason}");
    }
    let long = format!("/emergency_stop {}", "ä".repeat(4_000));
    let What::Operate { reason, .. } = given(Table::new().says(ADMIN, &long), Control::EmergencyStop, false) else {
        panic!("no stop")
    };
    assert!(reason.starts_with("(cut, 8000 bytes were given) ä"), "cut, and not refused: {reason}");
    assert!((1_998..=2_000).contains(&reason.len()), "{}", reason.len());
}

#[test]
fn what_is_not_well_said_is_told_how_it_is_written() {
    for (text, says) in [
        ("/nothing", "/help"),
        ("/", "/help"),
        ("/emergency_resume", "a reason is needed"),
        ("/execution_mode life", "/execution_mode dry"),
        ("/maintenance_mode on", "/maintenance_mode on 30m"),
        ("/maintenance_mode on 30 r", "30m"),
        ("/maintenance_mode on 0s r", "from 1s"),
        ("/maintenance_mode on 9999h r", "to 168h"),
        ("/maintenance_mode on 30m", "a reason is needed"),
        ("/component stop", "/component stop|start"),
        ("/component stop nobody", "there is: bot, scanner"),
        ("/component kill bot", "/component stop|start"),
        ("/resume h-x why", "h-31"),
        ("/resume h-31", "a reason is needed"),
        ("/order_resolve o-1 lost r", "filled"),
        ("/limit_override speed 1 1h r", "limits are"),
        ("/import nothing", "no statement"),
        ("/import_correct nothing", "no correction"),
        ("/ack", "/ack ID"),
    ] {
        let answer = Table::new().text(SUPER_ADMIN, text);
        assert!(answer.contains(says), "{text}: {answer}");
    }
}

#[test]
fn a_confirmation_is_for_one_user_one_action_and_a_minute() {
    let asks = |table: &mut Table| assert!(table.text(SUPER_ADMIN, "/emergency_resume r").contains("demo 0042"));
    let mut table = Table::new();
    asks(&mut table);
    table.now = 59;
    assert!(table.text(ADMIN, "demo 0042").contains("nothing waits"), "somebody else's");
    given(table.says(SUPER_ADMIN, " Demo  0042 "), Control::ReleaseKillSwitch, true);

    let mut table = Table::new();
    asks(&mut table);
    table.now = 60;
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("the time was up"));
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"));

    for wrong in ["demo 0043", "demo", "0042", "yes", "demo 0042 now", "demo0042"] {
        let mut table = Table::new();
        asks(&mut table);
        assert!(table.text(SUPER_ADMIN, wrong).contains("these are not the words"), "{wrong}");
        assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"), "{wrong}");
    }

    // Another command leaves it, and says so.
    let mut table = Table::new();
    asks(&mut table);
    let Step::Ask { note, .. } = table.says(SUPER_ADMIN, "/status") else { panic!("no question") };
    assert_eq!(note.as_deref(), Some("(It was not done: release the kill switch (reason: r).)"));
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"));

    // A later one takes its place.
    let mut table = Table::new();
    asks(&mut table);
    assert!(table.text(SUPER_ADMIN, "/execution_mode live r").contains("It was not done: release"));
    given(table.says(SUPER_ADMIN, "demo 0042"), Control::ModeLive, true);
}

#[test]
fn a_stop_leaves_whatever_anybody_was_about_to_loosen() {
    let mut table = Table::new();
    assert!(table.text(SUPER_ADMIN, "/emergency_resume r").contains("demo 0042"));
    given(table.says(ADMIN, "/emergency_stop"), Control::EmergencyStop, false);
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"));
}

#[test]
fn a_stop_by_another_door_does_so_too() {
    let mut table = Table::new();
    table.engagements = 3;
    assert!(table.text(SUPER_ADMIN, "/emergency_resume r").contains("demo 0042"));
    table.engagements = 4;
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("the kill switch was engaged since you asked"));
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"));
    // What is asked for after it is carried out, and says after which.
    assert!(table.text(SUPER_ADMIN, "/emergency_resume r").contains("demo 0042"));
    let step = table.says(SUPER_ADMIN, "demo 0042");
    assert!(matches!(step, Step::Give { loosens: Some(4), .. }), "{step:?}");
}

#[test]
fn a_role_is_that_of_now() {
    let mut table = Table::new();
    table.text(SUPER_ADMIN, "/emergency_resume r");
    table.settings = listed("admins = [6, 7]\n");
    table.desk.adopt(&table.settings);
    let step = table.says(SUPER_ADMIN, "demo 0042");
    assert!(matches!(step, Step::Forbidden { .. }), "{step:?}");

    let mut table = Table::new();
    table.text(SUPER_ADMIN, "/emergency_resume r");
    table.settings = listed("admins = [6]\n");
    table.desk.adopt(&table.settings);
    let step = table.says(SUPER_ADMIN, "demo 0042");
    assert_eq!(step, Step::Stranger { user: Some(SUPER_ADMIN), why: "is not listed in [telegram]" });
    table.settings = settings();
    assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"), "not when he is listed again");
}

#[test]
fn old_messages_and_those_of_another_clock_act_on_nothing_but_the_stop_does() {
    for control in Control::ALL {
        for age in [61, 3_600, i64::MAX, -61, i64::MIN] {
            let mut table = Table::new();
            let step = table.late(SUPER_ADMIN, &text_of(control), age);
            if control == Control::EmergencyStop {
                given(step, control, false);
                continue;
            }
            let text = said(step);
            assert!(text.contains("nothing was done") && text.contains("clock"), "{text}");
            assert!(table.text(SUPER_ADMIN, "demo 0042").contains("nothing waits"), "{control:?}");
        }
        for age in [60, 0, -60] {
            assert!(!matches!(Table::new().late(SUPER_ADMIN, "/snapshot", age), Step::Say { .. }), "{age}");
        }
    }
    let mut table = Table::new();
    table.text(SUPER_ADMIN, "/emergency_resume r");
    assert!(said(table.late(SUPER_ADMIN, "demo 0042", 61)).contains("nothing was done"), "a confirmation too");
    assert!(said(table.late(SUPER_ADMIN, "/status", 61)).contains("nothing was done"), "and a question");
}

#[test]
fn an_update_is_heard_once() {
    let mut table = Table::new();
    let words = |text: &str| Heard::Words(Words { user: ADMIN, date: NOON, text: text.to_owned() });
    assert_eq!(table.desk.offset(table.moment().now), None);
    given(table.hear(10, words("/emergency_stop")), Control::EmergencyStop, false);
    for id in [10, 9, i64::MIN] {
        assert_eq!(table.hear(id, words("/emergency_stop")), Step::Nothing, "{id}");
    }
    assert_eq!(table.desk.offset(table.moment().now), Some(11));
    given(table.hear(11, words("/emergency_stop")), Control::EmergencyStop, false);
    // After a day without any the numbers may begin anew.
    table.now = 24 * 3_600 - 1;
    assert_eq!(table.desk.offset(table.moment().now), Some(12));
    table.now += 1;
    assert_eq!(table.desk.offset(table.moment().now), None);
    assert!(!matches!(table.hear(3, words("/whoami")), Step::Nothing));
    assert_eq!(table.desk.offset(table.moment().now), Some(4));
    assert_eq!(table.hear(i64::MAX, Heard::Nothing), Step::Nothing);
    assert_eq!(table.desk.offset(table.moment().now), Some(i64::MAX), "no overflow");
}

#[test]
fn what_piled_up_acts_on_nothing_and_whoever_wrote_it_is_named() {
    let mut table = Table::new();
    let words =
        |id, user, text: &str| Update { id, heard: Heard::Words(Words { user, date: NOON, text: text.to_owned() }) };
    let piled = [words(3, ADMIN, "/emergency_stop"), words(4, STRANGER, "hello"), words(5, ADMIN, "/emergency_stop")];
    let users = table.desk.piled_up(&piled, &table.settings, Monotonic::from_nanos(0));
    assert_eq!(users.into_iter().collect::<Vec<_>>(), [ADMIN]);
    assert_eq!(table.hear(5, piled[2].heard.clone()), Step::Nothing, "it may come again");
    assert_eq!(table.desk.offset(table.moment().now), Some(6));
}

#[test]
fn who_writes_too_much_is_told_once_and_his_stop_is_heard() {
    let mut table = Table::new();
    for _ in 0..SPOKEN_MAX {
        assert!(matches!(table.says(ADMIN, "/status"), Step::Ask { .. }));
    }
    assert!(table.text(ADMIN, "/status").contains("too many messages"));
    for _ in 0..100 {
        assert_eq!(table.says(ADMIN, "/status"), Step::Nothing);
        assert_eq!(table.says(ADMIN, "/component stop bot"), Step::Nothing);
        given(table.says(ADMIN, "/emergency_stop"), Control::EmergencyStop, false);
    }
    assert!(matches!(table.says(SUPER_ADMIN, "/status"), Step::Ask { .. }), "nobody else is held back");
    table.now = 60;
    assert!(matches!(table.says(ADMIN, "/status"), Step::Ask { .. }));
    // What one may not costs no more answers than what one may.
    let refused = (0..100).filter(|_| matches!(table.says(VIEWER, "/emergency_stop"), Step::Forbidden { .. })).count();
    assert_eq!(refused, SPOKEN_MAX);
}

#[test]
fn who_goes_on_writing_is_heard_thirty_times_a_minute_and_told_once_in_it() {
    let mut table = Table::new();
    for minute in 0..5 {
        let (mut heard, mut told) = (0, 0);
        for second in 0..60 {
            table.now = minute * 60 + second;
            match table.says(ADMIN, "/status") {
                Step::Ask { .. } => heard += 1,
                Step::Say { .. } => told += 1,
                Step::Nothing => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((heard, told), (SPOKEN_MAX, 1), "minute {minute}");
    }
}

#[test]
fn a_message_that_does_not_count_is_answered_to_who_is_listed_alone() {
    let refused = |user, private| Heard::Refused { user, private, why: "forwarded messages are not taken" };
    let mut table = Table::new();
    table.text(SUPER_ADMIN, "/emergency_resume r");
    let text = said(table.hear(50, refused(Some(SUPER_ADMIN), true)));
    assert!(
        text.contains("forwarded messages are not taken: nothing was done") && text.contains("It was not done"),
        "{text}"
    );
    for (id, user, private) in [(51, Some(SUPER_ADMIN), false), (52, Some(STRANGER), true), (53, None, false)] {
        let stranger = Step::Stranger { user, why: "forwarded messages are not taken" };
        assert_eq!(table.hear(id, refused(user, private)), stranger);
    }
}

#[test]
fn the_help_shows_what_is_understood() {
    for line in &HELP {
        let word = line.usage.split([' ', '[']).next().unwrap();
        let step = Table::new().says(SUPER_ADMIN, word);
        let unknown = matches!(&step, Step::Say { text, .. } if text.contains("no such command"));
        assert!(!unknown, "{word}: {step:?}");
    }
}

#[test]
fn nobody_types_a_code_for_the_release_of_what_is_not_engaged() {
    let mut table = Table::new();
    table.engaged = Some(false);
    let step = table.says(SUPER_ADMIN, "/emergency_resume looked into");
    let Step::Say { text, .. } = step else { panic!("{step:?}") };
    assert!(text.contains("the kill switch is not engaged"), "{text}");
    // Who may not is told that first, and where nobody knows, the release is asked for as ever.
    assert!(matches!(table.says(ADMIN, "/emergency_resume looked into"), Step::Forbidden { .. }));
    table.engaged = None;
    let step = table.says(SUPER_ADMIN, "/kill_switch release looked into");
    let Step::Say { text, .. } = step else { panic!("{step:?}") };
    assert!(text.contains(", type\n"), "{text}");
}
