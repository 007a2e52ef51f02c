//! What each path of the control socket takes, and how it becomes a command. Nothing is decided here but whether the
//! request is well made and confirmed.

use super::page::{Page, guarded};
use super::wire::{self, ModeWord};
use super::{ControlSettings, PeerRefused};
use crate::command::{Answer, BooksOrder, Command, GateOrder, Peer, Principal};
use crate::doors::ask::Asker;
use crate::doors::beat::{Streams, with_beat};
use crate::doors::http::{BodyFault, Problem, json, problem, whole};
use crate::doors::observe;
use crate::doors::range::{Ranges, with_journal};
use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
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
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Resume,
    Mode,
    EmergencyStop,
    ReleaseKillSwitch,
    Maintenance,
    End(EndKind),
    StartComponent,
    StopComponent,
    RestartComponent,
    ReloadComponent,
    AcknowledgeAlert,
    TestAlerts,
    TakeSnapshot,
    ResolveOrder,
    Import,
    ConfirmOrder,
    OverrideLimit,
    EndOverride,
    ResetBreaker,
}

/// Every path of the control socket that takes POST.
pub const ROUTES: &[Route] = &[
    Route { path: "/api/control/resume", action: Action::Resume },
    Route { path: "/api/control/mode", action: Action::Mode },
    Route { path: "/api/control/emergency-stop", action: Action::EmergencyStop },
    Route { path: "/api/control/kill-switch/release", action: Action::ReleaseKillSwitch },
    Route { path: "/api/control/maintenance", action: Action::Maintenance },
    Route { path: "/api/control/stop", action: Action::End(EndKind::Stop) },
    Route { path: "/api/control/restart", action: Action::End(EndKind::Restart) },
    Route { path: "/api/control/component/{name}/start", action: Action::StartComponent },
    Route { path: "/api/control/component/{name}/stop", action: Action::StopComponent },
    Route { path: "/api/control/component/{name}/restart", action: Action::RestartComponent },
    Route { path: "/api/control/component/{name}/reload", action: Action::ReloadComponent },
    Route { path: "/api/control/alerts/ack", action: Action::AcknowledgeAlert },
    Route { path: "/api/control/alerts/test", action: Action::TestAlerts },
    Route { path: "/api/control/snapshot", action: Action::TakeSnapshot },
    Route { path: "/api/control/orders/resolve", action: Action::ResolveOrder },
    Route { path: "/api/control/import", action: Action::Import },
    Route { path: "/api/control/orders/confirm", action: Action::ConfirmOrder },
    Route { path: "/api/control/limits/override", action: Action::OverrideLimit },
    Route { path: "/api/control/limits/end", action: Action::EndOverride },
    Route { path: "/api/control/breaker/reset", action: Action::ResetBreaker },
];

/// Why a request is not put to the loop.
#[derive(Debug, thiserror::Error)]
pub(in crate::doors) enum BadRequest {
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
    #[error("there is no component named {name}; there is: {known}")]
    NoSuchComponent { name: String, known: String },
}

impl BadRequest {
    pub(in crate::doors) fn code(&self) -> StatusCode {
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
            | Self::Window => StatusCode::BAD_REQUEST,
        }
    }
}

/// What one allowed peer is answered.
pub(super) fn router(
    asker: &Arc<Asker>,
    settings: &Arc<ControlSettings>,
    streams: &Streams,
    ranges: &Arc<Ranges>,
    page: &Page,
    peer: Peer,
) -> Router {
    let pages = observe::pages::with_pages(Router::new(), observe::pages::ON_CONTROL, asker, &Arc::default());
    let pages = observe::pages::with_pages(pages, observe::pages::ON_CONTROL_ONLY, asker, &Arc::default());
    let pages = page.on(with_journal(with_beat(pages, streams), ranges, asker));
    let router = ROUTES.iter().fold(pages, |router, route| {
        let action = route.action;
        let context = (Arc::clone(asker), Arc::clone(settings), peer.clone());
        let handle = move |path: RawPathParams, headers: HeaderMap, body: Body| async move {
            let (asker, settings, peer) = context;
            match parse(action, &settings, peer, &path, &headers, body).await {
                Ok(command) => put(&asker, settings.limits.order, command).await,
                Err(bad) => problem(bad.code(), bad.to_string()),
            }
        };
        router.route(route.path, post(handle))
    });
    guarded(router.method_not_allowed_fallback(wrong_method).fallback(observe::pages::unknown_path))
}

/// What a refused peer is answered, whatever it asks.
pub(super) fn refusing_router(refused: &PeerRefused) -> Router {
    let refused = refused.to_string();
    Router::new().fallback(move || {
        let answer = problem(StatusCode::FORBIDDEN, refused.clone());
        async move { answer }
    })
}

pub(in crate::doors) async fn wrong_method() -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method; the `allow` header says which it takes",
    )
}

