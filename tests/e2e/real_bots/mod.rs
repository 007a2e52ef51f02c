//! Bots that others wrote and published, unmodified, under `failstop run`: they come up, are watched, are killed and come back,
//! outlive their venue's outages, and are stopped in good order; and what they print is kept, whole and in order.

mod scene;

pub use scene::bots;

use crate::system::{alive, signal};
use scene::{Bot, Scene, Venue};
use serde_json::Value;
use std::path::Path;

fn ours(script: &str) -> Vec<String> {
    vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/real_bots").join(script).display().to_string()]
}

fn theirs(script: &str) -> Vec<String> {
    vec![bots().join("published").join(script).display().to_string()]
}

fn after(line: &str, mark: &str) -> Option<u64> {
    let digits = line.split_once(mark)?.1.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn evidence(status: &Value, cause: &str) -> Option<String> {
    let halts = status["halts"].as_array().unwrap();
    halts.iter().find(|halt| halt["cause"] == cause).map(|halt| halt["evidence"].as_str().unwrap().to_owned())
}

/// Killed once with everything printed and once in full flow: a new one each time, and nothing of the output is lost.
#[track_caller]
fn is_killed_and_comes_back(scene: &mut Scene) {
    let given = scene.hold();
    let first = scene.kill();
    scene.venue(Venue::Well);
    scene.wait_trading(given);
    let second = scene.system.pid_of("bot").unwrap();
    assert!(first != second && !alive(first));
    scene.kill();
    let given = scene.venue(Venue::Well);
    scene.wait_trading(given);
    scene.log_is_whole();
}

#[track_caller]
fn nobody_was_held_to_hang_or_to_have_failed(scene: &Scene) {
    for cause in scene.causes() {
        assert!(!["hung", "heartbeat-lost", "component-failed", "failsafe"].contains(&cause.as_str()), "{cause}");
    }
}

/// While its venue is down a bot ends at once again and again: more often than its start limit allows.
#[track_caller]
fn ends_again_and_again_without_its_venue_and_is_not_given_up(scene: &mut Scene) {
    // One that asks now and then finds out when it asks next; this one is made to ask at once.
    scene.venue_dies();
    scene.kill();
    let before = scene.system.status().unwrap()["components"][0]["restarts"].as_u64().unwrap();
    scene.wait_status("more restarts than the start limit", |status| {
        status["components"][0]["restarts"].as_u64().is_some_and(|restarts| restarts >= before + 5)
    });
    scene.venue_comes_back();
    let given = scene.venue(Venue::Well);
    scene.wait_trading(given);
    nobody_was_held_to_hang_or_to_have_failed(scene);
}

/// Its venue answers with errors for a while and ends what streams: the bot sees to itself, and is left alone.
#[track_caller]
fn outlives_errors_of_its_venue(scene: &mut Scene, complains: &str) {
    let bot = scene.system.pid_of("bot");
    let before = scene.system.status().unwrap()["components"][0]["restarts"].clone();
    let complaints = scene.output().matches(complains).count();
    scene.venue(Venue::Errors);
    scene.wait("its complaint", || scene.output().matches(complains).count() > complaints);
    let given = scene.venue(Venue::Well);
    scene.wait_trading(given);
    assert_eq!(scene.system.pid_of("bot"), bot, "the same process all along");
    assert_eq!(scene.system.status().unwrap()["components"][0]["restarts"], before);
    nobody_was_held_to_hang_or_to_have_failed(scene);
}

#[test]
fn a_bot_on_ccxt_is_watched_and_is_not_to_blame_for_a_venue_that_stands_still() {
    let bot = Bot {
        arguments: ours("ccxt_bot.py"),
        keys: "readiness = { notify = true }\nliveness = { watchdog = \"3s\" }",
        figure: |line| after(line, "figure "),
    };
    let Some(mut scene) = Scene::start(bot) else { return };
    scene.wait_trading(20);
    assert!(scene.output().contains("order O00001-AAAAA-AAAAAA taken back"), "{}", scene.output());
    is_killed_and_comes_back(&mut scene);
    outlives_errors_of_its_venue(&mut scene, "waits: ExchangeNotAvailable");

    // It waits for an answer and says nothing meanwhile.
    let bot = scene.system.pid_of("bot").unwrap();
    scene.venue(Venue::Hangs);
    let status = scene.wait_status("the environment's halt", |status| {
        evidence(status, "environment").is_some_and(|evidence| evidence.contains("does not answer"))
    });
    assert_eq!(status["permission"], "observe-only");
    let given = scene.venue(Venue::Well);
    scene.wait_trading(given);
    assert_eq!(scene.system.pid_of("bot"), Some(bot), "the same process all along");
    nobody_was_held_to_hang_or_to_have_failed(&scene);

    // Where its venue answers, silence is its own.
    signal(bot, libc::SIGSTOP);
    scene.wait_status("that it hangs", |status| evidence(status, "hung").is_some());
    let name = scene.system.name.clone();
    scene.wait("an operator's word that is taken", || {
        let resumed = scene.system.run("resume", &["--reason", "it was frozen by hand", "--confirm", &name]);
        resumed.status.code() == Some(0)
    });
    let given = scene.venue(Venue::Well);
    scene.wait_trading(given);
    scene.ends_well();
}

#[test]
fn an_example_of_krakenex_ends_at_once_without_its_venue_and_is_started_until_that_is_back() {
    let bot = Bot {
        arguments: theirs("krakenex-2.2.2/examples/log-ohlc.py"),
        keys: "",
        // [1795700746, '1.0', '1.0', '1.0', '179.0', '1.0', '1.0', 1]
        figure: |line| after(line, "'1.0', '1.0', '1.0', '"),
    };
    let Some(mut scene) = Scene::start(bot) else { return };
    scene.wait_trading(9);
    is_killed_and_comes_back(&mut scene);
    ends_again_and_again_without_its_venue_and_is_not_given_up(&mut scene);
    scene.ends_well();
}

#[test]
fn a_bot_on_basana_connects_anew_by_itself() {
    let bot = Bot { arguments: ours("basana_bot.py"), keys: "", figure: |line| after(line, "INFO] figure ") };
    let Some(mut scene) = Scene::start(bot) else { return };
    scene.wait_trading(20);
    is_killed_and_comes_back(&mut scene);
    outlives_errors_of_its_venue(&mut scene, "503, message='Invalid response status'");
    scene.ends_well();
}

#[test]
fn a_bot_on_python_kraken_sdk_connects_anew_by_itself() {
    let bot = Bot { arguments: ours("kraken_sdk_bot.py"), keys: "", figure: |line| after(line, "figure ") };
    let Some(mut scene) = Scene::start(bot) else { return };
    scene.wait_trading(20);
    is_killed_and_comes_back(&mut scene);
    outlives_errors_of_its_venue(&mut scene, "recovered in the background");
    scene.ends_well();
}
