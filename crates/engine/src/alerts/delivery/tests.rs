#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
use super::super::concern::Concern;
use super::super::notice::tests::{alert, trace};
use super::*;
use crate::config::Overrides;
use crate::thresholds::Heard;
use failstop_core::{AlertChange, Cause, ClearedBy, Degree, News};
use std::path::Path;

/// With alerts to `alerts.jsonl` in `folder`.
fn config(folder: &Path) -> Config {
    let text = concat!(
        "[system]\nname = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"true\"]\norders = \"none\"\n",
        "[alerts]\nchannels = [\"log_file\"]\n[alerts.log_file]\npath = \"alerts.jsonl\"\n",
    );
    std::fs::write(folder.join("failstop.toml"), text).unwrap();
    std::fs::create_dir_all(folder.join("state")).unwrap();
    Config::load(&folder.join("failstop.toml"), &Overrides::default()).unwrap()
}

fn open(folder: &Path) -> Delivery {
    let delivery = Delivery::open(&config(folder), None);
    assert_eq!(delivery.faults(), [] as [String; 0]);
    delivery
}

/// What was delivered: what happened to which incident.
fn delivered(folder: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join("alerts.jsonl")).unwrap_or_default();
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let data = &value["data"];
        (value["type"].as_str().unwrap().to_owned(), data["key"].as_str().unwrap().to_owned())
    };
    text.lines().map(line).collect()
}

fn at() -> jiff::Timestamp {
    "2026-11-03T20:51:07Z".parse().unwrap()
}

#[test]
fn what_was_told_is_not_told_again_after_a_restart_and_its_end_is() {
    let folder = tempfile::tempdir().unwrap();
    let stands = alert(Cause::Hung, 31);
    let mut delivery = open(folder.path());
    delivery.tell(&stands, at(), "seq 9", trace());
    delivery.reconcile(std::slice::from_ref(&stands), at(), "seq 9", &|_| trace());
    delivery.close();
    let trigger = ("incident.trigger".to_owned(), "demo/hung/bot/7-31".to_owned());
    assert_eq!(delivered(folder.path()), std::slice::from_ref(&trigger));

    let mut delivery = open(folder.path());
    assert_eq!(delivery.list()[0].id, "demo/hung/bot/7-31");
    delivery.reconcile(std::slice::from_ref(&stands), at(), "seq 10", &|_| trace());
    let mut over = stands.clone();
    over.change = AlertChange::Resolve(ClearedBy::Itself);
    delivery.tell(&over, at(), "seq 11", trace());
    delivery.close();
    let resolve = ("incident.resolve".to_owned(), trigger.1.clone());
    assert_eq!(delivered(folder.path()), [trigger, resolve]);

    // What is over is over, whoever asks.
    let mut delivery = open(folder.path());
    delivery.reconcile(&[], at(), "seq 12", &|_| trace());
    delivery.close();
    assert_eq!(delivered(folder.path()).len(), 2);
}

#[test]
fn an_incident_that_an_earlier_engine_left_open_ends_where_nothing_of_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    delivery.tell(&alert(Cause::Hung, 31), at(), "seq 9", trace());
    delivery.close();
    let mut delivery = open(folder.path());
    delivery.reconcile(&[], at(), "seq 10", &|_| trace());
    delivery.close();
    let kinds: Vec<String> = delivered(folder.path()).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["incident.trigger", "incident.resolve"]);
}

/// What happened to which of these incidents, by the order in which they were first told of.
fn numbered(told: &[(String, String)]) -> Vec<(&str, usize)> {
    let mut keys: Vec<&str> = Vec::new();
    told.iter()
        .map(|(kind, key)| {
            let known = keys.iter().position(|known| known == key);
            let number = known.unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            });
            (kind.strip_prefix("incident.").unwrap(), number)
        })
        .collect()
}

