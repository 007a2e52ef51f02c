"""Both kinds of session take the same calls, and a message's arguments are those of the call that says it."""

from __future__ import annotations

import inspect
import unittest
from typing import Any, Callable, List, Tuple

from failstop import AsyncSession, Session, messages

#: Calls whose message is built by a function of another name.
NAMES = {"snapshot": "snapshot_request"}


def arguments(call: Callable[..., Any], without: Tuple[str, ...] = ()) -> List[Tuple[str, Any, Any]]:
    found = inspect.signature(call).parameters.values()
    return [(one.name, one.default, one.kind) for one in found if one.name not in ("self", *without)]


def calls(session: type) -> List[str]:
    return [name for name, value in inspect.getmembers(session, inspect.isfunction) if not name.startswith("_")]


class Alike(unittest.TestCase):
    def test_both_sessions_take_the_same_calls(self) -> None:
        only_async = {"open", "wait_connected"}
        self.assertEqual(set(calls(AsyncSession)) - only_async, set(calls(Session)))
        for name in calls(Session):
            with self.subTest(name):
                self.assertEqual(arguments(getattr(AsyncSession, name)), arguments(getattr(Session, name)))

    def test_a_call_takes_what_its_message_says(self) -> None:
        compared = 0
        for name in calls(Session):
            build = getattr(messages, NAMES.get(name, name), None)
            if inspect.isfunction(build):
                with self.subTest(name):
                    self.assertEqual(arguments(getattr(Session, name), ("timeout",)), arguments(build))
                compared += 1
        self.assertGreaterEqual(compared, 15)


if __name__ == "__main__":
    unittest.main()
