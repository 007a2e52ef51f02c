//! failstop-watchdog: watches failstop systems from another machine, restarts them within strict limits, and tells people.
//!
//! [`heart`] decides and does nothing else; everything around it carries out what it orders.

pub mod acting;
pub mod actuate;
pub mod app;
pub mod asking;
pub mod client;
pub mod clock;
pub mod commands;
pub mod config;
pub mod disk;
pub mod doors;
pub mod exit;
pub mod heart;
pub mod log;
pub mod probe;
pub mod systemd;
pub mod tell;
pub mod witness;
