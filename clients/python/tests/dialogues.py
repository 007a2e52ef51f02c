"""The recorded dialogues, and a far end that plays the engine's side of them."""

from __future__ import annotations

import json
import os
import pathlib
import re
import socket
import tempfile
import threading
import time
from typing import Any, Dict, List, Optional

#: Far above what anything here takes, so that a slow machine fails no test.
PATIENCE = 20.0


def folder() -> pathlib.Path:
    """Where the dialogues are: in the repository."""
    return pathlib.Path(__file__).resolve().parents[3] / "tests" / "conformance"


def load() -> Dict[str, Any]:
    """Every dialogue by its name."""
    found = {}
    for path in sorted(folder().glob("*.json")):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\$\((.)\*(\d+)\)", lambda match: match.group(1) * int(match.group(2)), text)
        found[path.stem] = json.loads(text)
    if not found:
        raise AssertionError(f"there are no dialogues in {folder()}")
    return found


def in_a_minute() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 + 60_000_000


class FarEnd:
    """Plays the engine's side in a thread. What it did not expect to hear is raised by `end`."""

    def __init__(self, steps: List[Any]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._folder.name, "bot.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.settimeout(PATIENCE)
        self._listener.bind(self.path)
        self._listener.listen(4)
        self._failure: Optional[BaseException] = None
        self._ids: List[Any] = [None, None]
        self._thread = threading.Thread(target=self._run, args=(steps,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Waits until every step was played."""
        self._thread.join(PATIENCE)
        alive = self._thread.is_alive()
        self._listener.close()
        self._folder.cleanup()
        if self._failure is not None:
            raise AssertionError(f"the far end: {self._failure}") from self._failure
        if alive:
            raise AssertionError("the far end still waits for a line")

    def _run(self, steps: List[Any]) -> None:
        try:
            self._play(steps)
        except BaseException as failure:
            self._failure = failure

    def _play(self, steps: List[Any]) -> None:
        connection = lines = None
        for step in steps:
            for expected in step.get("client", []):
                if connection is None or lines is None:
                    connection, _ = self._listener.accept()
                    connection.settimeout(PATIENCE)
                    lines = connection.makefile("rb")
                self._hear(lines.readline(), expected)
            if connection is not None:
                for said in step.get("server", []):
                    connection.sendall(self._line(said))
            if step.get("then") == "close" and connection is not None and lines is not None:
                lines.close()
                connection.close()
                connection = lines = None
        if connection is not None and lines is not None:
            # The client ends it; until then it hears nothing more and says nothing more.
            rest = lines.readline()
            if rest:
                raise AssertionError(f"one line too many: {rest!r}")
            lines.close()
            connection.close()

    def _hear(self, line: bytes, expected: Any) -> None:
        if not line.endswith(b"\n"):
            raise AssertionError(f"heard {line!r} instead of {expected}")
        heard = json.loads(line)
        if expected.get("id") == "*":
            self._ids = [heard.get("id"), self._ids[0]]
            if not isinstance(heard.get("id"), int):
                raise AssertionError(f"{heard} has no id")
            expected = {**expected, "id": heard["id"]}
        if heard != expected:
            raise AssertionError(f"heard {heard} instead of {expected}")

    def _line(self, said: Any) -> bytes:
        if isinstance(said, str):
            return said.encode() + b"\n"
        said = dict(said)
        if said.get("id") == "*":
            said["id"] = self._ids[0]
        elif said.get("id") == "-":
            said["id"] = self._ids[1]
        if said.get("permit_deadline") == "$FUTURE":
            said["permit_deadline"] = in_a_minute()
        return json.dumps(said).encode() + b"\n"


def plain(value: Any) -> Any:
    """A result of the client as the dialogues write it: named fields as objects, without what is absent or empty."""
    fields = getattr(value, "_fields", None)
    if fields is not None:
        named = {name: plain(getattr(value, name)) for name in fields}
        return {name: one for name, one in named.items() if one not in (None, "", [], {})}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def shortened(value: Any) -> Any:
    """The same for what a dialogue expects."""
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items() if one not in (None, "", [], {})}
    if isinstance(value, list):
        return [shortened(one) for one in value]
    return value
