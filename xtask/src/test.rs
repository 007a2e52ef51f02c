//! Everything that must hold before a change lands, in the order in which failures are cheapest.

use crate::run::{TaskError, command, run};
use crate::{clients, generate, setup, walls};

/// Installs, checks, tests. `long` takes the long variants of the randomised and exhaustive tests.
pub fn test(long: bool) -> Result<(), TaskError> {
    setup::setup()?;
    run(&mut command("cargo", &["fmt", "--all", "--check"]))?;
    walls::walls(false)?;
    generate::generate(true)?;
    clients::test()?;
    run(&mut command("cargo", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    // The end-to-end tests start the real binaries and examples; the integration tests of the root package find them.
    run(&mut command("cargo", &["build", "--workspace", "--bins", "--examples"]))?;
    let mut tests = command("cargo", &["test", "--workspace", "--no-fail-fast"]);
    // The end-to-end tests wait, for deadlines and for processes, far more than they compute.
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        tests.env("RUST_TEST_THREADS", (2 * processors).to_string());
    }
    // What is not in the default build is built and tried by itself.
    let otlp = ["--package", "failstop-engine", "--features", "otlp"];
    run(command("cargo", &["clippy", "--all-targets"]).args(otlp).args(["--", "--deny", "warnings"]))?;
    run(command("cargo", &["test", "--lib"]).args(otlp).arg("otlp"))?;
    // They are there: a test that needs one may not be skipped.
    tests.env("FAILSTOP_NODE_CLIENT", "built");
    if long {
        tests.env("FAILSTOP_SEEDS", "10000").env("FAILSTOP_MODEL", "full");
        tests.env("FAILSTOP_EXHAUSTIVE", "1");
        tests.env("FAILSTOP_ROUNDS", "200").env("FAILSTOP_TRIES", "100").env("FAILSTOP_STORM", "500");
        tests.env("FAILSTOP_POSTINGS", "1000000").env("FAILSTOP_MUTATIONS", "all").env("FAILSTOP_FUZZ_SECONDS", "600");
    }
    run(&mut tests)
}
