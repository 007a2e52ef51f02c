//! The `failstop` command as a shell sees it: arguments in, text and exit status out. No engine runs here; where one must
//! answer, a stand-in does (`tests/e2e/` has the real one).

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod books;
mod bot_socket;
mod engine;
mod export;
mod folder;
mod help;
mod init;
mod journal;
mod kill_switch;
mod report;
mod setting;
mod usage;
mod verify_data;
mod watch;
