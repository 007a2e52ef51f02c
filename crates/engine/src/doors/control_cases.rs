//! For the doors' tests: every control as a request that gives it, so that each door is tried with each of them.

use crate::access::Control;
use std::collections::BTreeSet;

/// A control, the path that it is posted to, and a body that gives it.
pub fn cases() -> Vec<(Control, String, String)> {
    let why = "\"reason\":\"r\",\"confirm\":\"demo\"";
    let of = |control| {
        match control {
        Control::Resume => ("resume", format!("{{{why}}}")),
        Control::ModeDry => ("mode", "{\"mode\":\"dry\"}".to_owned()),
        Control::ModeLive => ("mode", format!("{{\"mode\":\"live\",{why}}}")),
        Control::EmergencyStop => ("emergency-stop", "{\"reason\":\"r\"}".to_owned()),
        Control::ReleaseKillSwitch => ("kill-switch/release", format!("{{{why}}}")),
        Control::MaintenanceOn => ("maintenance", "{\"on\":true,\"for_seconds\":60,\"reason\":\"r\"}".to_owned()),
        Control::MaintenanceOff => ("maintenance", "{\"on\":false}".to_owned()),
        Control::StopEngine => ("stop", "{\"expected_epoch\":7,\"reason\":\"r\"}".to_owned()),
        Control::RestartEngine => ("restart", "{\"expected_epoch\":7,\"reason\":\"r\"}".to_owned()),
        Control::StartComponent => ("component/bot/start", "{\"reason\":\"r\"}".to_owned()),
        Control::StopComponent => ("component/bot/stop", "{}".to_owned()),
        Control::RestartComponent => ("component/bot/restart", "{}".to_owned()),
        Control::ReloadComponent => ("component/bot/reload", "{}".to_owned()),
        Control::AcknowledgeAlert => ("alerts/ack", "{\"id\":\"h-31\"}".to_owned()),
        Control::TestAlerts => ("alerts/test", "{}".to_owned()),
        Control::TakeSnapshot => ("snapshot", "{}".to_owned()),
        Control::ResolveOrder => ("orders/resolve", "{\"id\":\"o\",\"outcome\":\"filled\",\"reason\":\"r\"}".to_owned()),
        Control::Import => (
            "import",
            "{\"statement\":{\"id\":\"s\",\"account\":\"a\",\"balances\":[],\"positions\":[],\"complete\":true,\"source\":\"f\"}}"
                .to_owned(),
        ),
        Control::CorrectBooks => (
            "import/correct",
            "{\"reason\":\"r\",\"statement\":{\"id\":\"s\",\"account\":\"a\",\"balances\":[],\"positions\":[],\"complete\":true,\"source\":\"f\"}}"
                .to_owned(),
        ),
        Control::ConfirmOrder => ("orders/confirm", "{\"id\":\"o\"}".to_owned()),
        Control::OverrideLimit => (
            "limits/override",
            "{\"limit\":\"position\",\"value\":\"1\",\"for_seconds\":60,\"reason\":\"r\"}".to_owned(),
        ),
        Control::ResetBreaker => ("breaker/reset", String::new()),
        Control::CompareConfig => ("config/diff", String::new()),
        Control::ReloadConfig => ("config/reload", String::new()),
        Control::EndOverride => ("limits/end", "{\"name\":\"position\"}".to_owned()),
    }
    };
    let cases: Vec<_> = Control::ALL
        .into_iter()
        .map(|control| {
            let (path, body) = of(control);
            (control, format!("/api/control/{path}"), body)
        })
        .collect();
    let paths: BTreeSet<String> = cases.iter().map(|(_, path, _)| path.replace("/bot/", "/{name}/")).collect();
    let routes: BTreeSet<String> = super::control::ROUTES.iter().map(|route| route.path.to_owned()).collect();
    assert_eq!(paths, routes, "a path without a control, or a control without a path");
    cases
}
