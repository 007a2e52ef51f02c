//! `failstop verify-data` on journals that the library wrote: checkpoints, witnesses, check-ins.

use crate::folder::{Folder, contents};
use failstop_journal::{Disk, Importance, Journal, Settings, Wall, recover};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

/// A journal of a few segments, still open.
fn journal(folder: &Folder, records: usize) -> Journal<Disk> {
    let mut settings = Settings::new(folder.name.as_str(), "boot", "test");
    (settings.ballast_bytes, settings.roll_bytes) = (0, 4_000);
    let recovered = recover(Disk::new(folder.path("state")), settings, None).unwrap();
    let epoch = recovered.last_epoch() + 1;
    let mut journal = recovered.start(epoch, Wall::now()).unwrap();
    write(&mut journal, records);
    journal
}

fn write(journal: &mut Journal<Disk>, records: usize) {
    for number in 0..records {
        journal.stage(Wall::now(), "x.note", &format!("{{\"n\":{number}}}"), Importance::Ordinary).unwrap();
        journal.commit().unwrap();
    }
}

fn report(folder: &Folder, status: i32, arguments: &[&str]) -> Value {
    let mut all = vec!["verify-data", "--format", "json"];
    all.extend(arguments);
    serde_json::from_str(&folder.run(&all).ends(status).out).unwrap()
}

#[test]
fn a_checkpoint_is_written_used_and_renewed() {
    let folder = Folder::with_system();
    let mut journal = journal(&folder, 40);
    // The first run of a cron job finds none, and is silent.
    let since = ["verify-data", "--since-checkpoint", "v.ckpt", "--checkpoint", "v.ckpt"];
    let quiet = [since.as_slice(), &["--quiet", "--threads", "2"]].concat();
    let first = folder.run(&quiet).ends(0).quiet();
    assert_eq!(first.out, "");
    let checkpoint = contents(&folder.path("v.ckpt"));
    assert!(checkpoint.starts_with(b"failstop-checkpoint/1\n"));
    write(&mut journal, 7);
    let said = folder.run(&since).ends(0).quiet().out;
    assert!(said.contains("since the checkpoint: seq ") && said.contains("old segment"), "{said}");
    assert_ne!(contents(&folder.path("v.ckpt")), checkpoint);
    // Without --checkpoint nothing is written.
    let before = contents(&folder.path("v.ckpt"));
    let json = report(&folder, 0, &["--since-checkpoint", "v.ckpt"]);
    assert!(json["records"].as_u64() < Some(60) && json["since"]["seq"].is_u64(), "{json}");
    assert_eq!(contents(&folder.path("v.ckpt")), before);
    assert_eq!(std::fs::read_dir(folder.path("state")).unwrap().count(), 2, "journal and torn, nothing else");
}

#[test]
fn a_bad_checkpoint_is_refused_in_words_and_everything_is_verified() {
    let folder = Folder::with_system();
    journal(&folder, 10);
    folder.write("v.ckpt", "failstop-checkpoint/1\nwhatever\n");
    let ran = folder.run(&["verify-data", "--since-checkpoint", "v.ckpt", "--quiet"]).ends(0);
    assert!(ran.out.is_empty() && ran.err.contains("v.ckpt is refused: it was changed or cut"), "{}", ran.err);
    let json = report(&folder, 0, &["--since-checkpoint", "v.ckpt"]);
    assert_eq!((json["since"].clone(), json["records"].as_u64()), (Value::Null, Some(11)));
    let missing = report(&folder, 0, &["--since-checkpoint", "typo.ckpt"]);
    assert!(missing["notes"][0].as_str().unwrap().contains("typo.ckpt"), "{missing}");
    // Nor is a broken journal trusted.
    let segment = folder.path("state/journal/j-0000000000000001.ndjson");
    let mut bytes = contents(&segment);
    bytes[900] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    report(&folder, 1, &["--checkpoint", "new.ckpt"]);
    assert!(!folder.path("new.ckpt").exists());
}

#[test]
fn a_witness_that_remembers_otherwise_is_a_violation() {
    let folder = Folder::with_system();
    journal(&folder, 10);
    let whole = report(&folder, 0, &[]);
    let memory = |seq: u64, head: &Value| {
        json!({"format": "failstop-witness/1", "witness": "wd1", "origin": folder.name, "jid": whole["jid"], "seq": seq,
            "head": head, "at": "2026-11-10T01:33:07Z", "proved": true, "shown": null, "alarm": null, "store_head": "",
            "points": [{"seq": seq, "head": head, "at": "2026-11-10T01:33:07Z"}]})
        .to_string()
    };
    let head = &whole["head"];
    folder.write("witness.json", &memory(head["seq"].as_u64().unwrap(), &head["hash"]));
    let agreed = folder.run(&["verify-data", "--witness", "witness.json"]).ends(0).quiet().out;
    assert!(agreed.contains("witness wd1: agrees on 1 record"), "{agreed}");
    folder.write("witness.json", &memory(head["seq"].as_u64().unwrap() + 3, &head["hash"]));
    let rolled = report(&folder, 1, &["--witness", "witness.json"]);
    assert_eq!(rolled["violations"][0]["class"], "rollback", "{rolled}");
    folder.write("witness.json", &memory(4, &head["hash"]));
    let rewritten = folder.run(&["verify-data", "--witness", "witness.json", "--quiet"]).ends(1).out;
    assert!(rewritten.contains("rewrite") && rewritten.contains("seq 4"), "{rewritten}");
    // What was asked for and cannot be had is no "intact".
    let ran = folder.run(&["verify-data", "--quiet", "--witness", "nowhere.json"]).ends(3);
    assert!(ran.err.contains("what the witness remembers is not to be had"), "{}", ran.err);
}

