//! `FDSTORE`: descriptors that outlive a component's crash, and are nobody else's.

use crate::python_bot::{self, said, wait_said};
use crate::system::{System, signal};
use std::io::Read as _;
use std::net::TcpStream;

/// Says what it was given; where that was nothing, it listens, has its socket kept and answers nobody. Otherwise it answers
/// every connection with its number.
const LISTENER: &str = r#"
given = int(os.environ.get("LISTEN_FDS", "0")) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
names = os.environ.get("LISTEN_FDNAMES", "")
if given:
    listener = socket.socket(fileno=3)
else:
    listener = socket.create_server(("127.0.0.1", 0))
    notify("FDSTORE=1\nFDNAME=orders", [listener.fileno()])
notify("READY=1")
say(f"{given} {names} {listener.getsockname()[1]}")
if not given:
    # A process that is killed in its `accept` takes the connection along.
    sleep_for_ever()
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"#;

const KEEPS: &str = "fd_store_max = 4\nreadiness = { notify = true }\n";

fn wait_kept(system: &System, count: u64) {
    system.wait_status("so many descriptors kept", |status| status["components"][0]["descriptors_kept"] == count);
}

#[test]
fn a_listening_socket_survives_a_crash_and_refuses_nobody_meanwhile() {
    let mut system = python_bot::system(KEEPS, LISTENER);
    system.start();
    system.wait_active();
    wait_kept(&system, 1);
    let first = wait_said(&system, 1)[0].clone();
    let port: u16 = first.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(first.starts_with("0 "), "{first}");
    let bot = system.pid_of("bot").unwrap();
    let mut waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
    signal(bot, libc::SIGKILL);
    let again = wait_said(&system, 2)[1].clone();
    assert_eq!(again, format!("1 orders {port}"));
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.parse::<i32>().ok(), system.pid_of("bot"), "who waited is served by the successor");

    // Over a restart by an operator too; over a stop not.
    assert_eq!(system.run("restart", &["bot"]).status.code(), Some(0));
    assert_eq!(wait_said(&system, 3)[2], format!("1 orders {port}"));
    assert_eq!(system.run("stop", &["bot"]).status.code(), Some(0));
    wait_kept(&system, 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "closed");
    assert_eq!(system.run("start", &["bot", "--reason", "go"]).status.code(), Some(0));
    assert!(wait_said(&system, 4)[3].starts_with("0 "));
    assert_eq!(system.stop(), 0);
}

#[test]
fn nothing_is_kept_unless_that_is_configured_and_never_more() {
    let script = r#"
pipes = [os.pipe() for _ in range(3)]
notify("FDSTORE=1", [pipe[0] for pipe in pipes])
notify("READY=1")
waits, passed = os.pipe()
notify("BARRIER=1", [passed])
os.close(passed)
os.read(waits, 1)
say("passed")
sleep_for_ever()"#;
    let mut system = python_bot::system("readiness = { notify = true }\n", script);
    system.start();
    wait_said(&system, 1);
    wait_kept(&system, 0);
    assert!(system.log().contains("set its `fd_store_max`"), "{}", system.log());
    assert_eq!(system.stop(), 0);
    let mut system = python_bot::system("fd_store_max = 2\nreadiness = { notify = true }\n", script);
    system.start();
    wait_said(&system, 1);
    wait_kept(&system, 2);
    assert!(system.log().contains("1 descriptors above `fd_store_max` were closed"), "{}", system.log());
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_is_kept_goes_to_its_component_alone_and_can_be_taken_back() {
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\norders = \"asks\"\n{}{KEEPS}\
         [[component]]\nname = \"other\"\norders = \"none\"\ndepends_on = [\"bot\"]\n{}",
        python_bot::command("bot"),
        python_bot::command("other")
    ));
    python_bot::write(
        &system,
        "bot",
        r#"
one, two = os.pipe(), os.pipe()
notify("FDSTORE=1\nFDNAME=one\nFDPOLL=0", [one[0]])
notify("FDSTORE=1\nFDNAME=two\nFDPOLL=0", [two[0]])
notify("READY=1")
while not os.path.exists("go"):
    time.sleep(0.02)
notify("FDSTOREREMOVE=1\nFDNAME=two")
sleep_for_ever()"#,
    );
    python_bot::write(
        &system,
        "other",
        r#"
extra = [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
say(f"{'LISTEN_FDS' in os.environ} {len(extra) <= 1}")
sleep_for_ever()"#,
    );
    system.start();
    system.wait_active();
    wait_kept(&system, 2);
    assert_eq!(wait_said(&system, 1), ["False True"], "another component's, and no descriptor of it");
    std::fs::write(system.path("go"), "").unwrap();
    wait_kept(&system, 1);
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_hangs_up_is_dropped_unless_that_is_not_wanted() {
    let mut system = python_bot::system(
        KEEPS,
        r#"
if "LISTEN_FDS" in os.environ:
    say(os.environ["LISTEN_FDNAMES"])
    notify("READY=1")
    sleep_for_ever()
polled, unpolled = socket.socketpair(), socket.socketpair()
notify("FDSTORE=1\nFDNAME=polled", [polled[0].fileno()])
notify("FDSTORE=1\nFDNAME=unpolled\nFDPOLL=0", [unpolled[0].fileno()])
notify("READY=1")
sleep_for_ever()"#,
    );
    system.start();
    system.wait_active();
    wait_kept(&system, 2);
    // Its end closes the other ends of both.
    signal(system.pid_of("bot").unwrap(), libc::SIGKILL);
    assert_eq!(wait_said(&system, 1), ["unpolled"]);
    wait_kept(&system, 1);
    assert_eq!(said(&system).len(), 1);
    assert_eq!(system.stop(), 0);
}

#[test]
fn the_kill_switch_keeps_nothing() {
    let mut system = python_bot::system(KEEPS, LISTENER);
    system.start();
    system.wait_active();
    wait_kept(&system, 1);
    assert_eq!(system.run("kill-switch engage", &["--reason", "enough"]).status.code(), Some(0));
    wait_kept(&system, 0);
    system.stop();
}
