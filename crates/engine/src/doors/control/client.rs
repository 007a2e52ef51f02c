//! The command line's side of the control socket, and of the control listener of another host. Blocking, with its own small
//! runtime: call it from plain code, never from within another runtime.

use super::SOCKET_PATH_MAX;
use super::way::{Far, FarError, Opened, Unopened, Way};
use super::wire::{CompareConfig, ControlOrder, Import, ReloadConfig, ResolveOrder, TakeSnapshot, TestAlerts};
use crate::doors::http::Problem;
use failstop_client::access::AccessList;
use failstop_client::alerts::{AlertList, AlertTests};
use failstop_client::books::{Imported, OrderList, SnapshotEntry};
use failstop_client::configuration::{Difference, InForce};
use failstop_client::processes::ProcessList;
use failstop_client::status::Status;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long the engine may take for a question.
const QUESTION: Duration = Duration::from_secs(5);

/// The same on another host: longer than the answer is held back that a token proves nothing.
const QUESTION_AFAR: Duration = Duration::from_secs(15);

/// How long the engine may take for an order; longer than the door itself waits for its loop.
const ORDER: Duration = Duration::from_secs(40);

/// How long a release may take: with a witness it waits for that, at most ten minutes.
const RELEASE: Duration = Duration::from_secs(660);

/// A connection on which nothing was said for longer may be closed by the other side.
const LOOKED_LATELY: Duration = Duration::from_secs(1);

/// The largest answer that is read, bytes.
const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens: no engine runs, or it runs elsewhere. Exit status 3.
    #[error("no engine answers at {at} ({source}); is `failstop run` running with this configuration?")]
    NoEngine {
        /// Where it was looked for.
        at: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket may not be opened by this user. Exit status 3.
    #[error("the control socket {at} may not be opened by this user; run the command as failstop's user or as root")]
    NotAllowed {
        /// Where.
        at: String,
    },
    /// Whoever answers there cannot show that he is that host. Exit status 3.
    #[error("{at} does not prove that it is that host: {error}")]
    Unproved {
        /// Where.
        at: String,
        /// What TLS said.
        error: String,
    },
    /// The engine said no. Exit status 1.
    #[error("{}", refused(.error, .refusals))]
    Refused {
        /// In one sentence.
        error: String,
        /// Every reason, where there is more than the sentence.
        refusals: Vec<String>,
    },
    /// The engine is there and did not answer in time, or is going down. What was ordered may or may not have happened.
    /// Exit status 3.
    #[error("the engine at {at} gave no answer: {error}")]
    Unanswered {
        /// Where.
        at: String,
        /// What happened.
        error: String,
    },
    /// It answered with something that this version does not understand. Exit status 3.
    #[error("the answer from {at} cannot be read: {error}; do the command and the engine have the same version?")]
    Unreadable {
        /// Where.
        at: String,
        /// What was wrong.
        error: String,
    },
}

/// How long the engine may take for this order.
const fn wait_for(order: &ControlOrder) -> Duration {
    match order {
        ControlOrder::Resume(_) | ControlOrder::ReleaseKillSwitch(_) => RELEASE,
        ControlOrder::Mode(_)
        | ControlOrder::EmergencyStop(_)
        | ControlOrder::Maintenance(_)
        | ControlOrder::Component { .. }
        | ControlOrder::AcknowledgeAlert(_)
        | ControlOrder::TestAlerts(_)
        | ControlOrder::TakeSnapshot(_)
        | ControlOrder::ResolveOrder(_)
        | ControlOrder::ConfirmOrder(_)
        | ControlOrder::OverrideLimit(_)
        | ControlOrder::EndOverride(_)
        | ControlOrder::ResetBreaker(_)
        | ControlOrder::CompareConfig(_)
        | ControlOrder::ReloadConfig(_)
        | ControlOrder::Import(_)
        | ControlOrder::CorrectBooks(_)
        | ControlOrder::End { .. } => ORDER,
    }
}

fn refused(error: &str, refusals: &[String]) -> String {
    if refusals.len() > 1 { format!("{error}: {}", refusals.join("; ")) } else { error.to_owned() }
}

fn is_component_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// A way to one engine.
pub struct ControlClient {
    way: Way,
    /// The connection by which it was seen that somebody listens, until the first question goes over it: whoever is turned away is so
    /// once.
    looked: Mutex<Option<(Instant, Opened)>>,
    runtime: tokio::runtime::Runtime,
}

impl fmt::Debug for ControlClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlClient").field("way", &self.way).finish_non_exhaustive()
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

