//! The HTTP client of probes, steps, the witness and the peer: hyper on one connection, TLS by
//! rustls. No redirects, no proxy, no cookies: what is judged is the answer of the address that was asked. Every failure is
//! classed by the stage at which it happened.

mod tls;

pub use tls::{Tls, TlsError};

use crate::heart::fault::{Fault, Stage};
use failstop_notify::threads::NAMES;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The largest body of a health answer, bytes.
pub const HEALTH_MAX: usize = 256 * 1024;

/// An order is given up where there is no connection within this. Below the second after which TCP tries again: an order that
/// waits for a cable would arrive when the cable is back, and what it was for may be over.
const ORDER_CONNECT: Duration = Duration::from_millis(900);

/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl From<&failstop_settings::Url> for Endpoint {
    fn from(url: &failstop_settings::Url) -> Self {
        Self { tls: url.tls, host: url.host.clone(), port: url.port, path: url.path.clone() }
    }
}

impl Endpoint {
    /// The same place with another path.
    #[must_use]
    pub fn at(&self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self.clone() }
    }

    /// `host:port`, with brackets where they are needed.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// For people: without a query, which may hold a secret.
    pub fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path.split('?').next().unwrap_or("/"))
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Headers beyond `host`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Ask {
    /// A GET without anything.
    pub fn get() -> Self {
        Self { method: "GET", headers: Vec::new(), body: Vec::new() }
    }
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap<HeaderValue>,
    /// The body.
    pub body: Vec<u8>,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// Opens a connection: name, TCP, TLS.
///
/// # Errors
/// A fault with its stage.
pub async fn connect(endpoint: &Endpoint, tls: &Tls) -> Result<Connection, Fault> {
    through(endpoint, tls, reach(&endpoint.host, endpoint.port).await?).await
}

/// A connection over a TCP stream that is open.
async fn through(endpoint: &Endpoint, tls: &Tls, stream: TcpStream) -> Result<Connection, Fault> {
    if endpoint.tls {
        let stream = tls.wrap(&endpoint.host, stream).await?;
        return over(stream).await;
    }
    over(stream).await
}

/// A TCP connection to a name or an address.
///
/// # Errors
/// A fault of the stage `dns` or `connect`.
pub async fn reach(host: &str, port: u16) -> Result<TcpStream, Fault> {
    reach_within(host, port, Duration::MAX).await
}

/// As [`reach`], with at most `within` for the name, and for each address.
async fn reach_within(host: &str, port: u16, within: Duration) -> Result<TcpStream, Fault> {
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::time::timeout(within, NAMES.look_up(host, port))
            .await
            .map_err(|_| Fault::new(Stage::Dns, format!("{host}: no answer of the resolver in time")))?
            .map_err(|error| Fault::new(Stage::Dns, format!("{host}: {error}")))?
            .into_iter()
            .take(ADDRESSES_MAX)
            .collect(),
    };
    let mut last = Fault::new(Stage::Dns, format!("{host} has no address"));
    for address in addresses {
        match tokio::time::timeout(within, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one small write; waiting for more would only delay it.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Fault::new(Stage::Connect, format!("{address}: {error}")),
            Err(_) => {
                let within = crate::heart::time::span(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
                last = Fault::new(Stage::Connect, format!("{address}: no connection within {within}"));
            }
        }
    }
    Err(last)
}

/// HTTP over an open stream.
///
/// # Errors
/// A fault of the stage `connect`.
pub async fn over<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S) -> Result<Connection, Fault> {
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| Fault::new(Stage::Connect, error.to_string()))?;
    // Ends when either side closes; what is wrong with it is seen by whoever waits for an answer.
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(Connection { sender })
}

