/** A bot's connection to the bot socket. It connects anew by itself, and waits for nothing longer than it is told. */

import { EventEmitter } from "node:events";
import { type Socket, createConnection } from "node:net";
import * as answers from "./answers.js";
import type { Booked, Decision, HelloAnswer, Line, Notice, PermissionAnswer, RateDecision, Sent } from "./answers.js";
import { FailstopError, InvalidMessage, Lost, NotConnected, NotUnderFailstop, Refused, TimedOut } from "./errors.js";
import { BootClock, words } from "./host.js";
import * as messages from "./messages.js";
import type { Message } from "./messages.js";

/** What the engine may send without a line's end before it is taken for something else, in bytes. */
export const MAX_ANSWER = 1024 * 1024;
/** How many notices are kept for a bot that does not take them; the oldest go first. */
export const MAX_NOTICES = 256;
/** What may wait to be taken by an engine that takes nothing, in bytes. */
export const MAX_BACKLOG = 256 * 1024;
/** A lost connection is tried again after so long, doubled at each failure up to the second, in milliseconds. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MOST_MS = 2_000;
const DEFAULT_TIMEOUT_MS = 5_000;

const SENT: Sent = Object.freeze({ sent: true, why: "" });

export interface SessionOptions {
  /** How long a request waits for its answer at most, in milliseconds. */
  readonly timeoutMs?: number;
}

export interface Timeout {
  /** For this request. */
  readonly timeoutMs?: number;
}

interface Waiting {
  readonly resolve: (line: Line) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One-way calls (`heartbeat`, `tick` and so on) never wait and never throw: each returns whether it went out. Requests are
 * promises that reject with a SessionError; `order` and `rate` never reject. Without an engine one-way calls say that they were not
 * sent, requests reject with NotConnected at once, and `order` is refused with OFFLINE.
 *
 * Emits `notice` for everything that the engine says unasked (and keeps it for `notice()`), `connected` and `disconnected`.
 */
export class Session extends EventEmitter {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #notices: Notice[] = [];
  /** Those who wait for something to happen. */
  readonly #waking = new Set<() => void>();
  #timeoutMs: number;
  #socket: Socket | undefined;
  #connected = false;
  #why = "not connected yet";
  #pauseMs = BACKOFF_FIRST_MS;
  #retry: NodeJS.Timeout | undefined;
  #hello: Message | undefined;
  #lastId = 0;
  #closed = false;
  /** Whether anything but refusals came over the connection; and the last of those. */
  #served = false;
  #refused = "";
  #clock: BootClock | undefined;

