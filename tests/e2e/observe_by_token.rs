//! An observe address with TLS that wants a token, as those meet it who look from elsewhere: a watchdog with its stream, commands, somebody
//! without a token, and a token that is revoked.

use crate::certificates::private;
use crate::stage::{Setup, Watched};
use crate::system::{alive, failstop};
use std::process::{Command, Output};

/// A stage whose observe address has the control listener's certificate and wants a token of `wd1`, `vera` or `sue`.
fn guarded() -> Watched {
    let target = "interval = \"1s\"\ntimeout = \"2s\"\nsettle = \"1s\"\ntoken = { file = \"wd1.token\" }\n";
    let watched = Watched::prepare(Setup { tls: true, target, ..Setup::default() });
    let listen = format!("[observe]\nlisten = \"{}\"\n", watched.observe);
    let own = "tls_cert = \"control-cert.pem\"\ntls_key = \"control-key.pem\"\nrequire_token = true\n";
    let keys = "keys = [\"wd1.key\"]\n";
    let text = watched.said("failstop.toml").replace(&listen, &format!("{listen}{own}"));
    watched.write("failstop.toml", &text.replace(keys, &format!("{keys}token_file = \"tokens\"\n")));
    let plain = format!("http://{}/health", watched.observe);
    let text = watched.said("watchdog.toml").replace(&plain, &plain.replace("http:", "https:"));
    watched.write("watchdog.toml", &text);
    for (name, role) in [("wd1", "viewer"), ("vera", "viewer"), ("sue", "super-admin")] {
        give(&watched, name, role);
    }
    watched.run_all()
}

/// A new token in somebody's file.
fn give(watched: &Watched, name: &str, role: &str) {
    let made = watched.system.run("token new", &[name, "--role", role]);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    private(&watched.system.path(&format!("{name}.token")), &String::from_utf8(made.stdout).unwrap());
}

/// A command of somebody elsewhere, who knows the address and the authority.
fn afar(watched: &Watched, command: &str, more: &[&str]) -> Output {
    Command::new(failstop())
        .args(command.split(' '))
        .args(["--url", &format!("https://{}", watched.observe), "--ca", "authority.pem"])
        .args(more)
        .current_dir(watched.system.path(""))
        .env_remove("FAILSTOP_CONFIG")
        .output()
        .unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32, says: &str) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(says), "{says:?} is not in: {text}");
}

#[test]
fn who_carries_a_token_looks_and_nobody_else() {
    // That it runs at all: the watchdog has its health and its stream of beats by its token.
    let watched = guarded();
    let status = watched.system.status().unwrap();
    assert_eq!(status["observe"], format!("https://{}", watched.observe));
    ends(&afar(&watched, "status", &["--token-file", "vera.token"]), 0, "permission active");
    ends(&afar(&watched, "status", &[]), 3, "wants a token of the role viewer or more");
    // A super-admin's token opens no more here than a viewer's.
    let engage = ["--reason", "r", "--token-file", "sue.token"];
    assert_ne!(afar(&watched, "kill-switch engage", &engage).status.code(), Some(0));
    assert_eq!(watched.system.status().unwrap()["permission"], "active");
    let records = watched.system.records().into_iter();
    let refused: Vec<_> = records.filter(|record| record["t"] == "x.failstop.control_unproved").collect();
    assert_eq!(refused.len(), 1, "the one without: {refused:#?}");

    // Revoked, the watchdog sees nothing any more, neither asked nor told; with its line back it does again.
    let (known, engine) = (watched.said("tokens"), watched.system.engine_pid());
    ends(&watched.system.run("token revoke", &["wd1"]), 0, "");
    let told = watched
        .told("it is not let in", |posted| posted.text("cause") == "target-down" && posted.change() == "trigger");
    assert!(told.text("root_cause").starts_with("access: HTTP 401"), "{told:#?}");
    assert!(told.text("recommended_action").contains("see to the token"), "{told:#?}");
    private(&watched.system.path("tokens"), &known);
    watched.told("it is let in again", |posted| posted.text("cause") == "target-down" && posted.change() == "resolve");
    assert!(alive(engine) && watched.epoch() == Some(1), "nothing is restarted for a token");
}
