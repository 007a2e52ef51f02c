//! Every place × every victim × every way to misbehave: what is left alive, and never two copies.
//!
//! One system a place and victim, with a component for each behaviour. Its bots hold a lock (and name themselves in a file) that
//! shouts when two of one component are ever alive together.

use crate::isolation::user_namespaces;
use crate::places::{Delegated, can_unshare, contained};
use crate::system::{PATIENCE, System, marked, signal};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// Somebody who owns nothing else here.
const USER: u32 = 65_534;

/// By then nothing is left that is not to be: far above what it takes, which the table says.
const GONE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    RootWithCgroup,
    RootWithout,
    OrdinaryUser,
    DelegatedSubtree,
    /// Its guard is the first process.
    Container,
    /// No terminal, no standard input, hardly a variable: a session of its own, as cron makes one.
    BareSession,
    NamespaceAsRoot,
    NamespaceAsUser,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Bot,
    Engine,
    Guard,
    Both,
    /// The guard is stopped and the engine killed.
    EngineUnderStoppedGuard,
}

/// A way to misbehave: the component's name, its verbs, how many processes it is, and how many of those outlive their main process
/// where nobody is left to kill them.
struct Behaviour {
    name: &'static str,
    verbs: &'static str,
    processes: usize,
    outlive: usize,
}

const BEHAVIOURS: [Behaviour; 7] = [
    Behaviour { name: "ignores-term", verbs: "\"ignore-term\"", processes: 1, outlive: 0 },
    Behaviour { name: "own-session", verbs: "\"child\"", processes: 2, outlive: 1 },
    Behaviour { name: "double-fork", verbs: "\"double-fork\"", processes: 2, outlive: 1 },
    Behaviour { name: "orphan-chain", verbs: "\"orphans\", \"3\"", processes: 4, outlive: 3 },
    // Each of the two may be seen together with its successor.
    Behaviour { name: "fork-storm", verbs: "\"storm\", \"2\", \"60000\"", processes: 3, outlive: 4 },
    Behaviour { name: "set-user-id", verbs: "\"run\", \"DIR/privileged\"", processes: 2, outlive: 1 },
    Behaviour { name: "stopped-child", verbs: "\"stopped-child\"", processes: 2, outlive: 1 },
];

/// What is promised: whether anything may be left once this victim is dead in this place. It is killed by the next start then.
fn may_leave(place: Place, victim: Victim) -> bool {
    match (victim, place) {
        // Somebody of ours is left, and ends it.
        (Victim::Bot | Victim::Engine | Victim::Guard, _) => false,
        // The kernel ends it: with the container's first process, or with each namespace's.
        (Victim::Both, Place::Container) => false,
        (_, Place::NamespaceAsRoot | Place::NamespaceAsUser) => false,
        // Nobody is left. A service manager would end its cgroup; a test is none.
        (Victim::Both, _) => true,
        // The guard ends it when somebody wakes it.
        (Victim::EngineUnderStoppedGuard, _) => true,
    }
}

/// A process of the system's.
#[derive(Clone, Debug)]
struct Seen {
    pid: i32,
    start: u64,
    name: String,
    component: String,
    epoch: Option<u64>,
    instance: u64,
}

/// When a process started, in ticks since the boot.
fn started_at(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn look(system: &System) -> Vec<Seen> {
    let seen = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let variables: BTreeMap<String, String> = environment
            .split(|byte| *byte == 0)
            .filter_map(|line| std::str::from_utf8(line).ok()?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, _) = stat.rsplit_once(')')?;
        Some(Seen {
            pid,
            start: started_at(pid)?,
            name: head.split_once('(')?.1.to_owned(),
            component: variables.get("FAILSTOP_COMPONENT")?.clone(),
            epoch: variables.get("FAILSTOP_EPOCH").and_then(|epoch| epoch.parse().ok()),
            instance: variables.get("FAILSTOP_INSTANCE")?.parse().ok()?,
        })
    };
    marked(&format!("FAILSTOP_SYSTEM={}/", system.name)).into_iter().filter_map(seen).collect()
}

/// How many there are of each component.
fn count(seen: &[Seen]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in seen {
        *counts.entry(one.component.clone()).or_insert(0) += 1;
    }
    counts
}

fn wait_for(system: &System, what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}: {:?}\n{}", look(system), system.log());
        std::thread::sleep(Duration::from_millis(3));
    }
    begun.elapsed()
}

/// One place with a system in it.
struct Cell {
    place: Place,
    system: System,
    unit: Option<Delegated>,
}

