//! `failstop status --nagios`: one line, the state first, performance data after the bar.

use super::duration::span;
use crate::exit::Exit;
use failstop_client::status::Status;
use failstop_engine::printable::printable;
use std::fmt::Write as _;

/// The verdict over a status: also the exit status of `failstop status`.
pub fn verdict(status: &Status) -> Exit {
    if status.kill_switch || status.permission == "shutdown" || status.health.status == "critical" {
        Exit::Critical
    } else if status.permission == "active"
        && status.health.status == "healthy"
        // One that waits for an operator is something to act on, whatever it leaves open.
        && !status.halts.iter().any(|halt| halt.latched)
        // Nothing that fails meanwhile is restarted, and not everything is told.
        && status.maintenance.is_none()
    {
        Exit::Good
    } else {
        Exit::No
    }
}

/// The plugin's line for a status.
pub fn line(status: &Status) -> String {
    let word = match verdict(status) {
        Exit::Good => "OK",
        Exit::Critical => "CRITICAL",
        _ => "WARNING",
    };
    let ready = status.components.iter().filter(|component| component.ready).count();
    let total = status.components.len();
    let mut text = format!("{}: {}, mode {}, {}", status.system, status.permission, status.mode, status.health.status);
    if status.kill_switch {
        text.push_str(", kill switch engaged");
    }
    if let Some(window) = &status.maintenance {
        let _ = write!(text, ", maintenance until {}", window.until);
    }
    let _ = write!(text, ", {ready} of {total} ready, up {}", span(status.uptime_seconds));
    for halt in &status.halts {
        let _ = write!(text, "; {} {}", halt.id, halt.cause);
        if let Some(component) = &halt.component {
            let _ = write!(text, " {component}");
        }
    }
    format!("FAILSTOP {word} - {} | {}\n", bar_free(&text), performance(status, ready))
}

/// The plugin's line where no engine answers.
pub fn unknown(why: &str) -> String {
    format!("FAILSTOP UNKNOWN - {}\n", bar_free(why))
}

/// The bar separates text from performance data, so it may not stand in the text.
fn bar_free(text: &str) -> String {
    printable(text).replace('|', "/")
}

fn performance(status: &Status, ready: usize) -> String {
    let permission = match status.permission.as_str() {
        "active" => 3,
        "reduce-only" => 2,
        "observe-only" => 1,
        _ => 0,
    };
    let total = status.components.len();
    let restarts: u64 = status.components.iter().map(|component| u64::from(component.restarts)).sum();
    let mut data = format!(
        "permission={permission};3:;1:;0;3 health={:.3};0.501:;;0;1 halts={} ready={ready};;;0;{total} restarts={restarts}c \
         errors_per_minute={} permit_lapses={}c journal_seq={}c uptime={:.0}s",
        status.health.overall_health,
        status.halts.len(),
        status.health.errors_per_minute,
        status.permit_lapses,
        status.journal.seq,
        status.uptime_seconds
    );
    if let Some(seconds) = status.health.journal_write_age_seconds {
        let _ = write!(data, " journal_write_age={seconds:.3}s");
    }
    for (name, seconds) in &status.feeds {
        if let Some(seconds) = seconds {
            let _ = write!(data, " '{}_age'={seconds:.3}s", label(name));
        }
    }
    for component in &status.components {
        if let Some(bytes) = component.memory_bytes {
            let _ = write!(data, " '{}_memory'={bytes}B", label(&component.name));
        }
        if let Some(seconds) = component.cpu_seconds {
            let _ = write!(data, " '{}_cpu'={seconds:.3}s", label(&component.name));
        }
    }
    data
}

/// A quoted label may hold anything but a quote, an equals sign and the bar.
fn label(name: &str) -> String {
    printable(name).replace(['\'', '=', '|'], "_")
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::sample;
    use super::*;

    #[test]
    fn the_verdict_is_the_worst_of_what_is_said() {
        let mut status = sample();
        assert_eq!(verdict(&status), Exit::No, "observe-only is a warning");
        status.permission = "active".to_owned();
        assert!(status.halts.iter().any(|halt| halt.latched));
        assert_eq!(verdict(&status), Exit::No, "a halt waits for an operator");
        status.halts.clear();
        assert_eq!(verdict(&status), Exit::Good);
        status.maintenance = Some(super::super::status::tests::window());
        assert_eq!(verdict(&status), Exit::No, "what fails is not restarted");
        assert!(line(&status).contains(", maintenance until 2026-11-07T21:30:00.000Z, "), "{}", line(&status));
        status.maintenance = None;
        status.health.status = "degraded".to_owned();
        assert_eq!(verdict(&status), Exit::No);
        status.health.status = "critical".to_owned();
        assert_eq!(verdict(&status), Exit::Critical);
        status.health.status = "healthy".to_owned();
        status.kill_switch = true;
        assert_eq!(verdict(&status), Exit::Critical);
        status.kill_switch = false;
        status.permission = "shutdown".to_owned();
        assert_eq!(verdict(&status), Exit::Critical);
        status.permission = "a word of a later version".to_owned();
        assert_eq!(verdict(&status), Exit::No);
    }

    #[test]
    fn one_line_with_one_bar() {
        let mut status = sample();
        status.system = "a|b\nc".to_owned();
        status.feeds.insert("it's=|x".to_owned(), Some(1.0));
        let line = line(&status);
        assert_eq!(line.matches('|').count(), 1, "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert_eq!(
            line,
            "FAILSTOP WARNING - a/b\\nc: observe-only, mode dry, healthy, 2 of 2 ready, up 3 h 12 min; h-31 heartbeat-lost bot | \
             permission=1;3:;1:;0;3 health=1.000;0.501:;;0;1 halts=1 ready=2;;;0;2 restarts=2c errors_per_minute=0 permit_lapses=0c \
             journal_seq=18441c uptime=11520s 'binance_age'=2.400s 'it_s__x_age'=1.000s \
             'bot_memory'=412000000B 'bot_cpu'=61.000s 'scanner_memory'=88000000B 'scanner_cpu'=0.400s\n"
        );
    }
}
