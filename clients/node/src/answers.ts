/** What the engine answers, and what it says without being asked. Fields that this version does not know are ignored. */

import { Refused, Unreadable } from "./errors.js";

/** A line's object. */
export type Line = Readonly<Record<string, unknown>>;

/** Whether a one-way message went out, and why not. */
export interface Sent {
  readonly sent: boolean;
  readonly why: string;
}

export interface HelloAnswer {
  readonly system: string;
  /** Which component the engine takes this process for. */
  readonly component?: string;
  /** Its slot on the permit page. */
  readonly slot?: number;
  readonly epoch: number;
  /** `active`, `reduce-only`, `observe-only` or `shutdown`. */
  readonly permission: string;
  /** `dry` or `live`. */
  readonly mode: string;
  readonly version: string;
}

/** It ages from the moment it is sent: before an order check the permit instead. */
export interface PermissionAnswer {
  readonly permission: string;
  readonly mode: string;
  readonly rights: { readonly open: boolean; readonly reduce: boolean; readonly live: boolean };
  readonly epoch: number;
  /** Microseconds of CLOCK_BOOTTIME. */
  readonly permitDeadline?: number;
}

/** Durable in the journal. */
export interface Booked {
  /** The record's sequence number; of a snapshot, that of its `snapshot.taken`. */
  readonly seq: number;
  /** It was booked before with the same `ref` and content: nothing was booked now. */
  readonly already: boolean;
}

/** Why the gate refused. The code is stable. */
export interface Reason {
  readonly code: string;
  readonly error: string;
}

/**
 * The gate's decision over one order. An order that could not be asked for is refused too, with a code of the client's own:
 * OFFLINE, LOST, TIMED_OUT, UNREADABLE, PERMIT_EXPIRED, NO_CLOCK or INVALID. See `mayBeRecorded`.
 */
export interface Decision {
  /** It may go out: to the exchange where `live`, else on paper. */
  readonly allow: boolean;
  /** Send it to the exchange. */
  readonly live: boolean;
  /**
   * Refused on this side alone, so that the intent may be in the journal: LOST, TIMED_OUT, UNREADABLE, PERMIT_EXPIRED, NO_CLOCK.
   * Whoever sends nothing then says so (`orderResult` with `not-sent`): until then the gate counts the order. Never after the gate's
   * own refusals, which record nothing: after DUPLICATE it would end the first order of that id.
   */
  readonly mayBeRecorded: boolean;
  /** Every refusal. */
  readonly reasons: readonly Reason[];
  /** Until when the decision is good, in microseconds of CLOCK_BOOTTIME. */
  readonly permitDeadline?: number;
  /** The intent's sequence number in the journal. */
  readonly intentSeq?: number;
  /** How an order in `dry` was filled on paper, in decimal texts. */
  readonly paperFill?: { readonly quantity: string; readonly price: string };
}

export interface RateDecision {
  readonly allow: boolean;
  readonly reasons: readonly Reason[];
  /** After how long it would be allowed, where that is known. */
  readonly retryAfterMs?: number;
}

export interface HaltNote {
  readonly id: string;
  readonly cause: string;
  readonly cap: string;
  readonly latched: boolean;
}

/** What the engine says without being asked. `other` is of a later version: ignore it, or read `body`. */
export type Notice =
  | { readonly event: "permission"; readonly permission: string; readonly mode: string; readonly halts: readonly HaltNote[] }
  | { readonly event: "stop"; readonly reason: string; readonly graceMs: number }
  | {
      readonly event: "reclaim";
      readonly reason: string;
      /** `memory` (bytes), `files` or `processes` (numbers). */
      readonly resource: string;
      readonly used: number;
      readonly limit: number;
    }
  | { readonly event: "reduce-load"; readonly reason: string; readonly usedPercent: number; readonly limitPercent: number }
  | { readonly event: "maintenance"; readonly reason: string; readonly until?: string }
  | { readonly event: "refused"; readonly code: string; readonly error: string }
  | { readonly event: "other"; readonly name: string; readonly body: Line };

/** The object on a line; undefined where there is none: a later version may say other things. */
export function parse(text: string): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Whoever waits for an answer waits on; this was none.
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

interface Kinds {
  string: string;
  number: number;
  boolean: boolean;
}

function field<K extends keyof Kinds>(request: string, line: Line, name: string, kind: K): Kinds[K] {
  const value = line[name];
  if (typeof value === kind) return value as Kinds[K];
  throw unreadable(request, name, value);
}

function optional<K extends keyof Kinds>(request: string, line: Line, name: string, kind: K): Kinds[K] | undefined {
  return line[name] === undefined || line[name] === null ? undefined : field(request, line, name, kind);
}

/** `{ [name]: value }`, or nothing where there is no value. */
function given<N extends string, V>(name: N, value: V | undefined): { [name in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [name in N]?: V };
}

function unreadable(request: string, name: string, value: unknown): Unreadable {
  return new Unreadable(`failstop's answer to \`${request}\` cannot be read: \`${name}\` is ${JSON.stringify(value)}`);
}

