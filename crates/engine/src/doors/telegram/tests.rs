//! The door against a bot API of our own on loopback, and a loop that says what it was told.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

#[path = "../../../../../tests/e2e/bot_api.rs"]
mod bot_api;

use super::{Behind, STOPS_MAX, Settings, Turned, WORK_MAX, serve};
use crate::command::{Command, Engagements, Request, TurnedAway};
use crate::config::{Config, Overrides};
use crate::doors::fake_loop::{Does, FakeLoop};
use crate::doors::{HttpDoors, Listeners};
use crate::status::tests::status;
use bot_api::{BotApi, Odd, PATIENCE, TOKEN, refused};
use failstop_client::status::Status;
use failstop_settings::Source;
use serde_json::{Value, json};
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

const VIEWER: i64 = 5;
const ADMIN: i64 = 6;
const SUPER_ADMIN: i64 = 7;
const STRANGER: i64 = 99;

struct Open {
    api: BotApi,
    fake: FakeLoop,
    settings: watch::Sender<Option<Settings>>,
    _doors: HttpDoors,
    _folder: tempfile::TempDir,
}

fn settings_of(api: &BotApi, folder: &std::path::Path, lists: &str) -> Settings {
    std::fs::write(folder.join("token"), TOKEN).unwrap();
    let text = format!(
        "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"true\"]\norders = \"asks\"\n\
         [telegram]\nbot_token = {{ file = \"{}\" }}\napi_base = \"http://{}\"\nwait = \"1s\"\n{lists}",
        folder.join("token").display(),
        api.address()
    );
    let source = Source { file: "failstop.toml".into(), text, world_readable: false };
    Settings::of(&Config::of(&source, &Overrides::default()).unwrap()).unwrap()
}

const LISTS: &str = "viewers = [5]\nadmins = [6]\nsuper_admins = [7]\n";

/// A door that listens already, unless something piled up.
fn open_at(api: BotApi, does: Does) -> Open {
    let folder = tempfile::tempdir().unwrap();
    let fake = FakeLoop::start(does);
    let (settings, heard) = watch::channel(Some(settings_of(&api, folder.path(), LISTS)));
    let doors = HttpDoors::open(Listeners { telegram: Some(heard), ..Listeners::default() }, fake.link()).unwrap();
    api.until("the first question", |state| state.asked.iter().any(|(_, asked)| asked["timeout"] == 1).then_some(()));
    Open { api, fake, settings, _doors: doors, _folder: folder }
}

/// A system whose kill switch is engaged, so that there is something to release.
fn engaged() -> Status {
    Status { kill_switch: true, ..status() }
}

fn open() -> Open {
    open_at(BotApi::start(), Does::Answers(Box::new(engaged())))
}

impl Open {
    /// What the loop is told next.
    #[track_caller]
    fn told(&self) -> String {
        self.fake.orders.recv_timeout(PATIENCE).unwrap()
    }

    /// What is to be typed to confirm what was asked for last.
    #[track_caller]
    fn word(&self, user: i64) -> String {
        let asked = self.api.until("a confirmation to be asked for", |state| {
            let last = state.sent.iter().rev().find(|(chat, text)| *chat == user && text.contains(", type\n"));
            last.map(|(_, text)| text.clone())
        });
        asked.lines().nth(1).unwrap().to_owned()
    }

    /// Something waits for the loop, which is at something else.
    #[track_caller]
    fn queued(&self) {
        let end = Instant::now() + PATIENCE;
        while self.fake.commands.capacity() == self.fake.commands.max_capacity() {
            assert!(Instant::now() < end, "nothing waits for the loop");
            std::thread::yield_now();
        }
    }

    /// Everything that was written before this has been taken.
    #[track_caller]
    fn settled(&self) {
        self.api.write(VIEWER, "/whoami");
        let before = self.api.sent().iter().filter(|(_, text)| text.contains("you are telegram user")).count();
        self.api.until("an answer", |state| {
            let now = state.sent.iter().filter(|(_, text)| text.contains("you are telegram user")).count();
            (now > before).then_some(())
        });
    }
}

