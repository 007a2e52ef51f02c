//! What a component is kept from, by the kernel and for good: files beyond its own folder (Landlock), and system calls that no bot
//! needs (seccomp). Made before the new process is born, which only puts it in force.

mod filesystem;
mod system_calls;

pub use filesystem::{FilesystemError, Reach, landlock_version, ruleset};
pub use system_calls::{Filter, FilterError, filters_available, ordinary};

use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What a new process puts in force on itself.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// A Landlock ruleset.
    pub files: Option<Arc<OwnedFd>>,
    /// A seccomp filter.
    pub calls: Option<Arc<Filter>>,
}
