// The README's examples run as they stand, one after the other, against the package by its own name.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { folder, inAMinute, lines, listen } from "./dialogues.mjs";
import { LEASE_US, LIVE, OPEN, REDUCE, Writer, nowUs, word } from "./pages.mjs";

const HERE = new URL("..", import.meta.url);

function answer(said) {
  const hello = { system: "demo", component: "bot", slot: 1, epoch: 7, permission: "active", mode: "live", version: "0" };
  const order = { allow: true, mode: "live", reasons: [], permit_deadline: inAMinute(), intent_seq: 41 };
  return { hello, order, event: { seq: 19 }, halt: {} }[said.type];
}

test("every example of the README runs", async (test) => {
  const writer = new Writer(folder(test));
  writer.page(7);
  writer.grant(1, word(OPEN | REDUCE | LIVE, 7, nowUs() + LEASE_US - 1_000_000));
  const heard = [];
  const { path } = await listen(test, (socket) => {
    (async () => {
      for await (const line of lines(socket)) {
        const said = JSON.parse(line);
        heard.push(said.type);
        if (said.type === "event") socket.write('{"event":"stop","reason":"asked to","grace_ms":10000}\n');
        if (said.id !== undefined) socket.write(`${JSON.stringify({ id: said.id, ok: true, ...answer(said) })}\n`);
      }
    })().catch(() => {});
  });
  const examples = [...readFileSync(new URL("README.md", HERE), "utf8").matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  assert.ok(examples.length >= 6);
  // Within the package, so that it finds itself by its name.
  const program = fileURLToPath(new URL(`readme-${process.pid}.mjs`, new URL("dist/", HERE)));
  writeFileSync(program, examples.join("\n"));
  test.after(() => rmSync(program));
  const env = { ...process.env, FAILSTOP_SOCKET: path, FAILSTOP_PERMIT: writer.path, FAILSTOP_PERMIT_SLOT: "1", FAILSTOP_EPOCH: "7" };
  const said = await new Promise((done, failed) => {
    execFile(process.execPath, [program], { env, encoding: "utf8" }, (error, out, err) => {
      if (error === null) done(out);
      else failed(new Error(`${error.message}\n${out}\n${err}`));
    });
  });
  for (const words of ["send the order to the exchange", "durable in the journal as 19", "send it before", "end within 10000 ms"]) {
    assert.ok(said.includes(words), `${words} in ${said}`);
  }
  for (const type of ["hello", "heartbeat", "tick", "metric", "part", "queue", "error", "event", "halt", "order"]) {
    assert.ok(heard.includes(type), type);
  }
});
