//! failstop-engine: the shell around the core: it supervises, records, listens, and carries out what the core decides.

pub mod access;
pub mod alerts;
pub mod announce;
pub mod app;
mod beside;
pub mod books;
pub mod checks;
pub mod clock;
pub mod command;
pub mod config;
pub mod custom;
pub mod doors;
pub mod emergency;
pub mod footprint;
pub mod gate;
pub mod history;
pub mod kill_switch;
pub mod limits;
pub mod lost_journal;
pub mod masking;
pub mod metrics;
pub mod notify_socket;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod output;
pub mod outside;
pub mod permit;
pub mod price_poller;
pub mod probing;
pub mod process;
pub mod reloading;
pub mod retire;
pub mod runtime_dir;
pub mod shared_rates;
pub mod status;
pub mod systemd;
pub mod thresholds;
pub mod words;

pub use failstop_view::printable;
