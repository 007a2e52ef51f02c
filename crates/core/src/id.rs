//! Small typed numbers, so that an epoch is never taken for a sequence number.

use serde::{Deserialize, Serialize};

/// The most components one system may have: slots 1 to 31 of the permit page.
pub const MAX_COMPONENTS: usize = 31;

/// A slot of the permit page. Slot 0 is the system; slots 1 to [`MAX_COMPONENTS`] are components, in the order of the
/// configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot(u8);

impl Slot {
    /// The system's own slot.
    pub const SYSTEM: Self = Self(0);

    /// The slot of the component at `index` (0-based) of the configuration; `None` above [`MAX_COMPONENTS`].
    pub fn component(index: usize) -> Option<Self> {
        if index < MAX_COMPONENTS { u8::try_from(index + 1).ok().map(Self) } else { None }
    }

    /// The component's index (0-based) in the configuration; `None` for the system's slot.
    pub fn index(self) -> Option<usize> {
        self.number().checked_sub(1)
    }

    /// The slot's number, 0 to 31.
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

/// A component's name as configured: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ComponentName(pub String);

/// The fencing epoch: rises by one at every start of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// A record's number within this engine's life, given by the core in the order of emission, from 1. The host maps it
/// to a journal sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A halt's number, unique over the journal's life; people see it as `h-31`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HaltId(pub u64);

/// Which start of a component's process this is, counted from 1 within the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instance(pub u64);

/// An operator's or a door's request, so that its answer finds the way back. Never journaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
