//! The kill switch has two ways to a running engine, the files and the control socket: each alone stops everything, and nobody is
//! told more than came of them.

use crate::system::{PATIENCE, System, has_halt, signal};
use crate::users::{self, Users};
use failstop_engine::permit::revoke_path;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";

#[track_caller]
fn ends(output: &Output, code: i32, says: &[&str]) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
    text
}

#[test]
fn an_admin_who_may_write_no_file_stops_it_by_the_engine_and_others_are_told_that_they_did_not() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let (viewer, admin, stranger) = (51_011, 51_012, 51_013);
    let mut system = System::new(&format!(
        "{BOT}[control]\nviewers = [\"{viewer}\"]\nadmins = [\"{admin}\"]\n[[emergency.action]]\nname = \"cancel\"\n\
         kind = \"cancel-all\"\ncommand = [\"sh\", \"-c\", \"echo ran >> DIR/ran\"]\n"
    ));
    users::may_read(&system);
    system.start();
    system.wait_active();
    let (users, configuration) = (Users::new(), system.path("failstop.toml"));
    let run = |user: u32, command: &str, arguments: &[&str]| users.run(&configuration, user, command, arguments);
    for user in [viewer, admin] {
        ends(&run(user, "kill-switch status", &[]), 0, &[": off"]);
    }
    ends(&run(stranger, "kill-switch status", &[]), 3, &["not known", "may not control this system"]);

    let engage = ["--reason", "venue misprices"];
    for (user, why) in [(viewer, "needs the role admin"), (stranger, "may not control this system")] {
        let said = ends(
            &run(user, "kill-switch engage", &engage),
            3,
            &["refused the order", why, "goes on as before", "0 killed"],
        );
        assert!(!said.contains("keeps everything stopped"), "{said}");
    }
    let status = system.status().unwrap();
    assert_eq!((&status["permission"], &status["kill_switch"]), (&Value::from("active"), &Value::from(false)));
    assert!(!system.path("ran").exists(), "no action without an engagement");

    let by_engine = ["took the order", "keeps everything stopped", "none left", "cancel: done"];
    let said = ends(&run(admin, "kill-switch engage", &engage), 0, &by_engine);
    assert!(!said.contains(" killed"), "it killed nothing itself: {said}");
    assert!(system.survivors().is_empty());
    assert!(system.path("state/kill-switch").exists());
    assert_eq!(fs::read_to_string(system.path("ran")).unwrap(), "ran\n", "once");
    for user in [viewer, admin] {
        ends(&run(user, "kill-switch status", &[]), 1, &["engaged since", "venue misprices"]);
    }
    ends(&run(stranger, "kill-switch status", &[]), 3, &["not known"]);
    let given = system.wait_record(1, "x.failstop.control", |body| body["control"] == "emergency stop");
    assert_eq!(given["b"]["by"], format!("uid {admin}"), "{given}");
    // Again is done as well.
    ends(&run(admin, "kill-switch engage", &engage), 0, &["took the order"]);
    system.stop();
}

/// A directory in which nothing can be made, whoever one is; for as long as this lives.
struct Immutable(PathBuf);

impl Immutable {
    /// `None` where the file system has no such thing, or this user may not.
    fn make(path: PathBuf) -> Option<Self> {
        let made = Command::new("chattr").arg("+i").arg(&path).output().is_ok_and(|made| made.status.success());
        made.then_some(Self(path))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(&self.0).output();
    }
}

#[test]
fn where_no_latch_can_be_written_who_and_why_reach_the_engine_and_the_status_says_engaged() {
    let mut system = System::new(BOT);
    system.start();
    system.wait_active();
    let Some(immutable) = Immutable::make(system.path("state")) else {
        println!("skipped: no directory can be made immutable here");
        return;
    };
    let engaged = system.run("kill-switch engage", &["--reason", "venue is gone"]);
    ends(&engaged, 1, &["not on the disk", "took the order", "keeps everything stopped"]);
    assert!(system.survivors().is_empty());
    let status = system.wait_status("shutdown", |status| has_halt(status, "kill-switch"));
    let halt = status["halts"].as_array().unwrap().iter().find(|halt| halt["cause"] == "kill-switch").unwrap();
    assert!(halt["evidence"].as_str().unwrap().contains("venue is gone"), "{halt}");
    assert!(status["kill_switch_unlatched"].is_string(), "{status}");
    let said = system.run("kill-switch status", &[]);
    ends(&said, 1, &["engaged since", "venue is gone", "not on the disk"]);
    let json: Value = serde_json::from_slice(&system.run("kill-switch status", &["--format", "json"]).stdout).unwrap();
    assert_eq!((&json["engaged"], &json["engine"]), (&Value::from(true), &Value::from(true)), "{json}");
    drop(immutable);
    assert_eq!(system.stop(), 5);
    // The journal remembers it.
    system.start();
    assert_eq!(system.wait_answer()["kill_switch"], true);
    assert!(system.path("state/kill-switch").exists());
    assert_eq!(system.stop(), 5);
}

#[test]
fn behind_a_revoked_page_nothing_is_started_again() {
    let mut system = System::new(BOT);
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    revoke_path(&system.path("run/permit")).unwrap();
    signal(bot, libc::SIGKILL);
    let status = system.wait_status("shutdown", |status| status["kill_switch"] == true);
    assert_eq!(status["permission"], "shutdown", "{status}");
    system.wait_no_survivors(PATIENCE);
    let starts = system.records().iter().filter(|record| record["t"] == "component.started").count();
    assert_eq!(starts, 1, "it was started again");
    assert_eq!(system.stop(), 5);
}
