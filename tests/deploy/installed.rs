//! The package, installed by dpkg on a machine of its own, and the units run by a real systemd: what they start, what they
//! start again, what they leave down, and that nothing survives.

use crate::files::{good, root};
use crate::machine::Machine;
use std::process::Command;
use std::sync::OnceLock;

/// The package, built from the binaries under test.
fn package() -> &'static (tempfile::TempDir, std::path::PathBuf) {
    static PACKAGE: OnceLock<(tempfile::TempDir, std::path::PathBuf)> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let binaries = crate::files::watchdog().parent().unwrap().to_owned();
        let output = Command::new(root().join("deploy/debian/build"))
            .args(["--compression", "none", "--binaries"])
            .arg(binaries)
            .arg("--output")
            .arg(folder.path())
            .output()
            .unwrap();
        let path = good(&output).trim().into();
        (folder, path)
    })
}

#[test]
fn what_its_pages_name_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    good(&Command::new("dpkg-deb").arg("--extract").arg(&package().1).arg(folder.path()).output().unwrap());
    let doc = folder.path().join("usr/share/doc/failstop");
    let mut looked_at = 0;
    for folder in ["docs", "docs/guide", "docs/reference", "docs/runbooks", "docs/adr", "examples/bots"] {
        let pages = std::fs::read_dir(doc.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for page in pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            looked_at += 1;
            for rest in std::fs::read_to_string(&page).unwrap().split("](").skip(1) {
                let target = rest.split([')', '#']).next().unwrap();
                // What is for whoever builds it comes with the source.
                let of_the_source = ["://", "../crates/", "../clients/", "../tests/"];
                let outside = target.is_empty() || of_the_source.iter().any(|at| target.contains(at));
                assert!(outside || page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            }
        }
    }
    assert!(looked_at > 50, "{looked_at}");
    for file in ["docs/ledger.md", "docs/gate.md", "examples/verify_journal.py", "examples/bots/shell/bot.sh"] {
        assert!(doc.join(file).exists(), "{file}");
    }
}

const DEMO: &str = r#"
[system]
name = "demo"
state_dir = "/var/lib/failstop/demo"
mode = "dry"

[control]
listen = "127.0.0.1:8443"
keys = ["engine.key"]

[[component]]
name = "bot"
command = ["/bin/sleep", "7261"]
orders = "none"
stop_grace = "2s"
"#;

/// Live processes of the bot.
const BOT: &str = "pgrep --count --full '^/bin/sleep 7261'";

/// A machine with the package, the configuration and the key of its control listener.
fn machine(test: &str) -> Option<Machine> {
    let machine = Machine::boot(test)?;
    let (_, path) = package();
    machine.put(path, "failstop.deb");
    machine.good("dpkg --install --no-triggers /share/failstop.deb");
    machine.write("/etc/failstop/demo.toml", DEMO);
    let key = format!("wd1:{}", "5a".repeat(32));
    machine.write("/etc/failstop/engine.key", &key);
    machine.good("chown failstop /etc/failstop/engine.key && chmod 0600 /etc/failstop/engine.key");
    Some(machine)
}

/// Waits until the unit runs with another main process than this.
#[track_caller]
fn another_life(machine: &Machine, than: &str) -> String {
    machine.until(&format!(
        "systemctl is-active --quiet failstop@demo && test $(systemctl show -P MainPID failstop@demo) != {than}"
    ));
    machine.property("failstop@demo", "MainPID")
}

/// Kills guard and engine at once: the guard, stopped, cannot clean up after the engine.
fn kill_both(machine: &Machine, guard: &str) {
    let engine = machine.good(&format!("pgrep --parent {guard}"));
    machine.good(&format!("kill -STOP {guard} && kill -KILL {engine} && kill -KILL {guard}"));
}

