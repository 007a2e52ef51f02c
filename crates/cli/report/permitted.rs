//! How long each permission held, and how long no engine ran.

use super::seconds;
use super::sums::{PermissionSums, Span};
use jiff::Timestamp;
use serde_json::Value;

/// A permission, as records write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Active,
    ReduceOnly,
    ObserveOnly,
    Shutdown,
}

impl Permission {
    /// `None` for a word that this version does not know.
    pub fn of(word: &Value) -> Option<Self> {
        match word.as_str()? {
            "active" => Some(Self::Active),
            "reduce-only" => Some(Self::ReduceOnly),
            "observe-only" => Some(Self::ObserveOnly),
            "shutdown" => Some(Self::Shutdown),
            _ => None,
        }
    }
}

/// How things stand from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// The journal has not said it yet.
    Unknown,
    /// No engine runs.
    Down,
    /// An engine runs, and this is allowed.
    Allowed(Permission),
}

/// Adds up times.
#[derive(Debug)]
pub(super) struct Permitted {
    /// What is accounted for so far. Never before the time that is asked about.
    upto: Timestamp,
    from: Timestamp,
    stands: Stands,
    /// When an engine last wrote anything.
    alive: Option<Timestamp>,
    sums: PermissionSums,
}

impl Permitted {
    pub fn new(from: Timestamp) -> Self {
        Self { upto: from, from, stands: Stands::Unknown, alive: None, sums: PermissionSums::default() }
    }

    /// An engine wrote something; not for the first records of a life, which [`Self::starts`] is told of.
    pub fn alive(&mut self, at: Timestamp) {
        self.alive = Some(self.alive.map_or(at, |last| last.max(at)));
    }

    /// The journal is younger than the time that is asked about.
    pub fn begins(&mut self, at: Timestamp) {
        (self.from, self.upto) = (at, at);
    }

    /// Another life of the engine begins; whether the last one had not ended as it should: then it ended at its last sign.
    pub fn starts(&mut self, at: Timestamp) -> bool {
        let died = matches!(self.stands, Stands::Allowed(_));
        if died {
            self.account(self.alive.unwrap_or(at));
            self.stands = Stands::Down;
        }
        self.account(at);
        // Nothing is allowed before the checks have passed.
        self.stands = Stands::Allowed(Permission::ObserveOnly);
        self.alive = Some(at);
        died
    }

    /// The engine ended as it should.
    pub fn stops(&mut self, at: Timestamp) {
        self.account(at);
        self.stands = Stands::Down;
    }

    /// A heartbeat says what is allowed.
    pub fn is(&mut self, permission: Permission, at: Timestamp) {
        if self.stands == Stands::Unknown {
            self.stands = Stands::Allowed(permission);
        }
        self.account(at);
        self.stands = Stands::Allowed(permission);
    }

    /// Another permission from here on.
    pub fn changes(&mut self, before: Permission, after: Permission, at: Timestamp) {
        if self.stands == Stands::Unknown {
            self.stands = Stands::Allowed(before);
        }
        self.account(at);
        self.stands = Stands::Allowed(after);
    }

    fn account(&mut self, at: Timestamp) {
        let passed = seconds(self.upto, at);
        let sums = &mut self.sums;
        let span = match self.stands {
            Stands::Unknown => &mut sums.unknown,
            Stands::Down => &mut sums.down,
            Stands::Allowed(Permission::Active) => &mut sums.active,
            Stands::Allowed(Permission::ReduceOnly) => &mut sums.reduce_only,
            Stands::Allowed(Permission::ObserveOnly) => &mut sums.observe_only,
            Stands::Allowed(Permission::Shutdown) => &mut sums.shutdown,
        };
        span.seconds += passed;
        self.upto = self.upto.max(at);
    }

    /// All of it up to `until`. `runs`: whether an engine runs then; `None` where that is not known.
    pub fn sums(mut self, until: Timestamp, runs: Option<bool>) -> PermissionSums {
        if runs != Some(true) {
            if let (Stands::Allowed(_), Some(alive)) = (self.stands, self.alive) {
                self.account(alive.min(until));
            }
            self.stands = match (runs, self.stands) {
                // One that ended as it should has said so last.
                (Some(_), _) | (None, Stands::Down) => Stands::Down,
                (None, Stands::Allowed(_) | Stands::Unknown) => Stands::Unknown,
            };
        }
        self.account(until);
        let whole = seconds(self.from, until);
        let share = |span: Span| Span { share: if whole > 0.0 { span.seconds / whole } else { 0.0 }, ..span };
        let PermissionSums { active, reduce_only, observe_only, shutdown, down, unknown } = self.sums;
        PermissionSums {
            active: share(active),
            reduce_only: share(reduce_only),
            observe_only: share(observe_only),
            shutdown: share(shutdown),
            down: share(down),
            unknown: share(unknown),
        }
    }
}
