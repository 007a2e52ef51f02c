//! `[[component]]`: one supervised process tree.

use super::credentials::{ComponentCredentials, Credentials};
use super::environment::{Capabilities, Inherited, Nice, Umask};
use super::gate::ComponentGate;
use super::limits::ComponentLimits;
use super::sandbox::{Files, Sandbox};
use super::variables::{ComponentVariables, Variables};
use super::watching::{HealthUrl, Liveness, Readiness};
use crate::notify_socket::Access;
use failstop_core::{DependencyExit, Orders, RestartPolicy};
use failstop_settings::{Argv, Choice, Consistent, Kind, Name, Places, Reading, section, within};
use std::path::PathBuf;
use std::time::Duration;

/// Names that `/health` has under `components` for parts of failstop itself.
const RESERVED: [&str; 2] = ["alerts", "circuit_breaker"];

section! {
    /// One supervised process tree: the bot, or one of its parts. At most 31.
    pub struct Component {
        /// Its name, for output, status and commands.
        name: Name, required "bot";
        /// The program and its arguments. A program without a slash is looked up in PATH; with one it is relative to this
        /// file's folder. No shell is involved.
        command: Argv, required ["python3", "bot.py"];
        /// How it places orders: "asks" checks the permit or the gate before each order; "direct" talks to the exchange
        /// itself and asks nobody, so it runs only while the permission is active and the mode is live; "none" places no
        /// orders. There is no safe default.
        orders: Orders as OrdersWord, required "asks";
        /// Whether its failure for good is the whole system's (fail-safe shutdown) or only its own.
        essential: bool, default true;
        /// Where it runs, relative to this file's folder.
        working_dir: PathBuf, default ".";
        /// Variables added to its environment.
        env: Variables as ComponentVariables, default {};
        /// A file of NAME=VALUE lines added to its environment, for secrets: mode 0600.
        env_file: Option<PathBuf>, absent "bot.env";
        /// The variables of failstop's own environment that it inherits; a `*` at the end stands for all that begin so. Absent: all
        /// but failstop's own, its secrets, and what a service manager set for failstop.
        inherit_env: Option<Inherited>, absent ["PATH", "LANG", "LC_*"];
        /// Secrets that it is given as files of these names, in a folder in memory that is its own and ends with it; the variable
        /// CREDENTIALS_DIRECTORY says where. Each is { file = "..." }, { env = "NAME" } or systemd's { credential = "NAME" }, and is
        /// read anew at each start.
        credentials: Credentials as ComponentCredentials, default {};
        /// Lets credentials be on a disk, where no place in memory can be had.
        credentials_on_disk: bool, default false;
        /// The user that it runs as, by name or number. Absent: failstop's own.
        user: Option<String>, absent "bot";
        /// The group that it runs as, by name or number. Absent: the user's.
        group: Option<String>, absent "bot";
        /// Further groups, by name or number, beside those of its user.
        supplementary_groups: Vec<String>, default [];
        /// What the files that it makes are not open to, in octal digits. Absent: failstop's own mask.
        umask: Option<Umask>, absent "0027";
        /// Its scheduling priority, from -20 (first) to 19 (last). Absent: failstop's own. Below failstop's own only as root.
        nice: Option<Nice>, absent 10;
        /// The capabilities (parts of root's power) that it keeps; all others are given up for good. Absent: none with a `user` of
        /// its own or a `sandbox`, failstop's own otherwise. Only root can keep any.
        capabilities: Option<Capabilities>, absent ["CAP_NET_BIND_SERVICE"];
        /// Components that must be ready before it is started.
        depends_on: Vec<Name>, default [];
        /// What becomes of it while it runs and one of those is not ready any more: "keep" goes on, "stop" is stopped and
        /// started again once they are ready.
        on_dependency_exit: DependencyExit as DependencyExitWord, default "keep";
        /// Dependencies without which it cannot work: while one is down, neither a missed beat nor an exit before it was ready
        /// is held against it.
        needs: Vec<Name>, default [];
        /// When it is started again after an exit that nobody asked for: "always", "on-failure" or "never".
        restart: RestartPolicy as RestartWord, default "always";
        /// Delays between restarts in a row. The first restart is immediate.
        backoff: Backoff, default {};
        /// How often it may be started before it stays down.
        start_limit: StartLimit, default {};
        /// What its tree may use.
        limits: ComponentLimits, default {};
        /// What its orders may be, beside the limits of [gate].
        gate: ComponentGate, default {};
        /// A program that runs before the stop signal of an orderly stop, for example to cancel open orders: as the component's
        /// user, in its folder, with its environment and FAILSTOP_REASON and MAINPID. Not where the component may not run any
        /// more, nor after a hang or under the kill switch: nothing holds those up.
        pre_stop: Option<Hook>, absent { command = ["./cancel-orders.sh"] };
        /// A program that runs when nothing of the component is left, however it ended (FAILSTOP_REASON says how), but not under
        /// the kill switch. Its successor waits for it.
        post_stop: Option<Hook>, absent { command = ["./tidy.sh"] };
        /// What asks it to stop; sent to every process of its tree.
        stop_signal: StopSignal, default "SIGTERM";
        /// What asks it to read its configuration again: sent to its main process by `failstop reload` and when failstop gets
        /// SIGHUP. Absent: it is never asked.
        reload_signal: Option<ReloadSignal>, absent "SIGHUP";
        /// Whether it answers that signal with RELOADING=1 and, within `start_period`, READY=1 over sd_notify. One that
        /// does not is then taken for hung. With false, nobody knows when its reload is over.
        reload_notify: bool, default false;
        /// From the stop signal to SIGKILL of the whole tree. One that asks for more time (EXTEND_TIMEOUT_USEC) gets as much
        /// again at most, and nothing where it may not run.
        stop_grace: Duration, default "10s", within("0s", "1h");
        /// How long it may take to become ready. EXTEND_TIMEOUT_USEC puts this off, by up to an hour in all.
        start_period: Duration, default "60s", within("100ms", "24h");
        /// When it counts as ready. Absent: as soon as it is started.
        readiness: Option<Readiness>, absent { notify = true };
        /// Which sign of life is required. Absent: none, and a hang is not noticed.
        liveness: Option<Liveness>, absent { heartbeat = "2m" };
        /// Its own page of health. Absent: none.
        health: Option<HealthUrl>, absent { url = "http://127.0.0.1:9000/health" };
        /// The progress counter of its heartbeats must move within this span. Absent: not judged.
        progress_within: Option<Duration>, absent "10m", within("1s", "168h");
        /// Where its notify socket is (NOTIFY_SOCKET): "path", a file that only its user can reach, or "abstract", a name
        /// without a file, for programs that cannot open one. Whoever shares the network can send to an abstract one and
        /// fill its queue; who is listened to is the same.
        notify_socket: NotifySocket, default "path";
        /// Whose sd_notify messages count: "all" processes of its tree, "exec" its main process and its hooks, "main" its
        /// main process alone, "none": then it has no notify socket. It may tighten this itself (NOTIFYACCESS).
        notify_access: Access, default "all";
        /// How many descriptors it may have kept over its restarts (FDSTORE=1); given back as LISTEN_FDS. 0: none.
        fd_store_max: u32, default 0, within("0", "512");
        /// Keeps it from gaining privileges by set-user-ID programs. With false, a kill cannot be promised.
        no_new_privileges: bool, default true;
        /// What the kernel keeps it from, whatever its user may.
        sandbox: Sandbox, default {};
    }
}

