//! A Redis of the test's own, on a Unix socket, and a client that waits for each reply.

use crate::shared_rates::resp::{Parser, Reply, command};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(60);

/// The server in one file with the tools of its package, which starts no service where it is installed; its name is what makes it
/// one.
const PROGRAM: &str = "redis-check-rdb";

pub struct Redis {
    child: Child,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl Redis {
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let child = spawn(&folder, &options);
        let redis = Self { child, folder, options };
        redis.wait();
        redis
    }

    /// Empty, in the same place, after it was ended.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.folder, &self.options);
        self.wait();
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn client(&self) -> Client {
        Client { stream: UnixStream::connect(self.socket()).unwrap(), parser: Parser::default() }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    fn wait(&self) {
        eventually("the server's socket", || UnixStream::connect(self.socket()).is_ok());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(folder: &tempfile::TempDir, options: &[String]) -> Child {
    let mut redis = Command::new(PROGRAM);
    redis.arg0("redis-server").args(["--save", "", "--appendonly", "no", "--port", "0", "--daemonize", "no"]);
    redis.arg("--dir").arg(folder.path()).arg("--unixsocket").arg(folder.path().join("redis.sock")).args(options);
    redis.stdin(Stdio::null()).stdout(Stdio::null());
    redis.spawn().unwrap_or_else(|error| {
        panic!("{PROGRAM} (Debian: redis-tools) cannot be started: {error}; `cargo xtask setup` installs it")
    })
}

/// Waits until something holds, at most [`LONG`].
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub struct Client {
    stream: UnixStream,
    parser: Parser,
}

impl Client {
    pub fn call(&mut self, words: &[&str]) -> Reply {
        self.send(&command(words))
    }

    pub fn send(&mut self, bytes: &[u8]) -> Reply {
        self.stream.write_all(bytes).unwrap();
        let mut chunk = [0; 4096];
        loop {
            if let Some(reply) = self.parser.next().unwrap() {
                return reply;
            }
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the server ended the connection");
            self.parser.take(&chunk[..read]);
        }
    }

    /// What a holder has in a field, or nothing.
    pub fn field(&mut self, key: &str, field: &str) -> String {
        match self.call(&["HGET", key, field]) {
            Reply::Text(text) => text,
            Reply::Nothing => String::new(),
            other => panic!("{other:?}"),
        }
    }

    /// The sum of what a holder used in all parts of a window.
    pub fn used(&mut self, key: &str, field: &str) -> u64 {
        let places = self.field(key, field);
        places.split_whitespace().map(|place| place.split_once(':').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}
