//! What somebody is here: one of three roles, each of which may what the one below it may; or a watchdog, which is no person.

use std::fmt;

/// A person's role. The order is that of what they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May look.
    Viewer,
    /// May stop, and everything that does not loosen for the whole system.
    Admin,
    /// May release, resume, go live, suspend the watch.
    SuperAdmin,
}

impl Role {
    /// Every one, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Admin, Self::SuperAdmin];

    /// As configuration, token files, commands and messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
            Self::SuperAdmin => "super-admin",
        }
    }

    /// The role that is written so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As what somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// As a person, or a program in a person's place.
    Role(Role),
    /// As a watchdog: it looks, and may end the engine that it judged, and nothing else.
    Watchdog,
}

impl Standing {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Role(role) => role.name(),
            Self::Watchdog => "watchdog",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_word_and_they_stand_in_order() {
        assert_eq!(Role::ALL.map(Role::name), ["viewer", "admin", "super-admin"]);
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(role));
        }
        for wrong in ["", "root", "Admin", "super_admin", " admin"] {
            assert_eq!(Role::named(wrong), None, "{wrong}");
        }
    }
}
