//! `[emergency]`: what failstop itself does at the venue when everything is to end, without the bot.

use super::environment::Inherited;
use super::variables::{ComponentVariables, Variables};
use failstop_settings::{Argv, Choice, Consistent, Kind, Name, Places, Reading, section, within, write_duration};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The most emergency actions of one system.
pub const MAX_EMERGENCY_ACTIONS: usize = 16;

/// The longest that all actions together may take, every try counted.
pub const MAX_EMERGENCY_TIME: Duration = Duration::from_secs(3600);

/// Between two tries of one action.
pub const EMERGENCY_PAUSE: Duration = Duration::from_secs(1);

section! {
    /// What failstop itself does when everything is to end: under the kill switch, and in fail-safe shutdown. It needs no bot, and
    /// under the kill switch no engine. Nothing of it holds up the refusal of orders or the end of the bot.
    pub struct Emergency {
        /// The actions, in this order: each an [[emergency.action]]. One that fails keeps none of the others from running.
        action: Vec<EmergencyAction>, default [];
        /// How old the last drill that went well may be before `failstop check` warns. Absent: it never does.
        drill_max_age: Option<Duration>, absent "720h", within("1h", "8760h");
    }
}

impl Consistent for Emergency {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let at = || places.first_of(&["action"]);
        if self.action.len() > MAX_EMERGENCY_ACTIONS {
            let message = format!("{} has {} actions", places.label, self.action.len());
            let help = format!("write at most {MAX_EMERGENCY_ACTIONS}; one program may do several things");
            reading.refuse(Kind::OutOfRange, &at(), message, help);
        }
        let mut names: Vec<&str> = self.action.iter().map(|action| action.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]) {
            let message = format!("{} has two actions with the name \"{twice}\"", places.label);
            reading.refuse(Kind::Duplicate, &at(), message, format!("write another name, for example \"{twice}-2\""));
        }
        let longest = self.longest();
        if longest > MAX_EMERGENCY_TIME {
            let message = format!(
                "the actions of {} may take {} together, every try counted",
                places.label,
                write_duration(longest)
            );
            let most = write_duration(MAX_EMERGENCY_TIME);
            reading.refuse(
                Kind::OutOfRange,
                &at(),
                message,
                format!("shorten `timeout` or `tries`, to {most} at most"),
            );
        }
    }
}

impl Emergency {
    /// How long all actions together may take, every try counted.
    pub fn longest(&self) -> Duration {
        self.action.iter().map(EmergencyAction::longest).fold(Duration::ZERO, Duration::saturating_add)
    }
}

section! {
    /// One thing that is done in an emergency: a program of the user's.
    pub struct EmergencyAction {
        /// Its name, for output, records and alerts.
        name: Name, required "cancel-all";
        /// What it does at the venue: "cancel-all" cancels every open order, "close-positions" closes what is held, "custom" is
        /// anything else. Positions are closed only where such an action stands.
        kind: EmergencyKind, required "cancel-all";
        /// The program and its arguments, as in a component's `command`. It is told by FAILSTOP_REASON, FAILSTOP_BY and others why it
        /// runs, and it must bear to be run twice: where nobody can know whether it ended, it is run again.
        command: Argv, required ["./cancel-all.sh"];
        /// Where it runs, relative to this file's folder.
        working_dir: PathBuf, default ".";
        /// In which emergencies it runs: "kill-switch", "failsafe" (any other halt that shuts everything down).
        when: Vec<EmergencyWhen>, default ["kill-switch", "failsafe"];
        /// After this long a try is killed, with everything below it. What it leaves running when it ends by itself is killed, too.
        timeout: Duration, default "30s", within("100ms", "10m");
        /// How often it is tried, a second apart, until a try ends well.
        tries: u32, default 1, within("1", "10");
        /// The exit statuses that mean that it was done.
        success: Vec<u32>, default [0];
        /// Variables added to its environment.
        env: Variables as ComponentVariables, default {};
        /// A file of NAME=VALUE lines added to its environment, for secrets: mode 0600. Read anew at each run, before it takes on
        /// its user; by root for somebody else's configuration only where it is that one's.
        env_file: Option<PathBuf>, absent "venue.env";
        /// The variables that it inherits from whoever runs it: the engine, or the shell of `failstop kill-switch`. A `*` at the end
        /// stands for all that begin so. Absent: none; PATH, HOME, USER, LOGNAME and LANG are set for it.
        inherit_env: Option<Inherited>, absent ["HTTPS_PROXY"];
        /// The user that it runs as, by name or number. Absent: the owner of the state directory. Another one needs root, and a
        /// configuration that is root's.
        user: Option<String>, absent "bot";
    }
}

impl Consistent for EmergencyAction {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.success.is_empty() {
            let message = format!("{} can never succeed: `success` is empty", places.label);
            reading.refuse(Kind::BadValue, &places.first_of(&["success"]), message, "write `success = [0]`");
        }
        if let Some(wrong) = self.success.iter().find(|status| **status > 255) {
            let message = format!("{wrong} is no exit status, in `success` of {}", places.label);
            reading.refuse(Kind::OutOfRange, &places.first_of(&["success"]), message, "write statuses from 0 to 255");
        }
        if self.when.is_empty() {
            let message = format!("{} never runs: `when` is empty", places.label);
            let help = "write `when = [\"kill-switch\", \"failsafe\"]`, or remove the action";
            reading.refuse(Kind::BadValue, &places.first_of(&["when"]), message, help);
        }
    }
}

impl EmergencyAction {
    /// How long it may take, every try and the pauses between them counted.
    pub fn longest(&self) -> Duration {
        let pauses = EMERGENCY_PAUSE.saturating_mul(self.tries.saturating_sub(1));
        self.timeout.saturating_mul(self.tries).saturating_add(pauses)
    }
}

/// What an action does at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmergencyKind {
    /// Cancels every open order.
    CancelAll,
    /// Closes what is held.
    ClosePositions,
    /// Anything else.
    Custom,
}

impl EmergencyKind {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CancelAll => "cancel-all",
            Self::ClosePositions => "close-positions",
            Self::Custom => "custom",
        }
    }
}

impl Choice for EmergencyKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("cancel-all", Self::CancelAll), ("close-positions", Self::ClosePositions), ("custom", Self::Custom)];
    const WANTED: &'static str = "\"cancel-all\", \"close-positions\" or \"custom\"";
    const WHEN_MISSING: &'static str = "say what it does at the venue; choose one:\n\
        kind = \"cancel-all\"       it cancels every open order\n\
        kind = \"close-positions\"  it closes what is held\n\
        kind = \"custom\"           anything else";
}

/// In which emergency an action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmergencyWhen {
    /// The kill switch is engaged.
    KillSwitch,
    /// Any other halt shuts everything down.
    Failsafe,
}

impl Choice for EmergencyWhen {
    const WORDS: &'static [(&'static str, Self)] = &[("kill-switch", Self::KillSwitch), ("failsafe", Self::Failsafe)];
    const WANTED: &'static str = "\"kill-switch\" or \"failsafe\"";
}
