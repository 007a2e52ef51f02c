//! `failstop kill-switch` without any engine: never started, configuration sound, broken or missing.

use crate::engine::{engine, status};
use crate::folder::{Folder, contents};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

fn latch(folder: &Folder, path: &str) -> Value {
    serde_json::from_slice(&contents(&folder.path(path))).unwrap()
}

#[test]
fn a_system_that_was_never_started_can_be_engaged() {
    let folder = Folder::with_system();
    let ran = folder.run(&["kill-switch", "engage", "--reason", "not today"]).ends(0);
    assert!(ran.out.contains("state is made: this system was never started"), "{}", ran.out);
    assert_eq!(latch(&folder, "state/kill-switch")["reason"], "not today");
    // A typed directory that is not there is more likely a mistake than a system.
    folder.run(&["kill-switch", "engage", "--reason", "x", "--state", "sate"]).ends(3);
    assert!(!folder.path("sate").exists());
}

#[test]
fn engaged_twice_is_done_twice_and_keeps_the_first_reason() {
    let folder = Folder::with_system();
    std::fs::create_dir(folder.path("state")).unwrap();
    folder.run(&["kill-switch", "status"]).ends(0).quiet();
    let ran = folder.run(&["kill-switch", "engage", "--reason", "venue misprices"]).ends(0);
    assert!(ran.out.starts_with(&format!("kill switch of system {} engaged\n", folder.name)), "{}", ran.out);
    assert!(ran.out.contains("open orders"), "{}", ran.out);
    assert_eq!(latch(&folder, "state/kill-switch")["reason"], "venue misprices");
    let ran = folder.run(&["kill-switch", "engage", "--reason", "again"]).ends(0);
    assert!(ran.out.contains("venue misprices"), "{}", ran.out);
    assert_eq!(latch(&folder, "state/kill-switch")["reason"], "venue misprices");

    let ran = folder.run(&["kill-switch", "status"]).ends(1).quiet();
    assert!(ran.out.contains("venue misprices") && ran.out.contains("again"), "{}", ran.out);
    assert!(ran.out.contains(&format!("release --reason \"...\" --confirm {}\n", folder.name)), "{}", ran.out);
    let json: Value =
        serde_json::from_str(&folder.run(&["kill-switch", "status", "--format", "json"]).ends(1).out).unwrap();
    assert_eq!((json["engaged"].as_bool(), json["reason"].as_str()), (Some(true), Some("venue misprices")));
}

#[test]
fn a_broken_configuration_blocks_nothing_and_is_said() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("s")).unwrap();
    let text = format!("[system\n[system]\nname = \"{}\"\nstate_dir = \"s\"\nprofile = [[[\n", folder.name);
    folder.write("failstop.toml", &text);
    let ran = folder.run(&["kill-switch", "engage", "--reason", "drill"]).ends(0);
    assert!(ran.out.contains("failstop.toml cannot be parsed"), "{}", ran.out);
    assert_eq!(latch(&folder, "s/kill-switch")["reason"], "drill");
}

#[test]
fn directories_by_flag_need_no_configuration() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("a/state")).unwrap();
    folder.write("a/state/epoch", "3\n");
    let engage = ["kill-switch", "engage", "--reason", "drill", "--state", "a/state", "--runtime", "a/run"];
    let ran = folder.run(&engage).ends(0);
    assert!(ran.out.contains("--runtime a/run does not exist"), "{}", ran.out);
    assert_eq!(latch(&folder, "a/state/kill-switch")["reason"], "drill");
}

#[test]
fn a_folder_in_which_no_system_has_run_is_not_reported_as_a_success() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("a/state")).unwrap();
    let ran = folder.run(&["kill-switch", "engage", "--reason", "drill", "--state", "a"]).ends(1);
    assert!(ran.out.contains("engaged, but no system has ever run there"), "{}", ran.out);
    assert_eq!(latch(&folder, "a/kill-switch")["reason"], "drill", "what can be done is done");
}

#[test]
fn a_configuration_that_is_a_pipe_keeps_nobody_waiting() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("state")).unwrap();
    folder.write("state/epoch", "1\n");
    nix::unistd::mkfifo(&folder.path("failstop.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for words in ["kill-switch engage --reason x", "kill-switch status", "status", "alerts list", "events"] {
        let arguments: Vec<&str> = words.split(' ').chain(["--config", "failstop.toml"]).collect();
        let ran = folder.run(&arguments);
        assert!(matches!(ran.status, Some(2 | 3)), "{words}: {:?} {}", ran.status, ran.err);
        assert!(ran.err.contains("failstop.toml: it is no file but a pipe"), "{words}: {}", ran.err);
    }
    let ran = folder.run(&["kill-switch", "engage", "--reason", "x", "--config", "failstop.toml", "--state", "state"]);
    let ran = ran.ends(0);
    assert!(ran.out.contains("failstop.toml is not used: it is no file but a pipe"), "{}", ran.out);
    assert_eq!(latch(&folder, "state/kill-switch")["reason"], "x");
    // A folder of that name is told as what it is.
    let ran = folder.run(&["kill-switch", "status", "--config", "state"]).ends(2);
    assert!(ran.err.contains("directory"), "{}", ran.err);
}

