//! What each path of the control socket takes, and how it becomes a command. Nothing is decided here but whether the
//! request is well made and confirmed.

use super::wire::{self, ModeWord};
use super::{ControlSettings, PeerRefused};
use crate::command::{Answer, Command, Peer};
use crate::doors::ask::Asker;
use crate::doors::http::{Problem, json, problem};
use crate::doors::observe;
use axum::Router;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use failstop_core::{HaltId, Mode, Order, Slot};
use http_body_util::{BodyExt, LengthLimitError, Limited};
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
    Stop,
    StartComponent,
    StopComponent,
    RestartComponent,
    AcknowledgeAlert,
    TestAlerts,
}

/// Every path of the control socket that takes POST.
pub const ROUTES: &[Route] = &[
    Route { path: "/api/control/resume", action: Action::Resume },
    Route { path: "/api/control/mode", action: Action::Mode },
    Route { path: "/api/control/emergency-stop", action: Action::EmergencyStop },
    Route { path: "/api/control/kill-switch/release", action: Action::ReleaseKillSwitch },
    Route { path: "/api/control/maintenance", action: Action::Maintenance },
    Route { path: "/api/control/stop", action: Action::Stop },
    Route { path: "/api/control/component/{name}/start", action: Action::StartComponent },
    Route { path: "/api/control/component/{name}/stop", action: Action::StopComponent },
    Route { path: "/api/control/component/{name}/restart", action: Action::RestartComponent },
    Route { path: "/api/control/alerts/ack", action: Action::AcknowledgeAlert },
    Route { path: "/api/control/alerts/test", action: Action::TestAlerts },
];

/// Why a request is not put to the loop.
#[derive(Debug, thiserror::Error)]
enum BadRequest {
    #[error("the body must be sent as content-type: application/json")]
    NotJson,
    #[error("the body did not arrive within {} s", .0.as_secs())]
    SlowBody(Duration),
    #[error("the body is larger than {0} bytes")]
    LargeBody(usize),
    #[error("the body could not be read to its end")]
    BrokenBody,
    #[error("the body is not what this path takes: {0}")]
    Shape(#[from] serde_json::Error),
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
    #[error("`id` must name an alert in 1 to {max} bytes, as `failstop alerts list` shows it", max = wire::ALERT_ID_MAX_BYTES)]
    AlertId,
    #[error("there is no component named {name}; there is: {known}")]
    NoSuchComponent { name: String, known: String },
}

impl BadRequest {
    fn code(&self) -> StatusCode {
        match self {
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::LargeBody(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoSuchComponent { .. } => StatusCode::NOT_FOUND,
            Self::NotJson
            | Self::BrokenBody
            | Self::Shape(_)
            | Self::NoReason
            | Self::LongReason(_)
            | Self::Unconfirmed(_)
            | Self::NoSuchHaltName(_)
            | Self::AlertId
            | Self::Window => StatusCode::BAD_REQUEST,
        }
    }
}

/// What one allowed peer is answered.
pub(super) fn router(asker: &Arc<Asker>, settings: &Arc<ControlSettings>, peer: Peer) -> Router {
    let pages = observe::pages::with_pages(Router::new(), observe::pages::ON_CONTROL, asker);
    let router = ROUTES.iter().fold(pages, |router, route| {
        let action = route.action;
        let context = (Arc::clone(asker), Arc::clone(settings), peer.clone());
        let handle = move |path: RawPathParams, headers: HeaderMap, body: Body| async move {
            let (asker, settings, peer) = context;
            match parse(action, &settings, peer, &path, &headers, body).await {
                Ok(command) => put(&asker, &settings, command).await,
                Err(bad) => problem(bad.code(), bad.to_string()),
            }
        };
        router.route(route.path, post(handle))
    });
    router.method_not_allowed_fallback(wrong_method).fallback(observe::pages::unknown_path)
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

/// Puts a well-made command to the loop.
async fn put(asker: &Asker, settings: &ControlSettings, command: Command) -> Response {
    match asker.put(command, settings.limits.order).await {
        Ok(Answer::Done) => json(StatusCode::OK, &json!({ "done": true })),
        Ok(Answer::Refused(refusals)) => {
            let error = match refusals.as_slice() {
                [only] => only.clone(),
                _ => "refused".to_owned(),
            };
            json(StatusCode::CONFLICT, &Problem { error, refusals })
        }
        Ok(Answer::Tested(tests)) => json(StatusCode::OK, &tests),
        Ok(Answer::Status(_) | Answer::Metrics(_) | Answer::Alerts(_)) => problem(
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
        Action::Stop => {
            let wire::Stop {} = or_empty(&bytes)?;
            return Ok(Command::Stop);
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
    };
    Ok(Command::Operate { order, reason, peer })
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
    let limits = &settings.limits;
    let collected = tokio::time::timeout(limits.body, Limited::new(body, limits.body_bytes).collect())
        .await
        .map_err(|_| BadRequest::SlowBody(limits.body))?;
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(BadRequest::LargeBody(limits.body_bytes)),
        Err(_) => return Err(BadRequest::BrokenBody),
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    // A page in a browser cannot send this type elsewhere without asking first.
    if !bytes.is_empty() && !media.eq_ignore_ascii_case("application/json") {
        return Err(BadRequest::NotJson);
    }
    Ok(bytes.into())
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
