//! Exactly one engine a system, and a stop that reaches it.

use crate::hosts::{Host, Net};
use crate::system::{PATIENCE, System, alive, signal};
use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_second_instance_exits_with_4_and_touches_nothing() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    let before = (fs::read(system.path("state/epoch")).unwrap(), fs::read(system.path("run/engine.json")).unwrap());
    let output = system.run("run", &[]);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("another failstop runs this system"), "{error}");
    let after = (fs::read(system.path("state/epoch")).unwrap(), fs::read(system.path("run/engine.json")).unwrap());
    assert_eq!(before, after);
    assert_eq!(system.pid_of("bot"), Some(bot));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_journal_of_another_system_is_a_configuration_to_correct() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    let text = fs::read_to_string(system.path("failstop.toml")).unwrap();
    fs::write(system.path("failstop.toml"), text.replace(&system.name, "another")).unwrap();
    let output = system.run("run", &[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&system.name) && error.contains("`system.name`"), "{error}");
    assert!(error.contains(system.path("state").to_str().unwrap()), "{error}");
}

#[test]
fn a_frozen_engine_obeys_a_request_to_stop() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    signal(system.engine_pid(), libc::SIGSTOP);
    assert_eq!(system.stop(), 0);
    assert!(system.survivors().is_empty());
}

#[test]
fn an_engine_whose_lock_was_removed_ends_before_another_can_run_beside_it() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    std::fs::remove_file(system.path("state/LOCK")).unwrap();
    assert_eq!(system.wait_end(), 4, "{}", system.log());
    assert!(system.log().contains("leave LOCK where it is"), "{}", system.log());
    system.wait_no_survivors(crate::system::PATIENCE);
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    assert_eq!(system.run("verify-data", &[]).status.code(), Some(0));
}

/// `failstop run` on a copy of the state directory, with a runtime directory of its own.
fn run_a_copy(system: &System, host: &Host) -> Output {
    let copied = Command::new("cp").arg("-a").arg(system.path("state")).arg(system.path("copy")).status().unwrap();
    assert!(copied.success());
    let text = fs::read_to_string(system.path("failstop.toml")).unwrap();
    let text = text.replace("state_dir = \"state\"", "state_dir = \"copy\"");
    fs::write(system.path("copy.toml"), text.replace("runtime_dir = \"run\"", "runtime_dir = \"run2\"")).unwrap();
    let mut command = host.command(crate::system::failstop());
    // One that starts beside the first would run until the test ends it.
    let output = command.args(["run", "--config"]).arg(system.path("copy.toml")).current_dir(system.path(""));
    let mut child = output.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            signal(child.id().cast_signed(), libc::SIGTERM);
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn is_refused(system: &System, output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    for named in [system.engine_pid().to_string(), format!("kill {}", system.guard_pid())] {
        assert!(error.contains(&named), "{named}: {error}");
    }
    for directory in ["state", "copy"] {
        assert!(error.contains(system.path(directory).to_str().unwrap()), "{directory}: {error}");
    }
}

#[test]
fn a_copy_of_a_running_systems_state_starts_no_second_bot_and_ends_nothing_of_the_first() {
    for head in ["mode = \"dry\"", "mode = \"dry\"\ncgroup = false"] {
        let mut system =
            System::with_head(head, "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
        system.start();
        system.wait_active();
        let bot = system.pid_of("bot").unwrap();
        is_refused(&system, &run_a_copy(&system, &Host::here()));
        assert_eq!(system.pid_of("bot"), Some(bot));
        // What its starts need is still there.
        signal(bot, libc::SIGKILL);
        system.until("another start", || system.pid_of("bot").filter(|pid| *pid != bot && alive(*pid)));
        system.wait_active();
        assert_eq!(system.stop(), 0);
        // Nobody runs any more: the copy may be started now.
        fs::remove_dir_all(system.path("copy")).unwrap();
        fs::rename(system.path("state"), system.path("state.moved")).unwrap();
        let copied =
            Command::new("cp").arg("-a").arg(system.path("state.moved")).arg(system.path("state")).status().unwrap();
        assert!(copied.success());
        system.start();
        system.wait_active();
        assert_eq!(system.stop(), 0);
    }
}

#[test]
fn a_copy_is_refused_too_where_no_component_of_the_first_lives() {
    let mut system = System::new("[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n");
    system.start();
    system.wait_active();
    assert_eq!(system.run("stop", &["bot"]).status.code(), Some(0));
    system.until("the bot's end", || system.pid_of("bot").is_none().then_some(()));
    is_refused(&system, &run_a_copy(&system, &Host::here()));
    if let Some(net) = Net::make() {
        fs::remove_dir_all(system.path("copy")).unwrap();
        is_refused(&system, &run_a_copy(&system, &net.eye));
    }
    assert_eq!(system.stop(), 0);
}
