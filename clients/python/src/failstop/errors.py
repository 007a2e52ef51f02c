"""What can go wrong beside the hot path. The permit, one-way messages and `order` never raise any of these."""

from __future__ import annotations


class FailstopError(Exception):
    """The base of all errors of this package."""


class NotUnderFailstop(FailstopError):
    """This process is no component of `failstop run`, or its environment does not hold what that sets."""


class PermitError(FailstopError):
    """The permit page cannot be used. Without a page there is no permit: treat every order as denied."""


class OtherEpoch(PermitError):
    """The page belongs to another start of the engine than this process, which has to end."""


class InvalidMessage(FailstopError, ValueError):
    """What was to be said is no message: it was not sent. Says which field, and what to give instead."""


class SessionError(FailstopError):
    """Something could not be said or answered."""


class NotConnected(SessionError):
    """There is no connection to the engine. Nothing was sent."""


class Lost(SessionError):
    """The connection broke. What was being said may or may not have arrived."""


class TimedOut(SessionError):
    """No answer came in time; it may still come. The engine may be frozen: the permit runs out by itself."""


class Refused(SessionError):
    """The engine refused it. `code` is stable, `error` is for people."""

    def __init__(self, request: str, code: str, error: str) -> None:
        super().__init__(f"failstop refused `{request}`: {error} ({code})")
        self.request = request
        self.code = code
        self.error = error


class Unreadable(SessionError):
    """The answer is not of the form that this version knows."""
