//! What replay finds: a journal with snapshots is damaged and rewritten in every small way, and each is named with its class and place;
//! no history that an engine writes is accused.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "../../../../tests/sim/disk.rs"]
#[expect(dead_code, reason = "the disk is shared with the simulation of the engine, which uses the rest")]
mod disk;

mod crash;
mod keeper;
mod mutations;
mod python;
mod rewrites;
