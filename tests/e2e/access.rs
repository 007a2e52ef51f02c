//! Roles and tokens as people use them: commands over TLS from elsewhere, users of the host at the control socket, a browser that logs
//! in. A real engine, real TLS, and what the journal says afterwards.

use crate::browser::Browser;
use crate::certificates::{Authority, private};
use crate::system::{System, failstop, has_halt};
use crate::users::{self, Users};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};
use std::sync::Arc;

const BOT: &str = "[[component]]\nname = \"bot\"\ncommand = [\"BOT\"]\norders = \"asks\"\n";

/// A system with a control listener, and tokens for a viewer, an admin and a super-admin.
struct Listening {
    system: System,
    url: String,
}

impl Listening {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With this in its configuration besides.
    fn start_with(more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut system = System::new(&format!(
            "{BOT}[control]\nlisten = \"127.0.0.1:{port}\"\ntls_cert = \"host-cert.pem\"\ntls_key = \"host-key.pem\"\n\
             token_file = \"tokens\"\n{more}"
        ));
        let folder = system.path("");
        Authority::make(&folder, "authority").sign_for("host", &["127.0.0.1", "localhost"]);
        Authority::make(&folder, "stranger");
        for (name, role) in [("vera", "viewer"), ("ada", "admin"), ("sue", "super-admin")] {
            let made = system.run("token new", &[name, "--role", role]);
            assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
            let token = String::from_utf8(made.stdout).unwrap();
            assert_eq!(token.trim_end().len(), 81, "a token and nothing else");
            private(&system.path(&format!("{name}.token")), &token);
        }
        system.start();
        system.wait_active();
        Self { system, url: format!("https://127.0.0.1:{port}") }
    }

    /// A command of somebody on another host: no configuration, a token.
    fn afar(&self, name: &str, command: &str, arguments: &[&str]) -> Output {
        self.afar_to(&self.url, "authority", name, command, arguments)
    }

    fn afar_to(&self, url: &str, authority: &str, name: &str, command: &str, arguments: &[&str]) -> Output {
        let elsewhere = tempfile::tempdir().unwrap();
        Command::new(failstop())
            .args(command.split(' '))
            .args(arguments)
            .args(["--url", url, "--token-file"])
            .arg(self.system.path(&format!("{name}.token")))
            .arg("--ca")
            .arg(self.system.path(&format!("{authority}.pem")))
            .current_dir(elsewhere.path())
            .env_remove("FAILSTOP_CONFIG")
            .output()
            .unwrap()
    }

    /// Waits for an incident of this cause.
    #[track_caller]
    fn wait_alert(&self, cause: &str) {
        self.system.until(&format!("the alert {cause}"), || {
            let output = self.system.run("alerts list", &["--format", "json"]);
            let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            list["alerts"].as_array()?.iter().any(|alert| alert["cause"] == cause).then_some(())
        });
    }

    /// The records of controls that were given, and that were refused.
    fn audited(&self) -> Vec<(String, Value)> {
        let records = self.system.records().into_iter();
        let ours =
            records.filter(|record| record["t"].as_str().is_some_and(|kind| kind.starts_with("x.failstop.control")));
        ours.map(|record| (record["t"].as_str().unwrap().to_owned(), record["b"].clone())).collect()
    }
}

#[track_caller]
fn ends(output: &Output, code: i32, says: &str) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(says), "{says:?} is not in: {text}");
}

