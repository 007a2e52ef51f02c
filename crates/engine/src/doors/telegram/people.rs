//! Which users of Telegram have which role, and which bot hears them: what the door needs to know, made of the configuration.

use crate::access::Role;
use crate::config::{Config, Secret, Telegram};
use crate::doors::Limits;
use failstop_notify::{PRODUCTION, TelegramTable};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Users with their roles, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People(BTreeMap<i64, Role>);

impl People {
    /// Those of the configuration. Who is named twice has the most; what is no person's number gives nobody anything.
    pub fn of(telegram: &Telegram) -> Self {
        let roles = [Role::Viewer, Role::Admin, Role::SuperAdmin];
        let listed = telegram.lists().into_iter().zip(roles).flat_map(|((_, users), role)| {
            users.iter().filter(|user| user.is_person()).map(move |user| (user.number(), role))
        });
        Self(listed.collect())
    }

    /// The role of a user; nobody else has any.
    pub fn role_of(&self, user: i64) -> Option<Role> {
        self.0.get(&user).copied()
    }

    /// How many have this role.
    pub fn count(&self, role: Role) -> usize {
        self.0.values().filter(|of| **of == role).count()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The channel of alerts whose bot hears where none is named: that of this system's environment.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// The table that the channels in use are named in.
    pub alerts: &'static str,
    /// Whether it is written.
    pub is_written: bool,
    /// It, where it is in use.
    used: Option<&'a TelegramTable>,
}

impl<'a> Channel<'a> {
    /// By the configuration.
    pub fn of(config: &'a Config) -> Self {
        let all = &config.alerts;
        let (alerts, token, channel) = match config.system.environment.as_str() {
            PRODUCTION => ("alerts", "telegram.bot_token", all.telegram.as_ref()),
            _ => {
                let staging = all.staging.as_ref().and_then(|staging| staging.telegram.as_ref());
                ("alerts.staging", "staging.telegram.bot_token", staging)
            }
        };
        let used = channel.filter(|_| all.secrets().iter().any(|(key, _)| key == token));
        Self { alerts, is_written: channel.is_some(), used }
    }
}

/// What the door goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The system's name: every answer begins with it, and a confirmation says it.
    pub system: String,
    /// Components in the configuration's order, for their slots.
    pub components: Vec<String>,
    /// Who may what.
    pub people: People,
    /// The bot's token.
    pub token: Secret,
    /// Where the API is, without a slash at its end.
    pub api_base: String,
    /// Authorities beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// How long one question waits at Telegram.
    pub wait: Duration,
    /// How long an order waits for the loop.
    pub order: Duration,
}

impl Settings {
    /// Those of the configuration; `None` where nobody is listed or there is no bot.
    pub fn of(config: &Config) -> Option<Self> {
        let telegram = &config.telegram;
        let people = People::of(telegram);
        if people.is_empty() {
            return None;
        }
        let alerts = &config.alerts;
        let channel = Channel::of(config).used;
        let token = telegram.bot_token.as_ref().or_else(|| channel.map(|channel| &channel.bot_token))?.clone();
        let api_base = telegram.api_base.as_ref().or_else(|| channel.map(|channel| &channel.api_base));
        let api_base = api_base.map_or_else(|| failstop_notify::Telegram::API_BASE.to_owned(), ToString::to_string);
        let waits = config.witness.second_key().unwrap_or_default();
        Some(Self {
            system: config.name().to_owned(),
            components: config.components.iter().map(|component| component.name.as_str().to_owned()).collect(),
            people,
            token,
            api_base: api_base.trim_end_matches('/').to_owned(),
            ca_file: alerts.ca_file.clone(),
            wait: telegram.wait,
            order: Limits::CONTROL.for_orders_that_wait(waits).order,
        })
    }

    /// Whether the same bot hears: then what was heard so far goes on counting.
    pub fn same_bot(&self, other: &Self) -> bool {
        (&self.token, &self.api_base, &self.ca_file) == (&other.token, &other.api_base, &other.ca_file)
    }
}
