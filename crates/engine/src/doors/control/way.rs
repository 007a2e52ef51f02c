//! The ways to an engine's control: its socket on this host, or the control listener of another over TLS, with a token; an observe address with TLS
//! is asked the same way, with a token where it wants one. A redirect is
//! followed nowhere, and no proxy is asked.

use failstop_client::token::{Token, TokenFileError};
use hyper::Uri;
use hyper::header::HeaderValue;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// The port where a URL names none.
const HTTPS: u16 = 443;

/// A stream of either way.
pub(super) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// A connection.
pub(super) type Opened = Box<dyn Both>;

/// A way.
#[derive(Debug)]
pub(super) enum Way {
    /// The socket of this host.
    Socket(PathBuf),
    /// Another host.
    Far(Box<Far>),
}

/// The control listener of another host, or its observe address.
pub(super) struct Far {
    url: String,
    host: String,
    port: u16,
    authority: String,
    name: ServerName<'static>,
    token: Option<Token>,
    connector: TlsConnector,
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Far").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why another host cannot be asked as it was said. Exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum FarError {
    /// The URL.
    #[error("--url {url}: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token.
    #[error("--token-file: {0}")]
    Token(#[from] TokenFileError),
    /// The authority.
    #[error("--ca: {0}")]
    Authority(String),
    /// No event loop can be had.
    #[error("no event loop can be had: {0}")]
    Runtime(io::Error),
}

impl Far {
    pub fn new(url: &str, token_file: Option<&Path>, ca: Option<&Path>) -> Result<Self, FarError> {
        let wrong = |why: String| FarError::Url { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|error| wrong(format!("{error}")))?;
        let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("a token is shown over TLS only: write it as https://HOST:PORT".to_owned()));
        };
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("write the host alone, as https://HOST:PORT".to_owned()));
        }
        // An IPv6 address stands in brackets in a URL and without them everywhere else.
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|error| wrong(format!("{host} cannot stand in a certificate: {error}")))?;
        let token = token_file.map(Token::read).transpose()?;
        let tls = failstop_notify::tls::client_config(ca).map_err(FarError::Authority)?;
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            port: authority.port_u16().unwrap_or(HTTPS),
            authority: authority.to_string(),
            host,
            name,
            token,
            connector: TlsConnector::from(Arc::new(tls)),
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Far(far) => f.write_str(&far.url),
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Unopened {
    /// What the kernel said.
    Io(io::Error),
    /// What TLS said of the other side.
    Unproved(String),
}

impl Way {
    /// What a request says that it asks.
    pub fn host(&self) -> &str {
        match self {
            Self::Socket(_) => "failstop",
            Self::Far(far) => &far.authority,
        }
    }

    /// What it shows.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let Self::Far(far) = self else { return None };
        let token = far.token.as_ref()?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Connects. The token is shown only to a host that proved who it is.
    pub async fn open(&self) -> Result<Opened, Unopened> {
        match self {
            Self::Socket(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(Unopened::Io)?)),
            Self::Far(far) => {
                let stream = TcpStream::connect((far.host.as_str(), far.port)).await.map_err(Unopened::Io)?;
                let wrapped = far.connector.connect(far.name.clone(), stream).await;
                let stream = wrapped.map_err(|error| Unopened::Unproved(error.to_string()))?;
                Ok(Box::new(stream))
            }
        }
    }
}
