//! The table: every control, the least role that may give it, and whether a watchdog may. A new command without a row does not
//! compile.

use super::role::{Role, Standing};
use super::{Access, Who};
use crate::command::{BooksOrder, Command, GateOrder, Principal};
use failstop_client::status::EndKind;
use failstop_core::{Mode, Order};

/// Something that can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// Release latched halts.
    Resume,
    /// Paper only.
    ModeDry,
    /// Real orders.
    ModeLive,
    /// Engage the kill switch.
    EmergencyStop,
    /// Release it.
    ReleaseKillSwitch,
    /// Begin a maintenance window.
    MaintenanceOn,
    /// End it.
    MaintenanceOff,
    /// End the engine for good.
    StopEngine,
    /// End it to be started again.
    RestartEngine,
    /// Start a component.
    StartComponent,
    /// Stop one and keep it stopped.
    StopComponent,
    /// Stop and start one.
    RestartComponent,
    /// Ask one to read its configuration again.
    ReloadComponent,
    /// Take an incident on.
    AcknowledgeAlert,
    /// Send test messages.
    TestAlerts,
    /// Take a snapshot.
    TakeSnapshot,
    /// Say what became of an order.
    ResolveOrder,
    /// Compare a statement with the book.
    Import,
    /// Make the book agree with a venue's statement.
    CorrectBooks,
    /// Confirm an order that waits for it.
    ConfirmOrder,
    /// Give a limit another value for a while.
    OverrideLimit,
    /// End that before its time.
    EndOverride,
    /// Have everything shown again that gave way to a busy host.
    ResetBreaker,
    /// See what of the configuration file is not in force.
    CompareConfig,
    /// Take the configuration file as it is now.
    ReloadConfig,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The control, as journal, log and messages name it.
    pub name: &'static str,
    /// The least role that may give it.
    pub least: Role,
    /// Whether a watchdog may as well.
    pub watchdogs: bool,
}

const fn row(name: &'static str, least: Role) -> Row {
    Row { name, least, watchdogs: false }
}

impl Control {
    /// Every one.
    pub const ALL: [Self; 25] = [
        Self::Resume,
        Self::ModeDry,
        Self::ModeLive,
        Self::EmergencyStop,
        Self::ReleaseKillSwitch,
        Self::MaintenanceOn,
        Self::MaintenanceOff,
        Self::StopEngine,
        Self::RestartEngine,
        Self::StartComponent,
        Self::StopComponent,
        Self::RestartComponent,
        Self::ReloadComponent,
        Self::AcknowledgeAlert,
        Self::TestAlerts,
        Self::TakeSnapshot,
        Self::ResolveOrder,
        Self::Import,
        Self::CorrectBooks,
        Self::ConfirmOrder,
        Self::OverrideLimit,
        Self::EndOverride,
        Self::ResetBreaker,
        Self::CompareConfig,
        Self::ReloadConfig,
    ];

    /// Its row. Tightening must be easy: what stops is an admin's; what lets the whole system do more again is a super-admin's.
    pub const fn row(self) -> Row {
        use Role::{Admin, SuperAdmin};
        match self {
            Self::Resume => row("resume", SuperAdmin),
            Self::ModeDry => row("mode dry", Admin),
            Self::ModeLive => row("mode live", SuperAdmin),
            Self::EmergencyStop => row("emergency stop", Admin),
            Self::ReleaseKillSwitch => row("kill-switch release", SuperAdmin),
            Self::MaintenanceOn => row("maintenance on", SuperAdmin),
            Self::MaintenanceOff => row("maintenance off", SuperAdmin),
            Self::StopEngine => Row { name: "stop", least: Admin, watchdogs: true },
            Self::RestartEngine => Row { name: "restart", least: Admin, watchdogs: true },
            Self::StartComponent => row("component start", Admin),
            Self::StopComponent => row("component stop", Admin),
            Self::RestartComponent => row("component restart", Admin),
            Self::ReloadComponent => row("component reload", Admin),
            Self::AcknowledgeAlert => row("alerts ack", Admin),
            Self::TestAlerts => row("alerts test", Admin),
            Self::TakeSnapshot => row("snapshot", Admin),
            Self::ResolveOrder => row("orders resolve", Admin),
            Self::Import => row("import", Admin),
            Self::CorrectBooks => row("import correct", SuperAdmin),
            Self::ConfirmOrder => row("orders confirm", Admin),
            Self::OverrideLimit => row("limits override", SuperAdmin),
            Self::EndOverride => row("limits end", SuperAdmin),
            Self::ResetBreaker => row("breaker reset", Admin),
            Self::CompareConfig => row("config diff", Admin),
            Self::ReloadConfig => row("config reload", SuperAdmin),
        }
    }

    /// Whether somebody of this standing may give it.
    pub const fn allows(self, standing: Standing) -> bool {
        match standing {
            Standing::Role(role) => role as u8 >= self.row().least as u8,
            Standing::Watchdog => self.row().watchdogs,
        }
    }
}

