//! Bots as small Python scripts, for what no library speaks: they have `notify(text, descriptors)` and `say(word)`, which adds
//! a line to the file `said`.

use crate::system::System;
use std::fs;

const PRELUDE: &str = r#"
import array, os, signal, socket, subprocess, sys, threading, time

def notify(text, fds=()):
    path = os.environ["NOTIFY_SOCKET"]
    if path[0] == "@":
        path = "\0" + path[1:]
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.sendmsg([text.encode()], rights, 0, path)

def say(word):
    with open("said", "a") as said:
        said.write(f"{word}\n")

def sleep_for_ever():
    while True:
        time.sleep(3600)
"#;

/// The line of a component's configuration that runs `script` (a file of this name beside the configuration).
pub fn command(script: &str) -> String {
    format!("command = [\"python3\", \"-u\", \"DIR/{script}.py\"]\n")
}

/// Writes the script.
pub fn write(system: &System, script: &str, text: &str) {
    fs::write(system.path(&format!("{script}.py")), format!("{PRELUDE}\n{text}\n")).unwrap();
}

/// A system of one component, `bot`, that runs this text, with further keys.
pub fn system(keys: &str, text: &str) -> System {
    let system = System::new(&format!("[[component]]\nname = \"bot\"\norders = \"asks\"\n{}{keys}\n", command("bot")));
    write(&system, "bot", text);
    system
}

/// What was said so far, line by line.
pub fn said(system: &System) -> Vec<String> {
    let text = fs::read_to_string(system.path("said")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until so many lines were said; all of them.
#[track_caller]
pub fn wait_said(system: &System, count: usize) -> Vec<String> {
    system.wait_status(&format!("{count} lines, said so far: {:?}", said(system)), |_| said(system).len() >= count);
    said(system)
}
