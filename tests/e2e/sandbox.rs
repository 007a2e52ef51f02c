//! A sandboxed component does its work, and cannot do what it must not, whatever its user may.

use crate::system::{System, failstop, fake_bot, signal, until};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A bot that does everything a bot needs, then tries what it must not, and writes what came of each into its folder.
const BOT: &str = r#"
import ctypes, errno, hashlib, json, mmap, os, signal, socket, ssl, subprocess, sys, tempfile, threading, time
libc = ctypes.CDLL(None, use_errno=True)
outcome = {}
def attempt(name, action):
    try:
        result = action()
        outcome[name] = "done" if result is None else str(result)
    except OSError as error:
        outcome[name] = errno.errorcode.get(error.errno, str(error))
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def read(path):
    with open(path, "rb") as file:
        file.read(1)
def write(path):
    with open(path, "w") as file:
        file.write("x")

# What a bot needs.
def notify():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1\nSTATUS=trading", os.environ["NOTIFY_SOCKET"])
def speak():
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(os.environ["FAILSTOP_SOCKET"])
        stream.sendall(b'{"type":"heartbeat","id":1}\n')
        return json.loads(stream.makefile().readline())["ok"]
def page():
    with open(os.environ["FAILSTOP_PERMIT"], "rb") as file:
        return len(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)) > 0
def internet():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        server.accept()[0].sendall(b"x")
        return client.recv(1).decode()
def thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
attempt("notify", notify)
attempt("bot socket", speak)
attempt("permit page", page)
attempt("internet", internet)
attempt("names", lambda: socket.getaddrinfo("localhost", 80) and None)
attempt("certificates", lambda: ssl.create_default_context() and None)
attempt("thread", thread)
attempt("child", lambda: subprocess.run(["/bin/sh", "-c", "exit 3"]).returncode)
attempt("own folder", lambda: write("kept"))
attempt("temporary file", lambda: tempfile.TemporaryFile() and None)
attempt("credential", lambda: read(os.environ["CREDENTIALS_DIRECTORY"] + "/key"))
attempt("readable", lambda: read(sys.argv[1] + "/readable/file"))
attempt("writable", lambda: write(sys.argv[1] + "/writable/file"))

# What it must not.
folder = sys.argv[1]
attempt("secret beside", lambda: read(folder + "/secret"))
attempt("configuration", lambda: read(folder + "/failstop.toml"))
attempt("journal", lambda: os.listdir(folder + "/state/journal") and None)
attempt("write page", lambda: os.close(os.open(os.environ["FAILSTOP_PERMIT"], os.O_RDWR)))
attempt("write beside", lambda: write(folder + "/planted"))
attempt("write readable", lambda: write(folder + "/readable/planted"))
attempt("write /etc", lambda: write("/etc/failstop-planted"))
attempt("write /tmp", lambda: write("/tmp/failstop-planted-" + str(os.getpid())))
attempt("signal engine", lambda: os.kill(os.getppid(), 0))
attempt("engine's environment", lambda: read(f"/proc/{os.getppid()}/environ"))
attempt("ptrace", lambda: call(101, 0, 0, 0, 0))
attempt("mount", lambda: call(165, b"none", folder.encode() + b"/own", b"tmpfs", 0, None))
attempt("namespace", lambda: call(272, 0x10000000))
attempt("clone3", lambda: call(435, None, 0))
attempt("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close())
attempt("clock", lambda: call(227, 0, None))
attempt("modules", lambda: call(175, None, 0, None))
with open("outcome.new", "w") as file:
    json.dump(outcome, file)
os.rename("outcome.new", "outcome")
stream = socket.socket(socket.AF_UNIX)
stream.connect(os.environ["FAILSTOP_SOCKET"])
while True:
    stream.sendall(b'{"type":"heartbeat"}\n')
    time.sleep(0.5)
"#;

const WORKS: [(&str, &str); 13] = [
    ("notify", "done"),
    ("bot socket", "True"),
    ("permit page", "True"),
    ("internet", "x"),
    ("names", "done"),
    ("certificates", "done"),
    ("thread", "done"),
    ("child", "3"),
    ("own folder", "done"),
    ("temporary file", "done"),
    ("credential", "done"),
    ("readable", "done"),
    ("writable", "done"),
];

const FILES_REFUSED: [&str; 8] = [
    "secret beside",
    "configuration",
    "journal",
    "write page",
    "write beside",
    "write readable",
    "write /etc",
    "write /tmp",
];

const CALLS_REFUSED: [&str; 7] = ["ptrace", "mount", "namespace", "packets", "clock", "modules", "clone3"];

/// The Python that `cargo xtask setup` makes, in a virtual environment as bots have it.
fn python() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python3");
    path.to_str().unwrap().to_owned()
}

