//! `restart` of a target: the ladder's means and limits.

use failstop_settings::{Argv, Choice, Consistent, Kind, Name, Places, Reading, Url, section, within};
use std::path::PathBuf;
use std::time::Duration;

section! {
    /// The restart ladder: ask, signal, wait, fence, start, verify; each needs the proof of the one before.
    pub struct Restart {
        /// Ask the engine first, over `control`. Absent: where there is one.
        ask: Option<bool>, absent true;
        /// An engine that was asked and does not answer within this is frozen: the next rung.
        ask_timeout: Duration, default "2s", within("100ms", "1m");
        /// An engine that said that it restarts may come back by itself, where a service manager starts it again, within this;
        /// then it is started from here. A copy that lives is never joined by another.
        come_back: Duration, default "5s", within("0s", "10m");
        /// The unit to stop and start: of the responder below, or of this file.
        unit: Option<Name>, absent "demo";
        /// The responder on the bot's host (`failstop-watchdog actuate`).
        actuate: Option<Url>, absent "http://bot-host:8082";
        /// The responder's name, which requests are signed for.
        actuate_name: Option<Name>, absent "bot-host";
        /// The key that the responder and this watchdog hold.
        actuate_key_file: Option<PathBuf>, absent "wd1.key";
        /// Instead of a unit: a program that ends the process. Status 0 only with proof that it is gone, 4 to refuse.
        signal: Option<Argv>, absent ["./stop-bot.sh"];
        /// Instead of a unit: a program that starts it. It must refuse (4) while the old process lives.
        start: Option<Argv>, absent ["./start-bot.sh"];
        /// Where it is started: "same-host", or "other-host", which needs a fence.
        start_on: StartOn, default "same-host";
        /// A program that fences it by what does not depend on it: power, the provider's API, the key at the venue.
        fence: Option<Argv>, absent ["./fence.sh"];
        /// A program that reads the fence's state back: status 0 when it holds.
        fence_proof: Option<Argv>, absent ["./fenced.sh"];
        /// The system's permit lease; twice this is waited for.
        lease: Duration, default "2s", within("100ms", "1m");
        /// A step that is not proved within this failed.
        step_timeout: Duration, default "60s", within("1s", "10m");
        /// After a start: up, with a new epoch and progress, within this.
        verify_within: Duration, default "2m", within("1s", "1h");
        /// So many tries ...
        tries: u32, default 3, within("1", "32");
        /// ... within this.
        within: Duration, default "1h", within("1m", "24h");
        /// So many tries a day.
        tries_a_day: u32, default 5, within("1", "32");
        /// The first pause after a failed try; it doubles.
        backoff: Duration, default "10s", within("100ms", "1h");
        /// The longest pause.
        backoff_max: Duration, default "5m", within("100ms", "24h");
        /// After this long healthy, pauses start anew.
        reset_after: Duration, default "10m", within("1s", "24h");
    }
}

impl Consistent for Restart {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let mut contradict = |keys: &[&str], message: &str, help: &str| {
            reading.refuse(Kind::Contradiction, &places.first_of(keys), format!("{} {message}", places.label), help);
        };
        let responder = [self.actuate.is_some(), self.actuate_name.is_some(), self.actuate_key_file.is_some()];
        if responder.contains(&true) && (responder.contains(&false) || self.unit.is_none()) {
            contradict(
                &["actuate", "actuate_name", "actuate_key_file"],
                "has a part of `actuate`, `actuate_name`, `actuate_key_file` and `unit`",
                "write all four: requests to a responder are signed for its name",
            );
        }
        if self.unit.is_some() && (self.signal.is_some() || self.start.is_some()) {
            contradict(&["signal", "start"], "has a unit and hooks that stand in for one", "remove one of them");
        }
        if self.fence.is_some() != self.fence_proof.is_some() {
            contradict(
                &["fence", "fence_proof"],
                "has one of `fence` and `fence_proof`",
                "write both: a fence counts once its state was read back",
            );
        }
        if self.start_on == StartOn::OtherHost && self.fence.is_none() {
            contradict(
                &["start_on"],
                "starts on another host without a fence",
                "add `fence` and `fence_proof`: two running bots cost money",
            );
        }
        if self.backoff > self.backoff_max {
            contradict(&["backoff_max"], "has a `backoff` longer than `backoff_max`", "write a longer `backoff_max`");
        }
    }
}

/// Where it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOn {
    /// Where it ran.
    SameHost,
    /// Somewhere else.
    OtherHost,
}

impl Choice for StartOn {
    const WORDS: &'static [(&'static str, Self)] = &[("same-host", Self::SameHost), ("other-host", Self::OtherHost)];
    const WANTED: &'static str = "\"same-host\" or \"other-host\"";
}
