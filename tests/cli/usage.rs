//! Wrong words, missing files, closed pipes, odd environments: an exit status that means something, a text that says
//! what to do next, and never a panic.

use crate::folder::{Folder, Ran};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

#[test]
fn wrong_words_are_usage() {
    let folder = Folder::with_system();
    let cases: [&[&str]; 17] = [
        &[],
        &["frobnicate"],
        &["kill-switch"],
        &["mode"],
        &["mode", "paper"],
        &["mode", "live"],
        &["kill-switch", "engage"],
        &["kill-switch", "engage", "--reason", "  "],
        &["kill-switch", "release", "--reason", "x"],
        &["resume", "--reason", "x"],
        &["resume", "--halt", "first", "--reason", "x", "--confirm", "demo"],
        &["verify-data", "--config", "failstop.toml", "--state", "state"],
        &["verify-data", "--format", "xml"],
        &["check", "--only", "a", "--skip", "b"],
        &["send"],
        &["send", "heartbeat", "42"],
        &["completions", "tcsh"],
    ];
    for arguments in cases {
        let ran = folder.run(arguments).ends(2);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn checks_are_named_one_by_one_or_with_commas() {
    let folder = Folder::with_system();
    let of = |arguments: &[&str]| {
        let ran = Ran::of(
            folder.command().args(["check", "--offline", "--format", "json"]).args(arguments).output().unwrap(),
        );
        let report: serde_json::Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.err));
        let made = report["checks"].as_array().unwrap().iter().filter(|check| check["reason"] != "--skip");
        made.map(|check| check["name"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<String>>()
    };
    let both = of(&["--only", "secrets,command"]);
    assert_eq!(both, ["secrets".to_owned(), "command".to_owned()].into());
    assert_eq!(of(&["--only", "secrets", "--only", "command"]), both);
    let rest = of(&["--skip", "secrets,command"]);
    assert!(!rest.is_empty() && rest.is_disjoint(&both), "{rest:?}");
}

#[test]
fn wrong_words_to_status_are_unknown_to_whoever_watches() {
    let folder = Folder::new();
    for arguments in [["status", "--nagios", "--watch"].as_slice(), &["status", "--socket", "a", "--url", "b"]] {
        let ran = folder.run(arguments).ends(3);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn no_configuration_says_how_to_name_one() {
    let folder = Folder::new();
    for arguments in [
        ["verify-data"].as_slice(),
        &["check"],
        &["run"],
        &["events"],
        &["mode", "dry"],
        &["resume", "--reason", "x", "--confirm", "demo"],
    ] {
        let ran = folder.run(arguments).ends(2);
        assert!(ran.err.starts_with("error: no configuration at failstop.toml: "), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("next: name it with --config or $FAILSTOP_CONFIG"), "{arguments:?}: {}", ran.err);
    }
    // Two means critical to whoever reads the status.
    folder.run(&["status"]).ends(3);
}

#[test]
fn the_configuration_comes_from_the_flag_the_environment_or_here() {
    let folder = Folder::with_system();
    let state = |name: &str| format!("[system]\nname = \"{0}-{name}\"\nstate_dir = \"{name}-state\"\n", folder.name);
    folder.write("flag.toml", &state("flag"));
    folder.write("environment.toml", &state("environment"));
    let ask = |arguments: &[&str], variable: &str| {
        let mut command = folder.command();
        command.args(["kill-switch", "status"]).args(arguments).env("FAILSTOP_CONFIG", variable);
        Ran::of(command.output().unwrap()).out
    };
    assert!(ask(&["--config", "flag.toml"], "environment.toml").contains(&format!("system {}-flag:", folder.name)));
    assert!(ask(&[], "environment.toml").contains(&format!("system {}-environment:", folder.name)));
    assert!(ask(&[], "").contains(&format!("system {}:", folder.name)), "an empty variable is none");
}

#[test]
fn a_state_directory_by_flag_stands_before_the_environment() {
    let folder = Folder::new();
    let mut command = folder.command();
    command.args(["verify-data", "--state", "nowhere"]).env("FAILSTOP_CONFIG", "missing.toml");
    let ran = Ran::of(command.output().unwrap()).ends(3);
    assert!(ran.err.contains("nowhere") || ran.err.contains("journal"), "{}", ran.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::with_system();
    let lines: String = (1..=20_000).map(|seq| crate::journal::line(seq, "heartbeat", "{}")).collect();
    folder.write("state/journal/j-0000000000000001.ndjson", &lines);
    for arguments in [
        ["events"].as_slice(),
        &["events", "--format", "json"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
        &["init", "--output", "-"],
        &["kill-switch", "status", "--state", "state"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("failstop"));
        command.args(arguments).current_dir(folder.path("")).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let ran = Ran::of(command.output().unwrap()).ends(0);
        assert_eq!(ran.err, "", "{arguments:?}");
    }
}

#[test]
fn arguments_need_not_be_text() {
    let folder = Folder::new();
    let odd = OsStr::from_bytes(b"no-\xff-such.toml");
    let mut command = folder.command();
    command.args(["verify-data", "--config"]).arg(odd);
    let ran = Ran::of(command.output().unwrap()).ends(2);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);

    let mut command = folder.command();
    command.args(["kill-switch", "engage", "--reason"]).arg(OsStr::from_bytes(b"\xff"));
    Ran::of(command.output().unwrap()).ends(2);
}

#[test]
fn no_colour_where_nobody_sees_it() {
    let folder = Folder::with_system();
    folder.write("state/kill-switch", "{}");
    for variable in ["NO_COLOR", "UNRELATED"] {
        let mut command = folder.command();
        command.args(["kill-switch", "status"]).env(variable, "1");
        let ran = Ran::of(command.output().unwrap()).ends(1);
        assert!(ran.out.contains("engaged") && !ran.out.contains('\x1b'), "{}", ran.out);
    }
    let mut command = folder.command();
    command.args(["kill-switch", "status"]).env("CLICOLOR_FORCE", "1");
    assert!(Ran::of(command.output().unwrap()).ends(1).out.contains('\x1b'), "colour can be asked for");
}

#[test]
fn completions_name_every_command() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.run(&["completions", shell]).ends(0).quiet().out;
        for word in ["verify-data", "kill-switch", "engage", "completions"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn a_state_directory_that_is_none_is_said_with_what_to_correct() {
    let folder = Folder::with_system();
    folder.write("state", "a file");
    let ran = folder.run(&["run"]).ends(2);
    assert!(ran.err.contains("no directory has its name") && ran.err.contains("`system.state_dir`"), "{}", ran.err);
    std::fs::remove_file(folder.path("state")).unwrap();
    std::os::unix::fs::symlink("nowhere/at/all", folder.path("state")).unwrap();
    let ran = folder.run(&["run"]).ends(2);
    assert!(ran.err.contains("no directory has its name"), "{}", ran.err);
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    let folder = Folder::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("failstop"))
        .arg("--help")
        .current_dir(folder.path(""))
        .stdout(full)
        .output()
        .unwrap();
    let ran = Ran::of(command).ends(3);
    assert!(ran.err.contains("cannot write to standard output"), "{}", ran.err);
}

/// What works on files refuses a system on another host, instead of taking this one's for it.
#[test]
fn files_of_another_host_are_not_taken_for_ours() {
    let folder = Folder::with_system();
    for command in [
        ["config", "check"].as_slice(),
        &["config", "history"],
        &["config", "rollback"],
        &["config", "set", "log.level", "debug"],
        &["config", "get", "log.level", "--file"],
        &["kill-switch", "drill"],
    ] {
        let far = ["--url", "https://bot-host:8443", "--token-file", "token"];
        let ran = folder.run(&[command, &far].concat()).ends(2);
        assert!(ran.err.contains("those of https://bot-host:8443 are on another host"), "{command:?}: {}", ran.err);
    }
}
