// A bot in Node for `failstop run`: it replays recorded prices, beats each second, looks at its permit before each order and fills
// on paper. A bot of your own imports "failstop"; build the client first: `npm --prefix clients/node ci && npm --prefix clients/node run build`.

import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Permit, Session } from "../../../clients/node/dist/index.js";

const permit = Permit.fromEnv();
const session = await Session.fromEnv();
session.on("notice", (notice) => {
  if (notice.event === "stop") {
    console.log(`stopping: ${notice.reason}`);
    process.exit(0);
  }
  if (notice.event === "refused") console.error(`failstop refused something: ${notice.error}`);
});
const me = await session.hello({ client: "bot.mjs", version: "1" });
console.log(`trading on paper for system ${me.system}, epoch ${me.epoch}`);

/** Bid and ask of BTCUSDT. */
const [header, ...rows] = readFileSync(process.argv[2], "utf8").split("\n").map((row) => row.split(","));
const prices = rows.filter((row) => row.includes("BTCUSDT") && row.includes("quote"));
const [bidAt, askAt] = ["price_or_bid", "quantity_or_ask"].map((name) => header.indexOf(name));

for (let step = 0; ; step += 1) {
  const row = prices[step % prices.length];
  session.tick({ feed: "binance", instrument: "BTCUSDT", time: new Date() });
  if (step % 10 === 0) session.heartbeat({ progress: step });
  if (step % 50 === 49) {
    const buys = step % 100 === 49;
    const [side, price] = buys ? ["buy", row[askAt]] : ["sell", row[bidAt]];
    const verdict = buys ? permit.mayOpen() : permit.mayReduce();
    if (verdict.live || verdict.paper) {
      // Amounts are texts: the journal holds no numbers with a fraction.
      const seq = await session.event({ name: "x.paper_fill", data: { side, quantity: "0.001", price } });
      console.log(`${verdict.live ? "live" : "paper"} ${side} 0.001 BTCUSDT at ${price}, recorded as ${seq}`);
    } else {
      console.log(`${side} held back: ${verdict.reason}`);
    }
  }
  await setTimeout(100);
}
