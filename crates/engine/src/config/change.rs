//! Which keys may change while failstop runs: the one list, and what the difference between two configurations asks for.

use super::{Config, SecretFor};
use failstop_settings::Effective;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a change of a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It is taken while failstop runs.
    Live,
    /// It shapes processes that run, or what is open: a restart.
    Restart,
    /// What money is at stake, and by which keys: a restart, on purpose.
    Critical,
}

impl Class {
    /// What the reference says of such a key.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Live => "Live.",
            Self::Restart => "Needs a restart.",
            Self::Critical => "Critical: needs a restart.",
        }
    }

    /// `live`, `restart`, `critical`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Restart => "restart",
            Self::Critical => "critical",
        }
    }
}

use Class::{Critical, Live, Restart};

/// Every key by its place in the reference; `.*` stands for all below. The first row that fits decides, so exceptions stand above
/// their section. A key is `Live` only where everything that goes by it takes the new value over: in the core's policy, in the
/// gate's, or in `app/reload.rs`.
const ROWS: &[(&str, Class)] = &[
    ("system.mode", Critical),
    // What it decides are the defaults of other keys, and those are judged each.
    ("system.profile", Live),
    ("system.*", Restart),
    ("observe.*", Restart),
    ("control.*", Restart),
    ("telegram.*", Live),
    ("component.name", Restart),
    ("component.orders", Restart),
    ("component.essential", Live),
    ("component.credentials", Critical),
    ("component.env", Critical),
    ("component.env_file", Critical),
    ("component.depends_on", Live),
    ("component.on_dependency_exit", Live),
    ("component.needs", Live),
    ("component.restart", Live),
    ("component.backoff.*", Live),
    ("component.start_limit.*", Live),
    ("component.limits.memory_max", Live),
    ("component.limits.memory_warn", Live),
    ("component.limits.cpu_max_percent", Live),
    ("component.limits.cpu_for", Live),
    ("component.limits.action", Live),
    ("component.gate.*", Live),
    ("component.stop_grace", Live),
    ("component.start_period", Live),
    ("component.readiness.interval", Live),
    ("component.readiness.timeout", Live),
    ("component.liveness.heartbeat", Live),
    ("component.liveness.interval", Live),
    ("component.liveness.timeout", Live),
    ("component.liveness.tries", Live),
    ("component.health.interval", Live),
    ("component.health.timeout", Live),
    ("component.health.tries", Live),
    ("component.progress_within", Live),
    ("component.fd_store_max", Live),
    ("component.*", Restart),
    ("dependency.interval", Live),
    ("dependency.timeout", Live),
    ("dependency.tries", Live),
    ("dependency.stuck_after", Live),
    ("dependency.*", Restart),
    ("health.*", Live),
    ("failsafe.*", Live),
    ("halts.*", Live),
    ("limits.*", Live),
    ("thresholds.*", Live),
    ("breaker.*", Live),
    ("footprint.*", Live),
    ("metrics.*", Live),
    ("emergency.*", Restart),
    ("startup.environment", Live),
    ("shutdown.within", Live),
    ("journal.heartbeat_every", Live),
    ("journal.verify_every", Live),
    ("journal.*", Restart),
    ("witness.*", Restart),
    ("permit.*", Restart),
    ("asset.*", Restart),
    ("account.*", Restart),
    ("pool.*", Restart),
    ("instrument.limits.*", Live),
    ("instrument.required", Live),
    ("instrument.*", Restart),
    ("strategy.*", Restart),
    ("gate.paper_equity", Critical),
    ("gate.durable_intents", Live),
    ("gate.position_max_age", Live),
    ("gate.equity_max_age", Live),
    ("gate.confirm_within", Live),
    ("gate.limits.*", Live),
    ("gate.user.*", Live),
    ("gate.*", Restart),
    ("prices.required", Live),
    ("prices.max_age", Live),
    ("prices.deviation", Live),
    ("prices.*", Restart),
    ("shared_rates.*", Restart),
    ("ledger.suspense_max_age", Live),
    ("snapshots.every", Live),
    ("snapshots.keep", Live),
    ("output.*", Restart),
    ("log.level", Live),
    ("log.format", Restart),
    ("log.mask_addresses", Live),
    ("alerts.*", Live),
    ("config.*", Live),
];

