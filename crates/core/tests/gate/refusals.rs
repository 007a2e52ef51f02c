//! The reference of all codes is what the enum says.

use failstop_core::gate::Code;
use std::collections::BTreeSet;
use std::path::Path;

/// The page as it must be.
fn page() -> String {
    let mut page = String::from(
        "# Refusals\n\n\
         Every code that the gate may answer with. An answer lists all that apply; the text of a code never changes. Limits and\n\
         formulas stand in [the gate's page](../gate.md).\n\n\
         <!-- Written from `crates/core/src/gate/refusal.rs`: `UPDATE=1 cargo test -p failstop-core --test gate refusals`. -->\n\n\
         | code | what it means | what to do |\n| --- | --- | --- |\n",
    );
    for code in Code::ALL {
        page += &format!("| `{}` | {} | {} |\n", code.code(), code.meaning(), code.next());
    }
    page
}

#[test]
fn the_reference_is_what_the_gate_knows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/refusals.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page(), "write it anew with UPDATE=1");
}

#[test]
fn codes_are_distinct_and_speak() {
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(codes.len(), Code::ALL.len());
    for (index, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, index);
        assert!(code.code().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{code}");
        assert!(code.meaning().ends_with('.') && code.next().ends_with('.'), "{code}");
    }
}
