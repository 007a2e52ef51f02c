//! The live stream of an engine: server-sent events, one beat a second. A line is read as it comes; nothing is stored.

use crate::client::{self, Ask, Endpoint, Tls};
use crate::heart::reading::{self, Beat};
use http_body_util::BodyExt as _;
use std::time::Duration;

/// The longest line of the stream, bytes.
const LINE_MAX: usize = 16 * 1024;

/// Time until the stream must be open.
const OPEN: Duration = Duration::from_secs(10);

/// A stream without a single byte for so long is given up.
const SILENT: Duration = Duration::from_secs(15);

/// What happens on a stream.
#[derive(Debug)]
pub enum News {
    /// It is open.
    Opened,
    /// A beat.
    Beat(Box<Beat>),
    /// It ended, or was not to be had.
    Ended {
        /// Whether the target offers one.
        offered: bool,
        /// Why.
        why: String,
    },
}

/// Follows a stream until it ends. `tell` takes the news; where it says `false`, nobody listens any more.
pub async fn follow(endpoint: &Endpoint, token: Option<&str>, tls: &Tls, mut tell: impl AsyncFnMut(News) -> bool) {
    let ended = match open_and_read(endpoint, token, tls, &mut tell).await {
        Ok(()) => return,
        Err(ended) => ended,
    };
    tell(ended).await;
}

async fn open_and_read(
    endpoint: &Endpoint,
    token: Option<&str>,
    tls: &Tls,
    tell: &mut impl AsyncFnMut(News) -> bool,
) -> Result<(), News> {
    let ended = |offered, why: String| News::Ended { offered, why };
    let mut ask = Ask::get();
    ask.headers.push(("accept", "text/event-stream".to_owned()));
    if let Some(token) = token {
        ask.headers.push(("authorization", format!("Bearer {token}")));
    }
    let opening = async {
        let mut connection = client::connect(endpoint, tls).await?;
        let response = connection.send(endpoint, &ask).await?;
        Ok::<_, crate::heart::fault::Fault>((connection, response))
    };
    let (_connection, response) = match tokio::time::timeout(OPEN, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(fault)) => return Err(ended(true, fault.to_string())),
        Err(_) => return Err(ended(true, "it did not open in time".to_owned())),
    };
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if matches!(status, 401 | 403) {
        return Err(ended(true, format!("HTTP {status}: it lets nobody in with this token")));
    }
    if status != 200 || !kind.starts_with("text/event-stream") {
        return Err(ended(false, format!("HTTP {status}, {kind}: no live stream there")));
    }
    if !tell(News::Opened).await {
        return Ok(());
    }
    let mut incoming = response.into_body();
    let mut lines = Lines::default();
    loop {
        let frame = match tokio::time::timeout(SILENT, incoming.frame()).await {
            Err(_) => return Err(ended(true, format!("no byte for {} s", SILENT.as_secs()))),
            Ok(None) => return Err(ended(true, "it was closed".to_owned())),
            Ok(Some(Err(error))) => return Err(ended(true, error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        let Some(data) = frame.data_ref() else { continue };
        for event in lines.feed(data).map_err(|why| ended(true, why))? {
            let beat = reading::beat(&event).map_err(|fault| ended(true, fault.to_string()))?;
            if !tell(News::Beat(Box::new(beat))).await {
                return Ok(());
            }
        }
    }
}

/// Puts the `data:` of events together. Comments and other fields are skipped; an event ends with an empty line.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > LINE_MAX {
                    return Err(format!("an event is longer than {LINE_MAX} bytes"));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    events.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_whatever_the_pieces() {
        let text = b": hello\r\nevent: beat\ndata: {\"a\":1}\n\nid: 4\ndata:one\ndata: two\r\n\r\n\n\ndata: rest";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let events: Vec<Vec<u8>> =
                text.chunks(size).flat_map(|piece| lines.feed(piece).unwrap_or_default()).collect();
            assert_eq!(events, [b"{\"a\":1}".to_vec(), b"one\ntwo".to_vec()], "{size}");
        }
    }

    #[test]
    fn an_endless_line_ends_the_stream() {
        let mut lines = Lines::default();
        assert!(lines.feed(&vec![b'x'; LINE_MAX]).is_ok());
        assert!(lines.feed(b"x").is_err());
    }
}
