//! What is sent to the control socket: the bodies of its POSTs. The door reads them, [`super::client`] writes them.

use failstop_client::status::EndKind;
pub use failstop_core::gate::{LimitName, Scope};
use failstop_journal::ledger::{Outcome, Statement};
use serde::{Deserialize, Serialize};

/// The longest maintenance window, seconds: a week.
pub const MAINTENANCE_MAX_SECONDS: u64 = 7 * 24 * 3600;

/// The longest reason, bytes. It goes into the journal. What tightens is not refused for a longer one: see [`cut`].
pub const REASON_MAX_BYTES: usize = 2_000;

/// The reason of a stop that came without one.
pub const NO_REASON: &str = "no reason given";

/// The reason of an order that tightens: what is longer than [`REASON_MAX_BYTES`] is cut at a character's boundary, and says so first,
/// where whoever cuts it once more leaves that.
pub fn cut(reason: &str) -> String {
    if reason.len() <= REASON_MAX_BYTES {
        return reason.to_owned();
    }
    let says = format!("(cut, {} bytes were given) ", reason.len());
    let end = reason.floor_char_boundary(REASON_MAX_BYTES - says.len());
    says + reason.get(..end).unwrap_or_default()
}

/// The same of a stop, for which somebody must be able to say why afterwards.
pub fn why_stopped(reason: &str) -> String {
    if reason.trim().is_empty() { NO_REASON.to_owned() } else { cut(reason) }
}

/// `POST /api/control/resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Halts as `status` names them (`h-31`); empty releases every latched one but the kill switch. All or nothing.
    #[serde(default)]
    pub halts: Vec<String>,
    /// Why. Not empty.
    pub reason: String,
    /// The system's name.
    pub confirm: String,
}

/// The execution mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModeWord {
    /// Paper only.
    Dry,
    /// Orders reach the exchange.
    Live,
}

/// `POST /api/control/mode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMode {
    /// Which.
    pub mode: ModeWord,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// The system's name; asked for only with `live`.
    #[serde(default)]
    pub confirm: String,
}

/// `POST /api/control/emergency-stop`: engages the kill switch. The body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyStop {
    /// Why. Nothing is refused for it: without one it is [`NO_REASON`], a longer one is [`cut`], and what is no text is taken as it
    /// was written.
    #[serde(default, deserialize_with = "any_reason")]
    pub reason: String,
}

fn any_reason<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(reason) => reason,
        other => other.to_string(),
    })
}

/// `POST /api/control/kill-switch/release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseKillSwitch {
    /// Why. Not empty.
    pub reason: String,
    /// The system's name.
    pub confirm: String,
}

/// `POST /api/control/maintenance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Begin or end.
    pub on: bool,
    /// How long at most, seconds: 1 to [`MAINTENANCE_MAX_SECONDS`]. Needed to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
    /// Why. Needed to begin.
    #[serde(default)]
    pub reason: String,
    /// Trading goes on meanwhile.
    #[serde(default)]
    pub keep_trading: bool,
}

/// `POST /api/control/component/{name}/…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentOrder {
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// The longest id of an alert, bytes.
pub const ALERT_ID_MAX_BYTES: usize = 255;

/// `POST /api/control/alerts/ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeAlert {
    /// As `failstop alerts list` shows it, without the system's name, or a halt's `h-31`.
    pub id: String,
}

/// `POST /api/control/alerts/test`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestAlerts {
    /// One channel; all of them where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// `POST /api/control/stop` and `POST /api/control/restart`. Over the control listener both fields are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The epoch that is to end: refused where another one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_epoch: Option<u64>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `POST /api/control/snapshot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshot {
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// `POST /api/control/orders/resolve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveOrder {
    /// The order, by the bot's own id of it.
    pub id: String,
    /// What became of it; not `unknown`.
    pub outcome: Outcome,
    /// Why that is believed. Not empty.
    pub reason: String,
    /// The file that says so, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// `POST /api/control/orders/confirm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmOrder {
    /// The order, by the bot's own id of it.
    pub id: String,
}

/// The longest override, seconds.
pub const OVERRIDE_MAX_SECONDS: u64 = 7 * 86_400;

/// `POST /api/control/limits/override`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideLimit {
    /// Which limit.
    pub limit: LimitName,
    /// Whose.
    #[serde(default = "system_scope")]
    pub scope: Scope,
    /// The component's, the instrument's or the user's name; absent for the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Its value, as the configuration would have it.
    pub value: String,
    /// For how long, seconds: 1 to [`OVERRIDE_MAX_SECONDS`].
    pub for_seconds: u64,
    /// Why. Not empty.
    pub reason: String,
}

const fn system_scope() -> Scope {
    Scope::System
}

/// `POST /api/control/limits/end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndOverride {
    /// The override's name, as `failstop status --section risk` shows it.
    pub name: String,
}

/// `POST /api/control/breaker/reset`. Its body may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBreaker {}

/// `POST /api/control/import`: a venue's statement of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// As the journal records it.
    pub statement: Statement,
}

/// `POST /api/control/import/correct`: the book is made to agree with a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectBooks {
    /// What is true.
    pub statement: Statement,
    /// The pool whose part changes, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Why the book is wrong. Not empty.
    pub reason: String,
}

/// The most assignments that one reload lays over the file.
pub const SET_MAX: usize = 16;

/// The longest of them, bytes.
pub const SET_MAX_BYTES: usize = 4_096;

/// `POST /api/control/config/diff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareConfig {}