#[test]
fn a_latch_that_says_nothing_is_engaged() {
    let folder = Folder::with_system();
    folder.write("state/kill-switch", "");
    let ran = folder.run(&["kill-switch", "status"]).ends(1);
    assert!(ran.out.contains("engaged"), "{}", ran.out);
}

#[test]
fn release_needs_an_engine() {
    let folder = Folder::with_system();
    folder.write("state/kill-switch", "{}");
    let ran = folder.run(&["kill-switch", "release", "--reason", "x", "--confirm", "demo"]).ends(3);
    assert!(ran.err.contains("next: start it with `failstop run --config failstop.toml`"), "{}", ran.err);
    assert!(folder.path("state/kill-switch").exists());
}

#[test]
fn nothing_could_be_done_is_three() {
    let folder = Folder::new();
    // A state directory that cannot hold a latch: a file stands in its place.
    folder.write("state", "");
    folder.run(&["kill-switch", "engage", "--reason", "x", "--state", "state"]).ends(3);
}

#[test]
fn what_the_files_do_not_take_the_engine_may_and_its_refusal_is_nothing_done() {
    let unwritable = || {
        let folder = Folder::with_system();
        // A file in the place of the state directory takes no latch, whoever one is.
        folder.write("state", "");
        folder
    };
    let mut stopped = status("shutdown", "healthy");
    stopped["kill_switch"] = true.into();
    stopped["components"][0]["pid"] = Value::Null;
    stopped["components"][0]["state"] = "stopped".into();
    let folder = unwritable();
    let posted = engine(&folder, stopped.clone(), (200, json!({ "done": true })));
    let ran = folder.run(&["kill-switch", "engage", "--reason", "venue misprices"]).ends(0);
    let (method, path, body) = posted.recv().unwrap();
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/control/emergency-stop"));
    assert_eq!(body["reason"], "venue misprices");
    for words in ["engaged with its engine's help", "took the order", "none left, as the engine says", "open orders"] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }

    // Something still runs, or the engine's own latch failed.
    stopped["kill_switch_unlatched"] = "write: no room".into();
    let folder = unwritable();
    let _posted = engine(&folder, stopped, (200, json!({ "done": true })));
    let ran = folder.run(&["kill-switch", "engage", "--reason", "x"]).ends(1);
    assert!(ran.out.contains("write: no room"), "{}", ran.out);

    let folder = unwritable();
    let _posted = engine(&folder, status("active", "healthy"), (403, json!({ "error": "it needs the role admin" })));
    let ran = folder.run(&["kill-switch", "engage", "--reason", "x"]).ends(3);
    assert!(ran.out.contains("refused the order") && ran.out.contains("it needs the role admin"), "{}", ran.out);
    assert!(ran.out.contains("goes on as before") && !ran.out.contains("keeps everything stopped"), "{}", ran.out);
}

