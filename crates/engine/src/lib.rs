//! failstop-engine: the shell around the core: it supervises, records, listens, and carries out what the core decides.

pub mod clock;
pub mod command;
pub mod notify_socket;
pub mod output;
pub mod process;
pub mod systemd;
