//! The process that runs emergency actions: failstop's own file under another name, started by the engine or by
//! `failstop kill-switch`, with its [`Order`] on standard input. It says on standard output how it goes ([`Word`], a line each),
//! whether or not anybody reads it.
//!
//! It takes no signal but SIGKILL, except in a drill: whoever started it may end, hang up or be stopped, and it goes on.

use super::account::Account;
use super::execute::{Setting, attempt};
use super::lock::{Lock, make_folder, runner_of};
use super::plan::{Action, Plan};
use super::run::{BEGINNINGS_MAX, Cause, Ended, Outcome, Run, Step, key_of};
use super::tail::Tail;
use crate::clock;
use crate::config::{EMERGENCY_PAUSE, Inherited, env_file};
use crate::kill_switch::{LATCH_FILE, read_latch};
use crate::process::pidfd::kill_exactly;
use crate::process::procfs;
use crate::process::user::User;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What it is called, by its zeroth argument and in lists of processes.
pub const NAME: &str = "failstop-actions";

/// What `/proc` calls it, from the moment on at which it may begin to work.
pub(super) const COMM: &str = "failstop-actns";

/// The longest order, bytes.
const ORDER_MAX: u64 = 4 << 20;

/// Between two looks at a lock that another runner has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How much longer than its own actions may take another runner is waited for before it is ended.
const OTHERS_SLACK: Duration = Duration::from_secs(60);

/// How long another runner may be stopped (SIGSTOP) before it is ended: it holds everybody up.
const STOPPED_FOR: Duration = Duration::from_secs(1);

/// The programs that are found without a path.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is to be run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The state directory, where it is known.
    pub state_dir: Option<PathBuf>,
    /// Why.
    pub cause: Cause,
    /// Which engagement or halt it is for.
    pub key: String,
    /// Nothing is begun any more once the latch is gone.
    pub only_while_latched: bool,
    /// Who wanted it.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
    /// What is to be done.
    pub plan: Plan,
    /// The user whose word the plan is: only root's may name other users.
    pub plan_owner: u32,
    /// What the actions may inherit, by name.
    pub inherited: Vec<(String, String)>,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Another runner works on this system; it is waited for, or with a drill nothing is done.
    Waits {
        /// That one.
        pid: i32,
    },
    /// How the run stands.
    Run(Run),
    /// Nothing is done (any more), and why.
    Refused(String),
}

impl Order {
    /// What this process's environment has of the variables that the actions inherit. A value that is no text is left out.
    pub fn inherited_by(plan: &Plan) -> Vec<(String, String)> {
        let wanted = Inherited::of(plan.actions.iter().flat_map(|action| action.inherit.iter().cloned()).collect());
        std::env::vars_os()
            .filter(|(name, _)| wanted.has(name))
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| !name.starts_with("FAILSTOP_"))
            .collect()
    }
}