/// Puts a well-made command to the loop.
pub(in crate::doors) async fn put(asker: &Asker, wait: Duration, command: Command) -> Response {
    match asker.put(command, wait).await {
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
        Ok(
            Answer::Status(_)
            | Answer::Metrics(_)
            | Answer::Alerts(_)
            | Answer::History(_)
            | Answer::Processes(_)
            | Answer::Orders(_)
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
    action: Action,
    settings: &ControlSettings,
    peer: Peer,
    path: &RawPathParams,
    headers: &HeaderMap,
    body: Body,
) -> Result<Command, BadRequest> {
    let bytes = read(settings, headers, body).await?;
    let (order, reason) = match action {
        Action::End(kind) => {
            let wire::End { expected_epoch, reason } = or_empty(&bytes)?;
            return Ok(Command::End { kind, expected_epoch, reason: optional(reason)?, by: Principal::User(peer) });
        }
        Action::AcknowledgeAlert => {
            let wire::AcknowledgeAlert { id } = serde_json::from_slice(&bytes)?;
            let id = Some(id).filter(|id| (1..=wire::ALERT_ID_MAX_BYTES).contains(&id.len()));
            return Ok(Command::AcknowledgeAlert { id: id.ok_or(BadRequest::AlertId)?, peer });
        }
        Action::TestAlerts => {
            let wire::TestAlerts { channel } = or_empty(&bytes)?;
            return Ok(Command::TestAlerts { channel });
        }
        Action::TakeSnapshot => {
            let wire::TakeSnapshot { reason } = or_empty(&bytes)?;
            return Ok(Command::Book { what: BooksOrder::TakeSnapshot { reason: optional(reason)? }, peer });
        }
        Action::ResolveOrder => {
            let wire::ResolveOrder { id, outcome, reason, source } = serde_json::from_slice(&bytes)?;
            let what = BooksOrder::ResolveOrder { id, outcome, reason: needed(reason)?, source };
            return Ok(Command::Book { what, peer });
        }
        Action::Import => {
            let wire::Import { statement } = serde_json::from_slice(&bytes)?;
            return Ok(Command::Book { what: BooksOrder::Statement(Box::new(statement)), peer });
        }
        Action::ConfirmOrder => {
            let wire::ConfirmOrder { id } = serde_json::from_slice(&bytes)?;
            return Ok(Command::Gate { what: GateOrder::Confirm { client_id: id }, peer });
        }
        Action::OverrideLimit => {
            let wire::OverrideLimit { limit, scope, of, value, for_seconds, reason } = serde_json::from_slice(&bytes)?;
            if !(1..=wire::OVERRIDE_MAX_SECONDS).contains(&for_seconds) {
                return Err(BadRequest::Span);
            }
            let span = Duration::from_secs(for_seconds);
            let what = GateOrder::Override { limit, scope, of, value, span, reason: needed(reason)? };
            return Ok(Command::Gate { what, peer });
        }
        Action::EndOverride => {
            let wire::EndOverride { name } = serde_json::from_slice(&bytes)?;
            return Ok(Command::Gate { what: GateOrder::EndOverride { name }, peer });
        }
        Action::ResetBreaker => {
            let wire::ResetBreaker {} = or_empty(&bytes)?;
            return Ok(Command::ResetBreaker { peer });
        }
        Action::Resume => {
            let wire::Resume { halts, reason, confirm } = serde_json::from_slice(&bytes)?;
            confirmed(settings, &confirm)?;
            let halts = halts.iter().map(|name| halt_id(name)).collect::<Result<_, _>>()?;
            (Order::Resume(halts), needed(reason)?)
        }
        Action::Mode => {
            let wire::SetMode { mode, reason, confirm } = serde_json::from_slice(&bytes)?;
            let mode = match mode {
                ModeWord::Dry => Mode::Dry,
                ModeWord::Live => {
                    confirmed(settings, &confirm)?;
                    Mode::Live
                }
            };
            (Order::Mode(mode), optional(reason)?)
        }
        Action::EmergencyStop => {
            let wire::EmergencyStop { reason } = serde_json::from_slice(&bytes)?;
            (Order::KillSwitchEngage, needed(reason)?)
        }
        Action::ReleaseKillSwitch => {
            let wire::ReleaseKillSwitch { reason, confirm } = serde_json::from_slice(&bytes)?;
            confirmed(settings, &confirm)?;
            (Order::KillSwitchRelease, needed(reason)?)
        }
        Action::Maintenance => maintenance(serde_json::from_slice(&bytes)?)?,
        Action::StartComponent => component(Order::StartComponent, settings, path, &bytes)?,
        Action::StopComponent => component(Order::StopComponent, settings, path, &bytes)?,
        Action::RestartComponent => component(Order::RestartComponent, settings, path, &bytes)?,
        Action::ReloadComponent => component(Order::ReloadComponent, settings, path, &bytes)?,
    };
    Ok(Command::Operate { order, reason, peer })
}

/// An end as it is asked for from another host: the epoch and the reason are needed, since whoever asks may be late.
pub(in crate::doors) fn end_from_afar(
    kind: EndKind,
    headers: &HeaderMap,
    bytes: &[u8],
    by: Principal,
) -> Result<Command, BadRequest> {
    said_to_be_json(headers, bytes)?;
    let wire::End { expected_epoch, reason } = serde_json::from_slice(bytes)?;
    if expected_epoch.is_none() {
        return Err(BadRequest::NoEpoch);
    }
    Ok(Command::End { kind, expected_epoch, reason: needed(reason)?, by })
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
    settings: &ControlSettings,
    path: &RawPathParams,
    bytes: &[u8],
) -> Result<(Order, String), BadRequest> {
    let wire::ComponentOrder { reason } = or_empty(bytes)?;
    let name = path.iter().find(|(key, _)| *key == "name").map(|(_, name)| name).unwrap_or_default();
    let slot =
        settings.components.iter().position(|known| known == name).and_then(Slot::component).ok_or_else(|| {
            BadRequest::NoSuchComponent { name: name.chars().take(64).collect(), known: settings.components.join(", ") }
        })?;
    Ok((order(slot), optional(reason)?))
}

/// The whole body, within its limits of size and time.
async fn read(settings: &ControlSettings, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, BadRequest> {
    let bytes = whole(&settings.limits, body).await?;
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

fn confirmed(settings: &ControlSettings, confirm: &str) -> Result<(), BadRequest> {
    if confirm == settings.system { Ok(()) } else { Err(BadRequest::Unconfirmed(settings.system.clone())) }
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
