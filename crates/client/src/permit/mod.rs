//! The permit: the lease by which a bot may trade, read in tens of nanoseconds before each order.

pub mod host;
pub mod layout;
