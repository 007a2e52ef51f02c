//! The responder without a port: as the forced command of an ssh key, with the lines that docs/reference/watchdog.md gives, word
//! for word. Skipped, and said so, where there is no sshd.

use crate::hosts::Host;
use crate::stage::{SECOND, Setup, WATCHDOG, Watched, is, watchdog};
use crate::system::until;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SSHD: &str = "/usr/sbin/sshd";

/// A line of the documentation that begins so.
fn documented(start: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/watchdog.md")).unwrap();
    let found = page.lines().map(str::trim).find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("the page has no line that begins with {start}")).to_owned()
}

/// An sshd of the test's own, ended with it.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

/// An sshd that takes one key, and an `ssh` in `bin` that knows it as bot-host.
fn serve(folder: &Path, authorized: &str) -> Sshd {
    let at = |name: &str| folder.join(name).display().to_string();
    let port = Host::here().free_port();
    keygen(&folder.join("host-key"));
    fs::write(folder.join("authorized_keys"), authorized).unwrap();
    fs::create_dir_all("/run/sshd").unwrap();
    let log = fs::File::create(folder.join("sshd.log")).unwrap();
    let path = format!("SetEnv=PATH={}:/usr/bin:/bin", at("bin"));
    let mut command = Command::new(SSHD);
    command.args(["-D", "-e", "-f", "/dev/null", "-p", &port.to_string(), "-h", &at("host-key")]);
    for option in [
        "ListenAddress=127.0.0.1",
        "StrictModes=no",
        "PasswordAuthentication=no",
        "PidFile=none",
        &format!("AuthorizedKeysFile={}", at("authorized_keys")),
        &path,
    ] {
        command.args(["-o", option]);
    }
    let sshd = Sshd(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    let missing = || format!("sshd: {}", fs::read_to_string(folder.join("sshd.log")).unwrap());
    until(missing, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
    fs::write(
        folder.join("ssh_config"),
        format!(
            "Host bot-host\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             BatchMode yes\n  UserKnownHostsFile {}\n  StrictHostKeyChecking accept-new\n",
            at("watchdog-key"),
            at("known_hosts")
        ),
    )
    .unwrap();
    let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", at("ssh_config"));
    fs::write(folder.join("bin/ssh"), wrapper).unwrap();
    fs::set_permissions(folder.join("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    sshd
}

#[test]
fn the_documented_lines_restart_an_engine_over_ssh() {
    // SAFETY: reads a number of the process and touches no memory.
    let root = unsafe { libc::geteuid() } == 0;
    if !root || !Path::new(SSHD).exists() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped the_documented_lines_restart_an_engine_over_ssh: it needs root and {SSHD}"
        );
        return;
    }
    let mut watched = Watched::prepare(Setup { target: SECOND, ..Setup::default() });
    let folder = watched.system.path("");
    fs::create_dir(folder.join("bin")).unwrap();
    symlink(watchdog(), folder.join("bin/failstop-watchdog")).unwrap();
    keygen(&folder.join("watchdog-key"));
    // Word for word, but for the place of the configuration and the key itself.
    let public = fs::read_to_string(folder.join("watchdog-key.pub")).unwrap();
    let line = documented("restrict,command=");
    let (forced, _) = line.split_once(" ssh-ed25519 ").unwrap();
    let configuration = folder.join("actuate.toml").display().to_string();
    let forced = forced.replace("/etc/failstop/actuate.toml", &configuration);
    assert!(forced.contains(&configuration), "{forced}");
    let _sshd = serve(&folder, &format!("{forced} {public}"));
    let unit = format!("name = \"{}\"", watched.system.name);
    let responder = watched
        .said("actuate.toml")
        .replace(&unit, "name = \"demo\"")
        .replace("engine = \"run\"", &format!("engine = \"{}\"", folder.join("run").display()));
    let responder = responder
        .replace("\"failstop.toml\"", &format!("\"{}\"", folder.join("failstop.toml").display()))
        .replace("[[unit]]", &format!("state_dir = \"{}\"\n[[unit]]", folder.join("actuate-state").display()));
    watched.write("actuate.toml", &responder);
    let text = watched.said("watchdog.toml");
    let (before, after) = (text.split("[target.restart]").next().unwrap(), text.split("step_timeout").nth(1).unwrap());
    // One line of the page holds both hooks.
    let hooks = documented("`signal = [").trim_matches(['`', '.']).replace("`, `", "\n");
    watched.write("watchdog.toml", &format!("{before}[target.restart]\nask = false\n{hooks}\nstep_timeout{after}"));

    watched.system.start();
    watched.system.wait_active();
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    watched.run_with(&["--config", "watchdog.toml"], WATCHDOG, &[("PATH", &path)]);
    watched.until_state("up");

    // Nothing but the commands of units, whatever is asked for over that key.
    let ssh = |command: &str| {
        let output = Command::new(folder.join("bin/ssh")).args(["bot-host", command]).stdin(Stdio::null()).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(ssh("status demo").0, Some(0), "{}", fs::read_to_string(folder.join("sshd.log")).unwrap());
    for command in ["touch pwned", "status demo; touch pwned", "", "start other"] {
        let (status, said) = ssh(command);
        assert!(matches!(status, Some(2 | 3)) && !said.is_empty(), "{command}: {status:?} {said}");
    }
    assert_eq!(ssh("start demo").0, Some(4), "it lives");
    assert_eq!(ssh("stop demo 7").0, Some(4), "another epoch");
    assert_eq!(watched.system.survivors().len(), 1);

    let engine = watched.freeze(true);
    let restarted = watched.told("a verified restart", |posted| {
        is(posted, "target-down", "update") && posted.text("title").contains("was restarted")
    });
    assert!(restarted.text("message").contains("SIGKILL"), "{restarted:#?}");
    watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert!(!crate::system::alive(engine));
    assert_eq!((watched.epoch(), watched.starts(), watched.system.survivors().len()), (Some(2), 2, 1));
}
