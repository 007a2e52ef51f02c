//! Commands over Telegram: whether whoever is listed can be heard. They only ever warn, since trading does not hang on them.

use super::{Finding, Subject};
use crate::access::Role;
use crate::config::{Config, Telegram, TelegramUser};
use crate::doors::telegram::{Channel, People, Settings};
use crate::outside::{Answer, Method, ask};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long Telegram may take to answer.
const WITHIN: Duration = Duration::from_secs(5);

/// The most bytes of its answer.
const ANSWER_MAX: u64 = 64 * 1024;

/// Whether the lists are good and there is a bot.
pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let telegram = &subject.config.telegram;
    let mut findings = lists(telegram);
    if !telegram.is_on() {
        findings.push(Finding::passed("nobody is listed in [telegram]: off"));
    } else if Settings::of(subject.config).is_none() {
        findings.push(Finding::warning(
            "users are listed in [telegram], and there is no bot: nobody is heard",
            how_to_have_a_bot(subject.config),
        ));
    } else {
        findings.push(Finding::passed(count(telegram)));
    }
    findings
}

fn how_to_have_a_bot(config: &Config) -> String {
    let Channel { alerts, is_written, .. } = Channel::of(config);
    if is_written {
        format!(
            "write `bot_token` there, or add \"telegram\" to `channels` of [{alerts}]: its bot hears where it is in use"
        )
    } else {
        format!(
            "write `bot_token` there, or the table [{alerts}.telegram], with \"telegram\" in `channels` of [{alerts}] where those are named"
        )
    }
}

/// How many are heard, by the list that counts for each.
fn count(telegram: &Telegram) -> String {
    let people = People::of(telegram);
    let roles = [Role::Viewer, Role::Admin, Role::SuperAdmin];
    let counts = telegram.lists().into_iter().zip(roles).map(|((key, _), role)| (key, people.count(role)));
    let counts: Vec<String> =
        counts.filter(|(_, count)| *count > 0).map(|(key, count)| format!("{count} in `{key}`")).collect();
    format!("users who are heard: {}", counts.join(", "))
}

fn lists(telegram: &Telegram) -> Vec<Finding> {
    let mut stand: BTreeMap<TelegramUser, Vec<&'static str>> = BTreeMap::new();
    for (key, users) in telegram.lists() {
        for user in users {
            stand.entry(*user).or_default().push(key);
        }
    }
    let mut findings = Vec::new();
    for (user, keys) in stand {
        if !user.is_person() {
            findings.push(Finding::warning(
                format!("{user} in [telegram] is the number of a group or a channel: nobody has a role by that"),
                "write the numbers of its members; only a private chat with the bot counts",
            ));
        }
        if let [_, .., last] = keys.as_slice() {
            findings.push(Finding::warning(
                format!("the user {user} stands more than once in [telegram]: what counts is `{last}`"),
                "leave it in one list",
            ));
        }
    }
    findings
}

/// Whether Telegram takes the token and gives the messages. Its messages are not asked for: that would take them from whoever asks for
/// them now.
pub(super) fn reach(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(settings) = Settings::of(subject.config) else {
        return vec![Finding::skipped("nobody is heard over Telegram")];
    };
    vec![webhook(subject.config, &settings)]
}

fn webhook(config: &Config, settings: &Settings) -> Finding {
    let token = match settings.token.reveal() {
        Ok(token) => token,
        Err(fault) => {
            return Finding::warning(format!("the bot's token cannot be had: {fault}"), "set it where failstop runs");
        }
    };
    let url = format!("{}/bot{token}/getWebhookInfo", settings.api_base);
    match ask(Method::Get, &url, config.alerts.ca_file.as_deref(), ANSWER_MAX, WITHIN) {
        Ok(answer) => told(&answer),
        // The words of what answers may hold what was asked.
        Err(why) if why.contains(&token) => Finding::warning("Telegram cannot be asked", "see to the way there"),
        Err(why) => Finding::warning(
            format!("Telegram cannot be asked: {why}"),
            "see whether this host may connect to it; until then commands are not heard",
        ),
    }
}