impl Connection {
    /// Whether another request may be sent on it.
    pub fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and gives the answer with its body still to come.
    ///
    /// # Errors
    /// A fault of the stage `connect`.
    pub async fn send(&mut self, endpoint: &Endpoint, ask: &Ask) -> Result<Response<Incoming>, Fault> {
        self.sender
            .ready()
            .await
            .map_err(|error| Fault::new(Stage::Connect, format!("the connection was closed ({error})")))?;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(&endpoint.path)
            .header("host", endpoint.authority())
            .header("connection", if endpoint.tls { "keep-alive" } else { "close" })
            .header("user-agent", concat!("failstop-watchdog/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(Bytes::from(ask.body.clone())))
            .map_err(|error| Fault::new(Stage::Connect, format!("the request cannot be made: {error}")))?;
        self.sender.send_request(request).await.map_err(|error| Fault::new(Stage::Connect, broken(&error)))
    }
}

/// What hyper says, with its cause, which is what tells people something.
fn broken(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// A fault of the stage `body` where it is larger, `connect` where it breaks off.
pub async fn body(response: Response<Incoming>, most: usize) -> Result<Answer, Fault> {
    let (parts, mut incoming) = response.into_parts();
    let too_large = || Fault::new(Stage::Body, format!("the answer is larger than {most} bytes"));
    if incoming.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame =
            frame.map_err(|error| Fault::new(Stage::Connect, format!("the answer broke off: {}", broken(&error))))?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > most {
                return Err(too_large());
            }
            body.extend_from_slice(data);
        }
    }
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Asks once, within `timeout`, on `kept` where that is still usable, else on a new connection; gives a TLS connection back for
/// the next time, since its handshake costs more than its memory. A plain one costs some 40 KB to keep and next to nothing to
/// open, and opening it proves that somebody listens. A kept connection that turns out to be closed is not the target's fault: a
/// new one is tried.
pub async fn exchange(
    kept: Option<Connection>,
    endpoint: &Endpoint,
    tls: &Tls,
    ask: &Ask,
    most: usize,
    timeout: Duration,
) -> (Result<Answer, Fault>, Option<Connection>) {
    let whole = async {
        if let Some(mut connection) = kept.filter(Connection::is_usable)
            && let Ok(response) = connection.send(endpoint, ask).await
        {
            return Ok((body(response, most).await?, connection));
        }
        let mut connection = connect(endpoint, tls).await?;
        let response = connection.send(endpoint, ask).await?;
        Ok((body(response, most).await?, connection))
    };
    match tokio::time::timeout(timeout, whole).await {
        Ok(Ok((answer, connection))) => (Ok(answer), Some(connection).filter(|kept| endpoint.tls && kept.is_usable())),
        Ok(Err(fault)) => (Err(fault), None),
        Err(_) => (Err(no_answer(timeout)), None),
    }
}

fn no_answer(within: Duration) -> Fault {
    let within = crate::heart::time::span(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
    Fault::new(Stage::TimeOut, format!("no answer within {within}"))
}

/// Asks once on a connection of its own: for what must not be sent twice.
pub async fn once(endpoint: &Endpoint, tls: &Tls, ask: &Ask, most: usize, timeout: Duration) -> Result<Answer, Fault> {
    exchange(None, endpoint, tls, ask, most, timeout).await.0
}

/// Asks once, on a connection of its own that stands within 900 ms, for something to be done: now, or not at all.
///
/// # Errors
/// A fault of the stage `connect` where nothing was sent for want of a connection; else as [`once`].
pub async fn order(endpoint: &Endpoint, tls: &Tls, ask: &Ask, most: usize, timeout: Duration) -> Result<Answer, Fault> {
    let whole = async {
        let stream = reach_within(&endpoint.host, endpoint.port, ORDER_CONNECT).await?;
        let response = through(endpoint, tls, stream).await?.send(endpoint, ask).await?;
        body(response, most).await
    };
    tokio::time::timeout(timeout, whole).await.unwrap_or_else(|_| Err(no_answer(timeout)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn an_order_waits_for_no_cable() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            // Whose queue is full answers no SYN: like a cable that is out.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let listener = socket.listen(0).unwrap();
            let address = listener.local_addr().unwrap();
            let _queued = TcpStream::connect(address).await.unwrap();
            let endpoint =
                Endpoint { tls: false, host: address.ip().to_string(), port: address.port(), path: "/".to_owned() };
            let ask = Ask { method: "POST", headers: Vec::new(), body: Vec::new() };
            let given_up =
                order(&endpoint, &Tls::new(None).unwrap(), &ask, HEALTH_MAX, Duration::from_secs(600)).await.err();
            let text = given_up.map(|fault| (fault.stage, fault.detail));
            let wanted = format!("{address}: no connection within 900 ms");
            assert_eq!(text, Some((Stage::Connect, wanted)));
        });
    }
}
