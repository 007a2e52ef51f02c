//! A runtime directory that is removed under the engine.

use crate::system::{System, until};

#[test]
fn a_runtime_directory_that_vanishes_is_told_and_a_command_says_what_is_so() {
    let mut system = System::new(
        "[limits]\nsample_every = \"1s\"\n[alerts]\nchannels = [\"console\"]\n\
         [[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n",
    );
    system.start();
    system.wait_active();
    let engine = system.engine_pid();
    std::fs::remove_dir_all(system.path("run")).unwrap();
    let told = || system.log().contains("the runtime directory is gone").then_some(());
    until(|| format!("an alert of it\nlog:\n{}", system.log()), told);
    let asked = system.run("status", &[]);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(3), "{said}");
    for words in [
        format!("runs (process {engine})"),
        "runtime directory was removed".to_owned(),
        "kill-switch engage".to_owned(),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    // It ends as ever, and the next start is a whole one.
    assert_eq!(system.stop(), 0);
    let asked = system.run("status", &[]);
    assert!(String::from_utf8_lossy(&asked.stderr).contains("no engine of"), "nobody runs any more");
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
}