#[test]
fn a_stop_is_given_at_once_and_answered_with_its_trace() {
    let open = open();
    open.api.write(ADMIN, "/emergency_stop odd fills");
    assert_eq!(open.told(), "KillSwitchEngage \"odd fills\" telegram user 6");
    let answer = open.api.answered(ADMIN, "done: engage the kill switch (reason: odd fills)");
    assert!(answer.starts_with("demo: ") && answer.lines().last().unwrap().starts_with("trace "), "{answer}");
    assert!(answer.contains("\npermission ") && answer.contains("\nbot: "), "{answer}");
    assert_eq!(open.fake.heard.recv_timeout(PATIENCE).unwrap(), None, "all is well");
}

#[test]
fn what_loosens_is_given_after_its_confirmation_was_read_for_good() {
    let open = open();
    open.api.write(SUPER_ADMIN, "/emergency_resume looked into");
    let word = open.word(SUPER_ADMIN);
    assert!(open.fake.orders.try_recv().is_err(), "before it is confirmed");
    let id = open.api.write(SUPER_ADMIN, &word);
    assert_eq!(open.told(), "KillSwitchRelease \"looked into\" telegram user 7");
    // The loop is told after Telegram, so it stands there by now.
    let confirmed = open.api.change(|state| {
        let confirms = |asked: &Value| asked["offset"] == id + 1 && asked["timeout"] == 0;
        state.asked.iter().any(|(method, asked)| method == "getUpdates" && confirms(asked))
    });
    assert!(confirmed, "{:?}", open.api.change(|state| state.asked.clone()));
    open.api.answered(SUPER_ADMIN, "done: release the kill switch");
}

#[test]
fn what_loosens_is_not_given_where_telegram_cannot_be_told() {
    let open = open();
    open.api.write(SUPER_ADMIN, "/resume looked into");
    let word = open.word(SUPER_ADMIN);
    open.api.change(|state| state.confirms_nothing = true);
    open.api.write(SUPER_ADMIN, &word);
    open.api.answered(SUPER_ADMIN, "not done: release every latched halt");
    open.api.change(|state| state.confirms_nothing = false);
    open.api.write(SUPER_ADMIN, &word);
    open.api.answered(SUPER_ADMIN, "nothing waits to be confirmed");
    assert!(open.fake.orders.try_recv().is_err());
}

/// A release that is confirmed, and of which Telegram does not say yet that it was read.
fn about_to_release() -> Open {
    let open = open();
    open.api.write(SUPER_ADMIN, "/emergency_resume looked into");
    let word = open.word(SUPER_ADMIN);
    open.api.change(|state| state.confirms_later = true);
    let id = open.api.write(SUPER_ADMIN, &word);
    open.api.until("it to be confirmed", |state| {
        let confirms = |asked: &Value| asked["offset"] == id + 1 && asked["timeout"] == 0;
        state.asked.iter().any(|(_, asked)| confirms(asked)).then_some(())
    });
    open
}

