//! Real processes: `failstop run` with bots that crash, hang and hide, looked at from outside as a user would.
//!
//! Rounds of the randomised tests: `FAILSTOP_ROUNDS` (a small number by default, 200 for the long run; storms of alerts take
//! `FAILSTOP_STORM`, 500). How long the bot socket is under fire: `FAILSTOP_FUZZ_SECONDS` (2, 600 for the long run).

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

mod access;
mod alerts;
mod bookkeeper;
mod books;
mod bot_api;
mod bot_socket;
mod breaker;
mod browser;
mod certificates;
mod clients;
mod clock_step;
mod commands;
mod configuration;
mod conformance;
mod crash;
mod credentials;
mod dashboard;
mod dependency;
mod dialogues;
mod direct;
mod emergency;
mod emergency_faults;
mod environment;
mod example_bots;
mod forged;
mod gate;
mod gate_and_books;
mod gate_fuzz;
mod guard;
mod hang;
mod health_over_tls;
mod hosts;
mod injected;
mod instance;
mod isolation;
mod kill_switch;
mod kill_switch_ways;
mod lease;
mod lifecycle;
mod limits;
mod listener;
mod maintenance;
mod matrix;
mod metrics;
mod not_watched;
mod observe_by_token;
mod output;
mod outside;
mod peers;
mod places;
mod probes;
mod ps;
mod python_bot;
mod real_bots;
mod receiver;
mod remote;
mod retire;
mod runtime_dir;
mod sandbox;
mod sd_descriptors;
mod sd_main_process;
mod sd_notify;
mod sd_systemd;
mod sd_words;
mod shared_gate;
mod snapshots;
mod ssh;
mod stage;
mod storage;
mod storm;
mod strangers;
mod survivors;
mod system;
mod telegram;
mod thresholds;
mod traces;
mod two_hosts;
mod users;
mod venue;
mod verifying;
mod watched;
mod wire;
mod witness;

/// How many rounds a randomised test runs.
fn rounds(default: u32) -> u32 {
    std::env::var("FAILSTOP_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
