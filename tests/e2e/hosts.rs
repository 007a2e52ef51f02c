//! Where a test's programs run: on this host, or on hosts of their own, which are network namespaces at one switch. Namespaces
//! need root and iproute2; where they are not to be had, a test says so and is skipped.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What `ip` says where a namespace or a link cannot be had on this machine, as opposed to a mistake of the test's.
const NOT_TO_BE_HAD: &[&str] = &["not permitted", "ermission denied", "Unknown device type", "not supported"];

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its network namespace; `None`: the one that the tests run in.
    namespace: Option<String>,
    /// What its programs read as `/etc/hosts`, where that is another file than this machine's.
    names: Option<PathBuf>,
    /// Where others reach it.
    pub address: Ipv4Addr,
}

impl Host {
    /// This host, at its loopback address.
    pub fn here() -> Self {
        Self { namespace: None, names: None, address: Ipv4Addr::LOCALHOST }
    }

    /// A program on this host, not started yet. Its process number is the one that its child has.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{namespace}")).arg("--");
        if let Some(names) = &self.names {
            let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
            command.args(["unshare", "--mount", "sh", "-c", script]).arg(names);
        }
        command.arg(program);
        command
    }

    /// Does something on this host: sockets that are made there belong to it.
    pub fn enter<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let Some(namespace) = &self.namespace else { return run() };
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let file = File::open(format!("/run/netns/{namespace}")).unwrap();
                // SAFETY: the descriptor is open for the length of the call; only this thread's own namespace changes.
                let set = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
                assert_eq!(set, 0, "{namespace}: {}", std::io::Error::last_os_error());
                run()
            });
            entered.join().unwrap()
        })
    }

    /// A port that nobody uses: an engine that is started anew must be found where it was.
    pub fn free_port(&self) -> u16 {
        self.listener(self.address, 0).local_addr().unwrap().port()
    }

    /// A listening socket on this host.
    pub fn listener(&self, address: Ipv4Addr, port: u16) -> TcpListener {
        self.enter(|| TcpListener::bind(SocketAddr::from((address, port))).unwrap())
    }
}

/// Two hosts at a switch, which is a third one. All of it goes with the test.
pub struct Net {
    tag: String,
    /// Where the bot runs.
    pub bot: Host,
    /// Where the watchdog runs.
    pub eye: Host,
    /// An address at the switch that answers to whoever has a network.
    pub reference: SocketAddr,
}

impl Net {
    /// Makes them; `None`, said aloud, where this machine does not permit it.
    pub fn make() -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let tag = format!("fs{}n{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let host = |letter: char, last: u8| Host {
            namespace: Some(format!("{tag}{letter}")),
            names: None,
            address: Ipv4Addr::new(10, 77, 0, last),
        };
        let (hub, eye, bot) = (host('h', 1), host('w', 2), host('b', 3));
        let mut net = Self { tag: tag.clone(), bot, eye, reference: SocketAddr::from((hub.address, 9)) };
        for line in [
            format!("netns add {tag}h"),
            format!("netns add {tag}w"),
            format!("netns add {tag}b"),
            format!("-n {tag}h link add br0 type bridge"),
            format!("-n {tag}h link add wp type veth peer name eth0 netns {tag}w"),
            format!("-n {tag}h link add bp type veth peer name eth0 netns {tag}b"),
            format!("-n {tag}h link set wp master br0"),
            format!("-n {tag}h link set bp master br0"),
            format!("-n {tag}h addr add {}/24 dev br0", hub.address),
            format!("-n {tag}w addr add {}/24 dev eth0", net.eye.address),
            format!("-n {tag}b addr add {}/24 dev eth0", net.bot.address),
            format!("-n {tag}h link set wp up"),
            format!("-n {tag}h link set bp up"),
            format!("-n {tag}h link set br0 up"),
            format!("-n {tag}w link set eth0 up"),
            format!("-n {tag}b link set eth0 up"),
            format!("-n {tag}w link set lo up"),
            format!("-n {tag}b link set lo up"),
        ] {
            if !ip_or_skip(&line) {
                return None;
            }
        }
        let listener = hub.listener(hub.address, 0);
        net.reference = listener.local_addr().unwrap();
        std::thread::spawn(move || listener.incoming().for_each(drop));
        Some(net)
    }

    /// Plugs the bot's host in or out.
    pub fn plug_bot(&self, plugged: bool) {
        self.plug('b', plugged);
    }

    /// Plugs the watchdog's host in or out.
    pub fn plug_eye(&self, plugged: bool) {
        self.plug('w', plugged);
    }

    fn plug(&self, letter: char, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {}{letter} link set eth0 {state}", self.tag)).unwrap();
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for letter in ['w', 'h', 'b'] {
            // One that was never made cannot be removed.
            let _ = ip(&format!("netns del {}{letter}", self.tag));
        }
    }
}

/// A host with no way to any other, for programs whose venue's name stands in them: the names lead to its own loopback address,
/// where the test has put somebody to answer. It goes with the test.
pub struct Island {
    name: String,
    /// The host.
    pub host: Host,
}

impl Island {
    /// Makes it, with these names for its loopback address in a file in `folder`; `None`, said aloud, where this machine does
    /// not permit it.
    pub fn make(folder: &Path, names: &[&str]) -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("fs{}i{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let file = folder.join("hosts");
        std::fs::write(&file, format!("127.0.0.1 localhost {}\n", names.join(" "))).unwrap();
        let host = Host { namespace: Some(name.clone()), names: Some(file), address: Ipv4Addr::LOCALHOST };
        let island = Self { name: name.clone(), host };
        let made = ip_or_skip(&format!("netns add {name}")) && ip_or_skip(&format!("-n {name} link set lo up"));
        made.then_some(island)
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        // One that was never made cannot be removed.
        let _ = ip(&format!("netns del {}", self.name));
    }
}

/// Runs `ip`; `false`, said aloud, where this machine does not permit it.
fn ip_or_skip(line: &str) -> bool {
    let Err(why) = ip(line) else { return true };
    assert!(NOT_TO_BE_HAD.iter().any(|known| why.contains(known)), "`ip {line}`: {why}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the capture of output: a test that was skipped must be seen to be.
    let _ = writeln!(std::io::stderr(), "skipped {test}: no network namespaces here: `ip {line}`: {why}");
    false
}

/// Runs `ip`; what it says where it fails.
fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{error} (not permitted without iproute2)")),
    }
}
