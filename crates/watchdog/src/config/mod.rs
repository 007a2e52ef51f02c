//! The configuration: `watchdog.toml`, or the environment where there is no file. Built-in < file < environment
//! (`FAILSTOP_WATCHDOG__SECTION__KEY`). Each section is declared once, in its own file.

mod checkin;
mod environment;
mod listen;
mod network;
mod restart;
mod target;
mod unit;
mod watchdog;

pub use checkin::CheckIn;
pub use environment::from_environment;
pub use listen::Listen;
pub use network::{Network, Outside, Peer, Role};
pub use restart::{Restart, StartOn};
pub use target::{DegradedIs, NonceMode, StreamMode, Target};
pub use unit::{Actuate, UnitKeys};
pub use watchdog::{LogFormat, Watchdog};

use failstop_notify::settings::Alerts;
use failstop_settings::document::Table;
use failstop_settings::{
    ConfigErrors, Kind, Overlay, Problem, Read, Reading, Section, SectionInfo, Shape, Source, Vocabulary,
    environment as overrides, label, nearest, origin_in, read, repeated, single, tables,
};
use std::path::{Path, PathBuf};

/// The most targets.
pub const TARGETS_MAX: usize = 4096;

/// The most check-ins.
pub const CHECKINS_MAX: usize = 4096;

/// What environment variables that override a key begin with.
pub const PREFIX: &str = "FAILSTOP_WATCHDOG__";

static VOCABULARY: Vocabulary = Vocabulary {
    file: "watchdog.toml",
    no_file: "give its path with --config or FAILSTOP_WATCHDOG_CONFIG, or set HEALTH_CHECK_URL",
    prefix: PREFIX,
    sections: &[
        SectionInfo::of::<Watchdog>("watchdog", Shape::Single),
        SectionInfo::optional::<Target>("target", Shape::Repeated),
        SectionInfo::optional::<CheckIn>("checkin", Shape::Repeated),
        SectionInfo::of::<Network>("network", Shape::Single),
        SectionInfo::optional::<Peer>("peer", Shape::Single),
        SectionInfo::optional::<Outside>("outside", Shape::Single),
        SectionInfo::optional::<Actuate>("actuate", Shape::Single),
        SectionInfo::optional::<UnitKeys>("unit", Shape::Repeated),
        SectionInfo::of::<Alerts>("alerts", Shape::Single),
    ],
    profiles: &[],
    synonym,
};

/// A validated configuration. Paths are absolute or relative to the working directory, never to the file.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file, or `environment`.
    pub file: PathBuf,
    /// `[watchdog]`.
    pub watchdog: Watchdog,
    /// `[[target]]`.
    pub targets: Vec<Target>,
    /// `[[checkin]]`.
    pub checkins: Vec<CheckIn>,
    /// `[network]`.
    pub network: Network,
    /// `[peer]`.
    pub peer: Option<Peer>,
    /// `[outside]`.
    pub outside: Option<Outside>,
    /// `[actuate]`.
    pub actuate: Option<Actuate>,
    /// `[[unit]]`.
    pub units: Vec<UnitKeys>,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// What is valid and yet worth knowing.
    pub notices: Vec<Problem>,
}

impl Config {
    /// Reads a file, overlaid by the environment.
    ///
    /// # Errors
    /// Everything that is wrong, as far as it can be told at once.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        match Source::read(file, &VOCABULARY) {
            Ok(source) => Self::of(&source),
            Err(problem) => Err(ConfigErrors::one(problem.located(file, None))),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of(source: &Source) -> Result<Self, ConfigErrors> {
        let overlay = Overlay { environment: overrides(PREFIX), ..Overlay::default() };
        let Read { value, notices, values: _ } =
            read(source, &overlay, &VOCABULARY, |_| None, |root, _, reading| read_all(root, source, reading))?;
        Ok(Self { notices, ..value })
    }
}

