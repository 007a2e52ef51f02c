//! Snapshots: one that is due before trading begins, one on demand, and one that is not as the journal says.

use crate::bookkeeper::{Bookkeeper, MONEY};
use crate::system::{has_halt, signal, until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn taken(desk: &Bookkeeper) -> Vec<Value> {
    desk.system.records().into_iter().filter(|record| record["t"] == "snapshot.taken").collect()
}

#[test]
fn the_one_that_is_due_comes_before_trading_and_the_day_is_closed_once() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    let first = taken(&desk);
    assert_eq!(first.len(), 1, "{first:#?}");
    let cleared = desk.system.wait_record(1, "halt.cleared", |body| body["cause"] == "starting");
    assert!(first[0]["seq"].as_u64() < cleared["seq"].as_u64(), "{first:#?} {cleared}");
    assert!(first[0]["b"]["day"].is_string());
    let last = serde_json::from_str::<Value>(&desk.system.get("/api/health/last_snapshot").1).unwrap();
    assert_eq!((&last["sha256"], &last["seq"]), (&first[0]["b"]["sha256"], &first[0]["b"]["seq"]), "{last}");
    assert!(last["age_seconds"].as_f64().unwrap() < 3600.0 && last["last_snapshot"].is_string(), "{last}");
    // On demand, by an operator and by the bot.
    let said = desk.run("snapshot take", &["--format", "json"], 0);
    let wanted: Value = serde_json::from_str(&said).unwrap();
    assert!(wanted["day"].is_null() && wanted["seq"].as_u64() > last["seq"].as_u64(), "{wanted}");
    let by_the_bot = desk.booked(&json!({ "type": "snapshot_request", "reason": "before an upgrade" }));
    let named = desk.system.wait_record(by_the_bot, "snapshot.taken", |_| true);
    assert_eq!(named["seq"], by_the_bot);
    let refused = desk.say(&json!({ "type": "snapshot_request" }));
    assert_eq!(refused["code"], "NOT_NOW", "{refused}");
    let listed: Value = serde_json::from_str(&desk.run("snapshot list", &["--format", "json"], 0)).unwrap();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 3, "{listed}");
    let shown = desk.run("snapshot show", &[], 0);
    for section in ["mode and halts", "assets: in accounts, in pools, outside"] {
        assert!(shown.contains(section), "{section}: {shown}");
    }
    // The sums are sha256sum's own.
    let file = desk.system.path("state/snapshots").join(named["b"]["file"].as_str().unwrap());
    let output = std::process::Command::new("sha256sum").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(named["b"]["sha256"].as_str().unwrap()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o440);
    // A restart on the same day closes no day twice.
    assert_eq!(desk.system.stop(), 0);
    desk.system.start();
    desk.system.wait_active();
    assert_eq!(taken(&desk).len(), 3);
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn a_flipped_byte_halts_at_the_start_and_it_is_never_made_again() {
    let mut desk = Bookkeeper::new(MONEY);
    desk.system.start();
    desk.system.wait_active();
    let file = desk.system.path("state/snapshots").join(taken(&desk)[0]["b"]["file"].as_str().unwrap());
    assert_eq!(desk.system.stop(), 0);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&file, &flipped).unwrap();
    let checked = desk.run("check", &["--offline", "--only", "snapshots"], 1);
    assert!(checked.contains("is damaged"), "{checked}");
    assert!(desk.run("snapshot list", &[], 1).contains("is damaged"));
    desk.system.start();
    let status = desk.system.wait_status("the halt", |status| has_halt(status, "integrity"));
    assert_eq!(status["permission"], "observe-only");
    let name = desk.system.name.clone();
    let refused = desk.run("resume", &["--reason", "let us see", "--confirm", &name], 1);
    assert!(refused.contains("is damaged"), "{refused}");
    let wanted = desk.run("snapshot take", &[], 1);
    assert!(wanted.contains("is damaged"), "{wanted}");
    assert_eq!(fs::read(&file).unwrap(), flipped, "it is as it was found");
    // Put back byte for byte, it is believed again.
    fs::write(&file, &whole).unwrap();
    desk.run("resume", &["--reason", "restored from the backup", "--confirm", &name], 0);
    desk.system.wait_active();
    desk.run("snapshot take", &[], 0);
    assert_eq!(desk.system.stop(), 0);
}

#[test]
fn old_ones_go_once_the_journal_says_so() {
    let mut desk = Bookkeeper::new(&format!("{MONEY}[snapshots]\nkeep = 2\n"));
    desk.system.start();
    desk.system.wait_active();
    for _ in 0..3 {
        desk.run("snapshot take", &[], 0);
    }
    let last = desk.system.wait_record(1, "snapshot.retired", |body| body["upto"] == taken(&desk)[1]["b"]["seq"]);
    assert!(last["seq"].as_u64().is_some());
    signal(desk.system.engine_pid(), libc::SIGKILL);
    assert_eq!(desk.system.wait_end(), 7);
    desk.system.start();
    desk.system.wait_active();
    desk.run("snapshot list", &[], 0);
    desk.run("check", &["--offline", "--only", "snapshots"], 0);
    desk.run("snapshot take", &[], 0);
    let left = || fs::read_dir(desk.system.path("state/snapshots")).unwrap().count();
    until(|| format!("two files, {} are left", left()), || (left() == 2).then_some(()));
    assert_eq!(desk.system.stop(), 0);
}
