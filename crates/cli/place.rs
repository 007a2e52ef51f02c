//! Where a system lives: its name, its state directory and the places where its runtime directory may be.
//!
//! What an operator needs in trouble (status, kill switch, resume, events) must not depend on a sound configuration.
//! So this reads three keys and no more, first as TOML and, where that cannot be parsed, line by line. Whatever else
//! is wrong with the file is `failstop check`'s business.

use crate::args::{PlaceArgs, StateArgs};
use crate::failure::Failure;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// No configuration is larger.
const CONFIG_MAX_BYTES: u64 = 1 << 20;

/// Where a system lives, as far as one can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: Option<String>,
    /// Its state directory.
    pub state: Option<PathBuf>,
    /// Its runtime directory, where somebody said it; otherwise it follows from the name.
    pub runtime: Option<PathBuf>,
    /// The configuration that said so.
    pub config: Option<PathBuf>,
    /// What had to be guessed, for people.
    pub notes: Vec<String>,
}

/// The configuration's path: the flag, else the environment, else the file in this folder.
pub fn config_path(flag: Option<&Path>) -> PathBuf {
    let set = |value: &OsString| !value.is_empty();
    match flag {
        Some(path) => path.to_owned(),
        None => std::env::var_os("FAILSTOP_CONFIG").filter(set).map_or_else(|| "failstop.toml".into(), PathBuf::from),
    }
}

impl Place {
    /// Finds it by the flags, then by the configuration. With both directories given by flag no configuration is
    /// needed; with one of them a missing configuration is only noted.
    pub fn find(args: &PlaceArgs) -> Result<Self, Failure> {
        of_this_host(args)?;
        let path = config_path(args.config.as_deref());
        let named = args.config.is_some();
        let by_flag = args.state.is_some() || args.runtime.is_some();
        let mut place = if args.state.is_some() && !named {
            // The flag says which system; a configuration that happens to lie here may be another's.
            Self::default()
        } else {
            match read(&path) {
                Ok(text) => Self::from_config(&path, &text),
                Err(source) if by_flag => {
                    let note = format!("{} is not used: {source}", path.display());
                    Self { notes: vec![note], ..Self::default() }
                }
                Err(source) => return Err(Failure::NoConfig { path, source }),
            }
        };
        if let Some(state) = &args.state {
            place.state = Some(state.clone());
        }
        if let Some(runtime) = &args.runtime {
            place.runtime = Some(runtime.clone());
        }
        // What people are told shall be right wherever they read it.
        for path in [&mut place.state, &mut place.runtime].into_iter().flatten() {
            if let Ok(absolute) = std::path::absolute(&*path) {
                *path = absolute;
            }
        }
        Ok(place)
    }

    /// Finds it by a configuration alone, or by a state directory alone.
    pub fn of(StateArgs { config, state }: &StateArgs) -> Result<Self, Failure> {
        Self::find(&PlaceArgs { config: config.clone(), state: state.clone(), ..PlaceArgs::default() })
    }

    /// The state directory, or what to do where it is not known.
    pub fn state_dir(&self) -> Result<&Path, Failure> {
        self.state.as_deref().ok_or_else(|| Failure::PlaceUnknown {
            path: self.config.clone().unwrap_or_else(|| config_path(None)),
            what: "the state directory (state_dir under [system])",
        })
    }

    /// Which system, for people: its name, else its directory.
    pub fn describe(&self) -> String {
        match (&self.name, &self.state) {
            (Some(name), _) => format!("system {name}"),
            (None, Some(state)) => format!("the system in {}", state.display()),
            (None, None) => "an unknown system".to_owned(),
        }
    }

    /// The three keys of a configuration, with the environment's overrides. Relative paths are relative to its folder.
    fn from_config(path: &Path, text: &str) -> Self {
        let (mut keys, mut notes) = match text.parse::<toml::Table>() {
            Ok(table) => (Keys::parsed(&table), Vec::new()),
            Err(_) => {
                let note = format!("{} cannot be parsed; its [system] was read line by line", path.display());
                (Keys::scanned(text), vec![note])
            }
        };
        keys.override_from(|key| std::env::var(key).ok());
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        if keys.state_dir.is_none() {
            // The configuration's default.
            keys.state_dir = Some("state".to_owned());
            notes.push(format!("{} names no state_dir; `state` beside it is assumed", path.display()));
        }
        Self {
            name: keys.name,
            state: keys.state_dir.map(|dir| folder.join(dir)),
            runtime: keys.runtime_dir.map(|dir| folder.join(dir)),
            config: Some(path.to_owned()),
            notes,
        }
    }
}