#[test]
fn commands_from_elsewhere_do_what_their_role_may_and_the_journal_says_who() {
    let mut listening = Listening::start_with(
        "[[emergency.action]]\nname = \"flatten\"\nkind = \"close-positions\"\ncommand = [\"true\"]\n",
    );
    let name = listening.system.name.clone();
    for who in ["vera", "ada", "sue"] {
        ends(&listening.afar(who, "status", &[]), 0, "permission active");
        ends(&listening.afar(who, "alerts list", &[]), 0, "");
        ends(&listening.afar(who, "orders list", &[]), 0, "");
        ends(&listening.afar(who, "ps", &[]), 0, "bot");
        ends(&listening.afar(who, "kill-switch status", &[]), 0, "off");
    }
    let engage = ["--reason", "venue misbehaves"];
    let release = ["--reason", "looked into", "--confirm", &name];
    ends(&listening.afar("vera", "kill-switch engage", &engage), 3, "needs the role admin, and this is viewer");
    assert_eq!(listening.system.status().unwrap()["permission"], "active");
    let engaged = listening.afar("ada", "kill-switch engage", &engage);
    ends(&engaged, 0, "permission shutdown");
    ends(&engaged, 0, "action     flatten: done");
    ends(&engaged, 0, "not done   open orders at the venue stay as they are");
    listening.system.wait_status("the kill switch", |status| has_halt(status, "kill-switch"));
    listening.system.wait_status("its action", |status| status["emergency"]["run"]["finished"].is_string());
    assert!(listening.system.path("state/kill-switch").exists());
    ends(&listening.afar("vera", "kill-switch status", &[]), 1, "venue misbehaves");
    // From elsewhere the answer has the same shape: what is only on the disk here may be missing within a run.
    let json = ["--format", "json"];
    let [near, far] =
        [listening.system.run("kill-switch status", &json), listening.afar("vera", "kill-switch status", &json)]
            .map(|output| serde_json::from_slice::<Value>(&output.stdout).unwrap());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&near), keys(&far));
    assert_eq!(keys(&near["emergency"]), keys(&far["emergency"]));
    let run = &far["emergency"]["run"];
    assert_eq!((&run["actions"][0]["name"], &run["actions"][0]["state"]), (&json!("flatten"), &json!("done")), "{far}");
    for key in keys(run) {
        assert_eq!(run[&key], near["emergency"]["run"][&key], "{key}");
    }
    ends(&listening.afar("ada", "kill-switch release", &release), 1, "needs the role super-admin, and this is admin");
    ends(&listening.afar("sue", "kill-switch release", &["--reason", "r", "--confirm", "another"]), 1, "its name is");
    ends(&listening.afar("sue", "kill-switch release", &release), 0, "kill switch released");
    listening.system.wait_active();
    ends(
        &listening.afar("sue", "maintenance on", &["--for", "5m", "--reason", "a new disk"]),
        0,
        "maintenance is on for 5 min at most",
    );
    listening.system.wait_status("maintenance", |status| has_halt(status, "maintenance"));
    ends(&listening.afar("ada", "maintenance off", &[]), 1, "needs the role super-admin");
    ends(&listening.afar("sue", "maintenance off", &[]), 0, "maintenance is off");
    ends(&listening.afar("ada", "restart", &["bot"]), 0, "bot");
    ends(&listening.afar("ada", "mode dry", &[]), 0, "mode dry is set");
    ends(&listening.afar("ada", "resume", &["--reason", "r", "--confirm", &name]), 1, "needs the role super-admin");

    // Records of what was refused wait for no answer: the last one of them is the last of all.
    listening.system.wait_record(1, "x.failstop.control_forbidden", |body| body["control"] == "resume");
    let told: Vec<(String, Value)> = listening.audited();
    let of = |kind: &str| -> Vec<Value> {
        told.iter()
            .filter(|(one, _)| one == kind)
            .map(|(_, body)| json!([body["control"], body["by"], body["role"]]))
            .collect()
    };
    let given = json!([
        ["emergency stop", "token ada", "admin"],
        ["kill-switch release", "token sue", "super-admin"],
        ["maintenance on", "token sue", "super-admin"],
        ["maintenance off", "token sue", "super-admin"],
        ["component restart", "token ada", "admin"],
        ["mode dry", "token ada", "admin"],
    ]);
    assert_eq!(Value::from(of("x.failstop.control")), given);
    let forbidden = json!([
        ["emergency stop", "token vera", "viewer"],
        ["kill-switch release", "token ada", "admin"],
        ["maintenance off", "token ada", "admin"],
        ["resume", "token ada", "admin"],
    ]);
    assert_eq!(Value::from(of("x.failstop.control_forbidden")), forbidden);
    let first = &told.iter().find(|(kind, _)| kind == "x.failstop.control").unwrap().1;
    assert_eq!((&first["reason"], first["trace_id"].as_str().map(str::len)), (&json!("venue misbehaves"), Some(32)));
    // It stood before what followed from it.
    let records = listening.system.records();
    let at = |kind: &str| records.iter().position(|record| record["t"] == kind && record["b"]["cause"] != "starting");
    assert!(at("x.failstop.control").unwrap() < at("halt.raised").unwrap());
    let engaged = records.iter().find(|record| record["t"] == "halt.raised" && record["b"]["cause"] == "kill-switch");
    assert!(engaged.unwrap().to_string().contains("token ada"), "{engaged:?}");
    // No token ever got there.
    let token = fs::read_to_string(listening.system.path("ada.token")).unwrap();
    let everything = records.iter().map(Value::to_string).collect::<String>() + &listening.system.log();
    assert!(!everything.contains(token.trim()));
    listening.system.stop();
}

