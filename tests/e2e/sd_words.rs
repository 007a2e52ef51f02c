//! sd_notify, variable by variable: what bots say of their state, their deadlines and their failures, and whose word counts.

use crate::python_bot::{self, said, wait_said};
use crate::system::{System, has_halt, signal};
use serde_json::Value;
use std::fs;

fn metric(system: &System, outcome: &str) -> u64 {
    let (_, text) = system.get("/metrics");
    let wanted = format!("failstop_notify_messages_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&wanted)).unwrap().parse().unwrap()
}

fn is_hung(status: &Value) -> bool {
    has_halt(status, "hung")
}

#[test]
fn what_it_says_right_before_its_end_is_in_the_record_of_its_end() {
    let rounds = 8;
    let mut system = python_bot::system(
        &format!(
            "readiness = {{ notify = true }}\nstart_limit = {{ starts = {rounds}, within = \"5m\" }}\n\
         backoff = {{ initial = \"10ms\", max = \"10ms\" }}\n"
        ),
        r#"notify("READY=1")
notify("STATUS=going down\nERRNO=2\nBUSERROR=org.example.Failed\nEXIT_STATUS=3")
os._exit(3)"#,
    );
    system.start();
    system.wait_status("down for good", |status| status["components"][0]["state"] == "failed");
    let ends: Vec<Value> = system.records().into_iter().filter(|record| record["t"] == "component.exited").collect();
    assert_eq!(ends.len(), rounds);
    for end in ends {
        let said = end["b"]["said"].as_str().unwrap_or_default();
        let all = "errno 2 (ENOENT: No such file or directory), bus error org.example.Failed, exit status 3";
        assert_eq!(said, all, "{end}");
    }
    let halts = system.status().unwrap()["halts"].to_string();
    assert!(halts.contains("it had said: errno 2"), "{halts}");
    system.stop();
}

#[test]
fn a_start_that_asks_for_more_time_has_it() {
    let mut system = python_bot::system(
        "readiness = { notify = true }\nstart_period = \"5s\"\n",
        "notify('EXTEND_TIMEOUT_USEC=15000000')\ntime.sleep(6)\nnotify('READY=1')\nsleep_for_ever()",
    );
    system.start();
    system.wait_active();
    assert!(system.records().iter().all(|record| record["t"] != "component.killed"));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_beat_is_not_put_off_for_ever_by_asking_for_more_time() {
    let mut system = python_bot::system(
        "liveness = { watchdog = \"500ms\" }\n",
        "while True:\n    notify('EXTEND_TIMEOUT_USEC=3600000000')\n    time.sleep(0.05)",
    );
    system.start();
    system.wait_status("hung", is_hung);
    system.stop();
}

#[test]
fn it_may_want_a_shorter_deadline_and_say_itself_that_it_hangs() {
    let mut system = python_bot::system(
        "liveness = { watchdog = \"1h\" }\n",
        "notify('WATCHDOG_USEC=200000')\nnotify('WATCHDOG=1')\nsleep_for_ever()",
    );
    system.start();
    let status = system.wait_status("hung", is_hung);
    assert!(status.to_string().contains("no beat within 200 ms"), "{status}");
    system.stop();
    let mut system = python_bot::system("", "notify('WATCHDOG=trigger')\nsleep_for_ever()");
    system.start();
    let status = system.wait_status("hung", is_hung);
    assert!(status.to_string().contains("it said itself that it hangs"), "{status}");
    system.stop();
}

#[test]
fn an_announced_end_takes_its_rights_at_once() {
    let mut system = python_bot::system(
        "stop_grace = \"1h\"\nreadiness = { notify = true }\n",
        "notify('READY=1\\nX_OWN=ignored')\nwhile not os.path.exists('end'):\n    time.sleep(0.02)\nnotify('STOPPING=1')\nsleep_for_ever()",
    );
    system.start();
    system.wait_active();
    fs::write(system.path("end"), "").unwrap();
    system.wait_status("stopping", |status| status["components"][0]["state"] == "stopping");
    signal(system.pid_of("bot").unwrap(), libc::SIGKILL);
    fs::remove_file(system.path("end")).unwrap();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn an_abstract_socket_for_those_that_need_one() {
    let mut system = python_bot::system(
        "notify_socket = \"abstract\"\nreadiness = { notify = true }\nliveness = { watchdog = \"10s\" }\n",
        "say(os.environ['NOTIFY_SOCKET'])\nnotify('READY=1')\nwhile True:\n    notify('WATCHDOG=1')\n    time.sleep(0.5)",
    );
    system.start();
    system.wait_active();
    let said = said(&system);
    assert!(said[0].starts_with("@failstop/"), "{said:?}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn only_the_main_process_speaks_where_that_is_wanted() {
    let mut system = python_bot::system(
        "notify_access = \"main\"\nreadiness = { notify = true }\n",
        r#"
if os.fork() == 0:
    notify("READY=1")
    say("child")
    sleep_for_ever()
while not os.path.exists("said"):
    time.sleep(0.02)
while not os.path.exists("go"):
    time.sleep(0.02)
notify("READY=1")
sleep_for_ever()"#,
    );
    system.start();
    wait_said(&system, 1);
    system.wait_status("the refusal", |_| metric(&system, "refused") >= 1);
    assert_eq!(system.status().unwrap()["components"][0]["state"], "starting");
    assert!(system.log().contains("only the main process may speak"), "{}", system.log());
    fs::write(system.path("go"), "").unwrap();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_bot_may_close_its_socket_to_its_own_helpers_and_not_open_it() {
    let mut system = python_bot::system(
        "",
        r#"
notify("NOTIFYACCESS=main")
notify("NOTIFYACCESS=all")
notify("STATUS=mine")
if os.fork() == 0:
    notify("STATUS=theirs")
    say("child")
sleep_for_ever()"#,
    );
    system.start();
    wait_said(&system, 1);
    system.wait_status("both refusals", |_| metric(&system, "refused") >= 2);
    assert_eq!(system.status().unwrap()["components"][0]["status_text"], "mine");
    assert_eq!(system.stop(), 0);
}

#[test]
fn nobody_speaks_where_nobody_shall() {
    let mut system =
        python_bot::system("notify_access = \"none\"\n", "say('NOTIFY_SOCKET' in os.environ)\nsleep_for_ever()");
    system.start();
    assert_eq!(wait_said(&system, 1), ["False"]);
    assert!(!system.path("run/notify-bot.sock").exists());
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_is_too_long_or_makes_no_sense_is_counted_and_harms_nobody() {
    let mut system = python_bot::system(
        "readiness = { notify = true }\n",
        "notify('READY=1\\n' + 'x' * 9000)\nnotify('READY=maybe')\nsay('sent')\nwhile not os.path.exists('go'):\n    time.sleep(0.02)\nnotify('READY=1')\nsleep_for_ever()",
    );
    system.start();
    wait_said(&system, 1);
    system.wait_status("both counted", |_| metric(&system, "refused") >= 1 && metric(&system, "malformed") >= 1);
    assert_eq!(system.status().unwrap()["components"][0]["state"], "starting");
    fs::write(system.path("go"), "").unwrap();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_barrier_is_passed_when_everything_before_it_was_taken() {
    let mut system = python_bot::system(
        "readiness = { notify = true }\n",
        r#"
notify("READY=1")
waits, passed = os.pipe()
notify("BARRIER=1", [passed])
os.close(passed)
say(os.read(waits, 1) == b"")
sleep_for_ever()"#,
    );
    system.start();
    assert_eq!(wait_said(&system, 1), ["True"]);
    system.wait_active();
    assert_eq!(system.stop(), 0);
}
