//! Commands over Telegram as people use them: a real engine, a bot API on loopback, and what the journal says afterwards.

use crate::bot_api::{BotApi, Odd, TOKEN, refused};
use crate::system::{System, has_halt, signal};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";
const VIEWER: i64 = 5;
const ADMIN: i64 = 6;
const SUPER_ADMIN: i64 = 7;
const STRANGER: i64 = 99;

fn lists(api: &BotApi, lists: &str) -> String {
    format!(
        "[telegram]\nbot_token = {{ file = \"bot-token\" }}\napi_base = \"http://{}\"\nwait = \"1s\"\n{lists}",
        api.address()
    )
}

fn system(api: &BotApi) -> System {
    system_with(api, "")
}

fn system_with(api: &BotApi, more: &str) -> System {
    let system =
        System::new(&format!("{BOT}{more}{}", lists(api, "viewers = [5]\nadmins = [6]\nsuper_admins = [7]\n")));
    std::fs::write(system.path("bot-token"), TOKEN).unwrap();
    std::fs::set_permissions(system.path("bot-token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    system
}

/// Waits until what piled up is behind it and it listens.
fn listens(api: &BotApi) {
    let before = api.change(|state| state.asked.len());
    api.until("it to listen", |state| {
        state.asked.iter().skip(before).any(|(_, asked)| asked["timeout"] == 1).then_some(())
    });
}

/// What is to be typed, out of the last text that asks for it.
fn word(api: &BotApi, user: i64) -> String {
    let asked = api.until("a confirmation to be asked for", |state| {
        let last = state.sent.iter().rev().find(|(chat, text)| *chat == user && text.contains(", type\n"));
        last.map(|(_, text)| text.clone())
    });
    asked.lines().nth(1).unwrap().to_owned()
}

fn audited(system: &System) -> Vec<Value> {
    let records = system.records().into_iter().filter(|record| record["t"] == "x.failstop.control");
    records.map(|record| record["b"].clone()).collect()
}

#[test]
fn a_stop_from_a_phone_holds_over_a_restart_and_is_released_once() {
    let api = BotApi::start();
    let mut system = system(&api);
    system.start();
    system.wait_active();
    listens(&api);
    api.write(STRANGER, "/emergency_stop");
    api.write(VIEWER, "/emergency_stop");
    api.answered(VIEWER, "`emergency stop` needs the role admin");
    assert_eq!(system.status().unwrap()["kill_switch"], false);

    api.write(ADMIN, "/emergency_stop odd fills");
    let answer = api.answered(ADMIN, "done: engage the kill switch (reason: odd fills)");
    assert!(answer.starts_with(&format!("{}: ", system.name)), "{answer}");
    system.wait_status("the kill switch", |status| status["kill_switch"] == true && status["permission"] == "shutdown");
    let trace = answer.lines().last().unwrap().strip_prefix("trace ").unwrap().to_owned();
    let audit = audited(&system);
    let stop = audit.iter().find(|audit| audit["control"] == "emergency stop").unwrap();
    let wanted = json!({
        "by": "telegram user 6", "kind": "telegram", "role": "admin", "trace_id": trace,
        "control": "emergency stop", "reason": "odd fills",
    });
    assert_eq!(*stop, wanted);

    // An admin may not release it, and what was asked for before a restart is not confirmed after it.
    api.write(ADMIN, "/emergency_resume looked into");
    api.answered(ADMIN, "needs the role super-admin");
    api.write(SUPER_ADMIN, "/emergency_resume looked into");
    let before = word(&api, SUPER_ADMIN);
    assert_eq!(system.stop(), 5);
    api.write(SUPER_ADMIN, &before);
    system.start();
    api.answered(SUPER_ADMIN, "What was written before was not carried out");
    listens(&api);
    api.write(SUPER_ADMIN, &before);
    api.answered(SUPER_ADMIN, "nothing waits to be confirmed");
    assert_eq!(system.status().unwrap()["kill_switch"], true);

    api.write(SUPER_ADMIN, "/emergency_resume looked into it");
    api.until("a new question", |state| {
        state
            .sent
            .iter()
            .rev()
            .find(|(_, text)| text.contains(", type\n"))
            .filter(|(_, text)| text.contains("into it"))
            .map(drop)
    });
    let confirmed = api.write(SUPER_ADMIN, &word(&api, SUPER_ADMIN));
    api.answered(SUPER_ADMIN, "done: release the kill switch (reason: looked into it)");
    system.wait_active();
    let left = api.change(|state| state.updates.iter().filter(|update| update["update_id"] == confirmed).count());
    assert_eq!(left, 0, "Telegram had confirmed it before it was carried out");

    // An engine that dies does not release what was engaged since.
    api.write(ADMIN, "/emergency_stop again");
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    signal(system.engine_pid(), libc::SIGKILL);
    system.wait_end();
    system.start();
    listens(&api);
    api.write(VIEWER, "/whoami");
    api.answered(VIEWER, "you are telegram user 5, viewer");
    assert_eq!(system.status().unwrap()["kill_switch"], true);
    let releases = audited(&system).iter().filter(|audit| audit["control"] == "kill-switch release").count();
    assert_eq!(releases, 1);
    assert!(api.sent().iter().all(|(chat, text)| *chat != STRANGER && !text.contains(TOKEN)));
    assert!(!system.log().contains(TOKEN), "the token is nobody's to see");
    assert_eq!(system.stop(), 5);
}

#[test]
fn a_stop_by_the_command_line_leaves_what_was_asked_for_over_telegram() {
    let api = BotApi::start();
    let mut system = system(&api);
    system.start();
    system.wait_active();
    listens(&api);
    // It was confirmed, and Telegram does not say yet that the word was read.
    api.write(SUPER_ADMIN, "/resume looked into");
    let typed = word(&api, SUPER_ADMIN);
    api.change(|state| state.confirms_later = true);
    let id = api.write(SUPER_ADMIN, &typed);
    api.until("it to be confirmed", |state| {
        let confirms = |asked: &Value| asked["offset"] == id + 1 && asked["timeout"] == 0;
        state.asked.iter().any(|(_, asked)| confirms(asked)).then_some(())
    });
    let engaged = system.run("kill-switch engage", &["--reason", "odd fills"]);
    assert_eq!(engaged.status.code(), Some(0), "{}", String::from_utf8_lossy(&engaged.stderr));
    system.wait_status("the kill switch", |status| status["kill_switch"] == true);
    api.change(|state| state.confirms_later = false);
    let answer = api.answered(SUPER_ADMIN, "refused: release every latched halt");
    assert!(answer.contains("the kill switch was engaged since this was asked for"), "{answer}");
    assert_eq!(system.stop(), 5);
}

#[test]
fn people_are_listed_and_taken_out_while_it_runs() {
    let api = BotApi::start();
    let mut system = system(&api);
    system.start();
    system.wait_active();
    listens(&api);
    api.write(ADMIN, "/whoami");
    api.answered(ADMIN, "you are telegram user 6, admin");
    let text = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    std::fs::write(system.path("failstop.toml"), text.replace("admins = [6]", "admins = [8]")).unwrap();
    let taken = system.run("config reload", &[]);
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    api.write(8, "/whoami");
    api.answered(8, "you are telegram user 8, admin");
    let before = api.sent().len();
    api.write(ADMIN, "/emergency_stop");
    api.write(8, "/health");
    api.answered(8, "health ");
    assert!(api.sent().iter().skip(before).all(|(chat, _)| *chat == 8), "{:?}", api.sent());
    assert_eq!(system.status().unwrap()["kill_switch"], false);
    system.wait_record(0, "x.failstop.control_unproved", |body| body["peer"] == "telegram user 6");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_telegram_that_is_not_there_is_nothing_to_trading() {
    let api = BotApi::start();
    let mut system = system(&api);
    // Nobody answers at this port: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = std::fs::read_to_string(system.path("failstop.toml")).unwrap();
    std::fs::write(system.path("failstop.toml"), text.replace(&api.address().to_string(), &port.to_string())).unwrap();
    std::fs::remove_file(system.path("bot-token")).unwrap();
    system.start();
    system.wait_active();
    let checked = system.run("check", &["--only", "telegram", "--only", "telegram-bot"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("users who are heard: 1 in `viewers`, 1 in `admins`, 1 in `super_admins`"), "{said}");
    assert!(said.contains("the bot's token cannot be had"), "{said}");
    std::fs::write(system.path("bot-token"), TOKEN).unwrap();
    let checked = system.run("check", &["--only", "telegram-bot"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("Telegram cannot be asked") && !said.contains(TOKEN), "{said}");
    assert_eq!(checked.status.code(), Some(0), "it only warns");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_telegram_that_misbehaves_is_nothing_to_trading() {
    let api = BotApi::start();
    let mut system = system(&api);
    system.start();
    system.wait_active();
    listens(&api);
    let conflict = refused(409, "Conflict: terminated by other getUpdates request");
    let large = format!("{{\"ok\":true,\"result\":[{{\"update_id\":100,\"message\":\"{}", "a".repeat(300 * 1024));
    let odd = [Odd::Says(409, conflict), Odd::Says(200, large), Odd::HangsUp, Odd::Hangs];
    api.change(|state| state.odd = odd.into());
    api.until("them all to be answered so", |state| state.odd.is_empty().then_some(()));
    assert_eq!(system.status().unwrap()["permission"], "active");
    // The last one hangs still: the engine ends all the same.
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_release_that_waits_for_checks_ends_with_a_stop() {
    let api = BotApi::start();
    // It takes connections and answers nothing, so that checks take as long as they may: a release asks it, too.
    let witness = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut system = system_with(
        &api,
        &format!(
            "[witness]\nurl = \"http://{}/witness/x\"\ntimeout = \"10s\"\ntwo_key = false\n",
            witness.local_addr().unwrap()
        ),
    );
    system.start();
    system.wait_status("the halt of the witness", |status| has_halt(status, "environment"));
    listens(&api);
    api.write(ADMIN, "/emergency_stop odd fills");
    api.answered(ADMIN, "(reason: odd fills)");
    let mut release = system.command("kill-switch release");
    release.args(["--reason", "looked into", "--confirm", &system.name]);
    let release = release.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    system.wait_record(0, "x.failstop.control", |body| body["control"] == "kill-switch release");
    api.write(ADMIN, "/emergency_stop still odd");
    api.answered(ADMIN, "done: engage the kill switch (reason: still odd)");
    let released = release.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&released.stderr).into_owned();
    assert!(said.contains("engaged while checks were made"), "{said}");
    assert_ne!(released.status.code(), Some(0));
    assert_eq!(system.status().unwrap()["kill_switch"], true);
    assert_eq!(system.stop(), 5);
}
