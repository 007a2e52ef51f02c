// What a permit check costs in Node against bare reads of a word and of the clock's file, in one run. Rounds alternate.

import { mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Permit } from "../dist/index.js";
import { LEASE_US, OPEN, REDUCE, Writer, nowUs, word } from "../test/pages.mjs";

const ROUNDS = 41;
const CALLS = 5_000;

// Where the engine's page is too: in memory.
const folder = mkdtempSync(join("/dev/shm", "failstop-bench-"));
try {
  const writer = new Writer(folder);
  writer.page(1);
  writer.grant(1, word(OPEN | REDUCE, 1, nowUs() + LEASE_US - 1_000));
  const permit = Permit.open(writer.path, 1);
  const page = openSync(writer.path, "r");
  const uptime = openSync("/proc/uptime", "r");
  const bytes = Buffer.alloc(64);
  if (!permit.mayOpen().paper) throw new Error("the permit does not allow");
  const bare = [];
  const mapped = [];
  const ours = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    bare.push(each(() => {
      readSync(page, bytes, 0, 8, 0x80);
      readSync(uptime, bytes, 0, 64, 0);
    }));
    mapped.push(each(() => readSync(page, bytes, 0, 8, 0x80)));
    ours.push(each(() => permit.mayOpen()));
  }
  const [reference, word8, figure] = [bare, mapped, ours].map(median);
  console.log(
    `node permit: bare reads of word and /proc/uptime ${reference.toFixed(0)} ns (of the word alone ${word8.toFixed(0)} ns)   ` +
      `permit check ${figure.toFixed(0)} ns   ratio ${(figure / reference).toFixed(2)}`,
  );
} finally {
  rmSync(folder, { recursive: true });
}

function each(call) {
  const begin = process.hrtime.bigint();
  for (let count = 0; count < CALLS; count += 1) call();
  return Number(process.hrtime.bigint() - begin) / CALLS;
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
