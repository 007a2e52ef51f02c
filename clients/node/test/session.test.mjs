// The session where things go wrong: no engine, one that is stuck, many requests, nonsense.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { setTimeout } from "node:timers/promises";
import {
  InvalidMessage,
  Lost,
  MAX_ANSWER,
  MAX_NOTICES,
  NotConnected,
  NotUnderFailstop,
  Session,
  TimedOut,
} from "../dist/index.js";
import { encode, event } from "../dist/messages.js";
import { notice, parse, refused } from "../dist/answers.js";
import { PATIENCE_MS, folder, lines, listen } from "./dialogues.mjs";

const ORDER = { clientId: "c", instrument: "i", side: "buy", quantity: "1", account: "a" };

/** Answers every request that has an id. */
function echo(socket) {
  (async () => {
    for await (const line of lines(socket)) {
      const said = JSON.parse(line);
      if (said.id !== undefined) socket.write(`${JSON.stringify({ id: said.id, ok: true, seq: said.data?.n ?? 0, said })}\n`);
    }
  })().catch(() => {});
}

async function opened(test, path, options) {
  const session = await Session.open(path, options);
  test.after(() => session.close());
  return session;
}

test("without an engine everything is refused with the reason", async (test) => {
  const path = join(folder(test), "bot.sock");
  const session = await opened(test, path);
  const sent = session.heartbeat({ progress: 1 });
  assert.equal(sent.sent, false);
  assert.ok(sent.why.includes(path), sent.why);
  const decision = await session.order(ORDER);
  assert.deepEqual([decision.allow, decision.live, decision.reasons[0].code], [false, false, "OFFLINE"]);
  assert.equal(decision.mayBeRecorded, false);
  assert.equal((await session.rate({ bucket: "telegram" })).reasons[0].code, "OFFLINE");
  await assert.rejects(session.permission(), NotConnected);
  await assert.rejects(session.event({ name: "x.a" }), NotConnected);
  await assert.rejects(session.hello({ client: "a", version: "1" }), NotConnected);
  assert.equal(session.connected, false);
  assert.equal(session.notice(), undefined);
  assert.equal(await session.waitNotice(1), undefined);
  assert.equal(await session.waitConnected(1), false);
});

test("not under failstop", async () => {
  assert.equal(process.env.FAILSTOP_SOCKET, undefined);
  await assert.rejects(Session.fromEnv(), NotUnderFailstop);
});

test("an engine that goes and comes again is found, and hears hello again", async (test) => {
  let greeted = () => {};
  const engine = await listen(test, (socket) => {
    (async () => {
      for await (const line of lines(socket)) if (JSON.parse(line).type === "hello") greeted(JSON.parse(line));
    })().catch(() => {});
    socket.write('{"event":"permission","permission":"active","mode":"dry","halts":[]}\n');
  });
  const nextGreeting = () =>
    new Promise((heard) => {
      greeted = heard;
    });
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  assert.equal((await session.waitNotice(PATIENCE_MS)).event, "permission");
  const first = nextGreeting();
  const lost = assert.rejects(session.hello({ client: "bot", version: "1" }), Lost);
  assert.equal((await first).id, 1);
  const second = nextGreeting();
  const gone = new Promise((done) => session.once("disconnected", done));
  for (const socket of engine.sockets) socket.destroy();
  assert.match(await gone, /broke/);
  await lost;
  assert.deepEqual(await second, { type: "hello", client: "bot", version: "1" });
  assert.equal((await session.waitNotice(PATIENCE_MS)).event, "permission");
});

test("whoever is turned away hears why and does not rush back", async (test) => {
  let came = 0;
  const engine = await listen(test, (socket) => {
    came += 1;
    socket.end('{"ok":false,"code":"TOO_MANY_CONNECTIONS","error":"close some"}\n');
  });
  const session = await opened(test, engine.path);
  assert.equal((await session.waitNotice(PATIENCE_MS)).event, "refused");
  while (session.connected) await new Promise((done) => session.once("disconnected", done));
  assert.match(session.heartbeat().why, /close some/);
  // Three at most with pauses of 75 ms and more that double; hundreds without. A slow machine makes it fewer.
  came = 0;
  await setTimeout(300);
  assert.ok(came <= 3, `${came} connections in 300 ms`);
});

