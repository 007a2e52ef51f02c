//! What may block (a disk, a terminal, a program, the system's look-up of names), each on a thread of its own. The pool of the runtime
//! panics where the host gives it no thread (a limit on processes, no memory), and where a panic ends the process that is the end of
//! everything in it: here it is an error like others.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// The most threads at one time for what alerts wait for, beside the console and log files: what hangs keeps one.
pub const THREADS_MAX: usize = 64;

/// The most threads at one time that write to the console. Its writes wait for each other: more than one to write and one to wait for it would
/// bring nothing.
const CONSOLE_MAX: usize = 2;

/// The most threads at one time that write to log files, all of them together.
const LOG_FILES_MAX: usize = 8;

/// The most look-ups of names at one time: a watchdog asks hundreds at once, and a resolver that does not answer is waited for half a minute and
/// longer.
pub const NAMES_MAX: usize = 512;

/// For what alerts wait for: the outbox and programs.
pub(crate) static THREADS: Threads = Threads::new(THREADS_MAX);

/// For the console. A terminal that stands still keeps every thread that tries it, and must not take those of the other channels.
pub(crate) static CONSOLE: Threads = Threads::new(CONSOLE_MAX);

/// For log files, as for the console.
pub(crate) static LOG_FILES: Threads = Threads::new(LOG_FILES_MAX);

/// For looking up names, whoever asks in this process. Others must not wait for them.
pub static NAMES: Threads = Threads::new(NAMES_MAX);

/// Threads for what may block, up to a bound.
#[derive(Debug)]
pub struct Threads {
    busy: AtomicUsize,
    most: usize,
}

/// There is no thread, and nothing was done: what it was to be done with is given back.
#[derive(Debug)]
pub struct NoThread<V> {
    /// What was to be worked on.
    pub value: V,
    /// Why there is none.
    pub error: io::Error,
}

/// One of those that are busy.
struct Busy(&'static Threads);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// So many at most.
    pub const fn new(most: usize) -> Self {
        Self { busy: AtomicUsize::new(0), most }
    }

    fn one_more(&'static self) -> io::Result<Busy> {
        let before = self.busy.fetch_add(1, Ordering::Relaxed);
        let busy = Busy(self);
        if before < self.most {
            return Ok(busy);
        }
        Err(io::Error::other(format!("{} threads are busy with what does not end", self.most)))
    }

    /// Works on this, on a thread of its own, which inherits the caller's mask of signals. Whoever drops the receiver is not waited for.
    ///
    /// # Errors
    /// [`NoThread`]: the bound is reached, or the host gives no thread.
    pub fn run<V, T>(
        &'static self,
        value: V,
        work: impl FnOnce(V) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, NoThread<V>>
    where
        V: Send + 'static,
        T: Send + 'static,
    {
        let busy = match self.one_more() {
            Ok(busy) => busy,
            Err(error) => return Err(NoThread { value, error }),
        };
        let (done, receiver) = oneshot::channel();
        // A thread that is not there gives nothing back of what it was started with.
        let here = Arc::new(Mutex::new(Some(value)));
        let there = Arc::clone(&here);
        let take = |value: &Mutex<Option<V>>| value.lock().unwrap_or_else(PoisonError::into_inner).take();
        let started = std::thread::Builder::new().name("beside".to_owned()).spawn(move || {
            if let Some(value) = take(&there) {
                let found = work(value);
                // By the time that whoever waits goes on, this one counts no more.
                drop(busy);
                let _ = done.send(found);
            }
        });
        match started {
            Ok(_) => Ok(receiver),
            Err(error) => match take(&here) {
                Some(value) => Err(NoThread { value, error }),
                // Cannot be: nothing else takes it.
                None => Ok(receiver),
            },
        }
    }

    /// Works on its own thread, and waits for that.
    ///
    /// # Errors
    /// There is no thread, or it ended without an answer.
    pub async fn wait<T: Send + 'static>(&'static self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let none = |error: io::Error| io::Error::new(error.kind(), format!("there is no thread for it: {error}"));
        let found = self.run((), |()| work()).map_err(|NoThread { error, .. }| none(error))?;
        found.await.map_err(|_| io::Error::other("the thread for it ended without an answer"))
    }

    /// The addresses of a host, as the system finds them.
    ///
    /// # Errors
    /// Those of the look-up, and of [`Threads::wait`].
    pub async fn look_up(&'static self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.to_owned();
        self.wait(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await?
    }
}

/// Looks names up for HTTP clients, on [`NAMES`].
#[derive(Clone, Copy, Debug)]
pub struct Names;

impl reqwest::dns::Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = NAMES.look_up(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use std::sync::mpsc;

    /// A host that gives none.
    pub(crate) static NONE: Threads = Threads::new(0);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn what_hangs_keeps_a_thread_until_it_ends_and_one_too_many_gives_back_what_it_was_given() {
        static TWO: Threads = Threads::new(2);
        let (release, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let begin = |value: &str| {
            let hangs = Arc::clone(&hangs);
            TWO.run(value.to_owned(), move |value| {
                let _ = hangs.lock().unwrap().recv();
                value
            })
        };
        let (one, other) = (begin("one").unwrap(), begin("other").unwrap());
        for _ in 0..3 {
            let none = begin("third").unwrap_err();
            assert_eq!(none.value, "third");
            assert_eq!(none.error.to_string(), "2 threads are busy with what does not end");
        }
        drop(release);
        let runtime = runtime();
        assert_eq!(runtime.block_on(async { (one.await.unwrap(), other.await.unwrap()) }).0, "one");
        assert_eq!(runtime.block_on(begin("third").unwrap()).unwrap(), "third");
    }

    #[test]
    fn names_are_looked_up_and_without_a_thread_that_is_an_error() {
        let runtime = runtime();
        let found = runtime.block_on(NAMES.look_up("127.0.0.1", 7)).unwrap();
        assert_eq!(found, ["127.0.0.1:7".parse().unwrap()]);
        assert!(runtime.block_on(NAMES.look_up("no name", 7)).is_err());
        let error = runtime.block_on(NONE.look_up("localhost", 7)).unwrap_err();
        assert!(error.to_string().starts_with("there is no thread for it: "), "{error}");
    }
}
