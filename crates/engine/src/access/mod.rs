//! Who may do what: roles, how somebody comes by one (a user of this host, a token, a key), and the one table of controls.
//!
//! Doors prove who asks and make an [`Access`] of it. Whether that is enough is decided in one place, [`judge`], which every
//! [`crate::command::Request`] goes through: there is no way to make one without.

mod controls;
mod holders;
mod role;
mod roster;
mod session;
mod throttle;
mod trace;
mod used;

pub use controls::{Control, Forbidden, Ordered, Row, judge, ordered, own_words};
pub use holders::Holders;
pub use role::{Role, Standing};
pub use roster::{ENTRIES_MAX, Entry, ROSTER_MAX_BYTES, Roster, RosterError, RosterFault, edit, new_token, text_of};
pub use session::{SESSIONS_MAX, SessionId, SessionLimits, Sessions};
pub use throttle::{PEERS_MAX, Pace, Throttle};
pub use trace::{TRACE_HEADER, TraceId};
pub use used::{Sign, Used};

use crate::command::Principal;
use std::fmt;

/// Who asks, as a door has proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Who.
    pub principal: Principal,
    /// As what.
    pub standing: Standing,
}

impl Who {
    /// This one, asking for something.
    pub fn asks(self, trace: TraceId) -> Access {
        Access { who: self, trace }
    }
}

/// Who asks for something that changes the system, and by which name it can be followed through log, journal and alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub who: Who,
    /// The request's own name.
    pub trace: TraceId,
}

impl fmt::Display for Access {
    /// Who it is, as records name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.principal.fmt(f)
    }
}
