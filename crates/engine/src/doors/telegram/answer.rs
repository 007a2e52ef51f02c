//! What is answered, for a telephone's screen: plain text, the system's name first, bounded. Words that a bot or an operator chose are
//! written out, so that they cannot pass for ours.

use super::said::{HELP, Line, Question};
use crate::access::{Role, TraceId};
use crate::command::Answer;
use crate::doors::ask::{Asker, Unanswered};
use failstop_client::alerts::AlertList;
use failstop_client::books::OrderList;
use failstop_client::gate::{GateStatus, LimitUse};
use failstop_client::status::{HaltSummary, Status};
use failstop_view::duration::{age, span};
use failstop_view::number::{counted, grouped, short_hash};
use failstop_view::printable::printable;
use failstop_view::standing::{counts, maintenance_effect, next_of_run};

/// The most entries of a list.
const ENTRIES_MAX: usize = 15;

/// What is said where there is no gate.
const NO_GATE: &str = "no [gate] is configured: this system judges no orders";

/// Lines of a text.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    /// One more; whatever is in it stays one.
    fn add(&mut self, line: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&printable(line));
    }

    /// As many as there may be of these, and how many there are besides.
    fn add_all<T>(&mut self, entries: impl IntoIterator<Item = T>, line: impl Fn(T) -> String) {
        let mut left = 0u64;
        for (index, entry) in entries.into_iter().enumerate() {
            if index < ENTRIES_MAX {
                self.add(&line(entry));
            } else {
                left += 1;
            }
        }
        if left > 0 {
            self.add(&format!("and {} more", grouped(left)));
        }
    }
}

/// Asks the loop and puts the answer into words.
pub(super) async fn to_question(question: Question, user: i64, role: Role, system: &str, asker: &Asker) -> String {
    let answer = match question {
        Question::Help => Ok(help(role)),
        Question::WhoAmI => Ok(format!("you are telegram user {user}, {role}")),
        Question::Status => asker.status().await.map(|status| whole(&status)),
        Question::Health => asker.status().await.map(|status| health(&status)),
        Question::Alerts => asker.alerts().await.map(|list| alerts(&list)),
        Question::Orders => asker.orders().await.map(|list| orders(&list)),
        Question::Risk => asker.status().await.map(|status| of_gate(&status, risk)),
        Question::Rates => asker.status().await.map(|status| of_gate(&status, rates)),
        Question::Feeds => asker.status().await.map(|status| of_gate(&status, feeds)),
    };
    let text = answer.unwrap_or_else(|unanswered| unanswered.to_string());
    format!("{system}: {text}")
}

