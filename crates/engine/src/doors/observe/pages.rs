//! What each path of the observe address answers. The control socket serves some of them too.

use super::dashboard;
use super::health::{HealthAnswer, HealthError, dependency_words, health_answer};
use super::live::{self, Live};
use super::shed;
use super::site::Site;
use crate::doors::ask::{Asker, Unanswered};
use crate::doors::beat::{self, Streams, with_beat};
use crate::doors::http::{answer, json, problem};
use crate::history::Span;
use crate::metrics::Format;
use crate::status::words;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::get;
use failstop_client::gate::GateStatus;
use failstop_client::status::Status;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// A path and what it answers to GET.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path.
    pub path: &'static str,
    page: Page,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Front,
    Paths,
    History,
    Thresholds,
    Healthz,
    Livez,
    Readyz,
    Health,
    HealthStatus,
    HealthUptime,
    LastSnapshot,
    Status,
    Metrics,
    MetricsJson,
    Alerts,
    Processes,
    Orders,
    Config,
    Risk,
    Rates,
    Feeds,
}

impl Page {
    /// Whether it has figures for programs, which the configuration may switch off.
    const fn is_of_metrics(self) -> bool {
        matches!(self, Self::Metrics | Self::MetricsJson | Self::History)
    }
}

/// Every path of the observe address.
pub const ROUTES: &[Route] = &[
    Route { path: "/", page: Page::Front },
    Route { path: "/paths", page: Page::Paths },
    Route { path: "/healthz", page: Page::Healthz },
    Route { path: "/livez", page: Page::Livez },
    Route { path: "/readyz", page: Page::Readyz },
    Route { path: "/health", page: Page::Health },
    Route { path: "/metrics", page: Page::Metrics },
    Route { path: "/api/health", page: Page::Health },
    Route { path: "/api/health/status", page: Page::HealthStatus },
    Route { path: "/api/health/uptime", page: Page::HealthUptime },
    Route { path: "/api/health/last_snapshot", page: Page::LastSnapshot },
    Route { path: "/api/status", page: Page::Status },
    Route { path: "/api/metrics", page: Page::MetricsJson },
    Route { path: "/api/metrics/history", page: Page::History },
    Route { path: "/api/thresholds", page: Page::Thresholds },
    Route { path: "/api/alerts", page: Page::Alerts },
    Route { path: "/api/risk", page: Page::Risk },
    Route { path: "/api/rates", page: Page::Rates },
    Route { path: "/api/feeds", page: Page::Feeds },
];

/// The paths that the control socket serves as well.
pub(crate) const ON_CONTROL: &[Route] = &[
    Route { path: "/health", page: Page::Health },
    Route { path: "/metrics", page: Page::Metrics },
    Route { path: "/api/status", page: Page::Status },
    Route { path: "/api/alerts", page: Page::Alerts },
    Route { path: "/api/risk", page: Page::Risk },
    Route { path: "/api/rates", page: Page::Rates },
    Route { path: "/api/feeds", page: Page::Feeds },
];

/// What the control socket alone serves: process numbers are for this host, orders and the configuration for those who may act on
/// them.
pub(crate) const ON_CONTROL_ONLY: &[Route] = &[
    Route { path: "/api/processes", page: Page::Processes },
    Route { path: "/api/orders", page: Page::Orders },
    Route { path: "/api/config", page: Page::Config },
];

/// Everything that the observe address answers.
pub(super) fn router(asker: &Arc<Asker>, site: &Arc<Site>, streams: &Streams, live: &Arc<Live>) -> Router {
    let router = live::with_live(with_beat(with_pages(Router::new(), ROUTES, asker, site), streams), live);
    let router = dashboard::with_dashboard(router, site);
    router.method_not_allowed_fallback(only_get).fallback(unknown_path)
}

