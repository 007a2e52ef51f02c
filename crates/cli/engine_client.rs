//! Asks a running engine: over its control socket, over the control listener of another host, or (reading only) over its observe
//! address. The one place of the command line that knows the engine's HTTP paths.

use crate::args::PlaceArgs;
use crate::args::access::RemoteArgs;
use crate::failure::Failure;
use crate::place::Place;
use failstop_client::access::AccessList;
use failstop_client::alerts::{AlertList, AlertTests};
use failstop_client::books::{Imported, OrderList, SnapshotEntry};
use failstop_client::configuration::{Difference, InForce};
use failstop_client::processes::ProcessList;
use failstop_client::status::Status;
use failstop_engine::doors::control::FarError;
use failstop_engine::doors::control::client::{ClientError, ControlClient};
use failstop_engine::doors::control::wire::{
    AcknowledgeAlert, ComponentOrder, ComponentVerb, ConfirmOrder, ControlOrder, CorrectBooks, EmergencyStop,
    EndOverride, Import, Maintenance, ModeWord, OverrideLimit, ReleaseKillSwitch, ResetBreaker, ResolveOrder, Resume,
    SetMode, TakeSnapshot, TestAlerts,
};
use failstop_engine::process::holder::{self, Held};
use failstop_engine::runtime_dir::{self, EngineInfo, EngineState, Lookup};
use failstop_journal::ledger::{Outcome, Statement};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;

/// How long an observe address may take to answer. One that lives answers within milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const ANSWER_MAX_BYTES: usize = 8 << 20;

/// A running engine, or what should be one.
#[derive(Debug)]
pub enum Engine {
    /// Through its control socket.
    Control {
        /// The way to it.
        client: ControlClient,
        /// Where it is.
        socket: PathBuf,
    },
    /// Through the control listener of another host.
    Afar(ControlClient),
    /// Through its observe address.
    Observe(Uri),
}

impl Engine {
    /// The engine that the arguments say: of a system on this host, or behind a URL.
    pub fn by(args: &PlaceArgs) -> Result<Self, Failure> {
        match &args.remote.url {
            Some(url) => Self::at_url(url, &args.remote),
            None => Self::of(&Place::find(args)?),
        }
    }

    /// The engine of a system: the first of the places where its control socket may be at which somebody listens.
    pub fn of(place: &Place) -> Result<Self, Failure> {
        let lookup = Lookup {
            system: place.name.as_deref(),
            runtime_dir: place.runtime.as_deref(),
            state_dir: place.state.as_deref(),
        };
        let found = runtime_dir::find(&lookup);
        let (mut first, mut has_socket) = (None, false);
        for dir in found.dirs {
            let named = place.runtime.as_ref().is_some_and(|runtime| *runtime == dir);
            if !named && is_anothers(&dir, place) {
                continue;
            }
            let socket = runtime_dir::control_socket_path(&dir);
            has_socket |= std::fs::symlink_metadata(&socket).is_ok();
            if let Some(pid) = frozen(&socket) {
                // It would take the connection and answer nothing. And it is the one: whatever answers at a later place is not.
                return Err(is_stopped(&socket, pid));
            }
            match Self::connect(&socket, place.config.as_deref()) {
                Ok(engine) => return Ok(engine),
                Err(failure) => first = first.or(Some(failure)),
            }
        }
        let mut failure = first.unwrap_or_else(|| Failure::NoEngine {
            what: format!("no engine of {} runs: it has no runtime directory", place.describe()),
            next: start_it(place.config.as_deref()),
        });
        if let Failure::NoEngine { what, next } = &mut failure {
            match place.state.as_deref().map(holder::ask) {
                Some(Held::Closed(closed)) => {
                    *what = format!("whether an engine of {} runs cannot be seen: {closed}", place.describe());
                    *next = closed.next();
                }
                // Its lock tells of it, whatever became of the place where it is reached.
                Some(Held::By { engine, guard, .. }) if !has_socket => {
                    *what = format!(
                        "an engine of {} runs (process {}) and is not reached: it begins or ends now, or its runtime directory was removed \
                         under it",
                        place.describe(),
                        engine.pid
                    );
                    *next = unreachable_engine(guard.unwrap_or(engine).pid);
                }
                Some(Held::Unseen { .. }) if !has_socket => {
                    what.push_str("; yet somebody holds the lock of its state directory");
                }
                Some(Held::By { .. } | Held::Unseen { .. } | Held::Free | Held::Unknown(_)) | None => {}
            }
            for ignored in found.ignored {
                what.push_str(&format!("; {ignored}"));
            }
        }
        Err(failure)
    }

    /// The engine behind a control socket.
    pub fn at_socket(socket: &Path) -> Result<Self, Failure> {
        match frozen(socket) {
            Some(pid) => Err(is_stopped(socket, pid)),
            None => Self::connect(socket, None),
        }
    }

