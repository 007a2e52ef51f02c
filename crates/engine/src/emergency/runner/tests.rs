#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
use super::super::given::{environment, run_as};
use super::*;

fn plan(lines: &str) -> Plan {
    let action = "[[emergency.action]]\nname = \"a\"\nkind = \"custom\"\ncommand = [\"true\"]\n";
    Plan::of(&crate::config::tests::with(&format!("{action}{lines}")))
}

fn order(plan: Plan, cause: Cause) -> Order {
    Order {
        state_dir: None,
        cause,
        key: "k".to_owned(),
        only_while_latched: false,
        by: "ann".to_owned(),
        reason: "two\0lines".to_owned(),
        plan,
        plan_of: Some(0),
        inherited: vec![("HTTPS_PROXY".to_owned(), "p".to_owned()), ("HOME".to_owned(), "/x".to_owned())],
    }
}

fn run_of(order: &Order) -> Run {
    let who = (order.by.clone(), order.reason.clone());
    Run::new("0123456789abcdef".to_owned(), "k".to_owned(), order.cause, &order.plan, who, "t".to_owned())
}

#[test]
fn root_runs_what_is_somebody_elses_as_that_one_alone() {
    for (own, named, state_owner, plan_owner, expected) in [
        // Not root: as itself, and as nobody else.
        (7, None, Some(9), 9, Ok(7)),
        (7, Some(7), Some(9), 9, Ok(7)),
        (7, Some(9), Some(7), 7, Err(())),
        // Root's configuration says who; without a word it is the owner of the state.
        (0, None, Some(7), 0, Ok(7)),
        (0, Some(9), Some(7), 0, Ok(9)),
        (0, None, None, 0, Ok(0)),
        // Somebody else's configuration says nothing about others, whatever directory it names.
        (0, None, Some(7), 7, Ok(7)),
        (0, None, None, 7, Ok(7)),
        (0, None, Some(0), 7, Err(())),
        (0, Some(0), Some(7), 7, Err(())),
        (0, Some(9), Some(7), 7, Err(())),
    ] {
        let found = run_as(own, named, state_owner, Some(plan_owner));
        assert_eq!(found.map_err(drop), expected, "{own} {named:?} {state_owner:?} {plan_owner}");
    }
    // What anybody may have written is nobody's word.
    for state_owner in [None, Some(0), Some(7)] {
        assert!(run_as(0, None, state_owner, None).is_err());
    }
    assert_eq!(run_as(7, None, None, None), Ok(7));
}

#[test]
fn an_action_is_given_what_is_named_and_told_why() {
    let plan = plan("env = { A = \"one\" }\ninherit_env = [\"HTTPS_*\"]\n");
    let order = order(plan, Cause::Drill);
    let mut run = run_of(&order);
    run.steps[0].beginnings = 2;
    let (environment, secrets) = environment(&order, &run, 0, &order.plan.actions[0], None).unwrap();
    let has = |name: &str| {
        let mut values =
            environment.iter().filter(|(other, _)| other == name).map(|(_, value)| value.to_str().unwrap());
        (values.next_back(), values.next())
    };
    assert_eq!(has("A"), (Some("one"), None));
    assert_eq!(has("HTTPS_PROXY"), (Some("p"), None));
    assert_ne!(has("HOME").0, Some("/x"), "it was not named");
    for (name, value) in [
        ("FAILSTOP_ACTION", "a"),
        ("FAILSTOP_ACTION_KIND", "custom"),
        ("FAILSTOP_EMERGENCY", "drill"),
        ("FAILSTOP_REASON", "two lines"),
        ("FAILSTOP_BY", "ann"),
        ("FAILSTOP_TRACE_ID", "0123456789abcdef"),
        ("FAILSTOP_DRILL", "1"),
        ("FAILSTOP_BEGINNING", "2"),
    ] {
        assert_eq!(has(name).0, Some(value), "{name}");
    }
    assert_eq!(secrets, ["p", "one"]);
    let names: Vec<&str> = environment.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names.len(), 5 + 1 + 1 + 9, "and nothing else: {names:?}");
}

#[test]
fn a_file_of_variables_that_cannot_be_read_is_a_reason_and_shows_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("venue.env");
    let order = order(plan(&format!("env_file = \"{}\"\n", file.display())), Cause::KillSwitch);
    let run = run_of(&order);
    let found = || environment(&order, &run, 0, &order.plan.actions[0], None);
    assert!(found().unwrap_err().contains("venue.env cannot be read"));
    std::fs::write(&file, "KEY=hunter2\n").unwrap();
    let (environment, secrets) = found().unwrap();
    assert!(environment.contains(&("KEY".into(), "hunter2".into())));
    assert_eq!(secrets, ["hunter2"]);
    std::fs::write(&file, "hunter2\n").unwrap();
    assert!(!found().unwrap_err().contains("hunter2"));
}

#[test]
fn what_is_no_file_gives_no_variables_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("venue.env");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let order = order(plan(&format!("env_file = \"{}\"\n", pipe.display())), Cause::KillSwitch);
    let found = environment(&order, &run_of(&order), 0, &order.plan.actions[0], None);
    assert!(found.unwrap_err().contains("venue.env is no regular file"));
}

#[test]
fn a_run_goes_on_where_it_stopped_and_another_engagement_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    make_folder(state).unwrap();
    let order = order(plan(""), Cause::KillSwitch);
    let mut earlier = run_of(&order);
    earlier.steps[0].beginnings = 1;
    earlier.keep(state).unwrap();
    let begun = begin(&order, &Ok(state)).unwrap();
    assert_eq!(begun, earlier);
    let another = Order { key: "another".to_owned(), ..order.clone() };
    let fresh = begin(&another, &Ok(state)).unwrap();
    assert_ne!(fresh.id, earlier.id);
    assert_eq!(fresh.steps[0].beginnings, 0);
    // What nobody can read is done again, and says so.
    std::fs::write(state.join("emergency/run-kill-switch.json"), "half").unwrap();
    assert!(begin(&order, &Ok(state)).unwrap().not_kept.is_some());
    // Nothing is begun once the latch is gone.
    let latched = Order { only_while_latched: true, state_dir: Some(state.to_owned()), ..order };
    assert!(begin(&latched, &Ok(state)).is_err());
    std::fs::write(state.join(LATCH_FILE), "").unwrap();
    assert!(begin(&latched, &Ok(state)).is_ok());
}

#[test]
fn what_was_begun_too_often_is_given_up_and_what_is_gone_is_said() {
    let order = order(plan(""), Cause::KillSwitch);
    let mut run = run_of(&order);
    let nowhere = Err("no disk".to_owned());
    run.steps[0].beginnings = BEGINNINGS_MAX;
    step(&order, &mut run, 0, &nowhere, &mut |_| {});
    let outcome = |run: &Run| run.steps[0].ended.as_ref().unwrap().outcome.clone();
    assert_eq!(outcome(&run), Outcome::GivenUp { beginnings: BEGINNINGS_MAX });
    let mut run = run_of(&order);
    run.steps[0].name = "gone".to_owned();
    step(&order, &mut run, 0, &nowhere, &mut |_| {});
    assert!(matches!(outcome(&run), Outcome::NotStarted { .. }));
    assert_eq!(run.counts(), (0, 1));
}