#[test]
fn what_is_wrong_with_the_way_or_the_token_is_said_with_the_remedy() {
    let mut listening = Listening::start();
    let url = listening.url.clone();
    let authority = "authority";
    // Somebody else's certificate: the token is not shown.
    ends(&listening.afar_to(&url, "stranger", "ada", "status", &[]), 3, "does not prove that it is that host");
    let output = listening.afar_to(&url, "stranger", "ada", "kill-switch engage", &["--reason", "r"]);
    ends(&output, 3, "name the authority that signed its certificate with --ca");
    let named = url.replace("127.0.0.1", "127.0.0.2");
    ends(&listening.afar_to(&named, authority, "ada", "kill-switch status", &[]), 3, "no engine answers");
    // Plain, with a path, no URL at all.
    let plain = url.replace("https", "http");
    ends(&listening.afar_to(&plain, authority, "ada", "kill-switch status", &[]), 2, "over TLS only");
    let path = format!("{url}/api");
    ends(&listening.afar_to(&path, authority, "ada", "kill-switch status", &[]), 2, "write the host alone");
    ends(&listening.afar_to("nowhere", authority, "ada", "kill-switch status", &[]), 2, "--url nowhere");
    // A token that others may read, that is none, that nobody has.
    let file = listening.system.path("ada.token");
    let token = fs::read_to_string(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    ends(&listening.afar("ada", "kill-switch status", &[]), 2, "may be read or changed by others (mode 0644)");
    private(&file, &token[..70]);
    ends(&listening.afar("ada", "kill-switch status", &[]), 2, "a token is `failstop_`");
    private(&file, &token);
    ends(&listening.system.run("token revoke", &["ada"]), 0, "is revoked");
    ends(
        &listening.afar("ada", "kill-switch engage", &["--reason", "r"]),
        3,
        "this token is not known here: it was revoked",
    );
    ends(&listening.system.run("token revoke", &["ada"]), 1, "there is no token named ada");
    let list = listening.system.run("token list", &[]);
    ends(&list, 0, "vera");
    assert!(list.stderr.is_empty(), "{}", String::from_utf8_lossy(&list.stderr));
    if nix::unistd::geteuid().is_root() {
        // A file that this command can read, and the engine takes no token from.
        let tokens = listening.system.path("tokens");
        std::os::unix::fs::chown(&tokens, Some(51_001), None).unwrap();
        let list = listening.system.run("token list", &[]);
        ends(&list, 0, "vera");
        ends(&list, 0, "the engine takes no token: the token file");
        ends(&listening.system.run("token list", &["--format", "json"]), 0, "who could make himself anything");
        std::os::unix::fs::chown(&tokens, Some(0), None).unwrap();
    }
    ends(&listening.system.run("token new", &["vera", "--role", "admin"]), 1, "this name stands there twice");
    let unproved = listening.system.wait_record(1, "x.failstop.control_unproved", |_| true);
    assert_eq!(unproved["b"]["peer"], "127.0.0.1", "{unproved}");
    let (_, metrics) = listening.system.get("/metrics");
    assert!(metrics.contains("failstop_control_refused_total 1\n"), "{metrics}");
    assert_eq!(listening.system.status().unwrap()["permission"], "active");
    listening.system.stop();
}

#[test]
fn many_who_guess_at_once_are_told_to_people_however_few_the_journal_has() {
    let mut listening = Listening::start_with("[limits]\nsample_every = \"1s\"\n");
    let file = listening.system.path("mallory.token");
    private(&file, &fs::read_to_string(listening.system.path("ada.token")).unwrap());
    ends(&listening.system.run("token revoke", &["ada"]), 0, "is revoked");
    std::thread::scope(|scope| {
        for _ in 0..25 {
            scope.spawn(|| ends(&listening.afar("mallory", "alerts list", &[]), 1, "this token is not known here"));
        }
    });
    listening.system.wait_record(1, "x.failstop.control_unproved", |_| true);
    listening.wait_alert("control-unproved");
    let told = listening.audited();
    assert!(told.iter().filter(|(kind, _)| kind == "x.failstop.control_unproved").count() < 20, "{told:?}");
    listening.system.stop();
}

#[test]
fn a_redirect_is_followed_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let certified = Authority::make(folder.path(), "authority").sign("host", "127.0.0.1");
    let chain = CertificateDer::pem_file_iter(&certified.certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&certified.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (listener, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    let elsewhere = other.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
        let mut seen = Vec::new();
        while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
            let mut piece = [0; 1024];
            let read = stream.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..read]);
        }
        let answer = format!(
            "HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).unwrap();
        stream.flush().unwrap();
    });
    let token = Command::new(failstop())
        .args(["token", "new", "ada", "--role", "admin", "--file"])
        .arg(folder.path().join("tokens"))
        .output()
        .unwrap();
    private(&folder.path().join("token"), &String::from_utf8(token.stdout).unwrap());
    let output = Command::new(failstop())
        .args(["kill-switch", "engage", "--reason", "r", "--url", &url, "--token-file"])
        .arg(folder.path().join("token"))
        .arg("--ca")
        .arg(folder.path().join("authority.pem"))
        .output()
        .unwrap();
    ends(&output, 3, "it leads elsewhere (status 302)");
    server.join().unwrap();
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "somebody came");
}

