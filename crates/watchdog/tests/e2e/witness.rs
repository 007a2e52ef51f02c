//! The witness against journals that are continued, rolled back, forked, rewritten with a valid chain, and replaced.

use crate::fake::{Fake, journal};
use crate::running::*;

fn watched(fake: &Fake, folder: &Folder) -> Running {
    let rest = format!(
        "[[target]]\nname = \"demo\"\nurl = \"{}\"\ninterval = \"200ms\"\njournal_still = \"0s\"\ncontrol = \"http://{}\"\nkey_file = \"{}\"\n",
        fake.url("/health"),
        fake.address,
        folder.key().display()
    );
    let running = Running::watchdog(folder, free_port(), &rest);
    until_seq(&running, 5);
    running
}

fn until_seq(running: &Running, seq: u64) -> serde_json::Value {
    until(&format!("record {seq} is agreed on: {}; {}", running.get("/witness/demo").1, running.said()), || {
        let export: serde_json::Value = serde_json::from_str(&running.get("/witness/demo").1).ok()?;
        Some(export).filter(|export| export["seq"] == seq)
    })
}

fn alarm(running: &Running, folder: &Folder) -> String {
    let alert = until_told(folder, "demo/witness/1", running);
    assert_eq!(alert["data"]["severity"], "critical");
    alert["data"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_continued_journal_is_proved_and_exported() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let running = watched(&fake, &folder);
    fake.set(|it| it.journal = journal(400, ""));
    let export = until_seq(&running, 400);
    assert_eq!(export["proved"], true, "{export}");
    assert_eq!(export["head"], journal(400, "")[399].0.to_string());
    let file = ended(&["witness", "export", "demo"], folder.path());
    let file: serde_json::Value = serde_json::from_slice(&file.stdout).unwrap_or_default();
    assert_eq!(file["head"], export["head"]);
    assert!(told(&folder).is_empty());
}

#[test]
fn a_rollback_with_a_valid_chain_names_the_last_agreed_record() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let running = watched(&fake, &folder);
    fake.set(|it| it.journal.truncate(3));
    let message = alarm(&running, &folder);
    assert!(message.contains("ends at record 3, and had record 5"), "{message}");
}

#[test]
fn a_truncation_names_the_last_record_that_is_still_there() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let running = watched(&fake, &folder);
    fake.set(|it| it.journal = journal(9, ""));
    until_seq(&running, 9);
    fake.set(|it| it.journal.truncate(7));
    let message = alarm(&running, &folder);
    assert!(message.contains("ends at record 7") && message.contains("The last agreed record is 5."), "{message}");
}

/// Watched, and record 9 was shown while its lines could not be had: as by an engine that ends right after.
fn shown(fake: &Fake, folder: &Folder) -> Running {
    let running = watched(fake, folder);
    fake.set(|it| {
        it.lines = false;
        it.journal = journal(9, "");
    });
    until(&format!("record 9 is remembered as shown: {}", running.said()), || {
        let kept = std::fs::read_to_string(folder.path().join("state/witness-shown.ndjson")).ok()?;
        kept.contains("\"seq\":9").then_some(())
    });
    running
}

#[test]
fn a_head_that_was_only_shown_is_not_forgotten() {
    for killed in [false, true] {
        let (fake, folder) = (Fake::start(), Folder::new());
        let mut running = shown(&fake, &folder);
        if killed {
            running.kill();
        }
        fake.set(|it| {
            it.lines = true;
            it.journal.truncate(7);
        });
        if killed {
            running = Running::start(&folder, &["--config", "watchdog.toml"], running.port, "watchdog.err");
        }
        let message = alarm(&running, &folder);
        assert!(message.contains("ends at record 7, and had shown record 9"), "{killed}: {message}");
        assert!(message.contains("The last agreed record is 5."), "{killed}: {message}");
        // Released, what is there now is what counts.
        assert_eq!(ended(&["release", "demo"], folder.path()).status.code(), Some(0));
        until_seq(&running, 7);
        running.kill();
        let again = Running::start(&folder, &["--config", "watchdog.toml"], running.port, "watchdog.err");
        fake.set(|it| it.journal = journal(8, ""));
        until_seq(&again, 8);
    }
}

#[test]
fn what_was_shown_and_is_still_there_alarms_nobody() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let mut running = shown(&fake, &folder);
    running.kill();
    let again = Running::start(&folder, &["--config", "watchdog.toml"], running.port, "watchdog.err");
    fake.set(|it| {
        it.lines = true;
        it.journal = journal(12, "");
    });
    let export = until_seq(&again, 12);
    assert_eq!((&export["proved"], &export["shown"]), (&true.into(), &serde_json::Value::Null), "{export}");
    assert!(told(&folder).is_empty());
}

#[test]
fn a_fork_and_a_rewrite_with_valid_chains_are_found() {
    for records in [5, 30] {
        let (fake, folder) = (Fake::start(), Folder::new());
        let running = watched(&fake, &folder);
        fake.set(|it| it.journal = journal(records, "another history"));
        let message = alarm(&running, &folder);
        let wanted = if records == 5 { "forked: record 5" } else { "was rewritten: record 5" };
        assert!(message.contains(wanted) && message.contains("Nothing was agreed before."), "{message}");
    }
}

#[test]
fn another_journal_alarms_until_released_and_the_memory_survives_a_crash() {
    let (fake, folder) = (Fake::start(), Folder::new());
    let mut running = watched(&fake, &folder);
    running.kill();
    fake.set(|it| {
        it.jid = "f".repeat(32);
        it.journal = journal(2, "new");
    });
    let again = Running::start(&folder, &["--config", "watchdog.toml"], running.port, "watchdog.err");
    let message = alarm(&again, &folder);
    assert!(message.contains("another one"), "{message}");
    assert_eq!(ended(&["release", "demo"], folder.path()).status.code(), Some(0));
    until_seq(&again, 2);
    until("its end", || {
        told(&folder).into_iter().find(|(kind, key)| kind.contains("resolve") && key == "demo/witness/1")
    });
}
