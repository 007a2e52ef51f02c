//! `[actuate]` and `[[unit]]`: what may be stopped and started on this host.

use super::listen::Listen;
use failstop_settings::{Argv, Consistent, Name, Places, Reading, exactly_one, section, within};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// The responder on a bot's host, `failstop-watchdog actuate`: signed stop, kill and start of the units below, and nothing
    /// else.
    pub struct Actuate {
        /// Its name, which requests are signed for.
        name: Name, required "bot-host";
        /// Where it listens.
        listen: Listen, default "127.0.0.1:8082";
        /// The keys of those who may ask.
        keys: Vec<PathBuf>, required ["wd1.key"];
        /// Where it remembers what it started.
        state_dir: PathBuf, default "actuate-state";
    }
}

impl Consistent for Actuate {}

section! {
    /// What may be stopped and started. Exactly one of pid_file and engine.
    pub struct UnitKeys {
        /// Its name.
        name: Name, required "demo";
        /// A file with the process's number, and where it is written its start time.
        pid_file: Option<PathBuf>, absent "/run/bot.pid";
        /// The runtime or state directory of a failstop engine.
        engine: Option<PathBuf>, absent "/run/failstop/demo";
        /// What stops it. Absent: SIGTERM to the guard or the process. No shell is involved.
        stop: Option<Argv>, absent ["systemctl", "stop", "failstop@demo"];
        /// What starts it.
        start: Option<Argv>, absent ["systemctl", "start", "failstop@demo"];
        /// From the stop to SIGKILL of everything that is left.
        grace: Duration, default "15s", within("0s", "10m");
    }
}

impl Consistent for UnitKeys {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let ways = [("pid_file", self.pid_file.is_some()), ("engine", self.engine.is_some())];
        exactly_one(&ways, "pid_file = \"/run/bot.pid\"", places, reading);
    }
}
