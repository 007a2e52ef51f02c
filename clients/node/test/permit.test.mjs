// The permit as a bot meets it: real files, the real clock.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { BootClock, NotUnderFailstop, OtherEpoch, Permit, PermitError, judge } from "../dist/index.js";
import { folder } from "./dialogues.mjs";
import { LEASE_US, LIVE, OPEN, REDUCE, REVOKED, Writer, nowUs, word } from "./pages.mjs";

const SOON_US = LEASE_US - 1_000_000;

const shown = (verdict) => verdict.denial ?? (verdict.live ? "live" : verdict.paper ? "paper" : "nothing");

function at(bits, intent, now, epoch = 1030) {
  return judge(Number(bits & 0xffffffffn), Number(bits >> 32n), epoch % 1024, intent, now);
}

test("rights decide while the lease runs", () => {
  const deadline = 2_000_000;
  for (const [rights, intent, expected] of [
    [OPEN | REDUCE | LIVE, "open", "live"],
    [OPEN | REDUCE | LIVE, "reduce", "live"],
    [OPEN | REDUCE, "open", "paper"],
    [REDUCE | LIVE, "reduce", "live"],
    [REDUCE, "reduce", "paper"],
    [REDUCE | LIVE, "open", "REDUCE_ONLY"],
    [LIVE, "open", "HALTED"],
    [0, "reduce", "HALTED"],
  ]) {
    assert.equal(shown(at(word(rights, 1030, deadline), intent, deadline - 1)), expected, `${rights} ${intent}`);
  }
});

test("nothing is allowed at or after the deadline", () => {
  // The longest lease there is, too: beyond 32 bits, and exact.
  for (const deadline of [2_000_000, 2 ** 47 + 1, 2 ** 48 - 1]) {
    for (let rights = 0; rights < 16; rights += 1) {
      for (const now of [deadline, deadline + 1, 2 ** 52]) {
        for (const intent of ["open", "reduce"]) {
          const verdict = at(word(rights, 1030, deadline), intent, now);
          assert.ok(!verdict.live && !verdict.paper && verdict.denial !== undefined, `${rights} at ${now}`);
        }
      }
    }
    assert.equal(shown(at(word(OPEN, 1030, deadline), "open", deadline)), "EXPIRED");
    assert.equal(shown(at(word(OPEN, 1030, deadline), "open", deadline - 1)), "paper");
  }
});

test("zero, revoked, foreign and unknown words deny", () => {
  const all = OPEN | REDUCE | LIVE;
  for (const [bits, expected] of [
    [0n, "NOT_GRANTED"],
    [BigInt(REVOKED), "REVOKED"],
    [word(all | REVOKED, 1030, 1), "REVOKED"],
    [word(all, 1031, 1), "OTHER_EPOCH"],
    [word(all | 16, 1030, 1), "UNREADABLE"],
    [word(all | 32, 1030, 1), "UNREADABLE"],
    [word(all, 1030 + 1024, 1), "live"],
  ]) {
    assert.equal(shown(at(bits, "reduce", 0)), expected);
  }
  // A mistake in the intent asks for more, never for less.
  assert.equal(shown(at(word(REDUCE, 1030, 1), "nonsense", 0)), "REDUCE_ONLY");
});

test("a granted slot allows and every other denies", (test) => {
  const writer = new Writer(folder(test));
  writer.page(5);
  const permits = Array.from({ length: 32 }, (_, slot) => Permit.open(writer.path, slot));
  test.after(() => permits.forEach((permit) => permit.close()));
  for (const permit of permits) assert.equal(shown(permit.mayOpen()), "NOT_GRANTED");
  writer.grant(3, word(OPEN | REDUCE | LIVE, 5, nowUs() + SOON_US));
  for (const permit of permits) {
    const expected = permit.slot === 3 ? "live" : "NOT_GRANTED";
    assert.equal(shown(permit.mayOpen()), expected, `slot ${permit.slot}`);
    assert.equal(shown(permit.mayReduce()), expected, `slot ${permit.slot}`);
  }
  const permit = permits[3];
  for (const [bits, opens, reduces] of [
    [word(REDUCE, 5, nowUs() + SOON_US), "REDUCE_ONLY", "paper"],
    [word(OPEN | REDUCE, 5, nowUs() + SOON_US), "paper", "paper"],
    [BigInt(REVOKED), "REVOKED", "REVOKED"],
    [word(OPEN | REDUCE, 5, nowUs()), "EXPIRED", "EXPIRED"],
  ]) {
    writer.grant(3, bits);
    assert.deepEqual([shown(permit.check("open")), shown(permit.check("reduce"))], [opens, reduces]);
  }
});