#[test]
fn what_the_notifier_could_not_take_is_told_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    // Its thread is not there yet, so that its queue fills.
    let (wanted, _) = channels::of(&config(folder.path()), None);
    let (handle, driver) = failstop_notify::open(wanted, &folder.path().join("late")).unwrap();
    let Way::Open { handle: first, .. } = &mut delivery.way else { panic!("broken") };
    drop(std::mem::replace(first, handle));
    let filling = alert(Cause::Hung, 31);
    while !delivery.is_behind() {
        delivery.tell(&filling, at(), "seq 9", trace());
    }
    let before = delivery.refused;
    delivery.concern(Concern::ApiUsage, Some("nearly used"), at());
    delivery.confirmations(&["order o-1 waits".to_owned()], at());
    delivery.emergency_not_run("nothing answers", at());
    assert_eq!(delivery.refused, before + 3);
    delivery.catch_up();
    assert_eq!(delivery.refused, before + 3, "still full, and nothing new");

    let Way::Open { running, handle } = &mut delivery.way else { panic!("broken") };
    std::mem::replace(running, driver.spawn().unwrap()).stop();
    let drained = loop {
        if let Ok(reply) = handle.maintenance_over("another") {
            break reply;
        }
        std::thread::yield_now();
    };
    drained.wait().unwrap();
    delivery.catch_up();
    // Ended as one that is open, though the notifier does not list it yet.
    delivery.concern(Concern::ApiUsage, None, at());
    delivery.reconcile(&[filling], at(), "seq 9", &|_| trace());
    delivery.close();
    let mut told = delivered(folder.path());
    told.retain(|(_, key)| !key.contains("/hung/"));
    told.sort_by_key(|(_, key)| key.clone());
    let told: Vec<_> = told.iter().map(|(kind, key)| (kind.as_str(), key.split('/').nth(1).unwrap())).collect();
    assert_eq!(
        told,
        [
            ("incident.trigger", "api-usage"),
            ("incident.resolve", "api-usage"),
            ("incident.trigger", "confirmation"),
            ("incident.trigger", "emergency-actions")
        ]
    );
}

#[test]
fn what_ends_before_the_notifier_lists_it_ends_and_may_begin_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    delivery.concern(Concern::ApiUsage, Some("nearly used"), at());
    delivery.concern(Concern::ApiUsage, None, at());
    delivery.close();
    assert_eq!(numbered(&delivered(folder.path())), [("trigger", 0), ("resolve", 0)]);

    // In the same second, and as often as it happens: each is an incident of its own.
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    for _ in 0..2 {
        delivery.concern(Concern::ApiUsage, Some("nearly used"), at());
        delivery.concern(Concern::ApiUsage, None, at());
        delivery.concern(Concern::ApiUsage, None, at());
        delivery.confirmations(&["order o-1 waits".to_owned()], at());
        delivery.confirmations(&[], at());
        delivery.emergency_not_run("the first time", at());
        delivery.emergency_not_run("the second time", at());
        delivery.emergency_over("released", at());
    }
    delivery.concern(Concern::ApiUsage, Some("nearly used"), at());
    delivery.close();
    let mut told = delivered(folder.path());
    told.sort_by_key(|(_, key)| key.clone());
    let resolved: Vec<_> = (0..8).flat_map(|number| [("trigger", number), ("resolve", number)]).collect();
    let mut of_usage: Vec<_> = told.iter().filter(|(_, key)| key.contains("api-usage")).cloned().collect();
    let last = of_usage.pop().unwrap();
    assert_eq!(numbered(&of_usage), resolved[..4]);
    assert!(last.0 == "incident.trigger" && of_usage.iter().all(|(_, key)| *key != last.1), "{last:?}");
    for (cause, incidents) in [("/confirmation/", 2), ("/emergency-actions/", 4)] {
        let of_cause: Vec<_> = told.iter().filter(|(_, key)| key.contains(cause)).cloned().collect();
        assert_eq!(numbered(&of_cause), resolved[..2 * incidents], "{cause}");
    }
    let delivery = open(folder.path());
    let open: Vec<_> = delivery.list().into_iter().filter(|alert| alert.resolved_at.is_none()).collect();
    assert_eq!(open.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&last.1]);
    delivery.close();
}

#[test]
fn a_figure_that_is_over_and_beyond_its_level_again_in_the_same_second_is_another_incident() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    let heard = |name: &str, news| Heard {
        name: name.to_owned(),
        component: None,
        news,
        what: format!("{name} is 7"),
        facts: Vec::new(),
        key: format!("thresholds.{name}"),
    };
    for _ in 0..2 {
        delivery.threshold(&heard("nonce_rate", News::Begun(Degree::Warning)), at());
        delivery.threshold(&heard("nonce_rate", News::Worse(Degree::Critical)), at());
        delivery.threshold(&heard("nonce_rate", News::Over), at());
    }
    delivery.threshold(&heard("success_rate", News::Begun(Degree::Warning)), at());
    delivery.close();
    let mut delivery = open(folder.path());
    delivery.threshold(&heard("nonce_rate", News::Begun(Degree::Warning)), at());
    delivery.close();
    let mut told = delivered(folder.path());
    let of_another: Vec<_> = told.extract_if(.., |(_, key)| !key.contains("/threshold/nonce_rate/")).collect();
    assert_eq!(numbered(&of_another), [("trigger", 0)]);
    let (triggers, ends): (Vec<_>, Vec<_>) = told.iter().partition(|(kind, _)| kind != "incident.resolve");
    let begun: BTreeSet<&str> = triggers.iter().map(|(_, key)| key.as_str()).collect();
    let ended: BTreeSet<&str> = ends.iter().map(|(_, key)| key.as_str()).collect();
    assert_eq!((begun.len(), ended.len()), (3, 2), "{told:?}");
}