/// Keys whose values are nobody's to see wherever they are shown, although their type does not say so: a node's path often is a key.
const COVERED: &[&str] = &["dependency.json_rpc"];

/// The class of a key, by its place in the reference. The name of a section that may stand any number of times stands for which
/// elements there are. `None` only for what no section has.
pub fn class_of(schema: &str) -> Option<Class> {
    let fits = |row: &str| match row.strip_suffix(".*") {
        Some(section) => schema.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')),
        // A table that is one value, or a key below it (a secret's place).
        None => schema.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
    };
    // Components were started without the variables that hold secrets of ours: one more would be theirs, too.
    if (schema.starts_with("alerts.") || schema.starts_with("telegram.")) && schema.ends_with(".env") {
        return Some(Restart);
    }
    let known = ROWS.iter().find(|(row, _)| fits(row)).map(|(_, class)| *class);
    // Which components, accounts or instruments there are shapes everything.
    let elements = || super::vocabulary::VOCABULARY.section(schema).map(|_| Restart);
    known.or_else(elements)
}

/// Covers what is nobody's to see.
pub(super) fn cover(values: Vec<Effective>) -> Vec<Effective> {
    values
        .into_iter()
        .map(|value| if COVERED.contains(&value.schema.as_str()) { value.covered() } else { value })
        .collect()
}

/// One key whose value is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: String,
    /// What that asks for.
    pub class: Class,
    /// Its value before, for people; `None` where it had none.
    pub from: Option<String>,
    /// Its value after.
    pub to: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        write!(f, "{} {} -> {}", self.key, text(&self.from), text(&self.to))
    }
}

/// Every key whose value is another in `new`, in the order of the reference; those that are gone come last.
pub fn difference(old: &Config, new: &Config) -> Vec<Change> {
    let before: BTreeMap<&str, &Effective> = old.values.iter().map(|value| (value.key.as_str(), value)).collect();
    let after: BTreeMap<&str, &Effective> = new.values.iter().map(|value| (value.key.as_str(), value)).collect();
    let known_to_components = key_that_components_have(old, new);
    let change = |key: &Effective, from: Option<&Effective>, to: Option<&Effective>| Change {
        key: key.key.clone(),
        class: if key.schema == "metrics.prometheus" && known_to_components {
            Restart
        } else {
            // What no row names is no key of a running engine's: the safe answer.
            class_of(&key.schema).unwrap_or(Restart)
        },
        from: from.map(Effective::shown),
        to: to.map(Effective::shown),
    };
    let mut changes = Vec::new();
    for value in &new.values {
        match before.get(value.key.as_str()) {
            Some(known) if known.is_the_same(value) => {}
            known => changes.push(change(value, known.copied(), Some(value))),
        }
    }
    changes.extend(
        old.values
            .iter()
            .filter(|value| !after.contains_key(value.key.as_str()))
            .map(|value| change(value, Some(value), None)),
    );
    changes
}

/// Whether a page of metrics is to be asked with a key from a variable that was none of failstop's secrets: components were started
/// with that variable, and only a restart takes it from them.
fn key_that_components_have(old: &Config, new: &Config) -> bool {
    let known: BTreeSet<&str> = old.secrets().filter_map(|own| own.secret.variable()).collect();
    let of_metrics = new.secrets().filter(|own| own.of == SecretFor::Metrics);
    of_metrics.filter_map(|own| own.secret.variable()).any(|variable| !known.contains(variable))
}

/// What is done about another configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No key has another value: comments, order, notation.
    Nothing,
    /// It is taken: these keys have other values.
    Take(Vec<Change>),
    /// Nothing of it is taken: these keys need a restart.
    Restart(Vec<Change>),
}