fn told(answer: &Answer) -> Finding {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    match (answer.status, said.get("ok").and_then(Value::as_bool)) {
        (401 | 404, _) => Finding::warning(
            "Telegram does not take the token of the bot that is to hear commands",
            "correct `bot_token`, or make a new one with @BotFather",
        ),
        (200, Some(true)) => match said.pointer("/result/url").and_then(Value::as_str) {
            Some("") => Finding::passed("Telegram takes the token, and no webhook has the bot's messages"),
            Some(_) => Finding::warning(
                "the bot has a webhook, so Telegram gives its messages to that (409): nobody is heard",
                "give commands a bot of their own, or remove the webhook (the method deleteWebhook)",
            ),
            None => Finding::warning("what answers is not Telegram's API", "correct `api_base`"),
        },
        (200, _) => Finding::warning("what answers is not Telegram's API", "correct `api_base`"),
        (status, _) => Finding::warning(
            format!("Telegram answers with status {status}"),
            "try again later; until it is well commands are not heard",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::checks::Outcome;
    use crate::config::Overrides;
    use failstop_settings::Source;

    const HEAD: &str =
        "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"true\"]\norders = \"asks\"\n";

    fn telegram(text: &str) -> Config {
        let source = Source { file: "failstop.toml".into(), text: format!("{HEAD}{text}"), world_readable: false };
        Config::of(&source, &Overrides::default()).unwrap()
    }

    fn warnings(config: &Config) -> Vec<String> {
        let found = lists(&config.telegram).into_iter();
        found.filter(|finding| finding.outcome == Outcome::Warning).map(|finding| finding.reason).collect()
    }

    #[test]
    fn numbers_that_give_nothing_or_stand_twice_are_told() {
        assert_eq!(warnings(&telegram("[telegram]\nviewers = [5]\nadmins = [6]\nsuper_admins = [7]\n")), [""; 0]);
        let twice = warnings(&telegram("[telegram]\nviewers = [5]\nsuper_admins = [5, -100200]\n"));
        let [group, twice] = twice.as_slice() else { panic!("{twice:?}") };
        assert!(group.starts_with("-100200 in [telegram] is the number of a group"), "{group}");
        assert!(twice.ends_with("what counts is `super_admins`"), "{twice}");
    }

    #[test]
    fn who_has_no_bot_is_not_heard_and_a_group_is_nobody() {
        assert_eq!(Settings::of(&telegram("")), None);
        assert_eq!(Settings::of(&telegram("[telegram]\nadmins = [5]\n")), None, "no bot");
        assert_eq!(Settings::of(&telegram("[telegram]\nadmins = [-5]\nbot_token = { env = \"T\" }\n")), None);
        let alerts = "[alerts]\nchannels = [\"telegram\"]\n[alerts.telegram]\nbot_token = { env = \"T\" }\nchat_id = \"1\"\n\
                      api_base = \"http://127.0.0.1:1/\"\n";
        let settings = Settings::of(&telegram(&format!("[telegram]\nadmins = [5]\n{alerts}"))).unwrap();
        assert_eq!((settings.token.variable(), settings.api_base.as_str()), (Some("T"), "http://127.0.0.1:1"));
        let unused = alerts.replace("channels = [\"telegram\"]", "channels = [\"console\"]");
        assert_eq!(Settings::of(&telegram(&format!("[telegram]\nadmins = [5]\n{unused}"))), None, "not in use");
        let own = format!("[telegram]\nadmins = [5]\nbot_token = {{ env = \"OWN\" }}\n{alerts}");
        assert_eq!(Settings::of(&telegram(&own)).unwrap().token.variable(), Some("OWN"));
    }

    #[test]
    fn the_table_is_named_that_counts_where_the_system_is() {
        let bot = "bot_token = { env = \"T\" }\nchat_id = \"1\"\n";
        let staging = "[alerts.staging]\nchannels = [\"console\"]\n[alerts.staging.telegram]\n";
        for (environment, lines, says) in [
            (
                "production",
                String::new(),
                "or the table [alerts.telegram], with \"telegram\" in `channels` of [alerts]",
            ),
            (
                "production",
                format!("[alerts]\nchannels = [\"console\"]\n[alerts.telegram]\n{bot}"),
                "or add \"telegram\" to `channels` of [alerts]:",
            ),
            ("staging", format!("[alerts.telegram]\n{bot}"), "or the table [alerts.staging.telegram], with"),
            ("staging", format!("{staging}{bot}"), "or add \"telegram\" to `channels` of [alerts.staging]:"),
        ] {
            let system = format!("name = \"demo\"\nenvironment = \"{environment}\"\n");
            let text = HEAD.replace("name = \"demo\"\n", &system) + "[telegram]\nadmins = [5]\n" + &lines;
            let source = Source { file: "failstop.toml".into(), text, world_readable: false };
            let config = Config::of(&source, &Overrides::default()).unwrap();
            assert_eq!(Settings::of(&config), None, "{environment} {lines}");
            let how = how_to_have_a_bot(&config);
            assert!(how.contains(says), "{environment} {lines}: {how}");
        }
    }

    #[test]
    fn groups_are_not_heard_and_who_stands_twice_is_heard_once() {
        let config = telegram("[telegram]\nviewers = [5, 6, -7]\nadmins = [6, 6]\nsuper_admins = [-8]\n");
        assert_eq!(count(&config.telegram), "users who are heard: 1 in `viewers`, 1 in `admins`");
    }

    #[test]
    fn every_answer_of_telegram_means_something() {
        let found = |status: u16, body: &str| {
            let finding = told(&Answer { status, body: body.as_bytes().to_vec() });
            (finding.outcome, finding.reason)
        };
        assert_eq!(found(200, r#"{"ok":true,"result":{"url":""}}"#).0, Outcome::Passed);
        let hooked = found(200, r#"{"ok":true,"result":{"url":"https://x/secret"}}"#);
        assert_eq!(hooked.0, Outcome::Warning);
        assert!(hooked.1.contains("webhook") && !hooked.1.contains("secret"), "{}", hooked.1);
        for (status, body) in [(401, "{}"), (404, ""), (200, "<html>"), (200, r#"{"ok":true}"#), (502, "")] {
            assert_eq!(found(status, body).0, Outcome::Warning, "{status} {body}");
        }
    }
}
