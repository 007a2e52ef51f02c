"""Both sessions against the recorded dialogues."""

from __future__ import annotations

import asyncio
import re
import unittest
from typing import Any, Callable, Dict, List

import failstop
from failstop import answers

from .dialogues import PATIENCE, FarEnd, load, plain, shortened


def arguments(given: Dict[str, Any]) -> Dict[str, Any]:
    """A call's arguments from their names on the wire."""
    named = {"from_" if name == "from" else name: value for name, value in given.items()}
    if "legs" in named:
        named["legs"] = [failstop.Leg(**leg) for leg in named["legs"]]
    return named


def outcome(call: Callable[[], Any]) -> Any:
    """What a call came to, as the dialogues write it."""
    try:
        return told(call())
    except failstop.FailstopError as error:
        return failure(error)


def failure(error: failstop.FailstopError) -> Any:
    if isinstance(error, failstop.Refused):
        return {"refused": error.code}
    for kind, name in ((failstop.Lost, "lost"), (failstop.TimedOut, "timed-out"), (failstop.Unreadable, "unreadable")):
        if isinstance(error, kind):
            return {"failed": name}
    raise error


def told(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, failstop.Sent):
        return "sent" if value else {"not sent": value.why}
    if isinstance(value, int):
        return {"seq": value}
    result = plain(value)
    if isinstance(value, (failstop.Decision, failstop.RateDecision)):
        result.pop("reasons", None)
        result["codes"] = [reason.code for reason in value.reasons]
    if isinstance(value, failstop.Decision):
        result["live"] = value.live
        result["may_be_recorded"] = value.may_be_recorded
        assert bool(value) == value.live
        for name in ("mode", "permit_deadline"):
            result.pop(name, None)
    return shortened(result)


def noticed(notice: failstop.Notice) -> Any:
    if isinstance(notice, failstop.RefusedNotice):
        return {"refused": notice.code}
    if isinstance(notice, failstop.Said):
        return {"event": notice.event}
    events = {
        answers.PermissionChanged: "permission",
        answers.Stop: "stop",
        answers.Reclaim: "reclaim",
        answers.ReduceLoad: "reduce-load",
        answers.Maintenance: "maintenance",
    }
    return {"event": events[type(notice)], **plain(notice)}


class Blocking(unittest.TestCase):
    """`Session`."""

    def play(self, steps: List[Any]) -> None:
        far = FarEnd(steps)
        with failstop.Session(far.path, timeout=PATIENCE) as session:
            for step in steps:
                expected = shortened(step["result"])
                if step["call"] == "notices":
                    taken = [noticed(self.notice(session)) for _ in step["result"]]
                    self.assertEqual(taken, expected)
                    self.assertIsNone(session.notice())
                    continue
                session._timeout = step.get("timeout_ms", PATIENCE * 1000) / 1000
                call = getattr(session, step["call"])
                self.assertEqual(outcome(lambda: call(**arguments(step.get("with", {})))), expected, step)
        far.end()

    def notice(self, session: failstop.Session) -> failstop.Notice:
        notice = session.wait_notice(PATIENCE)
        assert notice is not None
        return notice


class Asyncio(unittest.TestCase):
    """`AsyncSession`."""

    def play(self, steps: List[Any]) -> None:
        far = FarEnd(steps)
        asyncio.run(self.through(far, steps))
        far.end()

    async def through(self, far: FarEnd, steps: List[Any]) -> None:
        async with failstop.AsyncSession(far.path) as session:
            for step in steps:
                self.assertTrue(await session.wait_connected(PATIENCE))
                expected = shortened(step["result"])
                if step["call"] == "notices":
                    taken = [noticed(await self.notice(session)) for _ in step["result"]]
                    self.assertEqual(taken, expected)
                    self.assertIsNone(session.notice())
                    continue
                session._timeout = step.get("timeout_ms", PATIENCE * 1000) / 1000
                self.assertEqual(await self.outcome(session, step), expected, step)

    async def outcome(self, session: failstop.AsyncSession, step: Any) -> Any:
        try:
            value = getattr(session, step["call"])(**arguments(step.get("with", {})))
            return told(value if isinstance(value, failstop.Sent) else await value)
        except failstop.FailstopError as error:
            return failure(error)

    async def notice(self, session: failstop.AsyncSession) -> failstop.Notice:
        notice = await session.wait_notice(PATIENCE)
        assert notice is not None
        return notice


def add(kind: Any, name: str, steps: List[Any]) -> None:
    def test(self: Any) -> None:
        self.play(steps)

    setattr(kind, f"test_{re.sub('[^a-z]', '_', name)}", test)


for _name, _dialogue in load().items():
    if "clients" not in _dialogue:
        add(Blocking, _name, _dialogue["steps"])
        add(Asyncio, _name, _dialogue["steps"])
