//! Which actions there are: as the configuration says or, where that cannot be read, as it said at the last start.

use super::FOLDER;
use super::run::Cause;
use crate::config::{Config, EMERGENCY_PAUSE, EmergencyAction, EmergencyKind, EmergencyWhen, Variables, Writer};
use crate::kill_switch::durable;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The plan's name in the folder.
const FILE: &str = "plan.json";
/// The largest that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What is to be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The system's name.
    pub system: String,
    /// The folder that programs are relative to.
    pub folder: PathBuf,
    /// When an engine wrote it down; empty where it comes from the configuration itself.
    #[serde(default)]
    pub saved: String,
    /// The actions.
    pub actions: Vec<Action>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// What it does at the venue.
    pub kind: EmergencyKind,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// In which emergencies.
    pub when: Vec<EmergencyWhen>,
    /// How long one try may take.
    pub timeout_ms: u64,
    /// How often it is tried.
    pub tries: u32,
    /// The exit statuses that mean that it was done.
    pub success: Vec<u32>,
    /// Variables.
    pub env: Variables,
    /// A file of variables.
    pub env_file: Option<PathBuf>,
    /// The variables that it inherits, as the configuration names them.
    pub inherit: Vec<String>,
    /// The user that it runs as, where one is named.
    pub user: Option<String>,
}

impl Action {
    fn of(action: &EmergencyAction) -> Self {
        Self {
            name: action.name.as_str().to_owned(),
            kind: action.kind,
            argv: action.command.as_slice().to_vec(),
            directory: absolute(&action.working_dir),
            when: action.when.clone(),
            timeout_ms: u64::try_from(action.timeout.as_millis()).unwrap_or(u64::MAX),
            tries: action.tries,
            success: action.success.clone(),
            env: action.env.clone(),
            env_file: action.env_file.as_deref().map(absolute),
            inherit: action.inherit_env.as_ref().map(|names| names.as_slice().to_vec()).unwrap_or_default(),
            user: action.user.clone(),
        }
    }

    /// How long one try may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How long it may take, every try and the pauses between them counted.
    pub fn longest(&self) -> Duration {
        let pauses = EMERGENCY_PAUSE.saturating_mul(self.tries.saturating_sub(1));
        self.timeout().saturating_mul(self.tries).saturating_add(pauses)
    }
}

/// Why the plan that was written down cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is not there, or cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} does not say what to do: {source}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Plan {
    /// As the configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            system: config.name().to_owned(),
            folder: absolute(&config.folder),
            saved: String::new(),
            actions: config.emergency.action.iter().map(Action::of).collect(),
        }
    }

    /// The part of it that is run for this.
    #[must_use]
    pub fn run_for(&self, cause: Cause) -> Self {
        let is_for = |action: &&Action| cause.when().is_none_or(|when| action.when.contains(&when));
        let actions = self.actions.iter().filter(is_for).cloned().collect();
        Self { actions, ..self.clone() }
    }

    /// How long all of it may take.
    pub fn longest(&self) -> Duration {
        self.actions.iter().map(Action::longest).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Writes it down for a day on which the configuration cannot be read. An empty one, too: what was taken out must not run.
    ///
    /// # Errors
    /// Those of writing.
    pub fn save(&self, state_dir: &Path, at: String) -> io::Result<()> {
        let saved = Self { saved: at, ..self.clone() };
        let mut text = serde_json::to_vec_pretty(&saved)?;
        text.push(b'\n');
        durable::replace_private(&state_dir.join(FOLDER).join(FILE), &text)
    }

    /// What the last start wrote down, and who may write the file that says so.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn saved(state_dir: &Path) -> Result<(Self, Writer), PlanError> {
        let path = state_dir.join(FOLDER).join(FILE);
        let failed = |source| PlanError::Io { path: path.clone(), source };
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = File::options().read(true).custom_flags(flags).open(&path).map_err(failed)?;
        let writer = Writer::of(&file).map_err(failed)?;
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        let plan = serde_json::from_slice(&text).map_err(|source| PlanError::Malformed { path, source })?;
        Ok((plan, writer))
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const TWO: &str = "[[emergency.action]]\nname = \"cancel\"\nkind = \"cancel-all\"\ncommand = [\"./c.sh\", \"x\"]\n\
        timeout = \"2s\"\ntries = 3\n[[emergency.action]]\nname = \"tell\"\nkind = \"custom\"\ncommand = [\"true\"]\n\
        when = [\"failsafe\"]\nenv = { A = \"1\" }\n";

    #[test]
    fn it_says_what_the_configuration_says_in_its_order() {
        let config = crate::config::tests::with(TWO);
        let plan = Plan::of(&config);
        let names: Vec<&str> = plan.actions.iter().map(|action| action.name.as_str()).collect();
        assert_eq!(names, ["cancel", "tell"]);
        assert_eq!(plan.actions[0].argv, ["./c.sh", "x"]);
        assert_eq!(plan.actions[0].longest(), Duration::from_secs(3 * 2 + 2));
        assert_eq!(plan.longest(), Duration::from_secs(8 + 30));
        assert_eq!(plan.longest(), config.emergency.longest(), "both count alike");
        assert_eq!(plan.actions[0].kind, EmergencyKind::CancelAll);
        assert_eq!(plan.run_for(Cause::Drill), plan, "a drill rehearses everything");
        let of_the_switch = plan.run_for(Cause::KillSwitch);
        assert_eq!(of_the_switch.actions.len(), 1);
        assert_eq!(of_the_switch.actions[0].name, "cancel");
    }

    #[test]
    fn what_is_written_down_is_read_back_and_nobody_elses_to_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
        assert!(matches!(Plan::saved(dir.path()), Err(PlanError::Io { .. })));
        let plan = Plan::of(&crate::config::tests::with(TWO));
        plan.save(dir.path(), "2026-11-03T09:14:07Z".to_owned()).unwrap();
        let (read, writer) = Plan::saved(dir.path()).unwrap();
        assert_eq!(read.saved, "2026-11-03T09:14:07Z");
        assert_eq!(Plan { saved: String::new(), ..read }, plan);
        assert_eq!(writer, Writer::Owner(nix::unistd::geteuid().as_raw()));
        let path = dir.path().join(FOLDER).join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Plan::saved(dir.path()), Err(PlanError::Malformed { .. })));
    }
}
