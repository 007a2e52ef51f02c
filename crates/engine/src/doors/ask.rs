//! Asks the loop on behalf of the HTTP doors, so that a flood of requests costs the loop next to nothing.
//!
//! Questions are asked once for everybody who waits: a request is answered from an answer that the loop gave *after* the
//! request arrived, never from an older one, and the loop is asked at most once in [`BETWEEN`] for each kind of answer.

use crate::access::Forbidden;
use crate::beside::DOORS;
use crate::command::{Answer, Command, CommandSender, Request};
use crate::history::Span;
use crate::limits::processes;
use failstop_client::alerts::AlertList;
use failstop_client::books::OrderList;
use failstop_client::configuration::InForce;
use failstop_client::history::History;
use failstop_client::processes::ProcessList;
use failstop_client::status::Status;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

/// The least time between two questions of a kind.
const BETWEEN: Duration = Duration::from_millis(20);

/// The loop gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The engine is going down.
    #[error("the engine is stopping")]
    Stopping,
    /// Too late.
    #[error("the engine's loop did not answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// Whoever asks may not: nothing was put to the loop.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// What it is about could not be read.
    #[error("processes cannot be read now: {0}")]
    Unread(std::io::ErrorKind),
    /// It answered something else; a defect.
    #[error("the engine's loop answered another question; please report this")]
    Mismatch,
}

/// The way to the loop.
#[derive(Debug)]
pub struct Asker {
    commands: CommandSender,
    wait: Duration,
    status: Shared<Arc<Status>>,
    text: Shared<Arc<str>>,
    openmetrics: Shared<Arc<str>>,
    alerts: Shared<Arc<AlertList>>,
    processes: Shared<Arc<ProcessList>>,
    orders: Shared<Arc<OrderList>>,
    config: Shared<Arc<InForce>>,
    hour: Shared<Arc<History>>,
    day: Shared<Arc<History>>,
}

/// Questions of one kind.
#[derive(Debug)]
struct Shared<T> {
    /// When one was put last. Held by whoever asks now.
    put: tokio::sync::Mutex<Option<Instant>>,
    waiting: Mutex<Waiting<T>>,
}

/// How many wait for an answer, and the last one while anybody does: some are large.
#[derive(Debug)]
struct Waiting<T> {
    count: usize,
    answer: Option<Result<T, Unanswered>>,
}

/// One who waits. With the last one, however that ends, goes the answer.
struct Waits<'a, T>(&'a Mutex<Waiting<T>>);

impl<'a, T> Waits<'a, T> {
    fn begin(waiting: &'a Mutex<Waiting<T>>) -> Self {
        let waits = Self(waiting);
        waits.all().count += 1;
        waits
    }

    fn all(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Waits<'_, T> {
    fn drop(&mut self) {
        let mut all = self.all();
        all.count -= 1;
        if all.count == 0 {
            all.answer = None;
        }
    }
}

impl<T: Clone> Shared<T> {
    fn new() -> Self {
        Self { put: tokio::sync::Mutex::new(None), waiting: Mutex::new(Waiting { count: 0, answer: None }) }
    }

    /// An answer to a question that was put after now.
    async fn get(&self, ask: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
        let arrived = Instant::now();
        let waits = Waits::begin(&self.waiting);
        let mut last = self.put.lock().await;
        if let Some(put) = *last {
            let answer = if put < arrived { None } else { waits.all().answer.clone() };
            if let Some(answer) = answer {
                return answer;
            }
            sleep_until(put + BETWEEN).await;
        }
        let put = Instant::now();
        let answer = ask.await;
        *last = Some(put);
        waits.all().answer = Some(answer.clone());
        answer
    }
}

impl Asker {
    /// Asks over `commands` and waits at most `wait` for each answer.
    pub fn new(commands: CommandSender, wait: Duration) -> Self {
        Self {
            commands,
            wait,
            status: Shared::new(),
            text: Shared::new(),
            openmetrics: Shared::new(),
            alerts: Shared::new(),
            processes: Shared::new(),
            orders: Shared::new(),
            config: Shared::new(),
            hour: Shared::new(),
            day: Shared::new(),
        }
    }

    /// The status, not older than this call.
    pub async fn status(&self) -> Result<Arc<Status>, Unanswered> {
        self.status
            .get(async {
                match self.put(Command::Status, self.wait).await? {
                    Answer::Status(status) => Ok(Arc::from(status)),
                    _ => Err(Unanswered::Mismatch),
                }
            })
            .await
    }

    /// The metrics, not older than this call.
    pub async fn metrics(&self, openmetrics: bool) -> Result<Arc<str>, Unanswered> {
        let shared = if openmetrics { &self.openmetrics } else { &self.text };
        shared
            .get(async {
                match self.put(Command::Metrics { openmetrics }, self.wait).await? {
                    Answer::Metrics(text) => Ok(Arc::from(text)),
                    _ => Err(Unanswered::Mismatch),
                }
            })
            .await
    }

