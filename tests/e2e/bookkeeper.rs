//! A bot that says on the bot socket what a test wants said, and hands back what it is answered; over restarts of itself and of the
//! engine, too.

use crate::system::System;
use serde_json::Value;
use std::fs;

/// Takes `ask-N`, sends it, writes `answer-N`, in order. One that was not answered is said again after a restart.
const BOT: &str = r#"
import json, os, signal, socket, sys, time
stopping = []
# What was asked is answered first: what stops it may come with the answer.
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
folder, number = sys.argv[1], 1
one = socket.socket(socket.AF_UNIX)
one.connect(os.environ["FAILSTOP_SOCKET"])
lines = one.makefile()
while not stopping:
    ask, answer = f"{folder}/ask-{number}", f"{folder}/answer-{number}"
    if os.path.exists(answer):
        number += 1
        continue
    if not os.path.exists(ask):
        time.sleep(0.002)
        continue
    message = json.load(open(ask))
    one.sendall(json.dumps({"id": number, **message}).encode() + b"\n")
    while True:
        line = lines.readline()
        if not line:
            sys.exit(1)
        said = json.loads(line)
        if said.get("id") == number:
            break
    with open(answer + ".new", "w") as out:
        json.dump(said, out)
    os.rename(answer + ".new", answer)
"#;

/// What is configured for the books.
pub const MONEY: &str = concat!(
    "[[asset]]\nname = \"USDT\"\nscale = 2\ntolerance = \"0.05\"\n[[asset]]\nname = \"BTC\"\nscale = 8\n",
    "[[account]]\nname = \"kraken\"\n[[pool]]\nname = \"main\"\n[[pool]]\nname = \"grid\"\nwithin = \"main\"\n",
    "[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n",
    "[[strategy]]\nname = \"grid\"\nstates = [\"idle\", \"holding\"]\ninitial = \"idle\"\n",
    "transitions = [\"idle -> holding\", \"holding -> idle\"]\n",
);

/// A system whose bot says what it is told to.
pub struct Bookkeeper {
    pub system: System,
    asked: u32,
}

impl Bookkeeper {
    /// With this configuration beside the bot's component.
    pub fn new(configuration: &str) -> Self {
        Self::with_head("mode = \"dry\"", configuration)
    }

    /// The same with further lines in `[system]`.
    pub fn with_head(head: &str, configuration: &str) -> Self {
        let system = System::with_head(
            head,
            &format!(
                "[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"bookkeeper.py\", \"DIR\"]\norders = \"asks\"\n\
             backoff = {{ initial = \"10ms\", max = \"50ms\" }}\nstart_limit = {{ starts = 100, within = \"300s\" }}\n{configuration}"
            ),
        );
        fs::write(system.path("bookkeeper.py"), BOT).unwrap();
        Self { system, asked: 0 }
    }

    /// Has the bot say this.
    pub fn ask(&mut self, message: &Value) -> u32 {
        self.asked += 1;
        let path = self.system.path(&format!("ask-{}", self.asked));
        fs::write(path.with_extension("new"), message.to_string()).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
        self.asked
    }

    /// What it was answered.
    #[track_caller]
    pub fn answer(&self, number: u32) -> Value {
        self.system.until(&format!("the answer to {number}"), || self.answered(number))
    }

    /// What it was answered, if it was.
    pub fn answered(&self, number: u32) -> Option<Value> {
        let text = fs::read_to_string(self.system.path(&format!("answer-{number}"))).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Has the bot say this, and what it is answered.
    #[track_caller]
    pub fn say(&mut self, message: &Value) -> Value {
        let number = self.ask(message);
        self.answer(number)
    }

    /// As [`Self::say`], where that has to be taken; the record's number.
    #[track_caller]
    pub fn booked(&mut self, message: &Value) -> u64 {
        let answer = self.say(message);
        assert_eq!(answer["ok"], true, "{message} was answered {answer}");
        answer["seq"].as_u64().unwrap()
    }

    /// Runs a command that has to end with this status; what it printed, errors last.
    #[track_caller]
    pub fn run(&self, command: &str, arguments: &[&str], status: i32) -> String {
        let output = self.system.run(command, arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{command} {arguments:?}: {said}\nlog:\n{}", self.system.log());
        said
    }

    /// The standing halts' causes.
    pub fn causes(&self) -> Vec<String> {
        let status = self.system.status().unwrap();
        status["halts"].as_array().unwrap().iter().map(|halt| halt["cause"].as_str().unwrap().to_owned()).collect()
    }
}