impl Cell {
    /// `None` where the host has no such place.
    fn make(place: Place, victim: Victim) -> Option<Self> {
        let unit = match place {
            Place::DelegatedSubtree => {
                Some(Delegated::make(&format!("failstop-matrix-{}-{victim:?}", std::process::id()))?)
            }
            Place::Container if !can_unshare() => return None,
            Place::NamespaceAsUser if !user_namespaces() => return None,
            _ => None,
        };
        let head = match place {
            Place::RootWithout => "cgroup = false",
            Place::NamespaceAsRoot => "cgroup = false\nisolation = \"pid-namespace\"",
            Place::NamespaceAsUser => "isolation = \"pid-namespace\"",
            _ => "",
        };
        let mut configuration = String::new();
        for Behaviour { name, verbs, .. } in BEHAVIOURS {
            writeln!(
                configuration,
                "[[component]]\nname = \"{name}\"\ncommand = [\"BOT\", \"lock\", \"DIR/{name}\", {verbs}]\norders = \"asks\"\n\
                 stop_grace = \"100ms\""
            )
            .unwrap();
        }
        let system = System::with_head(&format!("mode = \"dry\"\n{head}"), &configuration);
        let privileged = system.path("privileged");
        // By another process: nothing may hold it open for writing when it is executed.
        assert!(Command::new("cp").arg("/bin/sleep").arg(&privileged).status().unwrap().success());
        fs::set_permissions(&privileged, fs::Permissions::from_mode(0o4755)).unwrap();
        let system = match place {
            Place::OrdinaryUser | Place::DelegatedSubtree | Place::BareSession | Place::NamespaceAsUser => {
                system.run_as(USER)
            }
            Place::RootWithCgroup | Place::RootWithout | Place::Container | Place::NamespaceAsRoot => system,
        };
        Some(Self { place, system, unit })
    }

    fn start(&mut self) {
        let plain = self.system.command("run");
        let command = match (self.place, &self.unit) {
            (Place::Container, _) => contained(&plain),
            (Place::BareSession, _) => {
                let mut command = Command::new("env");
                command
                    .args(["-i", "HOME=/", "SHELL=/bin/sh", "setsid"])
                    .arg(plain.get_program())
                    .args(plain.get_args());
                command.current_dir("/").uid(USER).gid(USER);
                command
            }
            (_, Some(unit)) => unit.command(&plain),
            (_, None) => plain,
        };
        self.system.start_by(command);
        self.wait_planted(&|_| true);
    }

    /// Waits until every component of which is wanted has all its processes.
    fn wait_planted(&self, wanted: &dyn Fn(&Seen) -> bool) {
        wait_for(&self.system, "all bots and what they start", || {
            let seen: Vec<Seen> =
                look(&self.system).into_iter().filter(|one| one.name != "failstop-init" && wanted(one)).collect();
            let counts = count(&seen);
            BEHAVIOURS
                .iter()
                .all(|behaviour| counts.get(behaviour.name).is_some_and(|there| *there >= behaviour.processes))
        });
    }

    /// Guard and engine, numbered as the host does.
    fn keepers(&self) -> (i32, i32) {
        let child_of = |pid: i32| -> i32 {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            children.split_ascii_whitespace().next().unwrap().parse().unwrap()
        };
        let started = self.system.guard_pid();
        let guard = if self.place == Place::Container { child_of(started) } else { started };
        (guard, child_of(guard))
    }

