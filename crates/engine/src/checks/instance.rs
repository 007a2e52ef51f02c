//! No second engine runs this system. Asks the kernel who holds the lock without taking it: taking it, however briefly,
//! could turn away an engine that is just starting.

use super::{Finding, Subject};
use crate::process::{holder, lock};
use std::io;
use std::path::Path;

/// Who holds a state directory.
#[derive(Debug)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// An engine, with its process number where the lock's file says it.
    Engine(Option<i32>),
    /// It could not be found out.
    Unknown(io::Error),
}

/// Who holds the instance lock of a state directory.
pub fn holder_of(state_dir: &Path) -> Holder {
    match holder::open_held(state_dir) {
        Ok(Some((file, _))) => Holder::Engine(lock::Holder::read(&file).map(|holder| holder.engine)),
        Ok(None) => Holder::Nobody,
        Err(error) => Holder::Unknown(error),
    }
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let state = subject.config.state_dir();
    vec![match holder_of(state) {
        Holder::Nobody => Finding::passed("no engine runs this system"),
        Holder::Engine(Some(pid)) => Finding::passed(format!("one engine runs this system, pid {pid}")),
        Holder::Engine(None) => Finding::passed("one engine runs this system"),
        Holder::Unknown(error) => Finding::undetermined(
            format!("the lock in {} cannot be asked about: {error}", state.display()),
            "run this as the engine's user or root",
        ),
    }]
}
