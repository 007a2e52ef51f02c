//! A bounded queue between the thread that reads pipes and a thread that may have to wait for a disk or a terminal.
//! When it is full, what comes is dropped and counted, so that a bot never waits for whoever reads its output.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Something that takes up room.
pub(super) trait Weighed {
    /// Bytes.
    fn weight(&self) -> usize;
}

struct State<T> {
    items: VecDeque<T>,
    weight: usize,
    closed: bool,
    /// The consumer waits for more: everything taken before is dealt with.
    idle: bool,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limit: usize,
    dropped: AtomicU64,
}

/// Both ends; one thread takes.
pub(super) struct Queue<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Weighed> Queue<T> {
    /// Room for this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        let state = State { items: VecDeque::new(), weight: 0, closed: false, idle: false };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new(), limit, dropped: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// Puts an item in; `false`, with its weight counted as dropped, where there is no room or nobody takes any more.
    pub(super) fn offer(&self, item: T) -> bool {
        let weight = item.weight();
        let mut state = self.lock();
        if state.closed || state.weight + weight > self.shared.limit {
            drop(state);
            self.shared.dropped.fetch_add(u64::try_from(weight).unwrap_or(u64::MAX), Ordering::Relaxed);
            return false;
        }
        state.weight += weight;
        state.items.push_back(item);
        drop(state);
        self.shared.changed.notify_all();
        true
    }

    /// Waits for everything that is there. `None` once it is closed and empty.
    pub(super) fn take_all(&self) -> Option<VecDeque<T>> {
        let mut state = self.lock();
        while state.items.is_empty() {
            state.idle = true;
            self.shared.changed.notify_all();
            if state.closed {
                return None;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        state.weight = 0;
        // A burst's memory goes with the burst.
        Some(std::mem::take(&mut state.items))
    }

    /// No more goes in; what is in is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_all();
    }

    /// Waits until the consumer has dealt with everything; whether it had, within the limit.
    pub(super) fn drained(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while !(state.idle && state.items.is_empty()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Bytes dropped because there was no room.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code that can panic runs under this lock; and a log is no reason to end.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    impl Weighed for &'static str {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn full_means_dropped_and_counted() {
        let queue = Queue::new(5);
        assert!(queue.offer("abc"));
        assert!(!queue.offer("def"));
        assert!(queue.offer("gh"));
        assert_eq!(queue.dropped(), 3);
        assert_eq!(queue.take_all().unwrap(), ["abc", "gh"]);
        assert!(queue.offer("def"));
        queue.close();
        assert!(!queue.offer("x"));
        assert_eq!(queue.take_all().unwrap(), ["def"]);
        assert_eq!(queue.take_all(), None);
    }

    #[test]
    fn drained_waits_for_the_consumer_and_not_for_ever() {
        let queue = Queue::new(100);
        queue.offer("a");
        assert!(!queue.drained(Duration::from_millis(1)));
        let consumer = queue.clone();
        let thread = std::thread::spawn(move || while consumer.take_all().is_some() {});
        assert!(queue.drained(Duration::from_secs(30)));
        queue.close();
        thread.join().unwrap();
    }
}