/// What became of a control; of an emergency stop, with how everything stands after it.
pub(super) fn to_control(
    answer: Result<Answer, Unanswered>,
    shown: &str,
    stands: Option<&Status>,
    trace: TraceId,
) -> String {
    let mut lines = Lines::default();
    match answer {
        Ok(Answer::Done) => {
            lines.add(&format!("done: {shown}"));
            if let Some(status) = stands {
                stopped(&mut lines, status);
            }
        }
        Ok(Answer::Ending(receipt)) => {
            let recorded = if receipt.recorded { "recorded" } else { "not recorded, the journal cannot be written" };
            lines.add(&format!("done: {shown}; epoch {} is {}, {recorded}", receipt.epoch, receipt.state));
        }
        Ok(Answer::WrongEpoch { epoch }) => {
            lines.add(&format!("not done: epoch {epoch} runs, which is not the one that was meant"))
        }
        Ok(Answer::Refused(reasons)) => {
            lines.add(&format!("refused: {shown}"));
            lines.add_all(reasons, |reason| reason.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        Ok(Answer::Tested(tests)) => {
            lines.add(&format!("done: {shown}"));
            lines.add_all(tests.tests, |test| {
                let to = test.destination.map_or_else(String::new, |to| format!(" {to}"));
                let error = test.error.map_or_else(String::new, |error| format!(": {error}"));
                format!("{}{to} {}{error}", test.channel, test.outcome)
            });
        }
        Ok(Answer::Snapshot(snapshot)) => {
            lines.add(&format!("done: {shown}; {} at record {}", snapshot.file, snapshot.seq))
        }
        Ok(Answer::Imported(imported)) => {
            let already = if imported.already { ", as before" } else { "" };
            lines.add(&format!("done: {shown}; record {}{already}", imported.seq));
            lines.add_all(imported.corrected, |difference| format!("corrected {difference}"));
        }
        Ok(Answer::Config(difference)) if difference.changes.is_empty() => {
            lines.add(&format!("done: {shown}; no key has another value"));
        }
        Ok(Answer::Config(difference)) => {
            lines.add(&format!("done: {shown}"));
            lines.add_all(difference.changes, |change| {
                let value = |value: Option<String>| value.unwrap_or_else(|| "(absent)".to_owned());
                format!("{} ({}): {} -> {}", change.key, change.class, value(change.from), value(change.to))
            });
        }
        Ok(
            Answer::Status(_)
            | Answer::Metrics(_)
            | Answer::Alerts(_)
            | Answer::History(_)
            | Answer::Processes(_)
            | Answer::Orders(_)
            | Answer::InForce(_)
            | Answer::Beat(_),
        ) => lines.add(&format!(
            "the engine's loop answered another question; /system_status shows what became of it: {shown}"
        )),
        Err(unanswered) => lines.add(&format!(
            "{unanswered}; whether it was carried out is not known, /system_status shows what stands: {shown}"
        )),
    }
    lines.add(&format!("trace {trace}"));
    lines.0
}

/// What an emergency stop came to so far, and what it leaves to people.
fn stopped(lines: &mut Lines, status: &Status) {
    lines.add(&format!("permission {}", status.permission.to_uppercase()));
    lines.add_all(&status.components, |component| format!("{}: {}", component.name, component.state));
    match (&status.emergency.run, status.emergency.configured.as_slice()) {
        (_, []) => {
            lines.add("no emergency action is configured: open orders and positions at the venue stay as they are; look there now")
        }
        (Some(run), _) if status.kill_switch && run.cause == "kill-switch" => {
            lines.add(&format!("emergency actions: {}; next: {}", counts(run), next_of_run(run)));
        }
        (Some(_) | None, actions) => {
            lines.add(&format!("emergency actions begin: {}; /system_status follows them", actions.join(", ")))
        }
    }
}

fn help(role: Role) -> String {
    let mut lines = Lines::default();
    lines.add(&format!("you are {role}, and may:"));
    for Line { usage, about, .. } in HELP.iter().filter(|line| line.least <= role) {
        lines.add(&format!("{usage}: {about}"));
    }
    lines.0
}

fn whole(status: &Status) -> String {
    let mut lines = Lines::default();
    let environment = match status.environment.as_str() {
        "" | "production" => String::new(),
        other => format!(", {other}"),
    };
    lines.add(&format!(
        "{}, mode {}, up {}, epoch {}{environment}",
        status.permission.to_uppercase(),
        status.mode,
        span(status.uptime_seconds),
        status.epoch
    ));
    if status.kill_switch {
        lines.add("the kill switch is engaged: /emergency_resume REASON releases it");
    }
    if let Some(window) = &status.maintenance {
        lines.add(&format!("maintenance until {} by {}: {}", window.until, window.by, window.reason));
        lines.add(&format!("{} /maintenance_mode off ends it", maintenance_effect(window)));
    }
    lines.add_all(&status.halts, halt);
    verdict(&mut lines, status);
    lines.add_all(&status.components, |component| {
        format!("{}: {}, {}", component.name, component.state, counted(component.restarts.into(), "restart"))
    });
    if status.books.orders_in_doubt > 0 {
        lines.add(&format!("{} in doubt: /orders", counted(status.books.orders_in_doubt, "order")));
    }
    let open = status.alerts.open;
    if open.total() > 0 {
        lines.add(&format!("{} open, {} of them critical: /alerts", counted(open.total(), "alert"), open.critical));
    }
    lines.add(&format!("journal {} records, head {}", grouped(status.journal.seq), short_hash(&status.journal.head)));
    lines.0
}

fn halt(halt: &HaltSummary) -> String {
    let component = halt.component.as_ref().map_or_else(String::new, |component| format!(" of {component}"));
    let ends =
        if halt.latched { format!("latched, /resume {} REASON", halt.id) } else { "clears by itself".to_owned() };
    let evidence = if halt.evidence.is_empty() { String::new() } else { format!(": {}", halt.evidence) };
    format!("{} {}{component}, {} since {}, {ends}{evidence}", halt.id, halt.cause, halt.cap, halt.since)
}

fn verdict(lines: &mut Lines, status: &Status) {
    lines.add(&format!("health {} ({:.2})", status.health.status, status.health.overall_health));
    lines.add_all(&status.health.reasons, |reason| format!("- {reason}"));
}

fn health(status: &Status) -> String {
    let mut lines = Lines::default();
    verdict(&mut lines, status);
    lines.add_all(&status.feeds, |(name, fresh)| match fresh {
        Some(seconds) => format!("feed {name}: {} old", age(*seconds)),
        None => format!("feed {name}: nothing yet"),
    });
    lines.add_all(&status.dependencies, |(name, up)| match up {
        Some(true) => format!("{name} answers"),
        Some(false) => format!("{name} does not answer"),
        None => format!("{name} was not asked yet"),
    });
    lines.add_all(&status.parts, |part| format!("{}/{}: {:.2}", part.component, part.name, part.health));
    lines.0
}

fn alerts(list: &AlertList) -> String {
    let mut lines = Lines::default();
    let open: Vec<_> = list.alerts.iter().filter(|alert| alert.resolved_at.is_none()).collect();
    if open.is_empty() {
        lines.add("no incident is open");
    }
    lines.add_all(open, |alert| {
        let taken = alert.acknowledged.as_ref().map_or_else(String::new, |taken| format!(", taken on by {}", taken.by));
        format!("{} {} since {}{taken}: {}", alert.severity, alert.id, alert.opened_at, alert.title)
    });
    lines.0
}

fn orders(list: &OrderList) -> String {
    let mut lines = Lines::default();
    lines.add(&match list.orders.len() as u64 {
        0 => "no order is open".to_owned(),
        open => format!("{} open, {} in doubt", counted(open, "order"), list.in_doubt),
    });
    // Those in doubt keep everything from resuming, so they come first.
    let (doubted, known): (Vec<_>, Vec<_>) = list.orders.iter().partition(|order| order.doubt.is_some());
    lines.add_all(doubted.into_iter().chain(known), |order| {
        let words = [&order.side, &order.quantity, &order.instrument].map(|word| word.as_deref().unwrap_or("?"));
        let price = order.price.as_ref().map_or_else(String::new, |price| format!(" at {price}"));
        let account = order.account.as_ref().map_or_else(String::new, |account| format!(" in {account}"));
        let doubt = order.doubt.as_ref().map_or_else(String::new, |doubt| format!(", IN DOUBT ({doubt})"));
        format!("{}: {}{price}{account} since {}{doubt}", order.id, words.join(" "), order.since)
    });
    lines.0
}

fn of_gate(status: &Status, say: fn(&GateStatus) -> String) -> String {
    status.gate.as_ref().map_or_else(|| NO_GATE.to_owned(), say)
}

fn limit(limit: &LimitUse) -> String {
    let whose = if limit.of.is_empty() { String::new() } else { format!(" of {} {}", limit.scope, limit.of) };
    format!(
        "{}{whose}: {} of {} ({:.2})",
        limit.limit,
        limit.used.as_deref().unwrap_or("unknown"),
        limit.value,
        limit.score
    )
}

/// The nearest to their end first: there may be more than fit.
fn nearest<'a>(limits: impl Iterator<Item = &'a LimitUse>) -> Vec<&'a LimitUse> {
    let mut limits: Vec<&LimitUse> = limits.collect();
    limits.sort_by(|one, other| other.score.total_cmp(&one.score));
    limits
}

