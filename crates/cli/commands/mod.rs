//! One file a command.

pub mod alerts;
pub mod breaker;
pub mod check;
pub mod completions;
pub mod component;
pub mod config;
pub mod emergency;
pub mod events;
pub mod export;
pub mod gate;
pub mod import;
pub mod init;
pub mod kill_switch;
pub mod limits;
pub mod logs;
pub mod maintenance;
pub mod mode;
pub mod orders;
pub mod ps;
pub mod resume;
pub mod run;
pub mod send;
pub mod snapshot;
pub mod status;
pub mod token;
pub mod verify_data;
