//! The journal's raw lines over HTTP, for a witness that keeps its own copy: only durable ones, a bounded piece at a time.

use super::ask::Asker;
use super::http::{answer, problem};
use crate::beside::DOORS;
use crate::command::{Answer, Command};
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use failstop_client::status::Beat;
use failstop_journal::{LINE_MAX, Range, RangeError, SEQ_END, read_range};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The path on the control socket and the control listener.
pub const PATH: &str = "/api/journal";

/// The least `limit`, bytes: the longest line.
pub const LIMIT_MIN: usize = LINE_MAX;

/// The most `limit`, bytes.
pub const LIMIT_MAX: usize = 1 << 20;

/// `limit` where none is given, bytes.
const LIMIT: usize = 256 * 1024;

/// How many may read at a time: the disk is the journal's.
const READERS: usize = 2;

/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from_seq: u64,
    limit: Option<usize>,
}

impl Wanted {
    fn of(uri: &Uri) -> Result<(u64, usize), String> {
        let Query(Self { from_seq, limit }) = Query::try_from_uri(uri).map_err(|error| {
            use std::error::Error as _;
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("the query is not `from_seq=N&limit=BYTES`: {why}")
        })?;
        let limit = limit.unwrap_or(LIMIT);
        if !(1..SEQ_END).contains(&from_seq) {
            return Err(format!("`from_seq` must be a record's number, from 1 to {}", SEQ_END - 1));
        }
        if !(LIMIT_MIN..=LIMIT_MAX).contains(&limit) {
            return Err(format!("`limit` must be from {LIMIT_MIN} (the longest line) to {LIMIT_MAX} bytes"));
        }
        Ok((from_seq, limit))
    }
}

/// The way to the journal's files, for all doors together.
#[derive(Debug)]
pub(super) struct Ranges {
    state_dir: PathBuf,
    readers: Arc<Semaphore>,
}

impl Ranges {
    /// Of the journal below this state directory.
    pub fn new(state_dir: PathBuf) -> Self {
        Self { state_dir, readers: Arc::new(Semaphore::new(READERS)) }
    }

    async fn respond(&self, asker: &Asker, uri: &Uri) -> Response {
        let (from, limit) = match Wanted::of(uri) {
            Ok(wanted) => wanted,
            Err(why) => return problem(StatusCode::BAD_REQUEST, why),
        };
        // What is durable, not older than the question: whatever the files hold behind it is nobody's yet.
        let beat = match asker.beat().await {
            Ok(beat) => beat,
            Err(unanswered) => return problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        };
        if from > beat.seq.saturating_add(1) {
            let why = format!("the journal's head is record {}: there is no record {from} yet", beat.seq);
            return with_head(problem(StatusCode::CONFLICT, why), &beat, None);
        }
        let Ok(Ok(turn)) = timeout(TURN, Arc::clone(&self.readers).acquire_owned()).await else {
            let why = format!("{READERS} others read the journal already; try again");
            return problem(StatusCode::SERVICE_UNAVAILABLE, why);
        };
        let (state_dir, upto) = (self.state_dir.clone(), beat.seq);
        // Beside the doors' thread: a slow disk must hold up no other answer.
        let read = DOORS.wait(move || {
            let _turn = turn;
            read_range(&state_dir, from, upto, limit)
        });
        let (response, next) = match read.await {
            Ok(Ok(Range { bytes, next })) => (answer(StatusCode::OK, "application/x-ndjson", bytes), Some(next)),
            Ok(Err(error)) => {
                let code = match &error {
                    RangeError::Gone { .. } => StatusCode::NOT_FOUND,
                    RangeError::Damaged { .. } => StatusCode::CONFLICT,
                    RangeError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
                };
                (problem(code, error.to_string()), None)
            }
            Err(error) => {
                let why = format!("the journal cannot be read now: {error}; try again");
                (problem(StatusCode::SERVICE_UNAVAILABLE, why), None)
            }
        };
        with_head(response, &beat, next)
    }
}

/// The head in headers, and where to go on.
fn with_head(mut response: Response, beat: &Beat, next: Option<u64>) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        // Digits and hex digits are good header values.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("failstop-epoch", &beat.epoch.to_string());
    put("failstop-journal", &beat.jid);
    put("failstop-seq", &beat.seq.to_string());
    put("failstop-head", &beat.head);
    if let Some(next) = next {
        put("failstop-next-seq", &next.to_string());
    }
    response
}

/// Adds the path to a router.
pub(super) fn with_journal(router: Router, ranges: &Arc<Ranges>, asker: &Arc<Asker>) -> Router {
    let context = (Arc::clone(ranges), Arc::clone(asker));
    router.route(
        PATH,
        get(move |uri: Uri| async move {
            let (ranges, asker) = context;
            ranges.respond(&asker, &uri).await
        }),
    )
}

impl Asker {
    /// A beat, made after this call.
    async fn beat(&self) -> Result<Beat, super::ask::Unanswered> {
        match self.put(Command::Beat, self.wait()).await? {
            Answer::Beat(beat) => Ok(*beat),
            _ => Err(super::ask::Unanswered::Mismatch),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

    use super::*;

    #[test]
    fn a_query_is_read_or_refused_with_the_reason() {
        let of = |query: &str| Wanted::of(&format!("/api/journal{query}").parse().unwrap());
        assert_eq!(of("?from_seq=1"), Ok((1, LIMIT)));
        assert_eq!(of("?limit=65536&from_seq=9"), Ok((9, 65_536)));
        for (query, says) in [
            ("", "missing field `from_seq`"),
            ("?from_seq=0", "from 1 to"),
            ("?from_seq=-1", "not `from_seq=N"),
            ("?from_seq=1&limit=65535", "from 65536"),
            ("?from_seq=1&limit=1048577", "to 1048576"),
            ("?from_seq=1&from_seq=2", "duplicate field"),
            ("?from_seq=1&until=2", "unknown field `until`"),
            ("?from_seq=9007199254740992", "from 1 to"),
        ] {
            let refused = of(query).unwrap_err();
            assert!(refused.contains(says), "{query}: {refused}");
        }
    }
}
