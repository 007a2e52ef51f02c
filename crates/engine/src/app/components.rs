//! From a component's configuration to the command that starts it: who it runs as, where, and with which environment.

use super::RunError;
use super::accounts::Account;
use crate::config::{
    Argv, Calls, Config, Credentials, Files, Isolation, Liveness, Nice, NotifySocket, ReloadSignal, Sandbox, Umask,
    env_file,
};
use crate::limits::rlimits::{self, Rlimit};
use crate::notify_socket::{Access, Address};
use crate::process::credentials::CredentialFolders;
use crate::process::mark::SystemMark;
use crate::process::sandbox::{Filter, FilterError, ordinary};
use crate::process::spawn::{Command, SpawnError, line, resolve};
use crate::runtime_dir::RuntimeDir;
use failstop_core::{Epoch, Instance, Slot};
use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

/// Variables of ours, of a service manager and of earlier runs that a component must not inherit.
const NOT_INHERITED: [&str; 9] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "CREDENTIALS_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
];

/// One component, ready to be started any number of times.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Its slot.
    pub slot: Slot,
    /// Its name.
    pub name: String,
    /// Who it runs as.
    pub account: Account,
    program: String,
    arguments: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// As exec takes it; without what is different at each start.
    environment: Arc<[CString]>,
    /// Where the program is looked for.
    path: Option<OsString>,
    no_new_privileges: bool,
    /// Whether each start has a process namespace of its own.
    isolated: bool,
    /// What it is given as files.
    pub credentials: Credentials,
    /// Whether they may be on a disk.
    pub credentials_on_disk: bool,
    /// What the kernel keeps it from.
    pub sandbox: Sandbox,
    /// The filter of system calls that this means.
    pub filter: Option<Arc<Filter>>,
    umask: Option<u32>,
    nice: Option<i32>,
    /// What the kernel holds each of its processes to.
    limits: Vec<Rlimit>,
    /// Where its notify socket is, where it has one.
    pub notify_socket: Option<Address>,
    /// Whose messages count there.
    pub notify_access: Access,
    /// What runs before its stop signal.
    pub pre_stop: Option<Argv>,
    /// What runs when nothing of it is left.
    pub post_stop: Option<Argv>,
    /// What asks it to stop.
    pub stop_signal: i32,
    /// What asks it to read its configuration again, if anything does.
    pub reload_signal: Option<i32>,
}

/// Everything about a system's components that does not change between two starts of one of them.
///
/// # Errors
/// An environment file that cannot be read.
pub fn blueprints(
    config: &Config,
    accounts: Vec<Account>,
    runtime: &RuntimeDir,
    jid: &str,
    epoch: Epoch,
    open_files: Option<(u64, u64)>,
    credentials: &CredentialFolders,
) -> Result<Vec<Blueprint>, RunError> {
    // Failstop's own are nobody else's, and credentials each its component's.
    let of_components = config.components.iter().flat_map(|component| component.credentials.values());
    let secrets: BTreeSet<OsString> = config
        .secrets()
        .map(|own| own.secret)
        .chain(of_components)
        .filter_map(|secret| secret.variable())
        .map(OsString::from)
        .collect();
    let mut inherited = inherited();
    inherited.retain(|(name, _)| !secrets.contains(name));
    let root = nix::unistd::geteuid().is_root();
    let users: Vec<Option<u32>> = accounts.iter().map(|account| account.uid).collect();
    let mut blueprints = Vec::new();
    for ((index, component), account) in config.components.iter().enumerate().zip(accounts) {
        // The configuration has refused more components than there are slots.
        let Some(slot) = Slot::component(index) else { continue };
        let mut environment = inherited.clone();
        if let Some(wanted) = &component.inherit_env {
            environment.retain(|(name, _)| wanted.has(name));
        }
        let mut put = |name: &str, value: OsString| {
            environment.retain(|(there, _)| there != name);
            environment.push((name.into(), value));
        };
        if let Some((home, user)) = &account.home_and_name {
            put("HOME", home.into());
            put("USER", user.into());
            put("LOGNAME", user.into());
        }
        if let Some(file) = &component.env_file {
            let variables = env_file(file).map_err(|error| RunError::Component {
                component: component.name.as_str().to_owned(),
                problem: format!("`env_file` {} {error}", file.display()),
            })?;
            for (name, value) in variables {
                put(&name, value.into());
            }
        }
        for (name, value) in component.env.iter() {
            put(name, value.into());
        }
        put("FAILSTOP_SOCKET", runtime.bot_socket().into());
        put("FAILSTOP_PERMIT", runtime.permit().into());
        put("FAILSTOP_PERMIT_SLOT", slot.number().to_string().into());
        put("FAILSTOP_EPOCH", epoch.0.to_string().into());
        let notify_socket = match (component.notify_access, component.notify_socket) {
            (Access::None, _) => None,
            (_, NotifySocket::Path) => Some(Address::Path(runtime.notify_socket(component.name.as_str()))),
            (_, NotifySocket::Abstract) => Some(Address::Abstract(format!("failstop/{jid}/{}", slot.number()))),
        };
        if let Some(address) = &notify_socket {
            put("NOTIFY_SOCKET", address.as_variable());
        }
        if component.sandbox.filesystem == Files::OwnFolder && !environment.iter().any(|(name, _)| name == "TMPDIR") {
            environment.push(("TMPDIR".into(), component.working_dir.clone().into()));
        }
        let mut put = |name: &str, value: OsString| {
            environment.retain(|(there, _)| there != name);
            environment.push((name.into(), value));
        };
        if !component.credentials.is_empty() {
            put("CREDENTIALS_DIRECTORY", credentials.of(component.name.as_str()).into());
        }
        if let Some(Liveness::Watchdog(span)) = &component.liveness {
            put("WATCHDOG_USEC", span.as_micros().to_string().into());
        }
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let environment: Result<Arc<[CString]>, SpawnError> =
            environment.iter().map(|(name, value)| line(name, value)).collect();
        let environment = environment.map_err(|error| RunError::Component {
            component: component.name.as_str().to_owned(),
            problem: error.to_string(),
        })?;
        blueprints.push(Blueprint {
            slot,
            name: component.name.as_str().to_owned(),
            limits: rlimits::of(&component.limits, open_files, has_own_user(&users, index), root),
            account,
            program: component.command.program().to_owned(),
            arguments: component.command.as_slice().to_vec(),
            directory: component.working_dir.clone(),
            environment,
            path,
            no_new_privileges: component.no_new_privileges,
            isolated: config.system.isolation == Isolation::PidNamespace,
            credentials: component.credentials.clone(),
            credentials_on_disk: component.credentials_on_disk,
            filter: filter_of(&component.sandbox).map_err(|error| RunError::Component {
                component: component.name.as_str().to_owned(),
                problem: error.to_string(),
            })?,
            sandbox: component.sandbox.clone(),
            umask: component.umask.map(Umask::bits),
            nice: component.nice.map(Nice::value),
            notify_socket,
            notify_access: component.notify_access,
            pre_stop: component.pre_stop.as_ref().map(|hook| hook.command.clone()),
            post_stop: component.post_stop.as_ref().map(|hook| hook.command.clone()),
            stop_signal: component.stop_signal.number(),
            reload_signal: component.reload_signal.map(ReloadSignal::number),
        });
    }
    Ok(blueprints)
}

