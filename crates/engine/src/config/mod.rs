//! The configuration: one TOML file, overlaid by environment and flags, becomes a typed, validated [`Config`], or
//! [`ConfigErrors`] that point at line and column and say what to write instead.
//!
//! Built-in defaults < profile < file < environment (`FAILSTOP__SECTION__KEY`) < flags. Each section is declared once, in
//! its own file, by `section!`: type, default, range and meaning; the reference is generated from the same declaration.
//! Pure but for reading the one file: nothing is created, resolved or connected to here; that is `checks`.

mod books;
mod breaker;
mod certificate;
mod change;
mod component;
mod control;
mod credentials;
mod dependency;
mod edit;
mod emergency;
mod env_file;
mod environment;
mod footprint;
mod gate;
mod halts;
mod health;
mod hot;
mod limits;
mod metrics;
mod observe;
mod overrides;
mod page_origin;
mod policy;
mod probe;
mod profile;
mod runtime;
mod sandbox;
mod scale;
mod schema;
mod secrets;
mod shutdown;
mod system;
mod telegram;
mod template;
mod thresholds;
mod variables;
mod vocabulary;
mod watching;
mod witness;

pub use books::{Account, Arrow, Asset, Declared, Every, Instrument, Ledger, Pool, Snapshots, Strategy, Symbol};
pub use breaker::Breaker;
pub use change::{Change, Class, Decision, class_of, decide, difference};
pub use component::{Backoff, Component, Hook, NotifySocket, ReloadSignal, StartLimit, StopSignal};
pub use control::{Control, MAX_HOLDERS, MAX_KEYS};
pub use credentials::{Credentials, MAX_CREDENTIALS};
pub use dependency::Dependency;
pub use edit::{EditError, set_key};
pub use emergency::{
    EMERGENCY_PAUSE, Emergency, EmergencyAction, EmergencyKind, EmergencyWhen, MAX_EMERGENCY_ACTIONS,
    MAX_EMERGENCY_TIME,
};
pub use env_file::{EnvFileError, env_file, env_file_of};
pub use environment::{Capabilities, Capability, Inherited, Nice, Umask};
pub use failstop_core::Orders;
pub use failstop_notify::settings::Alerts;
pub use failstop_settings::{
    Argv, Basis, Bytes, ConfigErrors, Effective, HostPort, Kind, MAX_FILE_BYTES, MAX_ITEMS, MAX_NAME, MAX_SHOWN, Name,
    Origin, Place, Problem, Secret, SecretFault, Source, Url, Writer,
};
pub use footprint::Footprint;
pub use gate::{
    Bound, ComponentGate, ContractKind, Gate, GateFault, LimitSection, MarginKind, PricePoll, Prices, SharedFallback,
    SharedRates, SystemLimits, TimeOfDay, gate_policy,
};
pub use health::{Failsafe, Health};
pub use hot::Hot;
pub use limits::{Ceiling, ComponentLimits, Limits};
pub use metrics::{Fold, MAX_DECLARED_METRICS, MAX_METRIC_SOURCES, MetricCommand, MetricPage, Metrics, Take};
pub use observe::{FleetSystem, Listen, MAX_FLEET, MAX_ORIGINS, Observe};
pub use overrides::Overrides;
pub use page_origin::PageOrigin;
pub use probe::{Header, Pace, Page, Probe};
pub use profile::Profile;
pub use runtime::{Destination, Environment, Format, Journal, Level, Log, Output, Permit, Startup};
pub use sandbox::{Calls, Files, Sandbox, ours_inside};
pub use schema::json_schema;
pub use secrets::{OwnSecret, SecretFor};
pub use shutdown::Shutdown;
pub use system::{Isolation, System};
pub use telegram::{MAX_TELEGRAM_USERS, Telegram, TelegramUser};
pub use template::init_template;
pub use thresholds::{Direction, Figure, MAX_FIGURES, Mark, Row, Thresholds};
pub use variables::{NameFault, Variables};
pub use vocabulary::{PREFIX, reference};
pub use watching::{HealthUrl, Liveness, Readiness};
pub use witness::Witness;