fn read_all(root: &Table, source: &Source, reading: &mut Reading<'_>) -> Option<Config> {
    let watchdog = single::<Watchdog>(root, "watchdog", reading);
    let targets = each::<Target>(root, "target", TARGETS_MAX, reading);
    let checkins = each::<CheckIn>(root, "checkin", CHECKINS_MAX, reading);
    let network = single::<Network>(root, "network", reading);
    let peer = optional::<Peer>(root, "peer", reading);
    let outside = optional::<Outside>(root, "outside", reading);
    let actuate = optional::<Actuate>(root, "actuate", reading);
    let units = each::<UnitKeys>(root, "unit", TARGETS_MAX, reading);
    let alerts = single::<Alerts>(root, "alerts", reading);
    let config = Config {
        file: source.file.clone(),
        watchdog: watchdog?,
        targets: targets?,
        checkins: checkins?,
        network: network?,
        peer: peer?,
        outside: outside?,
        actuate: actuate?,
        units: units?,
        alerts: alerts?,
        notices: Vec::new(),
    };
    check_names(root, &config, reading);
    Some(config)
}

fn optional<S: Section>(root: &Table, name: &str, reading: &mut Reading<'_>) -> Option<Option<S>> {
    if root.get(name).is_none() {
        return Some(None);
    }
    single::<S>(root, name, reading).map(Some)
}

fn each<S: Section>(root: &Table, name: &str, most: usize, reading: &mut Reading<'_>) -> Option<Vec<S>> {
    let nodes = repeated(root, name, reading)?;
    if let Some(first_too_many) = nodes.get(most) {
        let message = format!("there are {} [[{name}]] sections; at most {most} are possible", nodes.len());
        reading.refuse(Kind::OutOfRange, &first_too_many.origin, message, "split them over several watchdogs");
        return None;
    }
    let read: Vec<Option<S>> = tables(&nodes, name, reading)
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let table = table?;
            S::read_table(table, &label(name, table, index), name, reading)
        })
        .collect();
    read.into_iter().collect()
}

/// Names: each once, and those referred to exist. Targets and check-ins share one space, since both name incidents.
fn check_names(root: &Table, config: &Config, reading: &mut Reading<'_>) {
    let mut seen: Vec<&str> = vec![config.watchdog.name.as_str()];
    let targets = config.targets.iter().enumerate().map(|(index, target)| ("target", index, target.name.as_str()));
    let checkins = config.checkins.iter().enumerate().map(|(index, checkin)| ("checkin", index, checkin.name.as_str()));
    for (section, index, name) in targets.chain(checkins) {
        if seen.contains(&name) {
            let origin = origin_in(root, section, index, "name");
            let message = format!(
                "the name \"{name}\" is taken: targets, check-ins and the watchdog itself name incidents by it"
            );
            reading.refuse(Kind::Duplicate, &origin, message, format!("write another name, for example \"{name}-2\""));
        }
        seen.push(name);
    }
    let units: Vec<&str> = config.units.iter().map(|unit| unit.name.as_str()).collect();
    for (index, target) in config.targets.iter().enumerate() {
        let Some(restart) = &target.restart else { continue };
        let (Some(unit), None) = (&restart.unit, &restart.actuate) else { continue };
        if !units.contains(&unit.as_str()) {
            let help = match nearest(unit.as_str(), units.iter().copied()) {
                Some(known) => format!("did you mean \"{known}\"?"),
                None => format!("add a [[unit]] with name = \"{unit}\", or say with `actuate` which responder has it"),
            };
            let message = format!("target \"{}\" names the unit \"{unit}\", which is not in this file", target.name);
            reading.refuse(Kind::UnknownName, &origin_in(root, "target", index, "restart"), message, help);
        }
    }
}

/// The reference: a valid configuration in which every key stands with its default, its range and its meaning.
pub fn reference() -> String {
    failstop_settings::reference(
        &VOCABULARY,
        "# Every key of a watchdog configuration, with its meaning, its range and its default.\n\
         # Generated from the program; do not edit. Keys without a default stand behind a `#`, with an example.\n\
         #\n\
         # Durations are 500ms, 30s, 5m, 25h. Relative paths start at this file's folder. Built-in defaults < this file <\n\
         # environment: a key is overridden by the variable FAILSTOP_WATCHDOG__SECTION__KEY. Unknown keys are refused.\n",
        &|_| None,
    )
}

/// What other programs call it.
fn synonym(word: &str) -> Option<&'static str> {
    Some(match word {
        "address" | "endpoint" | "health_url" => "url",
        "retries" | "threshold" | "failure_threshold" | "max_failures" => "failures",
        "schedule" | "crontab" => "cron",
        "tz" | "time_zone" => "timezone",
        "every" | "check_interval" => "interval",
        "key" | "secret_file" => "key_file",
        "bind" | "port" => "listen",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