    fn connect(socket: &Path, config: Option<&Path>) -> Result<Self, Failure> {
        match ControlClient::connect(socket) {
            Ok(client) => Ok(Self::Control { client, socket: socket.to_owned() }),
            Err(error) => Err(failure(error, socket, config)),
        }
    }

    /// The engine behind an observe address, as in `http://127.0.0.1:8080` or with TLS `https://bot-host:8080`, or with a token behind a
    /// control listener, as in `https://bot-host:8443`.
    pub fn at_url(url: &str, remote: &RemoteArgs) -> Result<Self, Failure> {
        let usage = |what: String, next: &str| Failure::Usage { what, next: next.to_owned() };
        if remote.token_file.is_some() || url.starts_with("https://") {
            return match ControlClient::afar(url, remote.token_file.as_deref(), remote.ca.as_deref()) {
                Ok(client) => Ok(Self::Afar(client)),
                Err(error @ FarError::Url { .. }) => Err(usage(
                    error.to_string(),
                    "write the control listener, as in https://bot-host:8443, or an observe address with TLS",
                )),
                Err(error @ FarError::Token(_)) => Err(usage(
                    error.to_string(),
                    "put the token there that `failstop token new` printed on the engine's host, mode 0600",
                )),
                Err(error @ FarError::Authority(_)) => Err(usage(
                    error.to_string(),
                    "name the PEM file of the authority that signed the host's certificate",
                )),
                Err(error @ FarError::Runtime(_)) => Err(Failure::NoEngine {
                    what: error.to_string(),
                    next: "see whether descriptors run out".to_owned(),
                }),
            };
        }
        let observe = "write it as http://HOST:PORT, or with TLS as https://HOST:PORT, the engine's observe address; or with --token-file \
                       as https://HOST:PORT, its control listener";
        let uri: Uri = url.parse().map_err(|error| usage(format!("--url {url}: {error}"), observe))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Ok(Self::Observe(uri)),
            _ => Err(usage(format!("--url {url}: not an address"), observe)),
        }
    }

    /// The whole status.
    pub fn status(&self) -> Result<Status, Failure> {
        match self {
            Self::Control { client, socket } => client.status().map_err(|error| failure(error, socket, None)),
            Self::Afar(client) => client.status().map_err(from_afar),
            Self::Observe(uri) => observed(uri).map_err(|error| Failure::NoEngine {
                what: format!("no status from {uri}: {error}"),
                next: "see whether the system runs there, and [observe] listen in its configuration".to_owned(),
            }),
        }
    }

    /// Releases latched halts: these, or all but the kill switch.
    pub fn resume(&self, halts: &[u64], reason: String, confirm: String) -> Result<(), Failure> {
        let halts = halts.iter().map(|id| format!("h-{id}")).collect();
        self.order(&ControlOrder::Resume(Resume { halts, reason, confirm }))
    }

    /// Releases the kill switch.
    pub fn release_kill_switch(&self, reason: String, confirm: String) -> Result<(), Failure> {
        self.order(&ControlOrder::ReleaseKillSwitch(ReleaseKillSwitch { reason, confirm }))
    }

    /// Engages the kill switch of a system on another host; on this one that needs no engine.
    pub fn emergency_stop(&self, reason: String) -> Result<(), Failure> {
        self.order(&ControlOrder::EmergencyStop(EmergencyStop { reason }))
    }

    /// Begins a maintenance window.
    pub fn maintenance_on(&self, span: Duration, reason: String, keep_trading: bool) -> Result<(), Failure> {
        let for_seconds = Some(span.as_secs());
        self.order(&ControlOrder::Maintenance(Maintenance { on: true, for_seconds, reason, keep_trading }))
    }

    /// Ends it.
    pub fn maintenance_off(&self, reason: String) -> Result<(), Failure> {
        let order = Maintenance { on: false, for_seconds: None, reason, keep_trading: false };
        self.order(&ControlOrder::Maintenance(order))
    }

    /// Gives an order about one component.
    pub fn component(&self, verb: ComponentVerb, name: &str, reason: String) -> Result<(), Failure> {
        let order = ComponentOrder { reason };
        self.order(&ControlOrder::Component { name: name.to_owned(), verb, order })
    }

    /// Only paper orders from now on.
    pub fn mode_dry(&self, reason: Option<String>) -> Result<(), Failure> {
        let reason = reason.unwrap_or_default();
        self.order(&ControlOrder::Mode(SetMode { mode: ModeWord::Dry, reason, confirm: String::new() }))
    }

    /// Real orders from now on, as far as configuration and permission allow.
    ///
    /// The engine wants a reason for whatever loosens; typing the system's name is one, if no better is given.
    pub fn mode_live(&self, reason: Option<String>, confirm: String) -> Result<(), Failure> {
        let reason = reason.unwrap_or_else(|| "confirmed with the system's name, no reason given".to_owned());
        self.order(&ControlOrder::Mode(SetMode { mode: ModeWord::Live, reason, confirm }))
    }

    /// Open incidents and the last that are over.
    pub fn alerts(&self) -> Result<AlertList, Failure> {
        self.ask(ControlClient::alerts)
    }

    /// As whom one asks, and which tokens there are.
    pub fn access(&self) -> Result<AccessList, Failure> {
        self.ask(ControlClient::access)
    }

    /// Every value of the configuration that is in force.
    pub fn configuration(&self) -> Result<InForce, Failure> {
        self.ask(ControlClient::configuration)
    }

    /// What of the configuration file is not in force.
    pub fn compare_configuration(&self) -> Result<Difference, Failure> {
        self.ask(ControlClient::compare_configuration)
    }

    /// Has the configuration file read and taken, with these assignments over it.
    pub fn reload_configuration(&self, set: Vec<String>) -> Result<Difference, Failure> {
        self.ask(|client| client.reload_configuration(set))
    }

    /// Every process of the system with what it uses.
    pub fn processes(&self) -> Result<ProcessList, Failure> {
        self.ask(ControlClient::processes)
    }

    /// Takes an incident on.
    pub fn acknowledge_alert(&self, id: String) -> Result<(), Failure> {
        self.order(&ControlOrder::AcknowledgeAlert(AcknowledgeAlert { id }))
    }

    /// Sends test messages.
    pub fn test_alerts(&self, channel: Option<String>) -> Result<AlertTests, Failure> {
        self.ask(|client| client.test_alerts(TestAlerts { channel }))
    }

    /// The open orders.
    pub fn orders(&self) -> Result<OrderList, Failure> {
        self.ask(ControlClient::orders)
    }

    /// Says what became of an order.
    pub fn resolve_order(
        &self,
        id: String,
        outcome: Outcome,
        reason: String,
        source: Option<String>,
    ) -> Result<Imported, Failure> {
        let resolve = ResolveOrder { id, outcome, reason, source };
        self.ask(|client| client.resolve_order(resolve))
    }

    /// Confirms an order that waits for it.
    pub fn confirm_order(&self, id: String) -> Result<Imported, Failure> {
        self.recorded(&ControlOrder::ConfirmOrder(ConfirmOrder { id }))
    }

    /// Gives a limit another value for a while.
    pub fn override_limit(&self, order: OverrideLimit) -> Result<Imported, Failure> {
        self.recorded(&ControlOrder::OverrideLimit(order))
    }

    /// Ends that before its time.
    pub fn end_override(&self, order: EndOverride) -> Result<Imported, Failure> {
        self.recorded(&ControlOrder::EndOverride(order))
    }

    /// Has everything shown again.
    pub fn reset_breaker(&self) -> Result<(), Failure> {
        self.order(&ControlOrder::ResetBreaker(ResetBreaker {}))
    }

    /// An order that is answered with its record.
    fn recorded(&self, order: &ControlOrder) -> Result<Imported, Failure> {
        self.ask(|client| client.recorded(order))
    }

    /// Takes a snapshot.
    pub fn take_snapshot(&self, reason: String) -> Result<SnapshotEntry, Failure> {
        self.ask(|client| client.take_snapshot(TakeSnapshot { reason }))
    }

    /// Compares a statement with the book.
    pub fn import(&self, statement: Statement) -> Result<Imported, Failure> {
        self.ask(|client| client.import(Import { statement }))
    }

    /// Makes the book agree with a statement.
    pub fn correct_books(
        &self,
        statement: Statement,
        pool: Option<String>,
        reason: String,
    ) -> Result<Imported, Failure> {
        self.recorded(&ControlOrder::CorrectBooks(Box::new(CorrectBooks { statement, pool, reason })))
    }

    fn order(&self, order: &ControlOrder) -> Result<(), Failure> {
        self.ask(|client| client.order(order))
    }

    /// Asks over a way that takes orders.
    fn ask<T>(&self, ask: impl FnOnce(&ControlClient) -> Result<T, ClientError>) -> Result<T, Failure> {
        match self {
            Self::Control { client, socket } => ask(client).map_err(|error| failure(error, socket, None)),
            Self::Afar(client) => ask(client).map_err(from_afar),
            Self::Observe(uri) => Err(Failure::Usage {
                what: format!("{uri} only answers questions"),
                next: "give orders on the engine's own host, over its control socket; or with --token-file over its control listener"
                    .to_owned(),
            }),
        }
    }
}

