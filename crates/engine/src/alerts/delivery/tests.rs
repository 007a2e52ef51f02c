#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
use super::super::concern::Concern;
use super::super::notice::tests::{alert, trace};
use super::*;
use crate::config::Overrides;
use failstop_core::{AlertChange, Cause, ClearedBy};
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
    delivery.confirmation("o-1", Some("order o-1 waits"), at());
    delivery.confirmation("o-2", Some("order o-2 waits"), at());
    delivery.emergency_not_run("nothing answers", at());
    // Over before it could be told.
    delivery.confirmation("o-2", None, at());
    assert_eq!(delivery.refused, before + 5);
    delivery.catch_up();
    assert_eq!(delivery.refused, before + 5, "still full, and nothing new");

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
        delivery.confirmation("o-1", Some("order o-1 waits"), at());
        delivery.confirmation("o-1", None, at());
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
fn every_order_to_be_confirmed_is_told_and_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut delivery = open(folder.path());
    delivery.confirmation("o-1", Some("order o-1 waits"), at());
    delivery.confirmation("o-2", Some("order o-2 waits"), at());
    delivery.confirmation("o-3", None, at());
    delivery.close();
    let told = delivered(folder.path());
    let kinds = |told: &[(String, String)]| told.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&told), ["incident.trigger", "incident.trigger"]);
    assert_ne!(told[0].1, told[1].1, "each has an incident of its own");
    let mut delivery = open(folder.path());
    delivery.confirmation("o-1", None, at());
    delivery.close();
    assert_eq!(delivered(folder.path())[2], ("incident.resolve".to_owned(), told[0].1.clone()));
    // A new life knows of none that waits.
    let mut delivery = open(folder.path());
    delivery.confirmations_over(at());
    delivery.close();
    assert_eq!(delivered(folder.path())[3..], [("incident.resolve".to_owned(), told[1].1.clone())]);
}