test("a deadline further ahead than a lease was judged by a wrong clock and denies", (test) => {
  const writer = new Writer(folder(test));
  writer.page(5);
  writer.grant(1, word(OPEN, 5, nowUs() + LEASE_US + 5_000_000));
  const permit = Permit.open(writer.path, 1);
  test.after(() => permit.close());
  assert.equal(shown(permit.mayOpen()), "NO_CLOCK");
});

test("foreign pages are refused with what differs", (test) => {
  const writer = new Writer(folder(test));
  const change = (at, ...bytes) => (page) => {
    page.set(bytes, at);
    return page;
  };
  for (const [damage, field] of [
    [change(0, 0x58), /magic/],
    [change(8, 2), /abi/],
    [change(12, 1), /stated size/],
    [change(0x10, 255, 255, 255), /boot id/],
    [change(0x1e, 255, 255), /boot id/],
    [change(0x28, 1, 1, 1, 1), /time namespace/],
    [change(0x30, 1), /clock/],
    [(page) => page.subarray(0, 4095), /4096 bytes/],
  ]) {
    writer.page(1, damage);
    assert.throws(() => Permit.open(writer.path, 1), (error) => error instanceof PermitError && field.test(error.message));
  }
  for (const slot of [-1, 32, 1.5, Number.NaN]) assert.throws(() => Permit.open(writer.path, slot), /slot/);
  execFileSync("mkfifo", [`${writer.path}.fifo`]);
  assert.throws(() => Permit.open(`${writer.path}.fifo`, 1), /no file/);
  assert.throws(() => Permit.open(`${writer.path}.none`, 1), PermitError);
});

test("an open permit follows a new page", (test) => {
  const writer = new Writer(folder(test));
  writer.page(5);
  writer.grant(1, word(OPEN, 5, nowUs() + SOON_US));
  const permit = Permit.open(writer.path, 1);
  test.after(() => permit.close());
  assert.equal(shown(permit.mayOpen()), "paper");
  writer.page(6);
  writer.grant(1, word(OPEN | LIVE, 6, nowUs() + SOON_US));
  // The old page stays what it was until its lease is over.
  assert.equal(shown(permit.mayOpen()), "paper");
  assert.equal(permit.refresh(), true);
  assert.equal(permit.refresh(), false);
  assert.deepEqual([shown(permit.mayOpen()), permit.epoch], ["live", 6n]);
  // Without being told to, a denied check looks.
  writer.grant(1, 0n);
  assert.equal(shown(permit.mayOpen()), "NOT_GRANTED");
  writer.page(7);
  writer.grant(1, word(OPEN | LIVE, 7, nowUs() + SOON_US));
  const end = Date.now() + 20_000;
  while (shown(permit.mayOpen()) !== "live" && Date.now() < end);
  assert.deepEqual([shown(permit.mayOpen()), permit.epoch], ["live", 7n]);
});

test("a bound permit never trades by another's page", (test) => {
  const writer = new Writer(folder(test));
  writer.page(5);
  writer.grant(1, word(OPEN | LIVE, 5, nowUs() + SOON_US));
  const permit = Permit.open(writer.path, 1, 5n);
  test.after(() => permit.close());
  assert.equal(shown(permit.mayOpen()), "live");
  writer.grant(1, 0n);
  writer.page(6);
  writer.grant(1, word(OPEN | LIVE, 6, nowUs() + SOON_US));
  assert.equal(shown(permit.mayOpen()), "OTHER_EPOCH");
  assert.equal(shown(permit.mayOpen()), "OTHER_EPOCH");
  assert.throws(() => permit.refresh(), OtherEpoch);
  assert.throws(() => Permit.open(writer.path, 1, 5n), OtherEpoch);
});

test("a page that goes away or is damaged later denies and throws nothing", (test) => {
  const writer = new Writer(folder(test));
  writer.page(5);
  const permit = Permit.open(writer.path, 1);
  unlinkSync(writer.path);
  assert.equal(shown(permit.mayOpen()), "NOT_GRANTED");
  writeFileSync(writer.path, "nothing");
  assert.equal(shown(permit.mayReduce()), "NOT_GRANTED");
  permit.close();
  assert.equal(shown(permit.mayOpen()), "NO_PERMIT");
  assert.match(permit.problem, /closed/);
});

