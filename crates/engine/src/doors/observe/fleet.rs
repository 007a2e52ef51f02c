//! Other systems on one page: each is asked for its health by this engine, never by the reader's browser, and only while
//! somebody reads.
//!
//! They are asked on a thread made for that: a name server or a host that does not answer must hold up nothing else. One round at a
//! time, whoever breaks off meanwhile, each system within its time, answers of a bounded size.

use crate::config::FleetSystem;
use failstop_view::page::fleet::{Answer, Member};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The least time between two rounds.
const BETWEEN: Duration = Duration::from_secs(5);

/// How long one system may take to answer.
const WITHIN: Duration = Duration::from_secs(3);

/// The most bytes of an answer.
const ANSWER_MAX: usize = 256 * 1024;

/// The systems, and what they answered last.
#[derive(Debug)]
pub(super) struct Fleet {
    systems: Arc<[FleetSystem]>,
    last: Mutex<Option<Round>>,
}

/// Once all are asked. It belongs to nobody who waits for it.
#[derive(Clone, Debug)]
struct Round {
    begun: Instant,
    told: watch::Receiver<Option<Arc<[Member]>>>,
}

impl Round {
    /// Whether it is young, or under way still.
    fn serves(&self) -> bool {
        self.begun.elapsed() < BETWEEN || (self.told.borrow().is_none() && self.told.has_changed().is_ok())
    }
}

impl Fleet {
    /// Nobody was asked yet.
    pub fn new(systems: Vec<FleetSystem>) -> Self {
        Self { systems: systems.into(), last: Mutex::new(None) }
    }

    /// What they answer, at most [`BETWEEN`] old.
    pub async fn members(&self) -> Arc<[Member]> {
        let mut round = self.round();
        match round.told.wait_for(Option::is_some).await {
            Ok(members) => members.as_ref().map(Arc::clone).unwrap_or_default(),
            Err(_) => self.unasked("it was not asked: the engine is stopping"),
        }
    }

    /// The round that is young or under way, else a new one.
    fn round(&self) -> Round {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = last.as_ref().filter(|round| round.serves()) {
            return round.clone();
        }
        let (tell, told) = watch::channel(None);
        let round = Round { begun: Instant::now(), told };
        *last = Some(round.clone());
        let systems = Arc::clone(&self.systems);
        let asked = tell.clone();
        let asking = std::thread::Builder::new().name("fleet".to_owned()).spawn(move || {
            asked.send_replace(Some(ask_all(&systems).into()));
        });
        if let Err(error) = asking {
            tell.send_replace(Some(self.unasked(&format!("it was not asked: no thread is to be had ({error})"))));
        }
        round
    }

    fn unasked(&self, why: &str) -> Arc<[Member]> {
        self.systems.iter().map(|system| member(system, Err(why.to_owned()))).collect()
    }
}

fn member(system: &FleetSystem, answer: Result<Answer, String>) -> Member {
    Member { name: system.name.as_str().to_owned(), url: system.url.to_string(), answer }
}

/// Asks all at once. Blocks, at most [`WITHIN`] and a little.
fn ask_all(systems: &[FleetSystem]) -> Vec<Member> {
    let all = |why: String| systems.iter().map(|system| member(system, Err(why.clone()))).collect();
    // Signals are the loop's. It cannot fail with this argument.
    let _ = nix::sys::signal::SigSet::all().thread_block();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(4).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return all(format!("it was not asked: {error}")),
    };
    let client = match client() {
        Ok(client) => client,
        Err(why) => return all(why),
    };
    let answers = runtime.block_on(async {
        let mut asking = JoinSet::new();
        for (index, system) in systems.iter().enumerate() {
            let (client, url) = (client.clone(), system.url.to_string());
            asking.spawn(async move { (index, ask(&client, &url).await) });
        }
        asking.join_all().await
    });
    // A name that is still looked up ends by itself.
    runtime.shutdown_background();
    let mut members: Vec<Member> = all("it was not asked".to_owned());
    for (index, answer) in answers {
        if let Some(member) = members.get_mut(index) {
            member.answer = answer;
        }
    }
    members
}

fn client() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(failstop_notify::tls::client_config(None)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("failstop/", env!("CARGO_PKG_VERSION")))
        .timeout(WITHIN)
        .build()
        .map_err(|_| "the HTTP client cannot be set up; check HTTP_PROXY and HTTPS_PROXY".to_owned())
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<Answer, String> {
    let url = format!("{}/health", url.trim_end_matches('/'));
    let mut response = client.get(url).send().await.map_err(|error| fault(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            return Err(format!("it answers with more than {} KiB", ANSWER_MAX / 1024));
        }
    }
    match serde_json::from_slice::<Health>(&body) {
        Ok(health) => Ok(health.into()),
        Err(_) => {
            Err(format!("it answers with status {status} and no health of failstop's; is `url` its observe address?"))
        }
    }
}

/// What went wrong, without a library's own words, which may hold the URL.
fn fault(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        format!("no answer within {} s", WITHIN.as_secs())
    } else if error.is_connect() {
        "no connection: check that it runs, its address and the way there".to_owned()
    } else {
        "the connection ended before an answer".to_owned()
    }
}

/// What is read of `/health`.
#[derive(Debug, Deserialize)]
struct Health {
    system: String,
    #[serde(default)]
    environment: String,
    permission: String,
    #[serde(default)]
    mode: String,
    status: String,
    #[serde(default)]
    kill_switch: bool,
    #[serde(default)]
    halts: Vec<Halt>,
    #[serde(default)]
    uptime_seconds: f64,
    timestamp: String,
}

#[derive(Debug, Deserialize)]
struct Halt {
    cause: String,
}

impl From<Health> for Answer {
    fn from(health: Health) -> Self {
        Self {
            system: health.system,
            environment: health.environment,
            permission: health.permission,
            mode: health.mode,
            health: health.status,
            kill_switch: health.kill_switch,
            halts: health.halts.into_iter().map(|halt| halt.cause).collect(),
            uptime_seconds: health.uptime_seconds,
            timestamp: health.timestamp,
        }
    }
}