/// All or nothing: one key that needs a restart refuses the whole change.
pub fn decide(running: &Config, new: &Config) -> Decision {
    let changes = difference(running, new);
    let (live, restart): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|change| change.class == Live);
    match (live.is_empty(), restart.is_empty()) {
        (_, false) => Decision::Restart(restart),
        (false, true) => Decision::Take(live),
        (true, true) => Decision::Nothing,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::super::tests::with;
    use super::super::vocabulary::VOCABULARY;
    use super::*;
    use failstop_settings::Key;

    /// Every key of the reference.
    fn keys() -> Vec<String> {
        fn below(path: &str, keys: &'static [Key], out: &mut Vec<String>) {
            for key in keys {
                let path = format!("{path}.{}", key.name);
                match (key.nested)() {
                    Some(nested) => below(&path, nested, out),
                    None => out.push(path),
                }
            }
        }
        let mut out = Vec::new();
        for section in VOCABULARY.sections {
            below(section.name, (section.keys)(), &mut out);
        }
        out
    }

    #[test]
    fn every_key_has_a_class_and_every_row_a_key() {
        let keys = keys();
        assert!(keys.len() > 200, "{}", keys.len());
        for key in &keys {
            assert!(class_of(key).is_some(), "{key} has no class: add its row");
        }
        let named = |row: &str, key: &String| {
            let row = row.trim_end_matches(".*");
            key.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        for (index, (row, _)) in ROWS.iter().enumerate() {
            let first = |key: &&String| ROWS.iter().position(|(row, _)| named(row, key)) == Some(index);
            assert!(keys.iter().any(|key| first(&key)), "the row {row} decides about no key");
        }
        assert_eq!(class_of("component"), Some(Restart), "which components there are");
        assert_eq!(class_of("alerts.telegram.bot_token.env"), Some(Restart), "components would inherit it");
        assert_eq!(class_of("telegram.bot_token.env"), Some(Restart), "and this one");
        assert_eq!(class_of("alerts.telegram.bot_token.file"), Some(Live));
        assert_eq!(class_of("nothing.at.all"), None);
    }

    #[test]
    fn a_section_that_is_live_as_a_whole_is_taken_as_a_whole() {
        // A row that lets all keys below it be live needs somebody who takes all of them: a key that is added there is live, too.
        let whole: Vec<&str> =
            ROWS.iter().filter(|(row, class)| row.ends_with(".*") && *class == Live).map(|(row, _)| *row).collect();
        assert_eq!(
            whole,
            [
                "telegram.*",
                "component.backoff.*",
                "component.start_limit.*",
                "component.gate.*",
                "health.*",
                "failsafe.*",
                "halts.*",
                "limits.*",
                "thresholds.*",
                "breaker.*",
                "footprint.*",
                "metrics.*",
                "instrument.limits.*",
                "gate.limits.*",
                "gate.user.*",
                "alerts.*",
                "config.*"
            ]
        );
    }

    #[test]
    fn what_changes_is_said_key_by_key() {
        let old = with("stop_grace = \"5s\"\nenv = { KEY = \"geheim\" }\n[health]\nerrors_per_minute = 7\n");
        let new = with(
            "stop_grace = \"7s\"\nenv = { KEY = \"anders\" }\nprogress_within = \"5m\"\nliveness = { heartbeat = \"1m\" }\n\
             [health]\nerrors_per_minute = 7\nevery = \"30000ms\"\n",
        );
        let said: Vec<String> =
            difference(&old, &new).iter().map(|change| format!("{:?} {change}", change.class)).collect();
        assert!(said.contains(&"Live component.bot.stop_grace \"5s\" -> \"7s\"".to_owned()), "{said:?}");
        assert!(said.contains(&"Critical component.bot.env (secret) -> (secret)".to_owned()), "{said:?}");
        assert!(said.contains(&"Live component.bot.progress_within (none) -> \"5m\"".to_owned()), "{said:?}");
        assert!(!said.iter().any(|one| one.contains("health.every")), "the same span: {said:?}");
        let back: Vec<String> = difference(&new, &old).iter().map(ToString::to_string).collect();
        assert!(back.contains(&"component.bot.progress_within \"5m\" -> (none)".to_owned()), "{back:?}");
        assert_eq!(difference(&old, &old), []);
    }

    #[test]
    fn a_secret_within_a_list_is_shown_nowhere() {
        let of = |key: &str, variable: &str| {
            with(&format!(
                "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n\
                 [[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n\
                 [prices]\nsources = [\"rest\"]\n[[prices.poll]]\nsource = \"rest\"\ninstrument = \"BTC/USDT\"\n\
                 url = \"http://127.0.0.1:1/\"\nlast = \"$.p\"\n\
                 headers = [{{ name = \"X-Key\", value = \"{key}\" }}, {{ name = \"X-Id\", value = {{ env = \"ID\" }} }}]\n\
                 [[emergency.action]]\nname = \"all\"\nkind = \"custom\"\ncommand = [\"true\"]\nenv = {{ VENUE = \"{variable}\" }}\n"
            ))
        };
        let (old, new) = (of("geheim1", "geheim2"), of("geheim3", "geheim4"));
        let values: Vec<String> = new.values.iter().map(|value| format!("{value:?} {}", value.shown())).collect();
        let changes = difference(&old, &new);
        let mut said: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let fault = decide(&old, &new);
        said.extend(values);
        said.push(format!("{fault:?}"));
        assert!(!said.iter().any(|one| one.contains("geheim")), "{said:?}");
        let changed: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(changed, ["emergency.action", "prices.poll"], "what is covered is still compared");
        let polls = changes[1].to.clone().unwrap();
        assert!(
            polls.contains("name = \"X-Key\", value = (secret) }") && polls.contains("value = { env = \"ID\" }"),
            "the rest is shown, and a place is no secret: {polls}"
        );
        assert!(changes[0].to.clone().unwrap().contains("env = (secret)"), "{changes:?}");
    }

    #[test]
    fn one_key_that_needs_a_restart_refuses_the_whole_change() {
        let old = with("");
        let live = with("stop_grace = \"7s\"\n");
        let both = with("stop_grace = \"7s\"\nnice = 5\n");
        assert_eq!(decide(&old, &old), Decision::Nothing);
        assert!(matches!(decide(&old, &live), Decision::Take(changes) if changes.len() == 1));
        match decide(&old, &both) {
            Decision::Restart(keys) => {
                assert_eq!(keys.iter().map(|change| change.key.as_str()).collect::<Vec<_>>(), ["component.bot.nice"])
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn metrics_are_live_but_for_a_key_that_components_have_already() {
        let page = |header: &str| {
            with(&format!(
                "[[metrics.prometheus]]\nname = \"n\"\nurl = \"http://127.0.0.1:1/m\"\ntake = [{{ metric = \"x\" }}]\n{header}"
            ))
        };
        let (none, plain) = (with(""), page(""));
        let file = page("headers = [{ name = \"K\", value = { file = \"k\" } }]\n");
        let variable = page("headers = [{ name = \"K\", value = { env = \"SOMEBODYS_KEY\" } }]\n");
        for (old, new, live) in
            [(&none, &plain, true), (&plain, &file, true), (&plain, &variable, false), (&variable, &plain, true)]
        {
            let changes = difference(old, new);
            let classes: Vec<(&str, Class)> = changes.iter().map(|one| (one.key.as_str(), one.class)).collect();
            assert_eq!(classes, [("metrics.prometheus", if live { Live } else { Restart })]);
        }
        let inline = page("headers = [{ name = \"K\", value = \"s3cret\" }]\n");
        assert!(!difference(&plain, &inline)[0].to_string().contains("s3cret"), "nobody's to see");
    }

    #[test]
    fn components_in_another_order_are_others() {
        let two = |first: &str, second: &str| {
            with(&format!(
                "[[component]]\nname = \"{first}\"\ncommand = [\"a\"]\norders = \"none\"\n[[component]]\nname = \"{second}\"\ncommand = [\"a\"]\norders = \"none\"\n"
            ))
        };
        let changes = difference(&two("x", "y"), &two("y", "x"));
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!((changes[0].key.as_str(), changes[0].class), ("component", Restart));
        let old = with("");
        let new = two("x", "y");
        assert!(difference(&old, &new).iter().any(|change| change.class == Restart));
        assert_eq!(difference(&old, &new).first().unwrap().key, "component");
    }
}
