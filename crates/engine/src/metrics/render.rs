//! The families, one after the other: names, labels and units as in `docs/reference/metrics.md` (a test compares).
//! Values come from the status (what anybody may ask), the meters (what was counted) and the engine's own process.

use super::exposition::{Exposition, Format, Kind, whole};
use super::meters::Meters;
use crate::limits::sampling::ProcessSample;
use crate::status::words;
use failstop_client::status::Status;
use failstop_core::Cause;
use std::time::Duration;

/// The metrics as text. `process` is left out where the engine's own figures could not be read.
pub fn render(format: Format, status: &Status, meters: &Meters, process: Option<&ProcessSample>) -> String {
    let mut text = Exposition::new(format);
    system(&mut text, status);
    configuration(&mut text, status);
    halts(&mut text, status, meters);
    health(&mut text, status, meters);
    components(&mut text, status);
    sources(&mut text, status);
    journal(&mut text, status, meters);
    books(&mut text, status);
    if let Some(gate) = &status.gate {
        super::gate::gate(&mut text, gate, meters);
    }
    super::alerts::alerts(&mut text, &status.alerts);
    bot(&mut text, status, meters);
    super::thresholds::thresholds(&mut text, &meters.thresholds);
    super::added::custom(&mut text, &status.custom);
    output(&mut text, meters);
    breaker(&mut text, status, meters);
    super::added::footprint(&mut text, status.footprint.as_ref());
    host(&mut text, status);
    if let Some(process) = process {
        engine_process(&mut text, process);
    }
    text.finish()
}

fn system(text: &mut Exposition, status: &Status) {
    text.family("failstop_build", Kind::Info, "The version of failstop that answers.")
        .sample(&[("version", &status.version)], 1.0);
    text.family("failstop_system", Kind::Info, "The system that this engine runs.")
        .sample(&[("system", &status.system), ("mode", &status.mode), ("environment", &status.environment)], 1.0);
    text.family(
        "failstop_permission",
        Kind::Gauge,
        "What the system may do now: 3 active, 2 reduce-only, 1 observe-only, 0 shutdown.",
    )
    .sample(&[], permission_number(&status.permission));
    text.family("failstop_mode_live", Kind::Gauge, "Whether the effective mode is live: 1 live, 0 dry.")
        .sample(&[], flag(status.mode == "live"));
    text.family("failstop_emergency_stop", Kind::Gauge, "Whether the kill switch is engaged.")
        .sample(&[], flag(status.kill_switch));
    text.family("failstop_maintenance", Kind::Gauge, "Whether a maintenance window stands.")
        .sample(&[], flag(status.maintenance.is_some()));
    text.family("failstop_epoch", Kind::Gauge, "The fencing epoch, which rises at every start.")
        .sample(&[], whole(status.epoch));
    text.family("failstop_uptime_seconds", Kind::Gauge, "Seconds since the engine started.")
        .sample(&[], status.uptime_seconds);
    text.family(
        "failstop_permit_lapses",
        Kind::Counter,
        "Permits that ran out because the engine or the disk was late, in this epoch.",
    )
    .sample(&[], whole(status.permit_lapses));
}

fn breaker(text: &mut Exposition, status: &Status, meters: &Meters) {
    text.family(
        "failstop_circuit_breaker_tripped",
        Kind::Gauge,
        "Whether dashboard, figures over time and verification beside give way to a busy host, 0 or 1.",
    )
    .sample(&[], f64::from(u8::from(status.breaker.is_shed())));
    text.family("failstop_circuit_breaker_trips", Kind::Counter, "How often that began, in this epoch.")
        .sample(&[], whole(meters.breaker_trips));
}

fn configuration(text: &mut Exposition, status: &Status) {
    let config = &status.config;
    text.family("failstop_config", Kind::Info, "The text of the configuration that is in force, by its SHA-256.")
        .sample(&[("sha256", &config.sha256)], 1.0);
    text.family(
        "failstop_config_last_reload_successful",
        Kind::Gauge,
        "Whether what the configuration file says now is in force: 0 where it is not valid, or needs a restart.",
    )
    .sample(&[], flag(config.fault.is_none()));
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact for long enough")]
    let since = config.since_unix as f64;
    text.family(
        "failstop_config_last_reload_success_timestamp_seconds",
        Kind::Gauge,
        "Since when the configuration that is in force is, in seconds since 1970.",
    )
    .sample(&[], since);
}

