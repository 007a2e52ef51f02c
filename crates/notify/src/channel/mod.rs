//! The ways to people. One file each: its configuration, what it writes, what the service's answers mean.

mod alertmanager;
mod console;
mod discord;
mod email;
mod exec;
mod logfile;
mod ntfy;
mod pagerduty;
mod slack;
mod telegram;
#[cfg(test)]
mod tests;
mod twilio;
mod webhook;

pub use alertmanager::{Alertmanager, AlertmanagerTable};
pub use discord::{Discord, DiscordTable};
pub use email::{Address, Email, EmailTable, SmtpUrl, SmtpUrlFault};
pub use exec::{Exec, ExecTable};
pub use logfile::{LogFile, LogFileTable};
pub use ntfy::{Ntfy, NtfyTable};
pub use pagerduty::{PagerdutyEvents, PagerdutyRest, PagerdutyTable, Urgency};
pub use slack::{SlackBot, SlackTable, SlackWebhook};
pub use telegram::{Telegram, TelegramTable};
pub use twilio::{Twilio, TwilioTable};
pub use webhook::{Webhook, WebhookTable};

use crate::answer::Answer;
use crate::config::Channel;
use crate::heart::{Collapse, LaneId, Spec, Wants};
use crate::message::Message;
use crate::secret::Secret;
use crate::threads::{CONSOLE, LOG_FILES, Threads};
use crate::transport::http::{Fault, Http, Request, Response};
use crate::transport::program::Programs;
use crate::transport::tls::Trust;
use std::sync::Arc;
use std::time::Duration;

/// What a channel is.
#[derive(Clone)]
pub enum Kind {
    /// The program's own standard output.
    Console,
    /// A log file.
    LogFile(LogFile),
    /// A Telegram bot.
    Telegram(Telegram),
    /// A Slack webhook.
    SlackWebhook(SlackWebhook),
    /// A Slack bot.
    SlackBot(SlackBot),
    /// PagerDuty by an integration's routing key.
    PagerdutyEvents(PagerdutyEvents),
    /// PagerDuty by an API key.
    PagerdutyRest(PagerdutyRest),
    /// E-mail.
    Email(Email),
    /// A signed webhook.
    Webhook(Webhook),
    /// Prometheus Alertmanager.
    Alertmanager(Alertmanager),
    /// ntfy.
    Ntfy(Ntfy),
    /// A Discord webhook.
    Discord(Discord),
    /// SMS through Twilio.
    Twilio(Twilio),
    /// A program of one's own.
    Exec(Exec),
}

/// What carries messages.
#[derive(Clone)]
pub(crate) struct Carriers {
    pub(crate) http: Http,
    pub(crate) trust: Trust,
    pub(crate) programs: Arc<dyn Programs>,
}

/// Where one attempt goes.
pub(crate) struct Destination {
    /// The lane's own one, where the channel has several.
    pub(crate) name: Option<String>,
    /// Where it moved to since it was configured.
    pub(crate) moved: Option<String>,
    /// How long the attempt may take.
    pub(crate) within: Duration,
}

