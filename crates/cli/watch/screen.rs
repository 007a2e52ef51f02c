//! The picture of `failstop status --watch`: lines out of a status, wrapped to the width that there is, below a line that always
//! says what the system may do and above one that says how old that is.

use crate::render::status::{Fact, cpu, facts, memory};
use crate::render::wrap::{self, Sign};
use failstop_client::status::{ComponentSummary, HaltSummary, Status};
use failstop_view::Tone;
use failstop_view::component::{clock_time, said_or_kept, since};
use failstop_view::duration::{age, span};
use failstop_view::number::grouped;
use failstop_view::printable::printable;
use failstop_view::standing::{MAINTENANCE_NEXT, maintenance_effect, maintenance_end};
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// How tones look. Words say the same without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// In colour.
    Colour,
    /// Where NO_COLOR is set: by weight alone.
    Plain,
}

impl Paint {
    /// As this process's environment wants it.
    pub fn of_environment() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if no_colour { Self::Plain } else { Self::Colour }
    }

    fn style(self, tone: Tone) -> Style {
        let weight = match tone {
            Tone::Plain => return Style::new(),
            Tone::Good | Tone::Warning => Style::new(),
            Tone::Bad => Style::new().add_modifier(Modifier::BOLD),
        };
        match (self, tone) {
            (Self::Plain, _) | (Self::Colour, Tone::Plain) => weight,
            (Self::Colour, Tone::Good) => weight.fg(Color::Green),
            (Self::Colour, Tone::Warning) => weight.fg(Color::Yellow),
            (Self::Colour, Tone::Bad) => weight.fg(Color::Red),
        }
    }
}

/// What was heard, and which part of it is looked at.
#[derive(Debug, Default)]
pub struct Picture {
    status: Option<Box<Status>>,
    heard: Option<Timestamp>,
    /// Why nothing was heard last.
    silent: Option<String>,
    top: usize,
    /// As the last drawing found them.
    rows: usize,
    height: usize,
}

impl Picture {
    /// An answer, or why there is none; then what was heard before stays, marked as old.
    pub fn heard(&mut self, answer: Result<Box<Status>, String>, now: Timestamp) {
        match answer {
            Ok(status) => {
                (self.status, self.heard, self.silent) = (Some(status), Some(now), None);
            }
            Err(why) => self.silent = Some(why),
        }
    }

    /// What was heard last; `None` where the last question had no answer.
    pub fn status(&self) -> Option<&Status> {
        self.status.as_deref().filter(|_| self.silent.is_none())
    }

    /// So many lines further down, within what there is.
    pub fn scroll(&mut self, lines: i32) {
        let by = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let top = if lines < 0 { self.top.saturating_sub(by) } else { self.top.saturating_add(by) };
        self.top = top.min(self.rows.saturating_sub(self.height));
    }

    /// So many screens further down.
    pub fn page(&mut self, screens: i32) {
        let height = i32::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(i32::MAX);
        self.scroll(screens.saturating_mul(height));
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>, paint: Paint, now: Timestamp) {
        let width = usize::from(frame.area().width).max(1);
        let height = usize::from(frame.area().height);
        let mut head = match &self.status {
            Some(status) => wrapped(vec![heading(status, paint, now, width)], width),
            None => Vec::new(),
        };
        // However small the window, the permission stands at its top.
        head.truncate(height.div_ceil(2));
        let rest = match &self.status {
            Some(status) => wrapped(body(status, paint, now), width),
            None => wrapped(
                self.silent.iter().flat_map(|why| why.lines()).map(|line| Line::from(line.to_owned())).collect(),
                width,
            ),
        };
        (self.rows, self.height) = (rest.len(), height.saturating_sub(head.len() + 1));
        let mut foot = wrapped(vec![self.footing(paint, now)], width);
        foot.truncate(height.saturating_sub(head.len()).min((height / 4).max(1)));
        let rows = |lines: &[Line<'_>]| u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let areas =
            Layout::vertical([Constraint::Length(rows(&head)), Constraint::Fill(1), Constraint::Length(rows(&foot))])
                .split(frame.area());
        let [at_top, middle, at_bottom] = [areas[0], areas[1], areas[2]];
        self.height = usize::from(middle.height);
        self.scroll(0);
        let seen: Vec<Line<'_>> = rest.into_iter().skip(self.top).take(self.height).collect();
        frame.render_widget(Paragraph::new(head), at_top);
        frame.render_widget(Paragraph::new(seen), middle);
        frame.render_widget(Paragraph::new(foot), at_bottom);
    }

    /// How old the picture is, and what the keys do.
    fn footing(&self, paint: Paint, now: Timestamp) -> Line<'static> {
        let keys = if self.rows > self.height { "arrows scroll, q ends" } else { "q ends" };
        match (&self.silent, self.heard) {
            (Some(_), Some(heard)) => {
                let lost = format!("disconnected: as of {}", clock_time(heard, now));
                Line::from(vec![Span::styled(lost, reversed(paint, Tone::Bad)), Span::raw(format!("  {keys}"))])
            }
            (Some(_), None) => Line::from(vec![
                Span::styled("no engine answers, asking again", reversed(paint, Tone::Bad)),
                Span::raw(format!("  {keys}")),
            ]),
            (None, Some(heard)) => Line::from(format!("as of {}  {keys}", clock_time(heard, now))),
            (None, None) => Line::from(keys),
        }
    }
}