section! {
    /// A program at the end of a component.
    pub struct Hook {
        /// The program and its arguments, as in `command`.
        command: Argv, required ["./cancel-orders.sh"];
        /// After this long it is killed, with everything below it.
        timeout: Duration, default "10s", within("100ms", "1h");
    }
}

impl Consistent for Hook {}

section! {
    /// Delays between restarts in a row.
    pub struct Backoff {
        /// The delay before the second restart in a row; it doubles with each further one.
        initial: Duration, default "1s", within("10ms", "24h");
        /// The longest delay.
        max: Duration, default "60s", within("10ms", "24h");
        /// After this long ready without an exit, delays start anew.
        reset_after: Duration, default "60s", within("1s", "24h");
    }
}

impl Consistent for Backoff {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.initial > self.max {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["initial", "max"]),
                format!("`initial` is longer than `max` in {}", places.label),
                "write a `max` of at least `initial`",
            );
        }
    }
}

section! {
    /// How often a component may be started before it stays down, a halt is latched and an alert goes out.
    pub struct StartLimit {
        /// At most so many starts ...
        starts: u32, default 5, within("1", "1000");
        /// ... within this span.
        within: Duration, default "300s", within("1s", "24h");
    }
}

impl Consistent for StartLimit {}

/// How a [`Orders`] is written.
#[derive(Clone, Copy)]
pub(crate) struct OrdersWord(Orders);

impl From<OrdersWord> for Orders {
    fn from(word: OrdersWord) -> Self {
        word.0
    }
}

impl Choice for OrdersWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("asks", Self(Orders::Asks)), ("direct", Self(Orders::Direct)), ("none", Self(Orders::None))];
    const WANTED: &'static str = "\"asks\", \"direct\" or \"none\"";
    const WHEN_MISSING: &'static str = "there is no safe default; choose one:\n\
        orders = \"asks\"    it checks the permit or the gate before each order\n\
        orders = \"direct\"  it talks to the exchange itself and asks nobody: it runs only while active and live\n\
        orders = \"none\"    it places no orders (a scanner, a monitor, a paper bot that never asks)";
}

/// How a [`RestartPolicy`] is written.
#[derive(Clone, Copy)]
pub(crate) struct RestartWord(RestartPolicy);

impl From<RestartWord> for RestartPolicy {
    fn from(word: RestartWord) -> Self {
        word.0
    }
}

impl Choice for RestartWord {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("always", Self(RestartPolicy::Always)),
        ("on-failure", Self(RestartPolicy::OnFailure)),
        ("never", Self(RestartPolicy::Never)),
    ];
    const WANTED: &'static str = "\"always\", \"on-failure\" or \"never\"";
}

