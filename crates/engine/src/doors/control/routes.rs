//! What each path of the control socket takes, and how it becomes a command. Nothing is decided here but whether the
//! request is well made and confirmed.

use super::PeerRefused;
use super::wire::{self, ModeWord};
use crate::access::{Access, Control, TRACE_HEADER, TraceId, Who};
use crate::command::{Answer, BooksOrder, Command, GateOrder};
use crate::doors::ask::{Asker, Unanswered};
use crate::doors::http::{BodyFault, Limits, Problem, json, problem, whole};
use crate::doors::observe;
use crate::doors::turned_away::Turned;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use failstop_client::status::{EndKind, Receipt};
use failstop_core::{HaltId, Mode, Order, Slot};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A path that takes POST.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path; `{name}` is a component's name.
    pub path: &'static str,
    /// The control that it gives.
    first: Control,
    /// And those that the same path gives by what its body says.
    others: &'static [Control],
}

const fn route(path: &'static str, first: Control) -> Route {
    Route { path, first, others: &[] }
}

/// Every path of the control socket that takes POST.
pub const ROUTES: &[Route] = &[
    route("/api/control/resume", Control::Resume),
    Route { path: "/api/control/mode", first: Control::ModeDry, others: &[Control::ModeLive] },
    route("/api/control/emergency-stop", Control::EmergencyStop),
    route("/api/control/kill-switch/release", Control::ReleaseKillSwitch),
    Route { path: "/api/control/maintenance", first: Control::MaintenanceOn, others: &[Control::MaintenanceOff] },
    route("/api/control/stop", Control::StopEngine),
    route("/api/control/restart", Control::RestartEngine),
    route("/api/control/component/{name}/start", Control::StartComponent),
    route("/api/control/component/{name}/stop", Control::StopComponent),
    route("/api/control/component/{name}/restart", Control::RestartComponent),
    route("/api/control/component/{name}/reload", Control::ReloadComponent),
    route("/api/control/alerts/ack", Control::AcknowledgeAlert),
    route("/api/control/alerts/test", Control::TestAlerts),
    route("/api/control/snapshot", Control::TakeSnapshot),
    route("/api/control/orders/resolve", Control::ResolveOrder),
    route("/api/control/import", Control::Import),
    route("/api/control/import/correct", Control::CorrectBooks),
    route("/api/control/orders/confirm", Control::ConfirmOrder),
    route("/api/control/limits/override", Control::OverrideLimit),
    route("/api/control/limits/end", Control::EndOverride),
    route("/api/control/breaker/reset", Control::ResetBreaker),
    route("/api/control/config/diff", Control::CompareConfig),
    route("/api/control/config/reload", Control::ReloadConfig),
];

