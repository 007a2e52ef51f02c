// The session against the recorded dialogues.

import assert from "node:assert/strict";
import test from "node:test";
import { Lost, Refused, Session, TimedOut, Unreadable } from "../dist/index.js";
import { PATIENCE_MS, load, named, plain, play } from "./dialogues.mjs";

const FAILURES = [
  [Lost, "lost"],
  [TimedOut, "timed-out"],
  [Unreadable, "unreadable"],
];

async function outcome(session, step) {
  const method = named({ [step.call]: true });
  const call = Object.keys(method)[0];
  // The content of an event is the bot's own: its names stay.
  const given = step.call === "event" ? step.with : named(step.with ?? {});
  try {
    return told(step.call, await session[call](given));
  } catch (error) {
    if (error instanceof Refused) return { refused: error.code };
    for (const [kind, failed] of FAILURES) if (error instanceof kind) return { failed };
    throw error;
  }
}

function told(call, value) {
  if (value === undefined) return {};
  if (typeof value === "number") return { seq: value };
  if ("sent" in value) return value.sent ? "sent" : { "not sent": value.why };
  if (call !== "order" && call !== "rate") return plain(value);
  const { reasons, permitDeadline: _, ...rest } = value;
  return { ...plain(rest), codes: reasons.map((reason) => reason.code) };
}

function noticed(notice) {
  if (notice.event === "refused") return { refused: notice.code };
  if (notice.event === "other") return { event: notice.name };
  return plain(notice);
}

function expected(step) {
  const result = plain(step.result);
  return step.call === "order" || step.call === "rate" ? { ...result, codes: step.result.codes } : result;
}

for (const [name, dialogue] of Object.entries(load())) {
  if (dialogue.clients !== undefined) continue;
  test(`dialogue ${name}`, async (test) => {
    const { path, ended } = await play(test, structuredClone(dialogue.steps));
    const session = await Session.open(path);
    test.after(() => session.close());
    for (const step of dialogue.steps) {
      assert.ok(await session.waitConnected(PATIENCE_MS));
      if (step.call === "notices") {
        const taken = [];
        for (const _ of step.result) taken.push(noticed(await session.waitNotice(PATIENCE_MS)));
        assert.deepEqual(taken, expected(step));
        assert.equal(session.notice(), undefined);
        continue;
      }
      session.timeoutMs = step.timeout_ms ?? PATIENCE_MS;
      assert.deepEqual(await outcome(session, step), expected(step), JSON.stringify(step));
    }
    session.close();
    await ended;
  });
}
