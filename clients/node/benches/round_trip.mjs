// What a request's round trip costs through the session against a bare echo over the same kind of socket, in one run.
//
// The far end is a process of its own that sends each line back as an answer. Rounds alternate; medians of single round trips.

import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Session } from "../dist/index.js";

const ROUNDS = 10;
const TRIPS = 500;
const LINE = '{"id":123,"type":"event","name":"x.a","data":{}}\n';

if (process.argv[2] === "far-end") {
  createServer((socket) => {
    socket.on("data", (bytes) => {
      const text = bytes.toString("latin1");
      socket.write(`{"id":${text.slice(6, text.indexOf(","))},"ok":true,"seq":1}\n`);
    });
  }).listen(process.argv[3], () => process.send("bound"));
} else {
  const folder = mkdtempSync(join(tmpdir(), "failstop-bench-"));
  const path = join(folder, "bot.sock");
  const far = fork(fileURLToPath(import.meta.url), ["far-end", path]);
  await new Promise((bound) => far.once("message", bound));
  const echo = createConnection({ path });
  const session = await Session.open(path);
  const bare = [];
  const ours = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let trip = 0; trip < TRIPS; trip += 1) {
      const begin = process.hrtime.bigint();
      await new Promise((came) => {
        echo.once("data", came);
        echo.write(LINE);
      });
      bare.push(Number(process.hrtime.bigint() - begin));
    }
    for (let trip = 0; trip < TRIPS; trip += 1) {
      const begin = process.hrtime.bigint();
      await session.event({ name: "x.a" });
      ours.push(Number(process.hrtime.bigint() - begin));
    }
  }
  session.close();
  echo.destroy();
  far.kill();
  rmSync(folder, { recursive: true });
  const [reference, figure] = [bare, ours].map((values) => values.sort((a, b) => a - b)[values.length >> 1] / 1000);
  console.log(
    `node round trip: bare echo ${reference.toFixed(1)} us   Session ${figure.toFixed(1)} us   ratio ${(figure / reference).toFixed(2)}`,
  );
}