    /// Kills the victim and says what of the old generation is left, and how long that took to come about.
    fn kill(&mut self, victim: Victim) -> (BTreeMap<String, usize>, Duration) {
        let (guard, engine) = self.keepers();
        let before = look(&self.system);
        match victim {
            Victim::Bot => {
                for behaviour in &BEHAVIOURS {
                    let of_it = before.iter().filter(|one| one.component == behaviour.name && one.name == "fake_bot");
                    signal(of_it.min_by_key(|one| (one.start, one.pid)).unwrap().pid, libc::SIGKILL);
                }
            }
            Victim::Engine => signal(engine, libc::SIGKILL),
            Victim::Guard => signal(guard, libc::SIGKILL),
            // Stopped first, so that neither sees the other die.
            Victim::Both => {
                signal(guard, libc::SIGSTOP);
                signal(engine, libc::SIGSTOP);
                signal(engine, libc::SIGKILL);
                signal(guard, libc::SIGKILL);
            }
            Victim::EngineUnderStoppedGuard => {
                signal(guard, libc::SIGSTOP);
                signal(engine, libc::SIGKILL);
            }
        }
        let may_leave = may_leave(self.place, victim);
        let left = || {
            let is_old = |one: &Seen| one.instance == 1 && one.epoch.is_none_or(|epoch| epoch == 1);
            count(&look(&self.system).into_iter().filter(is_old).collect::<Vec<_>>())
        };
        let as_promised = |left: &BTreeMap<String, usize>| {
            BEHAVIOURS.iter().all(|behaviour| {
                let most = if may_leave { behaviour.outlive } else { 0 };
                left.get(behaviour.name).is_none_or(|count| *count <= most)
            })
        };
        let begun = Instant::now();
        loop {
            let left = left();
            if as_promised(&left) || begun.elapsed() > GONE_WITHIN {
                assert!(
                    as_promised(&left),
                    "{:?}, {victim:?}: left alive: {left:?}\n{}",
                    self.place,
                    self.system.log()
                );
                return (left, begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn shouted(&self) -> Vec<String> {
        let shouts =
            |behaviour: &Behaviour| fs::read_to_string(self.system.path(&format!("{}.shout", behaviour.name))).ok();
        BEHAVIOURS.iter().filter_map(shouts).collect()
    }

    /// The victim dies; what may be left is as promised; whatever comes next is alone.
    fn try_out(&mut self, victim: Victim) -> String {
        self.start();
        let (guard, _) = self.keepers();
        let (left, took) = self.kill(victim);
        if victim == Victim::Bot {
            self.wait_planted(&|one| one.instance > 1);
        } else {
            // A stopped one is ended as well: it would only wake to end by itself.
            signal(guard, libc::SIGKILL);
            self.system.wait_end();
            self.start();
            // What holds a component's namespace carries no epoch.
            let began = started_at(self.keepers().1).unwrap();
            let second = |one: &Seen| one.epoch == Some(2) || one.epoch.is_none() && one.start >= began;
            let old: Vec<Seen> = look(&self.system).into_iter().filter(|one| !second(one)).collect();
            assert!(
                old.is_empty(),
                "{:?}, {victim:?}: beside the next start: {old:?}\n{}",
                self.place,
                self.system.log()
            );
        }
        assert!(self.shouted().is_empty(), "{:?}, {victim:?}: two copies: {:?}", self.place, self.shouted());
        signal(self.keepers().0, libc::SIGKILL);
        self.system.wait_no_survivors(GONE_WITHIN);
        self.system.wait_end();
        let row = BEHAVIOURS.iter().fold(String::new(), |mut row, behaviour| {
            let _ = write!(row, " {:>13}", left.get(behaviour.name).copied().unwrap_or(0));
            row
        });
        format!("{:<17} {:<24}{row}  {:>5} ms", format!("{:?}", self.place), format!("{victim:?}"), took.as_millis())
    }
}

fn every_victim_in(place: Place) {
    let names: String = BEHAVIOURS.iter().fold(String::new(), |mut names, behaviour| {
        let _ = write!(names, " {:>13}", behaviour.name);
        names
    });
    let mut table = format!("{:<17} {:<24}{names}  until so\n", "place", "victim");
    for victim in [Victim::Bot, Victim::Engine, Victim::Guard, Victim::Both, Victim::EngineUnderStoppedGuard] {
        let Some(mut cell) = Cell::make(place, victim) else {
            println!("skipped: this host has no place of the kind {place:?}");
            return;
        };
        writeln!(table, "{}", cell.try_out(victim)).unwrap();
    }
    println!("{table}");
}

#[test]
fn as_root_with_a_cgroup() {
    every_victim_in(Place::RootWithCgroup);
}

#[test]
fn as_root_without_a_cgroup() {
    every_victim_in(Place::RootWithout);
}

#[test]
fn as_an_ordinary_user() {
    every_victim_in(Place::OrdinaryUser);
}

#[test]
fn as_an_ordinary_user_in_a_subtree_of_its_own() {
    every_victim_in(Place::DelegatedSubtree);
}

#[test]
fn as_the_first_process_of_a_container() {
    every_victim_in(Place::Container);
}

#[test]
fn in_a_bare_session() {
    every_victim_in(Place::BareSession);
}

#[test]
fn in_namespaces_as_root() {
    every_victim_in(Place::NamespaceAsRoot);
}

#[test]
fn in_namespaces_as_an_ordinary_user() {
    every_victim_in(Place::NamespaceAsUser);
}
