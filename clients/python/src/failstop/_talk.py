"""What both kinds of session say and are told alike: the one-way messages, of which none waits for the engine and none raises, and
what becomes of an order that cannot be asked for."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any, Callable, Final, Mapping, Optional, Union

from . import messages
from ._host import boottime_us
from .answers import Decision, Reason, Sent
from .errors import InvalidMessage, Lost, NotConnected, NotUnderFailstop, Refused, SessionError, TimedOut
from .messages import Amount, Message, Time

#: What the engine may send without a line's end before it is taken for something else, in bytes.
MAX_ANSWER: Final = 1024 * 1024
#: What may wait to be taken by an engine that takes nothing, in bytes.
MAX_BACKLOG: Final = 256 * 1024
#: What is said of a message that an engine which takes nothing has no room for.
NO_ROOM: Final = "failstop takes nothing at present: its socket is full"
#: Why a session that was closed says nothing more.
CLOSED: Final = "this session was closed"
#: How long a call waits for its answer at most, unless told otherwise, in seconds.
DEFAULT_TIMEOUT: Final = 5.0
#: A lost connection is tried again after so long, doubled at each failure up to the second, in seconds.
BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 2.0


class OneWay:
    """What a bot says without waiting. Each returns whether it went out; a bot that cannot reach the engine has no permit either,
    so that the outcome may be ignored.
    """

    def _tell(self, build: Callable[[], Message]) -> Sent:
        raise NotImplementedError

    def heartbeat(self, progress: Optional[int] = None) -> Sent:
        """Gives a sign of life, with a counter that moves when something was really done."""
        return self._tell(lambda: messages.heartbeat(progress))

    def tick(self, feed: str, instrument: Optional[str] = None, time: Optional[Time] = None) -> Sent:
        """Says that market data arrived, with the venue's own time if it gave one."""
        return self._tell(lambda: messages.tick(feed, instrument, time))

    def price(
        self,
        source: str,
        instrument: str,
        bid: Optional[Amount] = None,
        ask: Optional[Amount] = None,
        last: Optional[Amount] = None,
        time: Optional[Time] = None,
    ) -> Sent:
        """Reports a price from a source: `bid` and `ask`, or `last`."""
        return self._tell(lambda: messages.price(source, instrument, bid, ask, last, time))

    def metric(self, name: str, value: Union[float, Decimal, str], labels: Optional[Mapping[str, str]] = None) -> Sent:
        """Reports a figure; it must be finite."""
        return self._tell(lambda: messages.metric(name, value, labels))

    def part(self, name: str, status: str, health: Optional[float] = None, detail: Optional[str] = None) -> Sent:
        """Reports the state of a part: `healthy`, `degraded` or `critical`, with its health from 0 to 1 where that is known."""
        return self._tell(lambda: messages.part(name, status, health, detail))

    def queue(self, state: str, depth: int = 0, oldest_ms: Optional[int] = None) -> Sent:
        """Reports the execution queue: `idle`, `processing` or `stalled`, entries waiting, and the oldest one's age."""
        return self._tell(lambda: messages.queue(state, depth, oldest_ms))

    def error(self, kind: str, message: str = "", severity: int = 3, part: Optional[str] = None, fatal: bool = False) -> Sent:
        """Reports an error of severity 1 to 5; 5 and `fatal` end in fail-safe shutdown."""
        return self._tell(lambda: messages.error(kind, message, severity, part, fatal))

    def api_usage(self, endpoint: str, used: int, limit: int, resets_at: Optional[Time] = None) -> Sent:
        """Reports how much of the venue's own request budget is used."""
        return self._tell(lambda: messages.api_usage(endpoint, used, limit, resets_at))

    def tell(self, kind: str, **fields: Any) -> Sent:
        """Says anything else one way."""
        return self._tell(lambda: {"type": kind, **fields})


def socket_path() -> str:
    """The bot socket's path. Raises NotUnderFailstop."""
    path = os.environ.get("FAILSTOP_SOCKET")
    if not path:
        raise NotUnderFailstop(
            "FAILSTOP_SOCKET is not set: start this program as a component of `failstop run`, or name the socket's path"
        )
    return path


def refusal(error: Union[SessionError, InvalidMessage]) -> Decision:
    """The decision over an order that could not be asked for: refused, with the reason."""
    if isinstance(error, Refused):
        return Decision(False, reasons=(Reason(error.code, error.error),))
    if isinstance(error, InvalidMessage):
        code = "INVALID"
    elif isinstance(error, NotConnected):
        code = "OFFLINE"
    elif isinstance(error, TimedOut):
        code = "TIMED_OUT"
    elif isinstance(error, Lost):
        code = "LOST"
    else:
        code = "UNREADABLE"
    return Decision(False, reasons=(Reason(code, str(error)),))


def still_good(decision: Decision) -> Decision:
    """The decision, or its refusal where it came too late."""
    if not decision.allow:
        return decision
    try:
        now_us = boottime_us()
    except OSError as error:
        reason = Reason("NO_CLOCK", f"the decision's deadline cannot be judged: {error}")
    else:
        if decision.permit_deadline is not None and now_us < decision.permit_deadline:
            return decision
        reason = Reason("PERMIT_EXPIRED", "the decision came after its permit had run out: ask again")
    return decision._replace(allow=False, reasons=(*decision.reasons, reason), paper_fill=None)
