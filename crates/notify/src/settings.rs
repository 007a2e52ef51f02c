//! `[alerts]` of a configuration file: which channels, and who hears of what, when, and how often. Each channel's own table is
//! declared in the channel's file.

use crate::channel::{
    AlertmanagerTable, DiscordTable, EmailTable, ExecTable, LogFileTable, NtfyTable, PagerdutyTable, SlackTable,
    TelegramTable, TwilioTable, WebhookTable,
};
use crate::config::{Channel, Config};
use crate::notice::Severity;
use crate::policy::{EachSeverity, Environments, Escalation, Policy, Route};
use crate::{Kind, Secret};
use failstop_settings::{
    Choice, Consistent, Kind as Problem, Places, Reading, Secret as Place, section, shown, within,
};
use std::path::PathBuf;
use std::time::Duration;

/// A way to reach a person, as the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The program's own standard output.
    Console,
    /// A log file.
    LogFile,
    /// A Telegram bot.
    Telegram,
    /// Slack.
    Slack,
    /// PagerDuty.
    Pagerduty,
    /// E-mail.
    Email,
    /// A signed webhook.
    Webhook,
    /// Prometheus Alertmanager.
    Alertmanager,
    /// ntfy.
    Ntfy,
    /// Discord.
    Discord,
    /// SMS through Twilio.
    Twilio,
    /// A program of one's own.
    Exec,
}

impl Word {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, word)| *word == self).map_or("", |(word, _)| *word)
    }
}

impl Choice for Word {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("console", Self::Console),
        ("log_file", Self::LogFile),
        ("telegram", Self::Telegram),
        ("slack", Self::Slack),
        ("pagerduty", Self::Pagerduty),
        ("email", Self::Email),
        ("webhook", Self::Webhook),
        ("alertmanager", Self::Alertmanager),
        ("ntfy", Self::Ntfy),
        ("discord", Self::Discord),
        ("twilio", Self::Twilio),
        ("exec", Self::Exec),
    ];
    const WANTED: &'static str = "\"console\", \"log_file\", \"telegram\", \"slack\", \"pagerduty\", \"email\", \"webhook\", \
                                  \"alertmanager\", \"ntfy\", \"discord\", \"twilio\" or \"exec\"";
}

impl Choice for Severity {
    const WORDS: &'static [(&'static str, Self)] =
        &[("critical", Self::Critical), ("warning", Self::Warning), ("info", Self::Info)];
    const WANTED: &'static str = "\"critical\", \"warning\" or \"info\"";
}