test("descriptors are given back", (test) => {
  const writer = new Writer(folder(test));
  writer.page(5);
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  for (let round = 0; round < 50; round += 1) {
    const permit = Permit.open(writer.path, 1);
    writer.page(6 + round);
    permit.refresh();
    permit.close();
    assert.throws(() => Permit.open(writer.path, 1, 1n), OtherEpoch);
    assert.throws(() => Permit.open("/proc/self/stat", 1), PermitError);
  }
  assert.equal(open(), before);
});

function withEnvironment(test, values) {
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith("FAILSTOP_")) delete process.env[name];
  Object.assign(process.env, values);
  test.after(() => {
    for (const name of Object.keys(values)) delete process.env[name];
    Object.assign(process.env, before);
  });
}

test("without failstop everything is denied with the reason", (test) => {
  withEnvironment(test, {});
  const permit = Permit.fromEnv();
  for (const verdict of [permit.mayOpen(), permit.mayReduce()]) {
    assert.equal(verdict.denial, "NO_PERMIT");
    assert.match(verdict.reason, /FAILSTOP_PERMIT is not set/);
  }
  assert.throws(() => Permit.fromEnv({ strict: true }), NotUnderFailstop);
});

test("bad variables are named", (test) => {
  for (const [slot, epoch] of [["x", "1"], ["32", "1"], ["-1", "1"], ["1", "\u0663"], ["1", ""], ["1", "1.5"], ["1", "99999999999999999999"]]) {
    withEnvironment(test, { FAILSTOP_PERMIT: "/none", FAILSTOP_PERMIT_SLOT: slot, FAILSTOP_EPOCH: epoch });
    assert.match(Permit.fromEnv().mayOpen().reason, /FAILSTOP_(PERMIT_SLOT|EPOCH)/);
  }
});

test("a page that appears later is taken", (test) => {
  const writer = new Writer(folder(test));
  withEnvironment(test, { FAILSTOP_PERMIT: writer.path, FAILSTOP_PERMIT_SLOT: "4", FAILSTOP_EPOCH: "9" });
  const permit = Permit.fromEnv();
  test.after(() => permit.close());
  assert.throws(() => Permit.fromEnv({ strict: true }), PermitError);
  assert.equal(shown(permit.mayOpen()), "NO_PERMIT");
  writer.page(9);
  writer.grant(4, word(OPEN, 9, nowUs() + SOON_US));
  const end = Date.now() + 20_000;
  while (shown(permit.mayOpen()) !== "paper" && Date.now() < end);
  assert.deepEqual([shown(permit.mayOpen()), permit.problem, permit.epoch], ["paper", "", 9n]);
});

test("the clock is CLOCK_BOOTTIME, never before it and less than its resolution after", (test) => {
  const clock = new BootClock();
  test.after(() => clock.close());
  // The kernel's own clock, from a program that can read it.
  const script = "import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)";
  for (let round = 0; round < 5; round += 1) {
    const before = clock.nowUs();
    const between = Number(execFileSync("python3", ["-c", script], { encoding: "utf8" }));
    const after = clock.nowUs();
    // `before` and `after` are from above, by up to a hundredth of a second.
    assert.ok(before - 10_000 <= between && between < after, `${before} ${between} ${after}`);
  }
});

test("a clock of a container's own is refused", (test) => {
  const path = join(folder(test), "uptime");
  const uptime = readFileSync("/proc/uptime", "ascii");
  const seconds = Number(uptime.split(" ")[0]);
  // It counts from the start of a container, a minute after the host's.
  writeFileSync(path, `${(seconds - 60).toFixed(2)} 1.00\n`);
  assert.throws(() => new BootClock(path), /not the kernel's clock/);
  writeFileSync(path, `${(seconds + 60).toFixed(2)} 1.00\n`);
  new BootClock(path).close();
  for (const bad of ["", "x", "12", "12.3 4\n", "12.345 4\n", ".12 4\n", "-1.00 4\n", "1.2.3 4\n", "12.34\n"]) {
    writeFileSync(path, bad);
    assert.throws(() => new BootClock(path), /seconds and hundredths/, bad);
  }
});
