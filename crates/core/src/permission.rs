//! What the system may do now, and the rights that follow from it.

use serde::{Deserialize, Serialize};

/// What the system may do now. Ordered: the lower wins, so the permission is the minimum over all standing halts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Nothing runs that could place an order.
    Shutdown,
    /// Look, but do not trade.
    ObserveOnly,
    /// Positions may only shrink.
    ReduceOnly,
    /// Trade.
    Active,
}

/// Whether orders reach the exchange. Ordered: `Dry` is the lower, and the effective mode is the lower of the
/// configuration's ceiling and the ceremony in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Paper only.
    Dry,
    /// Orders reach the exchange, when the permission allows too.
    Live,
}

/// The effective rights of one slot, as the permit page publishes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights {
    /// May open or enlarge positions.
    pub open: bool,
    /// May shrink positions.
    pub reduce: bool,
    /// Orders go to the exchange; otherwise to paper.
    pub live: bool,
    /// The kill switch is engaged: denied until a new page.
    pub revoked: bool,
}

impl Rights {
    /// No rights at all.
    pub const NONE: Self = Self { open: false, reduce: false, live: false, revoked: false };
    /// No rights, and the kill switch is why.
    pub const REVOKED: Self = Self { open: false, reduce: false, live: false, revoked: true };

    /// The rights that `permission` gives in `mode`.
    pub fn of(permission: Permission, mode: Mode) -> Self {
        let (open, reduce) = match permission {
            Permission::Active => (true, true),
            Permission::ReduceOnly => (false, true),
            Permission::ObserveOnly | Permission::Shutdown => (false, false),
        };
        Self { open, reduce, live: mode == Mode::Live && reduce, revoked: false }
    }

    /// Whether these rights allow nothing that `other` does not allow. `live` against paper is judged as more.
    pub fn within(self, other: Self) -> bool {
        (!self.open || other.open) && (!self.reduce || other.reduce) && (!self.live || other.live)
    }
}
