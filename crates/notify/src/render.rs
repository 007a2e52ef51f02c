//! A message as people read it, made once for every channel; and how it is made to fit where a channel has less room.

use crate::heart::{Order, What};
use crate::notice::PRODUCTION;
use jiff::Timestamp;
use std::time::Duration;

/// How a channel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Unicode characters.
    Chars,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
    /// Characters after Slack's escapes of `&`, `<` and `>`.
    Slack,
    /// UTF-16 code units after a backslash before what Discord's Markdown would take for its own.
    Markdown,
}

/// What Discord takes for Markdown.
const MARKDOWN: &str = "\\*_~`|>#[]()-";

impl Measure {
    fn of(self, c: char) -> usize {
        match self {
            Self::Chars => 1,
            Self::Utf16 => c.len_utf16(),
            Self::Bytes => c.len_utf8(),
            Self::Slack => match c {
                '&' => "&amp;".len(),
                '<' | '>' => "&lt;".len(),
                _ => 1,
            },
            Self::Markdown => c.len_utf16() + usize::from(MARKDOWN.contains(c)),
        }
    }

    /// `text` as the channel wants it written; as long as [`Self::len`] says.
    pub(crate) fn escape(self, text: &str) -> String {
        match self {
            Self::Chars | Self::Utf16 | Self::Bytes => text.to_owned(),
            Self::Slack => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            Self::Markdown => {
                let mut out = String::with_capacity(text.len());
                for c in text.chars() {
                    if MARKDOWN.contains(c) {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out
            }
        }
    }

    /// The length of `text`.
    pub(crate) fn len(self, text: &str) -> usize {
        text.chars().map(|c| self.of(c)).sum()
    }

    /// At most `most` of `text`, cut on a character boundary and marked where it was cut.
    pub(crate) fn cut(self, text: &str, most: usize) -> String {
        if self.len(text) <= most {
            return text.to_owned();
        }
        let room = most.saturating_sub(self.of('…'));
        let mut used = 0;
        let mut out = String::new();
        for c in text.chars() {
            used += self.of(c);
            if used > room {
                break;
            }
            out.push(c);
        }
        if most >= self.of('…') {
            out.push('…');
        }
        out
    }
}

/// So many digits of a trace's name are shown to people.
const SHORT_TRACE: usize = 8;

/// A message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// One line: marks, severity, system, what.
    pub(crate) headline: String,
    /// What to do; the part that is never cut before the others.
    pub(crate) action: Option<String>,
    pub(crate) runbook: Option<String>,
    /// What happened, and why.
    pub(crate) story: Vec<String>,
    pub(crate) facts: Vec<(String, String)>,
    /// When, which incident, where to find more.
    pub(crate) footer: String,
}

impl Text {
    /// Makes the message of an order.
    pub(crate) fn of(order: &Order) -> Self {
        let notice = &order.notice;
        let mut story = Vec::new();
        if let Some(note) = &order.note {
            story.push(note.clone());
        }
        if let Some(late) = order.late {
            let combined = if order.covers > 1 { format!("; {} messages in one", order.covers) } else { String::new() };
            story.push(format!("This message is {} late{combined}.", people(late)));
        }
        if order.what == What::Resolve && order.covers > 1 {
            let from = clock(order.opened_at);
            let to = order.resolved_at.map(clock).unwrap_or_default();
            story.push(format!("It began at {from} and was over at {to}; nobody could be told in between."));
        }
        story.extend([&notice.message].into_iter().filter(|text| !text.is_empty()).cloned());
        let told = |cause: &&String| notice.message.contains(cause.as_str());
        story.extend(notice.root_cause.iter().filter(|cause| !told(cause)).map(|cause| format!("cause: {cause}")));
        let over = matches!(order.what, What::Resolve);
        let mut facts = notice.metadata.clone();
        facts.extend(notice.component.iter().map(|name| ("component".to_owned(), name.clone())));
        facts.extend(notice.trace_id.iter().map(|trace| ("trace".to_owned(), short(trace).to_owned())));
        facts.extend(notice.head.iter().map(|head| ("journal head".to_owned(), head.clone())));
        let happened = notice.occurred_at;
        let since = match order.resolved_at {
            Some(resolved) => format!("open for {}", people(between(order.opened_at, resolved))),
            None => format!("open since {}", day_and_clock(order.opened_at)),
        };
        Self {
            headline: headline(order),
            action: notice.recommended_action.clone().filter(|_| !over),
            runbook: notice.runbook.clone(),
            story,
            facts,
            footer: format!("{} · {since} · {}", day_and_clock(happened), order.key),
        }
    }

