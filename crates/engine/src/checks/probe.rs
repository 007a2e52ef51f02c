//! One try at a dependency: TCP, plain HTTP, or a program. Blocking, bounded by its time-out.

use super::program::Runner;
use crate::config::{HostPort, Probe, Url};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

/// How much of an answer is read at most, bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was seen: `200`, `connected`, `ended with status 0`.
    pub what: String,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} ms", self.what, self.took.as_millis())
    }
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFault {
    /// This version cannot ask so.
    #[error("{0}")]
    NotSupported(String),
    /// The name has no address.
    #[error("{host} cannot be resolved: {error}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// No connection, or it broke.
    #[error("{target}: {error}")]
    Io {
        /// Who was asked.
        target: String,
        /// What the system said.
        error: io::Error,
    },
    /// It took too long.
    #[error("{0}: no answer in time")]
    TimedOut(String),
    /// It answered with a status that is no success.
    #[error("{target} answers with status {status}")]
    Status {
        /// Who was asked.
        target: String,
        /// 100 to 999.
        status: u16,
    },
    /// What it answered is not HTTP.
    #[error("{0} answers with something that is not HTTP")]
    NotHttp(String),
    /// The program was not started, or did not end with status 0.
    #[error("{program} {how}")]
    Program {
        /// Which.
        program: String,
        /// How it ended.
        how: String,
    },
}

/// Asks once. Programs run in `folder`.
///
/// # Errors
/// There was no good answer within `timeout`, or this version cannot ask so.
pub(super) fn probe(what: &Probe, folder: &Path, timeout: Duration, programs: &Runner) -> Result<Answer, ProbeFault> {
    let started = Instant::now();
    let deadline = started + timeout;
    let what = match what {
        Probe::Tcp(target) => connect(target, deadline).map(|_| "connected".to_owned()),
        Probe::Http(url) if url.tls => {
            Err(ProbeFault::NotSupported(format!("{url} needs TLS, which this version does not speak")))
        }
        Probe::Http(url) => get(url, deadline),
        Probe::Exec(argv) => programs.run(argv, folder, deadline),
        Probe::Redis(_) | Probe::Postgres(_) | Probe::JsonRpc(_) => {
            Err(ProbeFault::NotSupported(format!("this version does not probe {}", what.word())))
        }
    }?;
    Ok(Answer { what, took: started.elapsed() })
}

fn left(deadline: Instant, target: &str) -> Result<Duration, ProbeFault> {
    match deadline.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(left),
        _ => Err(ProbeFault::TimedOut(target.to_owned())),
    }
}

fn fault(target: &str, error: io::Error) -> ProbeFault {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ProbeFault::TimedOut(target.to_owned()),
        _ => ProbeFault::Io { target: target.to_owned(), error },
    }
}

fn connect(target: &HostPort, deadline: Instant) -> Result<TcpStream, ProbeFault> {
    let shown = target.to_string();
    let addresses = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|error| ProbeFault::Resolve { host: target.host.clone(), error })?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(deadline, &shown)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| io::Error::other("the name has no address"));
    Err(fault(&shown, error))
}

fn get(url: &Url, deadline: Instant) -> Result<String, ProbeFault> {
    let shown = url.to_string();
    let target = HostPort { host: url.host.clone(), port: url.port };
    let mut stream = connect(&target, deadline)?;
    let host = if url.port == 80 { target.to_string().trim_end_matches(":80").to_owned() } else { target.to_string() };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: failstop/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path,
        env!("CARGO_PKG_VERSION")
    );
    stream.set_write_timeout(Some(left(deadline, &shown)?)).map_err(|error| fault(&shown, error))?;
    stream.write_all(request.as_bytes()).map_err(|error| fault(&shown, error))?;
    let mut answer = Vec::new();
    let mut chunk = [0_u8; 1024];
    // The status line is enough; a body that never ends must not hold the probe.
    while !answer.contains(&b'\n') && (answer.len() as u64) < MAX_ANSWER {
        stream.set_read_timeout(Some(left(deadline, &shown)?)).map_err(|error| fault(&shown, error))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(chunk.get(..n).unwrap_or(&[])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(&shown, error)),
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    let line = String::from_utf8_lossy(line);
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split_whitespace().nth(1))
        .and_then(|word| word.parse::<u16>().ok())
        .filter(|status| (100..1000).contains(status));
    match status {
        Some(status @ 200..=399) => Ok(format!("answers with status {status}")),
        Some(status) => Err(ProbeFault::Status { target: shown, status }),
        None => Err(ProbeFault::NotHttp(shown)),
    }
}
