//! The table of `docs/reference/sd-notify.md` has every variable that is understood, and each of its rows names a test that there
//! is.

use failstop_engine::notify_socket::VARIABLES;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of a test's module, in one of the places where tests are.
fn file_of(module: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = ["tests/e2e", "crates/core/tests/core"];
    let found = places.iter().map(|place| root.join(place).join(format!("{module}.rs"))).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("there is no test file {module}.rs"))
}

#[test]
fn every_variable_has_its_row_and_every_row_its_test() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/sd-notify.md");
    let text = fs::read_to_string(page).unwrap();
    let mut rows = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [variable, does, test] = cells[..] else { panic!("three cells: {row}") };
        let variable = variable.trim_matches('`').split('=').next().unwrap();
        assert!(!does.is_empty());
        rows.insert(variable.to_owned());
        named(test.trim_matches('`'));
    }
    for variable in VARIABLES {
        assert!(rows.contains(variable), "{variable} has no row");
    }
    for row in rows {
        assert!(VARIABLES.contains(&row.as_str()), "{row} is not understood");
    }
    // The tests that the text names, too.
    for word in text.split('`').filter(|word| word.starts_with("sd_") && word.contains("::")) {
        named(word);
    }
}

fn named(test: &str) {
    let (module, function) = test.split_once("::").unwrap_or_else(|| panic!("{test} is no test"));
    let source = fs::read_to_string(file_of(module)).unwrap();
    assert!(source.contains(&format!("#[test]\nfn {function}()")), "there is no test {test}");
}
