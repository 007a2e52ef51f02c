//! Which users of this host have which role: by the kernel's word about the peer of a Unix socket, its user and its groups.

use super::role::Role;
use crate::command::HostUser;
use crate::config::Control;
use nix::unistd::{Group, Uid, User, geteuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Users and groups with their roles. Root and the engine's own user are super-admins whatever is configured: both could do
/// everything all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holders {
    engine: u32,
    users: BTreeMap<u32, Role>,
    groups: BTreeMap<u32, Role>,
    /// What root, the engine's user and those that are configured are called.
    names: BTreeMap<u32, Arc<str>>,
}

impl Holders {
    /// Root and the engine's user alone.
    pub fn of_the_engine() -> Self {
        let engine = geteuid().as_raw();
        let names = [0, engine].into_iter().filter_map(|uid| name_of(uid).map(|name| (uid, name))).collect();
        Self { engine, users: BTreeMap::new(), groups: BTreeMap::new(), names }
    }

    /// Looks up whom the configuration names; and what cannot be looked up, each in a sentence. Nobody gets a role by that.
    pub fn find(control: &Control) -> (Self, Vec<String>) {
        let mut holders = Self::of_the_engine();
        let mut faults = Vec::new();
        let lists = [
            (&control.viewers, Role::Viewer, "viewers"),
            (&control.admins, Role::Admin, "admins"),
            (&control.super_admins, Role::SuperAdmin, "super_admins"),
        ];
        for (names, role, key) in lists {
            for name in names {
                let found = match name.strip_prefix('@') {
                    Some(group) => group_of(group).map(|gid| (&mut holders.groups, gid)),
                    None => user_of(name).map(|(uid, name)| {
                        holders.names.extend(name.map(|name| (uid, name)));
                        (&mut holders.users, uid)
                    }),
                };
                match found {
                    // The lists go from the least to the most: what is named twice has the most.
                    Ok((map, number)) => drop(map.insert(number, role)),
                    Err(why) => faults.push(format!("`{key}` in [control] names {why}: nobody has a role by that")),
                }
            }
        }
        (holders, faults)
    }

    /// Whether anybody else than root and the engine's user has a role here.
    pub fn names_others(control: &Control) -> bool {
        [&control.viewers, &control.admins, &control.super_admins].iter().any(|names| !names.is_empty())
    }

    /// The engine's user.
    pub const fn engine(&self) -> u32 {
        self.engine
    }

    /// This user, with its name where it was looked up at the start. Nothing is looked up here: that may take long.
    pub fn user(&self, uid: u32) -> HostUser {
        HostUser { uid, name: self.names.get(&uid).cloned() }
    }

    /// Whether anybody else than root and the engine's user has a role.
    pub fn has_others(&self) -> bool {
        !self.users.is_empty() || !self.groups.is_empty()
    }

    /// The role of a user in these groups: the most that any of them gives.
    pub fn role_of(&self, uid: u32, groups: &[u32]) -> Option<Role> {
        if uid == 0 || uid == self.engine {
            return Some(Role::SuperAdmin);
        }
        let of_groups = groups.iter().filter_map(|group| self.groups.get(group));
        self.users.get(&uid).into_iter().chain(of_groups).max().copied()
    }
}

/// What this user is called. One without a name is shown by its number, and so is one whose name cannot be found out.
fn name_of(uid: u32) -> Option<Arc<str>> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name.into())
}

fn user_of(name: &str) -> Result<(u32, Option<Arc<str>>), String> {
    if let Ok(number) = name.parse() {
        return Ok((number, name_of(number)));
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok((user.uid.as_raw(), Some(user.name.into()))),
        Ok(None) => Err(format!("user \"{name}\", whom this host does not know")),
        Err(error) => Err(format!("user \"{name}\", who cannot be looked up ({error})")),
    }
}

fn group_of(name: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!("group \"{name}\", which this host does not know")),
        Err(error) => Err(format!("group \"{name}\", which cannot be looked up ({error})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Principal;

    fn control(viewers: &[&str], admins: &[&str], super_admins: &[&str]) -> Control {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Control { viewers: names(viewers), admins: names(admins), super_admins: names(super_admins), ..Control::off() }
    }

    #[test]
    fn a_user_has_the_most_that_its_name_or_a_group_gives() {
        let (holders, faults) = Holders::find(&control(&["1001", "@2000"], &["1002", "@2001"], &["1003", "1001"]));
        assert_eq!(faults, Vec::<String>::new());
        for (uid, groups, role) in [
            (0, &[][..], Some(Role::SuperAdmin)),
            (geteuid().as_raw(), &[], Some(Role::SuperAdmin)),
            (1001, &[], Some(Role::SuperAdmin)),
            (1002, &[1, 2000], Some(Role::Admin)),
            (1004, &[2000, 2001], Some(Role::Admin)),
            (1004, &[3, 2000], Some(Role::Viewer)),
            (1004, &[1001, 1002], None),
            (2000, &[], None),
        ] {
            // The numbers are nobody's in a test that runs as root or as a user of its own.
            assert_eq!(holders.role_of(uid, groups), role, "{uid} {groups:?}");
        }
        assert!(holders.has_others());
        assert!(!Holders::of_the_engine().has_others());
    }

    #[test]
    fn a_user_is_shown_by_what_was_known_at_the_start_and_nothing_is_looked_up_then() {
        let named = |uid: u32| User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        let shown = |holders: &Holders, uid: u32| Principal::User(holders.user(uid)).to_string();
        let engine = Holders::of_the_engine();
        // A user that this host knows and nobody configured: had it been looked up, it would have its name.
        let daemon = 1;
        assert!(named(daemon).is_some(), "this host has a user 1");
        assert_ne!(geteuid().as_raw(), daemon);
        assert_eq!(shown(&engine, daemon), "uid 1");
        assert_eq!(shown(&engine, 0), format!("{} (0)", named(0).unwrap_or_default()));
        let configured = Holders::find(&control(&["1"], &[], &[])).0;
        assert_eq!(shown(&configured, daemon), format!("{} (1)", named(daemon).unwrap_or_default()));
        let by_name = Holders::find(&control(&[&named(daemon).unwrap_or_default()], &[], &[])).0;
        assert_eq!(by_name, configured);
        assert_eq!(shown(&configured, 54_321), "uid 54321");
    }

    #[test]
    fn a_name_that_nobody_has_gives_nobody_a_role_and_is_said() {
        let (holders, faults) = Holders::find(&control(&["root"], &["no-such-user-here"], &["@no-such-group-here"]));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("`admins` in [control] names user \"no-such-user-here\""), "{}", faults[0]);
        assert!(faults[1].contains("`super_admins` in [control] names group"), "{}", faults[1]);
        assert_eq!(holders.role_of(54_321, &[54_321]), None);
        assert_eq!(holders.role_of(0, &[]), Some(Role::SuperAdmin), "root is no less for being named a viewer");
    }
}
