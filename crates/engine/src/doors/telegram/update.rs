//! What Telegram gives, read: who wrote what, and whether it is a message that may act at all. Pure.
//!
//! Only what a person wrote just now, himself, in his own chat with the bot counts. What was passed on, edited, planned, sent on somebody's
//! behalf or said in a group does not: the number of the sender would not be that of whoever means it, or not mean it now.

use serde_json::Value;

/// One update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Update {
    /// Telegram's number of it.
    pub id: i64,
    /// What it is.
    pub heard: Heard,
}

/// What an update is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody wrote.
    Words(Words),
    /// A message that does not count, whoever sent it.
    Refused {
        /// Who, as far as that is known.
        user: Option<i64>,
        /// Whether it came in that user's own chat with the bot.
        private: bool,
        /// Why.
        why: &'static str,
    },
    /// No message.
    Nothing,
}

/// What a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// Who: also the number of the chat.
    pub user: i64,
    /// When, by Telegram's clock: Unix seconds.
    pub date: i64,
    /// What.
    pub text: String,
}

/// What makes a message one that its sender did not write himself just now.
const NOT_HIS_OWN: [(&str, &str); 10] = [
    ("forward_origin", "forwarded messages are not taken"),
    ("forward_date", "forwarded messages are not taken"),
    ("forward_from", "forwarded messages are not taken"),
    ("forward_sender_name", "forwarded messages are not taken"),
    ("is_automatic_forward", "forwarded messages are not taken"),
    ("edit_date", "edited messages are not taken"),
    ("via_bot", "messages by way of another bot are not taken"),
    ("sender_chat", "messages in the name of a chat are not taken"),
    ("business_connection_id", "messages of a business account are not taken"),
    ("is_from_offline", "messages that were planned are not taken"),
];

/// Reads one; `None` where it has no number.
pub(super) fn read(update: &Value) -> Option<Update> {
    let id = update.get("update_id")?.as_i64()?;
    let heard = update.get("message").map_or(Heard::Nothing, message);
    Some(Update { id, heard })
}

fn message(message: &Value) -> Heard {
    let user = message.pointer("/from/id").and_then(Value::as_i64);
    let chat = message.pointer("/chat/id").and_then(Value::as_i64);
    let kind = message.pointer("/chat/type").and_then(Value::as_str);
    let private = kind == Some("private") && chat.is_some() && chat == user;
    let refused = |why| Heard::Refused { user, private, why };
    let Some(number) = user.filter(|number| *number > 0) else { return refused("it names no sender") };
    if message.pointer("/from/is_bot").and_then(Value::as_bool) != Some(false) {
        return refused("bots are not heard");
    }
    if !private {
        return refused("only a private chat with the bot counts");
    }
    // Whatever stands there, `false` and `null` too, is nothing that a message of one's own has.
    if let Some((_, why)) = NOT_HIS_OWN.iter().find(|(key, _)| message.get(key).is_some()) {
        return refused(why);
    }
    let Some(date) = message.get("date").and_then(Value::as_i64) else { return refused("it has no date") };
    match message.get("text").and_then(Value::as_str) {
        Some(text) => Heard::Words(Words { user: number, date, text: text.to_owned() }),
        None => refused("only text is taken"),
    }
}

/// The number of the first update in the beginning of an answer that is too large to be read.
pub(super) fn first_id(beginning: &[u8]) -> Option<i64> {
    const KEY: &[u8] = b"\"update_id\":";
    // Within a text its quotes would have a backslash before them.
    let at = beginning.windows(KEY.len()).enumerate().find_map(|(at, window)| {
        let free = at.checked_sub(1).and_then(|before| beginning.get(before)) != Some(&b'\\');
        (window == KEY && free).then_some(at + KEY.len())
    })?;
    let rest = beginning.get(at..)?.trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A number that goes on to the end of what was read may go on behind it.
    let number = rest.get(..digits).filter(|number| number.len() < rest.len())?;
    core::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use serde_json::json;

    fn own() -> Value {
        json!({ "update_id": 9, "message": {
            "message_id": 1, "date": 1_000, "text": "/status",
            "from": { "id": 7, "is_bot": false, "first_name": "Ana" },
            "chat": { "id": 7, "type": "private" },
        } })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Heard {
        let mut update = own();
        change(&mut update["message"]);
        read(&update).unwrap().heard
    }

    #[test]
    fn what_a_person_wrote_in_his_own_chat_counts() {
        let words = Words { user: 7, date: 1_000, text: "/status".to_owned() };
        assert_eq!(read(&own()), Some(Update { id: 9, heard: Heard::Words(words) }));
    }

    #[test]
    fn what_was_not_written_by_him_just_now_does_not() {
        for (key, why) in NOT_HIS_OWN {
            for value in [json!(true), json!({}), json!(1_000), Value::Null] {
                let heard = with(|message| message[key] = value.clone());
                assert_eq!(heard, Heard::Refused { user: Some(7), private: true, why }, "{key} {value}");
            }
        }
        let of_bot = with(|message| message["from"]["is_bot"] = json!(true));
        assert_eq!(of_bot, Heard::Refused { user: Some(7), private: true, why: "bots are not heard" });
        for (kind, chat) in [("group", -5), ("supergroup", -5), ("channel", -5), ("private", 8), ("sender", 7)] {
            let heard = with(|message| message["chat"] = json!({ "id": chat, "type": kind }));
            let why = "only a private chat with the bot counts";
            assert_eq!(heard, Heard::Refused { user: Some(7), private: false, why }, "{kind}");
        }
        let photo = with(|message| drop(message.as_object_mut().unwrap().remove("text")));
        assert_eq!(photo, Heard::Refused { user: Some(7), private: true, why: "only text is taken" });
    }

    #[test]
    fn other_updates_are_nothing_and_wrong_types_act_on_nothing() {
        for other in ["edited_message", "channel_post", "business_message", "guest_message", "callback_query"] {
            let update = json!({ "update_id": 3, other: own()["message"] });
            assert_eq!(read(&update), Some(Update { id: 3, heard: Heard::Nothing }), "{other}");
        }
        for none in [json!({}), json!([]), json!(null), json!({ "update_id": "9" }), json!({ "update_id": 9.5 })] {
            assert_eq!(read(&none), None, "{none}");
        }
        for path in ["from", "chat", "date", "text"] {
            for value in [json!(null), json!("x"), json!([7]), json!({ "id": "7" }), json!(7.5)] {
                if path == "text" && value == "x" {
                    continue;
                }
                let heard = with(|message| message[path] = value.clone());
                assert!(matches!(heard, Heard::Refused { .. }), "{path} {value}: {heard:?}");
            }
        }
        assert!(matches!(read(&json!({ "update_id": 1, "message": 5 })).unwrap().heard, Heard::Refused { .. }));
    }

    #[test]
    fn the_number_of_an_update_is_found_in_the_beginning_of_an_answer() {
        let id = |text: &str| first_id(text.as_bytes());
        assert_eq!(id("{\"ok\":true,\"result\":[{\"update_id\":831,\n\"message\":{\"text\":\"aaa"), Some(831));
        assert_eq!(id("{\"ok\":true,\"result\":[{\"update_id\": 831,"), Some(831));
        assert_eq!(id("\"text\":\"\\\"update_id\\\":5, \",\"update_id\":6}"), Some(6), "not what somebody wrote");
        assert_eq!(id("{\"update_id\":83"), None, "it may go on");
        for none in ["", "{}", "\"update_id\":", "\"update_id\":x", "\"update_id\":99999999999999999999,"] {
            assert_eq!(id(none), None, "{none}");
        }
    }
}