/// What came: the path, and the body.
type Posted = (String, String);

/// A stand-in for a watchdog's address, which answers so many requests with this.
fn address(answer: &'static str, requests: usize) -> (String, mpsc::Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (posted, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            posted.send((path, String::from_utf8(body).unwrap())).unwrap();
        }
    });
    (url, receiver)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nOK\n";

#[test]
fn check_ins_say_begin_and_end_with_status_and_words() {
    let folder = Folder::with_system();
    journal(&folder, 10);
    let (url, posted) = address(OK, 4);
    let url = format!("{url}/ping/nightly?token=secret");
    let next = || posted.recv_timeout(Duration::from_secs(30)).unwrap();
    let ran = folder.run(&["verify-data", "--quiet", "--check-in", &url]).ends(0).quiet();
    assert_eq!(ran.out, "");
    assert_eq!(next(), ("/ping/nightly/start?token=secret".to_owned(), String::new()));
    let (path, body) = next();
    assert_eq!(path, "/ping/nightly/0?token=secret");
    assert!(body.starts_with("intact: 11 records"), "{body}");
    let ran = folder.run(&["verify-data", "--quiet", "--check-in", &url, "--state", "nowhere"]).ends(3);
    assert!(ran.err.contains("no journal at nowhere/journal"), "{}", ran.err);
    assert_eq!(next().0, "/ping/nightly/start?token=secret");
    let (path, body) = next();
    assert_eq!(path, "/ping/nightly/3?token=secret");
    assert!(body.contains("no journal at nowhere/journal"), "{body}");
}

#[test]
fn a_check_in_that_is_not_taken_is_said_and_changes_no_verdict() {
    let folder = Folder::with_system();
    journal(&folder, 3);
    let refusal = "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\nconnection: close\r\n\r\nno such";
    let (url, posted) = address(refusal, 2);
    let ran = folder.run(&["verify-data", "--quiet", "--check-in", &format!("{url}/ping/x?token=secret")]).ends(0);
    assert_eq!(ran.err.matches("was not delivered: HTTP 404 no such").count(), 2, "{}", ran.err);
    assert!(!ran.err.contains("secret"), "{}", ran.err);
    assert_eq!(posted.iter().take(2).count(), 2);
    // Somebody else's address is never gone to.
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (url, posted) = address(moved, 1);
    let ran = folder.run(&["verify-data", "--witness", &format!("{url}/witness/demo")]).ends(3);
    assert!(ran.err.contains("redirects are not followed"), "{}", ran.err);
    assert_eq!(posted.recv_timeout(Duration::from_secs(30)).unwrap().0, "/witness/demo");
    folder.run(&["verify-data", "--check-in", "nightly"]).ends(2);
}

#[test]
fn the_crontab_lines_as_a_user_copies_them() {
    let folder = Folder::with_system();
    let mut journal = journal(&folder, 10);
    let whole = report(&folder, 0, &[]);
    let seq = whole["head"]["seq"].clone();
    let memory = json!({"format": "failstop-witness/1", "witness": "wd1", "origin": folder.name, "jid": whole["jid"],
        "points": [{"seq": seq, "head": whole["head"]["hash"], "at": "then"}], "alarm": null});
    folder.write("memory.json", &memory.to_string());
    std::fs::create_dir(folder.path("kept")).unwrap();
    let crontab = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cron/verify-data");
    let text = std::fs::read_to_string(crontab).unwrap();
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/cron.md")).unwrap();
    let jobs: Vec<&str> = text.lines().filter(|line| line.contains("  failstop  ")).collect();
    assert_eq!(jobs.len(), 2);
    // As cron does it: by a shell, with nothing but the file's own variables.
    let run = |job: &str, url: &str| {
        assert!(guide.contains(job), "the guide and the example differ: {job}");
        let fields: Vec<&str> = job.splitn(7, [' ']).collect();
        assert_eq!(fields[..5].iter().filter(|field| !field.is_empty()).count(), 5, "{job}");
        let command = job.split("  failstop  ").nth(1).unwrap();
        let binary = assert_cmd::cargo::cargo_bin("failstop");
        let command = command
            .replacen("failstop ", &format!("{} ", binary.display()), 1)
            .replace("/etc/failstop/demo.toml", "failstop.toml")
            .replace("/var/lib/failstop-verify/", "kept/")
            .replace("https://watch.example.com:8081/witness/demo", "memory.json")
            .replace("https://watch.example.com:8081", url);
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", &command]).env_clear().env("SHELL", "/bin/sh").current_dir(folder.path(""));
        crate::folder::Ran::of(shell.stdin(std::process::Stdio::null()).output().unwrap())
    };
    for job in &jobs {
        let (url, posted) = address(OK, 4);
        for _ in 0..2 {
            let ran = run(job, &url).ends(0).quiet();
            assert_eq!(ran.out, "", "silent on success: {job}");
            write(&mut journal, 3);
        }
        let paths: Vec<String> = posted.iter().take(4).map(|(path, _)| path).collect();
        assert!(paths.iter().all(|path| path.starts_with("/ping/")), "{paths:?}");
        assert_eq!(paths.iter().filter(|path| path.ends_with("/0")).count(), 2, "{paths:?}");
    }
    drop(journal);
    let segment = folder.path("state/journal/j-0000000000000001.ndjson");
    let mut bytes = contents(&segment);
    bytes[900] ^= 1;
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, bytes).unwrap();
    for job in &jobs {
        let (url, posted) = address(OK, 2);
        let ran = run(job, &url).ends(1);
        assert!(ran.out.starts_with("violated: ") && ran.out.lines().count() <= 24, "{}", ran.out);
        let (path, body) = posted.iter().nth(1).unwrap();
        assert!(path.ends_with("/1") && body == ran.out, "{path} {body}");
    }
}