/// A section with a table for each channel, and some keys more.
macro_rules! with_channels {
    ($(#[doc = $docs:literal])* pub struct $name:ident { $($more:tt)* }) => {
        section! {
            $(#[doc = $docs])*
            pub struct $name {
                $($more)*
                /// A log file.
                log_file: Option<LogFileTable>, absent {};
                /// A Telegram bot.
                telegram: Option<TelegramTable>, absent {};
                /// Slack, by a webhook or a bot.
                slack: Option<SlackTable>, absent {};
                /// PagerDuty.
                pagerduty: Option<PagerdutyTable>, absent {};
                /// E-mail over SMTP with TLS.
                email: Option<EmailTable>, absent {};
                /// A signed webhook.
                webhook: Option<WebhookTable>, absent {};
                /// Prometheus Alertmanager.
                alertmanager: Option<AlertmanagerTable>, absent {};
                /// ntfy.
                ntfy: Option<NtfyTable>, absent {};
                /// A Discord webhook.
                discord: Option<DiscordTable>, absent {};
                /// SMS through Twilio.
                twilio: Option<TwilioTable>, absent {};
                /// A program of your own.
                exec: Option<ExecTable>, absent {};
            }
        }

        impl $name {
            /// Whether there is a table for a channel. The console needs none.
            fn has(&self, word: Word) -> bool {
                match word {
                    Word::Console => true,
                    Word::LogFile => self.log_file.is_some(),
                    Word::Telegram => self.telegram.is_some(),
                    Word::Slack => self.slack.is_some(),
                    Word::Pagerduty => self.pagerduty.is_some(),
                    Word::Email => self.email.is_some(),
                    Word::Webhook => self.webhook.is_some(),
                    Word::Alertmanager => self.alertmanager.is_some(),
                    Word::Ntfy => self.ntfy.is_some(),
                    Word::Discord => self.discord.is_some(),
                    Word::Twilio => self.twilio.is_some(),
                    Word::Exec => self.exec.is_some(),
                }
            }

            /// The channels in use, in order: those that are named, and where none are, every one that there is a table for.
            pub fn used(&self) -> Vec<Word> {
                let with_table = || {
                    let words = Word::WORDS.iter().map(|(_, word)| *word);
                    words.filter(|word| if *word == Word::Console { Self::HAS_CONSOLE } else { self.has(*word) }).collect()
                };
                self.channels.clone().unwrap_or_else(with_table)
            }

            /// A channel with its secrets fetched.
            fn revealed(&self, word: Word) -> Result<Revealed, Faults> {
                let missing = || Faults::of(format!("it has no table: add [alerts.{}]", word.word()));
                match word {
                    Word::Console => Ok(Revealed { kind: Kind::Console, timeout: Channel::TIMEOUT }),
                    Word::LogFile => self.log_file.as_ref().map(LogFileTable::revealed).ok_or_else(missing),
                    Word::Telegram => self.telegram.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Slack => self.slack.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Pagerduty => self.pagerduty.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Email => self.email.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Webhook => self.webhook.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Alertmanager => self.alertmanager.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Ntfy => self.ntfy.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Discord => self.discord.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Twilio => self.twilio.as_ref().ok_or_else(missing)?.revealed(),
                    Word::Exec => self.exec.as_ref().map(ExecTable::revealed).ok_or_else(missing),
                }
            }

            /// Where the secrets of the channels in use are kept, by the key that names them.
            fn places<'a>(&'a self) -> Vec<(String, &'a Place)> {
                let mut places: Vec<(Word, &'static str, &'a Place)> = Vec::new();
                let mut add = |word, key, place: Option<&'a Place>| places.extend(place.map(|place| (word, key, place)));
                if let Some(it) = &self.telegram {
                    add(Word::Telegram, "bot_token", Some(&it.bot_token));
                }
                if let Some(it) = &self.slack {
                    add(Word::Slack, "webhook_url", it.webhook_url.as_ref());
                    add(Word::Slack, "bot_token", it.bot_token.as_ref());
                }
                if let Some(it) = &self.pagerduty {
                    add(Word::Pagerduty, "routing_key", it.routing_key.as_ref());
                    add(Word::Pagerduty, "api_key", it.api_key.as_ref());
                }
                if let Some(it) = &self.email {
                    add(Word::Email, "password", it.password.as_ref());
                }
                if let Some(it) = &self.webhook {
                    add(Word::Webhook, "url", Some(&it.url));
                    add(Word::Webhook, "secret", Some(&it.secret));
                }
                if let Some(it) = &self.alertmanager {
                    add(Word::Alertmanager, "authorization", it.authorization.as_ref());
                }
                if let Some(it) = &self.ntfy {
                    add(Word::Ntfy, "topic", Some(&it.topic));
                    add(Word::Ntfy, "token", it.token.as_ref());
                }
                if let Some(it) = &self.discord {
                    add(Word::Discord, "webhook_url", Some(&it.webhook_url));
                }
                if let Some(it) = &self.twilio {
                    add(Word::Twilio, "auth_token", Some(&it.auth_token));
                }
                let used = self.used();
                let places = places.into_iter().filter(|(word, _, _)| used.contains(word));
                places.map(|(word, key, place)| (format!("{}.{key}", word.word()), place)).collect()
            }

            fn check_channels(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
                let section = places.label.trim_matches(['[', ']']);
                let used = self.used();
                for (word, channel) in Word::WORDS {
                    match (used.contains(channel), self.has(*channel)) {
                        (true, false) => reading.refuse(
                            Problem::Missing,
                            &places.first_of(&["channels"]),
                            format!("the channel \"{word}\" has no table"),
                            format!("add [{section}.{word}], or remove \"{word}\" from `channels`"),
                        ),
                        (false, true) if *channel != Word::Console => reading.notice(
                            Problem::Contradiction,
                            &places.first_of(&[word]),
                            format!("[{section}.{word}] is not in use"),
                            format!("add \"{word}\" to `channels`, or remove the table"),
                        ),
                        (true, true) | (false, _) => {}
                    }
                }
            }
        }
    };
}

with_channels! {
    /// Channels for what a person must act on, and who hears of what.
    pub struct Alerts {
        /// Whether anything leaves this host. Without it incidents are recorded, and shown on the console and in the log file.
        enabled: bool, default true;
        /// The channels in use, in order: what one of them refuses for good goes to the next. Each but "console" has a table below.
        /// Absent, the console and every channel that has a table, in the order below.
        channels: Option<Vec<Word>>, absent ["console", "telegram"];
        /// A PEM file of further certificate authorities, for services of your own.
        ca_file: Option<PathBuf>, absent "ca.pem";
        /// The same text about the same incident within this time is sent once.
        duplicate_window: Duration, default "10m", within("0s", "24h");
        /// The least time between two messages about one incident that got no worse.
        cooldown: Cooldown, default {};
        /// How often an open incident that nobody acknowledged is told again.
        reminder: Reminder, default {};
        /// Further channels for an incident that nobody acknowledged in time.
        escalation: Vec<EscalationStep>, default [];
        /// Which alerts go to which channels; the first that matches decides, and without one every channel is used.
        route: Vec<RouteTable>, default [];
        /// The channels of alerts of every environment but production. Those above get production's alerts only.
        staging: Option<Staging>, absent {};
    }
}

with_channels! {
    /// The channels of every environment but production.
    pub struct Staging {
        /// The channels in use, in order. In routes and escalation their names are "staging.telegram" and so on. Absent, every channel
        /// that has a table here.
        channels: Option<Vec<Word>>, absent ["console"];
    }
}

impl Alerts {
    /// The console is in use where nothing else is said.
    const HAS_CONSOLE: bool = true;
}

impl Staging {
    /// The console shows the alerts of every environment already.
    const HAS_CONSOLE: bool = false;
}

section! {
    /// The least time between two messages about one incident that got no worse.
    pub struct Cooldown {
        /// For critical ones.
        critical: Duration, default "30m", within("0s", "24h");
        /// For warnings.
        warning: Duration, default "10m", within("0s", "24h");
        /// For those that are good to know.
        info: Duration, default "5m", within("0s", "24h");
    }
}

section! {
    /// How often an open incident that nobody acknowledged is told again; "0s" for never. The cooldown is the least.
    pub struct Reminder {
        /// For critical ones.
        critical: Duration, default "30m", within("0s", "168h");
        /// For warnings.
        warning: Duration, default "4h", within("0s", "168h");
        /// For those that are good to know.
        info: Duration, default "0s", within("0s", "168h");
    }
}

section! {
    /// Further channels for an incident that nobody acknowledged in time.
    pub struct EscalationStep {
        /// So long after the incident was first sent.
        after: Duration, required "15m", within("1m", "168h");
        /// From this severity on.
        severity: Severity, default "critical";
        /// The channels.
        channels: Vec<String>, required ["pagerduty"];
    }
}

section! {
    /// Which alerts go to which channels. A key that is absent matches everything.
    pub struct RouteTable {
        /// Of these severities.
        severity: Vec<Severity>, default [];
        /// Of these causes.
        cause: Vec<String>, default [];
        /// Of these environments.
        environment: Vec<String>, default [];
        /// To these channels; none switches the alerts off, except for halts, integrity and the kill switch.
        channels: Vec<String>, required ["telegram"];
    }
}

impl Consistent for Cooldown {}
impl Consistent for Reminder {}
impl Consistent for EscalationStep {}
impl Consistent for RouteTable {}

impl Consistent for Staging {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        self.check_channels(places, reading);
    }
}

