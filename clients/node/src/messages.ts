/**
 * What a bot may say, one type a message; and how it becomes a line.
 *
 * Only what would be lost or bent on the way is judged here (amounts, numbers and texts that JSON cannot say, lines that are too
 * long). Everything else the engine judges, in words. `docs/reference/bot-socket.md` has every field with its limits.
 */

import { InvalidMessage } from "./errors.js";

/** The longest line, its LF not counted, in bytes. */
export const MAX_LINE = 64 * 1024;
/** The longest amount, in bytes. */
export const MAX_AMOUNT = 48;

/** An amount, a quantity or a price: a decimal text, or a whole number. A number with a fraction is refused: it cannot hold a tenth. */
export type Amount = string | number | bigint;
/** When something was: a Date, RFC 3339 with an offset, or whole milliseconds since 1970-01-01T00:00:00Z. */
export type Time = Date | string | number;
export type PermissionName = "active" | "reduce-only" | "observe-only" | "shutdown";

export interface Hello {
  readonly client: string;
  readonly version: string;
}
export interface Heartbeat {
  /** A counter that moves when something was really done. */
  readonly progress?: number | undefined;
}
export interface Tick {
  readonly feed: string;
  readonly instrument?: string | undefined;
  /** When the venue made it. */
  readonly time?: Time | undefined;
}
/** `bid` and `ask`, or `last`. */
export interface Price {
  readonly source: string;
  readonly instrument: string;
  readonly bid?: Amount | undefined;
  readonly ask?: Amount | undefined;
  readonly last?: Amount | undefined;
  readonly time?: Time | undefined;
}
export interface Metric {
  readonly name: string;
  /** Finite; or a decimal in a text. */
  readonly value: number | string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}
export interface Part {
  readonly name: string;
  readonly status: "healthy" | "degraded" | "critical";
  /** 0 to 1; the worse of it and `status` counts. */
  readonly health?: number | undefined;
  readonly detail?: string | undefined;
}
export interface Queue {
  readonly state: "idle" | "processing" | "stalled";
  /** Entries waiting. */
  readonly depth?: number | undefined;
  readonly oldestMs?: number | undefined;
}
export interface ErrorReport {
  readonly kind: string;
  readonly message?: string | undefined;
  /** 1 to 5, absent 3. 5 ends in fail-safe shutdown. */
  readonly severity?: 1 | 2 | 3 | 4 | 5 | undefined;
  readonly part?: string | undefined;
  /** Unrecoverable, whatever the severity. */
  readonly fatal?: boolean | undefined;
}
export interface ApiUsage {
  readonly endpoint: string;
  readonly used: number;
  readonly limit: number;
  readonly resetsAt?: Time | undefined;
}
export interface Halt {
  readonly cap: "reduce-only" | "observe-only" | "shutdown";
  readonly reason: string;
}
export interface Event {
  /** Starts with `x.`. */
  readonly name: string;
  /** Whole numbers, texts, lists and objects; amounts as texts. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}
export type Side = "buy" | "sell";
export interface Order {
  /** The bot's own id of it, used once. */
  readonly clientId: string;
  readonly instrument: string;
  readonly side: Side;
  readonly quantity: Amount;
  readonly account: string;
  /** Absent: at the market. */
  readonly price?: Amount | undefined;
  readonly reduceOnly?: boolean | undefined;
  readonly leverage?: Amount | undefined;
  readonly kind?: "entry" | "exit" | "copy" | undefined;
  readonly user?: string | undefined;
  /** Refuse it where the mode is `dry`. */
  readonly live?: boolean | undefined;
}
export interface OrderResult {
  readonly clientId: string;
  readonly outcome: "accepted" | "filled" | "cancelled" | "rejected" | "expired" | "not-sent" | "unknown";
  readonly venueId?: string | undefined;
  readonly latencyUs?: number | undefined;
  readonly reason?: string | undefined;
}
export interface Rate {
  readonly bucket: string;
  readonly user?: string | undefined;
  /** Absent 1. */
  readonly cost?: Amount | undefined;
}
export interface Leg {
  readonly asset: string;
  /** A configured account, or one of `venue`, `fees`, `funding`, `pnl` and `suspense`. */
  readonly account: string;
  /** What comes in; below zero what goes out. */
  readonly amount: Amount;
  /** Exactly where the account is a configured one. */
  readonly pool?: string | undefined;
}
export interface Posting {
  /** The id of this change outside: it is booked once. */
  readonly ref: string;
  /** They sum to zero for each asset. */
  readonly legs: readonly Leg[];
  readonly reason?: string | undefined;
}
export interface Fill {
  /** The venue's id of the trade: it is booked once. */
  readonly ref: string;
  readonly clientId?: string | undefined;
  readonly account: string;
  readonly instrument: string;
  readonly side: Side;
  readonly quantity: Amount;
  readonly price: Amount;
  /** What it did to capital, where that is not said in a posting of its own. */
  readonly legs?: readonly Leg[] | undefined;
}
export interface Capital {
  readonly account: string;
  readonly asset: string;
  readonly total: Amount;
  readonly free: Amount;
  readonly locked: Amount;
}
export interface Position {
  readonly account: string;
  readonly instrument: string;
  /** Below zero when short. */
  readonly quantity: Amount;
  /** From before the journal: taken over as it is. */
  readonly opening?: boolean | undefined;
  /** Its average entry price, for the gate. */
  readonly entry?: Amount | undefined;
  /** Its leverage, for the gate. */
  readonly leverage?: Amount | undefined;
}
export interface StrategyState {
  readonly strategy: string;
  readonly to: string;
  readonly from?: string | undefined;
  readonly instance?: string | undefined;
  readonly reason?: string | undefined;
}
export interface SnapshotRequest {
  readonly reason?: string | undefined;
}

