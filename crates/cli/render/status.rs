//! `failstop status` in words: first what the system may do and why, then what runs, then what it does.

use super::Layout;
use super::alerts;
use super::duration::{age, span};
use super::number::{counted, grouped, short_hash, size};
use super::style::Tone;
use super::table::{Cell, Table};
use failstop_client::status::{
    BreakerSummary, ComponentSummary, Coverage, CustomMetric, FootprintSummary, HaltSummary, MaintenanceSummary, Status,
};
use failstop_engine::printable::printable;
use failstop_view::component::{at, kept_from, said_or_kept, since};
use failstop_view::standing::{
    MAINTENANCE_NEXT, counts as how_many, maintenance_effect, maintenance_end, next_of_config, next_of_run,
};
use jiff::Timestamp;
use std::fmt::Write as _;

/// The whole status, as of `now`.
pub fn text(status: &Status, now: Timestamp, layout: Layout) -> String {
    match layout {
        Layout::People => for_people(status, now),
        Layout::Lines => as_lines(status, now),
    }
}

fn for_people(status: &Status, now: Timestamp) -> String {
    let mut out = format!(
        "{}   {}   mode {}   up {}   epoch {}{}",
        printable(&status.system),
        Tone::of(&status.permission).paint(&status.permission.to_uppercase()),
        Tone::of(&status.mode).paint(&status.mode),
        span(status.uptime_seconds),
        status.epoch,
        environment(status)
    );
    if let Some(window) = &status.maintenance {
        let words = format!("maintenance until {}", maintenance_end(window, now));
        let _ = writeln!(out, "   {}\n", Tone::Warning.paint(&printable(&words)));
        let _ = writeln!(out, "maintenance by {}", printable(&format!("{}: {}", window.by, window.reason)));
        let _ = writeln!(out, "       {}", maintenance_effect(window));
        let _ = writeln!(out, "       next: {MAINTENANCE_NEXT}");
    } else {
        out.push('\n');
    }
    if !status.halts.is_empty() {
        out.push('\n');
        for (index, halt) in status.halts.iter().enumerate() {
            let label = if index == 0 { "halts" } else { "" };
            let _ = writeln!(out, "{label:<7}{}", halt_heading(halt, now));
            if !halt.evidence.is_empty() {
                let _ = writeln!(out, "       {}", printable(&halt.evidence));
            }
            if !halt.next.is_empty() {
                let _ = writeln!(out, "       next: {}", printable(&halt.next));
            }
        }
    }
    if status.health.status != "healthy" {
        out.push('\n');
        let _ = writeln!(
            out,
            "health {} ({:.2})",
            Tone::of(&status.health.status).paint(&printable(&status.health.status)),
            status.health.overall_health
        );
        for reason in &status.health.reasons {
            let _ = writeln!(out, "       {}", printable(reason));
        }
    }
    if !status.not_watched.is_empty() {
        let label = Tone::of("degraded").paint("not watched");
        let _ = writeln!(out, "\n{label}: {}", printable(&status.not_watched.join(", ")));
    }
    out.push('\n');
    let facts = facts(status, now);
    let names = status.components.iter().map(|component| component.name.chars().count());
    let label = names.chain(facts.iter().map(|fact| fact.label.len())).max().unwrap_or(0);
    out.push_str(&what_runs(status, now, label));
    for Fact { label: name, text, tone } in &facts {
        let _ = writeln!(out, "{name:<label$}   {}", Tone::from(*tone).paint(text));
    }
    if !status.coverage.is_empty() {
        out.push('\n');
        out.push_str(&coverage_block(&status.coverage, label));
    }
    for note in &status.host_notes {
        let _ = writeln!(out, "note: {}", printable(note));
    }
    out
}

/// `   staging`; nothing for production, where one takes it for granted.
fn environment(status: &Status) -> String {
    match status.environment.as_str() {
        "" | "production" => String::new(),
        other => format!("   {}", printable(other)),
    }
}

/// One halt without its evidence: `heartbeat-lost  bot  since 20:51:07Z (14 min)   latched`.
fn halt_heading(halt: &HaltSummary, now: Timestamp) -> String {
    let mut line = Tone::of(&halt.cap).paint(&printable(&halt.cause));
    if let Some(component) = &halt.component {
        let _ = write!(line, "  {}", printable(component));
    }
    let _ =
        write!(line, "  {}   {}", since(&halt.since, now), if halt.latched { "latched" } else { "clears by itself" });
    let _ = write!(line, "   {} ({})", printable(&halt.cap), printable(&halt.id));
    line
}

