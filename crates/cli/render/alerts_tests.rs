#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;

fn alerts() -> AlertList {
    serde_json::from_value(serde_json::json!({
        "timestamp": "2026-11-07T21:05:10.000Z",
        "alerts": [
            {"id": "demo/hung/bot/7-31", "severity": "critical", "system": "demo", "environment": "staging",
                "drill": false, "cause": "hung", "component": "bot", "title": "demo: bot hangs, trading is halted",
                "message": "At 20:51:07Z: no beat within 2 min.\nPermission now observe-only.",
                "root_cause": "no beat within 2 min",
                "recommended_action": "failstop resume --halt h-31 --reason \"...\" --confirm demo",
                "runbook": "docs/runbooks/hung.md", "metadata": [], "trace_id": "7-31",
                "opened_at": "2026-11-07T20:51:07.123Z", "resolved_at": null,
                "acknowledged": {"by": "ana (1000)", "at": "2026-11-07T20:52:00.000Z"}, "held_back": false,
                "delivered_to": ["telegram"], "waiting_for": ["slack"]},
            {"id": "demo/engine-died/7", "severity": "warning", "system": "demo", "environment": "production",
                "drill": false, "cause": "engine-died", "component": null, "title": "demo: failstop is back",
                "message": "over", "root_cause": null, "recommended_action": null, "runbook": null, "metadata": [],
                "trace_id": null, "opened_at": "2026-11-07T20:40:00.000Z", "resolved_at": "2026-11-07T20:40:02.900Z",
                "acknowledged": null, "held_back": false, "delivered_to": [], "waiting_for": []}
        ]
    }))
    .unwrap()
}

fn plain(layout: Layout) -> String {
    let now = "2026-11-07T21:05:10Z".parse().unwrap();
    anstream::adapter::strip_str(&list(&alerts(), now, layout)).to_string()
}

#[test]
fn people_see_what_happened_who_knows_and_what_to_do() {
    insta::assert_snapshot!(plain(Layout::People), @r#"
    critical  demo/hung/bot/7-31   staging
              demo: bot hangs, trading is halted
              since 2026-11-07T20:51:07Z (14 min 2 s)
              sent to telegram; waits for slack
              acknowledged by ana (1000) at 2026-11-07T20:52:00Z
              At 20:51:07Z: no beat within 2 min.
              Permission now observe-only.
              next: failstop resume --halt h-31 --reason "..." --confirm demo
              see docs/runbooks/hung.md

    over      demo/engine-died/7
              demo: failstop is back
              from 2026-11-07T20:40:00Z to 2026-11-07T20:40:02Z
              sent to nobody yet
    "#);
}

#[test]
fn a_pipe_gets_one_line_an_incident() {
    insta::assert_snapshot!(plain(Layout::Lines), @"
    open critical demo/hung/bot/7-31 since 2026-11-07T20:51:07.123Z acknowledged by ana (1000): demo: bot hangs, trading is halted; sent to telegram; waits for slack   staging
    over warning demo/engine-died/7 since 2026-11-07T20:40:00.000Z until 2026-11-07T20:40:02.900Z: demo: failstop is back; sent to nobody yet
    ");
}

#[test]
fn nothing_in_an_alert_breaks_a_line() {
    let mut list = alerts();
    list.alerts[0].title = "a\nb\x1b[2J".to_owned();
    let now = "2026-11-07T21:05:10Z".parse().unwrap();
    let text = super::list(&list, now, Layout::Lines);
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains('\x1b'));
}

#[test]
fn the_line_of_status_says_how_many_how_bad_and_who_knows() {
    let said = |json: serde_json::Value| {
        let mut whole = serde_json::json!({
            "status": "healthy", "channels": {}, "open": {"critical": 0, "warning": 0, "info": 0}, "acknowledged": 0,
            "told": [], "queued": 0, "oldest_seconds": null, "sent": {"critical": 0, "warning": 0, "info": 0},
            "suppressed": 0, "problem": null
        });
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        summary(&serde_json::from_value(whole).unwrap())
    };
    let open = |critical: u64, warning: u64| serde_json::json!({"critical": critical, "warning": warning, "info": 0});
    assert_eq!(said(serde_json::json!({})).unwrap(), "none open");
    assert_eq!(
        said(serde_json::json!({"open": open(1, 0), "told": ["telegram", "pagerduty"]})).unwrap(),
        "1 open (critical, sent to telegram, pagerduty)"
    );
    assert_eq!(
        said(serde_json::json!({"open": open(1, 2), "acknowledged": 1, "queued": 2, "oldest_seconds": 61.0})).unwrap(),
        "3 open (1 critical, 2 warning, sent to nobody yet, 1 acknowledged); 2 wait, the oldest for 1 min 1 s"
    );
    let slack = serde_json::json!({"slack": {"up": false, "last_ok": null, "last_error": "503", "failures_in_a_row": 3,
        "queued": 0, "oldest_seconds": null}});
    assert_eq!(
        said(serde_json::json!({"channels": slack, "problem": "outbox: no space"})).unwrap(),
        "none open; slack fails: 503; outbox: no space"
    );
    assert_eq!(said(serde_json::json!({"status": "off"})).unwrap(), "off: nobody is told of anything");
    assert_eq!(said(serde_json::json!({"status": ""})), None);
}

#[test]
fn a_test_says_for_each_destination_what_became_of_it() {
    let tests: AlertTests = serde_json::from_value(serde_json::json!({"tests": [
        {"channel": "telegram", "destination": null, "outcome": "read-back", "error": null},
        {"channel": "email", "destination": "ops@example.com", "outcome": "failed", "error": "550 no such user"}
    ]}))
    .unwrap();
    let text = anstream::adapter::strip_str(&super::tests(&tests)).to_string();
    assert_eq!(
        text,
        "telegram                accepted, and read back from the service\n\
         email ops@example.com   failed: 550 no such user\n"
    );
}