/// Why a request is not put to the loop.
#[derive(Debug, thiserror::Error)]
enum BadRequest {
    #[error("the body must be sent as content-type: application/json")]
    NotJson,
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error("the body is not what this path takes: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("`expected_epoch` is needed here: the epoch that is to end, as `/health` and the beats show it")]
    NoEpoch,
    #[error("`reason` must not be empty: it is kept in the journal, and the next person reads it")]
    NoReason,
    #[error("`reason` has {0} bytes and may have {max}", max = wire::REASON_MAX_BYTES)]
    LongReason(usize),
    #[error("`confirm` must be the name of this system, to show that it is the one you mean; its name is {0}")]
    Unconfirmed(String),
    #[error("`{0}` is no halt: halts are named like h-31, see `failstop status`")]
    NoSuchHaltName(String),
    #[error("`for_seconds` must be from 1 to {max} to begin maintenance", max = wire::MAINTENANCE_MAX_SECONDS)]
    Window,
    #[error("`for_seconds` must be from 1 to {max}: an override is for a while", max = wire::OVERRIDE_MAX_SECONDS)]
    Span,
    #[error("`id` must name an alert in 1 to {max} bytes, as `failstop alerts list` shows it", max = wire::ALERT_ID_MAX_BYTES)]
    AlertId,
    #[error("`set` may have {count} assignments of {bytes} bytes each", count = wire::SET_MAX, bytes = wire::SET_MAX_BYTES)]
    Set,
    #[error("there is no component named {name}; there is: {known}")]
    NoSuchComponent { name: String, known: String },
}

impl BadRequest {
    fn code(&self) -> StatusCode {
        match self {
            Self::Body(fault) => fault.code(),
            Self::NoSuchComponent { .. } => StatusCode::NOT_FOUND,
            Self::NotJson
            | Self::Shape(_)
            | Self::NoEpoch
            | Self::NoReason
            | Self::LongReason(_)
            | Self::Unconfirmed(_)
            | Self::NoSuchHaltName(_)
            | Self::AlertId
            | Self::Span
            | Self::Set
            | Self::Window => StatusCode::BAD_REQUEST,
        }
    }
}

impl Route {
    /// The controls that it gives, by what is asked.
    pub fn controls(&self) -> impl Iterator<Item = Control> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// Whether a watchdog may give what it gives.
    pub fn is_watchdogs(&self) -> bool {
        self.controls().all(|control| control.row().watchdogs)
    }
}

/// What orders are read by.
#[derive(Clone, Debug)]
pub(in crate::doors) struct Orders {
    /// The system's name: what `confirm` must say.
    pub system: String,
    /// Components in the configuration's order, for their slots.
    pub components: Vec<String>,
    /// What a body may take, and how long an order waits for the loop.
    pub limits: Limits,
    /// Whoever asks is on another host and may be late: an end names the epoch that it means, and why.
    pub from_afar: bool,
}

/// Adds the paths that take orders to a router. Who gives one is in the request's extensions, put there by the door that proved
/// it.
pub(in crate::doors) fn with_controls<'a>(
    router: Router,
    routes: impl IntoIterator<Item = &'a Route>,
    asker: &Arc<Asker>,
    orders: &Arc<Orders>,
    turned: &Arc<Turned>,
) -> Router {
    routes.into_iter().fold(router, |router, route| {
        let control = route.first;
        let context = (Arc::clone(asker), Arc::clone(orders), Arc::clone(turned));
        let handle = move |Extension(who): Extension<Who>, path: RawPathParams, headers: HeaderMap, body: Body| async move {
            let (asker, orders, turned) = context;
            let by = who.asks(trace_of(&headers));
            let response = match parse(control, &orders, by.clone(), &path, &headers, body).await {
                Ok(command) => match asker.put(command, orders.limits.order).await {
                    Err(Unanswered::Forbidden(forbidden)) => {
                        turned.forbidden(&by, forbidden);
                        problem(StatusCode::FORBIDDEN, forbidden.to_string())
                    }
                    answer => answered(answer),
                },
                Err(bad) => problem(bad.code(), bad.to_string()),
            };
            named(response, by.trace)
        };
        router.route(route.path, post(handle))
    })
}

/// The request's name: that of its `traceparent`, or a new one.
fn trace_of(headers: &HeaderMap) -> TraceId {
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    given.and_then(TraceId::of_traceparent).unwrap_or_default()
}

/// The answer, with the name under which journal and log have the request.
fn named(mut response: Response, trace: TraceId) -> Response {
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        response.headers_mut().insert(HeaderName::from_static(TRACE_HEADER), value);
    }
    response
}

/// The same, with answers to what there is not.
pub(in crate::doors) fn ended(router: Router) -> Router {
    router.method_not_allowed_fallback(wrong_method).fallback(unknown_path)
}

/// The list of the observe address is not served here.
async fn unknown_path(uri: Uri) -> Response {
    observe::pages::nothing_at(&uri, "docs/reference/http.md lists what there is")
}

/// What a refused peer is answered, whatever it asks.
pub(super) fn refusing_router(refused: &PeerRefused) -> Router {
    let refused = refused.to_string();
    Router::new().fallback(move || {
        let answer = problem(StatusCode::FORBIDDEN, refused.clone());
        async move { answer }
    })
}

