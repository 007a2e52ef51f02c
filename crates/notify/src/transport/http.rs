//! One HTTP request and its answer, bounded in time and size. Redirects are not followed: a service that has moved is
//! a thing for people, and a token never goes where nobody sent it.

use super::tls::Trust;
use crate::answer::Answer;
use crate::secret::Secret;
use crate::threads::Names;
use jiff::Timestamp;
use std::error::Error as _;
use std::time::Duration;

/// The most that is read of an answer, bytes. What is more is not read: what matters stands at the beginning.
const BODY_MAX: usize = 64 * 1024;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(8);

/// How long an unused connection is kept, and how many a host.
const IDLE_MAX: Duration = Duration::from_secs(20);
const IDLE_PER_HOST: usize = 1;

/// Longest silence that an answer can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
}

/// What is asked. The URL and headers may hold secrets.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Secret,
    pub(crate) headers: Vec<(&'static str, Secret)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A POST of JSON.
    pub(crate) fn json(url: String, body: &serde_json::Value) -> Self {
        Self {
            method: Method::Post,
            url: url.into(),
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: body.to_string().into_bytes(),
        }
    }

    /// A GET.
    pub(crate) fn get(url: String) -> Self {
        Self { method: Method::Get, url: url.into(), headers: Vec::new(), content_type: "", body: Vec::new() }
    }

    /// With one more header.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Secret::from(value.into())));
        self
    }

    /// With another method.
    #[must_use]
    pub(crate) fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The header, in seconds from now.
    pub(crate) retry_after: Option<Duration>,
    /// At most the first [`BODY_MAX`] bytes.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The body as JSON; `null` where it is not.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }

    /// What the status alone means, for services that say no more; `said` is added to the reason.
    pub(crate) fn by_status(&self, said: &str) -> Answer {
        let status = self.status;
        let reason = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
        match (status, self.retry_after) {
            (200..=299, _) => Answer::ok(),
            (408 | 425 | 429 | 500..=599, Some(after)) => Answer::RetryAfter { after, reason },
            (408 | 425 | 429 | 500..=599, None) => Answer::retry(reason),
            (300..=399, _) => Answer::permanent(format!("{reason}; redirects are not followed: correct the URL")),
            (400 | 406 | 411 | 413 | 414 | 415 | 422 | 431, _) => Answer::fix_payload(reason),
            (401 | 403, _) => Answer::permanent(format!("{reason}; check the token and its rights")),
            (404 | 410, _) => Answer::permanent(format!("{reason}; check the address")),
            (400..=499, _) => Answer::permanent(reason),
            // Nothing else is a final answer.
            _ => Answer::Ambiguous { reason },
        }
    }
}

/// Why there is no answer. Made of our own words: what a library prints may hold the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request never left.
    NotSent(&'static str),
    /// It left, or may have, and no answer came.
    NoAnswer(&'static str),
    /// It cannot be sent as it is.
    Unusable(&'static str),
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotSent(reason) => Self::retry(reason),
            Fault::NoAnswer(reason) => Self::Ambiguous { reason: reason.to_owned() },
            Fault::Unusable(reason) => Self::permanent(reason),
        }
    }
}

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
}

impl Http {
    /// With the proxies of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY).
    pub(crate) fn new(trust: &Trust) -> Result<Self, String> {
        reqwest::Client::builder()
            .tls_backend_preconfigured((*trust.config).clone())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(Names)
            .connect_timeout(CONNECT_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .user_agent(concat!("failstop/", env!("CARGO_PKG_VERSION")))
            .retry(reqwest::retry::never())
            .build()
            .map(|client| Self { client })
            .map_err(|_| "the HTTP client cannot be set up; check HTTP_PROXY and HTTPS_PROXY".to_owned())
    }

    /// Sends one request; `within` bounds all of it.
    pub(crate) async fn send(&self, request: Request, within: Duration) -> Result<Response, Fault> {
        tokio::time::timeout(within, self.exchange(request))
            .await
            .unwrap_or(Err(Fault::NoAnswer("no answer within the time-out")))
    }

    async fn exchange(&self, request: Request) -> Result<Response, Fault> {
        let url = reqwest::Url::parse(request.url.expose()).map_err(|_| Fault::Unusable("the URL is not one"))?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let mut builder = self.client.request(method, url);
        for (name, value) in &request.headers {
            let mut value = reqwest::header::HeaderValue::from_str(value.expose())
                .map_err(|_| Fault::Unusable("a header holds a character that it cannot hold"))?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if request.method != Method::Get {
            builder = builder.header("content-type", request.content_type).body(request.body);
        }
        let mut response = builder.send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|text| retry_after(text, crate::clock::wall()));
        let mut body = Vec::new();
        // The status is the answer; a body that breaks off costs only what it would have said.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = BODY_MAX - body.len();
            body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or(&chunk));
            if body.len() >= BODY_MAX {
                break;
            }
        }
        Ok(Response { status, retry_after, body })
    }
}