/** A message on the wire, without its `id`. */
export type Message = { readonly type: string } & Readonly<Record<string, unknown>>;

/** The decimal text of an amount. Throws InvalidMessage for whatever is none. */
export function amount(field: string, value: Amount): string {
  const exact = typeof value === "string" || typeof value === "bigint" || Number.isSafeInteger(value);
  if (!exact) {
    throw new InvalidMessage(
      `\`${field}\` is ${shown(value)}, but amounts go as decimal texts, whole numbers or bigint: a number cannot hold a tenth`,
    );
  }
  const text = String(value);
  if (text.length > MAX_AMOUNT || !/^-?[0-9]+(\.[0-9]+)?$/.test(text)) {
    throw new InvalidMessage(
      `\`${field}\` is ${shown(text.slice(0, 80))}, but has to be a decimal like 0.10 or -3: digits, at most one point, no ` +
        `exponent, at most ${MAX_AMOUNT} characters`,
    );
  }
  return text;
}

/** The message as one line, LF included. Throws InvalidMessage. */
export function encode(id: number | undefined, message: Message): string {
  let text: string;
  try {
    text = JSON.stringify(id === undefined ? message : { id, ...message }, sayable);
  } catch (error) {
    throw new InvalidMessage(
      `this \`${message.type}\` cannot be said in JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const length = Buffer.byteLength(text);
  if (length > MAX_LINE) {
    throw new InvalidMessage(`this \`${message.type}\` has ${length} bytes, but a line may have ${MAX_LINE} at most`);
  }
  return `${text}\n`;
}

/** JSON.stringify says `null`, nothing or half a character where a value cannot be said; a message that lost something is none. */
function sayable(key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`\`${key}\` is ${value}`);
  if (typeof value === "function" || typeof value === "symbol") throw new Error(`\`${key}\` is a ${typeof value}`);
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) throw new Error(`\`${key}\` is no Unicode text`);
  if (/\p{Surrogate}/u.test(key)) throw new Error("a field's name is no Unicode text");
  return value;
}

export function hello(given: Hello): Message {
  return { type: "hello", client: given.client, version: given.version };
}

export function heartbeat(given: Heartbeat): Message {
  return { type: "heartbeat", progress: given.progress };
}

export function tick(given: Tick): Message {
  return { type: "tick", feed: given.feed, instrument: given.instrument, time: time("time", given.time) };
}

export function price(given: Price): Message {
  const quotes = given.bid !== undefined && given.ask !== undefined;
  const half = (given.bid !== undefined) !== (given.ask !== undefined);
  if (half || quotes === (given.last !== undefined)) {
    throw new InvalidMessage("a `price` has either `bid` and `ask`, or `last`");
  }
  return {
    type: "price",
    source: given.source,
    instrument: given.instrument,
    bid: maybe("bid", given.bid),
    ask: maybe("ask", given.ask),
    last: maybe("last", given.last),
    time: time("time", given.time),
  };
}

