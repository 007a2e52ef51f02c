//! Ends: hooks before and after, the order of dependency with as many components as there may be, and a bound for the whole.

use crate::python_bot;
use crate::system::{System, alive, signal};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn script(system: &System, name: &str, text: &str) {
    let path = system.path(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn hooks(system: &System, hook: &str) -> Vec<Value> {
    let of = |record: &Value| record["t"] == "component.hook" && record["b"]["hook"] == hook;
    system.records().into_iter().filter(of).map(|record| record["b"].clone()).collect()
}

fn lines(system: &System, file: &str) -> Vec<String> {
    fs::read_to_string(system.path(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}

const HOOKED: &str = concat!(
    "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\nenv = { VENUE = \"kraken\" }\n",
    "pre_stop = { command = [\"./pre.sh\", \"all\"] }\npost_stop = { command = [\"./post.sh\"] }\n",
);

const TELL: &str = "echo \"$FAILSTOP_HOOK $FAILSTOP_COMPONENT $VENUE $1 ${MAINPID:-none}: $FAILSTOP_REASON\" >> told\n\
    echo \"from the hook\"";

#[test]
fn hooks_run_around_an_orderly_stop_and_say_what_they_did() {
    let mut system = System::new(HOOKED);
    script(&system, "pre.sh", &format!("{TELL}; kill -0 $MAINPID && echo alive >> told; exit 3"));
    script(&system, "post.sh", &format!("{TELL}; pgrep -x fake_bot -P $PPID >> told || echo gone >> told"));
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    assert_eq!(system.run("restart", &["bot", "--reason", "new parameters"]).status.code(), Some(0));
    assert_eq!(
        lines(&system, "told"),
        [
            format!("pre_stop bot kraken all {bot}: an operator asked for a restart"),
            "alive".to_owned(),
            "post_stop bot kraken  none: ended by signal 15 (as requested)".to_owned(),
            "gone".to_owned(),
        ]
    );
    assert_eq!(hooks(&system, "pre_stop")[0]["status"], 3, "recorded, and nothing hangs on it");
    assert_eq!(hooks(&system, "post_stop")[0]["status"], 0);
    let log = fs::read_to_string(system.path("state/logs/bot.log")).unwrap();
    assert_eq!(log.matches("from the hook").count(), 2, "{log}");
    // At the end of failstop, too.
    assert_eq!(system.stop(), 0);
    assert_eq!(hooks(&system, "post_stop").len(), 2);
    assert!(system.log().contains("hook pre_stop ended with status 3"), "{}", system.log());
}

#[test]
fn after_a_crash_the_last_hook_knows_how_it_ended_and_the_successor_follows() {
    let mut system = System::new(HOOKED);
    script(&system, "pre.sh", TELL);
    script(&system, "post.sh", TELL);
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    signal(bot, libc::SIGKILL);
    system.wait_status("a successor", |status| {
        status["components"][0]["ready"] == true && status["components"][0]["pid"] != bot
    });
    assert_eq!(lines(&system, "told"), ["post_stop bot kraken  none: ended by signal 9 (not requested)"]);
    let order: Vec<Value> = system
        .records()
        .iter()
        .filter(|record| {
            ["component.exited", "component.hook", "component.started"].contains(&record["t"].as_str().unwrap())
        })
        .map(|record| record["t"].clone())
        .collect();
    assert_eq!(order, ["component.started", "component.exited", "component.hook", "component.started"]);
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_hook_that_hangs_is_killed_with_all_that_it_started() {
    let mut system = System::new(
        &HOOKED
            .replace("\"all\"] }", "\"all\"], timeout = \"300ms\" }")
            .replace("[\"./post.sh\"] }", "[\"./post.sh\"], timeout = \"300ms\" }"),
    );
    let hang = "sleep 1000 & setsid sleep 1000 & (sleep 1000 &)\nexec sleep 1000";
    script(&system, "pre.sh", hang);
    script(&system, "post.sh", hang);
    system.start();
    system.wait_active();
    assert_eq!(system.run("stop", &["bot"]).status.code(), Some(0));
    assert!(system.survivors().is_empty(), "nothing of the hooks is left");
    assert_eq!(hooks(&system, "pre_stop")[0]["timed_out"], true);
    assert_eq!(hooks(&system, "post_stop")[0]["timed_out"], true);
    assert_eq!(system.stop(), 0);
}

#[test]
fn no_hook_holds_up_the_kill_switch_or_outlives_it() {
    let mut system = System::new(&HOOKED.replace("\"all\"] }", "\"all\"], timeout = \"1h\" }"));
    script(&system, "pre.sh", "echo $$ > hook; exec sleep 1000");
    script(&system, "post.sh", TELL);
    system.start();
    system.wait_active();
    let ordered = system.run("stop", &["bot", "--no-wait"]);
    assert_eq!(ordered.status.code(), Some(0));
    system.wait_status("the hook", |_| !lines(&system, "hook").is_empty());
    let hook: i32 = lines(&system, "hook")[0].parse().unwrap();
    assert!(alive(hook));
    assert_eq!(system.run("kill-switch engage", &["--reason", "enough"]).status.code(), Some(0));
    assert!(!alive(hook) && system.survivors().is_empty());
    system.wait_status("stopped", |status| status["components"][0]["state"] == "stopped");
    assert!(lines(&system, "told").is_empty(), "no hook runs under the kill switch");
    system.stop();
}

#[test]
fn hooks_may_speak_where_the_component_says_so_and_its_helpers_may_not() {
    let mut system =
        System::new(&HOOKED.replace("command = [\"BOT\"]", "command = [\"BOT\"]\nnotify_access = \"exec\""));
    script(&system, "pre.sh", "exec python3 hook.py");
    fs::write(
        system.path("hook.py"),
        "import os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         s.connect(os.environ['NOTIFY_SOCKET'])\n\
         if os.fork() == 0:\n    s.send(b'ERRNO=5')\n    os._exit(0)\nos.wait()\ns.send(b'EXIT_STATUS=4')\n",
    )
    .unwrap();
    script(&system, "post.sh", "true");
    system.start();
    system.wait_active();
    assert_eq!(system.run("stop", &["bot"]).status.code(), Some(0));
    let exited = system.wait_record(0, "component.exited", |_| true);
    assert_eq!(exited["b"]["said"], "exit status 4", "{exited}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_hook_dies_with_its_engine() {
    let mut system = System::new(&HOOKED.replace("\"all\"] }", "\"all\"], timeout = \"1h\" }"));
    script(&system, "pre.sh", "echo $$ > hook; exec sleep 1000");
    script(&system, "post.sh", TELL);
    system.start();
    system.wait_active();
    system.run("stop", &["bot", "--no-wait"]);
    system.wait_status("the hook", |_| !lines(&system, "hook").is_empty());
    signal(system.engine_pid(), libc::SIGKILL);
    assert_eq!(system.wait_end(), 7);
    assert!(system.survivors().is_empty());
}

/// A chain of as many components as there may be, each depending on the one before.
fn chain(keys: &str, shutdown: &str) -> System {
    let mut text = String::new();
    for index in 0..31 {
        let depends = if index > 0 { format!("depends_on = [\"c{}\"]\n", index - 1) } else { String::new() };
        text.push_str(&format!(
            "[[component]]\nname = \"c{index}\"\norders = \"none\"\ncommand = [\"BOT\", \"ready\"]\n\
             readiness = {{ notify = true }}\n{depends}{keys}"
        ));
    }
    System::new(&format!("{text}{shutdown}"))
}

fn order(system: &System, kind: &str) -> Vec<String> {
    let of_kind = |record: &Value| record["t"] == kind;
    let records = system.records().into_iter().filter(of_kind);
    records.map(|record| record["b"]["component"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn thirty_one_components_start_and_stop_in_the_order_of_their_dependencies() {
    let mut system = chain("", "");
    system.start();
    system.wait_active();
    let names: Vec<String> = (0..31).map(|index| format!("c{index}")).collect();
    assert_eq!(order(&system, "component.ready"), names);
    assert_eq!(system.stop(), 0);
    let reversed: Vec<String> = names.iter().rev().cloned().collect();
    assert_eq!(order(&system, "component.stopping"), reversed);
    assert_eq!(order(&system, "component.exited"), reversed);
    assert!(system.survivors().is_empty());
}

#[test]
fn a_crash_in_the_middle_of_the_order_keeps_what_comes_after_it_waiting_and_ends_nothing_before_it() {
    let mut system = System::new(&format!(
        "[[component]]\nname = \"feed\"\norders = \"none\"\ncommand = [\"BOT\"]\n\
         [[component]]\nname = \"scanner\"\norders = \"none\"\ndepends_on = [\"feed\"]\nreadiness = {{ notify = true }}\n\
         backoff = {{ initial = \"50ms\", max = \"50ms\" }}\nstart_limit = {{ starts = 1000, within = \"5m\" }}\n{}\
         [[component]]\nname = \"bot\"\norders = \"asks\"\ndepends_on = [\"scanner\"]\non_dependency_exit = \"stop\"\n\
         command = [\"BOT\"]\n",
        python_bot::command("scanner")
    ));
    python_bot::write(
        &system,
        "scanner",
        r#"
say("up")
if not os.path.exists("mended"):
    sys.exit(1)
notify("READY=1")
sleep_for_ever()"#,
    );
    system.start();
    python_bot::wait_said(&system, 4);
    let status = system.status().unwrap();
    let component = |status: &Value, name: &str| -> Value {
        let all = status["components"].as_array().unwrap();
        all.iter().find(|component| component["name"] == name).unwrap().clone()
    };
    assert_eq!(component(&status, "bot")["waits_for"], serde_json::json!(["scanner"]));
    assert_eq!(component(&status, "bot")["starts"], 0);
    let feed = component(&status, "feed");
    assert_eq!((&feed["state"], &feed["starts"]), (&"ready".into(), &1.into()));
    fs::write(system.path("mended"), "").unwrap();
    system.wait_active();
    // And once it runs: what is not to go on without is stopped and comes back.
    let bot = system.pid_of("bot").unwrap();
    signal(system.pid_of("scanner").unwrap(), libc::SIGKILL);
    let status = system.wait_status("the bot came back", |status| {
        let bot_now = component(status, "bot");
        bot_now["ready"] == true && bot_now["pid"] != bot
    });
    assert_eq!(component(&status, "bot")["restarts"], 0, "nobody's failure");
    assert_eq!(component(&status, "feed")["starts"], 1);
    assert_eq!(system.stop(), 0);
}

#[test]
fn the_whole_end_has_a_bound_whatever_its_parts_take() {
    let mut system = System::new(concat!(
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sh\", \"DIR/stubborn.sh\"]\norders = \"asks\"\nstop_grace = \"1s\"\n",
        "[shutdown]\nwithin = \"1500ms\"\n"
    ));
    // It asks for more time, which a stop grants up to twice the grace: beyond the bound of the whole.
    script(
        &system,
        "stubborn.sh",
        "trap 'systemd-notify EXTEND_TIMEOUT_USEC=3600000000' TERM\ntouch trapped\nwhile :; do sleep 0.1; done",
    );
    system.start();
    system.wait_active();
    system.wait_status("the trap", |_| system.path("trapped").exists());
    assert_eq!(system.stop(), 0);
    let killed = system.wait_record(0, "component.killed", |_| true);
    assert_eq!(killed["b"]["reason"], "the engine ends, and the time for that is over");
    assert!(system.survivors().is_empty());
}
