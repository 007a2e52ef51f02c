//! `failstop config`: what is in force, what would change, and putting another configuration in its place.

use crate::args::config::ConfigAction;
use crate::args::{Format, PlaceArgs};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::{Place, of_this_host};
use crate::render::config as words;
use crate::{configuration, out};
use failstop_client::configuration::{Difference, InForce, Setting};
use failstop_engine::config::{
    Class, Config, ConfigErrors, Decision, EditError, Overrides, Source, class_of, decide, json_schema, read_source,
    set_key,
};
use failstop_engine::reloading::rewrite::{RewriteError, rewrite};
use failstop_engine::reloading::{History, HistoryError, digest};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Does what is asked.
pub fn config(action: ConfigAction) -> Result<Exit, Failure> {
    match action {
        ConfigAction::Show { file, place, format } => {
            let values = values(file, &place)?;
            out::print_last(&match format {
                Format::Text => words::values(&values),
                Format::Json => out::json_line(&values)?,
            })?;
            Ok(Exit::Good)
        }
        ConfigAction::Get { key, file, place } => get(&key, &values(file, &place)?),
        ConfigAction::Check { place } => check(&place),
        ConfigAction::Diff { place, format } => diff(&place, format),
        ConfigAction::Reload { place, format } => {
            let taken = Engine::by(&place)?.reload_configuration(Vec::new())?;
            out::print_last(&match format {
                Format::Text => in_force(&taken),
                Format::Json => out::json_line(&taken)?,
            })?;
            Ok(Exit::Good)
        }
        ConfigAction::History { place, format } => history(&place, format),
        ConfigAction::Rollback { number, place } => rollback(number, &place),
        ConfigAction::Schema => {
            let schema = serde_json::to_string_pretty(&json_schema()).map_err(|error| Failure::Output(error.into()))?;
            out::print_last(&format!("{schema}\n"))?;
            Ok(Exit::Good)
        }
        ConfigAction::Set { key, value, no_persist: true, place, at_restart: _ } => {
            // Only the engine knows what lies over its file.
            let set = vec![format!("{key}={value}")];
            let taken = Engine::by(&place)?.reload_configuration(set)?;
            out::print_last(&format!("{}until this engine ends: the file is as it was\n", in_force(&taken)))?;
            Ok(Exit::Good)
        }
        ConfigAction::Set { key, value, no_persist: false, at_restart, place } => set(&key, &value, at_restart, &place),
    }
}

/// The values of the engine that runs, or of the file.
fn values(file: bool, place: &PlaceArgs) -> Result<InForce, Failure> {
    if !file {
        return match Engine::by(place) {
            Ok(engine) => engine.configuration(),
            Err(Failure::NoEngine { what, next }) => {
                Err(Failure::NoEngine { what, next: format!("{next}; with --file the file's own values are shown") })
            }
            Err(failure) => Err(failure),
        };
    }
    let (path, source, config) = load(place)?;
    let class = |schema: &str| class_of(schema).unwrap_or(Class::Restart).word().to_owned();
    Ok(InForce {
        file: path.display().to_string(),
        sha256: digest(&source.text),
        since: String::new(),
        values: config
            .values
            .iter()
            .map(|value| Setting { key: value.key.clone(), value: value.shown(), class: class(&value.schema) })
            .collect(),
    })
}

