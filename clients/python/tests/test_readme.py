"""The README's examples run as they stand, one after the other."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import re
import tempfile
import unittest
from typing import Any, Dict, Optional
from unittest import mock

from .pages import LIVE, OPEN, REDUCE, Writer, now_us, word
from .dialogues import in_a_minute
from .test_session import Engine

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"


def answer(said: Any) -> Optional[bytes]:
    """What an engine would answer."""
    if said["type"] == "heartbeat":
        return b'{"event":"stop","reason":"asked to","grace_ms":10000}\n'
    if said["type"] == "metric":
        return b'{"ok":false,"code":"BAD_FIELD","error":"too many"}\n'
    if "id" not in said:
        return None
    answers: Dict[str, Dict[str, Any]] = {
        "hello": {
            "system": "demo",
            "component": "bot",
            "slot": 1,
            "epoch": 7,
            "permission": "active",
            "mode": "live",
            "version": "0",
        },
        "order": {"allow": True, "mode": "live", "reasons": [], "permit_deadline": in_a_minute(), "intent_seq": 41},
        "event": {"seq": 19},
        "halt": {},
    }
    return json.dumps({"id": said["id"], "ok": True, **answers[said["type"]]}).encode() + b"\n"


class Readme(unittest.TestCase):
    def test_every_example_runs(self) -> None:
        examples = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
        self.assertGreaterEqual(len(examples), 6)
        with tempfile.TemporaryDirectory() as folder:
            writer = Writer(folder)
            writer.page(7)
            writer.grant(1, word(OPEN | REDUCE | LIVE, 7, now_us() + 60_000_000))
            path = os.path.join(folder, "bot.sock")
            engine = Engine(path, answer)
            self.addCleanup(engine.close)
            values = {
                "FAILSTOP_SOCKET": path,
                "FAILSTOP_PERMIT": writer.path,
                "FAILSTOP_PERMIT_SLOT": "1",
                "FAILSTOP_EPOCH": "7",
            }
            names: Dict[str, Any] = {}
            printed = io.StringIO()
            with mock.patch.dict(os.environ, values), contextlib.redirect_stdout(printed):
                for example in examples:
                    exec(compile(example, str(README), "exec"), names)
                names["session"].close()
        said = printed.getvalue()
        for words in ("send the order to the exchange", "durable in the journal as 19", "send it before", "\n19\n"):
            self.assertIn(words, said)
        kinds = [one["type"] for one in engine.heard]
        for kind in ("hello", "heartbeat", "tick", "metric", "part", "queue", "error", "event", "halt", "order"):
            self.assertIn(kind, kinds)
