//! Secrets are where the configuration says, and nobody else may read them.

use super::{Finding, Subject, runtime};
use crate::app::read_credentials;
use crate::config::{Component, Config, Credentials, EnvFileError, Secret, SecretFor, env_file, env_file_of};
use crate::process::credentials::may_mount;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let mut findings = Vec::new();
    let mut count = 0;
    for component in &config.components {
        if let Some(file) = &component.env_file {
            count += 1;
            let what = format!("env_file of \"{}\"", component.name);
            match env_file(file) {
                Ok(_) => findings.extend(exposed(&what, file)),
                Err(error @ (EnvFileError::Unreadable(_) | EnvFileError::NoFile | EnvFileError::Anothers { .. })) => {
                    findings.push(Finding::failed(
                        format!("{what}: {} {error}", file.display()),
                        "make it, mode 0600, owned by the user that runs failstop; or remove `env_file`",
                    ))
                }
                Err(
                    error @ (EnvFileError::TooLarge
                    | EnvFileError::NotAVariable { .. }
                    | EnvFileError::Name { .. }
                    | EnvFileError::ZeroByte { .. }),
                ) => findings.push(Finding::failed(format!("{what}: {} {error}", file.display()), "correct the file")),
            }
        }
        findings.extend(on_disk(config, component));
        for (name, secret) in &component.credentials {
            count += 1;
            let what = format!("credential {name} of \"{}\"", component.name);
            let one = Credentials::from([(name.clone(), secret.clone())]);
            match read_credentials(&one) {
                Ok(_) => findings.extend(secret.path().and_then(|path| exposed(&what, &path))),
                Err(why) => findings.push(Finding::failed(
                    format!("component \"{}\": {why}", component.name),
                    "put it there, readable by the user that runs failstop; or correct `credentials`",
                )),
            }
        }
        for name in component.env.keys().filter(|name| looks_secret(name)) {
            findings.extend(inline_in_env(config, &format!("component \"{}\"", component.name), name));
        }
    }
    for action in &config.emergency.action {
        if let Some(file) = &action.env_file {
            count += 1;
            let what = format!("env_file of emergency action \"{}\"", action.name);
            match env_file_of(file, None) {
                Ok(_) => findings.extend(exposed(&what, file)),
                Err(error) => findings.push(Finding::failed(
                    format!("{what}: {} {error}", file.display()),
                    "make it, mode 0600, owned by the user that runs failstop; without it the action is not started",
                )),
            }
        }
        for name in action.env.keys().filter(|name| looks_secret(name)) {
            findings.extend(inline_in_env(config, &format!("emergency action \"{}\"", action.name), name));
        }
    }
    for own in config.secrets() {
        count += 1;
        findings.extend(of_secret(&own.what, own.secret, |fault| match own.of {
            // Alert channels only ever warn.
            SecretFor::Alerts => {
                Finding::warning(fault, "set it where failstop runs, or take its channel out of `channels`")
            }
            SecretFor::Commands => {
                Finding::warning(fault, "set it where failstop runs: without it nobody is heard over Telegram")
            }
            // Nor does a metric halt anything.
            SecretFor::Metrics => {
                Finding::warning(fault, "set it where failstop runs: without it the page is not asked")
            }
            SecretFor::Fleet => {
                Finding::warning(fault, "set it where failstop runs: without it that system is not asked")
            }
            SecretFor::Gate => {
                Finding::failed(fault, "set it where failstop runs: without it the gate opens less, or nothing")
            }
        }));
    }
    for dependency in &config.dependencies {
        for secret in dependency.probe.secrets() {
            count += 1;
            let what = format!("{} of dependency \"{}\"", dependency.probe.word(), dependency.name);
            findings.extend(of_secret(&what, secret, |fault| {
                Finding::failed(fault, "set it where failstop runs: without it the dependency counts as down")
            }));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::passed(match count {
            0 => "none configured".to_owned(),
            1 => "1 secret, readable by its owner only".to_owned(),
            count => format!("{count} secrets, readable by their owner only"),
        }));
    }
    findings
}

/// What is wrong with a secret: that it is not there, which `without` says, or that others may read it.
fn of_secret(what: &str, secret: &Secret, without: impl FnOnce(String) -> Finding) -> Option<Finding> {
    match secret.reveal() {
        Ok(_) => secret.path().and_then(|path| exposed(what, &path)),
        Err(fault) => Some(without(format!("{what}: {fault}"))),
    }
}

/// Credentials that would be written to a disk: no start of that component.
fn on_disk(config: &Config, component: &Component) -> Option<Finding> {
    if component.credentials.is_empty() || component.credentials_on_disk || may_mount() {
        return None;
    }
    let path = runtime::on_disk(config)?;
    Some(Finding::failed(
        format!("component \"{}\": its credentials would be on a disk ({})", component.name, path.display()),
        "write a `runtime_dir` in memory in [system], such as /dev/shm/failstop-NAME, or `credentials_on_disk = true`",
    ))
}

/// Who else may read the file.
fn exposed(what: &str, file: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(file).ok()?.mode() & 0o7777;
    let remedy = format!("chmod 600 {}", file.display());
    if mode & 0o007 != 0 {
        Some(Finding::failed(
            format!("{what}: every user of this machine may open {} (mode {mode:04o})", file.display()),
            format!("{remedy}, and replace the secret: it was exposed"),
        ))
    } else if mode & 0o070 != 0 {
        Some(Finding::warning(format!("{what} is readable by group ({mode:04o})"), remedy))
    } else {
        None
    }
}

/// A value in `env` whose name says that it is a secret, in a file that others may read.
fn inline_in_env(config: &Config, whose: &str, name: &str) -> Option<Finding> {
    let mode = std::fs::metadata(&config.file).ok()?.mode();
    (mode & 0o004 != 0).then(|| {
        Finding::failed(
            format!("{whose}: {name} stands in a configuration that every user may read"),
            format!("move it to an `env_file` of mode 0600, or chmod 600 {}", config.file.display()),
        )
    })
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "MNEMONIC"]
        .iter()
        .any(|w| name.contains(w))
}
