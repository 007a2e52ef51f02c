//! What nobody watches is said wherever somebody looks, until somebody speaks of it.

use crate::system::System;
use serde_json::Value;

const TICK: &str = r#"{\"type\":\"tick\",\"feed\":\"kraken\"}"#;

fn holds(list: &Value, what: &str) -> bool {
    list.as_array().unwrap().iter().any(|one| one.as_str().unwrap().contains(what))
}

#[test]
fn stale_market_data_is_not_watched_until_a_tick_comes() {
    let of = |words: &str| {
        System::new(&format!(
            "[failsafe]\nemergency_shutdown = false\n\
             [[component]]\nname = \"bot\"\ncommand = [\"BOT\", \"ready\"{words}]\norders = \"asks\"\nreadiness = {{ notify = true }}\n"
        ))
    };
    let mut silent = of("");
    let checked = silent.run("check", &["--offline"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("not watched until somebody speaks of it: stale market data"), "{text}");
    assert!(text.contains("emergency_shutdown = false"), "{text}");
    silent.start();
    let status = silent.wait_active();
    let health: Value = serde_json::from_str(&silent.get("/health").1).unwrap();
    for list in [&status["not_watched"], &health["not_watched"]] {
        for what in ["stale market data", "a stalled queue", "API errors", "emergency_shutdown = false"] {
            assert!(holds(list, what), "{what}: {list}");
        }
    }
    assert!(silent.log().contains("not watched until somebody speaks of it: stale market data"), "{}", silent.log());
    let shown = silent.run("status", &[]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("\nnot-watched stale market data"));
    assert!(silent.get("/").1.contains("Not watched: "));
    assert_eq!(silent.stop(), 0);

    let mut speaks = of(&format!(", \"send\", \"{TICK}\""));
    speaks.start();
    let status = speaks.wait_status("a tick", |status| !holds(&status["not_watched"], "stale market data"));
    assert!(holds(&status["not_watched"], "a stalled queue"), "{status}");
    assert_eq!(speaks.stop(), 0);
}
