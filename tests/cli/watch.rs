//! `failstop status --watch` on a terminal of its own (a pty), as a person has it.

use crate::engine::{engine, status};
use crate::folder::Folder;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The bound of every wait: far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of a new terminal of this size.
fn terminal(columns: u16, rows: u16) -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the two numbers are written, the size is read, and nothing else is pointed at.
    let opened = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size)
    };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened, and nobody else has them.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

/// What is written to a terminal, piece by piece.
fn written(mut terminal: File) -> Receiver<Vec<u8>> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        // The end of the last writer is an error here.
        while let Ok(read @ 1..) = terminal.read(&mut piece) {
            if tell.send(piece[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    told
}

/// Everything up to where `wanted` was written.
fn until(told: &Receiver<Vec<u8>>, wanted: &str) -> String {
    let end = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if text.contains(wanted) {
            return text;
        }
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(piece) => all.extend(piece),
            Err(_) => panic!("waited in vain for {wanted}; there was: {text}"),
        }
    }
}

fn watches(no_colour: bool, columns: u16) -> String {
    let folder = Folder::with_system();
    let _posted = engine(&folder, status("observe-only", "healthy"), (500, json!({})));
    let (ours, theirs) = terminal(columns, 24);
    let mut keys = ours.try_clone().unwrap();
    let told = written(ours);
    let mut command = Command::new(env!("CARGO_BIN_EXE_failstop"));
    command
        .args(["status", "--watch"])
        .current_dir(folder.path(""))
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR");
    if no_colour {
        command.env("NO_COLOR", "1");
    }
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs).stderr(Stdio::null());
    let mut watching = command.spawn().unwrap();
    drop(command);
    // The last row is drawn last; it may be broken, and blanks are passed over.
    let shown = until(&told, "nds");
    keys.write_all(b"q").unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(1), "the verdict: not active");
    // The screen is given back as it was.
    shown + &until(&told, "\u{1b}[?1049l")
}

#[test]
fn a_terminal_gets_a_picture_and_is_given_back() {
    let shown = watches(false, 100);
    assert!(shown.starts_with("\u{1b}[?1049h") && shown.contains("OBSERVE-ONLY"), "{shown:?}");
    assert!(shown.contains("\u{1b}[38;5;3"), "in colour: {shown:?}");
}

#[test]
fn without_colour_and_in_a_narrow_terminal_the_word_is_there() {
    let shown = watches(true, 20);
    assert!(shown.contains("OBSERVE-ONLY"), "{shown:?}");
    for colour in ["\u{1b}[31", "\u{1b}[32", "\u{1b}[33", "\u{1b}[38"] {
        assert!(!shown.contains(colour), "{shown:?}");
    }
}

#[test]
fn a_terminal_that_cannot_do_that_gets_lines() {
    let shown = lines(status("active", "healthy"), &["status", "--watch"], "dumb", "journal");
    assert!(shown.contains("ACTIVE") && !shown.contains("1049h"), "{shown:?}");
}

#[test]
fn a_section_is_watched_as_lines() {
    let mut status = status("active", "healthy");
    status["gate"] = json!({
        "money": "USD", "trading_day": "2026-11-26", "paper": true, "open_orders": 3, "allowed": 40, "refused": 2,
        "rates_allowed": 1, "rates_refused": 0, "refusals": {}, "left_out": 0, "results": [], "limits": [], "waived": {},
        "overrides": [], "awaiting": [], "feeds": [], "api_usage": [],
        "orders": { "outcomes": {}, "success_rate": null, "latency_seconds": null }
    });
    let shown = lines(status, &["status", "--watch", "--section", "risk"], "xterm-256color", "refused in this epoch");
    assert!(shown.contains("trading day 2026-11-26") && !shown.contains("1049h"), "{shown:?}");
}

/// What a command that is no picture shows on a terminal of this kind, up to where `wanted` is written.
fn lines(status: Value, arguments: &[&str], term: &str, wanted: &str) -> String {
    let folder = Folder::with_system();
    let _posted = engine(&folder, status, (500, json!({})));
    let (ours, theirs) = terminal(80, 24);
    let told = written(ours);
    let mut command = Command::new(env!("CARGO_BIN_EXE_failstop"));
    command.args(arguments).current_dir(folder.path("")).env("TERM", term);
    command.stdin(Stdio::null()).stdout(theirs).stderr(Stdio::null());
    let mut watching = command.spawn().unwrap();
    drop(command);
    let shown = until(&told, wanted);
    watching.kill().unwrap();
    watching.wait().unwrap();
    shown
}
