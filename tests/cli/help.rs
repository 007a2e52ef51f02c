//! `--help` of every command, as a person reads it. Changing a name here breaks somebody's runbook.

use crate::folder::Folder;

/// Every command with a help of its own.
const COMMANDS: [&str; 66] = [
    "",
    "init",
    "run",
    "check",
    "verify-data",
    "journal",
    "journal retire",
    "status",
    "kill-switch",
    "kill-switch engage",
    "kill-switch release",
    "kill-switch drill",
    "kill-switch status",
    "resume",
    "mode",
    "mode dry",
    "mode live",
    "maintenance",
    "maintenance on",
    "maintenance off",
    "token",
    "token new",
    "token list",
    "token revoke",
    "alerts",
    "alerts list",
    "alerts ack",
    "alerts test",
    "ps",
    "stop",
    "start",
    "restart",
    "reload",
    "events",
    "export",
    "report",
    "logs",
    "snapshot",
    "snapshot take",
    "snapshot list",
    "snapshot show",
    "orders",
    "orders list",
    "orders confirm",
    "orders resolve",
    "import",
    "send",
    "gate",
    "limits",
    "limits list",
    "limits override",
    "limits end",
    "breaker",
    "breaker status",
    "breaker reset",
    "config",
    "config show",
    "config get",
    "config check",
    "config diff",
    "config reload",
    "config history",
    "config rollback",
    "config set",
    "config schema",
    "completions",
];

#[test]
fn help_of_every_command() {
    let folder = Folder::new();
    for command in COMMANDS {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let ran = folder.run(&arguments).ends(0).quiet();
        assert!(!ran.out.contains('\x1b'), "help has no colour");
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{command} is too wide");
        assert!(ran.out.contains("\nExamples:\n  "), "{command} has no example");
        let name = if command.is_empty() { "failstop".to_owned() } else { command.replace(' ', "-") };
        insta::assert_snapshot!(format!("help-{name}"), ran.out);
    }
}

/// Whatever stands under "Commands:" in a help is in the list above, so that none goes unread.
#[test]
fn no_command_is_forgotten() {
    let folder = Folder::new();
    for command in COMMANDS {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let help = folder.run(&arguments).ends(0).out;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        for line in listed.filter(|line| line.starts_with("  ") && !line.starts_with("    ")) {
            let name = format!("{command} {}", line.split_whitespace().next().unwrap());
            assert!(COMMANDS.contains(&name.trim_start()), "{name} has no snapshot");
        }
    }
}

#[test]
fn help_is_a_command_too() {
    let folder = Folder::new();
    for words in [["help"].as_slice(), &["help", "config"], &["help", "config", "set"]] {
        let asked = folder.run(&[&words[1..], &["--help"]].concat()).ends(0).quiet().out;
        assert_eq!(folder.run(words).ends(0).quiet().out, asked, "{words:?}");
    }
    assert!(folder.run(&["help", "nothing"]).ends(2).err.contains("nothing"));
}

#[test]
fn the_version_is_the_packages() {
    let ran = Folder::new().run(&["--version"]).ends(0).quiet();
    assert_eq!(ran.out, concat!("failstop ", env!("CARGO_PKG_VERSION"), "\n"));
}
