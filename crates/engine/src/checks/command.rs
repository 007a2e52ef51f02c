//! Each component's program, script, working directory, user and groups exist, the program may be executed, and failstop may
//! give it the groups, the priority and the capabilities that it is to have.

use super::{Finding, Subject};
use crate::config::{Component, Liveness, Probe, Readiness};
use crate::process::privileges::{OwnPowers, PrivilegeError};
use crate::process::spawn::{ResolveError, resolve};
use nix::unistd::{AccessFlags, Gid, Group, User, access};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Interpreters whose first argument that is no option is a script.
const INTERPRETERS: [&str; 10] = ["python", "node", "deno", "bun", "ruby", "perl", "bash", "sh", "php", "ts-node"];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let mut failures = Vec::new();
    let mut found = Vec::new();
    for component in &config.components {
        match program(component, "command", component.command.program(), &config.folder) {
            Ok(path) => found.push(format!("{} {}", component.name, path.display())),
            Err(finding) => failures.push(finding),
        }
        for (key, hook) in [("pre_stop", &component.pre_stop), ("post_stop", &component.post_stop)] {
            let hook = hook.as_ref().map(|hook| program(component, key, hook.command.program(), &config.folder));
            failures.extend(hook.and_then(Result::err));
        }
        failures.extend(script(component, &config.folder));
        failures.extend(working_dir(component));
        failures.extend(user_and_group(component));
        failures.extend(further_groups(component));
        failures.extend(privileges(component));
        failures.extend(probes(component, &config.folder));
    }
    if failures.is_empty() { vec![Finding::passed(found.join(", "))] } else { failures }
}

/// The file of the program: with a slash relative to the configuration's folder, else by PATH, then in that folder.
fn program(component: &Component, key: &str, program: &str, folder: &Path) -> Result<PathBuf, Finding> {
    let name = &component.name;
    let inherited = component.inherit_env.as_ref().is_none_or(|names| names.has(OsStr::new("PATH")));
    let own = || std::env::var_os("PATH").filter(|_| inherited);
    let path = component.env.get("PATH").map(Into::into).or_else(own);
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![folder.join(program)]
    } else {
        let path = path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut candidates: Vec<PathBuf> =
            std::env::split_paths(&path).map(|dir| folder.join(dir).join(program)).collect();
        candidates.push(folder.join(program));
        candidates
    };
    let files: Vec<&PathBuf> = candidates.iter().filter(|path| path.is_file()).collect();
    if let Some(file) = files.iter().find(|path| access(path.as_path(), AccessFlags::X_OK).is_ok()) {
        return Ok((*file).clone());
    }
    Err(match files.first() {
        Some(file) => Finding::failed(
            format!("component \"{name}\": {} is not executable", file.display()),
            format!("chmod +x {}, or put its interpreter before it in `{key}`", file.display()),
        ),
        None if program.contains(char::is_whitespace) => Finding::failed(
            format!("component \"{name}\": there is no program \"{program}\""),
            format!("write program and arguments as separate items of `{key}`"),
        ),
        None if program.contains('/') => Finding::failed(
            format!("component \"{name}\": {} not found", folder.join(program).display()),
            format!("correct `{key}`"),
        ),
        None => Finding::failed(
            format!("component \"{name}\": {program} is neither in PATH nor beside the configuration"),
            format!("install {program}, or write its whole path in `{key}`"),
        ),
    })
}

/// The script that a known interpreter is told to run.
fn script(component: &Component, folder: &Path) -> Option<Finding> {
    let program = Path::new(component.command.program()).file_name().and_then(OsStr::to_str)?;
    let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&bare) {
        return None;
    }
    let script = component.command.as_slice().get(1).filter(|word| !word.starts_with('-') && word.as_str() != "run")?;
    let here = component.working_dir.join(script);
    if here.is_file() {
        return None;
    }
    let beside = folder.join(script);
    let (reason, remedy) = if beside.is_file() {
        (
            format!(
                "component \"{}\": {script} is beside the configuration, but it runs in {}",
                component.name,
                component.working_dir.display()
            ),
            format!("write {} in `command`, or correct `working_dir`", beside.display()),
        )
    } else {
        (
            format!("component \"{}\": {script} not found in {}", component.name, component.working_dir.display()),
            "correct `command` or `working_dir`".to_owned(),
        )
    };
    Some(Finding::failed(reason, remedy))
}