fn output(text: &mut Exposition, meters: &Meters) {
    let lost = meters.output_lost;
    let mut family = text.family(
        "failstop_output_lost_bytes",
        Kind::Counter,
        "Bytes of components' output that were dropped, by where they were to go.",
    );
    for (to, bytes) in [("files", lost.from_files), ("stdout", lost.from_screen), ("journal", lost.from_journal)] {
        family.sample(&[("to", to)], whole(bytes));
    }
}

fn halts(text: &mut Exposition, status: &Status, meters: &Meters) {
    let mut standing = text.family("failstop_halts", Kind::Gauge, "Standing halts by cause.");
    for cause in Cause::ALL.map(Cause::name) {
        let count = status.halts.iter().filter(|halt| halt.cause == cause).count();
        standing.sample(&[("cause", cause)], whole(count as u64));
    }
    text.family("failstop_halts_latched", Kind::Gauge, "Standing halts that wait for an operator.")
        .sample(&[], whole(status.halts.iter().filter(|halt| halt.latched).count() as u64));
    let mut raised = text.family("failstop_halts_raised", Kind::Counter, "Halts raised in this epoch by cause.");
    for (cause, count) in Cause::ALL.iter().zip(meters.halts_raised) {
        raised.sample(&[("cause", cause.name())], whole(count));
    }
}

fn health(text: &mut Exposition, status: &Status, meters: &Meters) {
    text.family("failstop_health", Kind::Gauge, "Overall health from 0 (critical) to 1 (healthy).")
        .sample(&[], status.health.overall_health);
    text.family("failstop_reported_errors_last_minute", Kind::Gauge, "Errors that bots reported in the last minute.")
        .sample(&[], f64::from(status.health.errors_per_minute));
    let mut checks = text.family("failstop_health_checks", Kind::Counter, "Health verdicts computed, by outcome.");
    for (outcome, count) in [
        ("healthy", meters.healthy),
        ("degraded", meters.degraded),
        ("critical", meters.critical),
        ("error", meters.errors),
    ] {
        checks.sample(&[("status", outcome)], whole(count));
    }
    text.family("failstop_health_check_duration_seconds", Kind::Histogram, "How long one health verdict took.")
        .histogram(&[], &meters.health_check_duration);
}

fn components(text: &mut Exposition, status: &Status) {
    let mut family = text.family(
        "failstop_component_status",
        Kind::Gauge,
        "A component or a part of one: 1 healthy, 0 degraded, -1 critical.",
    );
    for component in &status.components {
        family.sample(&[("component", &component.name)], status_number(component.health));
    }
    for part in &status.parts {
        family.sample(&[("component", &part.component), ("part", &part.name)], status_number(part.health));
    }
    let mut family = text.family(
        "failstop_component_health",
        Kind::Gauge,
        "Health of a component or a part of one from 0 (critical) to 1 (healthy).",
    );
    for component in &status.components {
        family.sample(&[("component", &component.name)], component.health);
    }
    for part in &status.parts {
        family.sample(&[("component", &part.component), ("part", &part.name)], part.health);
    }
    let mut family = text.family("failstop_component_ready", Kind::Gauge, "Whether the component is ready.");
    for component in &status.components {
        family.sample(&[("component", &component.name)], flag(component.ready));
    }
    let mut family = text.family(
        "failstop_component_restarts",
        Kind::Counter,
        "Restarts of the component that nobody asked for, in this epoch.",
    );
    for component in &status.components {
        family.sample(&[("component", &component.name)], f64::from(component.restarts));
    }
    let mut family = text.family(
        "failstop_component_memory_bytes",
        Kind::Gauge,
        "Proportional set size of the component's whole process tree.",
    );
    for component in &status.components {
        if let Some(bytes) = component.memory_bytes {
            family.sample(&[("component", &component.name)], whole(bytes));
        }
    }
    let mut family = text.family(
        "failstop_component_cpu_seconds",
        Kind::Counter,
        "Processor time of the component's process trees in this epoch.",
    );
    for component in &status.components {
        if let Some(seconds) = component.cpu_seconds {
            family.sample(&[("component", &component.name)], seconds);
        }
    }
    let mut family = text.family(
        "failstop_component_last_sign_seconds",
        Kind::Gauge,
        "Seconds since the component's last sign of life.",
    );
    for component in &status.components {
        if let Some(seconds) = component.last_sign_seconds {
            family.sample(&[("component", &component.name)], seconds);
        }
    }
}