/// Seconds, or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            Duration::from_secs_f64(seconds.min(RETRY_AFTER_MAX.as_secs_f64()))
        }
        Ok(_) => return None,
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(asked.clamp(Duration::from_secs(1), RETRY_AFTER_MAX))
}

/// How often an I/O error may be wrapped in another one.
const WRAPS_MAX: u32 = 8;

enum Cause<'a> {
    Tls(&'a rustls::Error),
    Io(std::io::ErrorKind),
    Other,
}

/// What an error is at its bottom. `source` of an I/O error passes by what it wraps, so that is looked at here.
fn within<'a>(error: &'a (dyn std::error::Error + 'static), wraps: u32) -> Cause<'a> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Cause::Tls(tls);
    }
    let Some(io) = error.downcast_ref::<std::io::Error>() else { return Cause::Other };
    match io.get_ref() {
        Some(inner) if wraps > 0 => match within(inner, wraps - 1) {
            Cause::Other => Cause::Io(io.kind()),
            deeper @ (Cause::Tls(_) | Cause::Io(_)) => deeper,
        },
        Some(_) | None => Cause::Io(io.kind()),
    }
}

fn fault(error: &reqwest::Error) -> Fault {
    // Once a connection stands, the request may have left whatever went wrong afterwards.
    let tls_fault = |tls: &rustls::Error| {
        if error.is_connect() { Fault::NotSent(tls_words(tls)) } else { Fault::NoAnswer(tls_words(tls)) }
    };
    let mut source = error.source();
    let mut io = None;
    while let Some(inner) = source {
        match within(inner, WRAPS_MAX) {
            Cause::Tls(tls) => return tls_fault(tls),
            Cause::Io(kind) => io = Some(kind),
            Cause::Other => {}
        }
        source = inner.source();
    }
    if error.is_builder() {
        return Fault::Unusable("the request cannot be made of this configuration");
    }
    if error.is_connect() {
        return Fault::NotSent(match io {
            Some(std::io::ErrorKind::ConnectionRefused) => "connection refused",
            Some(std::io::ErrorKind::ConnectionReset) => "the connection was reset while it was made",
            Some(std::io::ErrorKind::UnexpectedEof) => "the connection ended while it was made",
            Some(std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::HostUnreachable) => {
                "the network or host cannot be reached"
            }
            _ if error.is_timeout() => "no connection within its time-out",
            Some(_) | None => "no connection: check name, network and proxy",
        });
    }
    Fault::NoAnswer(match io {
        Some(std::io::ErrorKind::ConnectionReset) => "the connection was reset before an answer",
        _ => "the connection ended before an answer",
    })
}

/// rustls's own texts may quote what the peer sent; these do not.
pub fn tls_words(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
        ) => "TLS: the server's certificate has expired, or this clock is wrong",
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "TLS: the server's certificate is of an authority that is not trusted: set `ca_file` if it is yours"
        }
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. },
        ) => "TLS: the server's certificate is for another name",
        rustls::Error::InvalidCertificate(_) => "TLS: the server's certificate is not acceptable",
        rustls::Error::InvalidMessage(_) => "TLS: the server does not speak TLS there",
        rustls::Error::AlertReceived(_) => "TLS: the server refused the connection",
        _ => "TLS: no connection could be agreed on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now: Timestamp = "2015-10-21T07:27:30Z".parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let secs = |text| retry_after(text, now).map(|d| d.as_millis());
        assert_eq!(secs("30"), Some(30_000));
        assert_eq!(secs("1.5"), Some(1_500));
        assert_eq!(secs("0"), Some(1_000));
        assert_eq!(secs("99999999"), Some(3_600_000));
        assert_eq!(secs("Wed, 21 Oct 2015 07:28:00 GMT"), Some(30_000));
        assert_eq!(secs("Wed, 21 Oct 2015 07:00:00 GMT"), Some(1_000));
        for bad in ["", "soon", "-5", "NaN", "inf"] {
            assert_eq!(secs(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_status_has_a_class() {
        for status in 100..=599 {
            let class = Response { status, ..Response::default() }.by_status("").class();
            let expected = match status {
                200..=299 => "ok",
                100..=199 => "ambiguous",
                408 | 425 | 429 | 500..=599 => "retry",
                400 | 406 | 411 | 413 | 414 | 415 | 422 | 431 => "fix_payload",
                _ => "permanent",
            };
            assert_eq!(class, expected, "{status}");
        }
    }
}