export function metric(given: Metric): Message {
  return { type: "metric", name: given.name, value: given.value, labels: given.labels };
}

export function part(given: Part): Message {
  return { type: "part", name: given.name, status: given.status, health: given.health, detail: given.detail };
}

export function queue(given: Queue): Message {
  return { type: "queue", state: given.state, depth: given.depth ?? 0, oldest_ms: given.oldestMs };
}

export function error(given: ErrorReport): Message {
  return {
    type: "error",
    kind: given.kind,
    message: given.message ?? "",
    severity: given.severity ?? 3,
    part: given.part,
    fatal: given.fatal === true ? true : undefined,
  };
}

export function apiUsage(given: ApiUsage): Message {
  return {
    type: "api_usage",
    endpoint: given.endpoint,
    used: given.used,
    limit: given.limit,
    resets_at: time("resetsAt", given.resetsAt),
  };
}

export function halt(given: Halt): Message {
  return { type: "halt", cap: given.cap, reason: given.reason };
}

export function event(given: Event): Message {
  return { type: "event", name: given.name, data: given.data ?? {} };
}

export function order(given: Order): Message {
  return {
    type: "order",
    client_id: given.clientId,
    instrument: given.instrument,
    side: given.side,
    quantity: amount("quantity", given.quantity),
    account: given.account,
    price: maybe("price", given.price),
    reduce_only: given.reduceOnly === true ? true : undefined,
    leverage: maybe("leverage", given.leverage),
    kind: given.kind,
    user: given.user,
    live: given.live === true ? true : undefined,
  };
}

export function orderResult(given: OrderResult): Message {
  return {
    type: "order_result",
    client_id: given.clientId,
    outcome: given.outcome,
    venue_id: given.venueId,
    latency_us: given.latencyUs,
    reason: given.reason,
  };
}

export function rate(given: Rate): Message {
  return { type: "rate", bucket: given.bucket, user: given.user, cost: amount("cost", given.cost ?? 1) };
}

export function posting(given: Posting): Message {
  return { type: "posting", ref: given.ref, legs: given.legs.map(leg), reason: given.reason };
}

export function fill(given: Fill): Message {
  const legs = given.legs ?? [];
  return {
    type: "fill",
    ref: given.ref,
    client_id: given.clientId,
    account: given.account,
    instrument: given.instrument,
    side: given.side,
    quantity: amount("quantity", given.quantity),
    price: amount("price", given.price),
    legs: legs.length > 0 ? legs.map(leg) : undefined,
  };
}

export function capital(given: Capital): Message {
  return {
    type: "capital",
    account: given.account,
    asset: given.asset,
    total: amount("total", given.total),
    free: amount("free", given.free),
    locked: amount("locked", given.locked),
  };
}

export function position(given: Position): Message {
  return {
    type: "position",
    account: given.account,
    instrument: given.instrument,
    quantity: amount("quantity", given.quantity),
    opening: given.opening === true ? true : undefined,
    entry: maybe("entry", given.entry),
    leverage: maybe("leverage", given.leverage),
  };
}

export function strategyState(given: StrategyState): Message {
  return {
    type: "strategy_state",
    strategy: given.strategy,
    instance: given.instance,
    from: given.from,
    to: given.to,
    reason: given.reason,
  };
}

export function snapshotRequest(given: SnapshotRequest): Message {
  return { type: "snapshot_request", reason: given.reason };
}

function leg(given: Leg): Record<string, string | undefined> {
  return { asset: given.asset, account: given.account, amount: amount("amount", given.amount), pool: given.pool };
}

function maybe(field: string, value: Amount | undefined): string | undefined {
  return value === undefined ? undefined : amount(field, value);
}

/** RFC 3339, or milliseconds. Throws where a Date is none. */
function time(field: string, given: Time | undefined): string | number | undefined {
  if (!(given instanceof Date)) return given;
  if (Number.isNaN(given.getTime())) throw new InvalidMessage(`\`${field}\` is an invalid Date`);
  return given.toISOString();
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