/// Components: one aligned block with first words of width `label`.
fn what_runs(status: &Status, now: Timestamp, label: usize) -> String {
    let mut table = Table::with_first_column(label);
    for component in &status.components {
        table.row(component_row(status, now, component));
    }
    table.render()
}

/// A fact beside the components: what it is about, and how it stands, fit to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about; nothing where it goes on about what the one before is about.
    pub label: &'static str,
    /// How it stands.
    pub text: String,
    /// How it is to be looked at.
    pub tone: failstop_view::Tone,
}

/// What components report, then what is recorded, then who was told: the same for the status and the picture that follows it.
pub fn facts(status: &Status, now: Timestamp) -> Vec<Fact> {
    use failstop_view::Tone as Look;
    let mut facts = Vec::new();
    let mut toned = |label: &'static str, text: &str, tone| {
        facts.push(Fact { label, text: printable(text).into_owned(), tone });
    };
    let mut fact = |label, text: &str| toned(label, text, Look::Plain);
    if let Some(waits) = live_waits(status) {
        fact("mode", &waits);
    }
    for (name, queue) in &status.queue {
        fact("queue", &format!("{name}: {}, {} waiting", queue.state, grouped(queue.depth)));
    }
    for part in &status.parts {
        fact("part", &format!("{}/{}: {:.2}", part.component, part.name, part.health));
    }
    for (name, seconds) in &status.feeds {
        fact("feed", &format!("{name}: {}", feed(*seconds)));
    }
    for (name, up) in &status.dependencies {
        let tone = if *up == Some(false) { Look::Bad } else { Look::Plain };
        toned("needs", &format!("{name}: {}", answers(*up)), tone);
    }
    let mut fact = |label, text: &str| toned(label, text, Look::Plain);
    for (name, value) in &status.metrics {
        fact("metric", &format!("{name}: {value}"));
    }
    for (name, metric) in &status.custom.metrics {
        fact("metric", &custom_metric(name, metric));
    }
    fact("journal", &journal(status));
    if let Some(verified) = &status.verified {
        toned("verified", &format!("{} {}", verified.result, at(&verified.at, now)), Look::of(&verified.result));
    }
    let mut fact = |label, text: &str| toned(label, text, Look::Plain);
    for (name, text) in books(status) {
        fact(name, &text);
    }
    if let Some(config) = configuration(status, now) {
        fact("config", &config);
    }
    if let Some(fault) = &status.config.fault {
        toned("", &format!("what the file says is not in force{}: {fault}", fault_since(status, now)), Look::Warning);
        if !status.config.pending_restart.is_empty() {
            toned("", &format!("waits for a restart: {}", status.config.pending_restart.join(", ")), Look::Plain);
        }
        toned("", &format!("next: {}", next_of_config(&status.config)), Look::Plain);
    }
    let mut fact = |label, text: &str| toned(label, text, Look::Plain);
    if let Some(alerts) = alerts::summary(&status.alerts) {
        fact("alerts", &alerts);
    }
    if let Some(footprint) = &status.footprint {
        fact("costs", &footprint_words(footprint));
    }
    if let Some(observe) = &status.observe {
        fact("observe", &format!("http://{}", observe.strip_prefix("http://").unwrap_or(observe)));
    }
    facts
}

/// What is still to be done where the configuration allows live and the mode is dry.
fn live_waits(status: &Status) -> Option<String> {
    let waits = (status.mode.as_str(), status.mode_ceiling.as_str()) == ("dry", "live");
    waits.then(|| format!("dry, although live is allowed; next: failstop mode live --confirm {}", status.system))
}

/// ` since 20:51:07Z (14 min)`, of what is wrong with the file.
fn fault_since(status: &Status, now: Timestamp) -> String {
    status.config.fault_since.as_deref().map(|at| format!(" {}", since(at, now))).unwrap_or_default()
}

/// `log_file_size: 1234 bytes`, `load: not known (stale for 10 min)`. Not made fit to print yet.
fn custom_metric(name: &str, metric: &CustomMetric) -> String {
    match (metric.value, metric.age_seconds) {
        (Some(value), _) if metric.unit.is_empty() => format!("{name}: {value}"),
        (Some(value), _) => format!("{name}: {value} {}", metric.unit),
        (None, Some(seconds)) => format!("{name}: not known, last said {} ago", age(seconds)),
        (None, None) => format!("{name}: not known yet"),
    }
}

