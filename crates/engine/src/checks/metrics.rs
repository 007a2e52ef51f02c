//! Sources of metrics: whether their programs can be run, and (with a network) whether their endpoints say what is taken of them.
//! No metric halts anything, so an endpoint that does not answer is a warning; a program that is not there never will answer.

use super::{Finding, Subject};
use crate::config::{Config, MetricCommand, MetricPage, Probe};
use crate::custom::{Take, fold, probe_of};
use crate::emergency::Account;
use crate::probing::{Answer, ProbeFault, Runner, once, shown};
use crate::process::spawn::{ResolveError, resolve};
use std::ffi::OsStr;
use std::time::Duration;

/// Whether the programs can be run.
pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let commands = &config.metrics.command;
    let mut findings: Vec<Finding> = commands.iter().flat_map(|command| of_command(config, command)).collect();
    if findings.is_empty() {
        let names: Vec<&str> = commands.iter().map(|command| command.name.as_str()).collect();
        let names = names.join(", ");
        findings.push(Finding::passed(if names.is_empty() { "none configured".to_owned() } else { names }));
    }
    findings
}

fn of_command(config: &Config, command: &MetricCommand) -> Vec<Finding> {
    let what = format!("source of metrics \"{}\"", command.name);
    // As the engine finds it: `env` is the program's, not the search's.
    let path = std::env::var_os("PATH");
    let program = match resolve(OsStr::new(command.command.program()), &config.folder, path.as_deref()) {
        Ok(_) => None,
        Err(ResolveError::NotFound { program, searched }) => Some(Finding::failed(
            format!("{what}: {} not found: {searched}", program.display()),
            "correct its `command`",
        )),
        Err(ResolveError::NotExecutable { path }) => Some(Finding::failed(
            format!("{what}: {} is not executable", path.display()),
            format!("chmod +x {}, or put its interpreter before it in `command`", path.display()),
        )),
    };
    let user = command.user.as_deref().and_then(|user| {
        let own = nix::unistd::geteuid();
        match Account::named(user) {
            None => Some(Finding::failed(
                format!("{what}: there is no user \"{user}\""),
                format!("useradd --system {user}, or correct `user`"),
            )),
            Some(account) if account.uid != own.as_raw() && !own.is_root() => Some(Finding::failed(
                format!("{what}: only root can run it as user \"{user}\""),
                "run failstop as root, or remove `user`",
            )),
            Some(_) => None,
        }
    });
    program.into_iter().chain(user).collect()
}

/// Whether the endpoints say what is taken of them.
pub(super) fn reach(subject: &Subject<'_>) -> Vec<Finding> {
    let pages = &subject.config.metrics.prometheus;
    if pages.is_empty() {
        return vec![Finding::passed("none configured")];
    }
    let asked: Vec<(Probe, Duration)> = pages.iter().map(|page| (probe_of(page), page.timeout)).collect();
    // It runs no programs.
    let outcomes = once(&asked, Runner::default(), subject.config.folder.clone());
    pages.iter().zip(outcomes).map(|(page, outcome)| of_page(page, outcome)).collect()
}

fn of_page(page: &MetricPage, outcome: Result<Answer, ProbeFault>) -> Finding {
    let what = format!("source of metrics \"{}\"", page.name);
    let remedy = "see whether it is up and reachable, or correct `url` and `take`";
    let body = match outcome {
        Ok(answer) => answer.page.map(|page| page.body).unwrap_or_default(),
        Err(fault) => return Finding::warning(format!("{what} does not answer: {fault}"), remedy),
    };
    let takes: Vec<Take> = page.take.iter().map(Take::from).collect();
    let read = match fold(&body, &takes) {
        Ok(read) => read,
        Err(why) => return Finding::warning(format!("{what}: {} {why}", shown(&page.url)), remedy),
    };
    let missing: Vec<&str> =
        takes.iter().zip(read).filter(|(_, value)| value.is_none()).map(|(take, _)| take.metric.as_str()).collect();
    if missing.is_empty() {
        return Finding::passed(format!("{} says {}", page.name, takes.len()));
    }
    let missing = missing.join(", ");
    Finding::warning(
        format!("{what} has no series of {missing}"),
        "correct `metric` and `labels`, or wait for the first",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use crate::checks::Outcome;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    fn found(name: &str, lines: &str) -> Vec<(Outcome, String)> {
        let config = crate::config::tests::with(lines);
        let only = vec![name.to_owned()];
        let report = crate::checks::run(&config, &crate::checks::Options { only, ..Default::default() }).unwrap();
        report.results.into_iter().map(|result| (result.outcome, result.reason)).collect()
    }

    fn one(name: &str, lines: &str, outcome: Outcome, says: &str) {
        let found = found(name, lines);
        assert!(matches!(&found[..], [(of, reason)] if *of == outcome && reason.contains(says)), "{found:?}");
    }

    #[test]
    fn a_program_that_cannot_be_run_is_found() {
        let command = |program: &str, more: &str| {
            format!("[[metrics.command]]\nname = \"queue\"\ncommand = [\"{program}\"]\n{more}")
        };
        one("metrics", "", Outcome::Passed, "none configured");
        one("metrics", &command("true", ""), Outcome::Passed, "queue");
        one("metrics", &command("./nowhere", ""), Outcome::Failed, "nowhere not found");
        one("metrics", &command("/etc/passwd", ""), Outcome::Failed, "/etc/passwd is not executable");
        one("metrics", &command("true", "user = \"nobody-here\"\n"), Outcome::Failed, "no user \"nobody-here\"");
    }

    #[test]
    fn an_endpoint_that_does_not_say_what_is_taken_is_a_warning() {
        let page = |port: u16, take: &str| {
            format!(
                "[[metrics.prometheus]]\nname = \"node\"\nurl = \"http://127.0.0.1:{port}/m\"\ntake = [{{ metric = \"{take}\" }}]\n"
            )
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten().take(3) {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head);
                let body = "load 1\nup 1\n";
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())));
            }
        });
        one("metrics-endpoints", "", Outcome::Passed, "none configured");
        one("metrics-endpoints", &page(port, "load"), Outcome::Passed, "node says 1");
        one("metrics-endpoints", &page(port, "lode"), Outcome::Warning, "no series of lode");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        one("metrics-endpoints", &page(nobody, "load"), Outcome::Warning, "does not answer");
    }
}