#[test]
fn a_stop_by_another_door_leaves_what_telegram_is_just_told_of() {
    let open = about_to_release();
    open.fake.engagements.one_more();
    open.api.change(|state| state.confirms_later = false);
    let answer = open.api.answered(SUPER_ADMIN, "refused: release the kill switch");
    assert!(answer.contains("engaged since"), "{answer}");
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn a_stop_that_comes_while_telegram_is_told_leaves_it_too() {
    let open = about_to_release();
    open.api.write(ADMIN, "/emergency_stop odd fills");
    open.api.change(|state| state.confirms_later = false);
    open.api.answered(SUPER_ADMIN, "not done: release the kill switch (reason: looked into). An emergency stop");
    assert_eq!(open.told(), "KillSwitchEngage \"odd fills\" telegram user 6");
    open.settled();
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn a_stop_of_many_messages_waits_for_none_of_them() {
    let open = open();
    open.api.write(SUPER_ADMIN, "/emergency_resume looked into");
    let word = open.word(SUPER_ADMIN);
    // Both with one question, and Telegram hangs from then on.
    open.api.change(|state| {
        state.confirms_later = true;
        for (user, text) in [(SUPER_ADMIN, word.as_str()), (ADMIN, "/component stop bot"), (ADMIN, "/emergency_stop")] {
            state.next += 1;
            let message = bot_api::message(state.next, user, text);
            state.updates.push(message);
        }
    });
    assert_eq!(open.told(), "KillSwitchEngage \"ordered over Telegram\" telegram user 6");
    assert!(open.told().starts_with("StopComponent"), "and the others after it");
    open.api.answered(SUPER_ADMIN, "not done: release the kill switch (reason: looked into). An emergency stop");
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn orders_are_put_where_no_answer_can_be_sent() {
    let open = open();
    open.api.change(|state| state.mute = true);
    for _ in 0..=WORK_MAX {
        open.api.write(VIEWER, "/whoami");
    }
    open.api.write(ADMIN, "/execution_mode dry");
    open.api.write(VIEWER, "/execution_mode dry");
    assert_eq!(open.told(), "Mode(Dry) \"\" telegram user 6");
    let turned = open.fake.turned.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(turned, TurnedAway::Forbidden { .. }), "{turned:?}");
    for _ in 0..=WORK_MAX + STOPS_MAX {
        open.api.write(ADMIN, "/emergency_stop");
        assert_eq!(open.told(), "KillSwitchEngage \"ordered over Telegram\" telegram user 6");
    }
}

#[test]
fn an_update_that_comes_again_and_again_is_heard_once() {
    let api = BotApi::start();
    let open = open_at(api, Does::Answers(Box::new(status())));
    open.api.change(|state| state.repeats = true);
    open.api.write(ADMIN, "/execution_mode dry");
    assert_eq!(open.told(), "Mode(Dry) \"\" telegram user 6");
    open.settled();
    open.settled();
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn what_piled_up_is_not_carried_out_and_its_sender_is_told() {
    let api = BotApi::start();
    for _ in 0..120 {
        api.write(STRANGER, "hello");
    }
    api.write(ADMIN, "/emergency_stop");
    api.write(STRANGER, "hello");
    let open = open_at(api, Does::Answers(Box::new(status())));
    open.api.answered(ADMIN, "What was written before was not carried out");
    open.settled();
    assert!(open.fake.orders.try_recv().is_err());
    open.api.write(ADMIN, "/emergency_stop again");
    assert_eq!(open.told(), "KillSwitchEngage \"again\" telegram user 6");
    assert!(open.api.sent().iter().all(|(chat, _)| *chat != STRANGER), "{:?}", open.api.sent());
}

#[test]
fn strangers_and_groups_are_counted_and_get_no_answer() {
    let open = open();
    open.api.write(STRANGER, "/emergency_stop");
    let group = |id: i64| {
        json!({ "update_id": id, "message": {
            "message_id": 1, "date": bot_api::unix_now(), "text": "/emergency_stop",
            "from": { "id": ADMIN, "is_bot": false, "first_name": "x" }, "chat": { "id": -5, "type": "group" },
        } })
    };
    open.api.push(group);
    let turned = || match open.fake.turned.recv_timeout(PATIENCE).unwrap() {
        TurnedAway::Unproved { peer, why, .. } => (peer, why),
        other @ (TurnedAway::Refused { .. } | TurnedAway::Forbidden { .. }) => panic!("{other:?}"),
    };
    assert_eq!(turned(), ("telegram user 99".to_owned(), "is not listed in [telegram]".to_owned()));
    assert_eq!(turned(), ("telegram user 6".to_owned(), "only a private chat with the bot counts".to_owned()));
    open.settled();
    assert!(open.api.sent().iter().all(|(chat, _)| *chat == VIEWER), "{:?}", open.api.sent());
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn whoever_may_not_is_told_and_that_is_recorded() {
    let open = open();
    open.api.write(VIEWER, "/emergency_stop");
    open.api.answered(VIEWER, "`emergency stop` needs the role admin, and you are viewer");
    let turned = open.fake.turned.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(turned, TurnedAway::Forbidden { .. }), "{turned:?}");
    assert!(open.fake.orders.try_recv().is_err());
}

#[test]
fn questions_are_answered_for_a_telephone() {
    let open = open();
    for (text, says) in [
        ("/system_status", "OBSERVE-ONLY"),
        ("/health", "health "),
        ("/alerts", "demo/hung/bot/7-31"),
        ("/orders", "IN DOUBT (engine-gone)"),
        ("/risk_summary", "trading day"),
        ("/rate_limits", "of "),
        ("/price_feeds", "required"),
        ("/help", "/whoami"),
    ] {
        open.api.write(VIEWER, text);
        open.api.answered(VIEWER, says);
    }
    assert!(open.api.sent().iter().all(|(_, text)| text.starts_with("demo: ") && !text.contains(TOKEN)));
}

#[test]
fn refusals_of_the_loop_are_passed_on() {
    let open = open_at(BotApi::start(), Does::Refuses(vec!["data is old; look at the feed".to_owned()]));
    open.api.write(ADMIN, "/component stop bot");
    let answer = open.api.answered(ADMIN, "refused: stop bot");
    assert!(answer.contains("data is old; look at the feed"), "{answer}");
}

/// Whatever Telegram answers, the next order is heard.
fn survives(odd: Vec<Odd>) {
    let open = open();
    let many = odd.len();
    open.api.change(|state| state.odd = odd.into());
    open.api.until("them to be answered so", |state| state.odd.is_empty().then_some(()));
    open.api.write(ADMIN, "/emergency_stop");
    assert_eq!(open.told(), "KillSwitchEngage \"ordered over Telegram\" telegram user 6", "after {many}");
}

#[test]
fn refusals_of_telegram_are_outlived() {
    let says = |code: u16, body: &str| Odd::Says(code, body.to_owned());
    survives(vec![
        says(409, &refused(409, "Conflict: terminated by other getUpdates request")),
        says(401, &refused(401, "Unauthorized")),
        says(502, "<html>bad gateway</html>"),
    ]);
}

#[test]
fn garbage_is_outlived() {
    let says = |body: &str| Odd::Says(200, body.to_owned());
    survives(vec![says("{"), Odd::HangsUp, says(r#"{"ok":true,"result":{}}"#)]);
}

#[test]
fn wrong_types_are_outlived() {
    let says = |body: &str| Odd::Says(200, body.to_owned());
    let strange = r#"{"ok":true,"result":[null,{"update_id":"5"},{"update_id":50,"message":[]},{"update_id":51,"message":{"from":7}}]}"#;
    survives(vec![says(strange), says(r#"{"ok":true,"result":[1]}"#)]);
}

#[test]
fn a_hang_is_outlived() {
    survives(vec![Odd::Hangs]);
}

#[test]
fn a_message_that_is_larger_than_any_is_passed_over() {
    let large = format!(r#"{{"ok":true,"result":[{{"update_id":100,"message":{{"text":"{}"#, "a".repeat(300 * 1024));
    // As it comes with others, and then by itself.
    survives(vec![Odd::Says(200, large.clone()), Odd::Says(200, large)]);
}

#[test]
fn other_people_are_heard_once_they_are_listed_and_nobody_where_nobody_is() {
    let open = open();
    open.api.write(STRANGER, "/whoami");
    assert!(open.fake.turned.recv_timeout(PATIENCE).is_ok());
    let with_stranger = settings_of(&open.api, open._folder.path(), "viewers = [5, 99]\n");
    open.settings.send_replace(Some(with_stranger));
    open.api.write(STRANGER, "/whoami");
    open.api.answered(STRANGER, "you are telegram user 99, viewer");
    open.api.write(ADMIN, "/emergency_stop");
    open.settled();
    assert!(open.fake.orders.try_recv().is_err(), "not any more");
    assert_eq!(open.fake.heard.recv_timeout(PATIENCE).unwrap(), None, "all is well");
    open.settings.send_replace(None);
    assert_eq!(open.fake.heard.recv_timeout(PATIENCE).unwrap(), None, "and so it is where nobody is to be heard");
    open.api.write(ADMIN, "/emergency_stop now");
    let before = open.api.change(|state| state.asked.len());
    open.settings.send_replace(Some(settings_of(&open.api, open._folder.path(), LISTS)));
    open.api.until("it to listen again", |state| {
        state.asked.iter().skip(before).any(|(_, asked)| asked["timeout"] == 1).then_some(())
    });
    open.api.answered(ADMIN, "What was written before was not carried out");
    open.api.write(ADMIN, "/emergency_stop then");
    assert_eq!(open.told(), "KillSwitchEngage \"then\" telegram user 6");
}

/// What is done for somebody is answered, whoever is heard by then: the settings become these while the loop still works on an order.
fn answers_although(becomes: impl FnOnce(&Open) -> Option<Settings>) {
    let (word, later) = mpsc::channel();
    let open = open_at(BotApi::start(), Does::Later(later));
    open.api.write(ADMIN, "/execution_mode dry");
    assert_eq!(open.told(), "Mode(Dry) \"\" telegram user 6");
    let (before, becomes) = (open.api.change(|state| state.asked.len()), becomes(&open));
    let nobody = becomes.is_none();
    open.settings.send_replace(becomes);
    if nobody {
        // It says so to the loop, which comes to it after the order.
        open.queued();
    } else {
        let begins = |asked: &Value| asked["offset"].as_i64() < Some(0);
        open.api.until("it to begin anew", |state| {
            state.asked.iter().skip(before).any(|(_, asked)| begins(asked)).then_some(())
        });
    }
    word.send(()).unwrap();
    let answer = open.api.answered(ADMIN, "done: set the mode to dry");
    assert!(answer.lines().last().unwrap().starts_with("trace "), "{answer}");
}

#[test]
fn an_order_that_empties_the_lists_is_answered() {
    answers_although(|_| None);
}

#[test]
fn an_order_that_changes_the_bot_is_answered() {
    answers_although(|open| {
        let mut settings = settings_of(&open.api, open._folder.path(), LISTS);
        settings.api_base = format!("http://localhost:{}", open.api.address().port());
        Some(settings)
    });
}

#[tokio::test(start_paused = true)]
async fn that_nobody_is_to_be_heard_is_told_once_there_is_room() {
    let (commands, mut requests) = tokio::sync::mpsc::channel::<Request>(1);
    commands.try_send(Request::new(Command::Status, oneshot::channel().0).unwrap()).unwrap();
    let (_settings, heard) = watch::channel(None);
    let (_closing, closing) = watch::channel(false);
    let turned = Arc::new(Turned::new(commands.clone()));
    let behind = Behind { commands, turned, engagements: Engagements::default() };
    let _door = tokio::spawn(serve(heard, behind, closing));
    // It says so, in vain.
    tokio::task::yield_now().await;
    assert!(matches!(requests.recv().await.map(Request::into_parts), Some((Command::Status, _))));
    let told = tokio::time::timeout(PATIENCE, requests.recv()).await.unwrap();
    assert!(matches!(told.map(Request::into_parts), Some((Command::Hearing { fault: None }, _))));
}

#[test]
fn telegrams_own_pause_is_kept() {
    let open = open();
    let flood = |after: u64| {
        let parameters = json!({ "retry_after": after });
        Odd::Says(429, json!({ "ok": false, "error_code": 429, "parameters": parameters }).to_string())
    };
    // An answer that is sent at the third time, seconds after the question that is not to be put again so soon.
    open.api.change(|state| {
        state.odd_sent = vec![flood(1), flood(1)].into();
        state.odd = vec![Odd::Says(200, said(&bot_api::message(state.next + 1, VIEWER, "/whoami"))), flood(600)].into();
        state.next += 1;
    });
    open.api.answered(VIEWER, "you are telegram user 5");
    let (questions, answers) = open.api.change(|state| {
        let flooded = state.asked.iter().rposition(|(method, _)| method == "getUpdates").unwrap();
        (state.odd.len(), state.asked.iter().skip(flooded).filter(|(method, _)| method == "sendMessage").count())
    });
    // Whichever of the two was put first: two of the three came after it.
    assert!(
        questions == 0 && answers >= 2,
        "{questions} {answers}: {:?}",
        open.api.change(|state| state.asked.clone())
    );
    // Somebody who changes who is heard need not wait for it.
    open.settings.send_replace(Some(settings_of(&open.api, open._folder.path(), LISTS)));
    open.api.write(ADMIN, "/emergency_stop");
    assert_eq!(open.told(), "KillSwitchEngage \"ordered over Telegram\" telegram user 6");
}

/// An answer to a question that brings this alone.
fn said(update: &Value) -> String {
    json!({ "ok": true, "result": [update] }).to_string()
}

#[test]
fn a_release_where_nothing_is_engaged_is_answered_at_once() {
    let open = open_at(BotApi::start(), Does::Answers(Box::new(Status { kill_switch: false, ..status() })));
    open.api.write(SUPER_ADMIN, "/emergency_resume looked into");
    open.api.answered(SUPER_ADMIN, "the kill switch is not engaged");
    assert!(open.fake.orders.try_recv().is_err());
}
