//! One try, whatever is asked.

use super::fault::{Answer, ProbeFault, origin, shown};
use super::http::{BODY_MAX, Clients, Method};
use super::program::Runner;
use super::{json_rpc, page, postgres, redis, resolve, telegram};
use crate::config::Probe;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an answer is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether it answers well.
    Answers,
    /// What a bot says of its health: the page is kept, whatever its status.
    Health,
}

/// Who asks: with which HTTP clients, and who runs its programs.
#[derive(Debug)]
pub struct Asker {
    clients: Clients,
    programs: Runner,
    folder: PathBuf,
}

impl Asker {
    /// Able to ask all of these. Programs run in `folder`.
    pub fn new<'a>(probes: impl Iterator<Item = &'a Probe>, programs: Runner, folder: PathBuf) -> Self {
        Self { clients: Clients::new(probes), programs, folder }
    }
}

/// Asks once.
///
/// # Errors
/// There was no good answer within `timeout`.
pub async fn attempt(asker: &Asker, what: &Probe, purpose: Purpose, timeout: Duration) -> Result<Answer, ProbeFault> {
    let started = Instant::now();
    let answer = match what {
        // The program's own time-out kills it; whoever runs it says so.
        Probe::Exec(argv) => asker.programs.run(argv, &asker.folder, timeout).await,
        Probe::Http { .. }
        | Probe::Tcp(_)
        | Probe::Redis { .. }
        | Probe::Postgres { .. }
        | Probe::JsonRpc { .. }
        | Probe::Telegram { .. }
        | Probe::Page(_) => {
            let answer = tokio::time::timeout(timeout, over_the_network(asker, what, purpose)).await;
            answer.unwrap_or_else(|_| Err(ProbeFault::TimedOut(target_of(what))))
        }
    }?;
    Ok(Answer { took: started.elapsed(), ..answer })
}

/// Whom a probe asks, as it may be shown.
fn target_of(what: &Probe) -> String {
    match what {
        Probe::Http { url, .. } => shown(url),
        Probe::Tcp(at) | Probe::Redis { at, .. } | Probe::Postgres { at, .. } => at.to_string(),
        Probe::JsonRpc { url, .. } => origin(url),
        Probe::Telegram { api_base, .. } => origin(api_base),
        Probe::Page(page) => shown(&page.url),
        Probe::Exec(argv) => argv.program().to_owned(),
    }
}

async fn over_the_network(asker: &Asker, what: &Probe, purpose: Purpose) -> Result<Answer, ProbeFault> {
    match what {
        Probe::Http { url, ca_file } => {
            let client = asker.clients.of(ca_file.as_deref(), &target_of(what))?;
            let keep = if purpose == Purpose::Health { BODY_MAX } else { 0 };
            client.ask(Method::Get, &url.to_string(), &target_of(what), keep).await?.judged(purpose)
        }
        Probe::Tcp(at) => resolve::connect(at).await.map(|_| Answer::saying("connected")),
        Probe::Redis { at, user, password } => redis::ping(at, user.as_deref(), password.as_ref()).await,
        Probe::Postgres { at, user } => postgres::greet(at, user.as_deref()).await,
        Probe::JsonRpc { url, ca_file, .. } => {
            json_rpc::block(asker.clients.of(ca_file.as_deref(), &target_of(what))?, url).await
        }
        Probe::Telegram { api_base, token, ca_file } => {
            telegram::get_me(asker.clients.of(ca_file.as_deref(), &target_of(what))?, api_base, token).await
        }
        Probe::Page(page) => page::read(asker.clients.of(page.ca_file.as_deref(), &target_of(what))?, page).await,
        Probe::Exec(argv) => asker.programs.run(argv, &asker.folder, Duration::MAX).await,
    }
}

/// What a try may take beyond its own time-out before nobody waits for it any more.
const SLACK: Duration = Duration::from_millis(500);

/// How many names may be looked up at a time. A name server that does not answer cannot be interrupted.
pub(super) const LOOKUPS_MAX: usize = 16;

/// Asks all of these once, at the same time: the slowest decides how long it takes. Blocks; for commands and checks.
pub fn once(probes: &[(Probe, Duration)], programs: Runner, folder: PathBuf) -> Vec<Result<Answer, ProbeFault>> {
    let asker = Arc::new(Asker::new(probes.iter().map(|(probe, _)| probe), programs, folder));
    // On a thread of its own: whoever calls may be on a thread that a runtime owns.
    let asked: Vec<(Probe, Duration)> = probes.to_vec();
    let thread = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(LOOKUPS_MAX)
            .build()?;
        let outcomes = runtime.block_on(async {
            let tries: Vec<_> = asked
                .into_iter()
                .map(|(probe, timeout)| {
                    let asker = Arc::clone(&asker);
                    tokio::spawn(async move {
                        let outcome =
                            tokio::time::timeout(timeout + SLACK, attempt(&asker, &probe, Purpose::Answers, timeout));
                        outcome.await.unwrap_or_else(|_| Err(ProbeFault::TimedOut(target_of(&probe))))
                    })
                })
                .collect();
            let mut outcomes = Vec::new();
            for one in tries {
                outcomes.push(one.await.unwrap_or_else(|error| Err(not_made(io::Error::other(error)))));
            }
            outcomes
        });
        // Lookups that hang are left behind.
        runtime.shutdown_background();
        Ok(outcomes)
    });
    let outcomes = thread.and_then(|thread| {
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that asks ended unexpectedly")))
    });
    outcomes.unwrap_or_else(|error: io::Error| {
        let again = |_| Err(not_made(io::Error::new(error.kind(), error.to_string())));
        probes.iter().map(again).collect()
    })
}

fn not_made(error: io::Error) -> ProbeFault {
    ProbeFault::Io { target: "this host".to_owned(), error }
}