/// Adds `routes` to a router.
pub(crate) fn with_pages(router: Router, routes: &[Route], asker: &Arc<Asker>, site: &Arc<Site>) -> Router {
    routes.iter().fold(router, |router, route| {
        let page = route.page;
        let (asker, site) = (Arc::clone(asker), Arc::clone(site));
        router.route(
            route.path,
            get(move |uri: Uri, headers: HeaderMap| async move { respond(page, &asker, &site, &uri, &headers).await }),
        )
    })
}

/// Adds the page and what it needs to a router of another door.
pub(in crate::doors) fn with_front(router: Router, asker: &Arc<Asker>, site: &Arc<Site>, live: &Arc<Live>) -> Router {
    let front = &[Route { path: "/", page: Page::Front }];
    dashboard::with_dashboard(live::with_live(with_pages(router, front, asker, site), live), site)
}

async fn only_get() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this address only answers GET and changes nothing; controls are on the control socket, see `failstop --help`",
    )
}

async fn unknown_path(uri: Uri) -> Response {
    nothing_at(&uri, "GET /paths lists what there is")
}

/// The answer to an unknown path: where it is said what there is.
pub(crate) fn nothing_at(uri: &Uri, listed: &str) -> Response {
    // The path comes back cut short: it is the peer's own, and JSON escapes it.
    let path: String = uri.path().chars().take(200).collect();
    problem(StatusCode::NOT_FOUND, format!("there is nothing at {path}; {listed}"))
}

async fn respond(page: Page, asker: &Asker, site: &Site, uri: &Uri, headers: &HeaderMap) -> Response {
    match page {
        Page::Front if site.dashboard => dashboard::front(asker, site, headers).await,
        Page::Front | Page::Paths => paths(site),
        page if page.is_of_metrics() && !site.metrics => problem(
            StatusCode::NOT_FOUND,
            "figures for programs are switched off here: `[observe] metrics = true` has them",
        ),
        Page::History if *site.shed.borrow() => shed::answer(),
        Page::History => history(asker, uri).await,
        Page::Thresholds => json(StatusCode::OK, &site.thresholds.borrow().answer()),
        Page::Metrics => metrics(asker, headers).await,
        Page::Livez => match asker.status().await {
            Ok(_) => text(StatusCode::OK, "ok\n"),
            Err(unanswered) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{unanswered}\n")),
        },
        Page::Healthz => match asker.status().await {
            Ok(status) => text(verdict_code(&status), format!("{}\n", status.health.status)),
            Err(unanswered) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{unanswered}\n")),
        },
        Page::Readyz => match asker.status().await {
            Ok(status) => readyz(&status),
            Err(unanswered) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{unanswered}\n")),
        },
        Page::Health => health(asker, uri).await,
        Page::HealthStatus => match asker.status().await {
            Ok(status) => json(verdict_code(&status), &health_status(&status)),
            Err(unanswered) => verdict_unknown(unanswered),
        },
        Page::HealthUptime => match asker.status().await {
            Ok(status) => json(StatusCode::OK, &uptime(&status)),
            Err(unanswered) => verdict_unknown(unanswered),
        },
        Page::LastSnapshot => match asker.status().await {
            Ok(status) => json(StatusCode::OK, &last_snapshot(&status)),
            Err(unanswered) => verdict_unknown(unanswered),
        },
        Page::Orders => match asker.orders().await {
            Ok(orders) => json(StatusCode::OK, &*orders),
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        },
        Page::Config => match asker.configuration().await {
            Ok(config) => json(StatusCode::OK, &*config),
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        },
        Page::Status => match asker.status().await {
            Ok(status) => json(StatusCode::OK, &*status),
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        },
        Page::Alerts => match asker.alerts().await {
            Ok(alerts) => json(StatusCode::OK, &*alerts),
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        },
        Page::Processes => match asker.processes().await {
            Ok(list) => json(StatusCode::OK, &*list),
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        },
        Page::Risk => gate_section(asker, GateStatus::risk).await,
        Page::Rates => gate_section(asker, GateStatus::rates).await,
        Page::Feeds => gate_section(asker, GateStatus::feeds).await,
        Page::MetricsJson => match asker.status().await {
            Ok(status) => json(StatusCode::OK, &metrics_json(&status)),
            Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
        },
    }
}

