//! Processes: the guard above the engine, and everything that starts, watches, counts and ends component processes.
//!
//! For the engine's loop. The rules that these modules keep:
//!
//! - Whichever of failstop's own processes dies, no process of a component survives ([`guard`], [`extinguish`], and the
//!   parent-death signal that [`spawn`] sets).
//! - A new tree is never started before the old one is proven gone ([`tree`]; [`leftovers`] for earlier engines).
//! - One system has one engine ([`lock`], and for copies of its state directory [`twin`]) and every start a higher epoch ([`epoch`]).
//! - Processes are signalled by pidfd or as our own unreaped children, never by a number that may have been reused.
//!
//! Everything is synchronous and belongs to the engine's main thread: a parent-death signal fires when the thread that
//! spawned ends, not when the process does.

pub mod cgroup;
pub mod controllers;
pub mod credentials;
pub mod epoch;
pub mod extinguish;
pub mod guard;
pub mod holder;
pub mod init;
pub mod leftovers;
pub mod lock;
pub mod mark;
pub mod namespace;
pub mod own_code;
pub mod past_guard;
pub mod pidfd;
pub mod privileges;
pub mod procfs;
pub mod program;
pub mod reaper;
pub mod register;
pub mod sandbox;
pub mod signals;
pub mod spawn;
pub mod tree;
pub mod twin;
pub mod user;
pub mod watch_set;