fn get(key: &str, values: &InForce) -> Result<Exit, Failure> {
    if let Some(setting) = values.values.iter().find(|setting| setting.key == key) {
        out::print_last(&format!("{}\n", setting.value))?;
        return Ok(Exit::Good);
    }
    let below: Vec<&Setting> = values
        .values
        .iter()
        .filter(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
        .collect();
    if below.is_empty() {
        let known = failstop_settings::nearest(key, values.values.iter().map(|setting| setting.key.as_str()));
        let next =
            known.map_or_else(|| "see `failstop config show`".to_owned(), |known| format!("did you mean {known}?"));
        return Err(Failure::Usage { what: format!("no key {key} has a value"), next });
    }
    let lines: Vec<String> = below.iter().map(|setting| format!("{} = {}\n", setting.key, setting.value)).collect();
    out::print_last(&lines.concat())?;
    Ok(Exit::Good)
}

/// The file, its text, and the configuration that it is with this command's environment.
fn load(place: &PlaceArgs) -> Result<(PathBuf, Source, Config), Failure> {
    of_this_host(place)?;
    let path = configuration::path(place.config.as_deref())?;
    let source = read(&path)?;
    let config = validate(&source)?;
    Ok((path, source, config))
}

fn read(path: &Path) -> Result<Source, Failure> {
    read_source(path)
        .map_err(|problem| Failure::Config { rendered: ConfigErrors::one(problem.located(path, None)).to_string() })
}

fn validate(source: &Source) -> Result<Config, Failure> {
    Config::of(source, &Overrides::from_environment())
        .map_err(|errors| Failure::Config { rendered: errors.to_string() })
}

fn check(place: &PlaceArgs) -> Result<Exit, Failure> {
    let (path, _, config) = load(place)?;
    for notice in &config.notices {
        out::complain(&format!("note: {notice}"));
    }
    let count = config.components.len();
    let components = if count == 1 { "1 component".to_owned() } else { format!("{count} components") };
    out::print_last(&format!("{}: a valid configuration of {}, {components}\n", path.display(), config.name()))?;
    Ok(Exit::Good)
}

fn diff(place: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let difference = Engine::by(place)?.compare_configuration()?;
    let refused = difference.changes.iter().any(|change| change.class != Class::Live.word());
    out::print_last(&match format {
        Format::Json => out::json_line(&difference)?,
        Format::Text if difference.changes.is_empty() => "what the file says is in force\n".to_owned(),
        Format::Text => {
            let next = if refused {
                "not taken as it is: what is not live needs a restart\n"
            } else {
                "next: failstop config reload\n"
            };
            words::changes(&difference.changes) + next
        }
    })?;
    Ok(if refused { Exit::No } else { Exit::Good })
}

/// What became of a reload.
fn in_force(taken: &Difference) -> String {
    if taken.changes.is_empty() {
        return "in force: no key has another value\n".to_owned();
    }
    format!("{}in force\n", words::changes(&taken.changes))
}

/// A version in JSON.
#[derive(Serialize)]
struct VersionLine {
    number: u64,
    at: String,
    bytes: u64,
    sha256: String,
    was_in_force: bool,
    is_file: bool,
}

fn history(place: &PlaceArgs, format: Format) -> Result<Exit, Failure> {
    let place = Place::find(place)?;
    let history = History::of(place.state_dir()?);
    let file = place.config.as_deref().and_then(|path| read_source(path).ok()).map(|source| source.text);
    let mut lines = Vec::new();
    for version in history.list().map_err(unreadable)? {
        let text = history.read(version.number).map_err(unreadable)?;
        lines.push(words::Line { version, sha256: digest(&text), is_file: file.as_ref() == Some(&text) });
    }
    out::print_last(&match format {
        Format::Text if lines.is_empty() => {
            "no version was in force yet: `failstop run` keeps the first one\n".to_owned()
        }
        Format::Text => words::history(&lines),
        Format::Json => {
            let line = |line: &words::Line| VersionLine {
                number: line.version.number,
                at: failstop_engine::status::rfc3339(line.version.at),
                bytes: line.version.bytes,
                sha256: line.sha256.clone(),
                was_in_force: line.version.was_in_force,
                is_file: line.is_file,
            };
            out::json_line(&lines.iter().map(line).collect::<Vec<_>>())?
        }
    })?;
    Ok(Exit::Good)
}

fn rollback(number: Option<u64>, args: &PlaceArgs) -> Result<Exit, Failure> {
    let place = Place::find(args)?;
    let path = configuration::path(args.config.as_deref())?;
    let history = History::of(place.state_dir()?);
    let before = read(&path)?;
    let (number, text) = match number {
        Some(number) => (number, history.read(number).map_err(unreadable)?),
        None => another(&history, &before)?,
    };
    if text == before.text {
        out::print_last(&format!("{} is version {number} already\n", path.display()))?;
        return Ok(Exit::Good);
    }
    let config = validate(&Source { text: text.clone(), ..before.clone() })?;
    // Nobody else may have what the file says now.
    let aside = if history.holds(&before.text).map_err(unreadable)? {
        String::new()
    } else {
        let aside = history.put_aside(&before.text, config.hot.history).map_err(unreadable)?;
        format!("what it said until now, which was not in force, is version {aside}\n")
    };
    write(&path, &before.text, &text)?;
    out::print_last(&format!("{aside}{} is version {number} again\n", path.display()))?;
    // What stood there before may not have said where the engine is.
    take(&Place::find(args)?)
}

/// The newest version that the file is not. What was put aside may be no configuration at all; then it is none.
fn another(history: &History, file: &Source) -> Result<(u64, String), Failure> {
    for version in history.list().map_err(unreadable)? {
        let known = history.read(version.number).map_err(unreadable)?;
        let usable = || version.was_in_force || validate(&Source { text: known.clone(), ..file.clone() }).is_ok();
        if known != file.text && usable() {
            return Ok((version.number, known));
        }
    }
    Err(Failure::Refused {
        reasons: vec!["no other version is kept; `failstop config history` shows those there are".to_owned()],
    })
}

fn set(key: &str, value: &str, at_restart: bool, args: &PlaceArgs) -> Result<Exit, Failure> {
    let place = Place::find(args)?;
    let path = configuration::path(args.config.as_deref())?;
    let before = read(&path)?;
    let text = set_key(&before.text, key, value).map_err(|error| match error {
        EditError::NotToml(_) => match validate(&before) {
            Err(failure) => failure,
            Ok(_) => Failure::Usage { what: error.to_string(), next: "mend the file first".to_owned() },
        },
        EditError::NoSuchKey { .. } => Failure::Usage {
            what: error.to_string(),
            next: "`failstop config show` lists the keys that have a value, docs/reference/configuration.toml all"
                .to_owned(),
        },
    })?;
    let config = validate(&Source { text: text.clone(), ..before.clone() })?;
    if text == before.text {
        out::print_last(&format!("{} says so already\n", path.display()))?;
        return take(&place);
    }
    // Of a file that is not valid now nobody knows what of it is in force: the engine says.
    let needs_restart = match validate(&before).map(|before| decide(&before, &config)) {
        Ok(Decision::Restart(keys)) => Some(keys.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        Ok(Decision::Nothing | Decision::Take(_)) | Err(_) => None,
    };
    if let Some(keys) = needs_restart.as_ref().filter(|_| !at_restart && Engine::of(&place).is_ok()) {
        // Written, it would keep the engine from taking any other change, and raise an alert.
        return Err(Failure::Refused {
            reasons: vec![format!(
                "needs a restart, so {} is left as it is: {keys}\n  next: with --at-restart it is written all the same, and the \
                 next start takes it",
                path.display()
            )],
        });
    }
    // What the file says now can be had back, whether or not an engine ever ran with it.
    if config.state_dir().is_dir()
        && let Err(error) = History::of(config.state_dir()).put_aside(&before.text, config.hot.history)
    {
        return Err(unreadable(error));
    }
    write(&path, &before.text, &text)?;
    if at_restart && let Some(keys) = needs_restart {
        let waits = "the next start of the engine takes it, and until then no other change of the file is taken";
        out::print_last(&format!("{} is written: {keys}\n{waits}\n", path.display()))?;
        return Ok(Exit::Good);
    }
    out::print_last(&format!("{} is written\n", path.display()))?;
    take(&place)
}

/// Has the engine take what the file says now, where one runs.
fn take(place: &Place) -> Result<Exit, Failure> {
    match Engine::of(place) {
        Ok(engine) => {
            out::print_last(&in_force(&engine.reload_configuration(Vec::new())?))?;
            Ok(Exit::Good)
        }
        Err(Failure::NoEngine { what, .. }) => {
            out::complain(&format!("note: {what}; the next start takes it"));
            Ok(Exit::Good)
        }
        Err(failure) => Err(failure),
    }
}

fn write(path: &Path, known: &str, text: &str) -> Result<(), Failure> {
    rewrite(path, known, text)
        .map_err(|error: RewriteError| Failure::NotRewritten { what: error.to_string(), next: error.next() })
}

fn unreadable(error: HistoryError) -> Failure {
    match error {
        HistoryError::Io { path, source } => {
            Failure::Unreadable { path, source, next: "run it as failstop's user or as root" }
        }
        HistoryError::NoSuchVersion(_) | HistoryError::NotAVersion(_) => {
            Failure::Refused { reasons: vec![error.to_string()] }
        }
    }
}
