//! Who watches the watchdog: the outside dead man's switch hears of it while it is well, and only then.

use crate::receiver::Answers;
use crate::stage::{Setup, WATCHDOG, Watched};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_outside_switch_hears_nothing_of_a_watchdog_that_is_not_well() {
    let pings = Arc::new(AtomicUsize::new(0));
    let counted = pings.clone();
    let switch = crate::wire::serve(Some, move |path| {
        counted.fetch_add(usize::from(path == "/ping/s3cret-path"), Ordering::Relaxed);
        "{}".to_owned()
    });
    let watchdog =
        concat!("outbox_max_age = \"1s\"\n", "[outside]\nping_url = { file = \"ping-url\" }\ninterval = \"1s\"\n");
    let mut watched = Watched::prepare(Setup { watchdog, ..Setup::default() });
    crate::certificates::private(&watched.system.path("ping-url"), &format!("http://{switch}/ping/s3cret-path"));
    watched.system.start();
    watched.system.wait_active();
    watched.run(&["--config", "watchdog.toml"], WATCHDOG);

    // Nobody knows yet whether its channel works.
    watched.until_said(
        WATCHDOG,
        "is not pinged: webhook has never delivered anything: run `failstop-watchdog test-alert`",
    );
    assert_eq!(pings.load(Ordering::Relaxed), 0);
    let tested = watched.command(&["test-alert"]);
    assert_eq!(tested.status.code(), Some(0), "{}", String::from_utf8_lossy(&tested.stderr));
    watched.until("pings", || pings.load(Ordering::Relaxed) >= 2);

    // Its channel fails and an alert waits: it may be the only one who knows.
    watched.receiver.answer(Answers::Fails);
    watched.kill_engine();
    watched.until_said(WATCHDOG, "is not pinged: an alert has waited for webhook");
    // Tries to restart it take seconds each: many intervals of the switch.
    let tries = || watched.said(WATCHDOG).matches("a restart failed").count();
    watched.until("a failed try", || tries() >= 1);
    let before = pings.load(Ordering::Relaxed);
    watched.until("another failed try", || tries() >= 2);
    assert_eq!(pings.load(Ordering::Relaxed), before);
    let health = watched.get("/health").unwrap();
    assert_eq!(health["status"], "critical", "{health}");

    watched.receiver.answer(Answers::Takes);
    watched.until("pings again", || pings.load(Ordering::Relaxed) > before);
    assert!(!watched.said(WATCHDOG).contains("s3cret-path"), "the URL is a secret");
}
