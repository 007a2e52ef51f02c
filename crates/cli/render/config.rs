//! `failstop config`: values, differences and versions, a line each.

use super::style::Tone;
use super::table::{Cell, Table};
use failstop_client::configuration::{Changed, InForce};
use failstop_engine::reloading::Version;
use failstop_engine::status::rfc3339;

/// How a change of this class looks.
fn class(word: &str) -> Cell {
    let tone = match word {
        "live" => Tone::Good,
        "restart" => Tone::Warning,
        "critical" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::toned(word, tone)
}

/// Every value.
pub fn values(config: &InForce) -> String {
    let mut table = Table::default();
    for setting in &config.values {
        // Last, and so not padded: one long value would push everything behind it off the screen.
        table.row([class(&setting.class), setting.key.as_str().into(), setting.value.as_str().into()]);
    }
    table.render()
}

/// What is another, key by key.
pub fn changes(changes: &[Changed]) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    let mut table = Table::default();
    for change in changes {
        table.row([
            class(&change.class),
            change.key.as_str().into(),
            format!("{} -> {}", value(&change.from), value(&change.to)).into(),
        ]);
    }
    table.render()
}

/// A version, and what is known of it.
pub struct Line {
    /// It.
    pub version: Version,
    /// The beginning of its SHA-256, or why it cannot be read.
    pub sha256: String,
    /// Whether the file says the same.
    pub is_file: bool,
}

/// The versions, the newest first.
pub fn history(lines: &[Line]) -> String {
    let mut table = Table::default();
    for Line { version, sha256, is_file } in lines {
        let at = rfc3339(version.at);
        let at = at.split('.').next().map_or_else(|| at.clone(), |seconds| format!("{seconds}Z"));
        table.row([
            Cell::from(version.number.to_string()).right(),
            at.into(),
            Cell::from(format!("{} B", version.bytes)).right(),
            sha256.chars().take(12).collect::<String>().into(),
            match (version.was_in_force, *is_file) {
                (true, true) => "the file",
                (true, false) => "",
                (false, true) => "the file; was not in force",
                (false, false) => "was not in force",
            }
            .into(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_change_says_what_it_asks_for_and_both_values() {
        let changed = |class: &str, key: &str, from: Option<&str>, to: Option<&str>| Changed {
            key: key.to_owned(),
            class: class.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        let text = changes(&[
            changed("live", "health.every", Some("\"30s\""), Some("\"20s\"")),
            changed("critical", "system.mode", Some("\"dry\""), Some("\"live\"")),
            changed("restart", "component.bot.nice", None, Some("5")),
        ]);
        assert_eq!(
            plain(&text),
            "live       health.every         \"30s\" -> \"20s\"\n\
             critical   system.mode          \"dry\" -> \"live\"\n\
             restart    component.bot.nice   (none) -> 5\n"
        );
        assert_ne!(plain(&text), text, "classes have a colour");
    }

    #[test]
    fn a_long_value_pushes_nothing_off_the_screen() {
        let setting = |key: &str, value: &str, class: &str| failstop_client::configuration::Setting {
            key: key.to_owned(),
            value: value.to_owned(),
            class: class.to_owned(),
        };
        let values_of = vec![
            setting("component.bot.command", &"x".repeat(300), "restart"),
            setting("health.every", "\"30s\"", "live"),
        ];
        let text = plain(&values(&InForce { values: values_of, ..InForce::default() }));
        assert!(text.lines().any(|line| line == "live      health.every            \"30s\""), "{text}");
    }

    #[test]
    fn versions_line_up() {
        let line = |number, bytes, is_file| Line {
            version: Version { number, at: jiff::Timestamp::UNIX_EPOCH, bytes, was_in_force: true },
            sha256: "ab".repeat(32),
            is_file,
        };
        assert_eq!(
            history(&[line(10, 1_200, true), line(9, 90, false)]),
            "10   1970-01-01T00:00:00Z   1200 B   abababababab   the file\n 9   1970-01-01T00:00:00Z     90 B   abababababab\n"
        );
    }
}