/// `9.0 MB, 0.1 % of a processor, 6 threads`: what failstop itself costs.
fn footprint_words(footprint: &FootprintSummary) -> String {
    let mut words = Vec::new();
    if let Some(bytes) = footprint.memory_bytes {
        words.push(format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10));
    }
    if let Some(percent) = footprint.cpu_percent {
        words.push(format!("{percent:.1} % of a processor"));
    }
    words.push(counted(footprint.threads, "thread"));
    words.join(", ")
}

/// Whether what only shows gives way. Not made fit to print yet.
pub fn breaker(breaker: &BreakerSummary) -> String {
    if !breaker.is_shed() {
        return "everything is shown".to_owned();
    }
    let since = breaker.since.as_deref().unwrap_or("an unknown time");
    let why = breaker.why.as_deref().unwrap_or("the host is busy");
    let then = match &breaker.next_try {
        Some(next) => format!("the next try is at {next} (failed: {})", breaker.failed_tries),
        None => "`failstop breaker reset` brings them back".to_owned(),
    };
    format!("dashboard and history give way since {since}: {why}; {then}")
}

/// Which text of the configuration is in force, and since when; nothing of an engine that does not say.
fn configuration(status: &Status, now: Timestamp) -> Option<String> {
    let config = &status.config;
    let short = config.sha256.get(..12)?;
    Some(format!("{short}, {}", since(&config.since, now)))
}

/// What stands at the gate that one wants to know of.
fn gate(status: &Status) -> Vec<(&'static str, String)> {
    let Some(gate) = &status.gate else { return Vec::new() };
    let mut facts = Vec::new();
    if gate.allowed + gate.refused > 0 || gate.open_orders > 0 {
        let paper = if gate.paper { " (paper)" } else { "" };
        facts.push((
            "gate",
            format!(
                "{} allowed, {} refused, {} open{paper}",
                counted(gate.allowed, "order"),
                grouped(gate.refused),
                grouped(gate.open_orders)
            ),
        ));
    }
    for result in gate.results.iter().filter(|result| result.reached) {
        facts.push(("loss", format!("the daily loss is reached in account {}", result.account)));
    }
    let stale = gate.feeds.iter().filter(|feed| !feed.fresh && feed.price.is_some());
    facts.extend(stale.map(|feed| ("price", format!("{} is not fresh: nothing of it is opened", feed.instrument))));
    facts.extend(
        gate.overrides.iter().map(|over| ("override", format!("{} is {} until {}", over.name, over.value, over.until))),
    );
    if !gate.awaiting.is_empty() {
        let (many, wait) = (gate.awaiting.len() as u64, if gate.awaiting.len() == 1 { "waits" } else { "wait" });
        facts.push(("confirm", format!("{} {wait}: `failstop status --section risk`", counted(many, "order"))));
    }
    facts
}

fn books(status: &Status) -> Vec<(&'static str, String)> {
    snapshot(status).into_iter().map(|text| ("snapshot", text)).chain(stands(status)).collect()
}

/// `2 h ago, at record 18 441, closes 2026-11-02`; `None` where there is none yet.
pub fn snapshot(status: &Status) -> Option<String> {
    let (Some(snapshot), Some(seconds)) = (&status.books.snapshot, status.health.snapshot_age_seconds) else {
        return None;
    };
    let closes = snapshot.day.as_ref().map(|day| format!(", closes {day}")).unwrap_or_default();
    Some(format!("{} ago, at record {}{closes}", age(seconds), grouped(snapshot.seq)))
}

/// What stands in the books, at the gate and with the breaker that one wants to know of: nothing, where nothing does. Not made fit to
/// print yet.
pub fn stands(status: &Status) -> Vec<(&'static str, String)> {
    let books = &status.books;
    let mut facts = emergency(status);
    if books.orders_open > 0 {
        facts.push((
            "orders",
            format!("{} open, {} in doubt", grouped(books.orders_open), grouped(books.orders_in_doubt)),
        ));
    }
    if books.violations > 0 {
        facts.push(("refused", format!("{} that would have broken a rule of the books", grouped(books.violations))));
    }
    facts.extend(books.discrepancies.iter().map(|differs| ("differs", differs.clone())));
    facts.extend(gate(status));
    if status.breaker.is_shed() {
        facts.push(("breaker", breaker(&status.breaker)));
    }
    let failing = status.custom.sources.iter().filter(|source| source.up == Some(false));
    facts.extend(failing.map(|source| {
        (
            "source",
            format!("{} does not say its metrics: {}", source.name, source.fault.as_deref().unwrap_or("unknown")),
        )
    }));
    if let Some(over) = status.footprint.as_ref().and_then(|footprint| footprint.over.as_ref()) {
        facts.push(("costs", over.clone()));
    }
    facts
}

