//! A journal that somebody with the engine's rights rewrote or cut, with a chain that is valid: nothing on its host can tell.
//! The watchdog does, and names the last record on which both agree.

use crate::stage::{SECOND, Setup, Watched, is};
use failstop_journal::Head;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bot that reports a fill at each of its starts.
const TRADER: &str = concat!(
    "[[component]]\nname = \"bot\"\norders = \"asks\"\nstop_grace = \"1s\"\n",
    "command = [\"BOT\", \"append\", \"DIRstarts\", \"send\", '",
    r#"{"type":"event","id":1,"name":"x.fill","data":{"price":"100.00"}}"#,
    "']\n"
);

/// The segments of a journal, oldest first.
fn segments(journal: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    files
}

/// The value of a member that is a string, in a line of a journal.
fn member<'a>(line: &'a str, name: &str) -> &'a str {
    let from = line.find(&format!("\"{name}\":\"")).unwrap() + name.len() + 4;
    line[from..].split('"').next().unwrap()
}

/// Writes a journal anew by its documented format: each line is what `change` makes of it, `None` ends the journal before it. The
/// chain is computed anew, over the seams of segments too, and so is the list of their sums.
fn forge(journal: &Path, mut change: impl FnMut(&str) -> Option<String>) {
    let mut head: Option<Head> = None;
    let mut ended = false;
    let mut kept = Vec::new();
    for file in segments(journal) {
        if ended {
            fs::remove_file(&file).unwrap();
            continue;
        }
        let (old, mut new) = (fs::read_to_string(&file).unwrap(), String::new());
        for line in old.lines() {
            let Some(mut changed) = change(line) else {
                ended = true;
                break;
            };
            if changed.contains("\"t\":\"seg.open\"") {
                let prev = member(&changed, "prev").to_owned();
                match head {
                    Some(head) => changed = changed.replace(&prev, head.as_str()),
                    None => head = Head::from_hex(prev.as_bytes()),
                }
            }
            let body = changed.rsplit_once(",\"h\":\"").unwrap().0;
            let next = head.unwrap().next(body.as_bytes());
            new.push_str(&format!("{body},\"h\":\"{next}\"}}\n"));
            head = Some(next);
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(&file, new).unwrap();
        kept.push(file.file_name().unwrap().to_str().unwrap().to_owned());
    }
    // A line for every segment that has a successor.
    kept.pop();
    let sums = journal.join("SHA256SUMS");
    let mut text = Vec::new();
    if !kept.is_empty() {
        let summed = Command::new("sha256sum").args(&kept).current_dir(journal).stdin(Stdio::null()).output().unwrap();
        assert!(summed.status.success());
        text = summed.stdout;
    }
    if sums.exists() {
        fs::write(&sums, text).unwrap();
    }
}

/// Two lives of an engine, proved by the watchdog, and the engine stopped. The journal has a segment for each life.
fn two_lives() -> Watched {
    let mut watched = Watched::prepare(Setup { components: TRADER, target: SECOND, ..Setup::default() }).run_all();
    watched.until_proved();
    assert_eq!(watched.system.stop(), 0);
    watched.system.start();
    watched.system.wait_active();
    watched.system.wait_record(1, "x.fill", |_| true);
    watched.until_proved();
    assert_eq!(watched.system.stop(), 0);
    assert!(watched.receiver.taken("witness").is_empty(), "{:?}", watched.receiver.posted());
    watched
}

/// The records that the watchdog remembers.
fn points(watched: &Watched) -> Vec<u64> {
    let remembered = watched.get(&format!("/witness/{}", watched.system.name)).unwrap();
    remembered["points"].as_array().unwrap().iter().map(|point| point["seq"].as_u64().unwrap()).collect()
}

/// Nothing on the host sees what was done; the watchdog does, once the engine runs again.
#[track_caller]
fn found(watched: &mut Watched, first_changed: u64) {
    let agreed = points(watched).into_iter().filter(|seq| *seq < first_changed).max().unwrap();
    // Whoever changes the state changes all of it.
    fs::remove_dir_all(watched.system.path("run")).unwrap();
    let verified = watched.system.run("verify-data", &[]);
    assert_eq!(verified.status.code(), Some(0), "the forgery is a valid journal: {verified:?}");
    // Whoever asks the witness is told where the other past begins.
    let url = format!("http://127.0.0.1:{}/witness/{}", watched.port, watched.system.name);
    let compared = watched.system.run("verify-data", &["--witness", &url, "--format", "json"]);
    assert_eq!(compared.status.code(), Some(1), "{}", String::from_utf8_lossy(&compared.stderr));
    let report: serde_json::Value = serde_json::from_slice(&compared.stdout).unwrap();
    let found = &report["violations"][0];
    assert!(found["class"] == "rewrite" || found["class"] == "rollback", "{report}");
    assert!(found["seq"].as_u64().unwrap() >= first_changed, "{report}");
    assert!(found["detail"].as_str().unwrap().ends_with(&format!("both agree is {agreed}")), "not {agreed}: {report}");
    watched.system.start();
    let alarm = watched.told("the alarm", |posted| is(posted, "witness", "trigger"));
    assert_eq!(alarm.text("severity"), "critical");
    let message = alarm.text("message");
    assert!(message.contains(&format!("The last agreed record is {agreed}.")), "not {agreed}: {message}");
    // Whatever it is, it is not restarted.
    watched.kill_engine();
    watched.until("the refusal to restart it", || {
        watched.said(crate::stage::WATCHDOG).contains("not restarted: its journal is not the one")
    });
}

#[test]
fn a_rewritten_journal_is_critical_and_names_the_last_agreed_record() {
    let mut watched = two_lives();
    let fills = watched.system.records().into_iter().filter(|record| record["t"] == "x.fill");
    let changed = fills.map(|record| record["seq"].as_u64().unwrap()).max().unwrap();
    let start = format!("{{\"seq\":{changed},");
    forge(&watched.system.path("state/journal"), |line| {
        Some(if line.starts_with(&start) { line.replace("100.00", "900.00") } else { line.to_owned() })
    });
    let rewritten = watched.system.records();
    assert!(rewritten.iter().any(|record| record["b"].to_string().contains("900.00")), "{rewritten:#?}");
    found(&mut watched, changed);
}

#[test]
fn a_truncated_journal_is_critical_and_names_the_last_agreed_record() {
    let mut watched = two_lives();
    let last = *points(&watched).last().unwrap();
    // Whole records off its end, below what was agreed on.
    let cut = last - 2;
    let start = format!("{{\"seq\":{cut},");
    forge(&watched.system.path("state/journal"), |line| (!line.starts_with(&start)).then(|| line.to_owned()));
    assert_eq!(watched.head(), Some(cut - 1));
    found(&mut watched, cut);
}
