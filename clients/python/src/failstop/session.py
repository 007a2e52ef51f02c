"""A bot's blocking connection to the bot socket. Any number of threads may use one session; it starts none of its own."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterable, List, Mapping, NoReturn, Optional

from . import answers, messages
from ._heard import Heard
from ._link import Link
from ._talk import BACKOFF_FIRST, BACKOFF_MOST, CLOSED, DEFAULT_TIMEOUT, NO_ROOM, OneWay, refusal, socket_path, still_good
from .answers import SENT, Booked, Decision, Hello, Notice, Object, Permission, RateDecision, Sent
from .errors import InvalidMessage, Lost, NotConnected, SessionError, TimedOut
from .messages import Amount, Leg, Message, encode

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


class Session(OneWay):
    """A connection that is made anew by itself, with a growing pause between failures, at the next call.

    The constructor does not raise when the engine is not there: one-way messages then say that they were not sent, requests raise
    NotConnected at once, and `order` is refused with OFFLINE.
    """

    def __init__(self, path: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """For the socket at `path`; `timeout` is how long a request waits for its answer at most, in seconds."""
        self._path = path
        self._timeout = timeout
        self._hello: Optional[Message] = None
        self._last_id = 0
        self._heard = Heard()
        self._begin()
        _sessions.add(self)
        with self._lock:
            self._connect()

    def _begin(self) -> None:
        self._lock = threading.Condition()
        self._link: Optional[Link] = None
        self._heard.begin()
        self._why = ""
        self._pause = BACKOFF_FIRST
        self._not_before = 0.0
        # Requests that wait: None until their answer is there, or what became of them.
        self._pending: Dict[int, Optional[Object]] = {}
        self._reading = False
        self._closed = False

    @classmethod
    def from_env(cls, timeout: float = DEFAULT_TIMEOUT) -> Session:
        """For the socket that FAILSTOP_SOCKET names. Raises NotUnderFailstop where that is not set."""
        return cls(socket_path(), timeout)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection for good. Requests that wait raise Lost."""
        with self._lock:
            self._closed = True
            self._drop(CLOSED)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        with self._lock:
            self._collect()
            return self._link is not None

    # Requests

    def hello(self, client: str, version: str) -> Hello:
        """Says who this is, and hears who the engine takes it for. Said again by itself over each new connection."""
        message = messages.hello(client, version)
        self._hello = message
        return answers.hello(self._ask(message))

    def halt(self, cap: str, reason: str) -> None:
        """Asks to be held back (`reduce-only`, `observe-only` or `shutdown`). Returns when it is in force."""
        answers.accepted("halt", self._ask(messages.halt(cap, reason)))

    def event(self, name: str, data: Optional[Mapping[str, Any]] = None) -> int:
        """Records something of the bot's own in the journal. Returns its sequence number once it is durable.

        `name` starts with `x.`; amounts in `data` go as texts. After Lost or TimedOut it may or may not be recorded.
        """
        return self._book(messages.event(name, data)).seq

    def permission(self) -> Permission:
        """Asks what may be done now, for display. Before an order check the permit, or ask for the order."""
        return answers.permission(self._ask(messages.permission()))

    def order(
        self,
        client_id: str,
        instrument: str,
        side: str,
        quantity: Amount,
        account: str,
        price: Optional[Amount] = None,
        reduce_only: bool = False,
        leverage: Optional[Amount] = None,
        kind: Optional[str] = None,
        user: Optional[str] = None,
        live: bool = False,
        timeout: Optional[float] = None,
    ) -> Decision:
        """Asks the gate for one order. It never raises: whatever goes wrong is a refusal with its reason.

        A refusal may leave the intent in the journal: where `may_be_recorded`, say `not-sent` with `order_result`.
        """
        try:
            message = messages.order(client_id, instrument, side, quantity, account, price, reduce_only, leverage, kind, user, live)
            decision = answers.decision(self._ask(message, timeout))
            return still_good(decision)
        except (SessionError, InvalidMessage) as error:
            return refusal(error)

    def rate(self, bucket: str, user: Optional[str] = None, cost: Amount = 1, timeout: Optional[float] = None) -> RateDecision:
        """Asks the limiter whether something else may be done now. It never raises; what goes wrong is a refusal."""
        try:
            return answers.rate_decision(self._ask(messages.rate(bucket, user, cost), timeout))
        except (SessionError, InvalidMessage) as error:
            return RateDecision(False, refusal(error).reasons)

    def order_result(
        self,
        client_id: str,
        outcome: str,
        venue_id: Optional[str] = None,
        latency_us: Optional[int] = None,
        reason: Optional[str] = None,
    ) -> Booked:
        """Says what became of an order: `accepted`, `filled`, `cancelled`, `rejected`, `expired`, `not-sent` or `unknown`."""
        message = messages.order_result(client_id, outcome, venue_id, latency_us, reason)
        return self._book(message)

    def posting(self, ref: str, legs: Iterable[Leg], reason: Optional[str] = None) -> Booked:
        """Books a change of capital; the legs sum to zero for each asset. Returns once it is durable.

        After Lost or TimedOut say it again with the same `ref`: it is booked once. Refused with VIOLATION it broke a rule of the
        ledger, and trading is halted.
        """
        return self._book(messages.posting(ref, legs, reason))

    def fill(
        self,
        ref: str,
        account: str,
        instrument: str,
        side: str,
        quantity: Amount,
        price: Amount,
        client_id: Optional[str] = None,
        legs: Iterable[Leg] = (),
    ) -> Booked:
        """Books a trade, with what it did to capital where that is not said in a posting of its own. As `posting`."""
        message = messages.fill(ref, account, instrument, side, quantity, price, client_id, legs)
        return self._book(message)

    def capital(self, account: str, asset: str, total: Amount, free: Amount, locked: Amount) -> Booked:
        """Says what is in an account, to be compared with the book. As `posting`; a difference is a VIOLATION."""
        message = messages.capital(account, asset, total, free, locked)
        return self._book(message)

    def position(
        self,
        account: str,
        instrument: str,
        quantity: Amount,
        opening: bool = False,
        entry: Optional[Amount] = None,
        leverage: Optional[Amount] = None,
    ) -> Booked:
        """Says what a position is, to be compared with the sum of its fills. As `capital`."""
        message = messages.position(account, instrument, quantity, opening, entry, leverage)
        return self._book(message)

    def strategy_state(
        self,
        strategy: str,
        to: str,
        from_: Optional[str] = None,
        instance: Optional[str] = None,
        reason: Optional[str] = None,
    ) -> Booked:
        """Says that a strategy went to another state. As `posting`; what is not declared is a VIOLATION."""
        message = messages.strategy_state(strategy, to, from_, instance, reason)
        return self._book(message)

    def snapshot(self, reason: Optional[str] = None) -> Booked:
        """Asks for a snapshot, and returns once it is on the disk."""
        return self._book(messages.snapshot_request(reason))

    def ask(self, kind: str, **fields: Any) -> Object:
        """Asks anything else, and returns the answer's object where it says that it was done."""
        return answers.accepted(kind, self._ask({"type": kind, **fields}))

    # Notices

    def notice(self) -> Optional[Notice]:
        """What the engine said since, oldest first. Does not wait."""
        with self._lock:
            if not self._heard.notices:
                self._collect()
            return self._heard.notices.popleft() if self._heard.notices else None

    def wait_notice(self, timeout: float) -> Optional[Notice]:
        """As `notice`, but waits for one, at most so many seconds. A lost connection is made anew meanwhile."""
        end = time.monotonic() + timeout
        with self._lock:
            while not self._heard.notices:
                if time.monotonic() >= end or self._closed:
                    return None
                if self._connect():
                    self._read_once(end, lambda: bool(self._heard.notices))
                else:
                    self._lock.wait(max(0.0, min(end, self._not_before) - time.monotonic()))
            return self._heard.notices.popleft()

    def _tell(self, build: Callable[[], Message]) -> Sent:
        try:
            line = encode(None, build())
        except (TypeError, ValueError) as error:
            # InvalidMessage is a ValueError. Arguments of other types than declared end here too.
            return Sent(False, str(error))
        with self._lock:
            if not self._connect():
                return Sent(False, self._why)
            # A connection that broke unnoticed is found, and made anew, before anything is said over it.
            self._collect()
            if not self._connect():
                return Sent(False, self._why)
            assert self._link is not None
            try:
                if self._link.send(line):
                    return SENT
                return Sent(False, NO_ROOM)
            except OSError as error:
                self._drop(f"the connection to the bot socket {self._path} broke: {error}")
                return Sent(False, self._why)

    def _book(self, message: Message) -> Booked:
        return answers.booked(message["type"], self._ask(message))

    def _ask(self, message: Message, timeout: Optional[float] = None) -> Object:
        request = message["type"]
        waited = self._timeout if timeout is None else timeout
        end = time.monotonic() + waited
        with self._lock:
            self._last_id += 1
            id = self._last_id
            line = encode(id, message)
            self._collect()
            if not self._connect():
                raise NotConnected(self._why)
            link = self._link
            assert link is not None
            self._pending[id] = None
            try:
                self._send_before(end, link, line, request, waited)
                self._read_once(end, lambda: self._pending[id] is not None or self._link is not link, until_done=True)
                answer = self._pending[id]
                if answer is None and self._link is not link:
                    raise Lost(self._why or f"the connection broke while failstop was asked `{request}`")
                if answer is None:
                    self._timed_out(request, waited)
                return answer
            finally:
                del self._pending[id]

    # Everything below is called with the lock held.

    def _timed_out(self, request: str, waited: float) -> NoReturn:
        raise TimedOut(f"failstop did not answer `{request}` within {waited * 1000:.0f} ms")

    def _send_before(self, end: float, link: Link, line: bytes, request: str, waited: float) -> None:
        while True:
            try:
                if self._link is not link:
                    raise Lost(self._why)
                if link.send(line):
                    return
                left = end - time.monotonic()
                if left <= 0:
                    self._timed_out(request, waited)
                # Others may go on meanwhile; nobody waits for longer than this for room that another took.
                self._lock.release()
                try:
                    link.wait_for_room(min(left, 0.05))
                except (OSError, ValueError):
                    # Closed by another thread meanwhile; the next round finds it so.
                    pass
                finally:
                    self._lock.acquire()
            except OSError as error:
                self._drop(f"the connection to the bot socket {self._path} broke: {error}")
                raise Lost(self._why) from error

    def _read_once(self, end: float, done: Callable[[], bool], until_done: bool = False) -> None:
        """Waits for lines, or until somebody else who reads has something, once or until `done`, or until `end`.

        One thread at a time waits at the socket; the others wait for it.
        """
        while not done():
            left = end - time.monotonic()
            link = self._link
            if left <= 0 or link is None:
                return
            if self._reading:
                self._lock.wait(left)
            else:
                self._reading = True
                self._lock.release()
                try:
                    link.wait(left)
                except (OSError, ValueError):
                    # Closed by another thread meanwhile; what follows finds it so.
                    pass
                finally:
                    self._lock.acquire()
                    self._reading = False
                    self._collect()
                    self._lock.notify_all()
            if not until_done:
                return

    def _collect(self) -> None:
        """Takes what has arrived without waiting."""
        link = self._link
        if link is None:
            return
        try:
            link.flush()
            lines = link.receive()
        except OSError as error:
            self._drop(f"the connection to the bot socket {self._path} broke: {error}")
            return
        if lines:
            self._take(lines)
            self._lock.notify_all()

    def _take(self, lines: List[bytes]) -> None:
        for text in lines:
            answer = self._heard.take(text)
            if answer is not None and answer[0] in self._pending:
                self._pending[answer[0]] = answer[1]

    def _connect(self) -> bool:
        """Whether there is a connection. One that failed is tried again after its pause."""
        if self._link is not None:
            return True
        if self._closed or time.monotonic() < self._not_before:
            return False
        self._heard.begin()
        try:
            self._link = Link(self._path)
            if self._hello is not None:
                # It matters to logs only; a failure shows with the line that follows.
                self._link.send(encode(None, self._hello))
        except OSError as error:
            self._drop(f"cannot connect to the bot socket {self._path}: {error}")
            return False
        self._why = ""
        return True

    def _drop(self, why: str) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._heard.served:
            # One that worked is replaced at once.
            self._pause = BACKOFF_FIRST
        else:
            self._not_before = time.monotonic() + self._pause * random.uniform(0.75, 1.0)
            self._pause = min(self._pause * 2, BACKOFF_MOST)
        self._why = self._heard.why(why)
        self._lock.notify_all()


def _after_fork() -> None:
    """A child has connections of its own: two processes on one would read each other's answers."""
    for session in list(_sessions):
        link, closed, why = session._link, session._closed, session._why
        session._begin()
        if closed:
            session._closed, session._why = True, why
        if link is not None:
            link.leave()


os.register_at_fork(after_in_child=_after_fork)