/// Whether the engine that has left word in `dir` keeps another state directory: a namesake, to which an order must never
/// go. A state directory of ours that cannot be found is nobody's.
fn is_anothers(dir: &Path, place: &Place) -> bool {
    let (Ok(info), Some(state)) = (EngineInfo::read(dir), &place.state) else { return false };
    match (info.state_dir.canonicalize(), state.canonicalize()) {
        (Ok(theirs), Ok(ours)) => theirs != ours,
        _ => true,
    }
}

/// The client's error with what is known of the process that should have answered.
fn failure(error: ClientError, socket: &Path, config: Option<&Path>) -> Failure {
    match error {
        ClientError::Refused { error, refusals } if refusals.is_empty() => Failure::Refused { reasons: vec![error] },
        ClientError::Refused { refusals, .. } => Failure::Refused { reasons: refusals },
        ClientError::NotAllowed { .. } => {
            Failure::NoEngine { what: error.to_string(), next: "try it with sudo".to_owned() }
        }
        ClientError::NoEngine { source, .. } => Failure::NoEngine {
            what: format!("no engine answers at {}: {source}", socket.display()),
            next: start_it(config),
        },
        ClientError::Unanswered { .. } | ClientError::Unreadable { .. } | ClientError::Unproved { .. } => {
            Failure::NoEngine {
                what: error.to_string(),
                next: match frozen(socket) {
                    Some(pid) => wake_it(pid),
                    None => "try again; `failstop kill-switch engage` works without it".to_owned(),
                },
            }
        }
    }
}