/// A section of how the gate stands; 404 where none is configured.
async fn gate_section(asker: &Asker, section: fn(&GateStatus) -> Value) -> Response {
    match asker.status().await {
        Ok(status) => match &status.gate {
            Some(gate) => json(StatusCode::OK, &section(gate)),
            None => {
                problem(StatusCode::NOT_FOUND, "no [gate] is configured: this system judges no orders (docs/gate.md)")
            }
        },
        Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
    }
}

async fn health(asker: &Asker, uri: &Uri) -> Response {
    let nonce = match nonce(uri.query().unwrap_or_default()) {
        Ok(nonce) => nonce,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    match asker.status().await {
        Ok(status) => json(verdict_code(&status), &HealthAnswer { nonce, ..health_answer(&status) }),
        Err(unanswered) => verdict_unknown(unanswered),
    }
}

/// `?range=1h` or `?range=24h`, which is what it is without.
async fn history(asker: &Asker, uri: &Uri) -> Response {
    let mut ranges = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("range="));
    let range = ranges.next().unwrap_or("24h");
    let Some(span) = Span::of(range).filter(|_| ranges.next().is_none()) else {
        return problem(StatusCode::BAD_REQUEST, "`range` must be 1h (every 5 s) or 24h (every minute), given once");
    };
    match asker.history(span).await {
        Ok(history) => json(StatusCode::OK, &*history),
        Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
    }
}

/// The most bytes of a nonce.
pub const NONCE_MAX: usize = 64;

/// What the query gives as `nonce`; other parameters are nobody's business. It is echoed as it is, so it must be harmless.
fn nonce(query: &str) -> Result<Option<String>, String> {
    let mut nonces = query.split('&').filter_map(|pair| match pair.split_once('=') {
        Some(("nonce", value)) => Some(value),
        None if pair == "nonce" => Some(""),
        Some(_) | None => None,
    });
    let Some(nonce) = nonces.next() else { return Ok(None) };
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    if nonces.next().is_some() {
        return Err("`nonce` is given twice".to_owned());
    }
    if nonce.is_empty() || nonce.len() > NONCE_MAX || !nonce.bytes().all(good) {
        return Err(format!("`nonce` must be 1 to {NONCE_MAX} letters, digits, `-`, `_`, `.` or `~`"));
    }
    Ok(Some(nonce.to_owned()))
}