async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method; the `allow` header says which it takes",
    )
}

/// The loop's answer in HTTP.
fn answered(answer: Result<Answer, Unanswered>) -> Response {
    match answer {
        Ok(Answer::Ending(receipt)) => {
            let Receipt { epoch, seq, head, state, recorded } = receipt;
            let body = json!({
                "done": true, "epoch": epoch, "seq": seq, "head": head, "state": state, "recorded": recorded,
            });
            json(StatusCode::OK, &body)
        }
        Ok(Answer::WrongEpoch { epoch }) => {
            let error =
                format!("epoch {epoch} runs, which is not the one that was meant: look again before asking it to end");
            json(StatusCode::CONFLICT, &Problem { refusals: vec![error.clone()], error, epoch: Some(epoch) })
        }
        Ok(Answer::Done) => json(StatusCode::OK, &json!({ "done": true })),
        Ok(Answer::Refused(refusals)) => {
            let error = match refusals.as_slice() {
                [only] => only.clone(),
                _ => "refused".to_owned(),
            };
            json(StatusCode::CONFLICT, &Problem { error, refusals, epoch: None })
        }
        Ok(Answer::Tested(tests)) => json(StatusCode::OK, &tests),
        Ok(Answer::Snapshot(snapshot)) => json(StatusCode::OK, &*snapshot),
        Ok(Answer::Imported(imported)) => json(StatusCode::OK, &imported),
        Ok(Answer::Config(difference)) => json(StatusCode::OK, &*difference),
        Ok(
            Answer::Status(_)
            | Answer::Metrics(_)
            | Answer::Alerts(_)
            | Answer::History(_)
            | Answer::Processes(_)
            | Answer::Orders(_)
            | Answer::InForce(_)
            | Answer::Beat(_),
        ) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the engine's loop answered another question; please report this. `failstop status` shows what stands",
        ),
        Err(unanswered) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{unanswered}; whether the order was carried out is not known: see `failstop status`"),
        ),
    }
}

