//! The whole way: a bot dies for good, Prometheus scrapes the engine with the shipped rules, and Alertmanager has the alert, on loopback
//! and with intervals of a second.

use crate::dashboards;
use crate::files::{prometheus_tool, read, root};
use crate::running::{Running, alertmanager, encoded, engine, free_port, get_json, until, watching};
use serde_json::Value;
use std::fs;

/// The shipped configuration for this system and these ports, with intervals of a second.
fn scraping(system: &str, engine: u16, watchdog: u16, own: u16, alertmanager: u16) -> String {
    let shipped = read("deploy/prometheus/prometheus.yml");
    // The engine's own alerts carry its name: by this label Alertmanager knows that both are about one system.
    let mut text = shipped.replace("system: demo", &format!("system: {system}"));
    assert_ne!(text, shipped);
    for (shipped, here) in [
        ("failstop:8080", engine),
        ("watchdog:8081", watchdog),
        ("localhost:9090", own),
        ("alertmanager:9093", alertmanager),
    ] {
        assert!(text.contains(shipped), "{shipped}");
        text = text.replace(shipped, &format!("127.0.0.1:{here}"));
    }
    let rules = root().join("deploy/prometheus/rules").display().to_string();
    let text = text.replace("rules/*.yml", &format!("{rules}/*.yml"));
    let lines = text.lines().map(|line| match line.split_once("_interval: ") {
        Some((key, _)) => format!("{key}_interval: 1s\n"),
        None => format!("{line}\n"),
    });
    // Nobody listens there.
    lines.collect::<String>().replace("node-exporter:9100", "127.0.0.1:1")
}

/// The value of the one series that a query gives.
fn value(prometheus: u16, query: &str) -> Result<String, String> {
    let answer = get_json(prometheus, &format!("/api/v1/query?query={}", encoded(query)))?;
    match answer["data"]["result"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one["value"][1].as_str().unwrap().to_owned()),
        _ => Err(answer.to_string()),
    }
}

#[test]
fn a_bot_that_dies_is_an_alert_at_alertmanager() {
    let folder = tempfile::tempdir().unwrap();
    let [port, watchdog, own, alertmanager_port] = std::array::from_fn(|_| free_port());
    let bot = format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"/bin/sleep\", \"600\"]\norders = \"none\"\nstart_limit = {{ starts = 1, within = \"300s\" }}\n\
         stop_grace = \"1s\"\n[alerts]\nchannels = [\"alertmanager\"]\n\
         [alerts.alertmanager]\nmembers = [\"http://127.0.0.1:{alertmanager_port}\"]\n"
    );
    let name = format!("alarm-{}", std::process::id());

    fs::write(folder.path().join("prometheus.yml"), scraping(&name, port, watchdog, own, alertmanager_port)).unwrap();
    let alerting = alertmanager(folder.path(), alertmanager_port);
    let _engine = engine(folder.path(), &name, port, &bot);
    let _watchdog = watching(folder.path(), watchdog, port);
    let scraper = Running::start(
        folder.path(),
        "prometheus",
        &prometheus_tool("prometheus"),
        &["--config.file=prometheus.yml", "--storage.tsdb.path=data", &format!("--web.listen-address=127.0.0.1:{own}")],
    );
    let seen = |query: &str, wanted: &str| {
        until(query, || match value(own, query) {
            Ok(value) if value == wanted => Ok(()),
            Ok(value) => Err(value),
            Err(error) => Err(format!("{error}\n{}", scraper.said())),
        });
    };
    seen(&format!("failstop_permission{{system=\"{name}\"}}"), "3");
    seen("sum(up{job=~\"failstop.*\"})", "2");
    seen("failstop_watchdog_target_up{target=\"demo\"}", "1");

    // Nothing is wrong: no rule of the engine's or the watchdog's fires or is about to, but for what is true of the machine under this
    // test, whose disk may be nearly full.
    seen("sum(up{job=\"alertmanager\"})", "1");
    until("silence", || {
        let alerts = get_json(own, "/api/v1/alerts")?;
        let of_the_machine = |alert: &Value| alert["labels"]["alertname"] == "FailstopDiskAlmostFull";
        let alerts = alerts["data"]["alerts"].as_array().unwrap();
        if alerts.iter().all(of_the_machine) { Ok(()) } else { Err(Value::from(alerts.clone()).to_string()) }
    });

    let status = get_json(port, "/api/status").unwrap();
    let bot = i32::try_from(status["components"][0]["pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(bot), nix::sys::signal::Signal::SIGKILL).unwrap();

    let told = |wanted: &dyn Fn(&Value) -> bool, what: &str| {
        until(what, || {
            let alerts = get_json(alertmanager_port, "/api/v2/alerts")
                .map_err(|error| format!("{error}\n{}", alerting.said()))?;
            match alerts.as_array().unwrap().iter().find(|alert| wanted(alert)) {
                Some(alert) => Ok(alert.clone()),
                None => Err(alerts.to_string()),
            }
        })
    };
    let alert = told(&|alert| alert["labels"]["alertname"] == "FailstopShutdown", "Prometheus's alert");
    assert_eq!(alert["labels"]["severity"], "critical");
    assert_eq!(alert["annotations"]["summary"], format!("{name}: fail-safe shutdown"));
    assert_eq!(alert["receivers"][0]["name"], "urgent");
    // And what the engine tells of itself, by its own channel.
    let own_words = told(
        &|alert| alert["labels"]["component"] == "bot" && !alert["labels"]["incident"].is_null(),
        "the engine's alert",
    );
    assert_eq!(own_words["labels"]["system"], name.as_str());
    // Said once: Prometheus's words for it reach nobody beside the engine's.
    let held_back =
        |alert: &Value| alert["status"]["inhibitedBy"].as_array().unwrap().contains(&own_words["fingerprint"]);
    told(&|alert| alert["labels"]["alertname"] == "FailstopShutdown" && held_back(alert), "an inhibition");

    // What the dashboards ask is answered.
    for (file, dashboard) in dashboards::all() {
        for query in dashboards::queries(&dashboard) {
            let mut asked = query.replace("$__rate_interval", "1m").replace("$__range", "1h");
            asked = asked.replace("$system", &name).replace("$watchdog", ".*");
            assert!(!asked.contains('$'), "{file}: {query}");
            get_json(own, &format!("/api/v1/query?query={}", encoded(&asked)))
                .unwrap_or_else(|error| panic!("{file}: {query}: {error}"));
        }
    }
}
