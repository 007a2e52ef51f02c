//! `[telegram]`: who may ask and order over Telegram, and which bot hears them.

use failstop_settings::document::{Node, Value};
use failstop_settings::{
    At, Consistent, Kind, Places, Reading, Secret, Setting, Url, interpreted, section, shown, within,
};
use std::fmt;
use std::time::Duration;

/// The most users in a list.
pub const MAX_TELEGRAM_USERS: usize = 64;

/// A user of Telegram, by the number that Telegram gave it. A name is none: it can be given up and taken by somebody else. What is
/// below zero is a group, and gives nobody anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TelegramUser(i64);

impl TelegramUser {
    /// The number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Whether it is the number of a person. Telegram numbers groups and channels below zero.
    pub const fn is_person(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for TelegramUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Setting for TelegramUser {
    const WANTED: &'static str = "the number of a Telegram user, like 123456789";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let given = interpreted(node);
        let text = match &given.value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text.trim().to_owned(),
            Value::Float(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Raw(_) => String::new(),
        };
        if let Ok(number) = text.parse::<i64>()
            && number != 0
        {
            return Some(Self(number));
        }
        let message = format!("{} must have numbers of Telegram users; found \"{}\"", at.name(), shown(&text));
        let help = format!(
            "write {}; names change hands, so a name is not taken. A user that wrote to the bot and is not listed stands with its number in\n\
             failstop events --type x.failstop.control_unproved",
            Self::WANTED
        );
        reading.refuse(Kind::BadValue, &node.origin, message, help);
        None
    }
}

section! {
    /// Commands over Telegram (docs/guide/telegram.md): users of Telegram and what each may. Off while nobody is listed.
    pub struct Telegram {
        /// Numbers of the users who may look.
        viewers: Vec<TelegramUser>, default [];
        /// Numbers of the users who may stop, and everything else that does not loosen for the whole system.
        admins: Vec<TelegramUser>, default [];
        /// Numbers of the users who may everything: release, resume, live mode, maintenance, limits.
        super_admins: Vec<TelegramUser>, default [];
        /// The token of the bot that they write to; absent: that of [alerts.telegram], where that channel is in use (of
        /// [alerts.staging.telegram] in every environment but production). Telegram gives the messages of a bot to one program
        /// alone, so each system that takes commands has a bot of its own.
        bot_token: Option<Secret>, absent { env = "TELEGRAM_COMMANDS_TOKEN" };
        /// Where the API is; absent: where that channel has it.
        api_base: Option<Url>, absent "https://api.telegram.org";
        /// How long one question waits at Telegram for the next message.
        wait: Duration, default "50s", within("1s", "50s");
    }
}

impl Telegram {
    /// The lists, from the least role to the most, with their keys.
    pub fn lists(&self) -> [(&'static str, &[TelegramUser]); 3] {
        [("viewers", &self.viewers), ("admins", &self.admins), ("super_admins", &self.super_admins)]
    }

    /// Whether anybody is listed.
    pub fn is_on(&self) -> bool {
        self.lists().iter().any(|(_, users)| users.iter().any(|user| user.is_person()))
    }
}

impl Consistent for Telegram {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        for (key, users) in self.lists() {
            if users.len() > MAX_TELEGRAM_USERS {
                reading.refuse(
                    Kind::OutOfRange,
                    &places.first_of(&[key]),
                    format!("`{key}` in {} names {}", places.label, users.len()),
                    format!("name at most {MAX_TELEGRAM_USERS}"),
                );
            }
        }
    }
}