/// What emergency actions came to, where they ran for real.
fn emergency(status: &Status) -> Vec<(&'static str, String)> {
    let Some(run) = &status.emergency.run else { return Vec::new() };
    let actions = run.actions.iter().map(|action| ("action", format!("{}: {}", action.name, action.detail)));
    let all = format!("{}: {}, trace {}; next: {}", run.cause, how_many(run), run.trace, next_of_run(run));
    std::iter::once(("emergency", all)).chain(actions).collect()
}

fn component_row(status: &Status, now: Timestamp, component: &ComponentSummary) -> [Cell; 8] {
    [
        component.name.clone().into(),
        Cell::state(&component.state),
        component.pid.map(|pid| format!("pid {pid}")).unwrap_or_default().into(),
        format!("restarts {}", component.restarts).into(),
        component.last_sign_seconds.map(|seconds| format!("beat {} ago", age(seconds))).unwrap_or_default().into(),
        memory(component).into(),
        Cell::from(cpu(component)).right(),
        printable(&said_or_kept(status, now, component).unwrap_or_default()).into_owned().into(),
    ]
}

/// `412 MB of 1.8 GB`, as far as it is known.
pub fn memory(component: &ComponentSummary) -> String {
    match (component.memory_bytes, component.memory_max_bytes) {
        (Some(used), Some(most)) => format!("{} of {}", size(used), size(most)),
        (Some(used), None) => size(used),
        (None, _) => String::new(),
    }
}

/// `3 % CPU`, `93 of 90 % CPU`: as far as it is known.
pub fn cpu(component: &ComponentSummary) -> String {
    match (component.cpu_percent, component.cpu_max_percent) {
        (Some(used), Some(most)) => format!("{used:.0} of {most} % CPU"),
        (Some(used), None) => format!("{used:.0} % CPU"),
        (None, _) => String::new(),
    }
}

/// What else has a limit: used, most, what.
fn counts(component: &ComponentSummary) -> impl Iterator<Item = (u64, u64, &'static str)> {
    let figures =
        [(component.processes, component.processes_max, "processes"), (component.files, component.files_max, "files")];
    figures.into_iter().filter_map(|(used, most, what)| Some((used?, most?, what)))
}

/// Three lines a component, since each is long: enforced, monitored, not covered.
fn coverage_block(coverage: &[Coverage], label: usize) -> String {
    let mut out = String::new();
    for line in coverage {
        let mut name = printable(&line.component);
        for (what, list) in
            [("enforced", &line.enforced), ("monitored", &line.monitored), ("not covered", &line.not_covered)]
        {
            let covers = covers(what, list);
            if !covers.is_empty() {
                let _ = writeln!(out, "{name:<label$}   {}", printable(&covers));
                name = "".into();
            }
        }
    }
    out
}

fn covers(what: &str, list: &[String]) -> String {
    if list.is_empty() { String::new() } else { format!("{what}: {}", list.join(", ")) }
}

/// `fresh 5 s ago`.
pub fn feed(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "nothing yet".to_owned(), |seconds| format!("fresh {} ago", age(seconds)))
}

/// Whether a dependency answers, in a word.
pub fn answers(up: Option<bool>) -> &'static str {
    match up {
        Some(true) => "up",
        Some(false) => "down",
        None => "not known yet",
    }
}

/// Its records and its head.
pub fn journal(status: &Status) -> String {
    format!("{} records, durable, head {}", grouped(status.journal.seq), short_hash(&status.journal.head))
}

