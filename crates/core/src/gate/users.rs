//! The users that orders are placed for: bounded, and forgotten only when there is nothing to remember of them.

use crate::gate::order::ShortText;
use crate::gate::rates::Used;
use std::collections::BTreeMap;

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

/// All users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Users {
    places: Vec<Option<User>>,
    names: BTreeMap<ShortText, UserId>,
}

impl Users {
    pub fn find(&self, name: &ShortText) -> Option<UserId> {
        self.names.get(name).copied()
    }

    pub fn get(&self, id: UserId) -> Option<&User> {
        self.places.get(usize::from(id.0))?.as_ref()
    }

    pub fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.places.get_mut(usize::from(id.0))?.as_mut()
    }

    pub fn is_full(&self) -> bool {
        self.names.len() >= MAX_USERS
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &User)> {
        self.names.values().filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// Remembers one; `None` where there is no room.
    pub fn add(&mut self, name: ShortText) -> Option<UserId> {
        if let Some(id) = self.find(&name) {
            return Some(id);
        }
        if self.is_full() {
            return None;
        }
        let place = match self.places.iter().position(Option::is_none) {
            Some(place) if self.names.len() < self.places.len() => place,
            Some(_) | None => {
                self.places.push(None);
                self.places.len() - 1
            }
        };
        let id = UserId(u16::try_from(place).ok()?);
        *self.places.get_mut(place)? = Some(User { name, used: Used::new(), open: 0 });
        self.names.insert(name, id);
        Some(id)
    }

    /// Forgets one.
    pub fn remove(&mut self, id: UserId) {
        if let Some(user) = self.places.get_mut(usize::from(id.0)).and_then(Option::take) {
            self.names.remove(&user.name);
        }
    }
}
