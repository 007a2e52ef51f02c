//! When a lost connection may be made anew: at once where it had been served, otherwise after a pause that grows, so that a
//! client that is turned away does not come back in a hot loop.

use std::time::{Duration, Instant};

/// The first pause.
const FIRST: Duration = Duration::from_millis(100);
/// No pause is longer.
const MOST: Duration = Duration::from_secs(2);

/// How the connections went so far.
#[derive(Debug)]
pub(super) struct Pause {
    /// An answer to a request, or a push, came over the connection.
    served: bool,
    next: Duration,
    not_before: Option<Instant>,
}

impl Pause {
    pub fn new() -> Self {
        Self { served: false, next: FIRST, not_before: None }
    }

    /// Whether a connection may be tried now.
    pub fn is_over(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }

    /// A connection stands, and nothing came over it yet.
    pub fn connected(&mut self) {
        self.served = false;
        self.not_before = None;
    }

    /// The engine serves this connection.
    pub fn served(&mut self) {
        self.served = true;
    }

    /// The connection is gone, or could not be made.
    pub fn lost(&mut self) {
        if std::mem::take(&mut self.served) {
            self.next = FIRST;
            self.not_before = None;
        } else {
            self.not_before = Some(Instant::now() + self.next);
            self.next = (self.next * 2).min(MOST);
        }
    }
}
