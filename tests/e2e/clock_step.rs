//! Wall time that somebody sets by hand while everything runs. The clock of the machine cannot be set for one process, and no
//! namespace has one of its own: what every program here reads as wall time comes from a small library put before libc's, which adds
//! what a file says. Everything behind that reading is real. The kernel's own notice of a set clock is not: the engine sees the
//! step at its next look at the clocks.

use crate::system::{PATIENCE, System};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_AHEAD");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) ahead = page;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME && ahead) now->tv_sec += *ahead;
    return failed;
}
"#;

/// A wall clock that can be set.
struct Clock(File);

impl Clock {
    /// Starts the system with it.
    fn start(system: &mut System) -> Self {
        let (source, library, ahead) = (system.path("clock.c"), system.path("clock.so"), system.path("ahead"));
        fs::write(&source, LIBRARY).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        fs::write(&ahead, [0; 8]).unwrap();
        let clock = Self(File::options().write(true).open(&ahead).unwrap());
        let variables = [("LD_PRELOAD", library.to_str().unwrap()), ("CLOCK_AHEAD", ahead.to_str().unwrap())];
        system.start_with(&[], &variables);
        system.wait_answer();
        clock
    }

    /// So many seconds ahead of the machine's.
    fn set(&self, seconds: i64) {
        self.0.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

fn halts(system: &System, cause: &str) -> Vec<Value> {
    let of = |record: &Value| record["t"] == "halt.raised" && record["b"]["cause"] == cause;
    system.records().into_iter().filter(of).collect()
}

#[test]
fn a_step_of_wall_time_halts_until_fresh_signs_have_come_and_ends_or_restarts_nothing() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n\
         liveness = { heartbeat = \"5s\" }\n",
    );
    let clock = Clock::start(&mut system);
    system.wait_active();
    let bot = system.pid_of("bot").unwrap();
    for (seconds, said) in [
        (3_600, "wall time was set forward by 3600."),
        (-86_400, "wall time was set back by 90000."),
        (0, "wall time was set forward by 86400."),
    ] {
        let from = system.next_seq();
        clock.set(seconds);
        let raised = system.wait_record(from, "halt.raised", |halt| halt["cause"] == "clock");
        let evidence = raised["b"]["evidence"].as_str().unwrap();
        assert!(evidence.contains(said), "{seconds}: {evidence}");
        system.wait_record(from, "halt.cleared", |halt| halt["cause"] == "clock");
        let status = system.wait_active();
        assert_eq!(status["halts"], Value::Array(Vec::new()));
        let up = status["uptime_seconds"].as_f64().unwrap();
        assert!(up < PATIENCE.as_secs_f64() * 20.0, "what has passed is not told by wall time: {up} s");
    }
    assert_eq!(system.pid_of("bot"), Some(bot), "the same process all along");
    for cause in ["heartbeat-lost", "hung", "failsafe", "unhealthy", "overload"] {
        assert_eq!(halts(&system, cause), Vec::<Value>::new());
    }
    assert_eq!(halts(&system, "clock").len(), 3, "each step once");
    assert_eq!(system.stop(), 0);
    // Times inform and never order: the chain is whole although they go back within it.
    assert_eq!(system.run("verify-data", &["--quiet"]).status.code(), Some(0));
}
