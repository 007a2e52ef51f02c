//! Runs the benches one after the other: each prints our figure, the reference's figure from the same run, and the ratio.

use crate::run::{TaskError, command, run};
use crate::{clients, peers};

/// The packages that have benches, with the names of those and the profile that their program is installed with.
const BENCHES: &[(&str, &str, &str)] = &[
    ("failstop", "system", "bench"),
    ("failstop-engine", "spawn", "bench"),
    ("failstop-engine", "bot_socket", "bench"),
    ("failstop-engine", "books", "bench"),
    ("failstop-engine", "shared_rates", "bench"),
    ("failstop-engine", "masking", "bench"),
    ("failstop-client", "permit_read", "bench"),
    ("failstop-core", "gate", "bench"),
    ("failstop-journal", "append", "bench"),
    ("failstop-journal", "verification", "bench"),
    ("failstop-watchdog", "footprint", "small"),
];

/// Runs those whose name contains `filter`.
pub fn bench(filter: Option<&str>) -> Result<(), TaskError> {
    if filter == Some(peers::NAUTILUS) {
        return peers::nautilus();
    }
    run(&mut command("cargo", &["build", "--release", "--workspace", "--bins", "--examples"]))?;
    for (package, name, profile) in
        BENCHES.iter().filter(|(_, name, _)| filter.is_none_or(|filter| name.contains(filter)))
    {
        run(&mut command("cargo", &["bench", "--quiet", "--profile", profile, "--package", package, "--bench", name]))?;
    }
    clients::bench(filter)
}
