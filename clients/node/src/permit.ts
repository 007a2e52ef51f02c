/**
 * The permit: the lease by which this process may trade, one word of a page that the engine renews.
 *
 * Node maps no files, so a check reads the word through a descriptor that is kept, then the clock, then the word again: three
 * short system calls, no exception. What a mapping gives for nothing, that a word is never seen half old and half new, comes
 * from the second reading: a word counts when it was the same before and after the clock was read. The layout of the page is a
 * promise of failstop's (`crates/client/src/permit/layout.rs`).
 */

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { NotUnderFailstop, OtherEpoch, PermitError } from "./errors.js";
import { BootClock, CLOCK_BOOTTIME, bootId, timeNamespace, words } from "./host.js";

const PAGE_SIZE = 4096;
const SLOTS = 32;
const AT_SLOTS = 0x40;
const SLOT_STRIDE = 64;

const OPEN = 1;
const REDUCE = 2;
const LIVE = 4;
const REVOKED = 8;
/** The kill switch's bit, and those without a meaning in this layout. */
const DENYING = REVOKED | 0x30;
const EPOCH_MASK = 1023 << 6;
const EPOCH_MODULUS = 1024n;

/** A denied check looks for a replaced page at most this often, in milliseconds. */
const LOOK_EVERY_MS = 20;
/** How often a word is read anew that changes while it is read. The engine writes twice a second. */
const READINGS = 4;

/** What an order would do to the position: `open` opens or enlarges it (also where that is unknown), `reduce` shrinks it. */
export type Intent = "open" | "reduce";

/** Why an order may not go out. The names are stable. */
export type Denial =
  | "NOT_GRANTED"
  | "REVOKED"
  | "EXPIRED"
  | "OTHER_EPOCH"
  | "HALTED"
  | "REDUCE_ONLY"
  | "UNREADABLE"
  | "NO_CLOCK"
  | "NO_PERMIT";

const REASONS: Readonly<Record<Denial, string>> = {
  NOT_GRANTED: "no permit was granted yet",
  REVOKED: "the kill switch is engaged",
  EXPIRED: "the permit ran out: failstop is not renewing it",
  OTHER_EPOCH: "failstop was started anew: this process belongs to an earlier start and has to end",
  HALTED: "a halt stands: see `failstop status`",
  REDUCE_ONLY: "only orders that reduce a position are allowed: see `failstop status`",
  UNREADABLE: "the permit has rights that this version of the client does not know: update the client",
  NO_CLOCK: "CLOCK_BOOTTIME cannot be read",
  NO_PERMIT: "there is no permit page to go by",
};

/** The answer, good for one order and only now. Cancels need none: they are always allowed. */
export interface Verdict {
  /** Send it to the exchange. */
  readonly live: boolean;
  /** Do not send it; fill it on paper. */
  readonly paper: boolean;
  /** Why neither. */
  readonly denial?: Denial;
  /** The same in words, for people. */
  readonly reason: string;
}

const GO_LIVE: Verdict = Object.freeze({ live: true, paper: false, reason: "" });
const GO_PAPER: Verdict = Object.freeze({ live: false, paper: true, reason: "" });

function denied(denial: Denial, reason = REASONS[denial]): Verdict {
  return Object.freeze({ live: false, paper: false, denial, reason });
}

const DENIED = Object.fromEntries(
  (Object.keys(REASONS) as Denial[]).map((denial) => [denial, denied(denial)]),
) as Readonly<Record<Denial, Verdict>>;

/**
 * Judges a word, given as its low and high 32 bits, of a page of the epoch with these bits (0 to 1023) at `nowUs`, which must not be
 * before the time at which the word was read.
 */
