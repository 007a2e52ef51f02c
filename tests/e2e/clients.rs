//! The Python and the Node client as components: they hear who they are, record, trade on paper while the engine renews, and are
//! denied by the clock alone when it does not.

use crate::system::{System, signal, until};
use std::path::{Path, PathBuf};

const PYTHON: &str = r#"
import sys, time
import failstop

permit, session = failstop.Permit.from_env(strict=True), failstop.Session.from_env()
me = session.hello("e2e", failstop.__version__)
assert me.component == "bot" and me.slot == permit.slot and me.epoch == permit.epoch, me
session.event("x.started", {"by": "python"})
said, beats = None, 0
while True:
    verdict = permit.may_open()
    word = verdict.denial.name if verdict.denial else "live" if verdict.live else "paper"
    if word != said:
        said = word
        with open(sys.argv[1], "a") as out:
            out.write(word + "\n")
    beats += 1
    session.heartbeat(beats)
    time.sleep(0.01)
"#;

const NODE: &str = r#"
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
const { Permit, Session } = await import(process.argv[3]);

const permit = Permit.fromEnv({ strict: true });
const session = await Session.fromEnv();
const me = await session.hello({ client: "e2e", version: "1" });
assert.deepEqual([me.component, me.slot, BigInt(me.epoch)], ["bot", permit.slot, permit.epoch]);
await session.event({ name: "x.started", data: { by: "node" } });
let said;
for (let beats = 1; ; beats += 1) {
  const verdict = permit.mayOpen();
  const word = verdict.denial ?? (verdict.live ? "live" : "paper");
  if (word !== said) {
    said = word;
    appendFileSync(process.argv[2], `${word}\n`);
  }
  session.heartbeat({ progress: beats });
  await setTimeout(10);
}
"#;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Waits until the bot's latest word is this one.
#[track_caller]
fn wait_word(system: &System, wanted: &str) {
    let words = || std::fs::read_to_string(system.path("words")).unwrap_or_default();
    let missing = || format!("{wanted}, said so far: {}; log:\n{}", words(), system.log());
    until(missing, || (words().lines().last() == Some(wanted)).then_some(()));
}

fn through(mut system: System, language: &str) {
    system.start();
    system.wait_active();
    system.wait_record(1, "x.started", |body| body["by"] == language);
    wait_word(&system, "paper");
    let engine = system.engine_pid();
    signal(engine, libc::SIGSTOP);
    wait_word(&system, "EXPIRED");
    signal(engine, libc::SIGCONT);
    wait_word(&system, "paper");
    assert_eq!(system.stop(), 0);
}

#[test]
fn a_python_bot_is_denied_when_the_engine_does_not_renew() {
    let source = root().join("clients/python/src");
    let system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"python3\", \"DIR/bot.py\", \"DIR/words\"]\norders = \"asks\"\n\
         liveness = {{ heartbeat = \"30s\" }}\nenv = {{ PYTHONPATH = {source:?} }}\n",
    ));
    std::fs::write(system.path("bot.py"), PYTHON).unwrap();
    through(system, "python");
}

#[test]
fn a_node_bot_is_denied_when_the_engine_does_not_renew() {
    let built: PathBuf = root().join("clients/node/dist/index.js");
    if !built.exists() {
        // `cargo xtask test` builds it before; whoever asks for this test alone may not have npm.
        assert!(std::env::var_os("FAILSTOP_NODE_CLIENT").is_none(), "{} is not there", built.display());
        eprintln!(
            "skipped: the Node client is not built (`npm --prefix clients/node ci && npm --prefix clients/node run build`)"
        );
        return;
    }
    let system = System::new(&format!(
        "[[component]]\nname = \"bot\"\ncommand = [\"node\", \"DIR/bot.mjs\", \"DIR/words\", {built:?}]\norders = \"asks\"\n\
         liveness = {{ heartbeat = \"30s\" }}\n",
    ));
    std::fs::write(system.path("bot.mjs"), NODE).unwrap();
    through(system, "node");
}
