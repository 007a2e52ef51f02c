//! The environment mark: which system, component and start a process belongs to. Every component process carries it;
//! leftovers, orphans and the kill switch are recognised by it.

use std::ffi::OsString;
use std::fmt;

/// `NAME/JID`: the system a component process belongs to.
pub const SYSTEM_VARIABLE: &str = "FAILSTOP_SYSTEM";
/// The component's name.
pub const COMPONENT_VARIABLE: &str = "FAILSTOP_COMPONENT";
/// Which start of the component, counted from 1 within the epoch.
pub const INSTANCE_VARIABLE: &str = "FAILSTOP_INSTANCE";

/// Exactly one identity of a system: its name and the id of its journal, so that two systems of the same name in two
/// state directories are never taken for each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemMark {
    /// The system's name: letters, digits, `-`, `_`.
    pub name: String,
    /// The journal's id: 32 hex digits.
    pub jid: String,
}

impl SystemMark {
    /// The variable that says which system a process is of, and no more.
    pub fn variable(&self) -> (OsString, OsString) {
        (SYSTEM_VARIABLE.into(), self.to_string().into())
    }

    /// The three variables that a component's environment must carry.
    pub fn variables(&self, component: &str, instance: u64) -> [(OsString, OsString); 3] {
        [
            self.variable(),
            (COMPONENT_VARIABLE.into(), component.into()),
            (INSTANCE_VARIABLE.into(), instance.to_string().into()),
        ]
    }
}

impl fmt::Display for SystemMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.jid)
    }
}

/// What a process's environment says about where it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The value of [`SYSTEM_VARIABLE`].
    pub system: Option<String>,
    /// The value of [`COMPONENT_VARIABLE`].
    pub component: Option<String>,
    /// The value of [`INSTANCE_VARIABLE`], where it is a number.
    pub instance: Option<u64>,
    /// Whether there was an environment at all: none is shown while a process ends, and for a moment while it becomes another program.
    pub shown: bool,
}

impl Marks {
    /// Reads the marks from an environment block (`KEY=VALUE\0` …), as `/proc/PID/environ` shows it. Where a variable
    /// stands twice the first one counts, as it does for `getenv`.
    pub fn parse(environ: &[u8]) -> Self {
        let mut marks = Self { shown: !environ.is_empty(), ..Self::default() };
        for entry in environ.split(|byte| *byte == 0) {
            let Some((key, value)) = std::str::from_utf8(entry).ok().and_then(|text| text.split_once('=')) else {
                continue;
            };
            match key {
                SYSTEM_VARIABLE if marks.system.is_none() => marks.system = Some(value.to_owned()),
                COMPONENT_VARIABLE if marks.component.is_none() => marks.component = Some(value.to_owned()),
                INSTANCE_VARIABLE if marks.instance.is_none() => marks.instance = value.parse().ok(),
                _ => {}
            }
        }
        marks
    }

    /// Whether the process belongs to this system.
    pub fn belongs_to(&self, mark: &SystemMark) -> bool {
        self.system.as_deref().and_then(|system| system.rsplit_once('/')) == Some((&mark.name, &mark.jid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_from_an_environment_block() {
        let mark = SystemMark { name: "demo".into(), jid: "0123".into() };
        let mut block = b"PATH=/bin\0odd\0NOT_UTF8=\xff\0".to_vec();
        for (key, value) in mark.variables("bot", 7) {
            block.extend_from_slice(format!("{}={}\0", key.to_string_lossy(), value.to_string_lossy()).as_bytes());
        }
        block.extend_from_slice(b"FAILSTOP_SYSTEM=other/9\0");
        let marks = Marks::parse(&block);
        assert!(marks.belongs_to(&mark));
        assert_eq!((marks.component.as_deref(), marks.instance), (Some("bot"), Some(7)));
        assert!(!marks.belongs_to(&SystemMark { name: "demo".into(), jid: "0124".into() }));
        assert!(!marks.belongs_to(&SystemMark { name: "dem".into(), jid: "0123".into() }));
    }

    #[test]
    fn a_process_without_marks_belongs_to_nobody() {
        let mark = SystemMark { name: "demo".into(), jid: "0123".into() };
        assert!(!Marks::parse(b"").belongs_to(&mark));
        assert!(!Marks::parse(b"XFAILSTOP_SYSTEM=demo/0123\0").belongs_to(&mark));
    }
}