export function judge(low: number, high: number, epochBits: number, intent: Intent, nowUs: number): Verdict {
  const right = intent === "reduce" ? REDUCE : OPEN;
  // 48 bits: exact in a number.
  const deadlineUs = high * 65_536 + (low >>> 16);
  const runs = nowUs < deadlineUs;
  if (runs && (low & (DENYING | EPOCH_MASK | right)) === ((epochBits << 6) | right)) {
    return (low & LIVE) !== 0 ? GO_LIVE : GO_PAPER;
  }
  return DENIED[why(low, high, epochBits, runs)];
}

function why(low: number, high: number, epochBits: number, runs: boolean): Denial {
  if (low === 0 && high === 0) return "NOT_GRANTED";
  if ((low & REVOKED) !== 0) return "REVOKED";
  if ((low & DENYING) !== 0) return "UNREADABLE";
  if ((low & EPOCH_MASK) !== epochBits << 6) return "OTHER_EPOCH";
  if (!runs) return "EXPIRED";
  return (low & REDUCE) !== 0 ? "REDUCE_ONLY" : "HALTED";
}

/** One open page. It stays what it was when it was opened: a new start of the engine is a new file. */
class Page {
  readonly epoch: bigint;
  readonly epochBits: number;
  readonly leaseUs: number;
  readonly #fd: number;
  readonly #clock: BootClock;
  readonly #identity: string;
  readonly #word = Buffer.alloc(8);

