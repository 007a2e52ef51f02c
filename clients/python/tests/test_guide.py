"""The guide's Python for bots that there are already runs as it stands, with stand-ins for the programs that it plugs into."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile
import types
import unittest
from decimal import Decimal
from typing import Any, Dict, List, Optional
from unittest import mock

from .dialogues import in_a_minute
from .test_session import Engine

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs/guide/existing-bots.md"


def examples() -> List[str]:
    """Those that use the client."""
    found = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    return [example for example in found if "from failstop import" in example]


class Refuses:
    """An engine that refuses orders of more than one, answers those of three tenths too late, and knows the mode."""

    mode = "live"
    books = True

    def __call__(self, said: Any) -> Optional[bytes]:
        if "id" not in said:
            return None
        if said["type"] == "order_result" and not self.books:
            return json.dumps({"id": said["id"], "ok": False, "code": "STORAGE", "error": "the disk is full"}).encode() + b"\n"
        fields: Dict[str, Any] = {"seq": 1}
        if said["type"] == "hello":
            fields = {"system": "demo", "component": "bot", "slot": 1, "epoch": 7, "permission": "active", "mode": self.mode}
            fields["version"] = "0"
        if said["type"] == "order":
            allow = Decimal(said["quantity"]) <= 1
            reasons = [] if allow else [{"code": "ORDER_QUANTITY", "error": "too much"}]
            late = Decimal(said["quantity"]) == Decimal("0.3")
            deadline = (1 if late else in_a_minute()) if allow else None
            fields = {"allow": allow, "mode": self.mode, "reasons": reasons, "permit_deadline": deadline, "intent_seq": 3}
        return json.dumps({"id": said["id"], "ok": True, **fields}).encode() + b"\n"


class Guide(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "bot.sock")
        self.answers = Refuses()
        self.engine = Engine(path, self.answers)
        self.addCleanup(self.engine.close)
        environment = mock.patch.dict(os.environ, {"FAILSTOP_SOCKET": path})
        environment.start()
        self.addCleanup(environment.stop)

    def names(self, marked: str, **modules: Dict[str, Any]) -> Dict[str, Any]:
        """What the example that has this word defines, with these modules in place."""
        example = next(example for example in examples() if marked in example)
        stand_ins: Dict[str, types.ModuleType] = {}
        for name, content in modules.items():
            whole = name.replace("__", ".")
            for end in [*(match.start() for match in re.finditer(r"\.", whole)), len(whole)]:
                stand_ins.setdefault(whole[:end], types.ModuleType(whole[:end]))
            stand_ins[whole].__dict__.update(content)
        names: Dict[str, Any] = {}
        with mock.patch.dict(sys.modules, stand_ins):
            exec(compile(example, str(GUIDE), "exec"), names)
        return names

    def said(self, kind: str) -> List[Any]:
        return [said for said in self.engine.heard if said["type"] == kind]

    def test_a_plain_script(self) -> None:
        names = self.names("def guarded(send")
        self.addCleanup(names["session"].close)
        sent = []

        def send(client_id: str, *order: Any) -> str:
            sent.append(order)
            if order[2] in raises:
                raise raises[order[2]]
            return "V1"

        # Only the venue's own no says that nothing stands there: not a lost connection, nor an answer that makes no sense.
        raises = {"2": TimeoutError(), "3": names["RefusedByVenue"]("no such price"), "4": ValueError("no JSON"), "5": ConnectionError()}
        orders = [("buy", "1", "9"), ("sell", "1", "2"), ("buy", "1", "3"), ("buy", "1", "4"), ("buy", "1", "5")]
        for side, quantity, price in [*orders, ("buy", "2", "9"), ("buy", "0.3", "9")]:
            names["guarded"](send, "BTC-USD", side, quantity, price)
        self.assertEqual(sent, orders)
        outcomes = [(said["client_id"], said["outcome"]) for said in self.said("order_result")]
        told = ["accepted", "unknown", "rejected", "unknown", "unknown"]
        # Nothing is said of what was refused; what may be recorded and does not go out is.
        self.assertEqual(outcomes, [*((f"e7-{number}", one) for number, one in enumerate(told, 1)), ("e7-7", "not-sent")])
        self.assertEqual(self.said("order_result")[2]["reason"], "no such price")
        # What cannot be booked does not end the script after its order went out.
        self.answers.books = False
        with contextlib.redirect_stdout(io.StringIO()) as out:
            for price in ("9", "2", "3"):
                self.assertTrue(names["guarded"](send, "BTC-USD", "buy", "1", price).live)
        self.assertEqual(out.getvalue().count("not booked:"), 3)

    def test_freqtrade(self) -> None:
        class Trade:
            open: List[Any] = []

            @classmethod
            def get_open_trades(cls) -> List[Any]:
                return cls.open

        class Strategy:
            config = {"dry_run": False}

        names = self.names("IStrategy", freqtrade__persistence={"Trade": Trade}, freqtrade__strategy={"IStrategy": Strategy})
        bot = names["Guarded"]()
        bot.bot_start()
        self.addCleanup(bot.failstop.close)
        enter = ("limit", 0.1, 64000.1, "GTC", None, None)
        self.assertTrue(bot.confirm_trade_entry("BTC/USDT", *enter, "long"))
        self.assertFalse(bot.confirm_trade_entry("BTC/USDT", "limit", 1.5, *enter[2:], "long"))
        order = types.SimpleNamespace(order_id="V1", ft_order_side="buy", safe_filled=0.1, safe_price=64000.1)
        trade = types.SimpleNamespace(pair="BTC/USDT", exit_side="sell", open_orders=[order])
        Trade.open = [trade]
        bot.bot_loop_start(None)
        self.assertEqual(self.said("order_result"), [])
        bot.order_filled("BTC/USDT", trade, order, None)
        trade.open_orders = []
        self.assertTrue(bot.confirm_trade_exit("BTC/USDT", trade, "limit", 0.1, 64001.0, "GTC", "roi", None))
        bot.bot_loop_start(None)
        fill, asked = self.said("fill")[0], self.said("order")
        self.assertEqual((fill["client_id"], fill["quantity"], fill["price"]), ("e7-1", "0.1", "64000.1"))
        self.assertEqual([(said["side"], said.get("reduce_only", False)) for said in asked], [("buy", False)] * 2 + [("sell", True)])
        self.assertEqual([said["client_id"] for said in self.said("order_result")], ["e7-3"])
        self.assertFalse(bot.confirm_trade_entry("BTC/USDT", "limit", 0.3, *enter[2:], "long"))
        late = self.said("order_result")[-1]
        self.assertEqual((late["client_id"], late["outcome"]), ("e7-4", "not-sent"))
        # Its own paper mode is its own.
        self.answers.mode = "dry"
        self.assertFalse(bot.confirm_trade_entry("BTC/USDT", *enter, "long"))
        Strategy.config = {"dry_run": True}
        self.assertTrue(bot.confirm_trade_entry("BTC/USDT", *enter, "long"))

    def test_hummingbot(self) -> None:
        sent: List[Any] = []

        class Script:
            markets = {"kraken": {"BTC-USD"}}

            def buy(self, *order: Any) -> str:
                sent.append(order)
                return f"hb-{len(sent)}"

        module = {"hummingbot__strategy__script_strategy_base": {"ScriptStrategyBase": Script}}
        guarded = self.names("ScriptStrategyBase", **module)["Guarded"]
        guarded.trade = lambda self: None
        script = guarded()
        self.addCleanup(script.session.close)
        script.on_tick()
        words = ("kraken", "BTC-USD", "buy")
        for amount in ("1", "0.5", "0.2", "7", "0.3"):
            script.guarded(*words, Decimal(amount), "LIMIT", Decimal("64000"))
        self.assertEqual([order[2] for order in sent], [Decimal("1"), Decimal("0.5"), Decimal("0.2")])
        side = types.SimpleNamespace(name="BUY")
        trade = dict(exchange_trade_id="T1", trading_pair="BTC-USD", trade_type=side, amount=Decimal(1), price=Decimal("64000"))
        script.did_fill_order(types.SimpleNamespace(order_id="hb-1", **trade))
        script.did_cancel_order(types.SimpleNamespace(order_id="hb-2"))
        script.did_fail_order(types.SimpleNamespace(order_id="hb-3"))
        script.did_cancel_order(types.SimpleNamespace(order_id="of somebody else"))
        fill = self.said("fill")[0]
        self.assertEqual((fill["client_id"], fill["side"], fill["account"]), ("e7-1", "buy", "kraken"))
        outcomes = [(said["client_id"], said["outcome"]) for said in self.said("order_result")]
        self.assertEqual(outcomes, [("e7-5", "not-sent"), ("e7-2", "cancelled"), ("e7-3", "rejected")])

    def test_without_an_engine_nothing_is_sent(self) -> None:
        names = self.names("def guarded(send")
        self.addCleanup(names["session"].close)
        self.engine.close()
        sent: List[Any] = []
        with contextlib.redirect_stdout(io.StringIO()):
            decision = names["guarded"](lambda *order: sent.append(order), "BTC-USD", "buy", "1", "9")
        self.assertFalse(decision.allow)
        self.assertEqual(sent, [])