test("closed is closed", async (test) => {
  const engine = await listen(test, echo);
  const session = await opened(test, engine.path);
  assert.equal(session.heartbeat().sent, true);
  const noticed = session.waitNotice(10 * PATIENCE_MS);
  session.close();
  session.close();
  assert.equal(await Promise.race([noticed, setTimeout(PATIENCE_MS, "still waits", { ref: false })]), undefined);
  assert.match(session.heartbeat().why, /closed/);
  await assert.rejects(session.event({ name: "x.a" }), NotConnected);
  assert.equal(await session.waitConnected(PATIENCE_MS), false);
});

test("bad arguments are answered and not thrown where it is hot", async (test) => {
  const engine = await listen(test, echo);
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  const round = {};
  round.round = round;
  for (const sent of [
    session.heartbeat({ progress: 1n }),
    session.heartbeat(null),
    session.metric({ name: "m", value: Number.NaN }),
    session.metric({ name: "m", value: Number.POSITIVE_INFINITY }),
    session.tick({ feed: "\ud800" }),
    session.tick({ feed: "f", time: new Date(Number.NaN) }),
    session.price({ source: "s", instrument: "i" }),
    session.price({ source: "s", instrument: "i", bid: "1" }),
    session.price({ source: "s", instrument: "i", bid: "1", ask: "2", last: "1" }),
    session.price({ source: "s", instrument: "i", last: 0.1 }),
    session.tell({ type: "heartbeat", progress: round }),
    session.tell({ type: "heartbeat", progress: () => 1 }),
    session.error({ kind: "k", message: "m".repeat(70_000) }),
  ]) {
    assert.equal(sent.sent, false);
    assert.ok(sent.why.length > 0);
  }
  for (const quantity of [0.1, "1e3", null, undefined, {}, Number.NaN, "+1", " 1", "1.", ".5", "", "9".repeat(49), true]) {
    const decision = await session.order({ ...ORDER, quantity });
    assert.deepEqual([decision.allow, decision.reasons[0].code], [false, "INVALID"], String(quantity));
  }
  assert.equal((await session.order(undefined)).reasons[0].code, "INVALID");
  assert.equal((await session.rate({ bucket: "b", cost: 0.5 })).reasons[0].code, "INVALID");
  await assert.rejects(session.posting({ ref: "r", legs: [{ asset: "A", account: "b", amount: 0.1 }] }), InvalidMessage);
  await assert.rejects(session.event({ name: "x.a", data: { a: Number.NaN } }), InvalidMessage);
  assert.equal(session.heartbeat({ progress: 1 }).sent, true);
  assert.equal(await session.event({ name: "x.a", data: { n: 4 } }), 4);
});

test("exact amounts are said as they are", async (test) => {
  const engine = await listen(test, echo);
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  for (const [given, text] of [["0.10", "0.10"], [7, "7"], [-3, "-3"], [12345678901234567890n, "12345678901234567890"]]) {
    const { said } = await session.ask({ type: "rate", cost: given === text ? given : String(given) });
    assert.equal(said.cost, text);
  }
  const { said } = await session.ask({ type: "later", when: new Date(0), n: 1 });
  assert.deepEqual([said.when, said.n], ["1970-01-01T00:00:00.000Z", 1]);
});

test("the longest line is exact", () => {
  const base = encode(undefined, event({ name: "x.a", data: { a: "" } })).length - 1;
  assert.equal(encode(undefined, event({ name: "x.a", data: { a: "x".repeat(65_536 - base) } })).length, 65_537);
  assert.throws(() => encode(undefined, event({ name: "x.a", data: { a: "x".repeat(65_537 - base) } })), /65537 bytes/);
  let deep = [];
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  assert.throws(() => encode(undefined, event({ name: "x.a", data: { deep } })), InvalidMessage);
});

test("only what was refused on this side may be recorded", () => {
  for (const code of ["TIMED_OUT", "LOST", "UNREADABLE", "PERMIT_EXPIRED", "NO_CLOCK"]) {
    assert.equal(refused([{ code: "HALTED", error: "" }, { code, error: "" }]).mayBeRecorded, true, code);
  }
  for (const code of ["OFFLINE", "INVALID", "DUPLICATE", "HALTED", "DRY_MODE"]) {
    assert.equal(refused([{ code, error: "" }]).mayBeRecorded, false, code);
  }
});

