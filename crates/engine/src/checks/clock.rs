//! The clock is synchronised, and reading it is cheap: the permit reads it before every order.

use super::{Finding, Subject};

/// What the kernel knows of the clock's discipline.
#[derive(Debug, PartialEq, Eq)]
enum Discipline {
    Synchronised { error_us: i64 },
    Unsynchronised,
    Unknown,
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = vec![match discipline() {
        Discipline::Synchronised { error_us } => {
            Finding::passed(format!("synchronised, estimated error at most {} ms", error_us / 1_000 + 1))
        }
        Discipline::Unsynchronised => Finding::warning(
            "the clock is not synchronised",
            "start chrony or systemd-timesyncd: time stamps and daily limits depend on it",
        ),
        Discipline::Unknown => Finding::skipped("the kernel does not say whether the clock is synchronised"),
    }];
    if !subject.host.clock_is_cheap {
        let source = subject.host.clock_source.as_deref().unwrap_or("unknown");
        findings.push(Finding::warning(
            format!("the clock source is {source}, so each permit check costs a system call"),
            "use the time-stamp counter where the machine has a stable one: clocksource=tsc on the kernel's command line",
        ));
    }
    findings
}

fn discipline() -> Discipline {
    // SAFETY: plain data; all zeros asks for the state and changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: a valid, writable structure.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    if result < 0 {
        Discipline::Unknown
    } else if result == libc::TIME_ERROR || state.status & libc::STA_UNSYNC != 0 {
        Discipline::Unsynchronised
    } else {
        Discipline::Synchronised { error_us: state.maxerror }
    }
}
