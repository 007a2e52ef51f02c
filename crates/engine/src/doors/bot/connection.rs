//! One client's task: reads its lines, passes them on, and sends what could not be sent at once.

use super::lines::{Lines, Next};
use super::outbox::{BACKLOG_PAUSE, Connection, MAX_OUTSTANDING};
use super::watched::Watched;
use super::{BotEvent, BotRequest};
use failstop_client::wire::{Code, MAX_LINE, decode};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Bad lines in a row after which a client is closed. A line that is too long counts for many.
const PATIENCE: u32 = 64;
const TOO_LONG_COUNTS: u32 = 16;

/// Serves one client to its end.
pub(super) async fn serve(connection: Connection, events: mpsc::Sender<BotEvent>, stall: Duration) {
    let id = connection.id();
    if events.send(BotEvent::Opened(connection.clone())).await.is_err() {
        return;
    }
    let mut task =
        Task { connection: connection.clone(), events: events.clone(), lines: Lines::default(), bad_lines: 0, stall };
    if let Err(error) = task.run().await {
        tracing::warn!(%error, connection = id.0, "a connection of the bot socket could not be watched and is closed");
    }
    // The loop may hold the connection for longer; the client is told now.
    connection.shut();
    // The loop may be gone, then nobody needs to know.
    let _ = events.send(BotEvent::Closed(id)).await;
}

struct Task {
    connection: Connection,
    events: mpsc::Sender<BotEvent>,
    lines: Lines,
    bad_lines: u32,
    stall: Duration,
}

/// Whether to go on.
enum Then {
    Go,
    Close,
}

impl Task {
    /// Runs until the client is through.
    ///
    /// # Errors
    /// The socket cannot be watched.
    async fn run(&mut self) -> io::Result<()> {
        let mut watched = Watched::new(self.connection.socket())?;
        let mut ended = false;
        let mut stalled_since = None;
        loop {
            let standing = self.connection.standing();
            let owed = standing.backlog > 0 || standing.outstanding > 0;
            if standing.closed || (ended && !owed) {
                return Ok(());
            }
            watched = watched.for_room(standing.backlog > 0)?;
            let reads = !ended && standing.backlog < BACKLOG_PAUSE && standing.outstanding < MAX_OUTSTANDING;
            // Waiting for an answer is not the client's fault; not taking answers is.
            let stalls = standing.backlog > 0 && !reads;
            stalled_since = if stalls { stalled_since.or_else(|| Some(Instant::now())) } else { None };
            let mut space = self.lines.space();
            tokio::select! {
                biased;
                () = self.connection.woken() => {}
                room = watched.room(), if standing.backlog > 0 => {
                    room?;
                    self.connection.flush();
                }
                read = watched.read(&mut space), if reads => {
                    let then = match read {
                        Ok(0) => {
                            ended = true;
                            self.connection.ended();
                            self.rest().await
                        }
                        Ok(_) => self.take_lines().await,
                        Err(_) => Then::Close,
                    };
                    if matches!(then, Then::Close) {
                        return Ok(());
                    }
                }
                () = patience_ends(stalled_since, self.stall), if stalls => return Ok(()),
            }
        }
    }

    async fn take_lines(&mut self) -> Then {
        loop {
            let event = match self.lines.next() {
                Next::More => return Then::Go,
                Next::TooLong => {
                    let error = format!("the line is longer than {MAX_LINE} bytes; it was skipped");
                    self.connection.refuse(None, Code::LineTooLong, error);
                    self.bad_lines += TOO_LONG_COUNTS;
                    None
                }
                Next::Line(line) => request(&self.connection, &mut self.bad_lines, line),
            };
            if matches!(self.pass_on(event).await, Then::Close) {
                return Then::Close;
            }
        }
    }

    async fn rest(&mut self) -> Then {
        let event = request(&self.connection, &mut self.bad_lines, self.lines.rest());
        self.pass_on(event).await
    }

    async fn pass_on(&mut self, event: Option<BotEvent>) -> Then {
        if self.bad_lines >= PATIENCE {
            return Then::Close;
        }
        let Some(event) = event else { return Then::Go };
        // Waits while the loop is busy: the client's further lines wait in its own socket.
        if self.events.send(event).await.is_err() { Then::Close } else { Then::Go }
    }
}

async fn patience_ends(stalled_since: Option<Instant>, stall: Duration) {
    sleep_until(stalled_since.unwrap_or_else(Instant::now) + stall).await;
}

/// What a line asks for, if it can be read. Blank ones ask for nothing.
fn request(connection: &Connection, bad_lines: &mut u32, line: &[u8]) -> Option<BotEvent> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    match decode(line) {
        Ok(decoded) => {
            *bad_lines = 0;
            Some(BotEvent::Request(Box::new(BotRequest {
                connection: connection.id(),
                peer: connection.peer().clone(),
                message: decoded.message,
                answer: connection.request(decoded.id),
            })))
        }
        Err(rejected) => {
            *bad_lines += 1;
            connection.refuse(rejected.id.as_ref(), rejected.code, rejected.error);
            None
        }
    }
}
