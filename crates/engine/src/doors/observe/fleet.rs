//! Other systems on one page: each is asked for its health by this engine, never by the reader's browser, and only while
//! somebody reads.
//!
//! They are asked on a thread made for that: a name server or a host that does not answer must hold up nothing else. One round at a
//! time, whoever breaks off meanwhile, each system within its time, answers of a bounded size.

use crate::config::{FleetSystem, Secret};
use crate::outside::{self, Fault, Method};
use failstop_view::page::fleet::{Answer, Member};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The least time between two rounds.
const BETWEEN: Duration = Duration::from_secs(5);

/// How long one system may take to answer.
const WITHIN: Duration = Duration::from_secs(3);

/// The most bytes of an answer.
const ANSWER_MAX: u64 = 256 * 1024;

/// The systems, and what they answered last.
#[derive(Debug)]
pub(super) struct Fleet {
    asked: Arc<Asked>,
    last: Mutex<Option<Round>>,
}

/// Whom every round asks, and with what.
#[derive(Debug)]
struct Asked {
    systems: Vec<FleetSystem>,
    /// Authorities that are trusted beside those of the web.
    ca: Option<PathBuf>,
    /// Made with the first round: it reads the authorities that this host trusts.
    client: OnceLock<reqwest::Client>,
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
    pub fn new(systems: Vec<FleetSystem>, ca: Option<PathBuf>) -> Self {
        Self { asked: Arc::new(Asked { systems, ca, client: OnceLock::new() }), last: Mutex::new(None) }
    }

    /// What they answer, at most [`BETWEEN`] old.
    pub async fn members(&self) -> Arc<[Member]> {
        let mut round = self.round();
        match round.told.wait_for(Option::is_some).await {
            Ok(members) => members.as_ref().map(Arc::clone).unwrap_or_default(),
            Err(_) => self.asked.unasked("it was not asked: the engine is stopping"),
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
        let (asked, answered) = (Arc::clone(&self.asked), tell.clone());
        let asking = std::thread::Builder::new().name("fleet".to_owned()).spawn(move || {
            answered.send_replace(Some(asked.ask_all().into()));
        });
        if let Err(error) = asking {
            let why = format!("it was not asked: no thread is to be had ({error})");
            tell.send_replace(Some(self.asked.unasked(&why)));
        }
        round
    }
}

fn member(system: &FleetSystem, answer: Result<Answer, String>) -> Member {
    Member { name: system.name.as_str().to_owned(), url: system.url.to_string(), answer }
}

impl Asked {
    fn unasked<All: FromIterator<Member>>(&self, why: &str) -> All {
        self.systems.iter().map(|system| member(system, Err(why.to_owned()))).collect()
    }

    /// The one that there is, else a new one.
    fn client(&self) -> Result<&reqwest::Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = outside::client(self.ca.as_deref(), None)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Asks all at once. Blocks, at most [`WITHIN`] and a little.
    fn ask_all(&self) -> Vec<Member> {
        // Signals are the loop's. It cannot fail with this argument.
        let _ = nix::sys::signal::SigSet::all().thread_block();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(4).build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return self.unasked(&format!("it was not asked: {error}")),
        };
        let client = match self.client() {
            Ok(client) => client,
            Err(why) => return self.unasked(&why),
        };
        let answers = runtime.block_on(async {
            let mut asking = JoinSet::new();
            for (index, system) in self.systems.iter().enumerate() {
                let (client, url) = (client.clone(), system.url.to_string());
                // Read anew each time: another one in its file is taken with the next round.
                let token = system.token.as_ref().map(Secret::reveal).transpose();
                asking.spawn(async move {
                    let answer = match token {
                        Ok(token) => ask(&client, &url, token.as_deref()).await,
                        Err(fault) => Err(format!("it was not asked: {fault}")),
                    };
                    (index, answer)
                });
            }
            asking.join_all().await
        });
        // A name that is still looked up ends by itself.
        runtime.shutdown_background();
        let mut members: Vec<Member> = self.unasked("it was not asked");
        for (index, answer) in answers {
            if let Some(member) = members.get_mut(index) {
                member.answer = answer;
            }
        }
        members
    }
}

async fn ask(client: &reqwest::Client, url: &str, token: Option<&str>) -> Result<Answer, String> {
    let url = format!("{}/health", url.trim_end_matches('/'));
    let url = reqwest::Url::parse(&url).map_err(|_| "its URL is not one".to_owned())?;
    let method = token.map_or(Method::Get, Method::GetWithToken);
    let answer = outside::exchange(client, method, url, ANSWER_MAX, WITHIN).await.map_err(|fault| words(&fault))?;
    if answer.status == 401 {
        return Err(match token {
            Some(_) => "it does not know the token: it was revoked there, or is another system's".to_owned(),
            None => {
                "it wants a token: `token` of it in [observe] fleet, which `failstop token new` makes there".to_owned()
            }
        });
    }
    serde_json::from_slice::<Health>(&answer.body).map(Answer::from).map_err(|_| {
        format!("it answers with status {} and no health of failstop's; is `url` its observe address?", answer.status)
    })
}

/// What went wrong, without a library's own words.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::Late(_) => fault.to_string(),
        Fault::Large(most) => format!("it answers with more than {} KiB", most / 1024),
        Fault::Failed(error) if error.is_connect() => {
            "no connection: check that it runs, its address and the way there".to_owned()
        }
        Fault::Failed(_) => "the connection ended before an answer".to_owned(),
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
