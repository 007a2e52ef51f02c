//! The forms of a report.

use super::*;

fn sample() -> Report {
    let result = |name, class, finding| CheckResult::of(name, class, finding);
    Report {
        system: "demo".into(),
        results: vec![
            result("configuration", Class::Advisory, Finding::passed("failstop.toml, 3 components")),
            result(
                "secrets",
                Class::Environment,
                Finding::warning("smtp.password is readable by group (0640)", "chmod 600 secrets/smtp"),
            ),
            result(
                "command",
                Class::Environment,
                Finding::failed("component \"bot\": a<b & 50 %\nnot found", "correct `command`"),
            ),
            result("endpoints", Class::Environment, Finding::skipped("--offline")),
        ],
        coverage: vec![Coverage {
            component: "bot".into(),
            enforced: vec!["permit (lease 2 s)".into(), "restart".into()],
            monitored: vec!["heartbeat 2 min".into()],
            not_covered: Vec::new(),
        }],
        host_notes: vec!["no cgroup".into()],
        not_watched: vec!["stale market data".into(), "capital".into()],
        seconds: 0.25,
    }
}

#[test]
fn text_is_a_line_a_result_and_the_sum() {
    assert_eq!(
        text(&sample(), &plain),
        "pass  configuration  failstop.toml, 3 components\n\
         WARN  secrets        smtp.password is readable by group (0640): chmod 600 secrets/smtp\n\
         FAIL  command        component \"bot\": a<b & 50 % not found: correct `command`\n\
         skip  endpoints      --offline\n\
         \n\
         bot         enforced     permit (lease 2 s), restart\n\
         \x20           monitored    heartbeat 2 min\n\
         not watched until somebody speaks of it: stale market data, capital\n\
         note: no cgroup\n\
         \n\
         1 failed, 1 warning, 1 passed, 1 skipped\n"
    );
}

#[test]
fn json_keeps_its_promise() {
    let value: serde_json::Value = serde_json::from_str(&json(&sample(), false)).unwrap();
    assert_eq!(value["result"], "failed");
    assert_eq!(value["checks"][1]["outcome"], "warning");
    assert_eq!(value["checks"][1]["remedy"], "chmod 600 secrets/smtp");
    assert_eq!(value["checks"][3]["reason"], "--offline");
    assert_eq!(value["not_watched"], serde_json::json!(["stale market data", "capital"]));
}

#[test]
fn junit_and_github_escape_what_they_must() {
    let xml = junit(&sample(), false);
    assert!(xml.contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
    assert!(xml.contains("a&lt;b &amp; 50 %&#10;not found"), "{xml}");
    assert!(junit(&sample(), true).contains("failures=\"2\""));
    let lines = github(&sample(), false);
    assert!(
        lines.contains("::error title=failstop check command::component \"bot\": a<b & 50 %25%0Anot found"),
        "{lines}"
    );
    assert!(lines.contains("::warning title=failstop check secrets::"));
    let world = World::new();
    let errors = world.load("[system]\nnmae = \"x\"\n").unwrap_err();
    let lines = github(&Report::of_bad_configuration(&errors), false);
    assert!(lines.contains(",line=2,col=1,title=failstop check configuration::unknown key"), "{lines}");
}

#[test]
fn the_verdict_tells_no_from_unknown() {
    let mut report = sample();
    assert_eq!(report.verdict(false), Verdict::Failed);
    assert_eq!(report.of_class(failstop_core::CheckClass::Integrity), Ok(()));
    assert!(report.of_class(failstop_core::CheckClass::Environment).unwrap_err().contains("check command"));
    report.results[2].undetermined = true;
    assert_eq!(report.verdict(false), Verdict::Undetermined);
    assert_eq!(report.verdict(true), Verdict::Failed);
    report.results.remove(2);
    assert_eq!(report.verdict(false), Verdict::Passed);
}