fn reversed(paint: Paint, tone: Tone) -> Style {
    paint.style(tone).add_modifier(Modifier::REVERSED)
}

/// `demo   OBSERVE-ONLY   mode dry   up 3 h 12 min   epoch 7`, as the status has it; the permission first where both do not fit.
fn heading(status: &Status, paint: Paint, now: Timestamp, width: usize) -> Line<'static> {
    let word = status.permission.to_uppercase();
    let may = Span::styled(word, reversed(paint, Tone::of(&status.permission)).add_modifier(Modifier::BOLD));
    let name = Span::raw(printable(&status.system).into_owned());
    let fits = name.width() + 3 + may.width() <= width;
    let [first, second] = if fits { [name, may] } else { [may, name] };
    let mut line = vec![
        first,
        Span::raw("   "),
        second,
        Span::raw("   mode "),
        Span::styled(status.mode.clone(), paint.style(Tone::of(&status.mode))),
        Span::raw(format!("   up {}   epoch {}", span(status.uptime_seconds), status.epoch)),
    ];
    if !matches!(status.environment.as_str(), "" | "production") {
        line.push(Span::raw(format!("   {}", printable(&status.environment))));
    }
    if let Some(window) = &status.maintenance {
        let words = format!("  maintenance until {}", printable(&maintenance_end(window, now)));
        line.push(Span::styled(words, paint.style(Tone::Warning)));
    }
    Line::from(line)
}

/// Why, what runs, what it does, who was told, what is recorded.
fn body(status: &Status, paint: Paint, now: Timestamp) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    if let Some(announced) = &status.announced {
        let word = announced.kind.word();
        lines.push(Line::from(format!(
            "{word} announced by {} until {}",
            printable(&announced.by),
            printable(&announced.until)
        )));
    }
    if let Some(window) = &status.maintenance {
        let words = printable(&format!("maintenance by {}: {}", window.by, window.reason)).into_owned();
        lines.push(Line::from(Span::styled(words, paint.style(Tone::Warning))));
        lines.push(Line::from(format!("  {}", maintenance_effect(window))));
        lines.push(Line::from(format!("  next: {MAINTENANCE_NEXT}")));
    }
    for halt in &status.halts {
        lines.extend(of_halt(halt, paint, now));
    }
    if status.health.status != "healthy" {
        lines.push(Line::from(vec![
            Span::raw("health "),
            state(&status.health.status, paint),
            Span::raw(format!(" {:.2}", status.health.overall_health)),
        ]));
        lines.extend(status.health.reasons.iter().map(|reason| Line::from(format!("  {}", printable(reason)))));
    }
    if lines.len() > 1 {
        lines.push(Line::default());
    }
    // Queues and parts stand with their component.
    let facts: Vec<Fact> =
        facts(status, now).into_iter().filter(|fact| !matches!(fact.label, "queue" | "part")).collect();
    let names = status.components.iter().map(|component| printable(&component.name).chars().count());
    let label = names.chain(facts.iter().map(|fact| fact.label.len())).max().unwrap_or(0);
    for component in &status.components {
        lines.extend(of_component(status, component, label, paint, now));
    }
    for Fact { label: name, text, tone } in facts {
        lines.push(Line::from(vec![Span::raw(format!("{name:<label$}   ")), Span::styled(text, paint.style(tone))]));
    }
    if !status.not_watched.is_empty() {
        lines.push(Line::from(vec![
            Span::styled("not watched".to_owned(), paint.style(Tone::of("degraded"))),
            Span::raw(format!(" {}", printable(&status.not_watched.join(", ")))),
        ]));
    }
    lines
}