fn risk(gate: &GateStatus) -> String {
    let mut lines = Lines::default();
    let paper = if gate.paper { " (paper)" } else { "" };
    lines.add(&format!(
        "trading day {}{paper}: {} open, {} allowed, {} refused in this epoch",
        gate.trading_day.as_deref().unwrap_or("-"),
        gate.open_orders,
        gate.allowed,
        gate.refused
    ));
    lines.add_all(&gate.results, |result| {
        let reached = if result.reached { ", DAILY LOSS REACHED" } else { "" };
        format!(
            "account {}: result {} {}{reached}",
            result.account,
            result.result.as_deref().unwrap_or("unknown"),
            gate.money
        )
    });
    lines.add_all(&gate.awaiting, |order| {
        let price = order.price.as_ref().map_or_else(String::new, |price| format!(" at {price}"));
        format!(
            "waits until {}: {} {} {}{price}, worth {} {}: /order_confirm {}",
            order.until, order.side, order.quantity, order.instrument, order.worth, gate.money, order.client_id
        )
    });
    lines.add_all(&gate.overrides, |over| format!("override {}: {} until {}", over.name, over.value, over.until));
    lines.add_all(nearest(gate.limits.iter().filter(|limit| !limit.rate)), limit);
    lines.0
}

fn rates(gate: &GateStatus) -> String {
    let mut lines = Lines::default();
    let limits = nearest(gate.limits.iter().filter(|limit| limit.rate));
    if limits.is_empty() {
        lines.add("no rate is limited");
    }
    lines.add_all(limits, limit);
    lines
        .add_all(&gate.api_usage, |usage| format!("requests to {}: {} of {}", usage.endpoint, usage.used, usage.limit));
    if let Some(shared) = &gate.shared_rates {
        let who = if shared.state == "good" { "its server decides" } else { "THE FALLBACK DECIDES" };
        lines.add(&format!("shared in group {}: {who}", shared.group));
    }
    lines.0
}

