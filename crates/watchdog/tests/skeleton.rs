//! The skeleton must not be mistaken for a watchdog.

use std::process::{Command, Output};

fn watchdog(arguments: &[&str]) -> Output {
    match Command::new(env!("CARGO_BIN_EXE_failstop-watchdog")).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("the binary under test does not start: {error}"),
    }
}

#[test]
fn it_says_that_it_watches_nothing_and_fails() {
    for arguments in [[].as_slice(), &["--config", "watchdog.toml"]] {
        let output = watchdog(arguments);
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stdout.is_empty());
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.starts_with("error: ") && err.contains("does not watch anything yet"), "{err}");
    }
}

#[test]
fn help_says_it_too_and_usage_is_two() {
    let help = watchdog(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("does not watch anything yet"));
    assert_eq!(watchdog(&["--frob"]).status.code(), Some(2));
}
