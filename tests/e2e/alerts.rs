//! People are told: what happened, once, in order, whatever becomes of the engine in between; and whatever becomes of the
//! channel, trading never notices.

use crate::receiver::{Answers, Receiver};
use crate::system::{System, signal, until};
use failstop_client::permit::{Intent, PermitPage};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A system whose alerts go to `receiver`, with these components and `[alerts]` keys.
fn system_with(receiver: &Receiver, components: &str, keys: &str) -> System {
    let alerts = format!(
        "[alerts]\nchannels = [\"webhook\"]\n{keys}[alerts.webhook]\nurl = {{ file = \"hook-url\" }}\n\
         secret = {{ file = \"hook-secret\" }}\ntimeout = \"2s\"\n"
    );
    let system = System::new(&format!("{components}{alerts}"));
    for (name, text) in [("hook-url", receiver.url().as_str()), ("hook-secret", SECRET)] {
        std::fs::write(system.path(name), text).unwrap();
        std::fs::set_permissions(system.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    system
}

fn system(receiver: &Receiver, components: &str) -> System {
    system_with(receiver, components, "")
}

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";

fn list(system: &System) -> Vec<Value> {
    let output = system.run("alerts list", &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["alerts"].as_array().unwrap().clone()
}

/// Waits until `alerts list` has an entry that satisfies `wanted`.
#[track_caller]
fn wait_listed(system: &System, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let missing = || format!("{what}; there is {:#?}\nlog:\n{}", list(system), system.log());
    until(missing, || list(system).into_iter().find(|alert| wanted(alert)))
}

#[test]
fn the_kill_switch_is_told_and_its_release() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(&receiver, BOT);
    system.start();
    system.wait_active();
    let engaged = system.run("kill-switch engage", &["--reason", "odd fills"]);
    assert_eq!(engaged.status.code(), Some(0));
    let told = receiver.wait_taken("kill-switch", "trigger");
    assert_eq!(told.text("severity"), "critical");
    assert_eq!(told.text("title"), format!("{}: kill switch engaged, trading is shut down", system.name));
    assert!(told.text("message").contains("odd fills"), "{told:#?}");
    assert!(told.text("head").starts_with("seq "), "{told:#?}");
    assert_eq!(told.text("environment"), "production");
    // Over a restart nothing is told again.
    assert_eq!(system.stop(), 5);
    system.start();
    wait_listed(&system, "the incident", |alert| alert["cause"] == "kill-switch" && alert["resolved_at"].is_null());
    let name = system.name.clone();
    let released = system.run("kill-switch release", &["--reason", "looked at it", "--confirm", &name]);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    let over = receiver.wait_taken("kill-switch", "resolve");
    assert_eq!(over.text("key"), told.text("key"));
    assert!(over.text("message").contains("looked at it"));
    assert_eq!(receiver.taken("kill-switch").len(), 2, "{:#?}", receiver.posted());
    assert_eq!(system.stop(), 0);
    // Without an engine the outbox says what was told.
    let recorded = list(&system);
    assert!(recorded.iter().any(|alert| alert["id"] == told.text("key") && alert["resolved_at"].is_string()));
}

#[test]
fn a_kill_switch_without_an_engine_is_told_by_the_next_start() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(&receiver, BOT);
    assert_eq!(system.run("kill-switch engage", &["--reason", "night"]).status.code(), Some(0));
    assert!(receiver.posted().is_empty());
    system.start();
    assert!(receiver.wait_taken("kill-switch", "trigger").text("message").contains("night"));
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_crash_loop_is_one_alert() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(
        &receiver,
        concat!(
            "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"exit\", \"3\"]\norders = \"asks\"\n",
            "backoff = { initial = \"10ms\", max = \"10ms\" }\nstart_limit = { starts = 3, within = \"300s\" }\n",
        ),
    );
    system.start();
    let told = receiver.wait_taken("component-failed", "trigger");
    assert_eq!(told.text("severity"), "critical");
    assert_eq!(
        told.text("title"),
        format!("{}: bot failed too often and stays down, trading is shut down", system.name)
    );
    assert_eq!(told.text("component"), "bot");
    assert!(told.text("recommended_action").contains("failstop resume --halt h-"), "{told:#?}");
    assert_eq!(system.stop(), 5);
    let causes: Vec<String> = receiver.posted().iter().map(|posted| posted.text("cause").to_owned()).collect();
    assert_eq!(causes, ["component-failed"]);
}

#[test]
fn a_lost_heartbeat_is_told_taken_on_resumed_and_over() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(
        &receiver,
        concat!(
            "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"beat\", \"100\"]\norders = \"asks\"\n",
            "liveness = { heartbeat = \"1s\" }\n",
        ),
    );
    system.start();
    system.wait_active();
    signal(system.pid_of("bot").unwrap(), libc::SIGSTOP);
    let told = receiver.wait_taken("heartbeat-lost", "trigger");
    assert_eq!(told.text("title"), format!("{}: bot stopped beating, trading is halted", system.name));
    let listed = wait_listed(&system, "delivery", |alert| alert["delivered_to"] == serde_json::json!(["webhook"]));
    assert_eq!(listed["id"], told.text("key"));
    let status = system.wait_status("the alert", |status| status["alerts"]["open"]["critical"] == 1);
    assert_eq!(status["alerts"]["told"], serde_json::json!(["webhook"]));
    // By the halt's number; a name that nothing has is refused.
    let halt = status["halts"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(system.run("alerts ack", &[&halt]).status.code(), Some(0));
    wait_listed(&system, "the acknowledgement", |alert| alert["acknowledged"]["by"].is_string());
    assert_eq!(system.run("alerts ack", &["h-99999"]).status.code(), Some(1));
    let name = system.name.clone();
    let resume = || system.run("resume", &["--reason", "bot patched", "--confirm", &name]).status.code();
    system.until("a resume that is taken", || (resume() == Some(0)).then_some(()));
    let over = receiver.wait_taken("heartbeat-lost", "resolve");
    assert_eq!(over.text("key"), told.text("key"));
    assert!(over.text("message").contains("bot patched"), "{over:#?}");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_channel_that_hangs_for_ever_never_holds_up_the_renewal() {
    let receiver = Receiver::start(Answers::Hangs);
    let mut system = system(
        &receiver,
        concat!(
            "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n",
            "[[component]]\nname = \"once\"\ncommand = [\"BOT\", \"wait\", \"200\", \"exit\", \"0\"]\norders = \"none\"\n",
            "restart = \"never\"\nessential = false\n",
        ),
    );
    system.start();
    let permit = PermitPage::open(&system.path("run/permit")).unwrap();
    receiver.wait("an attempt", |posted| posted.text("cause") == "component-down");
    system.wait_status("trading", |_| permit.check(1, Intent::Open).allows());
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        assert!(permit.check(1, Intent::Open).allows(), "denied; log:\n{}", system.log());
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = system.wait_status("a channel that fails", |status| {
        status["alerts"]["channels"]["webhook"]["up"] == false && status["alerts"]["queued"] == 1
    });
    assert_eq!(status["permit_lapses"], 0);
    assert_eq!(status["alerts"]["status"], "critical");
    // The verdict is not moved by it.
    assert_eq!(status["permission"], "active");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_guard_that_dies_is_recorded_and_told_by_the_next_start_alone() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(&receiver, BOT);
    system.start();
    system.wait_active();
    let guard = system.guard_pid();
    signal(guard, libc::SIGKILL);
    system.wait_end();
    system.start();
    system.wait_record(1, "x.failstop.guard_died", |body| body["pid"] == guard);
    let told = receiver.wait_taken("engine-died", "trigger");
    assert!(told.text("title").contains("guard"), "{told:?}");
    receiver.wait_taken("engine-died", "resolve");
    assert_eq!(system.stop(), 0);
    system.start();
    system.wait_active();
    assert_eq!(system.stop(), 0);
    assert_eq!(receiver.taken("engine-died").len(), 2, "{:#?}", receiver.posted());
}

#[test]
fn an_engine_that_dies_between_trigger_and_delivery_leaves_it_to_the_next_one() {
    let receiver = Receiver::start(Answers::Fails);
    let mut system = system(&receiver, BOT);
    system.start();
    system.wait_active();
    assert_eq!(system.run("kill-switch engage", &["--reason", "test"]).status.code(), Some(0));
    receiver.wait("an attempt", |posted| posted.text("cause") == "kill-switch");
    signal(system.engine_pid(), libc::SIGKILL);
    system.wait_end();
    receiver.answer(Answers::Takes);
    system.start();
    let told = receiver.wait_taken("kill-switch", "trigger");
    let name = system.name.clone();
    let released = system.run("kill-switch release", &["--reason", "over", "--confirm", &name]);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    receiver.wait_taken("kill-switch", "resolve");
    // That the engine died is told too, and over once the checks passed.
    receiver.wait_taken("engine-died", "resolve");
    let about: Vec<String> = receiver.taken("kill-switch").iter().map(|one| one.change().to_owned()).collect();
    assert_eq!(about, ["trigger", "resolve"], "{:#?}", receiver.posted());
    let attempts = receiver.posted().into_iter().filter(|one| one.text("key") == told.text("key"));
    let ids: std::collections::BTreeSet<String> =
        attempts.filter(|one| one.change() == "trigger").map(|one| one.id).collect();
    assert_eq!(ids.len(), 1, "every attempt at the trigger has the same id");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_start_that_fails_is_told_and_the_next_one_ends_it() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(
        &receiver,
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\nuser = \"no-such-user\"\n",
    );
    system.start_with(&[], &[]);
    assert_eq!(system.wait_end(), 2);
    let told = receiver.wait_taken("start-failed", "trigger");
    assert_eq!(told.text("severity"), "critical");
    assert!(told.text("root_cause").contains("no-such-user"), "{told:#?}");
    let text = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    std::fs::write(system.path("failstop.toml"), text.replace("user = \"no-such-user\"\n", "")).unwrap();
    system.start();
    let over = receiver.wait_taken("start-failed", "resolve");
    assert_eq!(over.text("key"), told.text("key"));
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_test_message_says_what_became_of_it() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(&receiver, BOT);
    system.start();
    let good = system.run("alerts test", &["--channel", "webhook", "--format", "json"]);
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    let posted = receiver.wait("a drill", |posted| posted.body["data"]["drill"] == true);
    assert!(posted.taken);
    receiver.answer(Answers::Fails);
    let bad = system.run("alerts test", &[]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stdout).contains("failed: "), "{bad:?}");
    let unknown = system.run("alerts test", &["--channel", "telegram"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no channel telegram"), "{unknown:?}");
    assert_eq!(system.stop(), 0);
    assert_eq!(system.run("alerts test", &[]).status.code(), Some(3));
    assert_eq!(system.run("alerts list", &[]).status.code(), Some(0), "the outbox is there");
}

#[test]
fn a_channel_without_its_secret_does_not_keep_the_others_or_the_engine() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system_with(&receiver, BOT, "");
    let text = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    let text = text.replace("channels = [\"webhook\"]", "channels = [\"telegram\", \"webhook\"]");
    let telegram = "[alerts.telegram]\nbot_token = { file = \"no-such-file\" }\nchat_id = \"1\"\n";
    std::fs::write(system.path("failstop.toml"), format!("{text}{telegram}")).unwrap();
    system.start();
    let status = system.wait_answer();
    assert_eq!(status["alerts"]["status"], "degraded");
    let fault = &status["alerts"]["channels"]["telegram"];
    assert_eq!(fault["up"], false);
    assert!(fault["last_error"].as_str().unwrap().contains("no-such-file"), "{fault}");
    assert_eq!(system.run("kill-switch engage", &["--reason", "test"]).status.code(), Some(0));
    receiver.wait_taken("kill-switch", "trigger");
    assert_eq!(system.stop(), 5);
}

#[test]
fn an_outbox_that_cannot_be_had_stops_nothing_and_is_shown() {
    let receiver = Receiver::start(Answers::Takes);
    let mut system = system(&receiver, BOT);
    std::fs::create_dir(system.path("state")).unwrap();
    std::fs::write(system.path("state/outbox"), "not a folder").unwrap();
    system.start();
    let status = system.wait_active();
    assert_ne!(status["alerts"]["status"], "healthy");
    assert!(status["alerts"]["problem"].is_string(), "{status:#}");
    assert_eq!(system.stop(), 0);
}
