//! Which of its powers this process could hand on or give up for a component: capabilities and priorities. For the start, and
//! for the check that says beforehand what the start would refuse.

use std::fmt::Write as _;
use std::io;

/// Numbers of the capabilities that this module asks for (capabilities(7)).
const CAP_SETPCAP: u8 = 8;
const CAP_SYS_NICE: u8 = 23;

/// What a new process keeps of the capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Bit `n` for capability `n`.
    pub bits: u64,
    /// Whether the others also leave the bounding set, so that no file can give them back.
    pub bounding: bool,
    /// Whether they must be carried over the change to a user that is not root.
    pub ambient: bool,
}

/// What this process may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnPowers {
    /// Its effective capabilities.
    pub capabilities: u64,
    /// The best priority that it may give, -20 to 19.
    pub least_nice: i32,
}

/// What cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// It has not got them.
    #[error("failstop itself does not have {0}, so it cannot hand it on")]
    NotOurs(String),
    /// Giving up for good takes a capability too.
    #[error("giving up capabilities takes CAP_SETPCAP, which failstop does not have here")]
    NoSetpcap,
    /// It would rank before failstop.
    #[error("nice {wanted} ranks before the best that failstop may give, which is {least}")]
    Nice {
        /// As configured.
        wanted: i32,
        /// The best that may be had.
        least: i32,
    },
}

impl PrivilegeError {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NotOurs(_) => "run failstop as root with all capabilities, or take it out of `capabilities`",
            Self::NoSetpcap => "give it to failstop, or remove `capabilities`",
            Self::Nice { .. } => "run failstop as root, or write a larger `nice`",
        }
    }
}

impl OwnPowers {
    /// Reads them.
    ///
    /// # Errors
    /// `/proc/self/status` cannot be read.
    pub fn read() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let capabilities = effective(&status)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status names no capabilities"))?;
        // SAFETY: takes numbers; a return of -1 is also a valid answer.
        let own = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let limit =
            nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NICE).map_or(0, |(soft, _)| soft);
        let by_limit = 20 - i32::try_from(limit.min(40)).unwrap_or(0);
        let least_nice = if has(capabilities, CAP_SYS_NICE) { -20 } else { own.min(by_limit) };
        Ok(Self { capabilities, least_nice })
    }

    /// What a component keeps. `wanted`: the capabilities that it is to keep, by number and name, where the configuration says;
    /// `other_user`: whether it runs as a user who is not root, and failstop is; `sandboxed`: whether the kernel is to keep it from
    /// anything, which some of them would lead around.
    ///
    /// # Errors
    /// [`PrivilegeError`]: what is wanted cannot be given.
    pub fn kept(
        &self,
        wanted: Option<&[(u8, String)]>,
        other_user: bool,
        sandboxed: bool,
    ) -> Result<Option<Kept>, PrivilegeError> {
        let may_bound = has(self.capabilities, CAP_SETPCAP);
        let Some(wanted) = wanted else {
            // The change of user takes them all away in any case; the bounding set is a second lock.
            let none = Kept { bits: 0, bounding: may_bound, ambient: false };
            return Ok((other_user || sandboxed).then_some(none));
        };
        let missing = wanted.iter().filter(|(number, _)| !has(self.capabilities, *number)).fold(
            String::new(),
            |mut names, (_, name)| {
                let _ = write!(names, "{}{name}", if names.is_empty() { "" } else { ", " });
                names
            },
        );
        if !missing.is_empty() {
            return Err(PrivilegeError::NotOurs(missing));
        }
        if !may_bound && self.capabilities != 0 {
            return Err(PrivilegeError::NoSetpcap);
        }
        let bits = wanted.iter().fold(0, |bits, (number, _)| bits | 1 << number);
        Ok(Some(Kept { bits, bounding: may_bound, ambient: other_user && bits != 0 }))
    }

    /// Whether it may give this priority.
    ///
    /// # Errors
    /// [`PrivilegeError::Nice`].
    pub fn may_nice(&self, wanted: i32) -> Result<(), PrivilegeError> {
        if wanted < self.least_nice {
            return Err(PrivilegeError::Nice { wanted, least: self.least_nice });
        }
        Ok(())
    }
}

fn has(capabilities: u64, number: u8) -> bool {
    capabilities >> number & 1 == 1
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: OwnPowers = OwnPowers { capabilities: 0x1ff_ffff_ffff, least_nice: -20 };
    const NOBODY: OwnPowers = OwnPowers { capabilities: 0, least_nice: 0 };

    fn bind() -> Vec<(u8, String)> {
        vec![(10, "CAP_NET_BIND_SERVICE".to_owned())]
    }

    #[test]
    fn the_effective_set_is_read() {
        assert_eq!(effective("Name:\tx\nCapEff:\t00000000000000ff\n"), Some(0xff));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn without_a_word_a_user_of_its_own_keeps_none_and_failstops_own_all() {
        assert_eq!(ROOT.kept(None, true, false), Ok(Some(Kept { bits: 0, bounding: true, ambient: false })));
        assert_eq!(ROOT.kept(None, false, false), Ok(None));
        let bare = OwnPowers { capabilities: 1 << 7 | 1 << 6, ..ROOT };
        assert_eq!(bare.kept(None, true, false), Ok(Some(Kept { bits: 0, bounding: false, ambient: false })));
        assert_eq!(NOBODY.kept(None, false, false), Ok(None));
        let none = Kept { bits: 0, bounding: true, ambient: false };
        assert_eq!(ROOT.kept(None, false, true), Ok(Some(none)), "and in a sandbox");
    }

    #[test]
    fn a_list_is_kept_where_it_can_be_and_refused_where_not() {
        assert_eq!(
            ROOT.kept(Some(&bind()), true, false),
            Ok(Some(Kept { bits: 0x400, bounding: true, ambient: true }))
        );
        assert_eq!(
            ROOT.kept(Some(&bind()), false, false),
            Ok(Some(Kept { bits: 0x400, bounding: true, ambient: false }))
        );
        assert_eq!(ROOT.kept(Some(&[]), true, false), Ok(Some(Kept { bits: 0, bounding: true, ambient: false })));
        assert_eq!(NOBODY.kept(Some(&[]), false, false), Ok(Some(Kept { bits: 0, bounding: false, ambient: false })));
        assert_eq!(
            NOBODY.kept(Some(&bind()), false, false),
            Err(PrivilegeError::NotOurs("CAP_NET_BIND_SERVICE".to_owned()))
        );
        let unbounded = OwnPowers { capabilities: 0x400, ..ROOT };
        assert_eq!(unbounded.kept(Some(&bind()), true, false), Err(PrivilegeError::NoSetpcap));
    }

    #[test]
    fn no_priority_before_what_may_be_given() {
        assert_eq!(ROOT.may_nice(-20), Ok(()));
        assert_eq!(NOBODY.may_nice(0), Ok(()));
        assert_eq!(NOBODY.may_nice(-1), Err(PrivilegeError::Nice { wanted: -1, least: 0 }));
    }
}