impl ControlClient {
    /// Looks whether an engine listens at `socket`.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoEngine`] where nothing listens, [`ClientError::NotAllowed`] where this user may not ask.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let no_engine = |source| ClientError::NoEngine { at: socket.display().to_string(), source };
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            let error = format!("the path has {length} bytes, a socket's has at most {SOCKET_PATH_MAX}");
            return Err(no_engine(io::Error::new(io::ErrorKind::InvalidInput, error)));
        }
        let runtime = runtime().map_err(no_engine)?;
        let client = Self { way: Way::Socket(socket.to_owned()), looked: Mutex::default(), runtime };
        let opened = client.runtime.block_on(client.open(QUESTION))?;
        *client.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), opened));
        Ok(client)
    }

    /// Over the control listener of another host, or an observe address with TLS; nothing is asked yet. Without a token only what is
    /// answered to everybody.
    ///
    /// # Errors
    ///
    /// [`FarError`], where URL, token file or authority are no use.
    pub fn afar(url: &str, token_file: Option<&Path>, ca: Option<&Path>) -> Result<Self, FarError> {
        let far = Far::new(url, token_file, ca)?;
        Ok(Self {
            way: Way::Far(Box::new(far)),
            looked: Mutex::default(),
            runtime: runtime().map_err(FarError::Runtime)?,
        })
    }

    /// Where it leads, for people.
    pub fn at(&self) -> String {
        self.way.to_string()
    }

    fn question(&self) -> Duration {
        match &self.way {
            Way::Socket(_) => QUESTION,
            Way::Far(_) => QUESTION_AFAR,
        }
    }

    /// The good answer to a question.
    fn asked<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.asked_whole(path)?;
        self.read(&body)
    }

    fn asked_whole(&self, path: &str) -> Result<Bytes, ClientError> {
        let (code, body) = self.exchange(Method::GET, path, Vec::new(), self.question())?;
        self.good(code, &body)?;
        Ok(body)
    }

    /// The status.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn status(&self) -> Result<Status, ClientError> {
        self.asked("/api/status")
    }

    /// The metrics in Prometheus text.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn metrics(&self) -> Result<String, ClientError> {
        let body = self.asked_whole("/metrics")?;
        String::from_utf8(body.into()).map_err(|error| self.unreadable(error.to_string()))
    }

    /// The body of `/health`, whatever its verdict.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; a critical verdict is an answer and no error.
    pub fn health(&self) -> Result<serde_json::Value, ClientError> {
        let (code, body) = self.exchange(Method::GET, "/health", Vec::new(), self.question())?;
        if code != StatusCode::SERVICE_UNAVAILABLE {
            self.good(code, &body)?;
        }
        self.read(&body)
    }

    /// Open incidents and the last ones that are over.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn alerts(&self) -> Result<AlertList, ClientError> {
        self.asked("/api/alerts")
    }

    /// Every process of the system with what it uses.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn processes(&self) -> Result<ProcessList, ClientError> {
        self.asked("/api/processes")
    }

    /// The open orders.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn orders(&self) -> Result<OrderList, ClientError> {
        self.asked("/api/orders")
    }

    /// As whom one asks, and which tokens there are.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn access(&self) -> Result<AccessList, ClientError> {
        self.asked(super::access::PATH)
    }

    /// Every value of the configuration that is in force.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn configuration(&self) -> Result<InForce, ClientError> {
        self.asked("/api/config")
    }

    /// What of the configuration file is not in force.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; a file that is no configuration is [`ClientError::Refused`].
    pub fn compare_configuration(&self) -> Result<Difference, ClientError> {
        self.answered(&ControlOrder::CompareConfig(CompareConfig {}))
    }

    /// Has the configuration file read and taken, with these assignments over it, and returns what changed once that is in force.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn reload_configuration(&self, set: Vec<String>) -> Result<Difference, ClientError> {
        self.answered(&ControlOrder::ReloadConfig(ReloadConfig { set }))
    }

    /// Takes a snapshot and returns when it is on the disk and in the journal.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn take_snapshot(&self, take: TakeSnapshot) -> Result<SnapshotEntry, ClientError> {
        self.answered(&ControlOrder::TakeSnapshot(take))
    }

    /// Says what became of an order and returns when that is durable.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn resolve_order(&self, resolve: ResolveOrder) -> Result<Imported, ClientError> {
        self.answered(&ControlOrder::ResolveOrder(resolve))
    }

    /// Compares a statement with the book and returns when what came out is durable.
    ///
    /// # Errors
    ///
    /// See [`ClientError`]; a difference is [`ClientError::Refused`], and by then trading is halted.
    pub fn import(&self, import: Import) -> Result<Imported, ClientError> {
        self.answered(&ControlOrder::Import(Box::new(import)))
    }

    /// Gives an order to the gate and returns when it is recorded.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn recorded(&self, order: &ControlOrder) -> Result<Imported, ClientError> {
        self.answered(order)
    }

    /// Sends marked test messages and returns when it is known what became of them.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn test_alerts(&self, test: TestAlerts) -> Result<AlertTests, ClientError> {
        self.answered(&ControlOrder::TestAlerts(test))
    }

    fn answered<T: DeserializeOwned>(&self, order: &ControlOrder) -> Result<T, ClientError> {
        let body = self.send(order)?;
        self.read(&body)
    }

    /// Gives an order; the body of a good answer.
    fn send(&self, order: &ControlOrder) -> Result<Bytes, ClientError> {
        let body = order.body().map_err(|error| self.unreadable(error.to_string()))?;
        let (code, body) = self.exchange(Method::POST, &order.path(), body, wait_for(order))?;
        self.good(code, &body)?;
        Ok(body)
    }

    /// Gives an order and returns when it is carried out (and durable, where it loosens).
    ///
    /// # Errors
    ///
    /// See [`ClientError`]. After [`ClientError::Unanswered`] it is not known whether it was carried out.
    pub fn order(&self, order: &ControlOrder) -> Result<(), ClientError> {
        if let ControlOrder::Component { name, .. } = order
            && !is_component_name(name)
        {
            // It would become another path.
            let error = format!("`{name}` is no component's name: letters, digits, '-' and '_'");
            return Err(ClientError::Refused { error, refusals: Vec::new() });
        }
        self.send(order).map(drop)
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        self.runtime.block_on(async {
            match timeout(wait, self.exchange_once(method, path, body, wait)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(self.unanswered(format!("nothing within {} s", wait.as_secs()))),
            }
        })
    }

    async fn exchange_once(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = match looked.filter(|(at, _)| at.elapsed() < LOOKED_LATELY) {
            Some((_, stream)) => stream,
            None => self.open(wait).await?,
        };
        let broken = |error: hyper::Error| self.unanswered(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.way.host())
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/json");
        let request = match self.way.authorization() {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        };
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| self.unreadable(error.to_string()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            let code = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
            let body = body.map_err(|error| self.unreadable(error.to_string()))?;
            Ok((code, body.to_bytes()))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            outcome = answer.as_mut() => outcome,
            // The connection's own end is only news if the answer does not come of what it left.
            _ = connection => answer.await,
        }
    }

    async fn open(&self, wait: Duration) -> Result<Opened, ClientError> {
        let at = || self.at();
        match timeout(wait, self.way.open()).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(Unopened::Unproved(error))) => Err(ClientError::Unproved { at: at(), error }),
            Ok(Err(Unopened::Io(error)))
                if error.kind() == io::ErrorKind::PermissionDenied && matches!(self.way, Way::Socket(_)) =>
            {
                Err(ClientError::NotAllowed { at: at() })
            }
            // The backlog is full: an engine is there, stopped or drowning.
            Ok(Err(Unopened::Io(error))) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(self.unanswered("it takes no more connections".to_owned()))
            }
            Ok(Err(Unopened::Io(source))) => Err(ClientError::NoEngine { at: at(), source }),
            Err(_) => Err(self.unanswered("it does not take the connection".to_owned())),
        }
    }

    /// Turns an answer that says no into its error.
    fn good(&self, code: StatusCode, body: &Bytes) -> Result<(), ClientError> {
        if code.is_success() {
            return Ok(());
        }
        if code.is_redirection() {
            return Err(self.unreadable(format!(
                "it leads elsewhere (status {}), and a token is shown nowhere else",
                code.as_u16()
            )));
        }
        let Problem { error, refusals, epoch: _ } = self.read(body)?;
        if code.is_client_error() && code != StatusCode::REQUEST_TIMEOUT {
            Err(ClientError::Refused { error, refusals })
        } else {
            Err(self.unanswered(error))
        }
    }

    fn read<T: DeserializeOwned>(&self, body: &Bytes) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|error| self.unreadable(error.to_string()))
    }

    fn unanswered(&self, error: String) -> ClientError {
        ClientError::Unanswered { at: self.at(), error }
    }

    fn unreadable(&self, error: String) -> ClientError {
        ClientError::Unreadable { at: self.at(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{ReleaseKillSwitch, Resume};
    use super::*;

    #[test]
    fn what_a_witness_may_hold_up_is_waited_for_longer_than_it_may() {
        let (reason, confirm) = ("known", "demo");
        let resume = Resume { halts: Vec::new(), reason: reason.to_owned(), confirm: confirm.to_owned() };
        let release = ReleaseKillSwitch { reason: reason.to_owned(), confirm: confirm.to_owned() };
        for order in [ControlOrder::Resume(resume), ControlOrder::ReleaseKillSwitch(release)] {
            assert!(wait_for(&order) > Duration::from_secs(600), "{order:?}");
        }
        assert_eq!(wait_for(&ControlOrder::TestAlerts(TestAlerts { channel: None })), ORDER);
    }
}
