//! Who each component runs as, and with which of root's powers: looked up before anything is made, so that what cannot be had
//! is said before anything runs.

use super::RunError;
use crate::access::Holders;
use crate::config::{Component, Config, Control};
use crate::process::privileges::{Kept, OwnPowers, PrivilegeError};
use crate::runtime_dir::Access;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::path::PathBuf;

/// Who a component runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its user, where that is not the engine's own.
    pub uid: Option<u32>,
    /// Its group, where that is not the engine's own.
    pub gid: Option<u32>,
    /// Its further groups, where they are not the engine's own.
    pub groups: Option<Vec<u32>>,
    /// Its user's home and name, where it has a user of its own.
    pub home_and_name: Option<(PathBuf, String)>,
    /// What it keeps of the capabilities, where that is not everything.
    pub kept: Option<Kept>,
}

/// Which directory access is needed: components of other users, and other users with a role, must be able to pass through to the
/// sockets.
pub fn access(accounts: &[Account], control: &Control) -> Access {
    let own = nix::unistd::geteuid().as_raw();
    if Holders::names_others(control) || accounts.iter().any(|account| account.uid.is_some_and(|uid| uid != own)) {
        Access::Components
    } else {
        Access::Private
    }
}

/// Looks up who every component runs as.
///
/// # Errors
/// An unknown user or group, or users, groups, capabilities or priorities that failstop has no right to give.
pub fn accounts(config: &Config) -> Result<Vec<Account>, RunError> {
    let powers =
        OwnPowers::read().map_err(|source| RunError::Host { what: "read which capabilities failstop has", source })?;
    let account = |component: &Component| {
        account(component, &powers)
            .map_err(|problem| RunError::Component { component: component.name.as_str().to_owned(), problem })
    };
    config.components.iter().map(account).collect()
}

fn account(component: &Component, powers: &OwnPowers) -> Result<Account, String> {
    let mut account = match &component.user {
        None => Account { uid: None, gid: None, groups: None, home_and_name: None, kept: None },
        Some(user) => of_user(user, component.group.as_deref())?,
    };
    further_groups(&mut account, &component.supplementary_groups)?;
    let wanted = component.capabilities.as_ref().map(|capabilities| capabilities.named());
    let other_user = account.uid.is_some_and(|uid| uid != 0);
    account.kept = powers.kept(wanted.as_deref(), other_user, component.sandbox.is_on()).map_err(in_words)?;
    if let Some(nice) = component.nice {
        powers.may_nice(nice.value()).map_err(in_words)?;
    }
    Ok(account)
}

fn in_words(error: PrivilegeError) -> String {
    format!("{error}: {}", error.remedy())
}

fn of_user(wanted: &str, group: Option<&str>) -> Result<Account, String> {
    let user = match wanted.parse::<u32>() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(wanted),
    };
    let user = user
        .map_err(|error| format!("user \"{wanted}\" cannot be looked up: {error}"))?
        .ok_or_else(|| format!("there is no user \"{wanted}\"; correct `user`, or create it"))?;
    let gid = match group {
        None => user.gid,
        Some(wanted) => group_of(wanted, "group")?,
    };
    let own = nix::unistd::geteuid();
    if user.uid == own && gid == nix::unistd::getegid() {
        return Ok(Account { uid: None, gid: None, groups: None, home_and_name: None, kept: None });
    }
    if !own.is_root() {
        return Err(format!(
            "only root can start it as user \"{}\"; remove `user`, or run failstop as root",
            user.name
        ));
    }
    let name = CString::new(user.name.clone()).map_err(|_| "its user's name contains a NUL byte".to_owned())?;
    let groups = getgrouplist(&name, gid)
        .map_err(|error| format!("the groups of user \"{}\" cannot be looked up: {error}", user.name))?;
    Ok(Account {
        uid: Some(user.uid.as_raw()),
        gid: Some(gid.as_raw()),
        groups: Some(groups.into_iter().map(Gid::as_raw).collect()),
        home_and_name: Some((user.dir, user.name)),
        kept: None,
    })
}

fn group_of(wanted: &str, key: &str) -> Result<Gid, String> {
    let group = match wanted.parse::<u32>() {
        Ok(number) => Group::from_gid(Gid::from_raw(number)),
        Err(_) => Group::from_name(wanted),
    };
    let group = group.map_err(|error| format!("group \"{wanted}\" cannot be looked up: {error}"))?;
    Ok(group.ok_or_else(|| format!("there is no group \"{wanted}\"; correct `{key}`, or create it"))?.gid)
}

fn further_groups(account: &mut Account, wanted: &[String]) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    let own = || -> Result<Vec<u32>, String> {
        let groups = nix::unistd::getgroups().map_err(|error| format!("failstop's groups cannot be read: {error}"))?;
        Ok(groups.into_iter().map(Gid::as_raw).collect())
    };
    let mut groups = match account.groups.clone() {
        Some(groups) => groups,
        None => own()?,
    };
    let before = groups.len();
    let gid = account.gid.unwrap_or_else(|| nix::unistd::getegid().as_raw());
    for name in wanted {
        let group = group_of(name, "supplementary_groups")?.as_raw();
        if group != gid && !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.len() == before {
        return Ok(());
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(
            "only root can give it further groups; remove `supplementary_groups`, or run failstop as root".to_owned()
        );
    }
    account.groups = Some(groups);
    Ok(())
}
