//! A real browser without a window, driven over the pipe that it offers for that: no port, and no library between.

use crate::system::PATIENCE;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A browser with one page. Ends with this value.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    session: Option<String>,
    /// What the page did by itself since it was opened.
    seen: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens one.
    pub fn open() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It reads from descriptor 3 and writes to 4, each message ended by a zero.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null", "chromium"])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--no-proxy-server", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-extensions"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let (tell, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if tell.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self { process, to, from, next: 1, session: None, seen: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// One order, and its answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.order(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// One order, and its answer or what the browser says against it.
    #[track_caller]
    fn order(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        let id = self.next;
        self.next += 1;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            match self.from.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(answer) if answer["id"] == id => {
                    return match answer.get("error") {
                        Some(error) => Err(error.clone()),
                        None => Ok(answer["result"].clone()),
                    };
                }
                Ok(event) => self.seen.push(event),
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!(
                        "{method}: the browser is gone; is the Debian package chromium there? `cargo xtask setup` installs it"
                    )
                }
            }
        }
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait("the page", "document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// What an expression is on the page.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        self.evaluated(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    #[track_caller]
    fn evaluated(&mut self, expression: &str) -> Result<Value, Value> {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.order("Runtime.evaluate", &asked)?;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// What an expression is on a page that asks for itself anew again and again: on the first document that is whole, and all of
    /// it on that one.
    #[track_caller]
    pub fn eval_on_one_document(&mut self, expression: &str) -> Value {
        let whole = format!("document.readyState === 'complete' ? {{ of: ({expression}) }} : null");
        let end = Instant::now() + PATIENCE;
        loop {
            match self.evaluated(&whole) {
                Ok(seen) if seen.is_object() => return seen["of"].clone(),
                Ok(_) => {}
                // It went away for its successor meanwhile.
                Err(error) => assert!(Instant::now() < end, "{expression}: {error}"),
            }
            assert!(Instant::now() < end, "no whole document for {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an expression holds on the page.
    #[track_caller]
    pub fn wait(&mut self, what: &str, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.eval(expression) != true {
            if Instant::now() >= end {
                let text = self.eval("document.body ? document.body.innerText : ''");
                panic!("waited in vain for {what}: {expression}\n{}", text.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How large the window is, in its own pixels, and how bright the world.
    pub fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &scheme);
    }

    /// A picture of the whole page into the folder that `FAILSTOP_SCREENSHOTS` names; without one, nothing.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("FAILSTOP_SCREENSHOTS") else { return };
        let data = self.call("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": true}));
        let bytes = unbase64(data["data"].as_str().unwrap());
        fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// Everything that the page asked for so far: its own origin and nothing else, and nothing went wrong in it. `expected`: what
    /// may be complained of, since the test brought it about.
    #[track_caller]
    pub fn did_well(&mut self, origin: &str, expected: &[&str]) {
        // Whatever it did before is told before this answer.
        self.eval("1");
        let allowed = |url: &str| {
            let url = url.replace("ws://", "http://");
            url.starts_with(&format!("{origin}/")) || url.starts_with("about:") || url.starts_with("data:")
        };
        for event in &self.seen {
            let (method, what) = (event["method"].as_str().unwrap_or_default(), &event["params"]);
            let url = match method {
                "Network.requestWillBeSent" => &what["request"]["url"],
                "Network.webSocketCreated" => &what["url"],
                _ => &Value::Null,
            };
            if let Some(url) = url.as_str() {
                assert!(allowed(url), "another origin was asked: {url}");
            }
            let complaint = match method {
                "Runtime.exceptionThrown" => what["exceptionDetails"].to_string(),
                "Log.entryAdded" if what["entry"]["level"] == "error" => what["entry"].to_string(),
                "Runtime.consoleAPICalled" if what["type"] == "error" => what["args"].to_string(),
                _ => continue,
            };
            assert!(expected.iter().any(|expected| complaint.contains(expected)), "the console says: {complaint}");
        }
    }

    /// How many of these events there were.
    pub fn count(&mut self, method: &str) -> usize {
        self.eval("1");
        self.seen.iter().filter(|event| event["method"] == method).count()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for chunk in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits =
            chunk.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(digit(*byte)) << (18 - 6 * at));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    bytes
}