impl Consistent for Alerts {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        self.check_channels(places, reading);
        let known = self.names();
        let escalation = self.escalation.iter().flat_map(|step| &step.channels).map(|name| ("escalation", name));
        let routes = self.route.iter().flat_map(|route| &route.channels).map(|name| ("route", name));
        for (key, name) in escalation.chain(routes) {
            if !known.contains(name) {
                reading.refuse(
                    Problem::BadValue,
                    &places.first_of(&[key]),
                    format!("`{key}` in {} names the channel \"{}\", which is not in use", places.label, shown(name)),
                    format!("channels in use: {}", known.join(", ")),
                );
            }
        }
        if self.escalation.is_sorted_by_key(|step| step.after) {
            return;
        }
        let message = format!("the steps of `escalation` in {} are not in order of their times", places.label);
        reading.refuse(Problem::BadValue, &places.first_of(&["escalation"]), message, "write the earliest first");
    }
}

/// A channel that is ready for use.
pub(crate) struct Revealed {
    pub(crate) kind: Kind,
    pub(crate) timeout: Duration,
}

/// Why a channel is not.
pub(crate) struct Faults(String);

impl Faults {
    pub(crate) fn of(fault: impl Into<String>) -> Self {
        Self(fault.into())
    }
}

/// A channel that cannot be used, and why. The others can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its name.
    pub channel: String,
    /// What is wrong; no secret in it.
    pub fault: String,
}

