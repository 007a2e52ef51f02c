//! failstop-client: what a bot links, and the wire types that every door of failstop speaks.
//!
//! Blocking and small. Two things a bot needs: [`permit::Permit`], checked before each order, and the bot socket, on
//! which it says that it lives and what it sees.

pub mod access;
pub mod alerts;
pub mod books;
pub mod configuration;
pub mod gate;
pub mod history;
pub mod permit;
#[cfg(feature = "signed")]
pub mod private_file;
pub mod processes;
pub mod session;
#[cfg(feature = "signed")]
pub mod signed;
pub mod status;
#[cfg(feature = "signed")]
pub mod token;
pub mod wire;
