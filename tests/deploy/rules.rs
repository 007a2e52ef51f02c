//! Prometheus's and Alertmanager's configuration, as their own tools read it, and the shipped defaults in it.

use crate::files::{below, good, prometheus_tool, read, root, run, text, yaml};
use crate::names::{self, reference, used};
use std::collections::{BTreeMap, BTreeSet};
use yaml_rust2::Yaml;

/// Every rule of a file: what it is called, and the rule.
fn rules(file: &str) -> Vec<(String, Yaml)> {
    let document = yaml(&read(file));
    let groups = document["groups"].as_vec().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_vec().unwrap());
    rules
        .map(|rule| {
            let name = rule["alert"].as_str().or_else(|| rule["record"].as_str()).unwrap();
            (name.to_owned(), rule.clone())
        })
        .collect()
}

fn alerts() -> BTreeMap<String, Yaml> {
    rules("deploy/prometheus/rules/alerts.yml").into_iter().collect()
}

#[test]
fn prometheus_and_alertmanager_take_what_is_shipped() {
    let promtool = prometheus_tool("promtool");
    good(&run(&promtool, &["check", "config", "deploy/prometheus/prometheus.yml"]));
    let rules = below("deploy/prometheus/rules", ".yml");
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let said = good(&run(&promtool, &[&["check", "rules"], rules.as_slice()].concat()));
    assert!(said.contains("SUCCESS") && !said.contains("duplicate"), "{said}");
    good(&run(prometheus_tool("amtool"), &["check-config", "deploy/alertmanager/alertmanager.yml"]));
}

#[test]
fn each_alert_has_a_test_that_passes() {
    let files = below("deploy/prometheus/tests", ".yml");
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    good(&run(prometheus_tool("promtool"), &[&["test", "rules"], files.as_slice()].concat()));

    let mut fired = BTreeSet::new();
    for file in files {
        for test in yaml(&read(file))["tests"].as_vec().unwrap() {
            for look in test["alert_rule_test"].as_vec().unwrap() {
                if look["exp_alerts"].as_vec().is_some_and(|alerts| !alerts.is_empty()) {
                    fired.insert(look["alertname"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    let alerts: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(fired, alerts, "each alert must be seen to fire");
}

#[test]
fn rules_use_metrics_that_exist() {
    let reference = reference();
    let mut recorded = BTreeSet::new();
    let all: Vec<(String, Yaml)> =
        below("deploy/prometheus/rules", ".yml").iter().flat_map(|file| rules(file)).collect();
    for (name, _) in &all {
        if name.contains(':') {
            recorded.insert(name.clone());
        }
    }
    for (name, rule) in &all {
        let expression = text(rule, &["expr"]);
        for metric in used(expression) {
            assert!(reference.contains(&metric), "{name} uses {metric}, which the reference does not have");
        }
        for word in names::recorded(expression) {
            assert!(recorded.contains(word), "{name} uses {word}, which no rule records");
        }
    }
}

/// Expression, `for` and severity of an alert.
#[track_caller]
fn says(name: &str, expression: &str, lasting: Option<&str>, severity: &str) {
    let alerts = alerts();
    let rule = alerts.get(name).unwrap_or_else(|| panic!("no alert {name}"));
    assert_eq!(text(rule, &["expr"]), expression, "{name}");
    assert_eq!(rule["for"].as_str(), lasting, "{name}");
    assert_eq!(text(rule, &["labels", "severity"]), severity, "{name}");
}

#[test]
fn the_shipped_defaults_are_there() {
    says("FailstopSystemDown", "up{job=\"failstop\"} == 0", Some("1m"), "critical");
    says("FailstopEmergencyStop", "failstop_emergency_stop > 0", None, "critical");
    says("FailstopComponentHealthDegraded", "failstop_component_health < 0.5", Some("2m"), "warning");
    says("FailstopHighMemory", "system:failstop_component_memory_bytes:sum > 1.5e9", Some("5m"), "warning");
    says("FailstopHighCPU", "system:failstop_component_cpu:rate5m * 100 > 80", Some("5m"), "warning");

    let configuration = yaml(&read("deploy/prometheus/prometheus.yml"));
    assert_eq!(text(&configuration, &["global", "scrape_interval"]), "15s");
    assert_eq!(text(&configuration, &["global", "evaluation_interval"]), "15s");
    let jobs = configuration["scrape_configs"].as_vec().unwrap();
    let interval = |name: &str| {
        let job = jobs.iter().find(|job| job["job_name"].as_str() == Some(name)).unwrap();
        job["scrape_interval"].as_str().map(str::to_owned)
    };
    assert_eq!(interval("failstop").as_deref(), Some("10s"));
    assert_eq!(interval("failstop-watchdog").as_deref(), Some("30s"));
    assert_eq!(interval("node"), None);
}

#[test]
fn every_alert_says_what_to_do_and_its_runbook_is_there() {
    for (name, rule) in alerts() {
        assert!(text(&rule, &["annotations", "summary"]).len() < 120, "{name}: too long for a lock screen");
        assert!(text(&rule, &["annotations", "description"]).ends_with('.'), "{name}");
        if let Some(page) = rule["annotations"]["runbook"].as_str() {
            assert!(root().join(page).exists(), "{name}: {page}");
        }
    }
}

/// Where Alertmanager sends an alert with these labels.
fn route(labels: &[&str]) -> String {
    let arguments =
        [&["config", "routes", "test", "--config.file=deploy/alertmanager/alertmanager.yml"], labels].concat();
    let output = run(prometheus_tool("amtool"), &arguments);
    good(&output);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn critical_wakes_people_and_drills_and_staging_do_not() {
    assert_eq!(route(&["severity=critical"]), "urgent");
    assert_eq!(route(&["severity=critical", "environment=production"]), "urgent");
    assert_eq!(route(&["severity=warning"]), "team");
    assert_eq!(route(&["severity=critical", "drill=true"]), "team");
    assert_eq!(route(&["severity=critical", "environment=staging"]), "team");
}