/// Fetches a secret.
pub(crate) fn reveal(key: &str, place: &Place) -> Result<Secret, Faults> {
    place.reveal().map(Secret::from).map_err(|fault| Faults(format!("`{key}`: {fault}")))
}

/// Fetches a secret that is a URL.
pub(crate) fn reveal_url(key: &str, place: &Place) -> Result<Secret, Faults> {
    let secret = reveal(key, place)?;
    let url = secret.expose();
    let scheme = url.starts_with("https://") || url.starts_with("http://");
    if scheme && !url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Ok(secret)
    } else {
        Err(Faults(format!("`{key}` is not the URL of a webhook: it must begin with https://")))
    }
}

impl Alerts {
    /// The names of the channels in use, as routes know them.
    pub fn names(&self) -> Vec<String> {
        let own = self.used().into_iter().map(|word| word.word().to_owned());
        let staging = self.staging.iter().flat_map(Staging::used);
        own.chain(staging.map(|word| format!("staging.{}", word.word()))).collect()
    }

    /// Whether every channel in use is of this host, so that nobody elsewhere is told of anything.
    pub fn stay_on_this_host(&self) -> bool {
        let mut used = self.used().into_iter().chain(self.staging.iter().flat_map(Staging::used));
        used.all(|word| matches!(word, Word::Console | Word::LogFile))
    }

    /// Where the secrets of the channels in use are kept, by the key that names them: `telegram.bot_token`.
    pub fn secrets(&self) -> Vec<(String, &Place)> {
        let staging = self.staging.iter().flat_map(Staging::places);
        self.places().into_iter().chain(staging.map(|(key, place)| (format!("staging.{key}"), place))).collect()
    }

    /// The policy.
    pub fn policy(&self) -> Policy {
        let never = |every: Duration| (!every.is_zero()).then_some(every);
        let routes: Vec<Route> = self
            .route
            .iter()
            .map(|route| Route {
                severities: route.severity.clone(),
                causes: route.cause.clone(),
                environments: route.environment.clone(),
                channels: route.channels.clone(),
            })
            .collect();
        Policy {
            duplicate_window: self.duplicate_window,
            cooldown: EachSeverity {
                critical: self.cooldown.critical,
                warning: self.cooldown.warning,
                info: self.cooldown.info,
            },
            reminder: EachSeverity {
                critical: never(self.reminder.critical),
                warning: never(self.reminder.warning),
                info: never(self.reminder.info),
            },
            escalation: self
                .escalation
                .iter()
                .map(|step| Escalation { after: step.after, severity: step.severity, channels: step.channels.clone() })
                .collect(),
            routes,
        }
    }

    /// Everything that the notifier of `name` needs, with the secrets fetched, and the channels that cannot be used: one
    /// that lacks its secret does not keep the others from people.
    pub fn config(&self, name: &str) -> (Config, Vec<Unusable>) {
        let mut config = Config { policy: self.policy(), ca_file: self.ca_file.clone(), ..Config::new(name) };
        let mut unusable = Vec::new();
        let own = self.used().into_iter().map(|word| (word.word().to_owned(), None, self.revealed(word)));
        let staging = self.staging.iter().flat_map(|staging| {
            let name = |word: Word| format!("staging.{}", word.word());
            let all = Some(Environments::NotProduction);
            staging.used().into_iter().map(move |word| (name(word), all.clone(), staging.revealed(word)))
        });
        for (name, environments, revealed) in own.chain(staging) {
            let ready = revealed.map_err(|fault| fault.0).and_then(|Revealed { kind, timeout }| {
                kind.check()?;
                let channel = Channel::new(kind);
                let environments = environments.unwrap_or_else(|| channel.environments.clone());
                Ok(Channel { name: name.clone(), environments, timeout, ..channel })
            });
            match ready {
                Ok(channel) if !self.enabled && channel.environments != Environments::All => {}
                Ok(channel) => config.channels.push(channel),
                Err(fault) => unusable.push(Unusable { channel: name, fault }),
            }
        }
        (config, unusable)
    }
}

#[cfg(test)]
mod tests;
