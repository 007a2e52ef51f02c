//! failstop-engine: the shell around the core: it supervises, records, listens, and carries out what the core decides.

pub mod clock;
pub mod command;
pub mod kill_switch;
pub mod notify_socket;
pub mod output;
pub mod permit;
pub mod process;
pub mod runtime_dir;
pub mod systemd;