async fn parse(
    control: Control,
    orders: &Orders,
    by: Access,
    path: &RawPathParams,
    headers: &HeaderMap,
    body: Body,
) -> Result<Command, BadRequest> {
    let bytes = read(&orders.limits, headers, body).await?;
    let (order, reason) = match control {
        Control::StopEngine | Control::RestartEngine => {
            let kind = if control == Control::StopEngine { EndKind::Stop } else { EndKind::Restart };
            let (expected_epoch, reason) =
                if orders.from_afar { end_from_afar(kind, &bytes)? } else { end(kind, &bytes)? };
            return Ok(Command::End { kind, expected_epoch, reason, by });
        }
        Control::AcknowledgeAlert => {
            let wire::AcknowledgeAlert { id } = serde_json::from_slice(&bytes)?;
            let id = Some(id).filter(|id| (1..=wire::ALERT_ID_MAX_BYTES).contains(&id.len()));
            return Ok(Command::AcknowledgeAlert { id: id.ok_or(BadRequest::AlertId)?, by });
        }
        Control::TestAlerts => {
            let wire::TestAlerts { channel } = or_empty(&bytes)?;
            return Ok(Command::TestAlerts { channel, by });
        }
        Control::TakeSnapshot => {
            let wire::TakeSnapshot { reason } = or_empty(&bytes)?;
            return Ok(Command::Book { what: BooksOrder::TakeSnapshot { reason: optional(reason)? }, by });
        }
        Control::ResolveOrder => {
            let wire::ResolveOrder { id, outcome, reason, source } = serde_json::from_slice(&bytes)?;
            let what = BooksOrder::ResolveOrder { id, outcome, reason: needed(reason)?, source };
            return Ok(Command::Book { what, by });
        }
        Control::Import => {
            let wire::Import { statement } = serde_json::from_slice(&bytes)?;
            return Ok(Command::Book { what: BooksOrder::Statement(Box::new(statement)), by });
        }
        Control::CorrectBooks => {
            let wire::CorrectBooks { statement, pool, reason } = serde_json::from_slice(&bytes)?;
            let what = BooksOrder::Correct { statement: Box::new(statement), pool, reason: needed(reason)? };
            return Ok(Command::Book { what, by });
        }
        Control::ConfirmOrder => {
            let wire::ConfirmOrder { id } = serde_json::from_slice(&bytes)?;
            return Ok(Command::Gate { what: GateOrder::Confirm { client_id: id }, by });
        }
        Control::OverrideLimit => {
            let wire::OverrideLimit { limit, scope, of, value, for_seconds, reason } = serde_json::from_slice(&bytes)?;
            if !(1..=wire::OVERRIDE_MAX_SECONDS).contains(&for_seconds) {
                return Err(BadRequest::Span);
            }
            let span = Duration::from_secs(for_seconds);
            let what = GateOrder::Override { limit, scope, of, value, span, reason: needed(reason)? };
            return Ok(Command::Gate { what, by });
        }
        Control::EndOverride => {
            let wire::EndOverride { name } = serde_json::from_slice(&bytes)?;
            return Ok(Command::Gate { what: GateOrder::EndOverride { name }, by });
        }
        Control::ResetBreaker => {
            let wire::ResetBreaker {} = or_empty(&bytes)?;
            return Ok(Command::ResetBreaker { by });
        }
        Control::CompareConfig => {
            let wire::CompareConfig {} = or_empty(&bytes)?;
            return Ok(Command::CompareConfig { by });
        }
        Control::ReloadConfig => {
            let wire::ReloadConfig { set } = or_empty(&bytes)?;
            if set.len() > wire::SET_MAX || set.iter().any(|one| one.len() > wire::SET_MAX_BYTES) {
                return Err(BadRequest::Set);
            }
            return Ok(Command::ReloadConfig { set, by });
        }
        Control::Resume => {
            let wire::Resume { halts, reason, confirm } = serde_json::from_slice(&bytes)?;
            confirmed(orders, &confirm)?;
            let halts = halts.iter().map(|name| halt_id(name)).collect::<Result<_, _>>()?;
            (Order::Resume(halts), needed(reason)?)
        }
        Control::ModeDry | Control::ModeLive => {
            let wire::SetMode { mode, reason, confirm } = serde_json::from_slice(&bytes)?;
            match mode {
                ModeWord::Dry => (Order::Mode(Mode::Dry), wire::cut(&reason)),
                ModeWord::Live => {
                    confirmed(orders, &confirm)?;
                    (Order::Mode(Mode::Live), optional(reason)?)
                }
            }
        }
        Control::EmergencyStop => {
            let wire::EmergencyStop { reason } = or_empty(&bytes)?;
            (Order::KillSwitchEngage, wire::why_stopped(&reason))
        }
        Control::ReleaseKillSwitch => {
            let wire::ReleaseKillSwitch { reason, confirm } = serde_json::from_slice(&bytes)?;
            confirmed(orders, &confirm)?;
            (Order::KillSwitchRelease, needed(reason)?)
        }
        Control::MaintenanceOn | Control::MaintenanceOff => maintenance(serde_json::from_slice(&bytes)?)?,
        Control::StartComponent => component(Order::StartComponent, orders, path, &bytes)?,
        Control::StopComponent => component(Order::StopComponent, orders, path, &bytes)?,
        Control::RestartComponent => component(Order::RestartComponent, orders, path, &bytes)?,
        Control::ReloadComponent => component(Order::ReloadComponent, orders, path, &bytes)?,
    };
    Ok(Command::Operate { order, reason, by })
}

