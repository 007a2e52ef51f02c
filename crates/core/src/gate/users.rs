//! The users that orders are placed for: bounded, and forgotten only when there is nothing to remember of them.

use crate::gate::index::Index;
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

/// All users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Users {
    places: Vec<Option<User>>,
    free: Vec<usize>,
    /// By the fingerprint of the name.
    names: Index,
}

impl Default for Users {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), names: Index::new(MAX_USERS) }
    }
}

impl Users {
    pub fn find(&self, name: &ShortText) -> Option<UserId> {
        let is_his =
            |place: &usize| self.places.get(*place).and_then(Option::as_ref).is_some_and(|user| user.name == *name);
        self.names.places(name.print()).find(is_his).and_then(id)
    }

    pub fn get(&self, id: UserId) -> Option<&User> {
        self.places.get(usize::from(id.0))?.as_ref()
    }

    pub fn get_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.places.get_mut(usize::from(id.0))?.as_mut()
    }

    pub fn is_full(&self) -> bool {
        self.places.len() - self.free.len() >= MAX_USERS
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &User)> {
        self.places.iter().enumerate().filter_map(|(place, user)| Some((id(place)?, user.as_ref()?)))
    }

    /// Remembers one; `None` where there is no room.
    pub fn add(&mut self, name: ShortText) -> Option<UserId> {
        if let Some(id) = self.find(&name) {
            return Some(id);
        }
        if self.is_full() {
            return None;
        }
        let place = self.free.pop().unwrap_or(self.places.len());
        let user = Some(User { name, used: Used::default(), open: 0 });
        match self.places.get_mut(place) {
            Some(free) => *free = user,
            None => self.places.push(user),
        }
        self.names.add(name.print(), place);
        id(place)
    }

    /// Forgets one.
    pub fn remove(&mut self, id: UserId) {
        let place = usize::from(id.0);
        if self.places.get_mut(place).and_then(Option::take).is_some() {
            self.names.remove(place);
            self.free.push(place);
        }
    }
}

fn id(place: usize) -> Option<UserId> {
    u16::try_from(place).ok().map(UserId)
}