/// Whether a component runs as a user that neither failstop nor another component runs as: `users` are those of all components,
/// `None` for failstop's own.
pub fn has_own_user(users: &[Option<u32>], index: usize) -> bool {
    let Some(user) = users.get(index).copied().flatten() else { return false };
    user != 0 && users.iter().filter(|other| **other == Some(user)).count() == 1
}

fn filter_of(sandbox: &Sandbox) -> Result<Option<Arc<Filter>>, FilterError> {
    match sandbox.system_calls {
        Calls::Off => Ok(None),
        Calls::Ordinary => ordinary().map(Arc::new).map(Some),
    }
}

impl Blueprint {
    /// The command for one start. The program is looked up each time, so that a replaced file is found.
    ///
    /// # Errors
    /// Says in words where the program was looked for.
    pub fn command(&self, mark: &SystemMark, instance: Instance, folder: &std::path::Path) -> Result<Command, String> {
        self.any_program(&self.program, &self.arguments, mark, instance, folder)
    }

    /// The command for a hook of one start: the component's own in everything but the program.
    ///
    /// # Errors
    /// As [`Blueprint::command`].
    pub fn hook(
        &self,
        argv: &Argv,
        mark: &SystemMark,
        instance: Instance,
        folder: &std::path::Path,
    ) -> Result<Command, String> {
        self.any_program(argv.program(), argv.as_slice(), mark, instance, folder)
    }

    fn any_program(
        &self,
        program: &str,
        arguments: &[String],
        mark: &SystemMark,
        instance: Instance,
        folder: &std::path::Path,
    ) -> Result<Command, String> {
        let program = resolve(OsStr::new(program), folder, self.path.as_deref()).map_err(|error| error.to_string())?;
        let arguments = arguments.iter().map(OsString::from).collect();
        let mut command = Command::new(program, arguments, self.directory.clone());
        command.lasting = Arc::clone(&self.environment);
        command.environment.extend(mark.variables(&self.name, instance.0));
        command.uid = self.account.uid;
        command.gid = self.account.gid;
        command.groups = self.account.groups.clone();
        command.kept = self.account.kept;
        command.umask = self.umask;
        command.nice = self.nice;
        command.no_new_privileges = self.no_new_privileges;
        command.isolated = self.isolated;
        command.limits.extend(&self.limits);
        Ok(command)
    }
}

/// What of the engine's own environment its children get.
pub fn inherited() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_inherited(name)).collect()
}

fn is_inherited(name: &OsStr) -> bool {
    let ours = name.as_encoded_bytes().starts_with(b"FAILSTOP_");
    !ours && !NOT_INHERITED.iter().any(|other| name == *other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_variables_and_the_service_managers_stay_with_us() {
        for name in ["FAILSTOP_SYSTEM", "FAILSTOP__LIMITS__MEMORY_MAX", "NOTIFY_SOCKET", "WATCHDOG_PID"] {
            assert!(!is_inherited(OsStr::new(name)), "{name}");
        }
        assert!(is_inherited(OsStr::new("PATH")));
    }
}