fn end(kind: EndKind, bytes: &[u8]) -> Result<(Option<u64>, String), BadRequest> {
    let wire::End { expected_epoch, reason } = or_empty(bytes)?;
    let reason = match kind {
        EndKind::Stop => wire::cut(&reason),
        EndKind::Restart => optional(reason)?,
    };
    Ok((expected_epoch, reason))
}

/// An end as it is asked for from another host: the epoch is needed, since whoever asks may be late, and for a restart the reason.
fn end_from_afar(kind: EndKind, bytes: &[u8]) -> Result<(Option<u64>, String), BadRequest> {
    let wire::End { expected_epoch, reason } = serde_json::from_slice(bytes)?;
    if expected_epoch.is_none() {
        return Err(BadRequest::NoEpoch);
    }
    let reason = match kind {
        EndKind::Stop => wire::why_stopped(&reason),
        EndKind::Restart => needed(reason)?,
    };
    Ok((expected_epoch, reason))
}

fn maintenance(body: wire::Maintenance) -> Result<(Order, String), BadRequest> {
    let wire::Maintenance { on, for_seconds, reason, keep_trading } = body;
    if !on {
        return Ok((Order::MaintenanceOff, optional(reason)?));
    }
    let seconds = for_seconds.filter(|span| (1..=wire::MAINTENANCE_MAX_SECONDS).contains(span));
    let span = Duration::from_secs(seconds.ok_or(BadRequest::Window)?);
    Ok((Order::MaintenanceOn { span, keep_trading }, needed(reason)?))
}

fn component(
    order: fn(Slot) -> Order,
    orders: &Orders,
    path: &RawPathParams,
    bytes: &[u8],
) -> Result<(Order, String), BadRequest> {
    let wire::ComponentOrder { reason } = or_empty(bytes)?;
    let name = path.iter().find(|(key, _)| *key == "name").map(|(_, name)| name).unwrap_or_default();
    let slot = orders.components.iter().position(|known| known == name).and_then(Slot::component).ok_or_else(|| {
        BadRequest::NoSuchComponent { name: name.chars().take(64).collect(), known: orders.components.join(", ") }
    })?;
    let order = order(slot);
    // It keeps a component from running, which waits for nothing.
    let reason = if matches!(order, Order::StopComponent(_)) { wire::cut(&reason) } else { optional(reason)? };
    Ok((order, reason))
}

/// The whole body, within its limits of size and time.
async fn read(limits: &Limits, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, BadRequest> {
    let bytes = whole(limits, body).await?;
    said_to_be_json(headers, &bytes)?;
    Ok(bytes.into())
}

fn said_to_be_json(headers: &HeaderMap, bytes: &[u8]) -> Result<(), BadRequest> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    // A page in a browser cannot send this type elsewhere without asking first.
    if !bytes.is_empty() && !media.eq_ignore_ascii_case("application/json") {
        return Err(BadRequest::NotJson);
    }
    Ok(())
}

/// A body all of whose fields may be left out may be left out itself.
fn or_empty<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, BadRequest> {
    if bytes.is_empty() { Ok(T::default()) } else { Ok(serde_json::from_slice(bytes)?) }
}

fn confirmed(orders: &Orders, confirm: &str) -> Result<(), BadRequest> {
    if confirm == orders.system { Ok(()) } else { Err(BadRequest::Unconfirmed(orders.system.clone())) }
}

fn optional(reason: String) -> Result<String, BadRequest> {
    if reason.len() > wire::REASON_MAX_BYTES { Err(BadRequest::LongReason(reason.len())) } else { Ok(reason) }
}

fn needed(reason: String) -> Result<String, BadRequest> {
    if reason.trim().is_empty() { Err(BadRequest::NoReason) } else { optional(reason) }
}

/// `h-31` as `status` shows it.
fn halt_id(name: &str) -> Result<HaltId, BadRequest> {
    let number = name.strip_prefix("h-").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    number
        .and_then(|digits| digits.parse().ok())
        .map(HaltId)
        .ok_or_else(|| BadRequest::NoSuchHaltName(name.chars().take(32).collect()))
}