fn sandboxed(python: &str, sandbox: &str) -> System {
    let system = System::new(&format!(
        "[[component]]\nname = \"bot\"\norders = \"asks\"\nworking_dir = \"own\"\n\
         command = [\"{python}\", \"bot.py\", \"DIR\"]\nreadiness = {{ notify = true }}\nliveness = {{ heartbeat = \"10s\" }}\n\
         credentials = {{ key = {{ file = \"secret\" }} }}\ncredentials_on_disk = true\nsandbox = {{ {sandbox} }}\n"
    ));
    for folder in ["own", "readable", "writable"] {
        std::fs::create_dir(system.path(folder)).unwrap();
        std::fs::set_permissions(system.path(folder), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for (name, text) in [("own/bot.py", BOT), ("readable/file", "x"), ("secret", "the key")] {
        std::fs::write(system.path(name), text).unwrap();
    }
    std::fs::set_permissions(system.path("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    system
}

#[track_caller]
fn outcome(system: &System) -> Value {
    let bot = || std::fs::read_to_string(system.path("state/logs/bot.log")).unwrap_or_default();
    let missing = || format!("an outcome; log:\n{}\nbot:\n{}", system.log(), bot());
    let text = until(missing, || std::fs::read_to_string(system.path("own/outcome")).ok());
    serde_json::from_str(&text).unwrap()
}

const BOTH: &str = "filesystem = \"own-folder\", system_calls = \"ordinary\", readable = [\"DIR/readable\"], writable = [\"DIR/writable\"]";

#[track_caller]
fn does_its_work_and_nothing_else(mut system: System) {
    system.start();
    let outcome = outcome(&system);
    for (name, wanted) in WORKS {
        assert_eq!(outcome[name], wanted, "{outcome:#}");
    }
    for name in FILES_REFUSED {
        assert_eq!(outcome[name], "EACCES", "{name}: {outcome:#}");
    }
    for name in CALLS_REFUSED {
        let wanted = if name == "clone3" { "ENOSYS" } else { "EPERM" };
        assert_eq!(outcome[name], wanted, "{name}: {outcome:#}");
    }
    let environment = outcome["engine's environment"].as_str().unwrap();
    assert!(["EACCES", "EPERM"].contains(&environment), "{outcome:#}");
    assert_eq!(outcome["signal engine"], "EPERM", "{outcome:#}");
    let status = system.wait_active();
    assert_eq!(status["components"][0]["status_text"], "trading");
    assert_eq!(system.stop(), 0);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn as_root() {
    does_its_work_and_nothing_else(sandboxed(&python(), BOTH));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn under_an_ordinary_user_who_may_read_all_of_it() {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // The interpreter of the tests may lie where nobody else may look.
    let runs = |python: &String| {
        let mut command = std::process::Command::new(python);
        command.args(["-c", "import ssl"]).uid(65534).gid(65534).output().is_ok_and(|output| output.status.success())
    };
    let Some(python) = [python(), "/usr/bin/python3".to_owned()].into_iter().find(runs) else {
        println!("skipped: another user cannot run Python here");
        return;
    };
    let system = sandboxed(&python, BOTH).run_as(65534);
    std::os::unix::fs::chown(system.path("secret"), Some(65534), Some(65534)).unwrap();
    does_its_work_and_nothing_else(system);
}

/// What a bot on Node.js needs: its threads, its workers, children, names, files, sockets, the bot socket.
const NODE: &str = r#"
const fs = require('fs'), http = require('http'), net = require('net'), dns = require('dns'), cp = require('child_process');
const { Worker } = require('worker_threads');
const did = [];
(async () => {
  await new Promise(done => {
    const server = http.createServer((_, answer) => answer.end('ok')).listen(0, '127.0.0.1', () =>
      http.get({ host: '127.0.0.1', port: server.address().port }, answer => {
        answer.on('data', data => did.push('http ' + data));
        answer.on('end', () => { server.close(); done(); });
      }));
  });
  await new Promise(done => new Worker('', { eval: true }).on('exit', status => { did.push('worker ' + status); done(); }));
  did.push('child ' + cp.execSync('echo hi').toString().trim());
  await new Promise(done => dns.lookup('localhost', error => { did.push('names ' + (error ? error.code : 'ok')); done(); }));
  try { fs.readFileSync('../failstop.toml'); } catch (error) { did.push('beside ' + error.code); }
  await new Promise(done => {
    const bot = net.connect(process.env.FAILSTOP_SOCKET, () => bot.write('{"type":"heartbeat","id":1}\n'));
    bot.once('data', data => { did.push('bot socket ' + JSON.parse(String(data).split('\n')[0]).ok); done(); });
  });
  fs.writeFileSync('outcome.new', JSON.stringify(did));
  fs.renameSync('outcome.new', 'outcome');
  setInterval(() => {}, 1000);
})();
"#;

#[test]
fn a_bot_on_node_does_its_work() {
    let mut system = System::new(
        "[[component]]\nname = \"bot\"\norders = \"asks\"\nworking_dir = \"own\"\ncommand = [\"node\", \"bot.js\"]\n\
         sandbox = { filesystem = \"own-folder\", system_calls = \"ordinary\" }\n",
    );
    std::fs::create_dir(system.path("own")).unwrap();
    std::fs::write(system.path("own/bot.js"), NODE).unwrap();
    system.start();
    let did = ["http ok", "worker 0", "child hi", "names ok", "beside EACCES", "bot socket true"];
    assert_eq!(outcome(&system), serde_json::json!(did));
    assert_eq!(system.stop(), 0);
}

/// The same bot without a sandbox does what it must not: what the tests above see is the sandbox's doing.
#[test]
fn without_a_sandbox_it_could() {
    let mut system = sandboxed(&python(), "");
    system.start();
    let outcome = outcome(&system);
    for name in ["secret beside", "configuration", "journal", "write beside", "signal engine", "engine's environment"] {
        assert_eq!(outcome[name], "done", "{name}: {outcome:#}");
    }
    assert_eq!(system.stop(), 0);
}

#[test]
fn each_part_stands_alone_and_check_and_status_say_what_is_enforced() {
    let mut system = sandboxed(&python(), "system_calls = \"ordinary\"");
    system.start();
    let outcome = outcome(&system);
    assert_eq!(
        (outcome["ptrace"].as_str(), outcome["secret beside"].as_str()),
        (Some("EPERM"), Some("done")),
        "{outcome:#}"
    );
    let status = system.wait_active();
    let coverage = status["coverage"].to_string();
    assert!(coverage.contains("ordinary system calls alone") && !coverage.contains("its own folder"), "{status:#}");
    assert_eq!(system.stop(), 0);

    let system = sandboxed(&python(), "filesystem = \"own-folder\", readable = [\"DIR/absent\"]");
    let check = system.run("check", &["--offline", "--only", "sandbox"]);
    let text = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.code() == Some(1) && text.contains("absent, which does not exist"), "{text}");
}

/// What the sandbox names and is not there: no start, rather than one with less of it.
#[test]
fn a_sandbox_that_cannot_be_made_is_no_start() {
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\norders = \"none\"\nworking_dir = \"own\"\ncommand = [\"{}\", \"append\", \"DIR/own/started\"]\n\
         sandbox = {{ filesystem = \"own-folder\", writable = [\"DIR/absent\"] }}\n",
        fake_bot()
    ));
    std::fs::create_dir(system.path("own")).unwrap();
    system.start_with(&[], &[]);
    let record = system.wait_record(0, "component.start_failed", |_| true);
    assert!(record["b"]["error"].as_str().unwrap().contains("correct `writable`"), "{record}");
    assert!(!system.path("own/started").exists());
}

/// Runs a program on a kernel without Landlock and seccomp, as far as the program can tell: x86-64's numbers.
#[cfg(target_arch = "x86_64")]
const WITHOUT: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
steps = [(0x20, 0, 0, 0)]  # the number of the call
for call, answer in [(444, 38), (317, 22)]:
    steps += [(0x15, 0, 1, call), (0x06, 0, 0, 0x00050000 | answer)]
steps += [(0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]
filter = Program(len(steps), ctypes.addressof(program))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(filter)) == 0
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn a_host_that_cannot_do_it_says_so_and_starts_nothing() {
    for (sandbox, by_check, at_the_start) in [
        ("filesystem = \"own-folder\"", "this kernel cannot keep it to its own folder", "Landlock is missing"),
        (
            "system_calls = \"ordinary\"",
            "this kernel takes no filter of system calls",
            "putting its sandbox in force failed",
        ),
    ] {
        let system = sandboxed(&python(), sandbox);
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new("python3");
            command.args(["-c", WITHOUT, failstop()]).args(arguments).args(["--config", "failstop.toml"]);
            command.current_dir(system.path("")).stdin(std::process::Stdio::null());
            command
        };
        let check = run(&["check", "--offline", "--only", "sandbox"]).output().unwrap();
        let text = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(check.status.code() == Some(1) && text.contains(by_check), "{text}");

        let log = std::fs::File::create(system.path("run.log")).unwrap();
        let mut engine = run(&["run"]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let record = system.wait_record(0, "component.start_failed", |_| true);
        assert!(record["b"]["error"].as_str().unwrap().contains(at_the_start), "{record}");
        assert!(!system.path("own/outcome").exists());
        signal(i32::try_from(engine.id()).unwrap(), libc::SIGTERM);
        engine.wait().unwrap();
    }
}