  private constructor(path: string, options: SessionOptions) {
    super();
    this.#path = path;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** For the socket that FAILSTOP_SOCKET names. Rejects with NotUnderFailstop where that is not set, and for nothing else. */
  static async fromEnv(options: SessionOptions = {}): Promise<Session> {
    const path = process.env["FAILSTOP_SOCKET"];
    if (path === undefined || path === "") {
      throw new NotUnderFailstop(
        "FAILSTOP_SOCKET is not set: start this program as a component of `failstop run`, or name the socket's path",
      );
    }
    return Session.open(path, options);
  }

  /** For the socket at `path`. Tries to connect once, and keeps the connection from then on. Never rejects. */
  static async open(path: string, options: SessionOptions = {}): Promise<Session> {
    const session = new Session(path, options);
    await new Promise<void>((tried) => session.#connect(tried));
    return session;
  }

  /** Whether there is a connection, as far as is known. */
  get connected(): boolean {
    return this.#connected;
  }

  /** How long a request waits for its answer at most, in milliseconds. */
  set timeoutMs(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Closes the connection for good. Requests that wait reject with Lost. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop("this session was closed");
    for (const wake of [...this.#waking]) wake();
    this.#clock?.close();
    this.#clock = undefined;
  }

  /** Waits for a connection, at most so long. Whether there is one. */
  async waitConnected(timeoutMs: number): Promise<boolean> {
    if (!this.#connected && !this.#closed) await this.#once("connected", timeoutMs);
    return this.#connected;
  }

  // One way

  /** Gives a sign of life, with a counter that moves when something was really done. */
  heartbeat(given: messages.Heartbeat = {}): Sent {
    return this.#tell(() => messages.heartbeat(given));
  }

  /** Says that market data arrived, with the venue's own time if it gave one. */
  tick(given: messages.Tick): Sent {
    return this.#tell(() => messages.tick(given));
  }

  /** Reports a price from a source: `bid` and `ask`, or `last`. */
  price(given: messages.Price): Sent {
    return this.#tell(() => messages.price(given));
  }

  /** Reports a figure; it must be finite. */
  metric(given: messages.Metric): Sent {
    return this.#tell(() => messages.metric(given));
  }

  /** Reports the state of a part, with its health from 0 to 1 where that is known. */
  part(given: messages.Part): Sent {
    return this.#tell(() => messages.part(given));
  }

  /** Reports the execution queue: what it does, entries waiting, and the oldest one's age. */
  queue(given: messages.Queue): Sent {
    return this.#tell(() => messages.queue(given));
  }

  /** Reports an error of severity 1 to 5; 5 and `fatal` end in fail-safe shutdown. */
  error(given: messages.ErrorReport): Sent {
    return this.#tell(() => messages.error(given));
  }

  /** Reports how much of the venue's own request budget is used. */
  apiUsage(given: messages.ApiUsage): Sent {
    return this.#tell(() => messages.apiUsage(given));
  }

  /** Says anything else one way. */
  tell(message: Message): Sent {
    return this.#tell(() => message);
  }

  // Requests

  /** Says who this is, and hears who the engine takes it for. Said again by itself over each new connection. */
  async hello(given: messages.Hello): Promise<HelloAnswer> {
    const message = messages.hello(given);
    this.#hello = message;
    return answers.hello(await this.#ask(message));
  }

  /** Asks to be held back. Resolves when it is in force. */
  async halt(given: messages.Halt): Promise<void> {
    answers.accepted("halt", await this.#ask(messages.halt(given)));
  }

  /**
   * Records something of the bot's own in the journal. Resolves with its sequence number once it is durable. After Lost or TimedOut
   * it may or may not be recorded.
   */
  async event(given: messages.Event): Promise<number> {
    return (await this.#book(messages.event(given))).seq;
  }

  /** Asks what may be done now, for display. Before an order check the permit, or ask for the order. */
  async permission(): Promise<PermissionAnswer> {
    return answers.permission(await this.#ask({ type: "permission?" }));
  }

  /**
   * Asks the gate for one order. Never rejects: whatever goes wrong is a refusal with its reason. A refusal may leave the intent in
   * the journal: where `mayBeRecorded`, say `not-sent` with `orderResult`.
   */
  async order(given: messages.Order, options: Timeout = {}): Promise<Decision> {
    try {
      const decision = answers.decision(await this.#ask(messages.order(given), options.timeoutMs));
      return this.#stillGood(decision);
    } catch (error) {
      return answers.refused([reason(error)]);
    }
  }

  /** Asks the limiter whether something else may be done now. Never rejects; what goes wrong is a refusal. */
  async rate(given: messages.Rate, options: Timeout = {}): Promise<RateDecision> {
    try {
      return answers.rateDecision(await this.#ask(messages.rate(given), options.timeoutMs));
    } catch (error) {
      return { allow: false, reasons: [reason(error)] };
    }
  }

  /** Says what became of an order. */
  async orderResult(given: messages.OrderResult): Promise<Booked> {
    return this.#book(messages.orderResult(given));
  }

  /**
   * Books a change of capital; the legs sum to zero for each asset. Resolves once it is durable. After Lost or TimedOut say it
   * again with the same `ref`: it is booked once. Refused with VIOLATION it broke a rule of the ledger, and trading is halted.
   */
  async posting(given: messages.Posting): Promise<Booked> {
    return this.#book(messages.posting(given));
  }

  /** Books a trade, with what it did to capital where that is not said in a posting of its own. As `posting`. */
  async fill(given: messages.Fill): Promise<Booked> {
    return this.#book(messages.fill(given));
  }

  /** Says what is in an account, to be compared with the book. As `posting`; a difference is a VIOLATION. */
  async capital(given: messages.Capital): Promise<Booked> {
    return this.#book(messages.capital(given));
  }

  /** Says what a position is, to be compared with the sum of its fills. As `capital`. */
  async position(given: messages.Position): Promise<Booked> {
    return this.#book(messages.position(given));
  }

  /** Says that a strategy went to another state. As `posting`; what is not declared is a VIOLATION. */
  async strategyState(given: messages.StrategyState): Promise<Booked> {
    return this.#book(messages.strategyState(given));
  }

  /** Asks for a snapshot, and resolves once it is on the disk. */
  async snapshot(given: messages.SnapshotRequest = {}): Promise<Booked> {
    return this.#book(messages.snapshotRequest(given));
  }

  /** Asks anything else, and resolves with the answer's object where it says that it was done. */
  async ask(message: Message, options: Timeout = {}): Promise<Line> {
    return answers.accepted(message.type, await this.#ask(message, options.timeoutMs));
  }

  // Notices

  /** What the engine said since, oldest first. */
  notice(): Notice | undefined {
    return this.#notices.shift();
  }

  /** As `notice`, but waits for one, at most so long. */
  async waitNotice(timeoutMs: number): Promise<Notice | undefined> {
    if (this.#notices.length === 0 && !this.#closed) await this.#once("notice", timeoutMs);
    return this.notice();
  }

  async #once(event: string, timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.off(event, done);
        this.#waking.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.on(event, done);
      this.#waking.add(done);
    });
  }

  #tell(build: () => Message): Sent {
    let line: string;
    try {
      line = messages.encode(undefined, build());
    } catch (error) {
      // Arguments of other types than declared end here too: the hot path of a bot is no place to throw.
      return { sent: false, why: words(error) };
    }
    const why = this.#unable();
    if (why !== undefined) return { sent: false, why };
    this.#socket?.write(line);
    return SENT;
  }

  async #book(message: Message): Promise<Booked> {
    return answers.booked(message.type, await this.#ask(message));
  }

  async #ask(message: Message, timeoutMs = this.#timeoutMs): Promise<Line> {
    this.#lastId += 1;
    const id = this.#lastId;
    const line = messages.encode(id, message);
    const why = this.#unable();
    if (why !== undefined) throw new NotConnected(why);
    return new Promise<Line>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new TimedOut(`failstop did not answer \`${message.type}\` within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket?.write(line);
    });
  }

  /** Why nothing can be said now. */
  #unable(): string | undefined {
    if (!this.#connected || this.#socket === undefined) return this.#why;
    if (this.#socket.writableLength > MAX_BACKLOG) return "failstop takes nothing at present: its socket is full";
    return undefined;
  }

  #stillGood(decision: Decision): Decision {
    if (!decision.allow) return decision;
    const refused = (code: string, error: string): Decision => {
      const { paperFill: _, ...rest } = decision;
      return { ...rest, ...answers.refused([...decision.reasons, { code, error }]) };
    };
    let nowUs: number;
    try {
      this.#clock ??= new BootClock();
      nowUs = this.#clock.nowUs();
    } catch (error) {
      return refused("NO_CLOCK", `the decision's deadline cannot be judged: ${words(error)}`);
    }
    if (nowUs < (decision.permitDeadline ?? 0)) return decision;
    return refused("PERMIT_EXPIRED", "the decision came after its permit had run out: ask again");
  }

  #connect(tried?: () => void): void {
    const socket = createConnection({ path: this.#path });
    this.#served = false;
    this.#refused = "";
    this.#socket = socket;
    let rest: Buffer[] = [];
    let held = 0;
    let why = "failstop closed the connection";
    socket.on("connect", () => {
      this.#connected = true;
      if (this.#hello !== undefined) socket.write(messages.encode(undefined, this.#hello));
      this.emit("connected");
      tried?.();
    });
    socket.on("data", (bytes: Buffer) => {
      let begin = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, begin)) {
        const piece = bytes.subarray(begin, end);
        const line = rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
        rest = [];
        held = 0;
        begin = end + 1;
        this.#take(line.toString("utf8"));
      }
      if (begin < bytes.length) {
        rest.push(bytes.subarray(begin));
        held += bytes.length - begin;
        if (held > MAX_ANSWER) {
          why = `a line of more than ${MAX_ANSWER} bytes came`;
          socket.destroy();
        }
      }
    });
    socket.on("end", () => socket.destroy());
    socket.on("error", (error) => {
      why = error.message;
    });
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      const was = this.#connected;
      this.#drop(
        was ? `the connection to the bot socket ${this.#path} broke: ${why}` : `cannot connect to the bot socket ${this.#path}: ${why}`,
      );
      if (!this.#closed) {
        // One that worked is replaced at once.
        const pauseMs = this.#served ? 0 : this.#pauseMs * (0.75 + Math.random() / 4);
        this.#pauseMs = this.#served ? BACKOFF_FIRST_MS : Math.min(this.#pauseMs * 2, BACKOFF_MOST_MS);
        this.#retry = setTimeout(() => this.#connect(), pauseMs);
        // Nobody's program goes on for this alone.
        this.#retry.unref();
      }
      tried?.();
    });
  }

  #drop(why: string): void {
    const was = this.#connected;
    this.#connected = false;
    this.#why = !this.#served && this.#refused !== "" ? `${why} (${this.#refused})` : why;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const one of waiting) one.reject(new Lost(this.#why));
    if (was) this.emit("disconnected", this.#why);
  }

  #take(text: string): void {
    const line = answers.parse(text);
    if (line === undefined) return;
    // A connection that is being turned away hears a refusal and nothing else.
    this.#served ||= line["ok"] === true || line["event"] !== undefined;
    const id = line["id"];
    if (typeof id === "number" && line["event"] === undefined) {
      // An answer that nobody waits for any more is nobody's.
      this.#waiting.get(id)?.resolve(line);
      this.#waiting.delete(id);
      return;
    }
    const notice = answers.notice(line);
    if (notice === undefined) return;
    if (notice.event === "refused") this.#refused = notice.error;
    if (notice.event === "permission") {
      // Only the latest counts.
      const old = this.#notices.findIndex((one) => one.event === "permission");
      if (old >= 0) this.#notices.splice(old, 1);
    }
    if (this.#notices.length === MAX_NOTICES) this.#notices.shift();
    this.#notices.push(notice);
    this.emit("notice", notice);
  }
}

/** Why an order could not be asked for. */
function reason(error: unknown): answers.Reason {
  if (error instanceof Refused) return { code: error.code, error: error.error };
  return { code: code(error), error: words(error) };
}

function code(error: unknown): string {
  if (error instanceof NotConnected) return "OFFLINE";
  if (error instanceof TimedOut) return "TIMED_OUT";
  if (error instanceof Lost) return "LOST";
  if (error instanceof InvalidMessage || !(error instanceof FailstopError)) {
    // Arguments of other types than declared, too.
    return "INVALID";
  }
  return "UNREADABLE";
}