  /** Opens and validates. Throws PermitError. */
  constructor(path: string) {
    let fd: number;
    try {
      // O_NONBLOCK, so that a FIFO in its place cannot hang the bot.
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (error) {
      throw new PermitError(`cannot open the permit page ${path}: ${words(error)}`);
    }
    try {
      const info = fstatSync(fd, { bigint: true });
      if (!info.isFile() || info.size !== BigInt(PAGE_SIZE)) {
        throw new PermitError(`${path} is not a usable permit page: it is no file of ${PAGE_SIZE} bytes`);
      }
      const header = Buffer.alloc(AT_SLOTS);
      if (readSync(fd, header, 0, AT_SLOTS, 0) !== AT_SLOTS) {
        throw new PermitError(`${path} is not a usable permit page: it is shorter than its header`);
      }
      validate(path, header);
      this.epoch = header.readBigUInt64LE(0x20);
      this.epochBits = Number(this.epoch % EPOCH_MODULUS);
      this.leaseUs = Number(header.readBigUInt64LE(0x38));
      this.#identity = `${info.dev} ${info.ino}`;
      this.#clock = new BootClock();
    } catch (error) {
      closeSync(fd);
      if (error instanceof PermitError) throw error;
      throw new PermitError(`cannot use the permit page ${path}: ${words(error)}`);
    }
    this.#fd = fd;
  }

  /** Whether the file now at `path` is another one: the engine was started anew, or is gone. */
  isReplaced(path: string): boolean {
    try {
      const info = statSync(path, { bigint: true });
      return `${info.dev} ${info.ino}` !== this.#identity;
    } catch {
      // Whatever the reason, this page is not the one there.
      return true;
    }
  }

  check(slot: number, intent: Intent): Verdict {
    const at = AT_SLOTS + SLOT_STRIDE * slot;
    try {
      for (let reading = 0; reading < READINGS; reading += 1) {
        this.#read(at);
        const low = this.#word.readUInt32LE(0);
        const high = this.#word.readUInt32LE(4);
        // The clock after the word: the other order would compare a fresh word with a stale time.
        const nowUs = this.#clock.nowUs();
        this.#read(at);
        if (this.#word.readUInt32LE(0) !== low || this.#word.readUInt32LE(4) !== high) continue;
        const verdict = judge(low, high, this.epochBits, intent, nowUs);
        // No lease lies further ahead than its length. One that does was judged by a clock that is behind.
        const allows = verdict.live || verdict.paper;
        if (allows && high * 65_536 + (low >>> 16) > nowUs + this.leaseUs) {
          return denied("NO_CLOCK", "the permit's deadline lies further ahead than a lease: this clock is behind the engine's");
        }
        return verdict;
      }
      return denied("UNREADABLE", "the permit kept changing while it was read");
    } catch (error) {
      return denied("NO_CLOCK", `the permit or the clock cannot be read: ${words(error)}`);
    }
  }

  close(): void {
    closeSync(this.#fd);
    this.#clock.close();
  }

  #read(at: number): void {
    if (readSync(this.#fd, this.#word, 0, 8, at) !== 8) throw new Error("the permit page is shorter than it was");
  }
}

function validate(path: string, header: Buffer): void {
  let expected: [string, string][];
  try {
    expected = [
      ["boot id", bootId()],
      ["time namespace", String(timeNamespace())],
    ];
  } catch (error) {
    throw new PermitError(`cannot compare the permit page ${path} with this boot: ${words(error)}`);
  }
  const found: [string, string][] = [
    ["boot id", header.toString("hex", 0x10, 0x20)],
    ["time namespace", String(header.readBigUInt64LE(0x28))],
    ["magic", header.toString("latin1", 0, 8)],
    ["abi", String(header.readUInt32LE(8))],
    ["stated size", String(header.readUInt32LE(12))],
    ["clock", String(header.readBigUInt64LE(0x30))],
  ];
  expected.push(["magic", "FSPERMT1"], ["abi", "1"], ["stated size", String(PAGE_SIZE)], ["clock", String(CLOCK_BOOTTIME)]);
  const wanted = new Map(expected);
  for (const [field, value] of found) {
    if (value !== wanted.get(field)) {
      throw new PermitError(
        `${path} is not a usable permit page: its ${field} is ${JSON.stringify(value)}, expected ${JSON.stringify(wanted.get(field))}`,
      );
    }
  }
}

/**
 * The permit of one slot. Ask it before each order; the answer is good for that order only.
 *
 * One from `Permit.fromEnv()` is bound to the start of the engine that started this process: a process that outlives its engine
 * never trades by a permit that a later start gave to its successor. One from `Permit.open()` follows every start, and is for
 * those that only look, or that failstop does not supervise. Each worker thread opens its own.
 */
export class Permit {
  readonly slot: number;
  readonly #boundTo: bigint | undefined;
  #path: string;
  #page: Page | undefined;
  #problem: string;
  #superseded = false;
  #lookedMs = Number.NEGATIVE_INFINITY;

  private constructor(path: string, slot: number, epoch: bigint | undefined, page: Page | undefined, problem: string) {
    this.#path = path;
    this.slot = slot;
    this.#boundTo = epoch;
    this.#page = page;
    this.#problem = problem;
  }

  /**
   * This component's permit, from FAILSTOP_PERMIT, FAILSTOP_PERMIT_SLOT and FAILSTOP_EPOCH.
   *
   * It never throws: without failstop, or with a page that cannot be used, every check is denied with NO_PERMIT and the reason.
   * With `strict` that throws NotUnderFailstop or PermitError instead.
   */
  static fromEnv(options: { readonly strict?: boolean } = {}): Permit {
    let path = "";
    let slot = 0;
    let epoch: bigint | undefined;
    try {
      path = variable("FAILSTOP_PERMIT");
      slot = Number(whole("FAILSTOP_PERMIT_SLOT", "a slot's number, 0 to 31", BigInt(SLOTS - 1)));
      epoch = whole("FAILSTOP_EPOCH", "an epoch's number", 2n ** 64n - 1n);
      return Permit.open(path, slot, epoch);
    } catch (error) {
      const known = error instanceof NotUnderFailstop || error instanceof PermitError;
      if (options.strict === true || !known) throw error;
      const named = error instanceof PermitError;
      return new Permit(named ? path : "", slot, epoch, undefined, error.message);
    }
  }

  /**
   * The permit of `slot` (0 is the system's) on the page at `path`, bound to one start of the engine where `epoch` names it.
   * Throws PermitError when the page cannot be used, has no such slot or is of another epoch.
   */
  static open(path: string, slot: number, epoch?: bigint): Permit {
    if (!Number.isInteger(slot) || slot < 0 || slot >= SLOTS) {
      throw new PermitError(`slot ${slot} does not exist: a permit page has slots 0 (the system) to ${SLOTS - 1}`);
    }
    const page = new Page(path);
    if (epoch !== undefined && page.epoch !== epoch) {
      page.close();
      throw otherEpoch(path, page.epoch, epoch);
    }
    return new Permit(path, slot, epoch, page, "");
  }

  /** Whether an order that opens or enlarges a position may go out now. */
  mayOpen(): Verdict {
    return this.check("open");
  }

  /** Whether an order that shrinks a position, and cannot turn it over, may go out now. */
  mayReduce(): Verdict {
    return this.check("reduce");
  }

  /** Whether an order with this intent may go out now. Anything but `"reduce"` is taken for `"open"`. */
  check(intent: Intent): Verdict {
    const verdict = this.#now(intent);
    const denial = verdict.denial;
    if (denial === undefined || denial === "HALTED" || denial === "REDUCE_ONLY" || denial === "NO_CLOCK") return verdict;
    return this.#look(verdict, intent);
  }

  /**
   * Looks at once whether the page was replaced, and takes the new one if it was. Returns whether it did. Throws PermitError
   * when there is a new page that cannot be used; the permit denies then.
   */
  refresh(): boolean {
    if (this.#path === "" || this.#page?.isReplaced(this.#path) === false) return false;
    const page = new Page(this.#path);
    if (this.#boundTo !== undefined && page.epoch !== this.#boundTo) {
      page.close();
      // Epochs only rise: this process's own will not come back.
      this.#superseded = true;
      throw otherEpoch(this.#path, page.epoch, this.#boundTo);
    }
    this.#page?.close();
    this.#page = page;
    return true;
  }

  /** Gives up the page and its descriptors. Every later check is denied. */
  close(): void {
    this.#page?.close();
    this.#page = undefined;
    this.#path = "";
    this.#problem = "this permit was closed";
  }

  /** The epoch of the page that is read at present. */
  get epoch(): bigint | undefined {
    return this.#page?.epoch;
  }

  /** Why there is no page, in words; empty where there is one. */
  get problem(): string {
    return this.#page === undefined ? this.#problem : "";
  }

  #now(intent: Intent): Verdict {
    return this.#page?.check(this.slot, intent) ?? denied("NO_PERMIT", this.#problem);
  }

  #look(verdict: Verdict, intent: Intent): Verdict {
    if (this.#superseded) return DENIED.OTHER_EPOCH;
    // The page may be an old one.
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return verdict;
    this.#lookedMs = nowMs;
    try {
      return this.refresh() ? this.#now(intent) : verdict;
    } catch (error) {
      if (error instanceof OtherEpoch) return DENIED.OTHER_EPOCH;
      if (this.#page !== undefined) return verdict;
      this.#problem = words(error);
      return denied("NO_PERMIT", this.#problem);
    }
  }
}

function otherEpoch(path: string, found: bigint, expected: bigint): OtherEpoch {
  return new OtherEpoch(
    `the permit page ${path} is of epoch ${found}, but this process belongs to epoch ${expected}: failstop was started anew, and ` +
      "this process has to end",
  );
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") {
    throw new NotUnderFailstop(
      `${name} is not set: start this program as a component of \`failstop run\`, or open the page by its path`,
    );
  }
  return value;
}

function whole(name: string, expected: string, most: bigint): bigint {
  const value = variable(name);
  if (!/^[0-9]{1,20}$/.test(value) || BigInt(value) > most) {
    throw new NotUnderFailstop(`${name} is \`${value}\`, but has to be ${expected}`);
  }
  return BigInt(value);
}