/// The same of another host, of whose processes nothing is known.
fn from_afar(error: ClientError) -> Failure {
    let (what, next) = match error {
        ClientError::Refused { error, refusals } => {
            return Failure::Refused { reasons: if refusals.is_empty() { vec![error] } else { refusals } };
        }
        ClientError::NoEngine { at, source } => (
            format!("no engine answers at {at}: {source}"),
            "see whether the system runs there, and [control] listen or [observe] listen in its configuration",
        ),
        ClientError::Unproved { .. } => (
            error.to_string(),
            "name the authority that signed its certificate with --ca, and the host as the certificate does; never send the token \
             anywhere else",
        ),
        ClientError::NotAllowed { .. } | ClientError::Unanswered { .. } => {
            (error.to_string(), "try again; `failstop kill-switch engage` on that host works without its engine")
        }
        ClientError::Unreadable { .. } => (error.to_string(), "see that the URL is the control listener's"),
    };
    Failure::NoEngine { what, next: next.to_owned() }
}

fn is_stopped(socket: &Path, pid: i32) -> Failure {
    Failure::NoEngine {
        what: format!("the engine at {} is stopped (process {pid}) and answers nothing", socket.display()),
        next: wake_it(pid),
    }
}

/// What to do about an engine that runs and is not reached.
fn unreachable_engine(pid: i32) -> String {
    format!(
        "ask again in a moment; if it stays so, restart it (`systemctl restart`, or `kill {pid}` and `failstop run`); \
         `failstop kill-switch engage` works without it"
    )
}

/// The number of the engine's process, if it is stopped (by SIGSTOP, or a debugger).
fn frozen(socket: &Path) -> Option<i32> {
    let info = EngineInfo::read(socket.parent()?).ok()?;
    (info.engine_state() == EngineState::Frozen).then_some(info.engine.pid)
}

fn wake_it(pid: i32) -> String {
    format!(
        "every permit has run out meanwhile; `kill -CONT {pid}` wakes it, `failstop kill-switch engage` works without it"
    )
}

fn start_it(config: Option<&Path>) -> String {
    let run = match config {
        Some(path) => format!("failstop run --config {}", path.display()),
        None => "failstop run".to_owned(),
    };
    format!("start it with `{run}`; `failstop events` shows what it did last")
}

/// `GET /api/status` of an observe address.
fn observed(uri: &Uri) -> io::Result<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let within = runtime.block_on(async { tokio::time::timeout(ANSWER_TIMEOUT, ask(uri)).await });
    match within {
        Ok(answer) => Ok(serde_json::from_slice(&answer?)?),
        Err(_) => {
            let late = format!("nothing within {} s", ANSWER_TIMEOUT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, late))
        }
    }
}

async fn ask(uri: &Uri) -> io::Result<Bytes> {
    // An IPv6 address stands in brackets in an address and without them everywhere else.
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get("/api/status")
        .header("host", authority)
        .header("accept", "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if !response.status().is_success() {
            return Err(io::Error::other(format!("it answered {}", response.status())));
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await.map_err(io::Error::other)?;
        Ok(body.to_bytes())
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        outcome = answer.as_mut() => outcome,
        // The connection's end is no news if the answer was in what it left.
        _ = connection => answer.await,
    }
}
