//! A connection to a mail server, always inside TLS: from the first byte, or after STARTTLS that the server must offer. What
//! came before TLS is forgotten: a byte that follows the go-ahead for TLS in clear text ends the connection, since somebody
//! put it there. What the server may say in all is bounded.

use super::http::tls_words;
use super::tls::Trust;
use crate::threads::NAMES;
use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The most that a server may say in one connection, bytes.
const SAID_MAX: u64 = 256 * 1024;

/// The most that it may say before TLS, bytes.
const CLEAR_MAX: usize = 16 * 1024;

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first byte (port 465).
    Implicit,
    /// After STARTTLS, which the server must offer (port 587).
    StartTls,
}

/// Why there is no connection. Nothing was sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SmtpFault {
    /// Another attempt may do better.
    Later(&'static str),
    /// It will be so until somebody changes something.
    Refused(&'static str),
    /// The server answered with a number instead of going on.
    Said(u16),
}

/// A stream inside TLS that begins with a greeting for the library, if the server's own was read already.
pub(crate) struct Secured {
    greeting: &'static [u8],
    left: u64,
    stream: TlsStream<TcpStream>,
}

impl std::fmt::Debug for Secured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secured").finish_non_exhaustive()
    }
}

/// Connects to `host:port` and begins TLS.
pub(crate) async fn connect(
    trust: &Trust,
    host: &str,
    port: u16,
    start: Start,
    hello: &str,
) -> Result<Secured, SmtpFault> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| SmtpFault::Refused("the server's name is no name: correct `smtp_url`"))?;
    let connected = async { TcpStream::connect(&*NAMES.look_up(host, port).await?).await };
    let mut stream = connected.await.map_err(|error| {
        SmtpFault::Later(match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused",
            io::ErrorKind::TimedOut => "no connection within its time-out",
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                "the network or host cannot be reached"
            }
            _ => "no connection: check name and network",
        })
    })?;
    let mut greeting: &'static [u8] = b"";
    if start == Start::StartTls {
        start_tls(&mut stream, hello).await?;
        greeting = b"220 inside TLS\r\n";
    }
    let connector = TlsConnector::from(Arc::clone(&trust.config));
    let stream = connector.connect(name, stream).await.map_err(|error| {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        SmtpFault::Later(tls.map_or("the connection ended while TLS began", tls_words))
    })?;
    Ok(Secured { greeting, left: SAID_MAX, stream })
}

async fn start_tls(stream: &mut TcpStream, hello: &str) -> Result<(), SmtpFault> {
    let mut clear = Clear { stream, buffer: Vec::new() };
    expect(&clear.answer().await?, 220)?;
    clear.say(&format!("EHLO {hello}\r\n")).await?;
    let answer = clear.answer().await?;
    expect(&answer, 250)?;
    let offers = |line: &String| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !answer.iter().any(offers) {
        return Err(SmtpFault::Refused(
            "the server offers no STARTTLS, and nothing is sent in clear text: use smtps://",
        ));
    }
    clear.say("STARTTLS\r\n").await?;
    expect(&clear.answer().await?, 220)?;
    if clear.buffer.is_empty() {
        Ok(())
    } else {
        Err(SmtpFault::Later("clear text followed the beginning of TLS: somebody is in between"))
    }
}

fn expect(answer: &[String], code: u16) -> Result<(), SmtpFault> {
    let said = answer.last().and_then(|line| line.get(..3)?.parse::<u16>().ok());
    match said {
        Some(said) if said == code => Ok(()),
        Some(said) => Err(SmtpFault::Said(said)),
        None => Err(SmtpFault::Later("the server does not speak SMTP there")),
    }
}

struct Clear<'a> {
    stream: &'a mut TcpStream,
    buffer: Vec<u8>,
}

impl Clear<'_> {
    async fn say(&mut self, text: &str) -> Result<(), SmtpFault> {
        self.stream.write_all(text.as_bytes()).await.map_err(|_| SmtpFault::Later("the connection ended"))
    }

    /// The lines of one answer.
    async fn answer(&mut self) -> Result<Vec<String>, SmtpFault> {
        let mut lines = Vec::new();
        let mut heard = 0;
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                let last = line.as_bytes().get(3) != Some(&b'-');
                lines.push(line);
                if last {
                    return Ok(lines);
                }
            }
            let mut chunk = [0; 1024];
            let count = self.stream.read(&mut chunk).await.unwrap_or(0);
            heard += count;
            if count == 0 {
                return Err(SmtpFault::Later("the connection ended before TLS"));
            }
            if heard > CLEAR_MAX {
                return Err(SmtpFault::Later("the server says too much before TLS"));
            }
            self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.greeting.is_empty() {
            let count = this.greeting.len().min(buffer.remaining());
            let (now, later) = this.greeting.split_at(count);
            buffer.put_slice(now);
            this.greeting = later;
            return Poll::Ready(Ok(()));
        }
        if this.left == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let count = buffer.filled().len().saturating_sub(before);
        this.left = this.left.saturating_sub(count as u64);
        polled
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}
