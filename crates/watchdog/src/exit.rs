//! Exit statuses, which runbooks and service managers rely on.

/// Good, or done.
pub const GOOD: u8 = 0;
/// The answer is no, or refused.
pub const NO: u8 = 1;
/// Usage, or a configuration that cannot be used.
pub const USAGE: u8 = 2;
/// Could not find out, or no watchdog runs.
pub const UNKNOWN: u8 = 3;
/// With `actuate --ssh`: refused, because the world is not what was thought.
pub const REFUSED: u8 = 4;
/// With `actuate --ssh`: refused, because it was stopped on purpose.
pub const STOPPED: u8 = 5;
