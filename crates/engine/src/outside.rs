//! Asks an address outside the host once and waits for the answer: what a witness remembers, and check-ins. For commands and for
//! threads of their own; never on the loop's. No redirect is followed: what is believed or told goes where the user said.

use failstop_journal::verify::{MEMORY_MAX_BYTES, Memory};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Method<'a> {
    /// For a document.
    Get,
    /// For a document, with a token that is shown.
    GetWithToken(&'a str),
    /// With a text.
    Post(&'a str),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why nothing came back, in words that never hold the URL: it may carry a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Not within this time.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// More than so many bytes.
    #[error("it answers with more than {0} bytes")]
    Large(u64),
    /// The way there, or the peer.
    #[error("{}", words(.0))]
    Failed(reqwest::Error),
}

/// Asks; `within` bounds all of it, `most` the bytes of the answer. `ca_file` holds authorities that are trusted beside the
/// usual ones, in PEM form.
///
/// # Errors
/// Why there is no answer, in words that never hold the URL: it may carry a token.
pub fn ask(
    method: Method<'_>,
    url: &str,
    ca_file: Option<&Path>,
    most: u64,
    within: Duration,
) -> Result<Answer, String> {
    let url = reqwest::Url::parse(url).map_err(|_| "the URL is not one".to_owned())?;
    let client = client(ca_file, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot wait for an answer: {error}"))?;
    runtime.block_on(exchange(&client, method, url, most, within)).map_err(|fault| fault.to_string())
}

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A client that follows no redirect and asks each thing once. `kept`: how long a connection to each host is kept unused; one that
/// keeps none may be used on one runtime after another.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn client(ca_file: Option<&Path>, kept: Option<Duration>) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(failstop_notify::tls::client_config(ca_file)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .dns_resolver(failstop_notify::threads::Names)
        .connect_timeout(CONNECT_WITHIN)
        .pool_max_idle_per_host(usize::from(kept.is_some()))
        .pool_idle_timeout(kept)
        .user_agent(concat!("failstop/", env!("CARGO_PKG_VERSION")))
        .retry(reqwest::retry::never())
        .build()
        .map_err(|_| "the HTTP client cannot be set up; check HTTP_PROXY and HTTPS_PROXY".to_owned())
}

/// One question and its answer; `within` bounds all of it, `most` the bytes of the answer.
pub(crate) async fn exchange(
    client: &reqwest::Client,
    method: Method<'_>,
    url: reqwest::Url,
    most: u64,
    within: Duration,
) -> Result<Answer, Fault> {
    let request = match method {
        Method::Get => client.get(url).header("accept", "*/*"),
        Method::GetWithToken(token) => client.get(url).header("accept", "*/*").bearer_auth(token),
        Method::Post(text) => {
            client.post(url).header("content-type", "text/plain; charset=utf-8").body(text.to_owned())
        }
    };
    let exchange = async {
        let mut response = request.send().await.map_err(Fault::Failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Fault::Failed)? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > most {
                return Err(Fault::Large(most));
            }
        }
        Ok(Answer { status, body })
    };
    tokio::time::timeout(within, exchange).await.unwrap_or(Err(Fault::Late(within)))
}

/// An error's own words end with the URL; its causes' do not.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut depth = 0;
    while let Some(deeper) = cause.source().filter(|_| depth < 8) {
        cause = deeper;
        depth += 1;
    }
    if depth == 0 { "the request failed".to_owned() } else { cause.to_string() }
}

/// What a witness remembers: from its address (`GET /witness/NAME`) or from a file that it exported.
///
/// # Errors
/// Why that is not to be had, in words.
pub fn memory(source: &str, ca_file: Option<&Path>, within: Duration) -> Result<Memory, String> {
    let text = if source.starts_with("http://") || source.starts_with("https://") {
        let answer = ask(Method::Get, source, ca_file, MEMORY_MAX_BYTES, within)?;
        match answer.status {
            200 => answer.body,
            404 => return Err("it remembers no journal of this name (HTTP 404): check the address".to_owned()),
            300..=399 => return Err(format!("HTTP {}: redirects are not followed: correct the URL", answer.status)),
            status => return Err(format!("HTTP {status}")),
        }
    } else {
        let mut text = Vec::new();
        let file = File::open(source).map_err(|error| error.to_string())?;
        file.take(MEMORY_MAX_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
        text
    };
    Memory::parse(&text).map_err(|error| error.to_string())
}
