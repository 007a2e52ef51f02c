//! Figures and their levels, on a whole system: who is told, what health says, and what an emergency ends in.

use crate::system::{System, has_halt, until};
use serde_json::{Value, json};

/// A system whose bot reports these figures once, looked at every second.
fn system(figures: &[(&str, f64)], keys: &str) -> System {
    let says = figures.iter().map(|(name, value)| json!({"type": "metric", "name": name, "value": value}).to_string());
    let says: Vec<String> = says.map(|line| format!("\"send\", {}", json!(line))).collect();
    System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ready\", {}]\norders = \"asks\"\nreadiness = {{ notify = true }}\n\
         [limits]\nsample_every = \"1s\"\n{keys}",
        says.join(", ")
    ))
}

fn answer(system: &System) -> Value {
    let (code, text) = system.get("/api/thresholds");
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Waits until a figure is at a level.
#[track_caller]
fn wait_level(system: &System, name: &str, level: &str) -> Value {
    let at_level = |one: &&Value| one["name"] == name && one["level"] == level;
    until(
        || format!("{name} at {level}: {:#}\nlog:\n{}", answer(system), system.log()),
        || answer(system)["figures"].as_array().unwrap().iter().find(at_level).cloned(),
    )
}

/// Waits until people are told so.
#[track_caller]
fn wait_told(system: &System, title: &str) -> Value {
    let title = format!("{}: {title}", system.name);
    until(
        || format!("{title}: {:#?}\nlog:\n{}", alerts(system), system.log()),
        || alerts(system).into_iter().find(|alert| alert["title"] == title.as_str()),
    )
}

fn alerts(system: &System) -> Vec<Value> {
    let output = system.run("alerts list", &["--format", "json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["alerts"].as_array().unwrap().iter().filter(|alert| alert["cause"] == "threshold").cloned().collect()
}

#[test]
fn a_figure_beyond_its_level_is_told_degrades_health_and_is_over_when_the_level_is_another() {
    let keys = "[thresholds]\nevery = \"1s\"\n[thresholds.websocket_latency]\ncritical = 1500\nclear_for = \"1s\"\n\
                [[thresholds.figure]]\nname = \"waiting\"\nmetric = \"orders.waiting\"\ncomponent = \"bot\"\nunit = \"orders\"\nwarning = 10\n";
    let mut system = system(&[("websocket_latency", 2_000.0), ("orders.waiting", 11.0)], keys);
    system.start();
    let active = system.wait_active();
    assert_eq!(active["permission"], "active");
    let latency = wait_level(&system, "websocket_latency", "critical");
    assert_eq!(
        (&latency["value"], &latency["warning"], &latency["critical"]),
        (&json!(2000.0), &json!(1000.0), &json!(1500.0))
    );
    assert_eq!((&latency["source"], &latency["key"]), (&json!("written"), &json!("thresholds.websocket_latency")));
    let waiting = wait_level(&system, "waiting", "warning");
    assert_eq!((&waiting["component"], &waiting["unit"]), (&json!("bot"), &json!("orders")));
    assert_eq!(wait_level(&system, "nonce_rate", "unknown")["source"], "default");

    let told = wait_told(&system, "critical: websocket_latency is 2000 ms, above the critical level of 1500 ms");
    assert_eq!((&told["severity"], &told["component"]), (&json!("critical"), &Value::Null), "{told:#}");
    let told = wait_told(&system, "warning: waiting of bot is 11 orders, above the warning level of 10 orders");
    assert_eq!((&told["severity"], &told["component"]), (&json!("warning"), &json!("bot")), "{told:#}");
    let health = system.wait_status("a degraded health", |status| status["health"]["status"] == "degraded");
    assert!(health["health"]["reasons"].to_string().contains("websocket_latency is 2000 ms"), "{health}");
    assert_eq!((&health["permission"], system.get("/health").0), (&json!("active"), 200), "nothing is halted");
    assert!(system.get("/metrics").1.contains("\nfailstop_threshold_level{threshold=\"websocket_latency\"} 2\n"));

    for key in ["critical", "warning"] {
        let set = system.run("config set", &[&format!("thresholds.websocket_latency.{key}"), "3000"]);
        assert_eq!(set.status.code(), Some(0), "{}", String::from_utf8_lossy(&set.stderr));
    }
    wait_level(&system, "websocket_latency", "good");
    system.wait_status("a healthy system", |status| status["health"]["status"] == "healthy");
    assert_eq!(system.stop(), 0);
    let told = alerts(&system);
    let open: Vec<&Value> = told.iter().filter(|alert| alert["resolved_at"].is_null()).collect();
    assert_eq!((told.len(), open.len()), (2, 1), "one incident a figure, and the other one goes on: {told:#?}");
}

#[test]
fn an_emergency_shuts_everything_down_until_somebody_resumes() {
    let mut system = system(&[("daily_pnl", -500.0)], "[thresholds]\nevery = \"1h\"\n");
    system.start();
    let status = system.wait_status("the shutdown", |status| status["permission"] == "shutdown");
    assert!(has_halt(&status, "failsafe"), "{status}");
    assert!(status["halts"].to_string().contains("daily_pnl is -500, below the emergency level of -100"), "{status}");
    assert_eq!(system.stop(), 5);
}

#[test]
fn figures_have_times_of_their_own_and_an_emergency_waits_for_neither() {
    let seldom = [("FAILSTOP__LIMITS__SAMPLE_EVERY", "10m")];
    let mut looks = system(&[("websocket_latency", 2_000.0)], "[thresholds]\nevery = \"1s\"\n");
    looks.start_with(&[], &seldom);
    wait_level(&looks, "websocket_latency", "warning");
    assert_eq!(looks.stop(), 0);

    let mut reports = system(&[("daily_pnl", -500.0)], "[thresholds]\nevery = \"1h\"\n");
    reports.start_with(&[], &seldom);
    reports.wait_status("shutdown", |status| status["permission"] == "shutdown" && has_halt(status, "failsafe"));
    assert_eq!(reports.stop(), 5);
}

#[test]
fn where_thresholds_may_not_shut_down_an_emergency_is_told_and_nothing_else() {
    let keys = "[failsafe]\nemergency_shutdown = false\n";
    let mut system = system(&[("daily_pnl", -500.0)], keys);
    system.start();
    system.wait_active();
    let result = wait_level(&system, "daily_pnl", "emergency");
    assert_eq!(result["emergency"], Value::Null, "it is none");
    system.wait_status("a degraded health", |status| status["health"]["status"] == "degraded");
    let told = wait_told(&system, "emergency: daily_pnl is -500, below the emergency level of -100");
    assert_eq!(told["severity"], "critical", "{told:#}");
    assert_eq!(system.status().unwrap()["permission"], "active");
    assert_eq!(system.stop(), 0);
}

#[test]
fn what_bots_asked_of_their_venue_is_noted_when_a_short_run_ends() {
    let count = |name: &str, endpoint: &str, value: u64| {
        let line =
            json!({"type": "metric", "name": name, "value": value, "labels": { "endpoint": endpoint }}).to_string();
        format!("\"send\", {}", json!(line))
    };
    let says = [
        count("api_requests", "orders", 1_000_000),
        count("api_requests", "prices", 500),
        count("api_errors", "prices", 3),
        count("api_requests", "orders", 1_000_002),
        count("api_requests", "prices", 505),
        count("api_errors", "prices", 4),
        json!("send").to_string(),
        json!(json!({"type": "metric", "name": "said", "value": 1}).to_string()).to_string(),
    ];
    let mut system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ready\", {}]\norders = \"asks\"\nreadiness = {{ notify = true }}\n",
        says.join(", ")
    ));
    system.start();
    system.wait_status("what the bot says last", |status| status["metrics"]["said"] == 1.0);
    assert_eq!(system.stop(), 0);
    let records = system.records();
    let place = |kind: &str| records.iter().position(|record| record["t"] == kind);
    let noted: Vec<&Value> = records.iter().filter(|record| record["t"] == "x.failstop.figures").collect();
    let [noted] = noted[..] else { panic!("{records:#?}") };
    assert_eq!((&noted["b"]["api_requests_rose"], &noted["b"]["api_errors_rose"]), (&json!(7), &json!(1)), "{noted:#}");
    assert!(noted["b"]["memory_peak_bytes"].as_u64() > Some(0), "{noted:#}");
    assert!(place("x.failstop.figures") < place("engine.stopped"), "the end is the last of a life: {records:#?}");
}