/// Runs emergency actions if that is what this program was started for; the status to end with.
pub fn run_if_runner() -> Option<ExitCode> {
    if std::env::args_os().next()? != NAME {
        return None;
    }
    let mut text = Vec::new();
    let order = io::stdin()
        .take(ORDER_MAX)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice::<Order>(&text).map_err(|error| error.to_string()));
    let order = match order {
        Ok(order) => order,
        Err(why) => {
            say(&Word::Refused(format!("what is to be run cannot be read: {why}")));
            return Some(ExitCode::FAILURE);
        }
    };
    settle(order.cause);
    Some(if perform(&order, &mut say) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whoever reads it may be gone; what is done is done all the same, and on the disk.
fn say(word: &Word) {
    if let Ok(mut line) = serde_json::to_vec(word) {
        line.push(b'\n');
        let mut out = io::stdout();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// A process that outlives whoever started it and inherits every orphan of its own.
fn settle(cause: Cause) {
    let unused: libc::c_ulong = 0;
    let ignored: &[libc::c_int] = match cause {
        Cause::KillSwitch | Cause::Failsafe => &[libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGQUIT],
        // A drill ends when somebody has enough of it.
        Cause::Drill => &[],
    };
    // SAFETY: options that take a number or a literal, and dispositions of this process, which has one thread.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, unused, unused, unused, unused);
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong, unused, unused, unused);
        libc::prctl(libc::PR_SET_NAME, c"failstop-actns".as_ptr());
        if cause != Cause::Drill {
            libc::setsid();
        }
        for signal in ignored.iter().chain(&[libc::SIGPIPE]) {
            libc::signal(*signal, libc::SIG_IGN);
        }
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        // What waits for ends by this signal needs it blocked; programs get their mask cleared.
        libc::sigprocmask(libc::SIG_SETMASK, &raw const child, std::ptr::null_mut());
        libc::umask(0o077);
    }
}

/// Runs everything that is still to be run; whether every action is done.
fn perform(order: &Order, say: &mut dyn FnMut(&Word)) -> bool {
    let kept = order.state_dir.as_deref().map_or_else(
        || Err("the state directory is not known".to_owned()),
        |state| make_folder(state).map(|folder| (state, folder)).map_err(|error| error.to_string()),
    );
    let (_lock, kept) = match kept {
        Ok((state, folder)) => match lock(order, state, &folder, say) {
            Ok(Some(lock)) => (Some(lock), Ok(state)),
            Ok(None) => return false,
            Err(error) => (None, Err(error.to_string())),
        },
        Err(why) => (None, Err(why)),
    };
    let mut run = match begin(order, &kept) {
        Ok(run) => run,
        Err(why) => {
            say(&Word::Refused(why));
            return false;
        }
    };
    for at in 0..run.steps.len() {
        if run.steps.get(at).is_none_or(|step| step.ended.is_some()) {
            continue;
        }
        if order.only_while_latched && is_released(order) {
            say(&Word::Refused("the kill switch was released meanwhile; what was not begun is not run".to_owned()));
            return false;
        }
        step(order, &mut run, at, &kept, say);
    }
    run.finished.get_or_insert_with(now);
    keep(&mut run, &kept);
    say(&Word::Run(run.clone()));
    run.counts().1 == 0
}

/// The lock; `None` where a drill finds another at work.
fn lock(order: &Order, state: &Path, folder: &Path, say: &mut dyn FnMut(&Word)) -> io::Result<Option<Lock>> {
    let begun = Instant::now();
    let mut stopped_since: Option<Instant> = None;
    let mut told = false;
    loop {
        if let Some(lock) = Lock::try_take(folder)? {
            return Ok(Some(lock));
        }
        let other = runner_of(state);
        if !told {
            say(&Word::Waits { pid: other.map_or(0, |other| other.pid) });
            told = true;
        }
        if order.cause == Cause::Drill {
            return Ok(None);
        }
        let is_stopped = other.is_some_and(|other| procfs::stat(other.pid).is_ok_and(|stat| stat.state == 'T'));
        stopped_since = is_stopped.then(|| stopped_since.unwrap_or_else(Instant::now));
        let hopeless = stopped_since.is_some_and(|since| since.elapsed() >= STOPPED_FOR)
            || begun.elapsed() >= order.plan.longest() + OTHERS_SLACK;
        if let Some(other) = other.filter(|_| hopeless) {
            // What it ran dies with it; what it had begun is begun again.
            let _ = kill_exactly(other);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The run to go on with, or a new one.
fn begin(order: &Order, kept: &Result<&Path, String>) -> Result<Run, String> {
    if order.only_while_latched && is_released(order) {
        return Err("the kill switch was released meanwhile: nothing is run".to_owned());
    }
    let id = new_id().map_err(|error| format!("there is no randomness for a name: {error}"))?;
    let who = (order.by.clone(), order.reason.clone());
    let fresh = Run::new(id, order.key.clone(), order.cause, &order.plan, who, now());
    match kept {
        Ok(state) => match Run::read(state, order.cause) {
            Ok(Some(mut earlier)) if earlier.key == order.key => {
                earlier.take_on(&order.plan);
                Ok(earlier)
            }
            Ok(_) => Ok(fresh),
            // Nobody knows what was done: everything is done again.
            Err(error) => Ok(Run { not_kept: Some(error.to_string()), ..fresh }),
        },
        Err(why) => Ok(Run { not_kept: Some(why.clone()), ..fresh }),
    }
}

fn is_released(order: &Order) -> bool {
    order.state_dir.as_deref().is_some_and(|state| key_of(&read_latch(state)).is_none())
}

/// Runs one action of the run to its end.
fn step(order: &Order, run: &mut Run, at: usize, kept: &Result<&Path, String>, say: &mut dyn FnMut(&Word)) {
    let Some(name) = run.steps.get(at).map(|step| step.name.clone()) else { return };
    let Some(action) = order.plan.actions.iter().find(|action| action.name == name) else {
        let why = "the configuration does not have it any more".to_owned();
        return end(run, at, Outcome::NotStarted { why }, (0, 0), (&Tail::default(), &[], 0), kept, say);
    };
    let beginnings = run.steps.get(at).map_or(0, |step| step.beginnings);
    if beginnings >= BEGINNINGS_MAX {
        return end(run, at, Outcome::GivenUp { beginnings }, (0, 0), (&Tail::default(), &[], 0), kept, say);
    }
    if let Some(step) = run.steps.get_mut(at) {
        step.beginnings = beginnings.saturating_add(1);
        step.begun = Some(now());
    }
    // Before it begins: whoever comes after a death knows that it may have been done.
    keep(run, kept);
    say(&Word::Run(run.clone()));
    let begun = Instant::now();
    let (tried, tries, secrets) = try_it(order, run, at, action);
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    end(run, at, tried.outcome, (took, tries), (&tried.tail, &secrets, tried.left), kept, say);
}

fn end(
    run: &mut Run,
    at: usize,
    outcome: Outcome,
    (took_ms, tries): (u64, u32),
    (tail, secrets, left): (&Tail, &[String], usize),
    kept: &Result<&Path, String>,
    say: &mut dyn FnMut(&Word),
) {
    if let Some(step) = run.steps.get_mut(at) {
        let (said, said_bytes) = (tail.lines(secrets), tail.total());
        step.ended = Some(Ended { at: now(), took_ms, tries, outcome, said, said_bytes, left });
    }
    keep(run, kept);
    say(&Word::Run(run.clone()));
}

/// Tries an action until it is done or its tries are used up.
fn try_it(order: &Order, run: &Run, at: usize, action: &Action) -> (super::execute::Tried, u32, Vec<String>) {
    let not_started =
        |why| super::execute::Tried { outcome: Outcome::NotStarted { why }, tail: Tail::default(), left: 0 };
    let account = match account(order, action) {
        Ok(account) => account,
        Err(why) => return (not_started(why), 0, Vec::new()),
    };
    let (environment, secrets) = match environment(order, run, at, action, account.as_ref()) {
        Ok(both) => both,
        Err(why) => return (not_started(why), 0, Vec::new()),
    };
    let latch = order.state_dir.as_ref().map(|state| state.join(LATCH_FILE));
    let is_drill = order.cause == Cause::Drill;
    // A drill holds up nothing real.
    let stop = || is_drill && latch.as_ref().is_some_and(|latch| std::fs::symlink_metadata(latch).is_ok());
    let mut tries = 0;
    loop {
        tries += 1;
        let mut environment = environment.clone();
        environment.push(("FAILSTOP_TRY".into(), tries.to_string().into()));
        let setting = Setting { action, folder: &order.plan.folder, environment, account: account.as_ref() };
        let tried = attempt(&setting, &stop);
        if tried.outcome.is_done() || tried.outcome == Outcome::Interrupted || tries >= action.tries {
            return (tried, tries, secrets);
        }
        std::thread::sleep(EMERGENCY_PAUSE);
    }
}

/// As whom an action runs; `None` as this process's own user.
fn account(order: &Order, action: &Action) -> Result<Option<Account>, String> {
    let own = nix::unistd::geteuid().as_raw();
    let named = match action.user.as_deref() {
        Some(user) => Some(Account::named(user).ok_or_else(|| format!("there is no user \"{user}\""))?),
        None => None,
    };
    let state_owner = order.state_dir.as_deref().and_then(|state| std::fs::metadata(state).ok()).map(|it| it.uid());
    let uid = run_as(own, named.as_ref().map(|account| account.uid), state_owner, order.plan_owner)?;
    Ok((uid != own).then(|| named.unwrap_or_else(|| Account::numbered(uid))))
}

/// The user that an action runs as. Root runs nothing of somebody else's as anybody but that one: otherwise whoever may write a
/// configuration could have root, who stops a system in an emergency, run whatever it says.
fn run_as(own: u32, named: Option<u32>, state_owner: Option<u32>, plan_owner: u32) -> Result<u32, String> {
    if own != 0 {
        return match named {
            Some(other) if other != own => Err(format!("only root can run it as {}", User(other))),
            Some(_) | None => Ok(own),
        };
    }
    let wanted = named.or(state_owner);
    match (plan_owner, wanted) {
        (0, wanted) => Ok(wanted.unwrap_or(0)),
        (owner, None) => Ok(owner),
        (owner, Some(wanted)) if wanted == owner => Ok(owner),
        (owner, Some(wanted)) => Err(format!(
            "the configuration is {}'s, and root runs nothing of it as {}: give the file to root",
            User(owner),
            User(wanted)
        )),
    }
}

/// Names and values, as a program is given them.
type Variables = Vec<(OsString, OsString)>;

/// The whole environment of an action, and the values in it that are not to be shown.
fn environment(
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
    let wanted = Inherited::of(action.inherit.clone());
    all.extend(order.inherited.iter().filter(|(name, _)| wanted.has(OsStr::new(name))).cloned());
    let mut secrets: Vec<String> = action.env.values().cloned().collect();
    all.extend(action.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(file) = &action.env_file {
        let variables = env_file(file).map_err(|error| format!("env_file {} {error}", file.display()))?;
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
        ("FAILSTOP_TRACE_ID", run.id.clone()),
        ("FAILSTOP_DRILL", if order.cause == Cause::Drill { "1" } else { "0" }.to_owned()),
        // Above 1: it was begun before, and nobody knows how that ended.
        ("FAILSTOP_BEGINNING", step.map_or(1, |step| step.beginnings).to_string()),
    ];
    all.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    Ok((all.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), secrets))
}

/// What cannot be kept is run all the same, and says so.
fn keep(run: &mut Run, kept: &Result<&Path, String>) {
    if let Ok(state) = kept
        && let Err(error) = run.keep(state)
    {
        run.not_kept = Some(error.to_string());
    }
}

fn now() -> String {
    clock::rfc3339(clock::wall())
}

fn new_id() -> io::Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
