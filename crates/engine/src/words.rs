//! The words of the glossary and the way people say durations, in one place for terminal, status and metrics.

use core::time::Duration;
use failstop_core::{Cause, Mode, Permission};

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

/// `41 ms`, `4.2 s`, `14 min`, `2 min 28 s`, `3 h 12 min`, `5 d 3 h`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 1 {
        return format!("{} ms", span.as_millis());
    }
    if seconds < 10 {
        let tenths = span.subsec_millis() / 100;
        return if tenths == 0 { format!("{seconds} s") } else { format!("{seconds}.{tenths} s") };
    }
    let (large, small, units) = if seconds < 60 {
        return format!("{seconds} s");
    } else if seconds < 3_600 {
        (seconds / 60, seconds % 60, ("min", "s"))
    } else if seconds < 86_400 {
        (seconds / 3_600, seconds % 3_600 / 60, ("h", "min"))
    } else {
        (seconds / 86_400, seconds % 86_400 / 3_600, ("d", "h"))
    };
    if small == 0 { format!("{large} {}", units.0) } else { format!("{large} {} {small} {}", units.0, units.1) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_say_them() {
        let said = |millis| duration(Duration::from_millis(millis));
        assert_eq!(said(41), "41 ms");
        assert_eq!(said(1_000), "1 s");
        assert_eq!(said(4_250), "4.2 s");
        assert_eq!(said(59_999), "59 s");
        assert_eq!(said(60_000), "1 min");
        assert_eq!(said(148_000), "2 min 28 s");
        assert_eq!(said(3 * 3_600_000 + 12 * 60_000), "3 h 12 min");
        assert_eq!(said(123 * 3_600_000), "5 d 3 h");
    }

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
