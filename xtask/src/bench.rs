//! Runs the benches one after the other: each prints our figure, the reference's figure from the same run, and the ratio.

use crate::run::{TaskError, command, run};

/// The packages that have benches, with the names of those.
const BENCHES: &[(&str, &str)] = &[
    ("failstop", "system"),
    ("failstop-engine", "spawn"),
    ("failstop-engine", "bot_socket"),
    ("failstop-client", "permit_read"),
    ("failstop-journal", "append"),
    ("failstop-journal", "verification"),
];

/// Runs those whose name contains `filter`.
pub fn bench(filter: Option<&str>) -> Result<(), TaskError> {
    run(&mut command("cargo", &["build", "--release", "--workspace", "--bins", "--examples"]))?;
    for (package, name) in BENCHES.iter().filter(|(_, name)| filter.is_none_or(|filter| name.contains(filter))) {
        run(&mut command("cargo", &["bench", "--quiet", "--package", package, "--bench", name]))?;
    }
    Ok(())
}