function isObject(value: unknown): value is Line {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The answer itself where it says that it was done. Throws Refused, or Unreadable. */
export function accepted(request: string, line: Line): Line {
  if (field(request, line, "ok", "boolean")) return line;
  const { code, error } = line;
  throw new Refused(
    request,
    typeof code === "string" ? code : "OTHER",
    typeof error === "string" ? error : "no reason was given",
  );
}

export function hello(answer: Line): HelloAnswer {
  const line = accepted("hello", answer);
  return {
    system: field("hello", line, "system", "string"),
    ...given("component", optional("hello", line, "component", "string")),
    ...given("slot", optional("hello", line, "slot", "number")),
    epoch: field("hello", line, "epoch", "number"),
    permission: field("hello", line, "permission", "string"),
    mode: field("hello", line, "mode", "string"),
    version: field("hello", line, "version", "string"),
  };
}

export function permission(answer: Line): PermissionAnswer {
  const request = "permission?";
  const line = accepted(request, answer);
  const rights = line["rights"];
  if (!isObject(rights)) throw unreadable(request, "rights", rights);
  return {
    permission: field(request, line, "permission", "string"),
    mode: field(request, line, "mode", "string"),
    rights: {
      open: field(request, rights, "open", "boolean"),
      reduce: field(request, rights, "reduce", "boolean"),
      live: field(request, rights, "live", "boolean"),
    },
    epoch: field(request, line, "epoch", "number"),
    ...given("permitDeadline", optional(request, line, "permit_deadline", "number")),
  };
}

export function booked(request: string, answer: Line): Booked {
  const line = accepted(request, answer);
  return {
    seq: field(request, line, "seq", "number"),
    already: optional(request, line, "already", "boolean") ?? false,
  };
}

/** What is missing never allows: it is Unreadable. */
export function decision(answer: Line): Decision {
  const request = "order";
  const line = accepted(request, answer);
  const allow = field(request, line, "allow", "boolean");
  const deadline = optional(request, line, "permit_deadline", "number");
  if (allow && deadline === undefined) throw unreadable(request, "permit_deadline", line["permit_deadline"]);
  const mode = field(request, line, "mode", "string");
  const paper = line["paper_fill"] ?? undefined;
  if (paper !== undefined && !isObject(paper)) throw unreadable(request, "paper_fill", paper);
  return {
    allow,
    live: allow && mode === "live",
    mayBeRecorded: false,
    reasons: reasons(request, line),
    ...given("permitDeadline", deadline),
    ...given("intentSeq", optional(request, line, "intent_seq", "number")),
    ...given(
      "paperFill",
      paper && { quantity: field(request, paper, "quantity", "string"), price: field(request, paper, "price", "string") },
    ),
  };
}

/** The client's own codes after which the engine may have recorded the intent. */
const MAY_BE_RECORDED: ReadonlySet<string> = new Set(["LOST", "TIMED_OUT", "UNREADABLE", "PERMIT_EXPIRED", "NO_CLOCK"]);

/** The decision of whoever could not ask, or must not go by what was answered. */
export function refused(reasons: readonly Reason[]): Decision {
  return { allow: false, live: false, mayBeRecorded: reasons.some((reason) => MAY_BE_RECORDED.has(reason.code)), reasons };
}

export function rateDecision(answer: Line): RateDecision {
  const line = accepted("rate", answer);
  return {
    allow: field("rate", line, "allow", "boolean"),
    reasons: reasons("rate", line),
    ...given("retryAfterMs", optional("rate", line, "retry_after_ms", "number")),
  };
}

function reasons(request: string, line: Line): Reason[] {
  const given = line["reasons"] ?? [];
  if (!Array.isArray(given)) throw unreadable(request, "reasons", given);
  return given.map((one: unknown) => {
    if (!isObject(one)) throw unreadable(request, "reasons", given);
    return { code: field(request, one, "code", "string"), error: field(request, one, "error", "string") };
  });
}

/** What a line that answers nothing says; undefined where there is nothing to tell. */
export function notice(line: Line): Notice | undefined {
  const event = line["event"];
  if (typeof event === "string") {
    try {
      return push(event, line);
    } catch (error) {
      if (error instanceof Unreadable) return { event: "other", name: event, body: line };
      throw error;
    }
  }
  if (line["ok"] === false && (line["id"] ?? undefined) === undefined) {
    return { event: "refused", code: String(line["code"] ?? "OTHER"), error: String(line["error"] ?? "") };
  }
  return undefined;
}

function push(event: string, line: Line): Notice {
  switch (event) {
    case "permission": {
      const halts = line["halts"];
      if (!Array.isArray(halts)) throw unreadable(event, "halts", halts);
      return {
        event,
        permission: field(event, line, "permission", "string"),
        mode: field(event, line, "mode", "string"),
        halts: halts.filter(isObject).map((halt) => ({
          id: field(event, halt, "id", "string"),
          cause: field(event, halt, "cause", "string"),
          cap: field(event, halt, "cap", "string"),
          latched: field(event, halt, "latched", "boolean"),
        })),
      };
    }
    case "stop":
      return { event, reason: field(event, line, "reason", "string"), graceMs: field(event, line, "grace_ms", "number") };
    case "reclaim":
      return {
        event,
        reason: field(event, line, "reason", "string"),
        resource: optional(event, line, "resource", "string") ?? "",
        used: optional(event, line, "used", "number") ?? 0,
        limit: optional(event, line, "limit", "number") ?? 0,
      };
    case "reduce-load":
      return {
        event,
        reason: field(event, line, "reason", "string"),
        usedPercent: optional(event, line, "used_percent", "number") ?? 0,
        limitPercent: optional(event, line, "limit_percent", "number") ?? 0,
      };
    case "maintenance":
      return {
        event,
        reason: optional(event, line, "reason", "string") ?? "",
        ...given("until", optional(event, line, "until", "string")),
      };
    default:
      return { event: "other", name: event, body: line };
  }
}
