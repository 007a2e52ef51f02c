//! `[alerts]`: channels for what a person must act on. Accepted and validated; delivery is not part of this version, and
//! `failstop check` says so.

use failstop_settings::document::Node;
use failstop_settings::{At, Choice, Consistent, Kind, Places, Reading, Secret, Setting, Url, section, shown};
section! {
    /// Channels for what a person must act on. This version delivers to the console only.
    pub struct Alerts {
        /// The channels in use: "console", "telegram", "slack", "pagerduty", "email". Each but the console has a table below.
        channels: Vec<Channel>, default ["console"];
        /// A Telegram bot.
        telegram: Option<Telegram>, absent {};
        /// A Slack webhook.
        slack: Option<Slack>, absent {};
        /// PagerDuty.
        pagerduty: Option<Pagerduty>, absent {};
        /// E-mail over SMTP with TLS.
        email: Option<Email>, absent {};
    }
}

/// A way to reach a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Failstop's own standard output.
    Console,
    /// A Telegram bot.
    Telegram,
    /// A Slack webhook.
    Slack,
    /// PagerDuty.
    Pagerduty,
    /// E-mail.
    Email,
}

impl Channel {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, channel)| *channel == self).map_or("", |(word, _)| *word)
    }
}

impl Choice for Channel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("console", Self::Console),
        ("telegram", Self::Telegram),
        ("slack", Self::Slack),
        ("pagerduty", Self::Pagerduty),
        ("email", Self::Email),
    ];
    const WANTED: &'static str = "\"console\", \"telegram\", \"slack\", \"pagerduty\" or \"email\"";
}

section! {
    /// A Telegram bot.
    pub struct Telegram {
        /// The bot's token.
        bot_token: Secret, required { env = "TELEGRAM_BOT_TOKEN" };
        /// Who is written to.
        chat_id: String, required "123";
        /// Where the API is.
        api_base: Url, default "https://api.telegram.org";
    }
}

section! {
    /// A Slack webhook.
    pub struct Slack {
        /// The webhook's URL, which is a secret.
        webhook_url: Secret, required { env = "SLACK_WEBHOOK_URL" };
    }
}

section! {
    /// PagerDuty.
    pub struct Pagerduty {
        /// The routing key of an integration.
        routing_key: Secret, required { env = "PAGERDUTY_ROUTING_KEY" };
        /// Where the API is.
        api_base: Url, default "https://events.pagerduty.com";
    }
}

section! {
    /// E-mail over SMTP with TLS.
    pub struct Email {
        /// The server and the user.
        smtp_url: SmtpUrl, required "smtps://user@mail.example.com:465";
        /// The user's password.
        password: Option<Secret>, absent { file = "secrets/smtp" };
        /// The sender.
        from: Address, required "failstop@example.com";
        /// Who is written to.
        to: Vec<Address>, required ["ops@example.com"];
    }
}

impl Consistent for Telegram {}
impl Consistent for Slack {}
impl Consistent for Pagerduty {}

impl Consistent for Email {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.to.is_empty() {
            let message = format!("`to` in {} is empty", places.label);
            reading.refuse(Kind::BadValue, &places.first_of(&["to"]), message, "write at least one address");
        }
    }
}

impl Consistent for Alerts {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let tables = [
            (Channel::Telegram, self.telegram.is_some()),
            (Channel::Slack, self.slack.is_some()),
            (Channel::Pagerduty, self.pagerduty.is_some()),
            (Channel::Email, self.email.is_some()),
        ];
        for (channel, configured) in tables {
            let word = channel.word();
            match (self.channels.contains(&channel), configured) {
                (true, false) => reading.refuse(
                    Kind::Missing,
                    &places.first_of(&["channels"]),
                    format!("the channel \"{word}\" has no table"),
                    format!("add [alerts.{word}], or remove \"{word}\" from `channels`"),
                ),
                (false, true) => reading.notice(
                    Kind::Contradiction,
                    &places.first_of(&[word]),
                    format!("[alerts.{word}] is not in use"),
                    format!("add \"{word}\" to `channels`, or remove the table"),
                ),
                (true, true) | (false, false) => {}
            }
        }
    }
}

/// `smtps://[user@]host[:port]`, or `smtp://` for STARTTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpUrl(pub String);

impl Setting for SmtpUrl {
    const WANTED: &'static str = "a URL, like \"smtps://user@mail.example.com:465\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        let rest = text.strip_prefix("smtps://").or_else(|| text.strip_prefix("smtp://"));
        let authority = rest.map(|rest| rest.split('/').next().unwrap_or(rest));
        let (user, host) = match authority.map(|a| a.rsplit_once('@').unwrap_or(("", a))) {
            Some(parts) if !parts.1.is_empty() && !parts.1.contains(char::is_whitespace) => parts,
            _ => {
                let message = format!("{} must be a URL of a mail server; found \"{}\"", at.name(), shown(&text));
                reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
                return None;
            }
        };
        if user.contains(':') {
            let message = format!("{} holds a password", at.name());
            let help =
                format!("write it without the password ({host}) and add `password = {{ file = \"secrets/smtp\" }}`");
            reading.refuse(Kind::ExposedSecret, &node.origin, message, help);
            return None;
        }
        Some(Self(text))
    }
}

/// A mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub String);

impl Setting for Address {
    const WANTED: &'static str = "a mail address, like \"ops@example.com\"";

    fn read(node: &Node, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = String::read(node, at, reading)?;
        let good = text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        });
        if !good {
            let message = format!("{} must be a mail address; found \"{}\"", at.name(), shown(&text));
            reading.refuse(Kind::BadValue, &node.origin, message, format!("write {}", Self::WANTED));
            return None;
        }
        Some(Self(text))
    }
}
