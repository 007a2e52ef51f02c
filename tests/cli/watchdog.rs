//! The watchdog's skeleton must not be mistaken for a watchdog.

use crate::folder::Ran;
use std::path::Path;
use std::process::Command;

#[test]
fn it_says_that_it_watches_nothing_and_fails() {
    // It belongs to another package, so it stands beside the command only where the whole workspace was built.
    let binary = assert_cmd::cargo::cargo_bin("failstop").with_file_name("failstop-watchdog");
    if !Path::new(&binary).exists() {
        return;
    }
    let ran = Ran::of(Command::new(&binary).args(["--config", "watchdog.toml"]).output().unwrap()).ends(3);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("does not watch anything yet"), "{}", ran.err);
    let help = Ran::of(Command::new(&binary).arg("--help").output().unwrap()).ends(0).quiet();
    assert!(help.out.contains("does not watch anything yet"), "{}", help.out);
    Ran::of(Command::new(&binary).arg("--frob").output().unwrap()).ends(2);
}
