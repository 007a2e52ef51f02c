/** What can go wrong beside the hot path. The permit, one-way messages and `order` never throw or reject. */

/** The base of all errors of this package. */
export class FailstopError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** This process is no component of `failstop run`, or its environment does not hold what that sets. */
export class NotUnderFailstop extends FailstopError {}

/** The permit page cannot be used. Without a page there is no permit: treat every order as denied. */
export class PermitError extends FailstopError {}

/** The page belongs to another start of the engine than this process, which has to end. */
export class OtherEpoch extends PermitError {}

/** What was to be said is no message: it was not sent. Says which field, and what to give instead. */
export class InvalidMessage extends FailstopError {}

/** Something could not be said or answered. */
export class SessionError extends FailstopError {}

/** There is no connection to the engine. Nothing was sent. */
export class NotConnected extends SessionError {}

/** The connection broke. What was being said may or may not have arrived. */
export class Lost extends SessionError {}

/** No answer came in time; it may still come. The engine may be frozen: the permit runs out by itself. */
export class TimedOut extends SessionError {}

/** The answer is not of the form that this version knows. */
export class Unreadable extends SessionError {}

/** The engine refused it. `code` is stable, `error` is for people. */
export class Refused extends SessionError {
  constructor(
    readonly request: string,
    readonly code: string,
    readonly error: string,
  ) {
    super(`failstop refused \`${request}\`: ${error} (${code})`);
  }
}
