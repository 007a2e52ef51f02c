//! HTTP: one request on a connection of its own, no redirect, a bounded answer.

use super::attempt::Purpose;
use super::fault::{Answer, Page, ProbeFault};
use super::resolve::LOCAL;
use crate::config::Probe;
use failstop_notify::threads::Names;
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// How much of an answer is read at most where nothing else is said, bytes.
pub(super) const BODY_MAX: usize = 64 * 1024;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Method {
    Get,
    /// With these in its head.
    GetWith(HeaderMap),
    /// JSON.
    Post(String),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Response {
    target: String,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// What it means for this purpose.
    pub(super) fn judged(self, purpose: Purpose) -> Result<Answer, ProbeFault> {
        let what = format!("answers with status {}", self.status);
        match (purpose, self.status) {
            (Purpose::Health, status) => {
                Ok(Answer { page: Some(Page { status, body: self.body }), ..Answer::saying(what) })
            }
            (Purpose::Answers, 200..=399) => Ok(Answer::saying(what)),
            (Purpose::Answers, status) => Err(ProbeFault::Status { target: self.target, status }),
        }
    }
}

/// A client for each set of authorities that the configuration names. Each request has a connection of its own: one that was
/// kept would say nothing about whether a new one can be made.
#[derive(Debug)]
pub(super) struct Clients(BTreeMap<Option<PathBuf>, Result<Client, String>>);

impl Clients {
    pub(super) fn new<'a>(probes: impl Iterator<Item = &'a Probe>) -> Self {
        let mut clients = BTreeMap::new();
        for probe in probes {
            match probe {
                Probe::Http { ca_file, .. } | Probe::JsonRpc { ca_file, .. } | Probe::Telegram { ca_file, .. } => {
                    clients.entry(ca_file.clone()).or_insert_with(|| Client::new(ca_file.as_deref()));
                }
                Probe::Page(page) => {
                    clients.entry(page.ca_file.clone()).or_insert_with(|| Client::new(page.ca_file.as_deref()));
                }
                Probe::Tcp(_) | Probe::Redis { .. } | Probe::Postgres { .. } | Probe::Exec(_) => {}
            }
        }
        Self(clients)
    }

    pub(super) fn of(&self, ca_file: Option<&Path>, target: &str) -> Result<&Client, ProbeFault> {
        let unusable = |why: String| ProbeFault::Unusable { target: target.to_owned(), why };
        match self.0.get(&ca_file.map(Path::to_owned)) {
            Some(Ok(client)) => Ok(client),
            Some(Err(why)) => Err(unusable(why.clone())),
            None => Err(unusable("no HTTP client was made for it".to_owned())),
        }
    }
}

/// Sends requests, through the proxies of the environment where there are any.
#[derive(Debug)]
pub(super) struct Client(reqwest::Client);

impl Client {
    fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let tls = failstop_notify::tls::client_config(ca_file)?;
        let local = LOCAL.map(|address| SocketAddr::new(address, 0));
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(Names)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("failstop/", env!("CARGO_PKG_VERSION")))
            .retry(reqwest::retry::never())
            .resolve_to_addrs("localhost", &local)
            .build()
            .map(Self)
            .map_err(|_| "the HTTP client cannot be set up; check HTTP_PROXY and HTTPS_PROXY".to_owned())
    }

    /// One request; `url` may hold a secret, `target` is what may be shown. At most `keep` bytes of the body are read, and more of
    /// them refused; of 0 nothing is.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        target: &str,
        keep: usize,
    ) -> Result<Response, ProbeFault> {
        let unfit = |how: &str| ProbeFault::Unfit { target: target.to_owned(), how: how.to_owned() };
        let url = reqwest::Url::parse(url).map_err(|_| unfit("has a URL that cannot be used"))?;
        let request = match method {
            Method::Get => self.0.get(url).header("accept", "*/*"),
            Method::GetWith(headers) => self.0.get(url).header("accept", "*/*").headers(headers),
            Method::Post(body) => self.0.post(url).header("content-type", "application/json").body(body),
        };
        let mut answer = request.send().await.map_err(|error| fault(target, &error))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while keep > 0 && body.len() <= keep {
            match answer.chunk().await.map_err(|error| fault(target, &error))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        if body.len() > keep {
            return Err(unfit(&format!("answers with more than {} KiB", keep / 1024)));
        }
        Ok(Response { target: target.to_owned(), status, body })
    }
}

/// How often an error may be wrapped in another one.
const WRAPS_MAX: u32 = 8;

/// What an error is at its bottom.
enum Cause<'a> {
    Tls(&'a rustls::Error),
    NotHttp,
    Io(&'a io::Error),
    Other,
}

/// An I/O error's `source` passes by what it wraps, so that is looked at as well.
fn bottom<'a>(error: &'a (dyn std::error::Error + 'static), wraps: u32) -> Cause<'a> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Cause::Tls(tls);
    }
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
        return Cause::NotHttp;
    }
    let io = error.downcast_ref::<io::Error>();
    let inner = match io.and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn std::error::Error + 'static)),
        None => error.source(),
    };
    let deeper = match inner {
        Some(inner) if wraps > 0 => bottom(inner, wraps - 1),
        Some(_) | None => Cause::Other,
    };
    match (deeper, io) {
        (Cause::Other, Some(io)) => Cause::Io(io),
        (deeper, _) => deeper,
    }
}

/// What went wrong, in words that hold no URL: a library's own may.
fn fault(target: &str, error: &reqwest::Error) -> ProbeFault {
    let target = target.to_owned();
    match bottom(error, WRAPS_MAX) {
        Cause::Tls(tls) => ProbeFault::Unfit { target, how: failstop_notify::tls::words(tls).to_owned() },
        Cause::NotHttp => ProbeFault::Unfit { target, how: "answers with something that is not HTTP".to_owned() },
        Cause::Io(found) => {
            // The system's own words: a refusal, a reset, a name that the resolver does not know.
            ProbeFault::Io { target, error: io::Error::new(found.kind(), found.to_string()) }
        }
        Cause::Other if error.is_connect() => {
            ProbeFault::Io { target, error: io::Error::other("no connection: check name, network and proxy") }
        }
        Cause::Other => {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before an answer");
            ProbeFault::Io { target, error }
        }
    }
}