/// Where a component's notify socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifySocket {
    /// A file in the runtime directory.
    Path,
    /// A name without a file.
    Abstract,
}

impl Choice for NotifySocket {
    const WORDS: &'static [(&'static str, Self)] = &[("path", Self::Path), ("abstract", Self::Abstract)];
    const WANTED: &'static str = "\"path\" or \"abstract\"";
}

/// How a [`DependencyExit`] is written.
#[derive(Clone, Copy)]
pub(crate) struct DependencyExitWord(DependencyExit);

impl From<DependencyExitWord> for DependencyExit {
    fn from(word: DependencyExitWord) -> Self {
        word.0
    }
}

impl Choice for DependencyExitWord {
    const WORDS: &'static [(&'static str, Self)] =
        &[("keep", Self(DependencyExit::Keep)), ("stop", Self(DependencyExit::Stop))];
    const WANTED: &'static str = "\"keep\" or \"stop\"";
}

/// The signal that asks a component to read its configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadSignal(i32);

impl ReloadSignal {
    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl Choice for ReloadSignal {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("SIGHUP", Self(libc::SIGHUP)),
        ("SIGUSR1", Self(libc::SIGUSR1)),
        ("SIGUSR2", Self(libc::SIGUSR2)),
        ("SIGWINCH", Self(libc::SIGWINCH)),
    ];
    const WANTED: &'static str = "\"SIGHUP\", \"SIGUSR1\", \"SIGUSR2\" or \"SIGWINCH\"";
}

/// The signal that asks a component to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopSignal(i32);

impl StopSignal {
    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl Choice for StopSignal {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("SIGTERM", Self(libc::SIGTERM)),
        ("SIGINT", Self(libc::SIGINT)),
        ("SIGQUIT", Self(libc::SIGQUIT)),
        ("SIGHUP", Self(libc::SIGHUP)),
        ("SIGUSR1", Self(libc::SIGUSR1)),
        ("SIGUSR2", Self(libc::SIGUSR2)),
        ("SIGKILL", Self(libc::SIGKILL)),
    ];
    const WANTED: &'static str = "the name of a signal, like \"SIGTERM\" or \"SIGINT\"";
}

impl Consistent for Component {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if RESERVED.contains(&self.name.as_str()) {
            reading.refuse(
                Kind::BadValue,
                &places.first_of(&["name"]),
                format!("`{}` is the name of a part of failstop itself in /health", self.name.as_str()),
                "write another name",
            );
        }
        if self.liveness.is_none() && self.progress_within.is_some() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["progress_within"]),
                format!("{} has `progress_within` without heartbeats to carry progress", places.label),
                "add `liveness = { heartbeat = \"2m\" }`, or remove `progress_within`",
            );
        }
        let wants_notices = [
            ("readiness", matches!(self.readiness, Some(Readiness::Notify))),
            ("liveness", matches!(self.liveness, Some(Liveness::Watchdog(_)))),
            ("reload_notify", self.reload_notify),
            ("fd_store_max", self.fd_store_max > 0),
        ];
        if let Some((key, _)) = wants_notices.iter().find(|(_, wants)| *wants && self.notify_access == Access::None) {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["notify_access"]),
                format!("{} has `notify_access = \"none\"`, and `{key}` needs sd_notify messages", places.label),
                "write `notify_access = \"main\"` or \"all\", or change the other",
            );
        }
        if self.notify_socket == NotifySocket::Abstract && self.sandbox.filesystem == Files::OwnFolder {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["notify_socket"]),
                format!("{} has an abstract notify socket, which its sandbox keeps it from", places.label),
                "write `notify_socket = \"path\"`: the sandbox lets it reach that one",
            );
        }
        if self.reload_notify && self.reload_signal.is_none() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["reload_notify"]),
                format!("{} has `reload_notify` without a signal to answer", places.label),
                "add `reload_signal = \"SIGHUP\"`, or remove `reload_notify`",
            );
        }
        if self.on_dependency_exit == DependencyExit::Stop && self.depends_on.is_empty() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["on_dependency_exit"]),
                format!("{} has `on_dependency_exit` without `depends_on`", places.label),
                "name the components in `depends_on`, or remove `on_dependency_exit`",
            );
        }
        if !self.credentials.is_empty() && self.env.contains_key("CREDENTIALS_DIRECTORY") {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["env"]),
                format!("{} sets CREDENTIALS_DIRECTORY itself, and has `credentials`", places.label),
                "remove it from `env`: failstop sets it",
            );
        }
        if self.sandbox.is_on() && !self.no_new_privileges {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["no_new_privileges"]),
                format!("{} has a `sandbox`, and may gain new privileges", places.label),
                "remove `no_new_privileges = false`: the kernel takes no sandbox with it",
            );
        }
        if self.group.is_some() && self.user.is_none() {
            reading.refuse(
                Kind::Contradiction,
                &places.first_of(&["group"]),
                format!("{} has a `group` without a `user`", places.label),
                "add `user`, or remove `group`",
            );
        }
    }
}
