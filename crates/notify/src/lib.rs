//! Alerts on their way to people: an alert becomes requests to channels, each delivered, retried or refused.
//!
//! The crate is a wall that waits for its first tenant: it has no code yet, and nothing links it.
