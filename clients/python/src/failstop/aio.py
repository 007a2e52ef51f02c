"""A bot's connection to the bot socket for asyncio. For the tasks of one event loop."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Union

from . import answers, messages
from ._heard import Heard
from ._talk import (
    BACKOFF_FIRST,
    BACKOFF_MOST,
    CLOSED,
    DEFAULT_TIMEOUT,
    MAX_ANSWER,
    MAX_BACKLOG,
    NO_ROOM,
    OneWay,
    refusal,
    socket_path,
    still_good,
)
from .answers import SENT, Booked, Decision, Hello, Notice, Object, Permission, RateDecision, Sent
from .errors import InvalidMessage, Lost, NotConnected, SessionError, TimedOut
from .messages import Amount, Leg, Message, encode


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
        self._heard = Heard()
        self._pending: Dict[int, asyncio.Future[Object]] = {}
        self._writer: Optional[asyncio.StreamWriter] = None
        self._last: Optional[asyncio.StreamWriter] = None
        self._why = "this session was not opened: use `async with`, or await `open()`"
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
            # Whoever waits for something is not kept waiting.
            self._news.set()
        if self._last is not None:
            try:
                await self._last.wait_closed()
            except OSError:
                # It broke before; that was told to whoever waited.
                pass
        self._why = CLOSED

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
        return answers.hello(await self._ask(self._hello))

    async def halt(self, cap: str, reason: str) -> None:
        """See `Session.halt`, and so on: each request is that of `Session`."""
        answers.accepted("halt", await self._ask(messages.halt(cap, reason)))

    async def event(self, name: str, data: Optional[Mapping[str, Any]] = None) -> int:
        """See `Session.event`."""
        return (await self._book(messages.event(name, data))).seq

    async def permission(self) -> Permission:
        """See `Session.permission`."""
        return answers.permission(await self._ask(messages.permission()))

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
            decision = answers.decision(await self._ask(message, timeout))
            return still_good(decision)
        except (SessionError, InvalidMessage) as error:
            return refusal(error)

    async def rate(
        self, bucket: str, user: Optional[str] = None, cost: Amount = 1, timeout: Optional[float] = None
    ) -> RateDecision:
        """See `Session.rate`: it never raises."""
        try:
            return answers.rate_decision(await self._ask(messages.rate(bucket, user, cost), timeout))
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
        return await self._book(message)

    async def posting(self, ref: str, legs: Iterable[Leg], reason: Optional[str] = None) -> Booked:
        """See `Session.posting`."""
        return await self._book(messages.posting(ref, legs, reason))

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
        return await self._book(message)

    async def capital(self, account: str, asset: str, total: Amount, free: Amount, locked: Amount) -> Booked:
        """See `Session.capital`."""
        message = messages.capital(account, asset, total, free, locked)
        return await self._book(message)

    async def position(
        self,
        account: str,
        instrument: str,
        quantity: Amount,
        opening: bool = False,
        entry: Optional[Amount] = None,
        leverage: Optional[Amount] = None,
    ) -> Booked:
        """See `Session.position`."""
        message = messages.position(account, instrument, quantity, opening, entry, leverage)
        return await self._book(message)

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
        return await self._book(message)

    async def snapshot(self, reason: Optional[str] = None) -> Booked:
        """See `Session.snapshot`."""
        return await self._book(messages.snapshot_request(reason))

    async def ask(self, kind: str, **fields: Any) -> Object:
        """See `Session.ask`."""
        return answers.accepted(kind, await self._ask({"type": kind, **fields}))

    # Notices

    def notice(self) -> Optional[Notice]:
        """What the engine said since, oldest first. Does not wait."""
        return self._heard.notices.popleft() if self._heard.notices else None

    async def wait_notice(self, timeout: float) -> Optional[Notice]:
        """As `notice`, but waits for one, at most so many seconds."""
        await self._wait_for(lambda: bool(self._heard.notices), timeout)
        return self.notice()

    def _tell(self, build: Callable[[], Message]) -> Sent:
        try:
            line = encode(None, build())
        except (TypeError, ValueError) as error:
            # InvalidMessage is a ValueError. Arguments of other types than declared end here too.
            return Sent(False, str(error))
        writer = self._ready()
        if isinstance(writer, str):
            return Sent(False, writer)
        writer.write(line)
        return SENT

    def _ready(self) -> Union[asyncio.StreamWriter, str]:
        """Whom to write to, or why nothing can be said now."""
        if self._writer is None:
            return self._why
        return NO_ROOM if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG else self._writer

    async def _book(self, message: Message) -> Booked:
        return answers.booked(message["type"], await self._ask(message))

    async def _ask(self, message: Message, timeout: Optional[float] = None) -> Object:
        request = message["type"]
        self._last_id += 1
        id = self._last_id
        line = encode(id, message)
        writer = self._ready()
        if isinstance(writer, str):
            raise NotConnected(writer)
        waited = self._timeout if timeout is None else timeout
        answer: asyncio.Future[Object] = asyncio.get_running_loop().create_future()
        self._pending[id] = answer
        try:
            writer.write(line)
            return await asyncio.wait_for(answer, waited)
        except asyncio.TimeoutError:
            raise TimedOut(f"failstop did not answer `{request}` within {waited * 1000:.0f} ms") from None
        finally:
            del self._pending[id]

    async def _wait_for(self, done: Callable[[], bool], timeout: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not done():
            if self._keeper is None:
                return False
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
            self._heard.begin()
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
                if self._keeper is None:
                    self._why = CLOSED
                else:
                    self._why = f"the connection to the bot socket {self._path} broke: {why}"
                for answer in self._pending.values():
                    if not answer.done():
                        answer.set_exception(Lost(self._why))
                if writer.transport.get_write_buffer_size():
                    # Nobody takes the rest.
                    writer.transport.abort()
                writer.close()
                self._news.set()
            if self._heard.served:
                # One that worked is replaced at once.
                pause = BACKOFF_FIRST
            else:
                self._why = self._heard.why(self._why)
                await asyncio.sleep(pause * random.uniform(0.75, 1.0))
                pause = min(pause * 2, BACKOFF_MOST)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            text = await reader.readline()
            if not text.endswith(b"\n"):
                return
            answer = self._heard.take(text)
            waiting = None if answer is None else self._pending.get(answer[0])
            if answer is not None and waiting is not None and not waiting.done():
                waiting.set_result(answer[1])
            if self._heard.notices:
                self._news.set()
