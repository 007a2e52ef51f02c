//! Emergency actions could be run now: programs, folders, users; in an order that makes sense; with keys of their own; rehearsed.

use super::{Finding, Subject};
use crate::config::{Config, EmergencyAction, EmergencyKind, Writer};
use crate::emergency::{Account, Cause, PATH, Run};
use crate::process::spawn::{ResolveError, resolve};
use crate::process::user::User as Named;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let config = subject.config;
    let actions = &config.emergency.action;
    if actions.is_empty() {
        return vec![Finding::passed("none configured: open orders stay at the venue whatever happens")];
    }
    let mut findings: Vec<Finding> = Vec::new();
    for action in actions {
        findings.extend(program(config, action));
        findings.extend(directory(action));
        findings.extend(user(action));
        findings.extend(shared_key(config, action));
    }
    findings.extend(order(actions));
    findings.extend(whose_configuration(config));
    findings.extend(rehearsed(config));
    if findings.is_empty() {
        let names: Vec<&str> = actions.iter().map(|action| action.name.as_str()).collect();
        findings.push(Finding::passed(names.join(", ")));
    }
    findings
}

fn program(config: &Config, action: &EmergencyAction) -> Option<Finding> {
    let name = &action.name;
    let path = action.env.get("PATH").map_or(PATH, String::as_str);
    match resolve(OsStr::new(action.command.program()), &config.folder, Some(OsStr::new(path))) {
        Ok(_) => None,
        Err(ResolveError::NotFound { program, searched }) => Some(Finding::failed(
            format!("emergency action \"{name}\": {} not found: {searched}", program.display()),
            "correct its `command`",
        )),
        Err(ResolveError::NotExecutable { path }) => Some(Finding::failed(
            format!("emergency action \"{name}\": {} is not executable", path.display()),
            format!("chmod +x {}, or put its interpreter before it in `command`", path.display()),
        )),
    }
}

fn directory(action: &EmergencyAction) -> Option<Finding> {
    let directory = &action.working_dir;
    (!directory.is_dir()).then(|| {
        Finding::failed(
            format!("emergency action \"{}\": the folder {} does not exist", action.name, directory.display()),
            "make it, or correct `working_dir`",
        )
    })
}

fn user(action: &EmergencyAction) -> Option<Finding> {
    let (name, user) = (&action.name, action.user.as_deref()?);
    // As whoever runs it looks it up: a directory service may know more users, and be out of reach on the day.
    let Some(account) = Account::named(user) else {
        return Some(Finding::failed(
            format!("emergency action \"{name}\": there is no user \"{user}\" in /etc/passwd"),
            format!("useradd --system {user}, or correct `user`"),
        ));
    };
    let number = account.uid;
    let own = nix::unistd::geteuid().as_raw();
    (own != 0 && own != number).then(|| {
        Finding::failed(
            format!("emergency action \"{name}\": only root can run it as user \"{user}\""),
            "run failstop as root, or remove `user`",
        )
    })
}

/// A key that the bot uses, too, may lock both out: nonces of different units.
fn shared_key(config: &Config, action: &EmergencyAction) -> Option<Finding> {
    let file = action.env_file.as_ref()?;
    let bot = config.components.iter().find(|component| component.env_file.as_ref() == Some(file))?;
    Some(Finding::warning(
        format!("emergency action \"{}\" and component \"{}\" share {}", action.name, bot.name, file.display()),
        "give failstop's own actions an API key of their own: with one key the bot's nonces may lock them out",
    ))
}

/// What is closed while orders are open may be opened again by them.
fn order(actions: &[EmergencyAction]) -> Option<Finding> {
    let of = |kind| actions.iter().position(|action| action.kind == kind);
    let (cancels, closes) = (of(EmergencyKind::CancelAll), of(EmergencyKind::ClosePositions)?);
    match cancels {
        Some(cancels) if cancels < closes => None,
        Some(_) => Some(Finding::warning(
            "positions are closed before orders are cancelled: an open order may open them again",
            "put the action of kind \"cancel-all\" first",
        )),
        None => Some(Finding::warning(
            "positions are closed and no action cancels orders: an open order may open them again",
            "add an action of kind \"cancel-all\" before it",
        )),
    }
}