    /// The whole message in at most `most`: what is least needed is cut first.
    pub(crate) fn fit(&self, most: usize, measure: Measure) -> String {
        let headline = measure.cut(&self.headline, most);
        let mut left = most.saturating_sub(measure.len(&headline));
        let mut tail = Vec::new();
        let line_end = 1;
        // In the order of need; shown in the order of reading.
        for text in [
            self.action.as_ref().map(|action| format!("do: {action}")),
            Some(self.footer.clone()),
            self.runbook.as_ref().map(|runbook| format!("runbook: {runbook}")),
        ] {
            let text = text.unwrap_or_default();
            let fits = measure.len(&text) + line_end <= left;
            if fits && !text.is_empty() {
                left -= measure.len(&text) + line_end;
            }
            tail.push(if fits { text } else { String::new() });
        }
        let mut body = Vec::new();
        for text in self.story.iter().cloned().chain(self.facts.iter().map(|(name, value)| format!("{name}: {value}")))
        {
            if left <= line_end + 1 {
                break;
            }
            let text = measure.cut(&text, left - line_end);
            left -= measure.len(&text) + line_end;
            body.push(text);
        }
        let (action, footer, runbook) = (tail.first(), tail.get(1), tail.get(2));
        let parts =
            [Some(&headline), action].into_iter().flatten().chain(&body).chain([runbook, footer].into_iter().flatten());
        parts.filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The whole message.
    pub(crate) fn whole(&self) -> String {
        self.fit(usize::MAX, Measure::Bytes)
    }
}

/// As much of a trace's name as people type: `failstop events --trace` takes it. What is none of 32 digits is shown whole.
fn short(trace: &str) -> &str {
    let whole = trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { trace.get(..SHORT_TRACE).unwrap_or(trace) } else { trace }
}

/// `DRILL staging CRITICAL demo: bot beats no more`
fn headline(order: &Order) -> String {
    let notice = &order.notice;
    let severity = notice.severity.name().to_uppercase();
    let state = match order.what {
        What::Trigger | What::Refresh => severity,
        What::Update => format!("{severity} (changed)"),
        What::Reminder => format!("{severity} (still)"),
        What::Escalation => format!("{severity} (nobody has taken it on)"),
        What::Acknowledge => match &order.acknowledged_by {
            Some(by) => format!("{severity} (taken on by {by})"),
            None => format!("{severity} (taken on)"),
        },
        What::Resolve => "RESOLVED".to_owned(),
    };
    let drill = if notice.drill { "DRILL " } else { "" };
    let environment = if notice.environment == PRODUCTION {
        String::new()
    } else {
        format!("{} ", notice.environment.to_uppercase())
    };
    // A title may begin with the system's name by itself.
    let named = notice.title.strip_prefix(notice.system.as_str()).is_some_and(|rest| rest.starts_with([':', ' ']));
    let system = if notice.system.is_empty() || named { String::new() } else { format!("{}: ", notice.system) };
    format!("{drill}{environment}{state} {system}{}", notice.title)
}

/// `09:14:07Z`
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

/// `2026-11-03 09:14:07Z`
fn day_and_clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// A duration as people say it, in its two largest units.
pub(crate) fn people(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::heart::LaneId;
    use crate::key::Key;
    use crate::notice::{Change, Notice, Severity};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// An order with everything in it.
    pub(crate) fn order(what: What) -> Order {
        let key = Key::parse("demo/hung/bot/7").unwrap_or_else(|fault| panic!("{fault}"));
        let at: Timestamp = "2026-11-03T09:14:07Z".parse().unwrap_or_else(|error| panic!("{error}"));
        let mut notice = Notice::new(key.clone(), Change::Trigger, Severity::Critical, "bot beats no more", at);
        notice.system = "demo".into();
        notice.cause = "hung".into();
        notice.component = Some("bot".into());
        notice.message = "The last beat came 2 min ago <&> \"quoted\"".into();
        notice.root_cause = Some("its loop stands still".into());
        notice.recommended_action = Some("failstop status".into());
        notice.runbook = Some("https://example.com/runbook".into());
        notice.metadata = vec![("pid".into(), "20718".into())];
        notice.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".into());
        Order {
            lane: LaneId("x".into()),
            key,
            seq: 1,
            what,
            notice: Arc::new(notice),
            note: None,
            receipt: None,
            covers: 1,
            late: None,
            plain: false,
            tries: 0,
            opened_at: at,
            resolved_at: (what == What::Resolve).then(|| at + jiff::SignedDuration::from_secs(3_725)),
            acknowledged_by: (what == What::Acknowledge).then(|| "ana".to_owned()),
            severities: BTreeSet::from([Severity::Critical]),
        }
    }

    #[test]
    fn says_everything_and_what_to_do_first() {
        let text = Text::of(&order(What::Trigger)).whole();
        assert_eq!(
            text,
            "CRITICAL demo: bot beats no more\n\
             do: failstop status\n\
             The last beat came 2 min ago <&> \"quoted\"\n\
             cause: its loop stands still\n\
             pid: 20718\n\
             component: bot\n\
             trace: 4bf92f35\n\
             runbook: https://example.com/runbook\n\
             2026-11-03 09:14:07Z · open since 2026-11-03 09:14:07Z · demo/hung/bot/7"
        );
        let text = Text::of(&order(What::Resolve)).whole();
        assert!(text.starts_with("RESOLVED demo: bot beats no more\n"));
        assert!(text.contains("open for 1 h 2 min"));
        assert!(!text.contains("do: "));
    }

    #[test]
    fn a_name_that_is_no_traces_is_shown_whole() {
        for (name, shown) in
            [("4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f35"), ("9f2c41ab03d1e877", "9f2c41ab03d1e877")]
        {
            assert_eq!(short(name), shown);
        }
        assert_eq!(short(&"x".repeat(32)), "x".repeat(32));
    }

    #[test]
    fn marks_stand_at_the_beginning() {
        let mut drill = order(What::Reminder);
        let mut notice = Notice::clone(&drill.notice);
        notice.drill = true;
        notice.environment = "staging".into();
        drill.notice = Arc::new(notice);
        assert_eq!(Text::of(&drill).headline, "DRILL STAGING CRITICAL (still) demo: bot beats no more");
        assert_eq!(Text::of(&order(What::Acknowledge)).headline, "CRITICAL (taken on by ana) demo: bot beats no more");
    }

    #[test]
    fn nothing_is_said_twice() {
        let mut order = order(What::Trigger);
        let mut notice = Notice::clone(&order.notice);
        notice.title = "demo: bot beats no more".into();
        notice.message = "Since 09:12 its loop stands still.".into();
        order.notice = Arc::new(notice);
        let text = Text::of(&order);
        assert_eq!(text.headline, "CRITICAL demo: bot beats no more");
        assert_eq!(text.story, ["Since 09:12 its loop stands still."]);
    }

    #[test]
    fn a_message_that_waited_says_so() {
        let mut late = order(What::Resolve);
        late.late = Some(Duration::from_secs(7_260));
        late.covers = 3;
        let text = Text::of(&late).whole();
        assert!(text.contains("This message is 2 h 1 min late; 3 messages in one."), "{text}");
        assert!(text.contains("It began at 09:14:07Z and was over at 10:16:12Z"), "{text}");
    }

    #[test]
    fn what_to_do_outlives_the_story() {
        let mut long = order(What::Trigger);
        let mut notice = Notice::clone(&long.notice);
        notice.message = "𝕏é".repeat(3_000);
        long.notice = Arc::new(notice);
        for measure in [Measure::Chars, Measure::Utf16, Measure::Bytes, Measure::Slack, Measure::Markdown] {
            for most in [300, 1_000, 4_096] {
                let text = Text::of(&long).fit(most, measure);
                let escaped = measure.escape(&text);
                let plain = if measure == Measure::Slack { Measure::Chars } else { measure };
                let plain = if measure == Measure::Markdown { Measure::Utf16 } else { plain };
                assert_eq!(plain.len(&escaped), measure.len(&text), "{measure:?}");
                assert!(measure.len(&text) <= most, "{measure:?} {most}");
                assert!(measure.len(&text) > most - 8, "{measure:?} {most}: {}", measure.len(&text));
                assert!(text.contains("do: failstop status") && text.contains("demo/hung/bot/7"));
            }
            for most in 0..60 {
                assert!(measure.len(&Text::of(&long).fit(most, measure)) <= most);
            }
        }
    }

    #[test]
    fn cutting_never_splits_a_character() {
        assert_eq!(Measure::Utf16.cut("a𝕏b", 3), "a…");
        assert_eq!(Measure::Utf16.cut("a𝕏b", 4), "a𝕏b");
        assert_eq!(Measure::Bytes.cut("éé", 3), "…");
        assert_eq!(Measure::Bytes.cut("éé", 2), "");
        assert_eq!(Measure::Chars.cut("ééé", 2), "é…");
    }
}
