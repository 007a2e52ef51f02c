//! A configuration from the environment alone, for containers: the variables become a text in the file's own form, which is read
//! like a file, so that each message names the variable.

use failstop_settings::Source;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The text that the variables make.
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Source {
    let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let mut text = String::from("[watchdog]\n");
    // Writing to a String cannot fail.
    let line = |text: &mut String, key: &str, value: String, name: &str| {
        let _ = writeln!(text, "{key} = {value} # {name}");
    };
    let secret = |name: &str| format!("{{ env = \"{name}\" }}");
    if let Some(folder) = get("STATE_DIR") {
        line(&mut text, "state_dir", quoted(&folder), "STATE_DIR");
    }
    text.push_str("[[target]]\n");
    let url = get("HEALTH_CHECK_URL").unwrap_or_else(|| "http://localhost:8080/health".to_owned());
    line(&mut text, "name", "\"bot\"".to_owned(), "");
    line(&mut text, "url", quoted(&url), "HEALTH_CHECK_URL");
    if let Some(interval) = get("CHECK_INTERVAL") {
        let duration = if interval.bytes().all(|b| b.is_ascii_digit()) { format!("{interval}s") } else { interval };
        line(&mut text, "interval", quoted(&duration), "CHECK_INTERVAL");
    }
    if let Some(failures) = get("FAILURE_THRESHOLD") {
        line(&mut text, "failures", number_or_quoted(&failures), "FAILURE_THRESHOLD");
    }
    let mut channels = vec!["console"];
    let mut tables = String::new();
    if get("TELEGRAM_BOT_TOKEN").is_some() {
        channels.push("telegram");
        tables.push_str("[alerts.telegram]\n");
        line(&mut tables, "bot_token", secret("TELEGRAM_BOT_TOKEN"), "");
        if let Some(chat) = get("TELEGRAM_CHAT_ID") {
            line(&mut tables, "chat_id", quoted(&chat), "TELEGRAM_CHAT_ID");
        }
    }
    if get("SLACK_WEBHOOK_URL").is_some() {
        channels.push("slack");
        tables.push_str("[alerts.slack]\n");
        line(&mut tables, "webhook_url", secret("SLACK_WEBHOOK_URL"), "");
    }
    if get("PAGERDUTY_ROUTING_KEY").is_some() || get("PAGERDUTY_API_KEY").is_some() {
        channels.push("pagerduty");
        tables.push_str("[alerts.pagerduty]\n");
        if get("PAGERDUTY_ROUTING_KEY").is_some() {
            line(&mut tables, "routing_key", secret("PAGERDUTY_ROUTING_KEY"), "");
        } else {
            line(&mut tables, "api_key", secret("PAGERDUTY_API_KEY"), "");
            for (key, name) in [("service_id", "PAGERDUTY_SERVICE_ID"), ("from", "PAGERDUTY_FROM")] {
                if let Some(value) = get(name) {
                    line(&mut tables, key, quoted(&value), name);
                }
            }
        }
    }
    if let Some(url) = get("SMTP_URL") {
        channels.push("email");
        tables.push_str("[alerts.email]\n");
        line(&mut tables, "smtp_url", quoted(&url), "SMTP_URL");
        if get("SMTP_PASSWORD").is_some() {
            line(&mut tables, "password", secret("SMTP_PASSWORD"), "");
        }
        if let Some(from) = get("SMTP_FROM") {
            line(&mut tables, "from", quoted(&from), "SMTP_FROM");
        }
        if let Some(to) = get("SMTP_TO") {
            let to: Vec<String> = to.split(',').map(|one| quoted(one.trim())).collect();
            line(&mut tables, "to", format!("[{}]", to.join(", ")), "SMTP_TO");
        }
    }
    let channels: Vec<String> = channels.into_iter().map(quoted).collect();
    let _ = write!(text, "[alerts]\nchannels = [{}]\n{tables}", channels.join(", "));
    Source { file: PathBuf::from("environment"), text, world_readable: false }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn number_or_quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.to_owned() } else { quoted(text) }
}