#[test]
fn users_of_the_host_do_what_their_role_may() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let mut system = System::new(&format!(
        "{BOT}[control]\nviewers = [\"51001\"]\nadmins = [\"@51002\"]\nsuper_admins = [\"51003\"]\n"
    ));
    users::may_read(&system);
    system.start();
    system.wait_active();
    let (users, configuration) = (Users::new(), system.path("failstop.toml"));
    let run = |user: u32, command: &str, arguments: &[&str]| users.run(&configuration, user, command, arguments);
    let name = system.name.clone();
    for user in [51_001, 51_002, 51_003] {
        ends(&run(user, "status", &[]), 0, "permission active");
    }
    ends(&run(51_004, "ps", &[]), 1, "user 51004 may not control this system");
    ends(&run(51_001, "restart", &["bot"]), 1, "needs the role admin, and this is viewer");
    system.wait_record(1, "x.failstop.control_forbidden", |_| true);
    let refused = system.records().iter().filter(|record| record["t"] == "x.failstop.control_refused").count();
    assert_eq!(refused, 1, "one command, one refusal");
    ends(&run(51_002, "restart", &["bot"]), 0, "bot");
    ends(&run(51_002, "mode live", &["--confirm", &name]), 1, "needs the role super-admin, and this is admin");
    ends(&run(51_003, "maintenance on", &["--for", "1m", "--reason", "r"]), 0, "maintenance is on");
    let given = system.wait_record(1, "x.failstop.control", |body| body["control"] == "maintenance on");
    assert_eq!((&given["b"]["by"], &given["b"]["kind"]), (&json!("uid 51003"), &json!("user")), "{given}");
    system.stop();
}

#[test]
fn whoever_changes_the_tokens_leaves_the_file_its_owner_or_leaves_it_alone() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become somebody else");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (program, tokens) = (place.path().join("failstop"), place.path().join("tokens"));
    // By a program of its own: a file that this one still had open for writing while another test forks could not be run.
    assert!(Command::new("cp").arg(failstop()).arg(&program).status().unwrap().success());
    let run = |user: u32, name: &str| {
        let mut command = Command::new(&program);
        command.args(["token", "new", name, "--role", "viewer", "--file"]).arg(&tokens);
        command.current_dir(place.path()).uid(user).gid(51_002).output().unwrap()
    };
    ends(&run(0, "ana"), 0, "");
    std::os::unix::fs::chown(&tokens, Some(51_001), Some(51_002)).unwrap();
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o640)).unwrap();
    let owner = || (fs::metadata(&tokens).unwrap().uid(), fs::metadata(&tokens).unwrap().gid());
    let before = fs::read_to_string(&tokens).unwrap();
    // A member of its group may read it, and cannot make it the other user's again.
    ends(&run(51_003, "bob"), 3, "could not be given to user 51001 and group 51002");
    assert_eq!((owner(), fs::read_to_string(&tokens).unwrap()), ((51_001, 51_002), before));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing is left behind");
    for user in [51_001, 0] {
        ends(&run(user, &format!("of-{user}")), 0, "");
        assert_eq!(owner(), (51_001, 51_002), "by {user}");
    }
}

const WORD: &str = "document.querySelector('.word').innerText.trim().replace(/^\\W+/, '')";

