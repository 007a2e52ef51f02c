//! The users that orders are placed for: bounded, and forgotten only when there is nothing to remember of them.

use crate::gate::index::{Name, Named};
use crate::gate::order::ShortText;
use crate::gate::rates::Used;

/// The most users of whom something is remembered. One more is refused until somebody has been idle long enough: no open order, no
/// position of his own, nothing used of any rate.
pub const MAX_USERS: usize = 4_096;

/// Where a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UserId(pub u16);

/// What is remembered of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub name: ShortText,
    pub used: Used,
    /// How many of the open orders are his.
    pub open: u32,
}

impl Name for User {
    fn name(&self) -> &ShortText {
        &self.name
    }
}

/// All users. They are known by their places, so two are equal only where each stands in the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Users(Named<User>);

impl Default for Users {
    fn default() -> Self {
        Self(Named::new(MAX_USERS))
    }
}

impl Users {
    pub fn find(&self, name: &ShortText) -> Option<UserId> {
        self.0.place(name).and_then(id)
    }

    pub fn get(&self, id: UserId) -> Option<&User> {
        self.0.get(usize::from(id.0))
    }

    pub fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.0.get_mut(usize::from(id.0))
    }

    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &User)> {
        self.0.iter().filter_map(|(place, user)| Some((id(place)?, user)))
    }

    /// Remembers one; `None` where there is no room.
    pub fn add(&mut self, name: ShortText) -> Option<UserId> {
        let known = self.find(&name);
        known.or_else(|| self.0.add(User { name, used: Used::default(), open: 0 }).and_then(id))
    }

    /// Forgets one.
    pub fn remove(&mut self, id: UserId) {
        // Whoever was forgotten before is.
        self.0.remove(usize::from(id.0));
    }
}

fn id(place: usize) -> Option<UserId> {
    u16::try_from(place).ok().map(UserId)
}
