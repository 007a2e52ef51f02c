//! As whom an action runs, and the environment that it is given. Where root runs what is somebody else's, that one's configuration
//! gets it nothing that its owner could not have: no other user, none of root's variables, none of root's files.

use super::account::Account;
use super::plan::Action;
use super::remains::TRACE_ID;
use super::run::{Cause, Run, Step};
use super::runner::{Order, PATH};
use crate::config::{Inherited, env_file_of};
use crate::process::user::User;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;

/// As whom an action runs; `None` as this process's own user.
pub(super) fn account(order: &Order, action: &Action) -> Result<Option<Account>, String> {
    let own = nix::unistd::geteuid().as_raw();
    let named = match action.user.as_deref() {
        Some(user) => Some(Account::named(user).ok_or_else(|| format!("there is no user \"{user}\""))?),
        None => None,
    };
    let state_owner = order.state_dir.as_deref().and_then(|state| std::fs::metadata(state).ok()).map(|it| it.uid());
    let uid = run_as(own, named.as_ref().map(|account| account.uid), state_owner, order.plan_of)?;
    Ok((uid != own).then(|| named.unwrap_or_else(|| Account::numbered(uid))))
}

/// The user that an action runs as. Root runs nothing of somebody else's as anybody but that one: otherwise whoever may write a
/// configuration could have root, who stops a system in an emergency, run whatever it says.
pub(super) fn run_as(
    own: u32,
    named: Option<u32>,
    state_owner: Option<u32>,
    plan_of: Option<u32>,
) -> Result<u32, String> {
    if own != 0 {
        return match named {
            Some(other) if other != own => Err(format!("only root can run it as {}", User(other))),
            Some(_) | None => Ok(own),
        };
    }
    let wanted = named.or(state_owner);
    match (plan_of, wanted) {
        (Some(0), wanted) => Ok(wanted.unwrap_or(0)),
        (Some(owner), None) => Ok(owner),
        (Some(owner), Some(wanted)) if wanted == owner => Ok(owner),
        (Some(owner), Some(wanted)) => Err(format!(
            "the configuration is {}'s, and root runs nothing of it as {}: give the file to root",
            User(owner),
            User(wanted)
        )),
        (None, _) => {
            Err("others than its owner may write the configuration, and root runs nothing of it: chmod go-w the file"
                .to_owned())
        }
    }
}

/// The user whose configuration root runs, where that is not root's: what that one may not see is not for its actions.
fn another(order: &Order) -> Option<u32> {
    order.plan_of.filter(|owner| nix::unistd::geteuid().is_root() && *owner != 0)
}

/// Names and values, as a program is given them.
pub(super) type Variables = Vec<(OsString, OsString)>;

/// The whole environment of an action, and the values in it that are not to be shown.
pub(super) fn environment(
    order: &Order,
    run: &Run,
    at: usize,
    action: &Action,
    account: Option<&Account>,
) -> Result<(Variables, Vec<String>), String> {
    let user = account.cloned().unwrap_or_else(|| Account::numbered(nix::unistd::geteuid().as_raw()));
    let mut all: Vec<(String, String)> = vec![
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), user.home),
        ("USER".to_owned(), user.name.clone()),
        ("LOGNAME".to_owned(), user.name),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ];
    let another = another(order);
    let wanted = Inherited::of(if another.is_none() { action.inherit.clone() } else { Vec::new() });
    let inherited = order.inherited.iter().filter(|(name, _)| wanted.has(OsStr::new(name)));
    all.extend(inherited.clone().cloned());
    // A key may come by any of these ways.
    let mut secrets: Vec<String> = inherited.map(|(_, value)| value).chain(action.env.values()).cloned().collect();
    all.extend(action.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(file) = &action.env_file {
        let variables = env_file_of(file, another).map_err(|error| format!("env_file {} {error}", file.display()))?;
        secrets.extend(variables.iter().map(|(_, value)| value.clone()));
        all.extend(variables);
    }
    let step: Option<&Step> = run.steps.get(at);
    let text = |text: &str| text.replace('\0', " ");
    let ours = [
        ("FAILSTOP_ACTION", text(&action.name)),
        ("FAILSTOP_ACTION_KIND", action.kind.word().to_owned()),
        ("FAILSTOP_EMERGENCY", order.cause.word().to_owned()),
        ("FAILSTOP_SYSTEM", text(&order.plan.system)),
        ("FAILSTOP_REASON", text(&run.reason)),
        ("FAILSTOP_BY", text(&run.by)),
        (TRACE_ID, run.id.clone()),
        ("FAILSTOP_DRILL", if order.cause == Cause::Drill { "1" } else { "0" }.to_owned()),
        // Above 1: it was begun before, and nobody knows how that ended.
        ("FAILSTOP_BEGINNING", step.map_or(1, |step| step.beginnings).to_string()),
    ];
    all.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Ok((all.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), secrets))
}
