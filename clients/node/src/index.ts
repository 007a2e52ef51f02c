/** The bot's side of failstop: the permit before each order, and the bot socket. No dependencies. */

export type {
  Booked,
  Decision,
  HaltNote,
  HelloAnswer,
  Notice,
  PermissionAnswer,
  RateDecision,
  Reason,
  Sent,
} from "./answers.js";
export {
  FailstopError,
  InvalidMessage,
  Lost,
  NotConnected,
  NotUnderFailstop,
  OtherEpoch,
  PermitError,
  Refused,
  SessionError,
  TimedOut,
  Unreadable,
} from "./errors.js";
export { BootClock } from "./host.js";
export type {
  Amount,
  ApiUsage,
  Capital,
  ErrorReport,
  Event,
  Fill,
  Halt,
  Heartbeat,
  Hello,
  Leg,
  Message,
  Metric,
  Order,
  OrderResult,
  Part,
  Position,
  Posting,
  Price,
  Queue,
  Rate,
  Side,
  SnapshotRequest,
  StrategyState,
  Tick,
  Time,
} from "./messages.js";
export { type Denial, type Intent, Permit, type Verdict, judge } from "./permit.js";
export { MAX_ANSWER, MAX_BACKLOG, MAX_NOTICES, Session, type SessionOptions, type Timeout } from "./session.js";