fn feeds(gate: &GateStatus) -> String {
    let mut lines = Lines::default();
    if gate.feeds.is_empty() {
        lines.add("no price is known");
    }
    lines.add_all(&gate.feeds, |feed| {
        let state = if feed.fresh { "fresh" } else { "NOT FRESH: opens nothing" };
        let good = feed.sources.iter().filter(|source| source.state == "good").count();
        format!(
            "{}: {}, {state} ({good} of {} sources good, {} required)",
            feed.instrument,
            feed.price.as_deref().unwrap_or("unknown"),
            feed.sources.len(),
            feed.required
        )
    });
    lines.0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::doors::fake_loop::{alert_list, order_list};
    use crate::status::tests::status;
    use failstop_notify::Telegram;
    use serde_json::{Map, Value, json};

    /// The same with every word in it that somebody chose made one that would break a line.
    fn foreign(value: Value) -> Value {
        match value {
            Value::String(_) => json!("a\u{202e}b\x1b[2J\nc"),
            Value::Array(many) => many.into_iter().map(foreign).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, foreign(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    #[test]
    fn foreign_words_are_written_out_everywhere() {
        let mut strange = foreign(serde_json::to_value(status()).unwrap());
        // Its words are ours.
        strange["announced"] = Value::Null;
        let strange: Status = serde_json::from_value(strange).unwrap();
        let alerts_of = foreign(serde_json::to_value(alert_list()).unwrap());
        let mut list: AlertList = serde_json::from_value(alerts_of).unwrap();
        list.alerts.iter_mut().for_each(|alert| alert.resolved_at = None);
        let orders_of: OrderList =
            serde_json::from_value(foreign(serde_json::to_value(order_list()).unwrap())).unwrap();
        let gate = strange.gate.clone().unwrap();
        let texts = [
            whole(&strange),
            health(&strange),
            alerts(&list),
            orders(&orders_of),
            risk(&gate),
            rates(&gate),
            feeds(&gate),
        ];
        for text in texts {
            assert!(text.contains("a\\u{202e}b\\u{1b}[2J\\nc"), "{text}");
            assert!(!text.contains(['\u{202e}', '\x1b']), "{text:?}");
        }
        let refused = to_control(Ok(Answer::Refused(vec!["a\x1b[2J\nb".to_owned()])), "x", None, TraceId::new());
        assert_eq!(refused.lines().count(), 3, "{refused}");
    }

    #[test]
    fn a_stop_says_what_became_of_it_and_what_it_leaves_to_people() {
        let mut after = status();
        (after.permission, after.kill_switch) = ("shutdown".to_owned(), true);
        after.components[0].state = "stopping".to_owned();
        (after.emergency.configured, after.emergency.run) = (Vec::new(), None);
        let said =
            |status: &Status| to_control(Ok(Answer::Done), "engage the kill switch", Some(status), TraceId::new());
        let bare = said(&after);
        assert!(bare.starts_with("done: engage the kill switch\npermission SHUTDOWN\n"), "{bare}");
        let name = &after.components[0].name;
        assert!(bare.contains(&format!("\n{name}: stopping\n")) && bare.contains("look there now\n"), "{bare}");
        after.emergency.configured = vec!["cancel".to_owned()];
        assert!(said(&after).contains("emergency actions begin: cancel; /system_status"), "{}", said(&after));
        let other = to_control(Ok(Answer::Done), "end maintenance", None, TraceId::new());
        assert_eq!(other.lines().count(), 2, "{other}");
    }

    #[test]
    fn a_text_is_no_longer_than_telegram_takes() {
        let units = |text: &str| Telegram::cut(text).encode_utf16().count();
        assert_eq!(Telegram::cut("short"), "short");
        assert_eq!((units(&"a".repeat(4_096)), units(&"a".repeat(4_097))), (4_096, 4_096));
        let wide = "\u{1f600}".repeat(3_000);
        assert_eq!((units(&wide), units(&format!("a{wide}"))), (4_095, 4_096), "none is cut in half");
        let mut many = status();
        many.halts = vec![many.halts.first().unwrap().clone(); 100];
        assert!(whole(&many).contains("and 85 more"), "{}", whole(&many));
    }

    #[test]
    fn the_status_says_first_what_is_allowed_and_why() {
        let text = whole(&status());
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("OBSERVE-ONLY, mode dry, up "), "{text}");
        assert!(text.contains("latched, /resume h-"), "{text}");
        let viewers = help(Role::Viewer);
        assert!(viewers.contains("/system_status") && !viewers.contains("/emergency_stop"), "{viewers}");
        assert!(Telegram::cut(&help(Role::SuperAdmin)).contains("/config_reload"), "it fits");
    }
}
