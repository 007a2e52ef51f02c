//! From settings to a connection on which the script is known: TCP, TLS or a Unix socket; AUTH, SELECT, a look at what the server
//! does when it is full, SCRIPT LOAD.

use super::resp::{Malformed, Parser, Reply, command};
use super::script::SCRIPT;
use super::settings::{Address, Settings};
use crate::beside::SHARED_RATES;
use crate::config::SecretFault;
use crate::probing::{ProbeFault, connect, peers_words};
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

/// A stream of whatever kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that can be used.
pub(super) struct Link {
    pub stream: Box<dyn Stream>,
    /// With what came and was not asked for yet.
    pub parser: Parser,
    /// The script's digest.
    pub digest: String,
}

/// Why there is no connection. Holds no password.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkFault {
    #[error("{0}")]
    Connect(#[from] ProbeFault),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("ended the connection")]
    Ended,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("the password cannot be had: {0}")]
    Password(#[from] SecretFault),
    #[error("{0}")]
    Tls(String),
    #[error("does not take the user and the password: {0}")]
    Auth(String),
    #[error("{asked} is refused: {words}")]
    Refused { asked: &'static str, words: String },
    #[error(
        "may throw away what was counted when it is full (maxmemory-policy {0}): set `maxmemory-policy noeviction`, or give rates a \
         server of their own"
    )]
    Evicts(String),
}

/// Makes one.
pub(super) async fn open(settings: &Settings) -> Result<Link, LinkFault> {
    let secret = settings.password.clone();
    let password = aside(move || secret.as_ref().map(crate::config::Secret::reveal).transpose()).await??;
    let mut talk = Talk { stream: stream(settings).await?, parser: Parser::default() };
    if let Some(password) = &password {
        let words = match &settings.user {
            Some(user) => vec!["AUTH", user, password],
            None => vec!["AUTH", password],
        };
        match talk.ask(&words).await? {
            Reply::Text(text) if text == "OK" => {}
            // Some servers repeat what they were sent.
            Reply::Error(words) => {
                let kind = words.split(' ').next().unwrap_or_default();
                return Err(LinkFault::Auth(peers_words(kind)));
            }
            Reply::Text(_) | Reply::Number(_) | Reply::Nothing | Reply::List(_) => {
                return Err(Malformed::Foreign.into());
            }
        }
    }
    if settings.database != 0 {
        talk.text("SELECT", &["SELECT", &settings.database.to_string()]).await?;
    }
    never_evicts(&talk.text("INFO memory", &["INFO", "memory"]).await?)?;
    let digest = talk.text("SCRIPT LOAD", &["SCRIPT", "LOAD", SCRIPT]).await?;
    if digest.len() != 40 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Malformed::Foreign.into());
    }
    Ok(Link { stream: talk.stream, parser: talk.parser, digest })
}

/// Reads files on a thread beside: a disk that hangs holds up no word.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    SHARED_RATES.wait(read).await
}

async fn stream(settings: &Settings) -> Result<Box<dyn Stream>, LinkFault> {
    match &settings.address {
        Address::Unix(path) => {
            let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            Ok(Box::new(UnixStream::connect(path).await.map_err(at)?))
        }
        Address::Tcp(at) => {
            let stream = connect(at).await?;
            stream.set_nodelay(true)?;
            if !settings.tls {
                return Ok(Box::new(stream));
            }
            let ca_file = settings.ca_file.clone();
            let config = aside(move || failstop_notify::tls::client_config(ca_file.as_deref())).await?;
            let config = config.map_err(|why| LinkFault::Tls(format!("TLS: {why}")))?;
            let name = ServerName::try_from(at.host.clone());
            let name =
                name.map_err(|_| LinkFault::Tls(format!("TLS: {} is no name that a certificate has", at.host)))?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            Ok(Box::new(stream.map_err(words_of_tls)?))
        }
    }
}

fn words_of_tls(error: io::Error) -> LinkFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => LinkFault::Tls(failstop_notify::tls::words(tls).to_owned()),
        None => LinkFault::Io(error),
    }
}

/// A server that is full must refuse: one that makes room would forget what was counted, one key at a time, and nobody would know.
fn never_evicts(info: &str) -> Result<(), LinkFault> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let bounded = field("maxmemory:").is_none_or(|most| most != "0");
    match field("maxmemory_policy:") {
        Some("noeviction") => Ok(()),
        Some(_) if !bounded => Ok(()),
        Some(policy) => Err(LinkFault::Evicts(peers_words(policy))),
        None => Err(LinkFault::Evicts("unknown".to_owned())),
    }
}

struct Talk {
    stream: Box<dyn Stream>,
    parser: Parser,
}

impl Talk {
    async fn ask(&mut self, words: &[&str]) -> Result<Reply, LinkFault> {
        self.stream.write_all(&command(words)).await?;
        self.stream.flush().await?;
        let mut chunk = [0_u8; 4 * 1024];
        loop {
            if let Some(reply) = self.parser.next()? {
                return Ok(reply);
            }
            match self.stream.read(&mut chunk).await? {
                0 => return Err(LinkFault::Ended),
                n => self.parser.take(chunk.get(..n).unwrap_or_default()),
            }
        }
    }

    async fn text(&mut self, asked: &'static str, words: &[&str]) -> Result<String, LinkFault> {
        match self.ask(words).await? {
            Reply::Text(text) => Ok(text),
            Reply::Error(words) => Err(LinkFault::Refused { asked, words: peers_words(&words) }),
            Reply::Number(_) | Reply::Nothing | Reply::List(_) => Err(Malformed::Foreign.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_server_that_makes_room_by_forgetting_is_not_used() {
        let info = |most: &str, policy: &str| format!("# Memory\r\nmaxmemory:{most}\r\nmaxmemory_policy:{policy}\r\n");
        assert!(never_evicts(&info("0", "allkeys-lru")).is_ok(), "it is never full");
        assert!(never_evicts(&info("1000", "noeviction")).is_ok());
        for policy in ["allkeys-lru", "volatile-ttl", "something-new"] {
            let fault = never_evicts(&info("1000", policy)).unwrap_err().to_string();
            assert!(fault.contains(policy) && fault.contains("noeviction"), "{fault}");
        }
        assert!(never_evicts("# Memory\r\n").is_err());
    }
}