/// A control that somebody gives: what, who, and why where they say so.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// What.
    pub control: Control,
    /// Who.
    pub by: &'a Access,
    /// Why; empty where nothing is said.
    pub reason: &'a str,
}

/// What a command orders; `None` for a question, which changes nothing.
pub fn ordered(command: &Command) -> Option<Ordered<'_>> {
    let (control, by, reason) = match command {
        Command::Status
        | Command::Metrics { .. }
        | Command::History(_)
        | Command::Processes
        | Command::Alerts
        | Command::Orders
        | Command::Config
        | Command::Beat
        // What a door says of those whom it turned away.
        | Command::TurnedAway(_)
        // And of its way to those whom it hears.
        | Command::Hearing { .. } => return None,
        Command::AcknowledgeAlert { id: _, by } => (Control::AcknowledgeAlert, by, ""),
        Command::TestAlerts { channel: _, by } => (Control::TestAlerts, by, ""),
        Command::ResetBreaker { by } => (Control::ResetBreaker, by, ""),
        Command::CompareConfig { by } => (Control::CompareConfig, by, ""),
        Command::ReloadConfig { set: _, by } => (Control::ReloadConfig, by, ""),
        Command::Operate { order, reason, by } => (of_order(order), by, reason.as_str()),
        Command::Book { what, by } => {
            let (control, reason) = match what {
                BooksOrder::TakeSnapshot { reason } => (Control::TakeSnapshot, reason.as_str()),
                BooksOrder::ResolveOrder { reason, .. } => (Control::ResolveOrder, reason.as_str()),
                BooksOrder::Statement(statement) => (Control::Import, statement.source.as_str()),
                BooksOrder::Correct { reason, .. } => (Control::CorrectBooks, reason.as_str()),
            };
            (control, by, reason)
        }
        Command::Gate { what, by } => {
            let (control, reason) = match what {
                GateOrder::Override { reason, .. } => (Control::OverrideLimit, reason.as_str()),
                GateOrder::EndOverride { name } => (Control::EndOverride, name.as_str()),
                GateOrder::Confirm { client_id } => (Control::ConfirmOrder, client_id.as_str()),
            };
            (control, by, reason)
        }
        Command::End { kind, reason, by, expected_epoch: _ } => {
            let control = match kind {
                EndKind::Stop => Control::StopEngine,
                EndKind::Restart => Control::RestartEngine,
            };
            (control, by, reason.as_str())
        }
    };
    Some(Ordered { control, by, reason })
}

/// What whoever gives a command says of it in words of their own, to be covered before they are recorded; `None` where there are none, or
/// they go into the books, which keep what they were told.
pub fn own_words(command: &mut Command) -> Option<&mut String> {
    match command {
        Command::Operate { reason, .. }
        | Command::End { reason, .. }
        | Command::Book { what: BooksOrder::TakeSnapshot { reason } | BooksOrder::Correct { reason, .. }, by: _ }
        | Command::Gate { what: GateOrder::Override { reason, .. }, by: _ } => Some(reason),
        Command::Status
        | Command::Metrics { .. }
        | Command::History(_)
        | Command::Processes
        | Command::Alerts
        | Command::Orders
        | Command::Config
        | Command::Beat
        | Command::TurnedAway(_)
        | Command::Hearing { .. }
        | Command::AcknowledgeAlert { .. }
        | Command::TestAlerts { .. }
        | Command::ResetBreaker { .. }
        | Command::CompareConfig { .. }
        | Command::ReloadConfig { .. }
        | Command::Book { what: BooksOrder::ResolveOrder { .. } | BooksOrder::Statement(_), by: _ }
        // Names by which something is found.
        | Command::Gate { what: GateOrder::EndOverride { .. } | GateOrder::Confirm { .. }, by: _ } => None,
    }
}

const fn of_order(order: &Order) -> Control {
    match order {
        Order::Resume(_) => Control::Resume,
        Order::KillSwitchEngage => Control::EmergencyStop,
        Order::KillSwitchRelease => Control::ReleaseKillSwitch,
        Order::Mode(Mode::Dry) => Control::ModeDry,
        Order::Mode(Mode::Live) => Control::ModeLive,
        Order::MaintenanceOn { .. } => Control::MaintenanceOn,
        Order::MaintenanceOff => Control::MaintenanceOff,
        Order::StopComponent(_) => Control::StopComponent,
        Order::StartComponent(_) => Control::StartComponent,
        Order::RestartComponent(_) => Control::RestartComponent,
        Order::ReloadComponent(_) => Control::ReloadComponent,
    }
}

/// Somebody is known and may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` needs the role {}, and this is {}: let somebody with that role give it{}",
    .control.row().name, .control.row().least, .standing.name(), .raise
)]
pub struct Forbidden {
    /// What was asked for.
    pub control: Control,
    /// As what.
    pub standing: Standing,
    /// How whoever it is gets a higher role; nothing where there is no way.
    pub raise: &'static str,
}