fn of_halt(halt: &HaltSummary, paint: Paint, now: Timestamp) -> Vec<Line<'static>> {
    let component = halt.component.as_ref().map(|name| format!("  {}", printable(name))).unwrap_or_default();
    let kind = if halt.latched { "latched" } else { "clears by itself" };
    let mut lines = vec![Line::from(vec![
        Span::styled(printable(&halt.cause).into_owned(), paint.style(Tone::of(&halt.cap))),
        Span::raw(format!(
            "{component}  {}  {kind}  {} ({})",
            since(&halt.since, now),
            printable(&halt.cap),
            printable(&halt.id)
        )),
    ])];
    if !halt.evidence.is_empty() {
        lines.push(Line::from(format!("  {}", printable(&halt.evidence))));
    }
    if !halt.next.is_empty() {
        lines.push(Line::from(format!("  next: {}", printable(&halt.next))));
    }
    lines
}

fn of_component(
    status: &Status,
    component: &ComponentSummary,
    label: usize,
    paint: Paint,
    now: Timestamp,
) -> Vec<Line<'static>> {
    let mut text = String::new();
    let mut add = |words: String| {
        text.push_str("   ");
        text.push_str(&words);
    };
    if let Some(pid) = component.pid {
        add(format!("pid {pid}"));
    }
    add(format!("restarts {}", component.restarts));
    if let Some(seconds) = component.last_sign_seconds {
        add(format!("beat {} ago", age(seconds)));
    }
    for figure in [memory(component), cpu(component)].into_iter().filter(|figure| !figure.is_empty()) {
        add(figure);
    }
    if let Some(queue) = status.queue.get(&component.name) {
        add(format!("queue {} {}", printable(&queue.state), grouped(queue.depth)));
    }
    let mut lines = vec![Line::from(vec![
        Span::raw(format!("{:<label$}   ", printable(&component.name))),
        state(&component.state, paint),
        Span::raw(text),
    ])];
    let below = |words: String| Line::from(format!("{:label$}   {words}", ""));
    if let Some(said) = said_or_kept(status, now, component) {
        lines.push(below(printable(&said).into_owned()));
    }
    for part in status.parts.iter().filter(|part| part.component == component.name) {
        lines.push(below(format!("part {} {:.2}", printable(&part.name), part.health)));
    }
    lines
}

fn state(word: &str, paint: Paint) -> Span<'static> {
    Span::styled(printable(word).into_owned(), paint.style(Tone::of(word)))
}

/// Lines no wider than the screen: what does not fit goes on in the next row, below where its text began.
fn wrapped(lines: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    for line in lines {
        let cells: Vec<(String, Style)> = line
            .spans
            .iter()
            .flat_map(|span| span.styled_graphemes(Style::new()))
            .map(|grapheme| (grapheme.symbol.to_owned(), grapheme.style))
            .collect();
        let plain: String = cells.iter().map(|(symbol, _)| symbol.as_str()).collect();
        let sign = |(symbol, _): &(String, Style)| Sign { width: Span::raw(symbol).width(), space: symbol == " " };
        let signs: Vec<Sign> = cells.iter().map(sign).collect();
        let further_in = wrap::indent(&plain, width);
        for (index, row) in wrap::rows(&signs, width, further_in).into_iter().enumerate() {
            let mut spans: Vec<Span<'static>> = Vec::new();
            if index > 0 {
                spans.push(Span::raw(" ".repeat(further_in)));
            }
            for (symbol, style) in cells.get(row).unwrap_or_default() {
                match spans.last_mut().filter(|last| last.style == *style) {
                    Some(last) => last.content.to_mut().push_str(symbol),
                    None => spans.push(Span::styled(symbol.clone(), *style)),
                }
            }
            rows.push(Line::from(spans));
        }
    }
    rows
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
