//! SIGKILL of the watchdog at random points of a storm: no incident is lost, none is told twice.

use crate::fake::Fake;
use crate::running::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn killed_at_random_points_it_loses_nothing_and_says_nothing_twice() {
    let rounds: u64 = std::env::var("FAILSTOP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6);
    let (fake, folder) = (Fake::start(), Folder::new());
    let port = free_port();
    let names: Vec<String> = (0..5).map(|n| format!("t{n}")).collect();
    let targets: String = names
        .iter()
        .map(|name| {
            format!(
                "[[target]]\nname = \"{name}\"\nurl = \"{}\"\ninterval = \"100ms\"\ntimeout = \"2s\"\nsettle = \"100ms\"\nfailures = 2\nwitness = false\nstream = \"off\"\n",
                fake.url("/health")
            )
        })
        .collect();
    let mut running = Running::watchdog(&folder, port, &targets);
    for round in 0..rounds {
        fake.set(|it| it.healthy = round % 2 == 1);
        // Only the moment of the kill varies by this; nothing is expected of it.
        std::thread::sleep(Duration::from_millis(100 + (round * 137) % 700));
        running.kill();
        running = Running::start(&folder, &["--config", "watchdog.toml"], port, "watchdog.err");
    }
    fake.set(|it| it.healthy = false);
    for name in &names {
        running.until_state(name, "down");
    }
    let open = |name: &str| {
        let mut open = BTreeMap::new();
        for (kind, key) in told(&folder).into_iter().filter(|(_, key)| key.starts_with(&format!("{name}/target-down/")))
        {
            open.insert(key, !kind.contains("resolve"));
        }
        open.values().filter(|open| **open).count()
    };
    for name in &names {
        until(&format!("{name} is told to be down: {:?}", told(&folder)), || (open(name) == 1).then_some(()));
    }
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let all = told(&folder);
    for one in &all {
        *counts.entry(one.clone()).or_default() += 1;
    }
    let updates = |kind: &str| kind.contains("update");
    let twice: Vec<_> = counts.iter().filter(|((kind, _), count)| **count > 1 && !updates(kind)).collect();
    // A message whose answer was lost by the kill is sent again, with the same id: that is one message.
    let ids: Vec<String> =
        alerts(&folder).iter().map(|line| line["id"].as_str().unwrap_or_default().to_owned()).collect();
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    let repeated = ids.len() - distinct.len();
    let surplus: usize = twice.iter().map(|(_, count)| **count - 1).sum();
    assert!(surplus <= repeated, "told twice under different ids: {twice:?}");
}