/// One fact a line, its kind first.
fn as_lines(status: &Status, now: Timestamp) -> String {
    let mut out = String::new();
    let mut fact = |kind: &str, text: &str| {
        let _ = writeln!(out, "{kind} {}", printable(text));
    };
    fact("system", &status.system);
    fact("permission", &status.permission);
    fact("mode", &status.mode);
    if let Some(waits) = live_waits(status) {
        fact("mode-note", &waits);
    }
    if !status.environment.is_empty() {
        fact("environment", &status.environment);
    }
    fact("epoch", &status.epoch.to_string());
    fact("uptime", &span(status.uptime_seconds));
    fact("kill-switch", if status.kill_switch { "engaged" } else { "off" });
    if let Some(window) = &status.maintenance {
        fact("maintenance", &maintenance_line(window, now));
    }
    fact("health", &format!("{} {:.2}", status.health.status, status.health.overall_health));
    for reason in &status.health.reasons {
        fact("health-reason", reason);
    }
    for halt in &status.halts {
        let component = halt.component.as_ref().map(|name| format!(" component {name}")).unwrap_or_default();
        let kind = if halt.latched { "latched" } else { "clears by itself" };
        let mut line =
            format!("{} {}{component} cap {} {kind} {}", halt.id, halt.cause, halt.cap, since(&halt.since, now));
        if !halt.evidence.is_empty() {
            let _ = write!(line, ": {}", halt.evidence);
        }
        if !halt.next.is_empty() {
            let _ = write!(line, "; next: {}", halt.next);
        }
        fact("halt", &line);
    }
    for component in &status.components {
        fact("component", &component_line(status, now, component));
    }
    for (name, queue) in &status.queue {
        fact("queue", &format!("{name} {} {} waiting", queue.state, queue.depth));
    }
    for part in &status.parts {
        fact("part", &format!("{}/{} {:.2}", part.component, part.name, part.health));
    }
    for (name, seconds) in &status.feeds {
        fact("feed", &format!("{name} {}", feed(*seconds)));
    }
    for (name, up) in &status.dependencies {
        fact("dependency", &format!("{name} {}", answers(*up)));
    }
    for (name, value) in &status.metrics {
        fact("metric", &format!("{name} {value}"));
    }
    for (name, metric) in &status.custom.metrics {
        fact("metric", &custom_metric(name, metric).replacen(": ", " ", 1));
    }
    fact("journal", &format!("seq {} head {} jid {}", status.journal.seq, status.journal.head, status.journal.jid));
    if let Some(verified) = &status.verified {
        fact("verified", &format!("{} {}", verified.result, at(&verified.at, now)));
    }
    for (name, text) in books(status) {
        fact(name, &text);
    }
    if let Some(config) = configuration(status, now) {
        fact("config", &config);
    }
    if let Some(fault) = &status.config.fault {
        let waits = match status.config.pending_restart.as_slice() {
            [] => String::new(),
            keys => format!("; waits for a restart: {}", keys.join(", ")),
        };
        let (since, next) = (fault_since(status, now), next_of_config(&status.config));
        fact("config", &format!("what the file says is not in force{since}: {fault}{waits}; next: {next}"));
    }
    if let Some(alerts) = alerts::summary(&status.alerts) {
        fact("alerts", &alerts);
    }
    if let Some(footprint) = &status.footprint {
        fact("costs", &footprint_words(footprint));
    }
    for line in &status.coverage {
        for (what, list) in
            [("enforced", &line.enforced), ("monitored", &line.monitored), ("not covered", &line.not_covered)]
        {
            if !list.is_empty() {
                fact("coverage", &format!("{} {}", line.component, covers(what, list)));
            }
        }
    }
    for what in &status.not_watched {
        fact("not-watched", what);
    }
    if let Some(observe) = &status.observe {
        fact("observe", observe);
    }
    for note in &status.host_notes {
        fact("note", note);
    }
    out
}

/// `until 20:51:07Z by ana (1000), trading goes on: new disk; next: …`.
fn maintenance_line(window: &MaintenanceSummary, now: Timestamp) -> String {
    let trading = if window.keep_trading { "trading goes on" } else { "no order is permitted" };
    let until = maintenance_end(window, now);
    format!("until {until} by {}, {trading}: {}; next: {MAINTENANCE_NEXT}", window.by, window.reason)
}

fn component_line(status: &Status, now: Timestamp, component: &ComponentSummary) -> String {
    let mut line = format!("{} {}", component.name, component.state);
    if let Some(pid) = component.pid {
        let _ = write!(line, " pid {pid}");
    }
    let _ = write!(line, " restarts {}", component.restarts);
    if let Some(seconds) = component.last_sign_seconds {
        let _ = write!(line, ", beat {} ago", age(seconds));
    }
    if component.memory_bytes.is_some() {
        let _ = write!(line, ", {}", memory(component));
    }
    if component.cpu_percent.is_some() {
        let _ = write!(line, ", {}", cpu(component));
    }
    for (used, most, what) in counts(component) {
        let _ = write!(line, ", {used} of {most} {what}");
    }
    if component.reloading {
        line.push_str(", reloading");
    }
    if let Some(text) = &component.status_text {
        let _ = write!(line, ", says: {text}");
    } else if let Some(why) = kept_from(status, now, component) {
        let _ = write!(line, ", {why}");
    }
    line
}

#[cfg(test)]
#[path = "status_tests.rs"]
pub(in crate::render) mod tests;
