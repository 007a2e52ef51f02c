//! What failstop says to systemd of itself, when systemd started it with `Type=notify`: ready, reloading, stopping, its
//! status in a line, beats for `WatchdogSec=`, and more time while its components take theirs to stop. Words only: the guard is systemd's main process and carries them.
//!
//! `WATCHDOG_PID` names the guard and is ignored: the beats must come from the engine, since it is the engine that can
//! hang.

use std::time::Duration;

/// While it stops, failstop asks for so much more time ...
const STOP_EXTENSION: Duration = Duration::from_secs(30);

/// ... this often, so that a hang in the middle of it is noticed.
const EXTENDED_EVERY: Duration = Duration::from_secs(10);

/// The longest status line, in bytes.
const MAX_STATUS_BYTES: usize = 1024;

/// The engine's words for systemd. Each method gives the datagram to send, or `None` where there is nothing to say:
/// nobody listens, or systemd knows already.
#[derive(Debug, Default)]
pub struct Systemd {
    listens: bool,
    beat_every: Option<Duration>,
    last_status: String,
}

impl Systemd {
    /// `listens`: whether a service manager does, as the guard knows. The beat's interval comes from `WATCHDOG_USEC` in
    /// the environment.
    pub fn from_env(listens: bool) -> Self {
        Self::new(listens, std::env::var("WATCHDOG_USEC").ok().as_deref())
    }

    fn new(listens: bool, watchdog_usec: Option<&str>) -> Self {
        Self {
            listens,
            beat_every: watchdog_usec.filter(|_| listens).and_then(beat_interval),
            last_status: String::new(),
        }
    }

    /// How often [`Systemd::beat`] has to come: half of what systemd waits for. `None`: no beats are wanted.
    pub fn beat_every(&self) -> Option<Duration> {
        self.beat_every
    }

    /// Start-up is over, or a reload is.
    pub fn ready(&mut self, status: &str) -> Option<String> {
        let status = self.remember(status);
        self.say(format!("READY=1\nSTATUS={status}\n"))
    }

    /// Its status in a line; only when it changed.
    pub fn status(&mut self, status: &str) -> Option<String> {
        if one_line(status) == self.last_status {
            return None;
        }
        let status = self.remember(status);
        self.say(format!("STATUS={status}\n"))
    }

    /// The configuration is being read again; [`Systemd::ready`] ends it.
    pub fn reloading(&self) -> Option<String> {
        // systemd (Type=notify-reload) wants the time of CLOCK_MONOTONIC, so that it can tell this from an earlier one.
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
            .map_or(0, |time| i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_nsec()) / 1_000);
        self.say(format!("RELOADING=1\nMONOTONIC_USEC={now}\n"))
    }

    /// It ends, on purpose.
    pub fn stopping(&mut self, status: &str) -> Option<String> {
        let status = self.remember(status);
        self.say(format!("STOPPING=1\nSTATUS={status}\n"))
    }

    /// It is still stopping, and components take their time.
    pub fn extend(&self) -> Option<String> {
        self.say(format!("EXTEND_TIMEOUT_USEC={}\n", STOP_EXTENSION.as_micros()))
    }

    /// How often [`Systemd::extend`] has to come while it stops. `None`: nobody listens.
    pub fn extend_every(&self) -> Option<Duration> {
        self.listens.then_some(EXTENDED_EVERY)
    }

    /// A healthy cycle is over.
    pub fn beat(&self) -> Option<String> {
        self.beat_every.and_then(|_| self.say("WATCHDOG=1\n".to_owned()))
    }

    fn remember(&mut self, status: &str) -> String {
        self.last_status = one_line(status);
        self.last_status.clone()
    }

    fn say(&self, text: String) -> Option<String> {
        self.listens.then_some(text)
    }
}

/// A status must not smuggle in another field.
fn one_line(status: &str) -> String {
    let end = (0..=status.len().min(MAX_STATUS_BYTES)).rev().find(|end| status.is_char_boundary(*end)).unwrap_or(0);
    status[..end].replace(|character: char| character.is_control(), " ")
}

fn beat_interval(watchdog_usec: &str) -> Option<Duration> {
    let micros: u64 = watchdog_usec.trim().parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros) / 2)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn what_systemd_hears() {
        let mut systemd = Systemd::new(true, Some("3000000"));
        assert_eq!(systemd.beat_every(), Some(Duration::from_millis(1_500)));
        assert_eq!(systemd.ready("active").unwrap(), "READY=1\nSTATUS=active\n");
        assert_eq!(systemd.status("active"), None, "nothing is said twice");
        assert_eq!(systemd.beat().unwrap(), "WATCHDOG=1\n");
        assert!(systemd.reloading().unwrap().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(systemd.stopping("stopping").unwrap(), "STOPPING=1\nSTATUS=stopping\n");
        assert_eq!(systemd.extend().unwrap(), "EXTEND_TIMEOUT_USEC=30000000\n");
        assert!(systemd.extend_every().is_some_and(|every| every * 2 < STOP_EXTENSION));
    }

    #[test]
    fn a_status_smuggles_nothing_in_and_is_bounded() {
        let mut systemd = Systemd::new(true, None);
        assert_eq!(systemd.status("observe-only\nMAINPID=1").unwrap(), "STATUS=observe-only MAINPID=1\n");
        let long = systemd.status(&"\u{e9}".repeat(4_000)).unwrap();
        assert_eq!(long.len(), "STATUS=\n".len() + MAX_STATUS_BYTES);
    }

    #[test]
    fn beats_only_where_they_are_wanted() {
        for (listens, usec) in [(true, None), (true, Some("0")), (true, Some("x")), (false, Some("3000000"))] {
            let systemd = Systemd::new(listens, usec);
            assert_eq!((systemd.beat_every(), systemd.beat()), (None, None), "{listens} {usec:?}");
        }
    }

    #[test]
    fn silent_where_nobody_listens() {
        let mut systemd = Systemd::new(false, None);
        assert_eq!((systemd.ready("active"), systemd.status("x"), systemd.stopping("y")), (None, None, None));
        assert_eq!((systemd.extend(), systemd.extend_every()), (None, None));
    }
}
