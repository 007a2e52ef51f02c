//! The names of metrics: those that rules and dashboards use are those that the reference has, and those are what the programs
//! write.

use crate::files::{good, prometheus_tool, read};
use crate::running::{engine, free_port, get, watching};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// The metrics in a page's tables, as `name` at the start of a row.
fn documented(page: &str) -> BTreeSet<String> {
    read(page)
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next().map(str::to_owned))
        .filter(|name| name.starts_with("failstop_") || name.starts_with("process_"))
        .collect()
}

/// Every metric of engine and watchdog, as the reference has them.
pub fn reference() -> BTreeSet<String> {
    let (mut engine, watchdog) = (documented("docs/reference/metrics.md"), documented("docs/reference/watchdog.md"));
    assert!(engine.contains("failstop_permission") && watchdog.contains("failstop_watchdog_acting"));
    engine.extend(watchdog);
    engine
}

/// The words of an expression of PromQL: names of metrics, functions, labels.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'))
}

/// Every name of a metric in an expression of PromQL; parts of recorded names are none.
pub fn used(expression: &str) -> BTreeSet<String> {
    words(expression)
        .filter(|word| word.starts_with("failstop_") || word.starts_with("process_"))
        // What a histogram is made of.
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// Every recorded name in an expression of PromQL.
pub fn recorded(expression: &str) -> impl Iterator<Item = &str> {
    words(expression).filter(|word| word.contains(':') && word.starts_with(|letter: char| letter.is_ascii_alphabetic()))
}

/// The families that a program wrote.
fn written(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned)).collect()
}

/// What `promtool check metrics` says of a text: the format, and the field's rules of naming.
fn lint(text: &str) -> Output {
    let mut tool = Command::new(prometheus_tool("promtool"));
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tool.spawn().unwrap();
    running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    running.wait_with_output().unwrap()
}

#[test]
fn both_programs_write_what_the_reference_has_and_promtool_finds_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (port, own) = (free_port(), free_port());
    let bot =
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sleep\", \"600\"]\norders = \"none\"\nstop_grace = \"1s\"\n";
    let name = format!("names-{}", std::process::id());
    let _engine = engine(folder.path(), &name, port, bot);
    let _watchdog = watching(folder.path(), own, port);

    let text = get(port, "/metrics").unwrap();
    assert_eq!(good(&lint(&text)), "", "of:\n{text}");
    let unknown: Vec<_> = written(&text).difference(&documented("docs/reference/metrics.md")).cloned().collect();
    assert!(unknown.is_empty(), "docs/reference/metrics.md does not have {unknown:?}");

    let text = get(own, "/metrics").unwrap();
    assert_eq!(good(&lint(&text)), "", "of:\n{text}");
    let page = documented("docs/reference/watchdog.md");
    let written = written(&text);
    let unknown: Vec<_> = written.difference(&page).collect();
    assert!(unknown.is_empty(), "docs/reference/watchdog.md does not have {unknown:?}");
    // A watchdog without a peer says nothing of one.
    let missing: Vec<_> = page.difference(&written).filter(|name| *name != "failstop_watchdog_peer_up").collect();
    assert!(missing.is_empty(), "the watchdog does not write {missing:?}");

    // What is against the rules is found.
    assert!(!lint("failstop_things 1\n# TYPE other_total counter\n").status.success());
}

#[test]
fn names_are_found_in_expressions() {
    let expression = "rate(failstop_a_bucket{x=\"failstop_no\"}[5m]) / system:failstop_b:sum > on (y) process_c";
    let found = used(expression);
    let names: Vec<&str> = found.iter().map(String::as_str).collect();
    // A name in quotes is found too: rather one too many than one too few.
    assert_eq!(names, ["failstop_a", "failstop_no", "process_c"]);
    assert_eq!(recorded(expression).collect::<Vec<_>>(), ["system:failstop_b:sum"]);
}