impl Destination {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl Kind {
    /// Its word in the configuration.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::LogFile(_) => "log_file",
            Self::Telegram(_) => "telegram",
            Self::SlackWebhook(_) | Self::SlackBot(_) => "slack",
            Self::PagerdutyEvents(_) | Self::PagerdutyRest(_) => "pagerduty",
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Alertmanager(_) => "alertmanager",
            Self::Ntfy(_) => "ntfy",
            Self::Discord(_) => "discord",
            Self::Twilio(_) => "twilio",
            Self::Exec(_) => "exec",
        }
    }

    /// What must not be seen of it.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Console | Self::LogFile(_) | Self::Exec(_) => Vec::new(),
            Self::Telegram(it) => vec![&it.bot_token],
            Self::SlackWebhook(it) => vec![&it.webhook_url],
            Self::SlackBot(it) => vec![&it.bot_token],
            Self::PagerdutyEvents(it) => vec![&it.routing_key],
            Self::PagerdutyRest(it) => vec![&it.api_key],
            Self::Email(it) => it.login.iter().map(|(_, password)| password).collect(),
            Self::Webhook(it) => vec![&it.url, &it.secret],
            Self::Alertmanager(it) => it.authorization.iter().collect(),
            Self::Ntfy(it) => it.token.iter().chain([&it.topic]).collect(),
            Self::Discord(it) => vec![&it.webhook_url],
            Self::Twilio(it) => vec![&it.auth_token],
        }
    }

    /// Whether it can work at all.
    ///
    /// # Errors
    ///
    /// What is wrong and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        let filled = |what: &str, list: &[String]| {
            if list.is_empty() { Err(format!("it has nowhere to send to: set `{what}`")) } else { Ok(()) }
        };
        match self {
            Self::Email(it) => it.check(),
            Self::Webhook(it) => it.key().map(drop),
            Self::Alertmanager(it) => filled("members", &it.members),
            Self::Twilio(it) => filled("to", &it.to),
            Self::Exec(it) => filled("command", &it.command),
            Self::Console
            | Self::LogFile(_)
            | Self::Telegram(_)
            | Self::SlackWebhook(_)
            | Self::SlackBot(_)
            | Self::PagerdutyEvents(_)
            | Self::PagerdutyRest(_)
            | Self::Ntfy(_)
            | Self::Discord(_) => Ok(()),
        }
    }

    /// The hosts and ports that it connects to.
    pub(crate) fn endpoints(&self) -> Vec<(String, u16)> {
        let urls: Vec<&str> = match self {
            Self::Console | Self::LogFile(_) | Self::Exec(_) => Vec::new(),
            Self::Email(it) => return vec![(it.host.clone(), it.port)],
            Self::Telegram(it) => vec![&it.api_base],
            Self::SlackWebhook(it) => vec![it.webhook_url.expose()],
            Self::SlackBot(it) => vec![&it.api_base],
            Self::PagerdutyEvents(it) => vec![&it.api_base],
            Self::PagerdutyRest(it) => vec![&it.api_base],
            Self::Webhook(it) => vec![it.url.expose()],
            Self::Alertmanager(it) => it.members.iter().map(String::as_str).collect(),
            Self::Ntfy(it) => vec![&it.server],
            Self::Discord(it) => vec![it.webhook_url.expose()],
            Self::Twilio(it) => vec![&it.api_base],
        };
        let urls = urls.into_iter().filter_map(|url| reqwest::Url::parse(url).ok());
        urls.filter_map(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?))).collect()
    }

    fn destinations(&self) -> Vec<Option<String>> {
        match self {
            Self::Email(it) => it.to.iter().cloned().map(Some).collect(),
            Self::Alertmanager(it) => it.members.iter().cloned().map(Some).collect(),
            Self::Twilio(it) => it.to.iter().cloned().map(Some).collect(),
            Self::Console
            | Self::LogFile(_)
            | Self::Telegram(_)
            | Self::SlackWebhook(_)
            | Self::SlackBot(_)
            | Self::PagerdutyEvents(_)
            | Self::PagerdutyRest(_)
            | Self::Webhook(_)
            | Self::Ntfy(_)
            | Self::Discord(_)
            | Self::Exec(_) => vec![None],
        }
    }

    /// Whether late messages become one, what is wanted in between, and the least time between two attempts.
    fn manners(&self) -> (Collapse, Wants, Duration) {
        let all = Wants { update: true, reminder: true, acknowledge: true };
        let people = Wants { update: true, reminder: true, acknowledge: false };
        // Services that remind people themselves.
        let services = Wants { update: true, reminder: false, acknowledge: true };
        match self {
            Self::Console => (Collapse::Middle, all, Duration::ZERO),
            Self::LogFile(_) | Self::Exec(_) | Self::Webhook(_) => (Collapse::Middle, all, Duration::ZERO),
            Self::Telegram(_) => (Collapse::Whole, people, telegram::SPACING),
            Self::SlackWebhook(_) => (Collapse::Whole, people, slack::SPACING),
            Self::SlackBot(_) => (Collapse::Middle, all, slack::SPACING),
            Self::PagerdutyEvents(_) | Self::PagerdutyRest(_) => (Collapse::Middle, services, pagerduty::SPACING),
            Self::Email(_) => (Collapse::Middle, people, Duration::ZERO),
            Self::Alertmanager(_) => (Collapse::Middle, Wants { acknowledge: false, ..services }, Duration::ZERO),
            Self::Ntfy(_) => (Collapse::Whole, people, Duration::ZERO),
            Self::Discord(_) => (Collapse::Whole, people, discord::SPACING),
            Self::Twilio(_) => (Collapse::Whole, Wants { update: false, ..people }, twilio::SPACING),
        }
    }

    /// Whether the service keeps an incident open until it is told of its end.
    const fn keeps_incidents(&self) -> bool {
        match self {
            Self::PagerdutyEvents(_) | Self::PagerdutyRest(_) | Self::Alertmanager(_) => true,
            Self::Console
            | Self::LogFile(_)
            | Self::Telegram(_)
            | Self::SlackWebhook(_)
            | Self::SlackBot(_)
            | Self::Email(_)
            | Self::Webhook(_)
            | Self::Ntfy(_)
            | Self::Discord(_)
            | Self::Twilio(_)
            | Self::Exec(_) => false,
        }
    }

    /// What a test must end with, so that it leaves nothing open.
    pub(crate) const fn test_ends_with_resolve(&self) -> bool {
        self.keeps_incidents()
    }

    /// Sends one message.
    pub(crate) async fn send(&self, carriers: &Carriers, message: Message, to: &Destination) -> Answer {
        let within = to.within;
        let http = &carriers.http;
        match self {
            Self::Console => blocking(&CONSOLE, within, move || console::write(&message)).await,
            Self::LogFile(it) => {
                let log = it.clone();
                blocking(&LOG_FILES, within, move || log.write(&message)).await
            }
            Self::Telegram(it) => {
                let chat = to.moved.as_deref().unwrap_or(&it.chat_id);
                ask(http, it.request(&message, chat), within, |response| Telegram::answer(response, chat)).await
            }
            Self::SlackWebhook(it) => ask(http, it.request(&message), within, SlackWebhook::answer).await,
            Self::SlackBot(it) => it.send(http, &message, within).await,
            Self::PagerdutyEvents(it) => ask(http, it.request(&message), within, PagerdutyEvents::answer).await,
            Self::PagerdutyRest(it) => it.send(http, &message, within).await,
            Self::Email(it) => it.send(&carriers.trust, &message, to.name(), within).await,
            Self::Webhook(it) => match it.request(&message) {
                Ok(request) => ask(http, request, within, Webhook::answer).await,
                Err(fault) => Answer::permanent(fault),
            },
            Self::Alertmanager(it) => ask(http, it.request(&message, to.name()), within, Alertmanager::answer).await,
            Self::Ntfy(it) => ask(http, it.request(&message), within, Ntfy::answer).await,
            Self::Discord(it) => ask(http, it.request(&message), within, Discord::answer).await,
            Self::Twilio(it) => ask(http, it.request(&message, to.name()), within, Twilio::answer).await,
            Self::Exec(it) => Exec::answer(&carriers.programs.run(it.call(&message), within).await),
        }
    }

    /// Looks whether the service has a message that it accepted: `None` where nothing can be looked at.
    pub(crate) async fn read_back(
        &self,
        carriers: &Carriers,
        message: Message,
        receipt: Option<&str>,
        to: &Destination,
    ) -> Option<Result<(), String>> {
        let http = &carriers.http;
        let within = to.within;
        let seen = |found: Result<Response, Fault>, has: &dyn Fn(&Response) -> bool| match found {
            Ok(response) if has(&response) => Ok(()),
            Ok(response) => Err(format!("it was accepted but cannot be read back (HTTP {})", response.status)),
            Err(fault) => Err(format!("it was accepted but cannot be read back ({fault:?})")),
        };
        let ok = |response: &Response| response.status == 200;
        Some(match self {
            Self::LogFile(it) => {
                if it.read_back(&message) {
                    Ok(())
                } else {
                    Err("it was written but cannot be read back".to_owned())
                }
            }
            Self::SlackBot(it) => {
                let found = http.send(it.read_back(receipt?)?, within).await;
                seen(found, &|response| response.json()["ok"] == serde_json::Value::Bool(true))
            }
            Self::PagerdutyRest(it) => match it.found(http, &message, within).await {
                Answer::Ok { receipt: Some(_) } => Ok(()),
                _ => Err("the incident was opened but cannot be found by its key".to_owned()),
            },
            Self::Alertmanager(it) => {
                let found = http.send(it.read_back(&message, to.name()), within).await;
                seen(found, &|response| response.json().as_array().is_some_and(|alerts| !alerts.is_empty()))
            }
            Self::Ntfy(it) => {
                let receipt = receipt?;
                let found = http.send(it.read_back(receipt), within).await;
                seen(found, &|response| ok(response) && response.text().contains(receipt))
            }
            Self::Discord(it) => seen(http.send(it.read_back(receipt?), within).await, &ok),
            Self::Twilio(it) => {
                let found = http.send(it.read_back(receipt?), within).await;
                let lost = ["failed", "undelivered", "canceled"];
                seen(found, &|response| {
                    ok(response) && response.json()["status"].as_str().is_some_and(|status| !lost.contains(&status))
                })
            }
            Self::Console
            | Self::Telegram(_)
            | Self::SlackWebhook(_)
            | Self::PagerdutyEvents(_)
            | Self::Email(_)
            | Self::Webhook(_)
            | Self::Exec(_) => return None,
        })
    }
}

