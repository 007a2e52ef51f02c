"""A bot's connection to the bot socket for asyncio. For the tasks of one event loop."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, Mapping, Optional

from . import answers, messages
from ._talk import (
    BACKOFF_FIRST,
    BACKOFF_MOST,
    DEFAULT_TIMEOUT,
    MAX_ANSWER,
    MAX_BACKLOG,
    MAX_NOTICES,
    OneWay,
    refusal,
    served,
    socket_path,
    still_good,
)
from .answers import SENT, Booked, Decision, Hello, Notice, Object, Permission, RateDecision, RefusedNotice, Sent
from .errors import InvalidMessage, Lost, NotConnected, SessionError, TimedOut
from .messages import Amount, Leg, Message, encode
from .session import keep_notice


class AsyncSession(OneWay):
    """A connection that a task of its own makes anew, with a growing pause between failures.

    Use it as `async with AsyncSession.from_env() as session:`. One-way messages are plain calls, since they never wait; requests
    are coroutines. Without an engine they behave as `Session`'s do.
    """

    def __init__(self, path: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """For the socket at `path`; `timeout` is how long a request waits for its answer at most, in seconds."""
        self._path = path
        self._timeout = timeout
        self._hello: Optional[Message] = None
        self._last_id = 0
        self._notices: Deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._pending: Dict[int, asyncio.Future[Object]] = {}
        self._writer: Optional[asyncio.StreamWriter] = None
        self._last: Optional[asyncio.StreamWriter] = None
        self._why = "this session was not opened: use `async with`, or await `open()`"
        self._served = False
        self._refused = ""
        self._keeper: Optional[asyncio.Task[None]] = None

    @classmethod
    def from_env(cls, timeout: float = DEFAULT_TIMEOUT) -> AsyncSession:
        """For the socket that FAILSTOP_SOCKET names. Raises NotUnderFailstop where that is not set."""
        return cls(socket_path(), timeout)

    async def open(self) -> AsyncSession:
        """Tries to connect once, and keeps the connection from then on. Does not raise when the engine is not there."""
        if self._keeper is None:
            self._tried = asyncio.Event()
            self._news = asyncio.Event()
            self._keeper = asyncio.ensure_future(self._keep())
            await self._tried.wait()
        return self

    async def close(self) -> None:
        """Closes the connection for good. Requests that wait raise Lost."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        if self._last is not None:
            try:
                await self._last.wait_closed()
            except OSError:
                # It broke before; that was told to whoever waited.
                pass
        self._why = "this session was closed"

    async def __aenter__(self) -> AsyncSession:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._writer is not None

    async def wait_connected(self, timeout: float) -> bool:
        """Waits for a connection, at most so many seconds. Whether there is one."""
        return await self._wait_for(lambda: self.connected, timeout)

    # Requests

    async def hello(self, client: str, version: str) -> Hello:
        """Says who this is, and hears who the engine takes it for. Said again by itself over each new connection."""
        self._hello = messages.hello(client, version)
        return answers.hello(await self._ask("hello", self._hello))

    async def halt(self, cap: str, reason: str) -> None:
        """See `Session.halt`, and so on: each request is that of `Session`."""
        answers.accepted("halt", await self._ask("halt", messages.halt(cap, reason)))

    async def event(self, name: str, data: Optional[Mapping[str, Any]] = None) -> int:
        """See `Session.event`."""
        return answers.booked("event", await self._ask("event", messages.event(name, data))).seq

    async def permission(self) -> Permission:
        """See `Session.permission`."""
        return answers.permission(await self._ask("permission?", messages.permission()))

    async def order(
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
        """See `Session.order`: it never raises."""
        try:
            message = messages.order(client_id, instrument, side, quantity, account, price, reduce_only, leverage, kind, user, live)
            decision = answers.decision(await self._ask("order", message, timeout))
            return still_good(decision)
        except (SessionError, InvalidMessage) as error:
            return refusal(error)

    async def rate(
        self, bucket: str, user: Optional[str] = None, cost: Amount = 1, timeout: Optional[float] = None
    ) -> RateDecision:
        """See `Session.rate`: it never raises."""
        try:
            return answers.rate_decision(await self._ask("rate", messages.rate(bucket, user, cost), timeout))
        except (SessionError, InvalidMessage) as error:
            return RateDecision(False, refusal(error).reasons)

    async def order_result(
        self,
        client_id: str,
        outcome: str,
        venue_id: Optional[str] = None,
        latency_us: Optional[int] = None,
        reason: Optional[str] = None,
    ) -> Booked:
        """See `Session.order_result`."""
        message = messages.order_result(client_id, outcome, venue_id, latency_us, reason)
        return answers.booked("order_result", await self._ask("order_result", message))

    async def posting(self, ref: str, legs: Iterable[Leg], reason: Optional[str] = None) -> Booked:
        """See `Session.posting`."""
        return answers.booked("posting", await self._ask("posting", messages.posting(ref, legs, reason)))

    async def fill(
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
        """See `Session.fill`."""
        message = messages.fill(ref, account, instrument, side, quantity, price, client_id, legs)
        return answers.booked("fill", await self._ask("fill", message))

    async def capital(self, account: str, asset: str, total: Amount, free: Amount, locked: Amount) -> Booked:
        """See `Session.capital`."""
        message = messages.capital(account, asset, total, free, locked)
        return answers.booked("capital", await self._ask("capital", message))

    async def position(self, account: str, instrument: str, quantity: Amount, opening: bool = False) -> Booked:
        """See `Session.position`."""
        message = messages.position(account, instrument, quantity, opening)
        return answers.booked("position", await self._ask("position", message))

    async def strategy_state(
        self,
        strategy: str,
        to: str,
        from_: Optional[str] = None,
        instance: Optional[str] = None,
        reason: Optional[str] = None,
    ) -> Booked:
        """See `Session.strategy_state`."""
        message = messages.strategy_state(strategy, to, from_, instance, reason)
        return answers.booked("strategy_state", await self._ask("strategy_state", message))

    async def snapshot(self, reason: Optional[str] = None) -> Booked:
        """See `Session.snapshot`."""
        answer = await self._ask("snapshot_request", messages.snapshot_request(reason))
        return answers.booked("snapshot_request", answer)

    async def ask(self, kind: str, **fields: Any) -> Object:
        """See `Session.ask`."""
        return answers.accepted(kind, await self._ask(kind, {"type": kind, **fields}))

    # Notices

    def notice(self) -> Optional[Notice]:
        """What the engine said since, oldest first. Does not wait."""
        return self._notices.popleft() if self._notices else None

    async def wait_notice(self, timeout: float) -> Optional[Notice]:
        """As `notice`, but waits for one, at most so many seconds."""
        await self._wait_for(lambda: bool(self._notices), timeout)
        return self.notice()

    def _tell(self, build: Callable[[], Message]) -> Sent:
        try:
            line = encode(None, build())
        except (TypeError, ValueError) as error:
            # InvalidMessage is a ValueError. Arguments of other types than declared end here too.
            return Sent(False, str(error))
        if self._writer is None:
            return Sent(False, self._why)
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            return Sent(False, "failstop takes nothing at present: its socket is full")
        self._writer.write(line)
        return SENT

    async def _ask(self, request: str, message: Message, timeout: Optional[float] = None) -> Object:
        self._last_id += 1
        id = self._last_id
        line = encode(id, message)
        if self._writer is None:
            raise NotConnected(self._why)
        waited = self._timeout if timeout is None else timeout
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG:
            raise NotConnected("failstop takes nothing at present: its socket is full")
        answer: asyncio.Future[Object] = asyncio.get_running_loop().create_future()
        self._pending[id] = answer
        try:
            self._writer.write(line)
            return await asyncio.wait_for(answer, waited)
        except asyncio.TimeoutError:
            raise TimedOut(f"failstop did not answer `{request}` within {waited * 1000:.0f} ms") from None
        finally:
            del self._pending[id]

    async def _wait_for(self, done: Callable[[], bool], timeout: float) -> bool:
        if self._keeper is None:
            return done()
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not done():
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), end - loop.time())
            except asyncio.TimeoutError:
                return done()
        return True

    async def _keep(self) -> None:
        """Connects, reads until the connection breaks, and begins again."""
        pause = BACKOFF_FIRST
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_ANSWER)
            except OSError as error:
                self._why = f"cannot connect to the bot socket {self._path}: {error}"
                self._tried.set()
                await asyncio.sleep(pause * random.uniform(0.75, 1.0))
                pause = min(pause * 2, BACKOFF_MOST)
                continue
            self._served, self._refused = False, ""
            why = "failstop closed the connection"
            try:
                if self._hello is not None:
                    writer.write(encode(None, self._hello))
                self._writer = writer
                self._tried.set()
                self._news.set()
                await self._read(reader)
            except (OSError, ValueError) as error:
                # A line beyond the limit is a ValueError.
                why = str(error)
            finally:
                self._writer, self._last = None, writer
                self._why = f"the connection to the bot socket {self._path} broke: {why}"
                for answer in self._pending.values():
                    if not answer.done():
                        answer.set_exception(Lost(self._why))
                if writer.transport.get_write_buffer_size():
                    # Nobody takes the rest.
                    writer.transport.abort()
                writer.close()
                self._news.set()
            if self._served:
                # One that worked is replaced at once.
                pause = BACKOFF_FIRST
            else:
                self._why = f"{self._why} ({self._refused})" if self._refused else self._why
                await asyncio.sleep(pause * random.uniform(0.75, 1.0))
                pause = min(pause * 2, BACKOFF_MOST)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            text = await reader.readline()
            if not text.endswith(b"\n"):
                return
            line = answers.parse(text)
            if line is None:
                continue
            self._served = self._served or served(line)
            id = line.get("id")
            if isinstance(id, int) and "event" not in line:
                waiting = self._pending.get(id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(line)
                continue
            notice = answers.notice(line)
            if isinstance(notice, RefusedNotice):
                self._refused = notice.error
            if notice is not None:
                keep_notice(self._notices, notice)
                self._news.set()
