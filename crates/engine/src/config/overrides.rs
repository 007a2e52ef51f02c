//! What comes on top of the file: environment variables `FAILSTOP__SECTION__KEY`, then the flags of the command line.

use super::vocabulary::PREFIX;
use failstop_settings::Overlay;
use std::ffi::OsString;

/// What comes on top of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Environment variables; only those that begin with [`PREFIX`] are looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// `--profile NAME`.
    pub profile: Option<String>,
    /// `--listen ADDR`.
    pub listen: Option<String>,
    /// `--no-dashboard`.
    pub no_dashboard: bool,
    /// `--log-level L`.
    pub log_level: Option<String>,
    /// `--log-format text|json`.
    pub log_format: Option<String>,
    /// `--set KEY=VALUE`, in the order given; KEY is `section.key` or `component.NAME.key`.
    pub set: Vec<String>,
}

impl Overrides {
    /// The overrides of this process's environment, and no flags.
    pub fn from_environment() -> Self {
        Self { environment: failstop_settings::environment(PREFIX), ..Self::default() }
    }

    pub(crate) fn overlay(&self) -> Overlay {
        let no_dashboard = self.no_dashboard.then(|| "false".to_owned());
        let flags = [
            ("--profile", "system.profile", &self.profile),
            ("--listen", "observe.listen", &self.listen),
            ("--no-dashboard", "observe.dashboard", &no_dashboard),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ];
        let flags = flags.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value.clone()?))).collect();
        Overlay { environment: self.environment.clone(), set: self.set.clone(), flags }
    }
}