use failstop_core::{Cause, HaltPolicy, MAX_COMPONENTS};
use failstop_settings::document::{Table, Value};
use failstop_settings::{
    Choice, Read, Reading, Section, label, nearest, origin_in, read, repeated, single, table_of, tables,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vocabulary::VOCABULARY;

/// The most dependencies one system may have.
pub const MAX_DEPENDENCIES: usize = 64;

/// A validated configuration. Paths are absolute or relative to the process's working directory, never to the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file, as given.
    pub file: PathBuf,
    /// The file's folder, absolute where that could be found out.
    pub folder: PathBuf,
    /// `[system]`.
    pub system: System,
    /// `[observe]`.
    pub observe: Observe,
    /// `[control]`.
    pub control: Control,
    /// `[telegram]`.
    pub telegram: Telegram,
    /// `[[component]]`, in the file's order: index `i` has slot `i + 1`.
    pub components: Vec<Component>,
    /// `[[dependency]]`.
    pub dependencies: Vec<Dependency>,
    /// `[health]`.
    pub health: Health,
    /// `[failsafe]`.
    pub failsafe: Failsafe,
    /// `[halts.CAUSE]`.
    pub halts: BTreeMap<Cause, HaltPolicy>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[thresholds]`.
    pub thresholds: Thresholds,
    /// `[breaker]`.
    pub breaker: Breaker,
    /// `[footprint]`.
    pub footprint: Footprint,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[emergency]`.
    pub emergency: Emergency,
    /// `[startup]`.
    pub startup: Startup,
    /// `[shutdown]`.
    pub shutdown: Shutdown,
    /// `[journal]`.
    pub journal: Journal,
    /// `[witness]`.
    pub witness: Witness,
    /// `[permit]`.
    pub permit: Permit,
    /// `[[asset]]`, `[[account]]`, `[[pool]]`, `[[instrument]]`, `[[strategy]]`.
    pub books: Declared,
    /// `[gate]`, where there is one.
    pub gate: Option<Gate>,
    /// `[prices]`.
    pub prices: Prices,
    /// `[shared_rates]`, where there is one.
    pub shared_rates: Option<SharedRates>,
    /// `[ledger]`.
    pub ledger: Ledger,
    /// `[snapshots]`.
    pub snapshots: Snapshots,
    /// `[output]`.
    pub output: Output,
    /// `[log]`.
    pub log: Log,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[config]`.
    pub hot: Hot,
    /// Every value that is in force, key by key.
    pub values: Vec<Effective>,
    /// What is valid and yet worth knowing: keys that this version only keeps, tables that nothing uses.
    pub notices: Vec<Problem>,
}

impl Config {
    /// Reads, overlays and validates.
    ///
    /// # Errors
    /// Everything that is wrong, as far as it can be told at once.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Self, ConfigErrors> {
        match read_source(file) {
            Ok(source) => Self::of(&source, overrides),
            Err(problem) => Err(ConfigErrors::one(problem.located(file, None))),
        }
    }

    /// The same, and who may write what was read.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with_writer(file: &Path, overrides: &Overrides) -> Result<(Self, Writer), ConfigErrors> {
        match Source::read_with_writer(file, &VOCABULARY) {
            Ok((source, writer)) => Ok((Self::of(&source, overrides)?, writer)),
            Err(problem) => Err(ConfigErrors::one(problem.located(file, None))),
        }
    }

    /// The same of a text that was read already.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of(source: &Source, overrides: &Overrides) -> Result<Self, ConfigErrors> {
        let Read { value, notices, values } =
            read(source, &overrides.overlay(), &VOCABULARY, profile_of, |root, folder, reading| {
                read_all(root, source, folder, reading)
            })?;
        Ok(Self { notices, values: change::cover(values), ..value })
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.system.state_dir
    }

    /// The system's name.
    pub fn name(&self) -> &str {
        self.system.name.as_str()
    }
}

/// The text of a configuration file.
///
/// # Errors
/// It cannot be read, or is nothing that a configuration could be.
pub fn read_source(file: &Path) -> Result<Source, Box<Problem>> {
    Source::read(file, &VOCABULARY)
}

/// The profile in force, where it can be told; reading `[system]` reports a bad one.
fn profile_of(root: &Table) -> Option<&'static str> {
    let Value::Table(system) = &root.get("system")?.node.value else { return None };
    match &system.get("profile")?.node.value {
        Value::Text(text) | Value::Raw(text) => {
            let text = text.trim_matches('"');
            Profile::WORDS.iter().find(|(word, _)| *word == text).map(|(word, _)| *word)
        }
        _ => None,
    }
}

fn read_all(root: &Table, source: &Source, folder: &Path, reading: &mut Reading<'_>) -> Option<Config> {
    let system = single::<System>(root, "system", reading);
    let observe = single::<Observe>(root, "observe", reading);
    let control = single::<Control>(root, "control", reading);
    let telegram = single::<Telegram>(root, "telegram", reading);
    let components = components(root, reading);
    let dependencies = dependencies(root, reading);
    let health = single::<Health>(root, "health", reading);
    let failsafe = single::<Failsafe>(root, "failsafe", reading);
    let halts = table_of(root, "halts", reading).map(|table| halts::read(&table, reading));
    let limits = single::<Limits>(root, "limits", reading);
    let thresholds = single::<Thresholds>(root, "thresholds", reading);
    let breaker = single::<Breaker>(root, "breaker", reading);
    let footprint = single::<Footprint>(root, "footprint", reading);
    let metrics = single::<Metrics>(root, "metrics", reading);
    let emergency = single::<Emergency>(root, "emergency", reading);
    let startup = single::<Startup>(root, "startup", reading);
    let shutdown = single::<Shutdown>(root, "shutdown", reading);
    let journal = single::<Journal>(root, "journal", reading);
    let witness = single::<Witness>(root, "witness", reading);
    let permit = single::<Permit>(root, "permit", reading);
    let books = Declared::read(root, reading);
    let gate = match root.get("gate") {
        Some(_) => single::<Gate>(root, "gate", reading).map(Some),
        None => Some(None),
    };
    let prices = single::<Prices>(root, "prices", reading);
    let shared_rates = match root.get("shared_rates") {
        Some(_) => single::<SharedRates>(root, "shared_rates", reading).map(Some),
        None => Some(None),
    };
    let ledger = single::<Ledger>(root, "ledger", reading);
    let snapshots = single::<Snapshots>(root, "snapshots", reading);
    let output = single::<Output>(root, "output", reading);
    let log = single::<Log>(root, "log", reading);
    let alerts = single::<Alerts>(root, "alerts", reading);
    let hot = single::<Hot>(root, "config", reading);
    check_names(root, components.as_deref(), dependencies.as_deref(), reading);
    check_own_folders(root, components.as_deref(), system.as_ref(), source, folder, reading);
    if let (Some(observe), Some(control)) = (&observe, &control) {
        observe::check(root, observe, control, reading);
    }
    if let (Some(shutdown), Some(components)) = (&shutdown, &components) {
        shutdown::check(root, shutdown, components, reading);
    }
    if let (Some(thresholds), Some(components)) = (&thresholds, &components) {
        thresholds::check(root, thresholds, components, reading);
    }
    let config = Config {
        file: source.file.clone(),
        folder: folder.to_owned(),
        system: system?,
        observe: observe?,
        control: control?,
        telegram: telegram?,
        components: components?,
        dependencies: dependencies?,
        health: health?,
        failsafe: failsafe?,
        halts: halts?,
        limits: limits?,
        thresholds: thresholds?,
        breaker: breaker?,
        footprint: footprint?,
        metrics: metrics?,
        emergency: emergency?,
        startup: startup?,
        shutdown: shutdown?,
        journal: journal?,
        witness: witness?,
        permit: permit?,
        books: books?,
        gate: gate?,
        prices: prices?,
        shared_rates: shared_rates?,
        ledger: ledger?,
        snapshots: snapshots?,
        output: output?,
        log: log?,
        alerts: alerts?,
        hot: hot?,
        values: Vec::new(),
        notices: Vec::new(),
    };
    gate::check(root, &config, reading);
    Some(config)
}

fn components(root: &Table, reading: &mut Reading<'_>) -> Option<Vec<Component>> {
    let nodes = repeated(root, "component", reading)?;
    if nodes.is_empty() {
        let help =
            "write for example:\n[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"bot.py\"]\norders = \"asks\"";
        reading.refuse(Kind::Missing, &Origin::Whole, "there is no [[component]]: nothing to run".to_owned(), help);
        return None;
    }
    if let Some(first_too_many) = nodes.get(MAX_COMPONENTS) {
        let message = format!("there are {} components; a system has at most {MAX_COMPONENTS}", nodes.len());
        let help = "split them over several systems, each with its own file";
        reading.refuse(Kind::OutOfRange, &first_too_many.origin, message, help);
        return None;
    }
    let tables = tables(&nodes, "component", reading);
    let read: Vec<Option<Component>> = tables
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let table = table?;
            Component::read_table(table, &label("component", table, index), "component", reading)
        })
        .collect();
    read.into_iter().collect()
}

fn dependencies(root: &Table, reading: &mut Reading<'_>) -> Option<Vec<Dependency>> {
    let nodes = repeated(root, "dependency", reading)?;
    if let Some(first_too_many) = nodes.get(MAX_DEPENDENCIES) {
        let message = format!("there are {} dependencies; a system has at most {MAX_DEPENDENCIES}", nodes.len());
        reading.refuse(Kind::OutOfRange, &first_too_many.origin, message, "remove some");
        return None;
    }
    let tables = tables(&nodes, "dependency", reading);
    let read: Vec<Option<Dependency>> = tables
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let table = table?;
            Dependency::read_table(table, &label("dependency", table, index), reading)
        })
        .collect();
    read.into_iter().collect()
}

/// Names: each once, those referred to exist, and nothing waits for itself.
fn check_names(
    root: &Table,
    components: Option<&[Component]>,
    dependencies: Option<&[Dependency]>,
    reading: &mut Reading<'_>,
) {
    let twice = |names: Vec<&Name>, section: &str, reading: &mut Reading<'_>| {
        for (index, name) in names.iter().enumerate() {
            if names.iter().take(index).any(|earlier| earlier == name) {
                let origin = origin_in(root, section, index, "name");
                let message = format!("there are two {section} sections with the name \"{name}\"");
                reading.refuse(
                    Kind::Duplicate,
                    &origin,
                    message,
                    format!("write another name, for example \"{name}-2\""),
                );
            }
        }
    };
    if let Some(dependencies) = dependencies {
        twice(dependencies.iter().map(|d| &d.name).collect(), "dependency", reading);
    }
    let Some(components) = components else { return };
    twice(components.iter().map(|c| &c.name).collect(), "component", reading);
    let component_names: Vec<&str> = components.iter().map(|c| c.name.as_str()).collect();
    let dependency_names: Option<Vec<&str>> = dependencies.map(|d| d.iter().map(|d| d.name.as_str()).collect());
    for (index, component) in components.iter().enumerate() {
        for name in &component.depends_on {
            if component_names.contains(&name.as_str()) {
                continue;
            }
            let help = match &dependency_names {
                Some(names) if names.contains(&name.as_str()) => {
                    format!("\"{name}\" is a [[dependency]]: write `needs = [\"{name}\"]`")
                }
                _ => match nearest(name.as_str(), component_names.iter().copied()) {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None => format!("components: {}", component_names.join(", ")),
                },
            };
            let message = format!("component \"{}\" depends on \"{name}\", which is no component", component.name);
            reading.refuse(Kind::UnknownName, &origin_in(root, "component", index, "depends_on"), message, help);
        }
        let Some(names) = &dependency_names else { continue };
        for name in component.needs.iter().filter(|name| !names.contains(&name.as_str())) {
            let help = if component_names.contains(&name.as_str()) {
                format!("\"{name}\" is a component: write `depends_on = [\"{name}\"]`")
            } else {
                match nearest(name.as_str(), names.iter().copied()) {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None => format!("add a [[dependency]] with name = \"{name}\" and a probe"),
                }
            };
            let message = format!("component \"{}\" needs \"{name}\", which is no dependency", component.name);
            reading.refuse(Kind::UnknownName, &origin_in(root, "component", index, "needs"), message, help);
        }
    }
    if let Some(cycle) = cycle(components) {
        let first = cycle.first().copied().unwrap_or(0);
        let names: Vec<String> = cycle
            .iter()
            .chain(cycle.first())
            .filter_map(|index| components.get(*index))
            .map(|component| format!("\"{}\"", component.name))
            .collect();
        let message = format!("components wait for one another: {}", names.join(" -> "));
        let help = "remove one of these from a `depends_on`";
        reading.refuse(Kind::Cycle, &origin_in(root, "component", first, "depends_on"), message, help);
    }
}