fn sources(text: &mut Exposition, status: &Status) {
    let mut family =
        text.family("failstop_dependency_up", Kind::Gauge, "Whether a dependency answers; absent while unknown.");
    for (dependency, up) in &status.dependencies {
        if let Some(up) = up {
            family.sample(&[("dependency", dependency)], flag(*up));
        }
    }
    let mut family = text.family(
        "failstop_feed_age_seconds",
        Kind::Gauge,
        "Seconds since fresh data of a market-data feed arrived; absent before the first.",
    );
    for (feed, age) in &status.feeds {
        if let Some(age) = age {
            family.sample(&[("feed", feed)], *age);
        }
    }
    let mut family =
        text.family("failstop_queue_depth", Kind::Gauge, "Entries waiting in a component's execution queue.");
    for (component, queue) in &status.queue {
        family.sample(&[("component", component)], whole(queue.depth));
    }
    let mut family =
        text.family("failstop_queue_stalled", Kind::Gauge, "Whether a component's execution queue is stalled.");
    for (component, queue) in &status.queue {
        family.sample(&[("component", component)], flag(queue.state == "stalled"));
    }
}

fn journal(text: &mut Exposition, status: &Status, meters: &Meters) {
    text.family("failstop_journal_seq", Kind::Gauge, "The last durable sequence number of the journal.")
        .sample(&[], whole(status.journal.seq));
    text.family("failstop_journal_records", Kind::Counter, "Records made durable in this epoch.")
        .sample(&[], whole(meters.journal_records));
    text.family("failstop_journal_bytes", Kind::Counter, "Bytes made durable in this epoch.")
        .sample(&[], whole(meters.journal_bytes));
    text.family("failstop_journal_syncs", Kind::Counter, "Batches made durable in this epoch.")
        .sample(&[], whole(meters.journal_syncs));
    text.family(
        "failstop_journal_durable_seconds",
        Kind::Histogram,
        "How long the oldest record of a batch waited until it was durable.",
    )
    .histogram(&[], &meters.journal_durable);
    let mut family =
        text.family("failstop_journal_write_age_seconds", Kind::Gauge, "Seconds since the last durable write.");
    if let Some(age) = status.health.journal_write_age_seconds {
        family.sample(&[], age);
    }
    let mut family = text.family(
        "failstop_snapshot_age_seconds",
        Kind::Gauge,
        "Seconds since the last snapshot; absent before one.",
    );
    if let Some(age) = status.health.snapshot_age_seconds {
        family.sample(&[], age);
    }
}

fn books(text: &mut Exposition, status: &Status) {
    let books = &status.books;
    text.family("failstop_books_booked", Kind::Counter, "Entries that were booked in this epoch.")
        .sample(&[], whole(books.booked));
    text.family(
        "failstop_books_violations",
        Kind::Counter,
        "Entries that were refused in this epoch, since they would have broken a rule.",
    )
    .sample(&[], whole(books.violations));
    text.family(
        "failstop_books_discrepancies",
        Kind::Gauge,
        "Reports and statements that differ from the book, until one agrees.",
    )
    .sample(&[], whole(u64::try_from(books.discrepancies.len()).unwrap_or(u64::MAX)));
    text.family("failstop_orders_open", Kind::Gauge, "Orders whose intent is recorded and whose end is not.")
        .sample(&[], whole(books.orders_open));
    text.family("failstop_orders_in_doubt", Kind::Gauge, "Open orders of which nobody knows what became.")
        .sample(&[], whole(books.orders_in_doubt));
}