#[test]
fn it_installs_checks_runs_and_leaves_what_is_yours() {
    let Some(machine) = machine("it_installs_checks_runs_and_leaves_what_is_yours") else { return };
    assert_eq!(
        machine.good("stat -c '%U:%G %a' /etc/failstop /etc/failstop/watchdog.env"),
        "root:failstop 751\nroot:root 640"
    );
    assert_eq!(machine.good("getent passwd failstop failstop-watchdog | wc -l"), "2");
    for file in ["/usr/share/man/man1/failstop-run.1.gz", "/usr/share/bash-completion/completions/failstop"] {
        machine.good(&format!("test -s {file}"));
    }
    // Nothing runs yet, and the check that a person makes first passes.
    assert_eq!(machine.shell("systemctl list-units --plain --no-legend 'failstop*'").1.trim(), "");
    machine.good("failstop check --offline --config /etc/failstop/demo.toml");

    machine.good("systemctl start failstop@demo");
    assert_eq!(machine.property("failstop@demo", "StatusText"), "active");
    machine.until(&format!("test \"$({BOT})\" = 1"));
    let said = machine.good("failstop status --config /etc/failstop/demo.toml");
    assert!(said.contains("kill of its whole tree (cgroup)"), "{said}");
    // What the sandbox of the unit would break: whether the clock is synchronised is asked by a system call.
    machine.good(
        "sed -e 's|^ExecStart=.*|ExecStart=/usr/bin/failstop check --only clock --config /etc/failstop/%i.toml|' \
         -e 's/^Type=notify/Type=oneshot/' -e '/^Restart/d' -e '/^WatchdogS/d' -e '/^RuntimeD/d' \
         /usr/lib/systemd/system/failstop@.service > /run/systemd/system/clock@.service && systemctl daemon-reload",
    );
    machine.good("systemctl start clock@demo");
    let clock = machine.good("journalctl --sync && journalctl --no-pager --output=cat --unit clock@demo");
    assert!(clock.contains("synchronised") && !clock.contains("does not say"), "{clock}");
    machine.good("test -S /run/failstop/demo/control.sock");
    machine.good("systemctl start failstop-verify@demo");
    machine.good("systemctl reload failstop@demo");

    // The same package again is an upgrade, and stops nothing.
    let before = machine.property("failstop@demo", "MainPID");
    let upgrade = machine.good("dpkg --install --no-triggers /share/failstop.deb");
    assert!(
        upgrade.contains("still running the former version, restart when it suits: failstop@demo.service"),
        "{upgrade}"
    );
    assert_eq!(machine.property("failstop@demo", "MainPID"), before);

    // A removal stops the bot, and keeps what is not the package's.
    machine.good("dpkg --remove --no-triggers failstop");
    assert_eq!(machine.shell(BOT).1.trim(), "0");
    machine
        .good("test ! -e /usr/bin/failstop && test -e /etc/failstop/watchdog.env && test -e /etc/failstop/demo.toml");
    let purge = machine.good("dpkg --purge --no-triggers failstop");
    assert!(purge.contains("/var/lib/failstop is kept"), "{purge}");
    machine.good("test ! -e /etc/failstop/watchdog.env && ls /var/lib/failstop/demo/journal/*.ndjson");
}