/// A component that is kept to its own folder has none of failstop's there.
fn check_own_folders(
    root: &Table,
    components: Option<&[Component]>,
    system: Option<&System>,
    source: &Source,
    folder: &Path,
    reading: &mut Reading<'_>,
) {
    let (Some(components), Some(system)) = (components, system) else { return };
    let file = folder.join(source.file.file_name().unwrap_or_default());
    let ours: Vec<&Path> = [Some(system.state_dir.as_path()), system.runtime_dir.as_deref(), Some(file.as_path())]
        .into_iter()
        .flatten()
        .collect();
    for (index, component) in components.iter().enumerate() {
        if component.sandbox.filesystem != Files::OwnFolder {
            continue;
        }
        let mut own = vec![("working_dir", &component.working_dir)];
        own.extend(component.sandbox.writable.iter().map(|path| ("sandbox", path)));
        for (key, own) in own {
            let Some(inside) = ours_inside(own, &ours) else { continue };
            let message = format!(
                "component \"{}\" is to be kept to its own folder {}, and failstop's {} is in there",
                component.name,
                own.display(),
                inside.display()
            );
            let origin = origin_in(root, "component", index, key);
            reading.refuse(
                Kind::Contradiction,
                &origin,
                message,
                "give it a folder of its own: write a `working_dir` beside it",
            );
        }
    }
}

/// A cycle of `depends_on`, as indices, each depending on the next.
fn cycle(components: &[Component]) -> Option<Vec<usize>> {
    // At most 31 components: walking from each is cheap, and the path is the message.
    fn walk(components: &[Component], path: &mut Vec<usize>, done: &mut Vec<usize>) -> Option<Vec<usize>> {
        let at = *path.last()?;
        for name in &components.get(at)?.depends_on {
            let Some(next) = components.iter().position(|component| component.name == *name) else { continue };
            if let Some(start) = path.iter().position(|seen| *seen == next) {
                return path.get(start..).map(<[usize]>::to_vec);
            }
            if done.contains(&next) {
                continue;
            }
            path.push(next);
            if let Some(found) = walk(components, path, done) {
                return Some(found);
            }
            path.pop();
        }
        done.push(at);
        None
    }
    let mut done = Vec::new();
    (0..components.len()).find_map(|start| walk(components, &mut vec![start], &mut done))
}

#[cfg(test)]
pub(crate) mod tests;
