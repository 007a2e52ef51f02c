//! `failstop ps`: every process under its component, and words where no engine answers.

use crate::system::System;
use serde_json::Value;

#[test]
fn every_process_is_listed_below_its_component_with_what_it_uses() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"chain\", \"2\", \"beat\", \"100\"]\norders = \"asks\"\n\
         [[component]]\nname = \"once\"\ncommand = [\"BOT\", \"ready\", \"exit\", \"0\"]\norders = \"none\"\nrestart = \"never\"\n",
    );
    system.start();
    system.wait_status("one beats and one is gone", |status| {
        let component = |index: usize| &status["components"][index];
        component(0)["last_sign_seconds"].is_number() && component(1)["state"] == "failed"
    });
    let output = system.run("ps", &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let components = list["components"].as_array().unwrap();
    assert_eq!(components.len(), 1, "what does not run has no processes: {list}");
    let processes = components[0]["processes"].as_array().unwrap();
    assert_eq!((processes.len(), &components[0]["name"]), (3, &"bot".into()), "{list}");
    assert_eq!(
        (&processes[0]["pid"], &processes[0]["depth"]),
        (&components[0]["pid"], &0.into()),
        "the main process first"
    );
    assert_eq!(processes[2]["parent"], processes[1]["pid"], "each before its child: {list}");
    for process in processes {
        assert!(process["memory_bytes"].as_u64() > Some(10_000) && process["files"].as_u64() >= Some(3), "{process}");
        assert_eq!((&process["name"], &process["threads"]), (&"fake_bot".into(), &1.into()));
    }
    let own: Vec<i64> = list["failstop"].as_array().unwrap().iter().filter_map(|one| one["pid"].as_i64()).collect();
    assert_eq!(own, vec![i64::from(system.guard_pid()), i64::from(system.engine_pid())]);

    let text = String::from_utf8(system.run("ps", &[]).stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("component") && lines[1].starts_with("bot"), "{text}");
    assert!(lines[3].contains("    fake_bot") && text.contains("3 processes of 1 component"), "{text}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn without_an_engine_it_says_so_and_ends_with_3() {
    let system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    let output = system.run("ps", &[]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no engine of") && said.contains("failstop run"), "{said}");
}