#[test]
fn what_dies_is_started_again_and_what_was_stopped_is_not() {
    let Some(machine) = machine("what_dies_is_started_again_and_what_was_stopped_is_not") else { return };
    machine.good("systemctl start failstop@demo");
    let first = machine.property("failstop@demo", "MainPID");
    machine.until(&format!("test \"$({BOT})\" = 1"));

    // Guard and engine killed at once: only the unit's cgroup is left to end the bot.
    let bot = machine.good("pgrep --full '^/bin/sleep 7261'");
    kill_both(&machine, &first);
    another_life(&machine, &first);
    machine.good(&format!("test ! -e /proc/{bot}"));
    machine.until(&format!("test \"$({BOT})\" = 1"));

    // The same with a child that left its parents, and nobody who starts the unit again and finds it.
    machine.good("systemctl stop failstop@demo");
    machine.write(
        "/etc/failstop/demo.toml",
        &DEMO.replace(
            r#"["/bin/sleep", "7261"]"#,
            r#"["/bin/sh", "-c", "setsid --fork /bin/sleep 7261; exec /bin/sleep 9"]"#,
        ),
    );
    let folder = "/run/systemd/system/failstop@demo.service.d";
    machine.good(&format!(
        "mkdir -p {folder} && printf '[Service]\\nRestart=no\\n' > {folder}/no.conf && systemctl daemon-reload"
    ));
    machine.good("systemctl start failstop@demo");
    machine.until(&format!("test \"$({BOT})\" = 1"));
    let main = machine.property("failstop@demo", "MainPID");
    kill_both(&machine, &main);
    machine.until("systemctl show -P ActiveState failstop@demo | grep -qx failed");
    assert_eq!(machine.shell(BOT).1.trim(), "0");
    machine.good(&format!("rm -r {folder} && systemctl daemon-reload && systemctl reset-failed failstop@demo"));
    machine.write("/etc/failstop/demo.toml", DEMO);
    machine.good("systemctl start failstop@demo");
    let second = machine.property("failstop@demo", "MainPID");

    // A stop that was asked for, by whatever way, is not undone.
    machine.good(&format!("kill -TERM {second}"));
    machine.until("systemctl show -P ActiveState failstop@demo | grep -qx inactive");
    assert_eq!(machine.property("failstop@demo", "NRestarts"), "0");
    assert_eq!(machine.shell(BOT).1.trim(), "0");

    // The kill switch outlives its engine; the unit is up with the doors open, and stays stopped with status 5.
    machine.good("failstop kill-switch engage --config /etc/failstop/demo.toml --reason test");
    machine.good("systemctl start failstop@demo");
    assert_eq!(machine.property("failstop@demo", "StatusText"), "shutdown");
    assert_eq!(machine.shell(BOT).1.trim(), "0");
    let third = machine.property("failstop@demo", "MainPID");
    machine.good(&format!("kill -TERM {third}"));
    machine.until("systemctl show -P ActiveState failstop@demo | grep -qx failed");
    assert_eq!(machine.property("failstop@demo", "ExecMainStatus"), "5");
    machine.good("systemctl start failstop@demo");
    machine.good("failstop kill-switch release --config /etc/failstop/demo.toml --reason test --confirm demo");
    machine.until(&format!("test \"$({BOT})\" = 1"));
    machine.good("systemctl stop failstop@demo");

    // A configuration that cannot be used is not tried five times.
    machine.good("echo nonsense >> /etc/failstop/demo.toml");
    assert_ne!(machine.shell("systemctl start failstop@demo").0, 0);
    assert_eq!(machine.property("failstop@demo", "ExecMainStatus"), "2");
    assert_eq!(machine.property("failstop@demo", "NRestarts"), "0");
}

const OWN: &str = r#"
[system]
name = "own"
state_dir = "/var/lib/failstop/own"
mode = "dry"
isolation = "pid-namespace"

[[component]]
name = "bot"
command = ["/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/key; id -un; echo it > /srv/own/wrote && echo wrote; grep NoNewPrivs /proc/self/status; failstop send heartbeat && echo beat; exec sleep 7262"]
orders = "none"
user = "nobody"
working_dir = "/srv/own"
credentials = { key = { file = "/etc/failstop/key" } }
sandbox = { filesystem = "own-folder", system_calls = "ordinary", readable = ["/run/failstop"] }
liveness = { heartbeat = "2m" }
nice = -1
stop_grace = "1s"
pre_stop = { command = ["/bin/sh", "-c", "echo before > /srv/own/before"] }
"#;