/// The text of a configuration, whatever is wrong with it.
pub fn config_text(path: &Path) -> Option<String> {
    read(path).ok()
}

/// Reads a configuration, bounded, and whatever bytes it holds. Only a file: opening or reading anything else may wait for
/// ever, and neither the kill switch nor a question may hang on that.
fn read(path: &Path) -> io::Result<String> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !kind.is_file() {
        return Err(io::Error::other(
            "it is no file but a pipe, a socket or a device, which this command does not wait for",
        ));
    }
    let mut bytes = Vec::new();
    file.take(CONFIG_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The keys of `[system]` that say where a system lives.
#[derive(Debug, Default, PartialEq, Eq)]
struct Keys {
    name: Option<String>,
    state_dir: Option<String>,
    runtime_dir: Option<String>,
}

impl Keys {
    fn parsed(table: &toml::Table) -> Self {
        let key = |name: &str| Some(table.get("system")?.get(name)?.as_str()?.to_owned());
        Self { name: key("name"), state_dir: key("state_dir"), runtime_dir: key("runtime_dir") }
    }

    /// For a file that is not TOML (any more): `key = "value"` lines between `[system]` and the next header.
    fn scanned(text: &str) -> Self {
        let mut keys = Self::default();
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line.split('#').next().is_some_and(|header| header.trim() == "[system]");
            } else if inside && let Some((key, value)) = line.split_once('=') {
                let slot = match key.trim() {
                    "name" => &mut keys.name,
                    "state_dir" => &mut keys.state_dir,
                    "runtime_dir" => &mut keys.runtime_dir,
                    _ => continue,
                };
                if slot.is_none() {
                    *slot = quoted(value.trim());
                }
            }
        }
        keys
    }

    fn override_from(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for (key, slot) in
            [("NAME", &mut self.name), ("STATE_DIR", &mut self.state_dir), ("RUNTIME_DIR", &mut self.runtime_dir)]
        {
            if let Some(value) = variable(&format!("FAILSTOP__SYSTEM__{key}")) {
                *slot = Some(value);
            }
        }
    }
}

/// A quoted value at the start of `text`, without escapes; a missing closing quote ends it at the line's end.
fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = text[1..].split(quote).next()?.trim();
    if value.is_empty() { None } else { Some(value.to_owned()) }
}

/// Refuses a system on another host, for what reads or writes files of this one.
pub fn of_this_host(args: &PlaceArgs) -> Result<(), Failure> {
    match &args.remote.url {
        None => Ok(()),
        Some(url) => Err(Failure::Usage {
            what: format!("this command works on files, and those of {url} are on another host"),
            next: "run it there, without --url".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, text: &str) -> Place {
        Place::from_config(Path::new(path), text)
    }

    #[test]
    fn a_sound_file_is_parsed() {
        let place =
            at("/etc/f/demo.toml", "system.name = 'demo'\nsystem.state_dir = \"s\"\nsystem.runtime_dir = '/run/x'");
        assert_eq!(place.name.as_deref(), Some("demo"));
        assert_eq!(place.state.as_deref(), Some(Path::new("/etc/f/s")));
        assert_eq!(place.runtime.as_deref(), Some(Path::new("/run/x")));
        assert!(place.notes.is_empty());
    }

    #[test]
    fn a_broken_file_is_scanned() {
        let text = "[observe]\nname = \"not this\"\n[system] # where\nname = \"demo\" # yes\nstate_dir = 'var/state\n\
                    name = \"nor this\"\n[[component]\nstate_dir = \"nor this\"\ncommand = [";
        let place = at("failstop.toml", text);
        assert_eq!(place.name.as_deref(), Some("demo"));
        assert_eq!(place.state.as_deref(), Some(Path::new("var/state")));
        assert_eq!(place.runtime, None);
        assert_eq!(place.notes.len(), 1, "{:?}", place.notes);
    }

    #[test]
    fn garbage_gives_the_default_and_says_so() {
        let place = at("x/failstop.toml", "\u{fffd}\u{0}[[[ = \"\nsystem\n[system]\nname = \"\nstate_dir = 5");
        assert_eq!(place.name, None);
        assert_eq!(place.state.as_deref(), Some(Path::new("x/state")));
        assert_eq!(place.notes.len(), 2);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let mut keys = Keys::scanned("[system]\nname='a'");
        keys.override_from(|key| (key == "FAILSTOP__SYSTEM__NAME").then(|| "b".to_owned()));
        assert_eq!(keys.name.as_deref(), Some("b"));
    }
}