/// `POST /api/control/config/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadConfig {
    /// `section.key=value`, laid over the file for as long as this engine lives.
    #[serde(default)]
    pub set: Vec<String>,
}

/// What to do with one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentVerb {
    /// Start it after an operator stopped it.
    Start,
    /// Stop it, and keep it stopped.
    Stop,
    /// Stop and start it.
    Restart,
    /// Ask it to read its configuration again.
    Reload,
}

/// An operator's order, as the command line gives it to [`super::client::ControlClient::order`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlOrder {
    /// Release latched halts.
    Resume(Resume),
    /// Set the mode.
    Mode(SetMode),
    /// Engage the kill switch.
    EmergencyStop(EmergencyStop),
    /// Release the kill switch.
    ReleaseKillSwitch(ReleaseKillSwitch),
    /// Begin or end maintenance.
    Maintenance(Maintenance),
    /// Start, stop or restart a component.
    Component {
        /// Its name.
        name: String,
        /// What.
        verb: ComponentVerb,
        /// Why.
        order: ComponentOrder,
    },
    /// Take an incident on.
    AcknowledgeAlert(AcknowledgeAlert),
    /// Send test messages.
    TestAlerts(TestAlerts),
    /// Take a snapshot.
    TakeSnapshot(TakeSnapshot),
    /// Say what became of an order.
    ResolveOrder(ResolveOrder),
    /// Compare a statement with the book.
    Import(Box<Import>),
    /// Make the book agree with a statement.
    CorrectBooks(Box<CorrectBooks>),
    /// Confirm an order.
    ConfirmOrder(ConfirmOrder),
    /// Give a limit another value for a while.
    OverrideLimit(OverrideLimit),
    /// End that before its time.
    EndOverride(EndOverride),
    /// Let everything be shown again.
    ResetBreaker(ResetBreaker),
    /// Say what of the configuration file is not in force.
    CompareConfig(CompareConfig),
    /// Read the configuration file, and take it.
    ReloadConfig(ReloadConfig),
    /// Stop the engine cleanly, or restart it.
    End {
        /// Which.
        kind: EndKind,
        /// Which epoch, and why.
        end: End,
    },
}

impl ControlOrder {
    /// The path that it is posted to. A component's name is put in as it is; the caller has seen that it is one.
    pub fn path(&self) -> String {
        match self {
            Self::Resume(_) => "/api/control/resume".to_owned(),
            Self::Mode(_) => "/api/control/mode".to_owned(),
            Self::EmergencyStop(_) => "/api/control/emergency-stop".to_owned(),
            Self::ReleaseKillSwitch(_) => "/api/control/kill-switch/release".to_owned(),
            Self::Maintenance(_) => "/api/control/maintenance".to_owned(),
            Self::Component { name, verb, .. } => {
                let verb = match verb {
                    ComponentVerb::Start => "start",
                    ComponentVerb::Stop => "stop",
                    ComponentVerb::Restart => "restart",
                    ComponentVerb::Reload => "reload",
                };
                format!("/api/control/component/{name}/{verb}")
            }
            Self::AcknowledgeAlert(_) => "/api/control/alerts/ack".to_owned(),
            Self::TestAlerts(_) => "/api/control/alerts/test".to_owned(),
            Self::TakeSnapshot(_) => "/api/control/snapshot".to_owned(),
            Self::ResolveOrder(_) => "/api/control/orders/resolve".to_owned(),
            Self::Import(_) => "/api/control/import".to_owned(),
            Self::CorrectBooks(_) => "/api/control/import/correct".to_owned(),
            Self::ConfirmOrder(_) => "/api/control/orders/confirm".to_owned(),
            Self::OverrideLimit(_) => "/api/control/limits/override".to_owned(),
            Self::EndOverride(_) => "/api/control/limits/end".to_owned(),
            Self::ResetBreaker(_) => "/api/control/breaker/reset".to_owned(),
            Self::CompareConfig(_) => "/api/control/config/diff".to_owned(),
            Self::ReloadConfig(_) => "/api/control/config/reload".to_owned(),
            Self::End { kind, .. } => format!("/api/control/{}", kind.word()),
        }
    }

    /// The body that is posted.
    ///
    /// # Errors
    ///
    /// Never for these types; the signature is serde's.
    pub fn body(&self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Resume(body) => serde_json::to_vec(body),
            Self::Mode(body) => serde_json::to_vec(body),
            Self::EmergencyStop(body) => serde_json::to_vec(body),
            Self::ReleaseKillSwitch(body) => serde_json::to_vec(body),
            Self::Maintenance(body) => serde_json::to_vec(body),
            Self::Component { order, .. } => serde_json::to_vec(order),
            Self::AcknowledgeAlert(body) => serde_json::to_vec(body),
            Self::TestAlerts(body) => serde_json::to_vec(body),
            Self::TakeSnapshot(body) => serde_json::to_vec(body),
            Self::ResolveOrder(body) => serde_json::to_vec(body),
            Self::Import(body) => serde_json::to_vec(body),
            Self::CorrectBooks(body) => serde_json::to_vec(body),
            Self::ConfirmOrder(body) => serde_json::to_vec(body),
            Self::OverrideLimit(body) => serde_json::to_vec(body),
            Self::EndOverride(body) => serde_json::to_vec(body),
            Self::ResetBreaker(body) => serde_json::to_vec(body),
            Self::CompareConfig(body) => serde_json::to_vec(body),
            Self::ReloadConfig(body) => serde_json::to_vec(body),
            Self::End { end, .. } => serde_json::to_vec(end),
        }
    }
}