/// Where the role of somebody stands, and how he gets another.
const fn raise(principal: &Principal) -> &'static str {
    match principal {
        Principal::User(_) => ", or have your role raised in [control]",
        Principal::Token(_) => ", or have a token of that role made (failstop token new --role) and this one revoked",
        Principal::Certificate(_) => ", or have the role of this name raised in the token file of [control]",
        Principal::Telegram(_) => ", or have your role raised in [telegram]",
        // A watchdog has none to raise.
        Principal::Key(_) => "",
    }
}

/// Whether whoever gives this command may. A question anybody may ask who was let in at all.
///
/// # Errors
/// [`Forbidden`], which names the role that is needed.
pub fn judge(command: &Command) -> Result<(), Forbidden> {
    let Some(Ordered { control, by, .. }) = ordered(command) else { return Ok(()) };
    let Access { who: Who { standing, principal }, .. } = by;
    if control.allows(*standing) {
        return Ok(());
    }
    Err(Forbidden { control, standing: *standing, raise: raise(principal) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_whole_and_says_what_the_roles_are_for() {
        let all: BTreeSet<Control> = Control::ALL.into_iter().collect();
        assert_eq!(all.len(), Control::ALL.len(), "one twice");
        let names: BTreeSet<&str> = Control::ALL.iter().map(|control| control.row().name).collect();
        assert_eq!(names.len(), Control::ALL.len(), "two of one name");
        // The compiler counts: a control that is not listed has a number above the last.
        assert!(Control::ALL.iter().all(|control| (*control as usize) < Control::ALL.len()));

        let super_admins: Vec<&str> = Control::ALL
            .iter()
            .filter(|control| !control.allows(Standing::Role(Role::Admin)))
            .map(|control| control.row().name)
            .collect();
        let wanted = [
            "resume",
            "mode live",
            "kill-switch release",
            "maintenance on",
            "maintenance off",
            "import correct",
            "limits override",
            "limits end",
            "config reload",
        ];
        assert_eq!(super_admins, wanted);
        for control in Control::ALL {
            assert!(control.allows(Standing::Role(Role::SuperAdmin)), "{control:?}");
            assert!(!control.allows(Standing::Role(Role::Viewer)), "{control:?}");
        }
        let watchdogs: Vec<&str> = Control::ALL
            .iter()
            .filter(|control| control.allows(Standing::Watchdog))
            .map(|control| control.row().name)
            .collect();
        assert_eq!(watchdogs, ["stop", "restart"]);
    }

    #[test]
    fn a_refusal_names_the_role_that_is_needed() {
        let say = |principal: Principal| {
            let raise = raise(&principal);
            Forbidden { control: Control::ModeLive, standing: Standing::Role(Role::Admin), raise }.to_string()
        };
        let lead = "`mode live` needs the role super-admin, and this is admin: let somebody with that role give it";
        for (principal, how) in [
            (Principal::Token("ana".to_owned()), "failstop token new --role"),
            (Principal::Certificate("ana".to_owned()), "in the token file"),
            (Principal::Telegram(7), "in [telegram]"),
        ] {
            let text = say(principal);
            assert!(text.starts_with(lead) && text.contains(how), "{text}");
        }
        assert_eq!(say(Principal::Key("wd1".to_owned())), lead);
    }

    /// What the guide calls a control.
    fn word_of(control: Control) -> &'static str {
        match control {
            Control::Resume => "`resume`",
            Control::ModeDry => "`mode dry`",
            Control::ModeLive => "`mode live`",
            Control::EmergencyStop => "emergency stop",
            Control::ReleaseKillSwitch => "`kill-switch release`",
            Control::MaintenanceOn | Control::MaintenanceOff => "`maintenance` on and off",
            Control::StopEngine | Control::RestartEngine => "stop and restart the engine",
            Control::StartComponent | Control::StopComponent | Control::RestartComponent | Control::ReloadComponent => {
                "stop, start, restart and reload components"
            }
            Control::AcknowledgeAlert => "`alerts ack`",
            Control::TestAlerts => "`alerts test`",
            Control::TakeSnapshot => "`snapshot`",
            Control::ResolveOrder => "`orders resolve`",
            Control::Import => "`import`",
            Control::CorrectBooks => "`import --correct`",
            Control::ConfirmOrder => "`orders confirm`",
            Control::OverrideLimit | Control::EndOverride => "override limits and end that (`limits`)",
            Control::ResetBreaker => "`breaker reset`",
            Control::CompareConfig => "`config diff`",
            Control::ReloadConfig => "`config reload`",
        }
    }

    #[test]
    fn the_guide_says_of_every_control_who_may_give_it() {
        let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/access.md");
        let guide = std::fs::read_to_string(guide).unwrap_or_default();
        for control in Control::ALL {
            let rows: Vec<&str> = guide
                .lines()
                .filter(|line| line.starts_with("| ") && line.contains(word_of(control)))
                .filter_map(|line| line.split(" | ").next()?.strip_prefix("| "))
                .collect();
            assert_eq!(rows, [control.row().least.name()], "{}", control.row().name);
        }
    }
}
