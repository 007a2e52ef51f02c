//! Two watchdogs on one engine: one acts and tells, the other takes over when it is killed, and nothing is told twice but where
//! nobody could know that it had been told, and then under the same key.

use crate::stage::{SECOND, Setup, WATCHDOG, Watched, is};
use std::time::{Duration, Instant};

const STANDBY: &str = "standby.log";

/// The watchdog's text without restarts, and with its peer.
fn paired(watched: &Watched, name: &str, port: u16, peer: u16, role: &str) -> String {
    let more = format!("[peer]\nurl = \"http://127.0.0.1:{peer}\"\nrole = \"{role}\"\ninterval = \"200ms\"\n");
    let text = watched.watchdog_text(name, port, &more, SECOND, "");
    let (before, after) = (text.split("[target.restart]").next().unwrap(), text.split("[alerts]").nth(1).unwrap());
    let after = after.replacen('\n', "\nreminder = { critical = \"1s\", warning = \"1s\", info = \"1s\" }\n", 1);
    format!("{before}[alerts]{after}")
}

#[test]
fn a_standby_takes_over_from_a_dead_watchdog_and_steps_back() {
    let mut watched = Watched::prepare(Setup::default());
    let (first, second) = (watched.port, watched.eye.free_port());
    watched.write("watchdog.toml", &paired(&watched, "wd1", first, second, "primary"));
    watched.write("standby.toml", &paired(&watched, "wd2", second, first, "standby"));
    watched.system.start();
    watched.system.wait_active();
    watched.run(&["--config", "watchdog.toml"], WATCHDOG);
    watched.run(&["--config", "standby.toml"], STANDBY);
    let acts = |watched: &Watched, port| watched.get_at(port, "/status").and_then(|status| status["acting"].as_bool());
    let stands = |watched: &Watched, port, state: &str| {
        watched.get_at(port, "/status").is_some_and(|status| status["targets"][0]["state"] == state)
    };
    watched.until("both to see it", || [first, second].iter().all(|port| stands(&watched, *port, "up")));
    // A watchdog whose channel never delivered anything does not think itself fit to act.
    for configuration in ["watchdog.toml", "standby.toml"] {
        let tested = watched.command(&["test-alert", "--config", configuration]);
        assert_eq!(tested.status.code(), Some(0), "{}", String::from_utf8_lossy(&tested.stderr));
    }
    watched.until("one to act", || acts(&watched, first) == Some(true) && acts(&watched, second) == Some(false));

    // Told by one of them. The other knows as much, under the same key.
    watched.kill_engine();
    watched.system.wait_end();
    let down = watched.told("the alert", |posted| is(posted, "target-down", "trigger"));
    assert_eq!(down.body["data"]["metadata"]["watchdog"], "wd1", "{down:#?}");
    let key = down.text("key").to_owned();
    watched.until("the standby to know", || {
        stands(&watched, second, "down")
            && watched.get_at(second, "/status").is_some_and(|status| status["targets"][0]["incident"] == key.as_str())
    });
    let triggers = |watched: &Watched| {
        let taken = watched.receiver.taken("target-down");
        taken.into_iter().filter(|posted| posted.change() == "trigger").collect::<Vec<_>>()
    };
    assert_eq!(triggers(&watched).len(), 1, "{:#?}", watched.receiver.posted());

    // Dead in the middle of it: whether it told is not known to the other, who tells under the same key.
    watched.kill(WATCHDOG);
    watched.told("that a watchdog is dead", |posted| is(posted, "peer-down", "trigger"));
    watched.until("the standby's own alert", || triggers(&watched).len() == 2);
    assert!(triggers(&watched).iter().all(|posted| posted.text("key") == key), "{:#?}", triggers(&watched));
    assert_eq!(acts(&watched, second), Some(true));

    watched.run(&["--config", "watchdog.toml"], WATCHDOG);
    watched.told("that it is back", |posted| is(posted, "peer-down", "resolve"));
    watched.until("the standby to step back", || {
        acts(&watched, first) == Some(true) && acts(&watched, second) == Some(false)
    });
    watched.until("it to know again", || stands(&watched, first, "down"));
    assert_eq!(triggers(&watched).len(), 2, "{:#?}", watched.receiver.posted());

    watched.system.start();
    let over = watched.told("its end", |posted| is(posted, "target-down", "resolve"));
    assert_eq!(over.text("key"), key);
    watched.until("the standby to see its end", || {
        watched.get_at(second, "/status").is_some_and(|status| status["targets"][0]["incident"].is_null())
    });
    let resolves = watched.receiver.taken("target-down").into_iter().filter(|posted| posted.change() == "resolve");
    assert_eq!((resolves.count(), triggers(&watched).len()), (1, 2), "{:#?}", watched.receiver.posted());

    // Nobody reminds of what is over, and nobody says it again: three times as long as a reminder takes.
    let told =
        || watched.receiver.taken("target-down").into_iter().filter(|posted| posted.at > over.at).collect::<Vec<_>>();
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        assert!(told().is_empty(), "told after its end: {:#?}", told());
        std::thread::sleep(Duration::from_millis(50));
    }
}