/// The programs that find out whether it is ready and alive: one that is missing would say that it never is.
fn probes(component: &Component, folder: &Path) -> Vec<Finding> {
    let readiness = match &component.readiness {
        Some(Readiness::Probe { probe: Probe::Exec(argv), .. }) => Some(("readiness", argv)),
        Some(Readiness::Probe { .. } | Readiness::Notify) | None => None,
    };
    let liveness = match &component.liveness {
        Some(Liveness::Probe { probe: Probe::Exec(argv), .. }) => Some(("liveness", argv)),
        Some(Liveness::Probe { .. } | Liveness::Heartbeat(_) | Liveness::Watchdog(_)) | None => None,
    };
    let path = std::env::var_os("PATH");
    let missing = |(key, argv): (&str, &failstop_settings::Argv)| {
        let what = format!("component \"{}\": the program of its {key} probe", component.name);
        match resolve(OsStr::new(argv.program()), folder, path.as_deref()) {
            Ok(_) => None,
            Err(ResolveError::NotFound { program, searched }) => Some(Finding::failed(
                format!("{what}, {}, is not found: {searched}", program.display()),
                format!("correct `exec` in `{key}`"),
            )),
            Err(ResolveError::NotExecutable { path }) => Some(Finding::failed(
                format!("{what}, {}, is not executable", path.display()),
                format!("chmod +x {}", path.display()),
            )),
        }
    };
    readiness.into_iter().chain(liveness).filter_map(missing).collect()
}

fn working_dir(component: &Component) -> Option<Finding> {
    let dir = &component.working_dir;
    if !dir.is_dir() {
        return Some(Finding::failed(
            format!("component \"{}\": the working directory {} does not exist", component.name, dir.display()),
            "make it, or correct `working_dir`",
        ));
    }
    if component.user.is_none() && access(dir.as_path(), AccessFlags::X_OK).is_err() {
        return Some(Finding::failed(
            format!("component \"{}\": the working directory {} may not be entered", component.name, dir.display()),
            "correct its mode, or `working_dir`",
        ));
    }
    None
}

fn user_and_group(component: &Component) -> Option<Finding> {
    let name = &component.name;
    let user = component.user.as_deref()?;
    if user.parse::<u32>().is_err() && !matches!(User::from_name(user), Ok(Some(_))) {
        return Some(Finding::failed(
            format!("component \"{name}\": there is no user \"{user}\""),
            format!("useradd --system {user}, or correct `user`"),
        ));
    }
    if let Some(group) = &component.group
        && group.parse::<u32>().is_err()
        && !matches!(Group::from_name(group), Ok(Some(_)))
    {
        return Some(Finding::failed(
            format!("component \"{name}\": there is no group \"{group}\""),
            format!("groupadd --system {group}, or correct `group`"),
        ));
    }
    if !nix::unistd::geteuid().is_root() {
        return Some(Finding::failed(
            format!("component \"{name}\": only root can run it as user \"{user}\""),
            "run failstop as root, or remove `user`",
        ));
    }
    None
}

fn further_groups(component: &Component) -> Vec<Finding> {
    let name = &component.name;
    let root = nix::unistd::geteuid().is_root();
    let own = nix::unistd::getgroups().unwrap_or_default();
    let judge = |wanted: &String| {
        let group = match wanted.parse::<u32>() {
            Ok(number) => Group::from_gid(Gid::from_raw(number)),
            Err(_) => Group::from_name(wanted),
        };
        match group {
            Ok(Some(group)) if root || own.contains(&group.gid) => None,
            Ok(Some(_)) => Some(Finding::failed(
                format!("component \"{name}\": only root can give it the group \"{wanted}\""),
                "run failstop as root, or remove `supplementary_groups`",
            )),
            Ok(None) | Err(_) => Some(Finding::failed(
                format!("component \"{name}\": there is no group \"{wanted}\""),
                format!("groupadd --system {wanted}, or correct `supplementary_groups`"),
            )),
        }
    };
    component.supplementary_groups.iter().filter_map(judge).collect()
}

fn privileges(component: &Component) -> Vec<Finding> {
    let Ok(powers) = OwnPowers::read() else { return Vec::new() };
    let wanted = component.capabilities.as_ref().map(|capabilities| capabilities.named());
    let kept = powers.kept(wanted.as_deref(), component.user.is_some(), component.sandbox.is_on()).err();
    let nice = component.nice.and_then(|nice| powers.may_nice(nice.value()).err());
    let finding =
        |error: PrivilegeError| Finding::failed(format!("component \"{}\": {error}", component.name), error.remedy());
    kept.into_iter().chain(nice).map(finding).collect()
}
