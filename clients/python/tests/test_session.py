"""Sessions where things go wrong: no engine, one that is stuck, many threads, a fork."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
import threading
import unittest
from typing import Any, Callable, List, Optional
from unittest import mock

import failstop
from failstop import answers
from failstop._heard import MAX_NOTICES
from failstop._talk import MAX_ANSWER

from .dialogues import PATIENCE


class Engine:
    """A far end that answers every request that has an `id`, as a test says."""

    def __init__(self, path: str, answer: Callable[[Any], Optional[bytes]]) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(16)
        self.answer = answer
        self.heard: List[Any] = []
        # Said to whoever comes, who is shown out with it.
        self.greeting = b""
        self.connections: List[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.greeting:
                connection.sendall(self.greeting)
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    said = json.loads(line)
                    self.heard.append(said)
                    reply = self.answer(said)
                    if reply is not None:
                        connection.sendall(reply)
        except OSError:
            return

    def close(self) -> None:
        # A shutdown wakes whoever accepts; a close alone does not.
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It is over already.
                pass


def echo(said: Any) -> bytes:
    return json.dumps({"id": said.get("id"), "ok": True, "seq": said.get("data", {}).get("n", 0)}).encode() + b"\n"


class WithSocket(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "bot.sock")

    def engine(self, answer: Callable[[Any], Optional[bytes]]) -> Engine:
        engine = Engine(self.path, answer)
        self.addCleanup(engine.close)
        return engine

    def session(self, timeout: float = PATIENCE) -> failstop.Session:
        session = failstop.Session(self.path, timeout)
        self.addCleanup(session.close)
        return session


class Offline(WithSocket):
    def test_without_an_engine_everything_is_refused_with_the_reason(self) -> None:
        session = self.session()
        sent = session.heartbeat(1)
        self.assertEqual((sent.sent, bool(sent)), (False, False))
        self.assertIn(self.path, sent.why)
        decision = session.order("c", "i", "buy", "1", "a")
        self.assertEqual((decision.allow, decision.live, decision.reasons[0].code), (False, False, "OFFLINE"))
        self.assertFalse(decision.may_be_recorded)
        self.assertEqual(session.rate("telegram").reasons[0].code, "OFFLINE")
        for call in (session.permission, lambda: session.event("x.a"), lambda: session.hello("a", "1")):
            with self.assertRaises(failstop.NotConnected):
                call()
        self.assertFalse(session.connected)
        self.assertIsNone(session.notice())
        self.assertIsNone(session.wait_notice(0.01))

    def test_asyncio_too(self) -> None:
        async def through() -> None:
            session = failstop.AsyncSession(self.path)
            self.assertFalse(session.heartbeat())
            with self.assertRaises(failstop.NotConnected):
                await session.permission()
            async with session:
                self.assertIn(self.path, session.heartbeat().why)
                decision = await session.order("c", "i", "buy", "1", "a")
                self.assertEqual(decision.reasons[0].code, "OFFLINE")
                self.assertEqual((await session.rate("telegram")).reasons[0].code, "OFFLINE")
                with self.assertRaises(failstop.NotConnected):
                    await session.event("x.a")
                self.assertFalse(await session.wait_connected(0.01))
                engine = self.engine(echo)
                self.assertTrue(await session.wait_connected(PATIENCE))
                self.assertEqual(await session.event("x.a", {"n": 3}), 3)
                engine.close()
            self.assertIn("closed", session.heartbeat().why)

        asyncio.run(through())

    def test_an_engine_that_comes_later_is_found(self) -> None:
        session = self.session()
        self.assertFalse(session.connected)
        self.engine(echo)
        # Waits for the pause to pass, connects, and waits for a notice that does not come.
        with self.assertRaises(failstop.NotConnected):
            session.permission()
        while not session.connected:
            session.wait_notice(0.5)
        self.assertEqual(session.event("x.a", {"n": 7}), 7)

    def test_pauses_grow_and_shrink_again(self) -> None:
        session = self.session()
        pauses = []
        for _ in range(8):
            session._not_before = 0.0
            session.heartbeat()
            pauses.append(session._pause)
        self.assertEqual(pauses[-1], 2.0)
        self.assertEqual(pauses, sorted(pauses))
        self.engine(echo)
        session._not_before = 0.0
        session.event("x.a")
        session.close()
        self.assertEqual(session._pause, 0.1)

    def test_whoever_is_turned_away_hears_why_and_does_not_rush_back(self) -> None:
        turned_away = b'{"ok":false,"code":"TOO_MANY_CONNECTIONS","error":"close some"}\n'
        engine = self.engine(lambda _: None)
        engine.greeting = turned_away
        session = self.session()
        # However slow this machine is, the next try is beyond this test.
        session._pause = 1000.0
        self.assertIsInstance(session.wait_notice(PATIENCE), failstop.RefusedNotice)
        while session.connected:
            pass
        self.assertIn("close some", session.heartbeat().why)
        self.assertIsNone(session.wait_notice(0.2))
        self.assertEqual(len(engine.connections), 1)

        async def through() -> None:
            async with failstop.AsyncSession(self.path) as session:
                while session._heard.refused == "" or session.connected:
                    await asyncio.sleep(0)
                self.assertIn("close some", session.heartbeat().why)

        asyncio.run(through())

    def test_not_under_failstop(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            with self.assertRaisesRegex(failstop.NotUnderFailstop, "FAILSTOP_SOCKET"):
                failstop.Session.from_env()
            with self.assertRaises(failstop.NotUnderFailstop):
                failstop.AsyncSession.from_env()
        with mock.patch.dict(os.environ, FAILSTOP_SOCKET=self.path):
            failstop.Session.from_env().close()

    def test_closed_is_closed(self) -> None:
        self.engine(echo)
        with self.session() as session:
            self.assertTrue(session.heartbeat())
        self.assertIn("closed", session.heartbeat().why)
        with self.assertRaises(failstop.NotConnected):
            session.event("x.a")

    def test_closing_tells_whoever_waits(self) -> None:
        self.engine(lambda _: b"")

        async def through() -> None:
            session = await failstop.AsyncSession(self.path, timeout=PATIENCE).open()
            asked = asyncio.ensure_future(session.event("x.a"))
            noticed = asyncio.ensure_future(session.wait_notice(10 * PATIENCE))
            while not session._pending:
                await asyncio.sleep(0)
            await session.close()
            with self.assertRaisesRegex(failstop.Lost, "this session was closed"):
                await asked
            self.assertIsNone(await asyncio.wait_for(noticed, PATIENCE))

        asyncio.run(through())


class Hot(WithSocket):
    """Nothing of the hot path raises or waits, whatever it is given."""

    def test_bad_arguments_are_answered_and_not_raised(self) -> None:
        self.engine(echo)
        session = self.session()
        bad: Any = object()
        for sent in (
            session.heartbeat(bad),
            session.metric("m", float("nan")),
            session.tick("\ud800"),
            session.price("s", "i"),
            session.metric("m", 1.0, labels=bad),
            session.metric("m", 1.0, labels={bad: "x"}),
            session.price("s", "i", last=bad),
            session.tell("heartbeat", progress=bad),
            session.error("k", "m" * 70_000),
        ):
            self.assertFalse(sent)
            self.assertTrue(sent.why)
        quantity: Any
        for quantity in (0.1, "1e3", None, bad):
            self.assertEqual(session.order("c", "i", "buy", quantity, "a").reasons[0].code, "INVALID")
        self.assertEqual(session.rate("b", cost=bad).reasons[0].code, "INVALID")
        self.assertTrue(session.heartbeat(1))

    def test_an_engine_that_takes_nothing_holds_nobody_up(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen(1)
        session = self.session(timeout=0.05)
        while session.error("k", "m" * 10_000):
            pass
        self.assertIn("full", session.heartbeat().why)
        with self.assertRaises(failstop.TimedOut):
            session.event("x.a")
        self.assertEqual(session.order("c", "i", "buy", 1, "a").reasons[0].code, "TIMED_OUT")
        # What it took was never cut: once it reads, it reads whole lines, and is served again.
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        connection.settimeout(PATIENCE)
        reader = connection.makefile("rb")
        self.addCleanup(reader.close)
        answered = threading.Thread(target=lambda: self.assertEqual(session.event("x.b", {"n": 5}), 5))
        session._timeout = PATIENCE
        answered.start()
        for line in reader:
            said = json.loads(line)
            if said.get("name") == "x.b":
                connection.sendall(echo(said))
                break
        answered.join(PATIENCE)
        self.assertFalse(answered.is_alive())

    def test_asyncio_with_an_engine_that_takes_nothing(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen(1)

        async def through() -> None:
            async with failstop.AsyncSession(self.path) as session:
                while session.error("k", "m" * 10_000):
                    pass
                self.assertIn("full", session.heartbeat().why)
                with self.assertRaises(failstop.NotConnected):
                    await session.event("x.a")

        asyncio.run(through())


class Refused(unittest.TestCase):
    def test_only_what_was_refused_on_this_side_may_be_recorded(self) -> None:
        def refused(*codes: str) -> failstop.Decision:
            return failstop.Decision(False, reasons=tuple(failstop.Reason(code, "") for code in codes))

        for code in ("TIMED_OUT", "LOST", "UNREADABLE", "PERMIT_EXPIRED", "NO_CLOCK"):
            self.assertTrue(refused("HALTED", code).may_be_recorded, code)
        for code in ("OFFLINE", "INVALID", "DUPLICATE", "HALTED", "DRY_MODE"):
            self.assertFalse(refused(code).may_be_recorded, code)
        self.assertFalse(failstop.Decision(True, "live").may_be_recorded)


class Together(WithSocket):
    def test_many_threads_each_get_their_own_answer(self) -> None:
        # All four ask, then the answers come in the other order.
        held: List[Any] = []
        lock = threading.Lock()

        def answer(said: Any) -> Optional[bytes]:
            with lock:
                held.append(said)
                if len(held) < 4:
                    return None
                lines = b"".join(echo(one) for one in reversed(held))
                held.clear()
                return lines

        self.engine(answer)
        session = self.session()
        results: List[Any] = []
        round = threading.Barrier(4, timeout=PATIENCE)

        def ask(first: int) -> None:
            for n in range(first, first + 50):
                round.wait()
                results.append((n, session.event("x.a", {"n": n})))

        threads = [threading.Thread(target=ask, args=(1000 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(len(results), 200)
        self.assertTrue(all(asked == answered for asked, answered in results), results)

    def test_closing_wakes_those_who_wait(self) -> None:
        self.engine(lambda _: None)
        session = self.session()
        outcome: List[Any] = []

        def ask() -> None:
            try:
                session.event("x.a")
            except failstop.SessionError as error:
                outcome.append(error)

        waiting = [threading.Thread(target=ask) for _ in range(2)]
        for thread in waiting:
            thread.start()
        while len(session._pending) < 2:
            pass
        session.close()
        for thread in waiting:
            thread.join(PATIENCE)
        self.assertEqual([type(one) for one in outcome], [failstop.Lost, failstop.Lost])

    def test_a_child_has_a_connection_of_its_own(self) -> None:
        engine = self.engine(echo)
        session = self.session()
        self.assertEqual(session.event("x.a", {"n": 1}), 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if session.event("x.a", {"n": 2}) == 2 else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(session.event("x.a", {"n": 3}), 3)
        self.assertEqual(len(engine.connections), 2)

    def test_notices_are_bounded_and_the_latest_stay(self) -> None:
        pushes = b"".join(
            json.dumps({"event": "stop", "reason": str(n), "grace_ms": 1}).encode() + b"\n" for n in range(MAX_NOTICES + 10)
        )
        self.engine(lambda said: pushes + echo(said))
        session = self.session()
        session.event("x.a")
        taken = [session.notice() for _ in range(MAX_NOTICES)]
        self.assertEqual(taken[-1], failstop.Stop(str(MAX_NOTICES + 9), 1))
        self.assertIsNone(session.notice())

    def test_lines_come_whole_however_they_are_cut(self) -> None:
        # More than one reading takes, and characters of three bytes, so that some are cut in the middle.
        reason = "\u4e2d" * 100_000
        push = json.dumps({"event": "stop", "reason": reason, "grace_ms": 5}, ensure_ascii=False).encode() + b"\n"
        self.engine(lambda said: push + echo(said))
        session = self.session()
        self.assertEqual(session.event("x.a", {"n": 9}), 9)
        self.assertEqual(session.notice(), failstop.Stop(reason, 5))

        async def through() -> None:
            async with failstop.AsyncSession(self.path, timeout=PATIENCE) as session:
                self.assertEqual(await session.event("x.a", {"n": 9}), 9)
                self.assertEqual(session.notice(), failstop.Stop(reason, 5))

        asyncio.run(through())

    def test_a_line_without_end_ends_the_connection(self) -> None:
        self.engine(lambda _: b"x" * (MAX_ANSWER + 2))
        session = self.session()
        with self.assertRaises(failstop.Lost):
            session.event("x.a")

        async def through() -> None:
            async with failstop.AsyncSession(self.path, timeout=PATIENCE) as session:
                with self.assertRaises(failstop.Lost):
                    await session.event("x.a")

        asyncio.run(through())

    def test_many_tasks_each_get_their_own_answer(self) -> None:
        self.engine(echo)

        async def through() -> None:
            async with failstop.AsyncSession(self.path, timeout=PATIENCE) as session:
                results = await asyncio.gather(*(session.event("x.a", {"n": n}) for n in range(200)))
                self.assertEqual(results, list(range(200)))

        asyncio.run(through())

    def test_anything_else_can_be_asked(self) -> None:
        self.engine(lambda said: json.dumps({"id": said["id"], "ok": True, "said": said}).encode() + b"\n")
        session = self.session()
        self.assertEqual(session.ask("of_a_later_version", a=1)["said"]["a"], 1)


class Malformed(unittest.TestCase):
    """Whatever comes is read as something, or as nothing; it never raises."""

    def test_pushes_with_fields_of_other_types(self) -> None:
        for line in (
            b'{"event":"stop"}',
            b'{"event":"stop","reason":1,"grace_ms":"x"}',
            b'{"event":"permission","halts":7}',
            b'{"event":"permission","permission":"active","mode":"dry","halts":[1,{"id":1}]}',
            b'{"event":"reclaim"}',
            b'{"event":"maintenance","until":[]}',
        ):
            parsed = answers.parse(line)
            assert parsed is not None
            self.assertIsInstance(answers.notice(parsed), failstop.Said)
        for line in (b"", b"[", b"[" * 100_000, b"\xff", b"null", b"7"):
            self.assertIsNone(answers.parse(line))
        self.assertIsNone(answers.notice({"event": 7}))
        self.assertEqual(answers.notice({"ok": False, "code": 7}), failstop.RefusedNotice("7", ""))
