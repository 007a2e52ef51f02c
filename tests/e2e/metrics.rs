//! Metrics from programs and from Prometheus endpoints, on a whole system; and what failstop itself may use.

use crate::system::{System, alive};
use crate::venue::{Does, Venue};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";

fn script(system: &System, name: &str, text: &str) {
    fs::write(system.path(name), format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(system.path(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn source<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sources = status["custom"]["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == name).unwrap()
}

fn command(name: &str, program: &str, more: &str) -> String {
    format!("[[metrics.command]]\nname = \"{name}\"\ncommand = [{program}]\ninterval = \"1s\"\n{more}")
}

/// Waits until a process that a script told of in a file is gone.
#[track_caller]
fn wait_gone(system: &System, file: &str) {
    let pid: i32 = system.wait_file(file).trim().parse().unwrap();
    system.until(&format!("the end of {pid} of {file}"), || (!alive(pid)).then_some(()));
}

#[test]
fn programs_say_metrics_and_those_that_misbehave_say_nothing_and_hold_up_nobody() {
    let mut text = BOT.to_owned();
    text += &command("one", "\"./one.sh\"", "unit = \"orders\"\nenv = { GIVEN = \"40\" }\n");
    text += &command(
        "several",
        "\"./several.sh\"",
        "take = [{ metric = \"a\" }, { metric = \"b\", labels = { side = \"buy\" } }]\n",
    );
    text += &command("forks", "\"./forks.sh\"", "");
    text += &command("hangs", "\"./hangs.sh\"", "timeout = \"300ms\"\n");
    text += &command("floods", "\"yes\"", "timeout = \"300ms\"\n");
    text += &command("nonsense", "\"echo\", \"many\"", "");
    text += &command("fails", "\"./fails.sh\"", "");
    text += &command("missing", "\"./nowhere\"", "");
    text += "[[metrics.prometheus]]\nname = \"nobody\"\nurl = \"http://127.0.0.1:1/metrics\"\ninterval = \"1s\"\ntake = [{ metric = \"up\" }]\n\
             headers = [{ name = \"K\", value = { env = \"KEY_OF_OURS\" } }]\n";
    let mut system = System::new(&text);
    script(&system, "one.sh", "test -z \"$KEY_OF_OURS\" && expr \"$GIVEN\" + 2");
    script(&system, "several.sh", "echo a 1; echo 'b{side=\"buy\"} 2'; echo 'b{side=\"sell\"} 3'");
    script(&system, "forks.sh", "sleep 1000 & echo $! > forked~; mv forked~ forked; echo 7");
    script(&system, "hangs.sh", "sleep 1000 & echo $! > hung~; mv hung~ hung; wait");
    script(&system, "fails.sh", "echo 5; exit 1");
    system.start_with(&[], &[("KEY_OF_OURS", "s3cret")]);
    system.wait_active();
    let status = system.wait_status("every source asked twice", |status| {
        let sources = status["custom"]["sources"].as_array().unwrap();
        sources.iter().all(|source| source["taken"].as_u64().unwrap() + source["failed"].as_u64().unwrap() >= 2)
    });
    for (name, value) in [("one", 42.0), ("a", 1.0), ("b", 2.0), ("forks", 7.0)] {
        assert_eq!(status["custom"]["metrics"][name]["value"], value, "{name}: {status}");
    }
    assert_eq!(status["custom"]["metrics"]["one"]["unit"], "orders");
    for (name, fault) in [
        ("hangs", "./hangs.sh: no answer in time"),
        ("floods", "yes prints more than 32 KiB"),
        ("nonsense", "echo must print one finite number and nothing else, or have its `take`; it printed: many"),
        ("fails", "./fails.sh ended with status 1"),
        ("missing", "./nowhere was not started: ./nowhere not found"),
    ] {
        let said = source(&status, name)["fault"].as_str().unwrap();
        assert!(said.starts_with(fault), "{name}: {said}");
        assert_eq!(status["custom"]["metrics"][name]["value"], Value::Null, "{name}");
    }
    assert!(source(&status, "nobody")["fault"].as_str().unwrap().contains("refused"), "{status}");
    wait_gone(&system, "hung");
    wait_gone(&system, "forked");
    assert_eq!((&status["permission"], &status["permit_lapses"]), (&"active".into(), &0.into()), "{status}");
    let (_, metrics) = system.get("/metrics");
    assert!(metrics.contains("\nfailstop_custom_metric{metric=\"one\",source=\"one\"} 42\n"), "{metrics}");
    assert!(metrics.contains("\nfailstop_custom_source_up{source=\"hangs\"} 0\n"), "{metrics}");
    let figures: Value = serde_json::from_str(&system.get("/api/metrics").1).unwrap();
    assert_eq!(figures["custom"]["one"]["value"], 42.0, "{figures}");
    let told = system.run("alerts list", &["--format", "json"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.matches("\"metrics-source\"").count(), 1, "one incident, whatever fails: {told}");
    assert!(!system.log().contains("s3cret"));
    assert_eq!(system.stop(), 0);
}

#[test]
fn an_endpoint_is_asked_grows_stale_and_comes_and_goes_with_the_configuration() {
    let node = Venue::new(Does::Http(200, "load 1\nload 2\nother 9\n".to_owned()));
    let page = format!(
        "[[metrics.prometheus]]\nname = \"node\"\nurl = \"{}/metrics\"\ninterval = \"1s\"\nstale_after = \"1s\"\n\
         take = [{{ metric = \"load\", fold = \"max\", name = \"most\" }}]\n",
        node.url()
    );
    let mut system = System::new(BOT);
    system.start();
    let status = system.wait_active();
    assert_eq!(status["custom"]["sources"], serde_json::json!([]));
    let write = |text: &str| {
        fs::write(system.path("failstop.toml~"), text).unwrap();
        fs::rename(system.path("failstop.toml~"), system.path("failstop.toml")).unwrap();
    };
    let before = fs::read_to_string(system.path("failstop.toml")).unwrap();
    write(&format!("{before}{page}"));
    let most = |status: &Value| status["custom"]["metrics"]["most"]["value"].clone();
    system.wait_status("what the endpoint says", |status| most(status) == 2.0);
    let (_, history) = system.get("/api/metrics/history?range=1h");
    assert!(history.contains("\"custom.most\""), "{history}");
    node.now(Does::Hangs);
    let stale = system.wait_status("that it is stale", |status| most(status) == Value::Null);
    assert!(stale["custom"]["metrics"]["most"]["age_seconds"].as_f64().unwrap() > 1.0, "{stale}");
    node.now(Does::Http(200, "load 5\n".to_owned()));
    system.wait_status("that it is back", |status| most(status) == 5.0);
    write(&before);
    let gone = system.wait_status("that nobody asks", |status| status["custom"]["sources"] == serde_json::json!([]));
    assert_eq!(gone["custom"]["metrics"], serde_json::json!({}));
    assert_eq!(gone["permission"], "active");
    assert_eq!(system.stop(), 0);
}

#[test]
fn more_memory_than_it_may_sheds_what_only_shows_and_trading_goes_on() {
    let mut system = System::new(&format!(
        "{BOT}[limits]\nsample_every = \"1s\"\n[footprint]\nmemory_max = \"1MiB\"\n[breaker]\ncpu_percent = 100\nmemory_percent = 100\n"
    ));
    system.start();
    system.wait_active();
    let status = system.wait_status("a breaker that tripped", |status| status["breaker"]["state"] == "shed");
    let over = status["footprint"]["over"].as_str().unwrap();
    assert!(over.starts_with("failstop uses ") && over.ends_with(" of memory, at most 1.0 MB"), "{over}");
    let why = status["breaker"]["why"].as_str().unwrap();
    assert!(why.contains("failstop itself"), "{why}");
    for (path, code) in [("/", 503), ("/api/metrics/history", 503), ("/health", 200), ("/metrics", 200)] {
        assert_eq!(system.get(path).0, code, "{path}");
    }
    assert!(system.get("/metrics").1.contains("\nfailstop_footprint_over 1\n"));
    let told = system.run("alerts list", &["--format", "json"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("\"footprint\""));
    let shown = String::from_utf8(system.run("status", &[]).stdout).unwrap();
    assert!(shown.contains("costs") && shown.contains(over), "{shown}");
    assert_eq!((&status["permission"], &status["permit_lapses"]), (&"active".into(), &0.into()), "{status}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn authorities_that_are_no_file_are_a_fault_of_the_source_and_hold_up_nothing() {
    let mut system = System::new(BOT);
    let made = std::process::Command::new("mkfifo").arg(system.path("ca.pem")).status().unwrap();
    assert!(made.success());
    system.start();
    system.wait_active();
    let before = fs::read_to_string(system.path("failstop.toml")).unwrap();
    let page = "[[metrics.prometheus]]\nname = \"node\"\nurl = \"https://127.0.0.1:1/\"\nca_file = \"ca.pem\"\ninterval = \"1s\"\n\
                take = [{ metric = \"up\" }]\n";
    fs::write(system.path("failstop.toml~"), format!("{before}{page}")).unwrap();
    fs::rename(system.path("failstop.toml~"), system.path("failstop.toml")).unwrap();
    let status = system.wait_status("a fault of the source", |status| {
        status["custom"]["sources"].as_array().is_some_and(|sources| sources.iter().any(|one| one["fault"].is_string()))
    });
    let fault = source(&status, "node")["fault"].as_str().unwrap();
    assert!(fault.ends_with("ca.pem is not a file; correct `ca_file`"), "{fault}");
    assert_eq!((&status["permission"], &status["permit_lapses"]), (&"active".into(), &0.into()), "{status}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn programs_for_metrics_that_hang_keep_nobody_from_being_told() {
    let hanging = |number: usize| {
        format!(
            "[[metrics.command]]\nname = \"m{number}\"\ncommand = [\"sleep\", \"1000\"]\ninterval = \"1s\"\ntimeout = \"10m\"\n"
        )
    };
    let hang: String = (0..64).map(hanging).collect();
    let mut system = System::new(&format!(
        "{BOT}[alerts]\nchannels = [\"exec\"]\n[alerts.exec]\ncommand = [\"/bin/sh\", \"-c\", \"cat > told~; mv told~ told\"]\n{hang}"
    ));
    system.start();
    system.wait_active();
    let status = system.wait_status("sources that found no room", |status| {
        let sources = status["custom"]["sources"].as_array().unwrap();
        sources.iter().filter(|source| source["fault"].is_string()).count() == 32
    });
    let faults = status["custom"]["sources"].to_string();
    assert_eq!(faults.matches("32 programs for metrics run already").count(), 32, "{faults}");
    let engaged = system.run("kill-switch engage", &["--reason", "to be told"]);
    assert_eq!(engaged.status.code(), Some(0), "{engaged:?}");
    system.until("an alert of the kill switch", || {
        fs::read_to_string(system.path("told")).ok().filter(|told| told.contains("\"kill-switch\""))
    });
    system.stop();
}

#[test]
fn what_was_given_up_for_memory_is_not_filled_again_by_what_a_bot_says() {
    let say = format!(
        "while ! test -e say; do sleep 0.1; done; {} send metric name=said value=1; sleep 1000",
        crate::system::failstop()
    );
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sh\", \"-c\", \"{say}\"]\norders = \"none\"\n\
         [limits]\nsample_every = \"1s\"\n[footprint]\nmemory_max = \"1MiB\"\n[breaker]\ncpu_percent = 100\nmemory_percent = 100\n"
    ));
    system.start();
    system.wait_status("a breaker that tripped", |status| status["breaker"]["state"] == "shed");
    fs::write(system.path("say"), "").unwrap();
    system.wait_status("what the bot says", |status| status["metrics"]["said"] == 1.0);
    for command in [&["config set", "footprint.memory_max", "1GiB"][..], &["breaker reset"]] {
        let ran = system.run(command[0], &command[1..]);
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    }
    let (_, history) = system.until("figures over time", || {
        Some(system.get("/api/metrics/history?range=1h"))
            .filter(|(code, text)| *code == 200 && text.contains("memory_bytes"))
    });
    assert!(!history.contains("bot.said"), "{history}");
    assert_eq!(system.stop(), 0);
}
