// The recorded dialogues, and a far end that plays the engine's side of them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BootClock } from "../dist/index.js";

/** Far above what anything here takes, so that a slow machine fails no test. */
export const PATIENCE_MS = 20_000;

const FOLDER = fileURLToPath(new URL("../../../tests/conformance/", import.meta.url));

/** Every dialogue by its name. */
export function load() {
  const found = {};
  for (const file of readdirSync(FOLDER).sort()) {
    if (!file.endsWith(".json")) continue;
    const text = readFileSync(join(FOLDER, file), "utf8").replace(/\$\((.)\*(\d+)\)/g, (_, one, times) => one.repeat(times));
    found[file.slice(0, -5)] = JSON.parse(text);
  }
  assert.ok(Object.keys(found).length > 0, `there are no dialogues in ${FOLDER}`);
  return found;
}

export function inAMinute() {
  const clock = new BootClock();
  const us = clock.nowUs() + 60_000_000;
  clock.close();
  return us;
}

/** A folder that is gone after the test. */
export function folder(test) {
  const path = mkdtempSync(join(tmpdir(), "failstop-"));
  test.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A server on a socket in a folder of its own; `serve` gets each connection. */
export async function listen(test, serve) {
  const path = join(folder(test), "bot.sock");
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A client that goes away is no failure of the far end's.
    socket.on("error", () => {});
    serve(socket);
  });
  await new Promise((done) => server.listen(path, done));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((done) => server.close(done));
  };
  test.after(close);
  return { path, close, sockets };
}

/** The lines of a connection, one after the other. */
export async function* lines(socket) {
  let held = "";
  socket.setEncoding("utf8");
  for await (const text of socket) {
    const parts = (held + text).split("\n");
    held = parts.pop();
    yield* parts;
  }
  assert.equal(held, "", "the client's last line is whole");
}

/** Plays the engine's side. `ended` rejects with what it did not expect to hear. */
export async function play(test, steps) {
  const waiting = [];
  const wanted = [];
  const { path } = await listen(test, (socket) => (wanted.length > 0 ? wanted.shift()(socket) : waiting.push(socket)));
  const next = () => (waiting.length > 0 ? Promise.resolve(waiting.shift()) : new Promise((found) => wanted.push(found)));
  const run = async () => {
    let socket;
    let heard;
    const ids = [];
    for (const step of steps) {
      for (const expected of step.client ?? []) {
        if (socket === undefined) {
          socket = await next();
          heard = lines(socket);
        }
        const { value, done } = await heard.next();
        assert.ok(!done, `the client closed instead of saying ${JSON.stringify(expected)}`);
        const said = JSON.parse(value);
        if (expected.id === "*") {
          assert.equal(typeof said.id, "number");
          ids.unshift(said.id);
          expected.id = said.id;
        }
        assert.deepEqual(said, expected);
      }
      for (const said of step.server ?? []) socket.write(`${typeof said === "string" ? said : JSON.stringify(filled(said, ids))}\n`);
      if (step.then === "close") {
        await new Promise((done) => socket.end(done));
        socket = undefined;
      }
    }
    if (socket !== undefined) {
      const { value, done } = await heard.next();
      assert.ok(done, `one line too many: ${value}`);
    }
  };
  const ended = run();
  // Until somebody looks.
  ended.catch(() => {});
  return { path, ended };
}

function filled(said, ids) {
  const line = { ...said };
  if (line.id === "*") line.id = ids[0];
  if (line.id === "-") line.id = ids[1];
  if (line.permit_deadline === "$FUTURE") line.permit_deadline = inAMinute();
  return line;
}

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Names of the wire as those of this client. */
export function named(value) {
  return renamed(value, camel, () => false);
}

/** A result as the dialogues write it, without what is absent or empty. */
export function plain(value) {
  return renamed(value, snake, empty);
}

function renamed(value, name, without) {
  if (Array.isArray(value)) return value.map((one) => renamed(one, name, without));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [name(key), renamed(one, name, without)]);
  return Object.fromEntries(entries.filter(([, one]) => !without(one)));
}

function empty(value) {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
