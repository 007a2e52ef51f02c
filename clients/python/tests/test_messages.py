"""What is judged before it is said."""

from __future__ import annotations

import json
import unittest
from decimal import Decimal
from typing import Any

import failstop
from failstop import messages


class Amounts(unittest.TestCase):
    def test_exact_values_go_as_decimal_texts(self) -> None:
        for value, text in (
            ("0.10", "0.10"),
            ("-3", "-3"),
            (7, "7"),
            (Decimal("1E-8"), "0.00000001"),
            (Decimal("1E+3"), "1000"),
            (Decimal("-0.50"), "-0.50"),
        ):
            self.assertEqual(messages.amount("a", value), text)

    def test_everything_else_is_refused_with_the_field(self) -> None:
        bad: Any
        for bad in (0.1, True, None, "1e3", "+1", " 1", "1.", ".5", "", "NaN", Decimal("NaN"), "\u0663", "9" * 49, b"1"):
            with self.assertRaisesRegex(failstop.InvalidMessage, "`quantity`"):
                messages.order("c", "i", "buy", bad, "a")

    def test_a_price_is_whole(self) -> None:
        for given in ({}, {"bid": 1}, {"ask": 1}, {"bid": 1, "ask": 2, "last": 1}):
            with self.assertRaises(failstop.InvalidMessage):
                messages.price("s", "i", **given)


class Lines(unittest.TestCase):
    def test_what_json_cannot_say_is_refused(self) -> None:
        deep: Any = []
        for _ in range(100_000):
            deep = [deep]
        bad: Any
        for bad in (float("nan"), float("inf"), object(), "\ud800", {1: deep}, deep):
            with self.assertRaises(failstop.InvalidMessage):
                messages.encode(1, messages.event("x.a", {"a": bad}))

    def test_the_limit_is_exact(self) -> None:
        base = len(messages.encode(None, messages.event("x.a", {"a": ""}))) - 1
        longest = messages.encode(None, messages.event("x.a", {"a": "x" * (messages.MAX_LINE - base)}))
        self.assertEqual(len(longest), messages.MAX_LINE + 1)
        with self.assertRaisesRegex(failstop.InvalidMessage, "65537 bytes"):
            messages.encode(None, messages.event("x.a", {"a": "x" * (messages.MAX_LINE - base + 1)}))

    def test_a_line_holds_no_line_feed_but_its_own(self) -> None:
        line = messages.encode(3, messages.error("k", "a\nb\r\u2028"))
        self.assertEqual(line.count(b"\n"), 1)
        self.assertEqual(json.loads(line)["message"], "a\nb\r\u2028")

    def test_decimals_as_figures(self) -> None:
        self.assertEqual(messages.metric("m", Decimal("1E-3"))["value"], "0.001")