fn bot(text: &mut Exposition, status: &Status, meters: &Meters) {
    let mut family = text.family(
        "failstop_bot_metric",
        Kind::Gauge,
        "A trading metric as the bot reports it, in the unit that the bot uses.",
    );
    for (metric, value) in &status.metrics {
        family.sample(&[("metric", metric)], *value);
    }
    let mut family = text.family("failstop_bot_messages", Kind::Counter, "Messages on the bot socket, by outcome.");
    family.sample(&[("outcome", "taken")], whole(meters.bot_requests));
    family.sample(&[("outcome", "refused")], whole(meters.bot_refused));
    let mut family = text.family(
        "failstop_notify_messages",
        Kind::Counter,
        "Messages and malformed lines over sd_notify, by outcome.",
    );
    family.sample(&[("outcome", "taken")], whole(meters.notify_taken));
    family.sample(&[("outcome", "refused")], whole(meters.notify_refused));
    family.sample(&[("outcome", "malformed")], whole(meters.notify_malformed));
    let mut family = text.family(
        "failstop_control_refused",
        Kind::Counter,
        "Requests that the control listener did not believe, or the observe address where it wants a token; absent without either.",
    );
    if let Some(refused) = meters.refused_signatures() {
        family.sample(&[], whole(refused));
    }
    text.family("failstop_control_forbidden", Kind::Counter, "Controls that somebody known had not the role for.")
        .sample(&[], whole(meters.forbidden()));
    text.family("failstop_telegram_strangers", Kind::Counter, "Messages over Telegram that nobody who is listed sent.")
        .sample(&[], whole(meters.strangers()));
}

fn host(text: &mut Exposition, status: &Status) {
    let Some(host) = &status.host else { return };
    if let Some(percent) = host.cpu_percent {
        text.family("failstop_host_cpu_ratio", Kind::Gauge, "Processors of the host in use, 0 to 1.")
            .sample(&[], percent / 100.0);
    }
    for (name, help, bytes) in [
        ("failstop_host_memory_total_bytes", "Memory of the host.", host.memory_total_bytes),
        (
            "failstop_host_memory_available_bytes",
            "Memory of the host that could be had without swapping.",
            host.memory_available_bytes,
        ),
        (
            "failstop_host_disk_total_bytes",
            "Size of the file system that holds the state directory.",
            host.disk_total_bytes,
        ),
        (
            "failstop_host_disk_available_bytes",
            "What may still be written to the file system that holds the state directory.",
            host.disk_available_bytes,
        ),
    ] {
        text.family(name, Kind::Gauge, help).sample(&[], whole(bytes));
    }
}

fn engine_process(text: &mut Exposition, process: &ProcessSample) {
    text.family("process_cpu_seconds", Kind::Counter, "Processor time of the engine's own process.")
        .sample(&[], process.cpu.as_secs_f64());
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory of the engine's own process.", process.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory of the engine's own process.", process.virtual_bytes),
        ("process_threads", "Threads of the engine's own process.", process.threads),
        ("process_open_fds", "Open descriptors of the engine's own process.", process.open_fds),
    ] {
        text.family(name, Kind::Gauge, help).sample(&[], whole(value));
    }
    if let Some(max) = process.max_fds {
        text.family("process_max_fds", Kind::Gauge, "Descriptors that the engine's own process may open.")
            .sample(&[], whole(max));
    }
    text.family("process_start_time_seconds", Kind::Gauge, "When the engine started, seconds since the Unix epoch.")
        .sample(&[], since_unix_epoch(process.started).as_secs_f64());
}

fn since_unix_epoch(at: jiff::Timestamp) -> Duration {
    Duration::try_from(at.as_duration()).unwrap_or_default()
}

fn permission_number(word: &str) -> f64 {
    match word {
        "active" => 3.0,
        "reduce-only" => 2.0,
        "observe-only" => 1.0,
        // Also a word that this version does not know: never read as more than it may be.
        _ => 0.0,
    }
}

fn status_number(health: f64) -> f64 {
    match words::health_of_number(health) {
        "healthy" => 1.0,
        "degraded" => 0.0,
        _ => -1.0,
    }
}

fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}
