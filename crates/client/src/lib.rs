//! failstop-client: what a bot links, and the wire types that every door of failstop speaks.

pub mod status;
