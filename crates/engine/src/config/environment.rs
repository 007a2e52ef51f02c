//! What a component is given and what it may: its file mode mask, its priority, its capabilities, the variables that it inherits.

use failstop_settings::document::{Node, Value};
use failstop_settings::setting::{bad_value, text_of, wrong_type};
use failstop_settings::{At, Choice, Kind, Reading, Setting, interpreted, shown};
use std::ffi::OsStr;
use std::fmt;

/// A file mode mask: what the files that a component makes are *not* open to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Umask(u32);

impl Umask {
    /// Its bits, 0 to 0o777.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl Setting for Umask {
    const WANTED: &'static str = "an octal file mode mask in quotes, like \"0027\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(text) = text_of(node) else {
            // `umask = 27` means 027 to whoever writes it, and 27 to TOML.
            let octal = match &node.value {
                Value::Integer(number) => {
                    u32::from_str_radix(&number.to_string(), 8).ok().filter(|bits| *bits <= 0o777)
                }
                _ => None,
            };
            wrong_type(node, at, reading, octal.map(|bits| format!("\"{bits:04o}\"")));
            return None;
        };
        let digits = text.strip_prefix("0o").unwrap_or(&text);
        let octal = (1..=4).contains(&digits.len()) && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        match u32::from_str_radix(digits, 8) {
            Ok(bits) if octal && bits <= 0o777 => Some(Self(bits)),
            _ => {
                bad_value(node, at, reading, &text, None);
                None
            }
        }
    }
}

/// A scheduling priority: 19 gives way to everybody, -20 to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nice(i32);

impl Nice {
    /// -20 to 19.
    pub const fn value(self) -> i32 {
        self.0
    }
}

impl Setting for Nice {
    const WANTED: &'static str = "a whole number from -20 (first) to 19 (last)";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let Value::Integer(number) = &given.value else {
            let plain = match &given.value {
                Value::Text(text) => text.trim().parse::<i32>().ok().map(|number| number.to_string()),
                _ => None,
            };
            wrong_type(&given, at, reading, plain);
            return None;
        };
        match i32::try_from(*number) {
            Ok(value) if (-20..=19).contains(&value) => Some(Self(value)),
            _ => {
                let message = format!("{} is {number}, which is out of range", at.name());
                reading.refuse(Kind::OutOfRange, &node.origin, message, "write a value from -20 to 19");
                None
            }
        }
    }
}

/// The variables of failstop's own environment that a component inherits: names, or beginnings of names with a `*` at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited(Vec<String>);

impl Inherited {
    /// Those that these names and beginnings stand for.
    pub fn of(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// As written.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether a variable of this name is one of them.
    pub fn has(&self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning.as_bytes()),
            None => name == pattern.as_bytes(),
        })
    }
}

impl Setting for Inherited {
    const WANTED: &'static str = "a list of names of variables, like [\"PATH\", \"LC_*\"]";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let names = Vec::<String>::read(node, at, reading)?;
        for name in &names {
            let stem = name.strip_suffix('*').unwrap_or(name);
            if stem.is_empty() || stem.contains(|c: char| matches!(c, '=' | '*') || c.is_control() || c.is_whitespace())
            {
                let message = format!("{}: \"{}\" cannot be the name of a variable", at.name(), shown(name));
                let help = match stem {
                    "" => "remove the key: then everything is inherited that may be",
                    _ => "use letters, digits and '_', with a `*` at the end for all that begin so",
                };
                reading.refuse(Kind::BadValue, &node.origin, message, help);
                return None;
            }
        }
        Some(Self(names))
    }
}

/// A part of root's power, as the kernel divides it (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(u8);

impl Capability {
    /// Its number in the kernel's sets.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(_, one)| one == self).map_or("unknown", |(word, _)| word))
    }
}

/// Lists the capabilities in the order of their numbers, from 0.
macro_rules! capabilities {
    ($($number:literal $word:literal),* $(,)?) => {
        &[$(($word, Capability($number))),*]
    };
}

impl Choice for Capability {
    const WORDS: &'static [(&'static str, Self)] = capabilities![
        0 "CAP_CHOWN",
        1 "CAP_DAC_OVERRIDE",
        2 "CAP_DAC_READ_SEARCH",
        3 "CAP_FOWNER",
        4 "CAP_FSETID",
        5 "CAP_KILL",
        6 "CAP_SETGID",
        7 "CAP_SETUID",
        8 "CAP_SETPCAP",
        9 "CAP_LINUX_IMMUTABLE",
        10 "CAP_NET_BIND_SERVICE",
        11 "CAP_NET_BROADCAST",
        12 "CAP_NET_ADMIN",
        13 "CAP_NET_RAW",
        14 "CAP_IPC_LOCK",
        15 "CAP_IPC_OWNER",
        16 "CAP_SYS_MODULE",
        17 "CAP_SYS_RAWIO",
        18 "CAP_SYS_CHROOT",
        19 "CAP_SYS_PTRACE",
        20 "CAP_SYS_PACCT",
        21 "CAP_SYS_ADMIN",
        22 "CAP_SYS_BOOT",
        23 "CAP_SYS_NICE",
        24 "CAP_SYS_RESOURCE",
        25 "CAP_SYS_TIME",
        26 "CAP_SYS_TTY_CONFIG",
        27 "CAP_MKNOD",
        28 "CAP_LEASE",
        29 "CAP_AUDIT_WRITE",
        30 "CAP_AUDIT_CONTROL",
        31 "CAP_SETFCAP",
        32 "CAP_MAC_OVERRIDE",
        33 "CAP_MAC_ADMIN",
        34 "CAP_SYSLOG",
        35 "CAP_WAKE_ALARM",
        36 "CAP_BLOCK_SUSPEND",
        37 "CAP_AUDIT_READ",
        38 "CAP_PERFMON",
        39 "CAP_BPF",
        40 "CAP_CHECKPOINT_RESTORE",
    ];
    const WANTED: &'static str = "the name of a capability, like \"CAP_NET_BIND_SERVICE\"";
}

/// The capabilities that a component keeps, all others given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    /// Each once, as written.
    pub fn as_slice(&self) -> &[Capability] {
        &self.0
    }

    /// Numbers and names.
    pub fn named(&self) -> Vec<(u8, String)> {
        self.0.iter().map(|capability| (capability.number(), capability.to_string())).collect()
    }
}

impl Setting for Capabilities {
    const WANTED: &'static str = "a list of capabilities, like [\"CAP_NET_BIND_SERVICE\"], or [] for none";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        Vec::<Capability>::read(node, at, reading).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_stand_at_their_numbers() {
        for (index, (word, capability)) in Capability::WORDS.iter().enumerate() {
            assert_eq!(usize::from(capability.number()), index, "{word}");
            assert_eq!(capability.to_string(), *word);
        }
        let kept = Capabilities(vec![Capability(10)]);
        assert_eq!(kept.named(), [(10, "CAP_NET_BIND_SERVICE".to_owned())]);
    }

    #[test]
    fn inherited_are_names_and_beginnings() {
        let inherited = Inherited(vec!["PATH".to_owned(), "LC_*".to_owned()]);
        for (name, wanted) in [("PATH", true), ("LC_ALL", true), ("LC_", true), ("PATHS", false), ("HOME", false)] {
            assert_eq!(inherited.has(OsStr::new(name)), wanted, "{name}");
        }
    }
}