#[test]
fn a_bot_with_a_user_and_a_sandbox_of_its_own_runs_under_the_drop_in() {
    let Some(machine) = machine("a_bot_with_a_user_and_a_sandbox_of_its_own_runs_under_the_drop_in") else { return };
    machine.good("install -d -o nobody /srv/own && (umask 077; echo hush > /etc/failstop/key)");
    machine.write("/etc/failstop/own.toml", OWN);
    let folder = "/etc/systemd/system/failstop@own.service.d";
    machine.good(&format!(
        "mkdir -p {folder} && cp /usr/share/doc/failstop/examples/systemd/own-users.conf {folder} && systemctl daemon-reload"
    ));
    machine.good("systemctl start failstop@own");
    machine.until("failstop logs --config /etc/failstop/own.toml | grep -q beat");
    let said = machine.good("failstop logs --config /etc/failstop/own.toml");
    for line in ["hush", "nobody", "wrote", "NoNewPrivs:\t1", "beat"] {
        assert!(said.contains(&format!("bot | {line}")), "{line}:\n{said}");
    }
    // Mounted for it alone, and not merely put where only it may read.
    machine.good("grep -q /credentials/ /proc/$(pgrep --full '^sleep 7262')/mountinfo");
    machine.good("pgrep -x failstop-init");
    machine.good("systemctl stop failstop@own");
    // The hook went into the bot's namespace: that takes a power which making one does not.
    machine.good("grep -qx before /srv/own/before");
    assert_eq!(machine.shell("pgrep --count --full '^sleep 7262'").1.trim(), "0");
}

const WATCHDOG: &str = r#"
[watchdog]
name = "wd1"
listen = "127.0.0.1:8081"
state_dir = "/var/lib/failstop-watchdog"

[[target]]
name = "demo"
url = "http://127.0.0.1:8080/health"
interval = "1s"
timeout = "2s"
settle = "1s"
control = "http://127.0.0.1:8443"
key_file = "watchdog.key"

[target.restart]
unit = "demo"
actuate = "http://127.0.0.1:8082"
actuate_name = "bot-host"
actuate_key_file = "watchdog.key"
"#;

const ACTUATE: &str = r#"
[actuate]
name = "bot-host"
listen = "127.0.0.1:8082"
keys = ["actuate.key"]
state_dir = "/var/lib/failstop-actuate"

[[unit]]
name = "demo"
engine = "/run/failstop/demo"
stop = ["systemctl", "stop", "failstop@demo"]
start = ["systemctl", "start", "failstop@demo"]
"#;

#[test]
fn the_watchdogs_unit_and_the_responders_restart_a_frozen_engine() {
    let Some(machine) = machine("the_watchdogs_unit_and_the_responders_restart_a_frozen_engine") else { return };
    machine.good("cd /etc/failstop && cp engine.key watchdog.key && cp engine.key actuate.key && chmod 0600 *.key");
    machine.good("cd /etc/failstop && chown failstop-watchdog watchdog.key && chown root actuate.key");
    machine.write("/etc/failstop/watchdog.toml", WATCHDOG);
    machine.write("/etc/failstop/actuate.toml", ACTUATE);
    machine.good("systemctl start failstop@demo failstop-actuate failstop-watchdog");
    machine.until("cd /etc/failstop && failstop-watchdog status");
    let first = machine.property("failstop@demo", "MainPID");
    machine.good(&format!("kill -STOP {first} $(pgrep --parent {first})"));
    another_life(&machine, &first);
    machine.until("cd /etc/failstop && failstop-watchdog status");
    machine.until(&format!("test \"$({BOT})\" = 1"));
    machine.until("journalctl --no-pager --output=cat --unit failstop-watchdog | grep -q 'demo: restarted'");
    // The engine is its own unit's and not the responder's: stopping that stops no bot.
    machine.good("systemctl stop failstop-actuate failstop-watchdog");
    assert_eq!(machine.shell(BOT).1.trim(), "1");
}
