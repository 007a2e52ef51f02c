//! The core under hosts that are worse than any real one: an exhaustive model check of all short histories, and a seeded
//! simulation of long ones with the journal on a simulated disk.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[expect(dead_code, reason = "the journal's own tests use the rest of it")]
mod disk;
mod model;
mod simulation;