#[test]
fn a_browser_logs_in_sees_what_its_token_may_and_acts() {
    let mut listening = Listening::start();
    let mut browser = Browser::open();
    // The authority is the test's own.
    browser.call("Security.setIgnoreCertificateErrors", &json!({"ignore": true}));
    browser.look(360, 740, "light");
    let log_in = |browser: &mut Browser, token: &str| {
        let fill = format!(
            "(() => {{ document.querySelector('input[name=token]').value = '{}'; document.querySelector('button').click(); return true; }})()",
            token.trim()
        );
        browser.eval(&fill);
    };
    let token = |name: &str| fs::read_to_string(listening.system.path(&format!("{name}.token"))).unwrap();
    browser.go(&format!("{}/", listening.url));
    browser.wait("the form", "location.pathname === '/login' && document.readyState === 'complete' && document.querySelector('input[name=token]') !== null");
    let widths = browser.eval("[document.documentElement.scrollWidth, document.documentElement.clientWidth]");
    assert_eq!(widths[0], widths[1], "it scrolls sideways");
    browser.picture("login");
    log_in(&mut browser, "failstop_0");
    browser.wait("a refusal", "document.querySelector('[role=alert]')?.innerText.includes('a token is')");
    log_in(&mut browser, &token("vera"));
    browser.wait("the page", "location.pathname === '/' && document.querySelector('.word') !== null");
    assert_eq!(browser.eval(WORD), "ACTIVE");
    assert_eq!(browser.eval("document.getElementById('stop')"), Value::Null, "a viewer has no controls");
    assert_eq!(browser.eval("document.cookie"), "", "no script sees the cookie");
    browser
        .wait("the stream", "!document.getElementById('freshness').hidden && document.getElementById('lost').hidden");

    browser.go(&format!("{}/login", listening.url));
    browser.wait("who", "document.body.innerText.includes('token vera') && document.readyState === 'complete'");
    browser.eval("document.querySelector('button').click(); true");
    browser
        .wait("the form", "document.querySelector('input[name=token]') !== null && document.readyState === 'complete'");
    log_in(&mut browser, &token("ada"));
    // Its script too: what is pressed before it is there goes nowhere.
    browser.wait("the controls", "document.getElementById('stop') !== null && document.readyState === 'complete'");
    let give = format!(
        "(() => {{ document.getElementById('arm').open = true; const f = document.querySelector('#stop form').elements; f.reason.value = 'from my phone'; f.confirm.value = '{}'; \
         document.querySelector('button.danger').click(); return true; }})()",
        listening.system.name
    );
    browser.eval(&give);
    browser.wait("the kill switch", &format!("{WORD} === 'SHUTDOWN'"));
    browser.wait("the receipt", "document.querySelector('#stop .outcome').innerText === 'Done.'");
    let given = listening.system.wait_record(1, "x.failstop.control", |_| true);
    assert_eq!((&given["b"]["by"], &given["b"]["reason"]), (&json!("token ada"), &json!("from my phone")), "{given}");
    // Revoked is out, with the next request.
    ends(&listening.system.run("token revoke", &["ada"]), 0, "is revoked");
    browser.go(&format!("{}/", listening.url));
    browser.wait("the form again", "location.pathname === '/login'");
    listening.system.stop();
}

#[test]
fn a_tab_whose_session_is_over_goes_to_the_form_and_is_not_counted_among_those_who_guess() {
    let mut listening = Listening::start();
    let mut browser = Browser::open();
    // The authority is the test's own.
    browser.call("Security.setIgnoreCertificateErrors", &json!({"ignore": true}));
    browser.look(360, 740, "light");
    let form = "location.pathname === '/login' && document.querySelector('input[name=token]') !== null \
                && document.readyState === 'complete'";
    // The session is lost with its engine; the other time its cookie has run out as well.
    for cookie_too in [false, true] {
        browser.go(&format!("{}/", listening.url));
        browser.wait("the form", form);
        let token = fs::read_to_string(listening.system.path("ada.token")).unwrap();
        let fill = format!(
            "(() => {{ document.querySelector('input[name=token]').value = '{}'; document.querySelector('button').click(); return true; }})()",
            token.trim()
        );
        browser.eval(&fill);
        browser.wait("the controls", "document.getElementById('stop') !== null && document.readyState === 'complete'");
        browser.wait(
            "the stream",
            "!document.getElementById('freshness').hidden && document.getElementById('lost').hidden",
        );
        if cookie_too {
            browser.call("Network.clearBrowserCookies", &json!({}));
        }
        listening.system.stop();
        listening.system.start();
        browser.wait("the form again", form);
        let (_, metrics) = listening.system.get("/metrics");
        assert!(metrics.contains("failstop_control_refused_total 0\n"), "{metrics}");
    }
    listening.system.stop();
}