/// Root stops a system whose configuration is somebody else's, and then runs its actions as that one, or not at all.
fn whose_configuration(config: &Config) -> Option<Finding> {
    let writer = Writer::of(&std::fs::File::open(&config.file).ok()?).ok()?;
    let state = std::fs::metadata(config.state_dir()).ok()?.uid();
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let (file, stops) = (config.file.display(), "`failstop kill-switch engage` as root runs nothing of it");
    match writer {
        Writer::Owner(owner) if owner == 0 || owner == state => None,
        Writer::Owner(owner) => Some(Finding::warning(
            format!("{file} is {}'s: {stops} as {}", Named(owner), Named(state)),
            format!("chown root {file}"),
        )),
        Writer::Others => Some(Finding::warning(
            format!("{file} may be written by others than its owner: {stops}"),
            format!("chmod go-w {file}"),
        )),
    }
}

fn rehearsed(config: &Config) -> Option<Finding> {
    let most = config.emergency.drill_max_age?;
    let remedy = "run `failstop kill-switch drill`";
    let run = match Run::read(config.state_dir(), Cause::Drill) {
        Ok(run) => run,
        Err(error) => return Some(Finding::warning(error.to_string(), remedy)),
    };
    let Some(run) = run else {
        return Some(Finding::warning("the emergency actions were never rehearsed", remedy));
    };
    let (_, failed) = run.counts();
    if failed > 0 || !run.is_finished() {
        return Some(Finding::warning(format!("the last drill, of {}, did not go well", run.begun), remedy));
    }
    let ended: jiff::Timestamp = run.finished.as_deref()?.parse().ok()?;
    is_old(ended, crate::clock::wall(), most)
        .then(|| Finding::warning(format!("the last drill was at {ended:.0}"), remedy))
}

/// Whether something that was then is older now than this. What lies in the future is not known to be recent.
fn is_old(then: jiff::Timestamp, now: jiff::Timestamp, most: Duration) -> bool {
    match Duration::try_from(now.duration_since(then)) {
        Ok(age) => age > most,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::checks::Outcome;

    fn action(name: &str, kind: &str, more: &str) -> String {
        let folder = if more.contains("working_dir") { "" } else { "working_dir = \"/\"\n" };
        format!("[[emergency.action]]\nname = \"{name}\"\nkind = \"{kind}\"\ncommand = [\"true\"]\n{folder}{more}")
    }

    fn found(lines: &str) -> Vec<(Outcome, String)> {
        let config = crate::config::tests::with(lines);
        let only = vec!["emergency".to_owned()];
        let report = crate::checks::run(&config, &crate::checks::Options { only, ..Default::default() }).unwrap();
        report.results.into_iter().map(|result| (result.outcome, result.reason)).collect()
    }

    fn one(lines: &str, outcome: Outcome, says: &str) {
        let found = found(lines);
        assert!(found.iter().any(|(of, reason)| *of == outcome && reason.contains(says)), "{found:?}");
    }

    #[test]
    fn what_could_not_run_is_found_before_the_day_it_must() {
        assert_eq!(found(&action("a", "cancel-all", "")), [(Outcome::Passed, "a".to_owned())]);
        one("", Outcome::Passed, "none configured");
        let missing = action("a", "cancel-all", "").replace("\"true\"", "\"./nowhere\"");
        one(&missing, Outcome::Failed, "nowhere not found");
        one(&action("a", "cancel-all", "working_dir = \"/nowhere\"\n"), Outcome::Failed, "/nowhere does not exist");
        one(&action("a", "cancel-all", "user = \"nobody-here\"\n"), Outcome::Failed, "no user \"nobody-here\"");
    }

    #[test]
    fn orders_are_cancelled_before_positions_are_closed() {
        let (cancel, close) = (action("c", "cancel-all", ""), action("p", "close-positions", ""));
        assert_eq!(found(&format!("{cancel}{close}")).len(), 1);
        one(&format!("{close}{cancel}"), Outcome::Warning, "before orders are cancelled");
        one(&close, Outcome::Warning, "no action cancels orders");
    }

    #[test]
    fn a_drill_gets_old() {
        one(
            &format!("[emergency]\ndrill_max_age = \"24h\"\n{}", action("a", "custom", "")),
            Outcome::Warning,
            "never rehearsed",
        );
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let (then, day) = (at("2026-11-03T09:00:00Z"), Duration::from_secs(86_400));
        assert!(!is_old(then, at("2026-11-04T09:00:00Z"), day));
        assert!(is_old(then, at("2026-11-04T09:00:01Z"), day));
        assert!(is_old(then, at("2026-11-03T08:59:59Z"), day), "the clock went back");
    }
}