    /// The incidents, not older than this call.
    pub async fn alerts(&self) -> Result<Arc<AlertList>, Unanswered> {
        self.alerts
            .get(async {
                match self.put(Command::Alerts, self.wait).await? {
                    Answer::Alerts(list) => Ok(Arc::from(list)),
                    _ => Err(Unanswered::Mismatch),
                }
            })
            .await
    }

    /// The open orders, not older than this call.
    pub async fn orders(&self) -> Result<Arc<OrderList>, Unanswered> {
        self.orders
            .get(async {
                match self.put(Command::Orders, self.wait).await? {
                    Answer::Orders(list) => Ok(Arc::from(list)),
                    _ => Err(Unanswered::Mismatch),
                }
            })
            .await
    }

    /// Every value of the configuration that is in force, not older than this call.
    pub async fn configuration(&self) -> Result<Arc<InForce>, Unanswered> {
        self.config
            .get(async {
                match self.put(Command::Config, self.wait).await? {
                    Answer::InForce(config) => Ok(Arc::from(config)),
                    _ => Err(Unanswered::Mismatch),
                }
            })
            .await
    }

    /// The figures of a span, not older than this call. What the loop copied out is put into its form here.
    pub async fn history(&self, span: Span) -> Result<Arc<History>, Unanswered> {
        let shared = match span {
            Span::Hour => &self.hour,
            Span::Day => &self.day,
        };
        shared
            .get(async {
                match self.put(Command::History(span), self.wait).await? {
                    Answer::History(extract) => Ok(Arc::new(extract.answer())),
                    _ => Err(Unanswered::Mismatch),
                }
            })
            .await
    }

    /// Every process with what it uses, not older than this call. The loop says which there are; what they use is read on a
    /// thread beside this one, for one question at a time.
    pub async fn processes(&self) -> Result<Arc<ProcessList>, Unanswered> {
        self.processes
            .get(async {
                let Answer::Processes(membership) = self.put(Command::Processes, self.wait).await? else {
                    return Err(Unanswered::Mismatch);
                };
                let timestamp = crate::status::rfc3339(crate::clock::wall());
                let reading = DOORS.wait(move || processes::read(&membership, timestamp));
                let list = timeout(self.wait, reading).await.map_err(|_| Unanswered::Late(self.wait))?;
                list.map(Arc::new).map_err(|error| Unanswered::Unread(error.kind()))
            })
            .await
    }

    /// One command, never shared, with its own wait.
    pub async fn put(&self, command: Command, wait: Duration) -> Result<Answer, Unanswered> {
        timeout(wait, ask(&self.commands, command)).await.unwrap_or(Err(Unanswered::Late(wait)))
    }

    /// Puts one command, so that it stands before all that are put later; its answer is waited for elsewhere.
    /// `meant_at`: see [`Request::meant_at`].
    pub async fn begin(&self, command: Command, meant_at: Option<u64>) -> Result<Begun, Unanswered> {
        let (reply, answer) = oneshot::channel();
        let request = Request::new(command, reply)?.meant_at(meant_at);
        let put = timeout(self.wait, self.commands.send(request)).await.map_err(|_| Unanswered::Late(self.wait))?;
        put.map(|()| Begun(answer)).map_err(|_| Unanswered::Stopping)
    }

    /// How long a question waits.
    pub fn wait(&self) -> Duration {
        self.wait
    }
}

/// A command that was put.
#[derive(Debug)]
pub struct Begun(oneshot::Receiver<Answer>);

impl Begun {
    /// Its answer, if it comes in this time.
    pub async fn within(self, wait: Duration) -> Result<Answer, Unanswered> {
        let answer = timeout(wait, self.0).await.map_err(|_| Unanswered::Late(wait))?;
        answer.map_err(|_| Unanswered::Stopping)
    }
}

/// Puts a command and waits for its answer, however long that takes.
pub async fn ask(commands: &CommandSender, command: Command) -> Result<Answer, Unanswered> {
    let (reply, answer) = oneshot::channel();
    commands.send(Request::new(command, reply)?).await.map_err(|_| Unanswered::Stopping)?;
    answer.await.map_err(|_| Unanswered::Stopping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    #[tokio::test]
    async fn an_answer_that_nobody_takes_does_not_stay() {
        let shared = Shared::<Arc<str>>::new();
        let mut context = Context::from_waker(Waker::noop());
        let (give, given) = oneshot::channel();
        let mut one = Box::pin(shared.get(async { given.await.map_err(|_| Unanswered::Stopping) }));
        assert!(one.as_mut().poll(&mut context).is_pending());
        let mut other = Box::pin(shared.get(async { Err(Unanswered::Stopping) }));
        assert!(other.as_mut().poll(&mut context).is_pending());
        let answer: Arc<str> = "large".into();
        let kept = Arc::downgrade(&answer);
        assert_eq!(give.send(answer), Ok(()));
        assert!(matches!(one.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        drop(one);
        // Whoever asked goes away before it is its turn.
        drop(other);
        assert_eq!(kept.upgrade(), None);
    }
}