#[test]
fn where_no_latch_is_seen_the_engine_says_whether_it_is_engaged() {
    let folder = Folder::with_system();
    // There is nothing to read, and no engine.
    let ran = folder.run(&["kill-switch", "status"]).ends(3);
    assert!(ran.out.contains(": not known: ") && !ran.out.contains(": engaged"), "{}", ran.out);
    let json = folder.run(&["kill-switch", "status", "--format", "json"]).ends(3);
    assert!(serde_json::from_str::<Value>(&json.out).unwrap()["engaged"].is_null(), "{}", json.out);

    let mut stopped = status("shutdown", "healthy");
    stopped["kill_switch"] = true.into();
    stopped["kill_switch_unlatched"] = "write: no room".into();
    stopped["halts"] = json!([{"id": "h-4", "cause": "kill-switch", "cap": "shutdown", "latched": true,
        "since": "2026-11-03T09:14:07.000Z", "evidence": "engaged by ana: venue is gone"}]);
    std::fs::create_dir(folder.path("state")).unwrap();
    let _posted = engine(&folder, stopped, (500, json!({})));
    let ran = folder.run(&["kill-switch", "status"]).ends(1);
    for words in
        ["engaged since 2026-11-03T09:14:07.000Z: engaged by ana: venue is gone", "not on the disk", "write: no room"]
    {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let folder = Folder::with_system();
    std::fs::create_dir(folder.path("state")).unwrap();
    let _posted = engine(&folder, status("active", "healthy"), (500, json!({})));
    folder.run(&["kill-switch", "status"]).ends(0);
}

const ACTION: &str = "[[emergency.action]]\nname = \"cancel\"\nkind = \"cancel-all\"\ncommand = [\"sh\", \"-c\", \"echo $FAILSTOP_EMERGENCY $FAILSTOP_DRILL >> ran\"]\n";

#[test]
fn a_drill_needs_something_to_rehearse_and_a_configuration() {
    let folder = Folder::with_system();
    let none = folder.run(&["kill-switch", "drill"]).ends(1);
    assert!(none.err.contains("has no emergency actions"), "{}", none.err);
    let text = String::from_utf8(contents(&folder.path("failstop.toml"))).unwrap();
    folder.write("failstop.toml", &format!("{text}{ACTION}"));
    let ran = folder.run(&["kill-switch", "drill"]).ends(0);
    assert!(ran.out.contains("cancel   cancel-all   done") && ran.out.contains("1 done, 0 not"), "{}", ran.out);
    assert_eq!(contents(&folder.path("ran")), b"drill 1\n");
    // A system that was never started has no place to keep it, and none is made.
    assert!(!folder.path("state").exists());
    std::fs::create_dir(folder.path("state")).unwrap();
    folder.run(&["kill-switch", "drill"]).ends(0);
    let status = folder.run(&["kill-switch", "status"]).ends(0);
    assert!(status.out.contains("drill      last at") && status.out.contains("1 done, 0 not"), "{}", status.out);
    folder.write("failstop.toml", &format!("{text}{ACTION}nonsense = = 3\n"));
    folder.run(&["kill-switch", "drill"]).ends(2);
    folder.write("failstop.toml", &format!("{text}{}", ACTION.replace("cancel-all", "sell")));
    let refused = folder.run(&["kill-switch", "drill"]).ends(2);
    assert!(refused.err.contains("it is one of \"cancel-all\", \"close-positions\", \"custom\""), "{}", refused.err);
}

#[test]
fn the_actions_are_in_the_order_of_the_file_and_each_engagement_runs_them_once() {
    let folder = Folder::with_system();
    let text = String::from_utf8(contents(&folder.path("failstop.toml"))).unwrap();
    let second = ACTION.replace("cancel\"", "second\"").replace("sh", "false");
    folder.write("failstop.toml", &format!("{text}{second}{ACTION}"));
    let ran = folder.run(&["kill-switch", "engage", "--reason", "x"]).ends(1);
    let (first, then) = (ran.out.find("second: failed after").unwrap(), ran.out.find("cancel: done after").unwrap());
    assert!(first < then, "{}", ran.out);
    let again = folder.run(&["kill-switch", "engage", "--reason", "y"]).ends(1);
    assert!(again.out.contains("were run for this engagement"), "{}", again.out);
    assert_eq!(contents(&folder.path("ran")), b"kill-switch 0\n");
    let json: Value =
        serde_json::from_str(&folder.run(&["kill-switch", "status", "--format", "json"]).ends(1).out).unwrap();
    assert_eq!(json["emergency"]["run"]["steps"][0]["ended"]["outcome"]["outcome"], "failed");
    assert!(json["emergency"]["running"].is_null() && json["emergency"]["drill"].is_null());
}

#[test]
fn in_the_wrong_folder_it_is_said_how_to_find_the_system_without_a_configuration() {
    let folder = Folder::new();
    for arguments in [
        &["kill-switch", "engage", "--reason", "now"][..],
        &["kill-switch", "status"],
        &["kill-switch", "release", "--reason", "over", "--confirm", "demo"],
    ] {
        let ran = folder.run(arguments).ends(2);
        assert!(ran.err.contains("--state DIR") && !ran.err.contains("init"), "{}", ran.err);
    }
}

#[test]
fn whoever_may_not_look_is_not_told_that_it_is_engaged() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can ask as somebody else");
        return;
    }
    let folder = Folder::with_system();
    folder.run(&["kill-switch", "engage", "--reason", "x"]).ends(0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_failstop"));
    command.args(["kill-switch", "status", "--state"]).arg(folder.path("state"));
    let output = command.current_dir("/").uid(4_711).gid(4_711).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code() == Some(3) && said.contains("not known") && said.contains("as root"), "{said}");
}
