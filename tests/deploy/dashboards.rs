//! The dashboards: well-formed, made of metrics that exist, and laid out without overlap.

use crate::files::{below, read, text, yaml};
use crate::names::{self, reference, used};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every dashboard, by its file.
pub fn all() -> Vec<(String, Value)> {
    let files = below("deploy/grafana/dashboards", ".json");
    files.into_iter().map(|file| (file.clone(), serde_json::from_str(&read(&file)).unwrap())).collect()
}

/// Every query of a dashboard, with the names of its variables as they stand.
pub fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn panels_use_metrics_that_exist() {
    let reference = reference();
    let recorded = read("deploy/prometheus/rules/recording.yml");
    for (file, dashboard) in all() {
        let queries = queries(&dashboard);
        assert!(queries.len() > 10, "{file}");
        for query in queries {
            for metric in used(&query) {
                assert!(reference.contains(&metric), "{file}: {query}: {metric} is not in the reference");
            }
            for word in names::recorded(&query) {
                assert!(recorded.contains(&format!("record: {word}\n")), "{file}: no rule records {word}");
            }
        }
    }
}

#[test]
fn panels_stand_beside_one_another() {
    for (file, dashboard) in all() {
        let (mut taken, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{file}: {title}: its id is another's");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{file}: {title} is off the page");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{file}: {title} covers another");
                }
            }
        }
    }
}

#[test]
fn provisioning_finds_them() {
    let provider = yaml(&read("deploy/grafana/provisioning/dashboards/failstop.yml"));
    let provider = &provider["providers"].as_vec().unwrap()[0];
    let folder = text(provider, &["options", "path"]);
    let compose = read("deploy/container/compose.yml");
    assert!(compose.contains(&format!("- ../grafana/dashboards:{folder}:ro")), "{folder} is not mounted");
    let source = yaml(&read("deploy/grafana/provisioning/datasources/prometheus.yml"));
    assert_eq!(text(&source["datasources"].as_vec().unwrap()[0], &["url"]), "http://prometheus:9090");
}