#[test]
fn a_name_that_nothing_has_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    let refused = delivery.acknowledge("h-31", "ana").err().unwrap();
    assert!(refused.contains("failstop alerts list"), "{refused}");
    let refused = delivery.test(Some("telegram")).err().unwrap();
    assert_eq!(refused, "there is no channel telegram; there is: log_file");
    delivery.tell(&alert(Cause::Hung, 31), at(), "seq 9", trace());
    delivery.close();
    let delivery = open(folder.path());
    let done = delivery.acknowledge("h-31", "ana (1000)").unwrap().wait().unwrap();
    assert_eq!(done, Acknowledged::Done);
    delivery.close();
}

#[test]
fn an_incident_has_several_names() {
    for id in ["demo/hung/bot/7-31", "hung/bot/7-31", "7-31", "h-31"] {
        assert!(is_named("demo/hung/bot/7-31", "demo", id), "{id}");
    }
    for id in ["", "demo", "hung", "31", "h-3", "h-", "7-3", "/hung/bot/7-31", "demo/hung/bot/7-310"] {
        assert!(!is_named("demo/hung/bot/7-31", "demo", id), "{id}");
    }
    assert!(is_named("demo/engine-died/8", "demo", "8"));
    assert!(!is_named("demo/engine-died/8", "demo", "h-8"));
}

#[test]
fn orders_to_be_confirmed_are_one_incident_as_long_as_any_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    let orders: Vec<String> = (1..=8).map(|number| format!("order o-{number} waits")).collect();
    for waiting in 1..=orders.len() {
        delivery.confirmations(&orders[..waiting], at());
    }
    delivery.confirmations(&orders[7..], at());
    delivery.close();
    let told = delivered(folder.path());
    assert_eq!(numbered(&told), [("trigger", 0)], "eight orders, one message");
    // A new life knows of none that waits; the next one is another incident, told at once.
    let mut delivery = open(folder.path());
    let listed = delivery.list();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(listed[0].message.contains("order o-8 waits"), "what waits last is what is shown: {listed:?}");
    delivery.confirmations(&[], at());
    delivery.confirmations(&orders, at());
    delivery.confirmations(&[], at());
    delivery.close();
    let told = delivered(folder.path());
    assert_eq!(numbered(&told), [("trigger", 0), ("resolve", 0), ("trigger", 1), ("resolve", 1)]);
    let text = std::fs::read_to_string(folder.path().join("alerts.jsonl")).unwrap();
    let many = text.lines().nth(2).unwrap();
    assert!(many.contains("demo: 8 orders wait to be confirmed") && many.contains("o-5 waits; and 3 more"), "{many}");
}

#[test]
fn a_maintenance_window_is_one_incident_that_no_start_ends_while_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let window = failstop_client::status::MaintenanceSummary {
        until: "2026-11-03T21:30:00.000Z".to_owned(),
        by: "ana (1000)".to_owned(),
        reason: "a new disk".to_owned(),
        keep_trading: true,
    };
    let mut delivery = open(folder.path());
    delivery.maintenance_began(&window, at());
    delivery.close();
    // The core tells nothing of it, and what it does not tell is not its to end.
    let mut delivery = open(folder.path());
    delivery.reconcile(&[], at(), "seq 10", &|_| trace());
    delivery.maintenance_goes_on(&window, at());
    delivery.maintenance_ended("ana (1000)", "it is in", at());
    delivery.maintenance_ended("ana (1000)", "said twice", at());
    // Another window is another incident, and ends the one before it.
    let later = at() + Duration::from_secs(60);
    delivery.maintenance_began(&window, later);
    delivery.maintenance_began(&window, later + Duration::from_secs(60));
    delivery.close();
    // Messages of two incidents may overtake one another.
    let mut told = delivered(folder.path());
    told.sort_by_key(|(_, key)| key.clone());
    let kinds = [("trigger", 0), ("resolve", 0), ("trigger", 1), ("resolve", 1), ("trigger", 2)];
    assert_eq!(numbered(&told), kinds, "{told:?}");
}