/// The lanes of a channel.
pub(crate) fn specs(channel: &Channel) -> Vec<Spec> {
    let (collapse, wants, spacing) = channel.kind.manners();
    let refresh = match &channel.kind {
        Kind::Alertmanager(it) => Some(it.refresh()),
        _ => None,
    };
    let lane = |destination: Option<String>| Spec {
        id: LaneId(match &destination {
            Some(destination) => format!("{}:{destination}", channel.name),
            None => channel.name.clone(),
        }),
        channel: channel.name.clone(),
        destination,
        environments: channel.environments.clone(),
        collapse,
        wants,
        spacing,
        refresh,
    };
    channel.kind.destinations().into_iter().map(lane).collect()
}

async fn ask(http: &Http, request: Request, within: Duration, means: impl Fn(&Response) -> Answer) -> Answer {
    match http.send(request, within).await {
        Ok(response) => means(&response),
        Err(fault) => fault.into(),
    }
}

/// Work that a terminal, a pipe or a disk may hold up, off the runtime's own thread.
async fn blocking(
    threads: &'static Threads,
    within: Duration,
    work: impl FnOnce() -> Answer + Send + 'static,
) -> Answer {
    match tokio::time::timeout(within, threads.wait(work)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::retry(format!("it cannot be written: {error}")),
        Err(_) => Answer::Ambiguous { reason: "not written within the time-out".to_owned() },
    }
}