/// 200 when healthy or degraded, 503 when critical.
fn verdict_code(status: &Status) -> StatusCode {
    if status.health.status == "critical" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

fn verdict_unknown(unanswered: Unanswered) -> Response {
    json(StatusCode::INTERNAL_SERVER_ERROR, &HealthError::now(unanswered.to_string()))
}

fn text(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    answer(status, "text/plain; charset=utf-8", body)
}

async fn metrics(asker: &Asker, headers: &HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    match asker.metrics(format == Format::OpenMetrics).await {
        Ok(body) => answer(StatusCode::OK, format.content_type(), body.to_string()),
        Err(unanswered) => problem(StatusCode::SERVICE_UNAVAILABLE, unanswered.to_string()),
    }
}

/// Whether the system can do its work now: a line a condition, `+` where it holds. Not counted against it: a dependency
/// that was not probed yet, and a component that is stopped on purpose.
fn readyz(status: &Status) -> Response {
    let trades = matches!(status.permission.as_str(), "active" | "reduce-only");
    let mut ready = trades;
    let mut body = String::new();
    line(&mut body, trades, format_args!("permission {}", status.permission));
    for component in &status.components {
        // Stopped on purpose is as it should be; stopped by a halt of its own is not.
        let halted = status.halts.iter().any(|halt| halt.component.as_ref() == Some(&component.name));
        let as_it_should = component.ready || component.state == "stopped" && !halted;
        ready &= as_it_should;
        line(&mut body, as_it_should, format_args!("component {} {}", component.name, component.state));
    }
    for (name, word) in dependency_words(status) {
        let up = word != "down";
        ready &= up;
        line(&mut body, up, format_args!("dependency {name} {word}"));
    }
    body.push_str(if ready { "ready\n" } else { "not ready\n" });
    text(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}

fn line(body: &mut String, holds: bool, what: std::fmt::Arguments<'_>) {
    let sign = if holds { '+' } else { '-' };
    // Writing to a `String` cannot fail.
    let _ = writeln!(body, "{sign} {what}");
}

fn health_status(status: &Status) -> Value {
    let components: serde_json::Map<String, Value> = status
        .components
        .iter()
        .map(|component| {
            let health = words::health_of_number(component.health);
            (component.name.clone(), json!({ "status": health, "state": component.state, "ready": component.ready }))
        })
        .collect();
    json!({
        "status": status.health.status,
        "healthy": status.health.status == "healthy",
        "overall_health": status.health.overall_health,
        "reasons": status.health.reasons,
        "permission": status.permission,
        "mode": status.mode,
        "environment": status.environment,
        "kill_switch": status.kill_switch,
        "components": components,
        "dependencies": dependency_words(status),
        "timestamp": status.timestamp,
    })
}

fn uptime(status: &Status) -> Value {
    let started = status
        .timestamp
        .parse::<jiff::Timestamp>()
        .ok()
        .zip(std::time::Duration::try_from_secs_f64(status.uptime_seconds).ok())
        .and_then(|(now, up)| now.saturating_sub(up).ok())
        .map(crate::status::rfc3339);
    json!({
        "uptime_seconds": status.uptime_seconds,
        "started": started,
        "epoch": status.epoch,
        "timestamp": status.timestamp,
    })
}

/// The last snapshot, with `null` for what there is not.
fn last_snapshot(status: &Status) -> Value {
    let last = status.books.snapshot.as_ref();
    json!({
        "last_snapshot": last.map(|last| &last.taken),
        "age_seconds": status.health.snapshot_age_seconds,
        "seq": last.map(|last| last.seq),
        "file": last.map(|last| &last.file),
        "sha256": last.map(|last| &last.sha256),
        "day": last.and_then(|last| last.day.as_ref()),
        "timestamp": status.timestamp,
    })
}

/// The figures of now, for scripts that do not speak Prometheus.
pub(super) fn metrics_json(status: &Status) -> Value {
    let components: serde_json::Map<String, Value> = status
        .components
        .iter()
        .map(|component| {
            let figures = json!({
                "health": component.health,
                "restarts": component.restarts,
                "memory_bytes": component.memory_bytes,
                "cpu_seconds": component.cpu_seconds,
                "cpu_percent": component.cpu_percent,
            });
            (component.name.clone(), figures)
        })
        .collect();
    json!({
        "timestamp": status.timestamp,
        "environment": status.environment,
        "uptime_seconds": status.uptime_seconds,
        "overall_health": status.health.overall_health,
        "errors_per_minute": status.health.errors_per_minute,
        "memory_bytes": status.resources.memory_bytes,
        "cpu_percent": status.resources.cpu_percent,
        "permit_lapses": status.permit_lapses,
        "journal_seq": status.journal.seq,
        "components": components,
        "feeds": status.feeds,
        "queue": status.queue,
        "metrics": status.metrics,
        "custom": status.custom.metrics,
        "footprint": status.footprint,
        "host": status.host,
    })
}

fn paths(site: &Site) -> Response {
    let mut body = String::from("failstop: this address only answers GET and changes nothing.\n\n");
    let there = ROUTES.iter().filter(|route| site.metrics || !route.page.is_of_metrics());
    for path in there.map(|route| route.path).chain([beat::PATH, live::PATH]) {
        body.push_str(path);
        body.push('\n');
    }
    text(StatusCode::OK, body)
}
