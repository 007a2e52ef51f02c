//! The words of the glossary and the way people say durations, in one place for terminal, status and metrics.

use failstop_core::{Cause, Mode, Permission};

pub use failstop_view::duration::duration;

/// `active`, `reduce-only`, `observe-only`, `shutdown`.
pub fn permission(permission: Permission) -> &'static str {
    match permission {
        Permission::Active => "active",
        Permission::ReduceOnly => "reduce-only",
        Permission::ObserveOnly => "observe-only",
        Permission::Shutdown => "shutdown",
    }
}

/// `dry`, `live`.
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Dry => "dry",
        Mode::Live => "live",
    }
}

/// A cause's name as in the journal and the reference.
pub fn cause(cause: Cause) -> &'static str {
    cause.name()
}

/// `once`, `twice`, `5 times`.
pub fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// `9 (SIGKILL)`; just the number for signals without a name.
pub fn signal(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => format!("{number} ({signal})"),
        Err(_) => number.to_string(),
    }
}

/// A permission as a number, for pages, charts and metrics: 0 `shutdown`, 1 `observe-only`, 2 `reduce-only`, 3 `active`.
pub const fn permission_level(permission: Permission) -> u8 {
    match permission {
        Permission::Shutdown => 0,
        Permission::ObserveOnly => 1,
        Permission::ReduceOnly => 2,
        Permission::Active => 3,
    }
}

/// FNV-1a, 64 bits: a small hash that is the same in every version, so that what one named another finds.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_names_are_those_of_the_journal() {
        let all = [
            Cause::KillSwitch,
            Cause::Failsafe,
            Cause::NewJournal,
            Cause::HeartbeatLost,
            Cause::ComponentDown,
            Cause::BotRequest,
        ];
        for one in all {
            let journal = serde_json::to_string(&one).unwrap_or_default();
            assert_eq!(journal, format!("\"{}\"", cause(one)));
        }
    }
}