test("an engine that takes nothing holds nobody up", async (test) => {
  const engine = await listen(test, (socket) => socket.pause());
  const session = await opened(test, engine.path, { timeoutMs: 50 });
  await assert.rejects(session.event({ name: "x.a" }), TimedOut);
  assert.equal((await session.order(ORDER)).reasons[0].code, "TIMED_OUT");
  let sent = { sent: true, why: "" };
  for (let count = 0; sent.sent && count < 1_000; count += 1) sent = session.error({ kind: "k", message: "m".repeat(10_000) });
  assert.match(sent.why, /full/);
  await assert.rejects(session.event({ name: "x.a" }), NotConnected);
  assert.equal((await session.order(ORDER)).reasons[0].code, "OFFLINE");
  // Once it reads, it reads whole lines, and is heard again.
  let whole = 0;
  const [socket] = engine.sockets;
  const read = (async () => {
    for await (const line of lines(socket)) {
      const said = JSON.parse(line);
      whole += 1;
      if (said.name === "x.b") {
        socket.write(`{"id":${said.id},"ok":true,"seq":5}\n`);
        return;
      }
    }
  })();
  session.timeoutMs = PATIENCE_MS;
  while (!session.heartbeat().sent) await new Promise((done) => setImmediate(done));
  assert.equal(await session.event({ name: "x.b" }), 5);
  await read;
  assert.ok(whole > 2);
});

test("many requests each get their own answer, in whatever order", async (test) => {
  const held = [];
  const engine = await listen(test, (socket) => {
    (async () => {
      for await (const line of lines(socket)) {
        held.push(JSON.parse(line));
        if (held.length < 100) continue;
        for (const said of held.reverse()) socket.write(`{"id":${said.id},"ok":true,"seq":${said.data.n}}\n`);
      }
    })().catch(() => {});
  });
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  const asked = Array.from({ length: 100 }, (_, n) => session.event({ name: "x.a", data: { n } }));
  assert.deepEqual(await Promise.all(asked), Array.from({ length: 100 }, (_, n) => n));
});

test("lines come whole however they are cut", async (test) => {
  // More than one reading takes, and characters of three bytes, so that some are cut in the middle.
  const reason = "\u4e2d".repeat(100_000);
  const engine = await listen(test, (socket) => {
    socket.once("data", () => socket.write(`{"event":"stop","reason":"${reason}","grace_ms":5}\n{"id":1,"ok":true,"seq":9}\n`));
  });
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  assert.equal(await session.event({ name: "x.a" }), 9);
  assert.deepEqual(session.notice(), { event: "stop", reason, graceMs: 5 });
});

test("notices are bounded and the latest stay; listeners hear all", async (test) => {
  const many = MAX_NOTICES + 10;
  const engine = await listen(test, (socket) => {
    socket.once("data", () => {
      for (let n = 0; n < many; n += 1) socket.write(`{"event":"stop","reason":"${n}","grace_ms":1}\n`);
      socket.write('{"id":1,"ok":true,"seq":1}\n');
    });
  });
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  let heard = 0;
  session.on("notice", () => {
    heard += 1;
  });
  await session.event({ name: "x.a" });
  assert.equal(heard, many);
  const taken = Array.from({ length: MAX_NOTICES }, () => session.notice());
  assert.equal(taken.at(-1).reason, String(many - 1));
  assert.equal(session.notice(), undefined);
});

test("a line without end ends the connection", async (test) => {
  const engine = await listen(test, (socket) => socket.once("data", () => socket.write(Buffer.alloc(MAX_ANSWER + 2, "x"))));
  const session = await opened(test, engine.path, { timeoutMs: PATIENCE_MS });
  await assert.rejects(session.event({ name: "x.a" }), (error) => error instanceof Lost && /more than/.test(error.message));
});

test("whatever comes is read as something, or as nothing", () => {
  for (const line of [
    '{"event":"stop"}',
    '{"event":"stop","reason":1,"grace_ms":"x"}',
    '{"event":"permission","halts":7}',
    '{"event":"permission","permission":"active","mode":"dry","halts":[1,{"id":1}]}',
    '{"event":"reclaim"}',
    '{"event":"maintenance","until":[]}',
  ]) {
    assert.equal(notice(parse(line)).event, "other", line);
  }
  for (const text of ["", "[", "[".repeat(100_000), "null", "7", "[]"]) assert.equal(parse(text), undefined);
  assert.equal(notice({ event: 7 }), undefined);
  assert.deepEqual(notice({ ok: false, code: 7 }), { event: "refused", code: "7", error: "" });
});
