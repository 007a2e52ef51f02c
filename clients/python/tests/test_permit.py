"""The permit as a bot meets it: real files, real mappings, the real clock."""

from __future__ import annotations

import os
import tempfile
import threading
import unittest
from typing import Any, Callable, List, cast
from unittest import mock

import failstop
from failstop import Denial, Intent, Permit, permit

from .pages import LIVE, OPEN, REDUCE, REVOKED, Writer, now_us, word

FAR_US = 60_000_000


class Words(unittest.TestCase):
    """One word at one time."""

    EPOCH = 1030
    DEADLINE_US = 2_000_000

    def at(self, rights: int, intent: Intent, now_ns: int) -> Any:
        verdict = permit.judge(word(rights, self.EPOCH, self.DEADLINE_US), self.EPOCH, intent, now_ns)
        return verdict.denial or ("live" if verdict.live else "paper")

    def test_rights_decide_while_the_lease_runs(self) -> None:
        now = self.DEADLINE_US * 1000 - 1
        for rights, intent, expected in (
            (OPEN | REDUCE | LIVE, Intent.OPEN, "live"),
            (OPEN | REDUCE | LIVE, Intent.REDUCE, "live"),
            (OPEN | REDUCE, Intent.OPEN, "paper"),
            (REDUCE | LIVE, Intent.REDUCE, "live"),
            (REDUCE, Intent.REDUCE, "paper"),
            (REDUCE | LIVE, Intent.OPEN, Denial.REDUCE_ONLY),
            (LIVE, Intent.OPEN, Denial.HALTED),
            (0, Intent.REDUCE, Denial.HALTED),
        ):
            self.assertEqual(self.at(rights, intent, now), expected, (rights, intent))

    def test_nothing_is_allowed_at_or_after_the_deadline(self) -> None:
        for rights in range(16):
            for now in (self.DEADLINE_US * 1000, self.DEADLINE_US * 1000 + 1, 2**64):
                for intent in Intent:
                    self.assertIsInstance(self.at(rights, intent, now), Denial, (rights, now))
        self.assertEqual(self.at(OPEN, Intent.OPEN, self.DEADLINE_US * 1000), Denial.EXPIRED)

    def test_zero_revoked_foreign_and_unknown_words_deny(self) -> None:
        everything = OPEN | REDUCE | LIVE
        for bits, expected in (
            (0, Denial.NOT_GRANTED),
            (REVOKED, Denial.REVOKED),
            (word(everything | REVOKED, self.EPOCH, self.DEADLINE_US), Denial.REVOKED),
            (word(everything, self.EPOCH + 1, self.DEADLINE_US), Denial.OTHER_EPOCH),
            (word(everything | 16, self.EPOCH, self.DEADLINE_US), Denial.UNREADABLE),
            (word(everything | 32, self.EPOCH, self.DEADLINE_US), Denial.UNREADABLE),
        ):
            verdict = permit.judge(bits, self.EPOCH, Intent.REDUCE, 0)
            self.assertEqual(verdict.denial, expected)
            self.assertEqual((verdict.allows, bool(verdict)), (False, False))
            self.assertTrue(verdict.reason)
        self.assertTrue(permit.judge(word(everything, self.EPOCH + 1024, 1), self.EPOCH, Intent.OPEN, 0).live)

    def test_paper_is_not_true(self) -> None:
        paper = permit.judge(word(OPEN, 1, 1), 1, Intent.OPEN, 0)
        self.assertEqual((paper.paper, paper.allows, bool(paper)), (True, True, False))


class Pages(unittest.TestCase):
    """Real pages."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.writer = Writer(folder.name)

    def test_a_granted_slot_allows_and_every_other_denies(self) -> None:
        self.writer.page(5)
        for slot in (0, 2, 3, 31):
            permit = Permit.open(self.writer.path, slot)
            self.assertEqual(permit.may_open().denial, Denial.NOT_GRANTED)
        self.writer.grant(3, word(OPEN | REDUCE | LIVE, 5, now_us() + FAR_US))
        permits = {slot: Permit.open(self.writer.path, slot) for slot in range(32)}
        for slot, permit in permits.items():
            expected = None if slot == 3 else Denial.NOT_GRANTED
            self.assertEqual((permit.may_open().denial, permit.may_reduce().denial), (expected, expected), slot)
        self.assertTrue(permits[3].may_open().live)
        self.writer.grant(3, word(REDUCE, 5, now_us() + FAR_US))
        self.assertEqual(permits[3].may_open().denial, Denial.REDUCE_ONLY)
        self.assertTrue(permits[3].check(Intent.REDUCE).paper)
        self.assertEqual(permits[3].check(Intent.OPEN).denial, Denial.REDUCE_ONLY)
        self.writer.grant(3, REVOKED)
        self.assertEqual(permits[3].may_reduce().denial, Denial.REVOKED)
        self.writer.grant(3, word(OPEN | REDUCE, 5, now_us()))
        self.assertEqual(permits[3].may_open().denial, Denial.EXPIRED)

    def test_the_clock_is_read_after_the_word(self) -> None:
        # A word that appears while the clock is being read is judged by the next check only; one that was read first and ran
        # out meanwhile is not allowed.
        self.writer.page(5)
        self.writer.grant(1, word(OPEN, 5, now_us() + FAR_US))
        held = Permit.open(self.writer.path, 1)
        order: List[str] = []

        class Words(List[int]):
            def __getitem__(self, at: Any) -> Any:
                order.append("word")
                return word(OPEN, 5, 1)

        def clock(_: int) -> int:
            order.append("clock")
            return 1000

        held._open = held._reduce = (Words(), 0, 1, 1, held._now(Intent.OPEN))
        with mock.patch.object(permit, "_boottime_ns", clock):
            held.may_open()
            self.assertEqual(order[:2], ["word", "clock"])
            order.clear()
            held.may_reduce()
            self.assertEqual(order[:2], ["word", "clock"])

    def test_foreign_pages_are_refused_with_what_differs(self) -> None:
        def change(at: int, bytes: bytes) -> Callable[[bytearray], None]:
            def damage(page: bytearray) -> None:
                page[at : at + len(bytes)] = bytes

            return damage

        def shorten(page: bytearray) -> None:
            del page[-1:]

        for damage, field in (
            (change(0, b"X"), "magic"),
            (change(8, b"\2"), "abi"),
            (change(12, b"\1"), "stated size"),
            (change(0x10, b"\xff\xff\xff"), "boot id"),
            (change(0x1F, b"\xff\xff"), "boot id"),
            (change(0x28, b"\1\1\1\1"), "time namespace"),
            (change(0x30, b"\1"), "clock"),
            (shorten, "4096 bytes"),
        ):
            self.writer.page(1, damage)
            with self.assertRaisesRegex(failstop.PermitError, field):
                Permit.open(self.writer.path, 1)
        with self.assertRaisesRegex(failstop.PermitError, "slot 32"):
            Permit.open(self.writer.path, 32)
        with self.assertRaisesRegex(failstop.PermitError, "slot -1"):
            Permit.open(self.writer.path, -1)
        os.mkfifo(self.writer.path + ".fifo")
        with self.assertRaisesRegex(failstop.PermitError, "no file"):
            Permit.open(self.writer.path + ".fifo", 1)
        with self.assertRaises(failstop.PermitError):
            Permit.open(self.writer.path + ".none", 1)

    def test_what_is_known_of_a_word_ends_with_it(self) -> None:
        self.writer.page(5)
        soon = now_us() + FAR_US
        held = Permit.open(self.writer.path, 1)
        for bits, opens, reduces in (
            (word(OPEN | REDUCE | LIVE, 5, soon), "live", "live"),
            (word(OPEN | REDUCE, 5, soon), "paper", "paper"),
            (word(REDUCE, 5, soon), Denial.REDUCE_ONLY, "paper"),
            (word(OPEN | REDUCE | LIVE, 5, soon), "live", "live"),
            (word(OPEN | REDUCE | LIVE, 6, soon), Denial.OTHER_EPOCH, Denial.OTHER_EPOCH),
            (REVOKED, Denial.REVOKED, Denial.REVOKED),
            (0, Denial.NOT_GRANTED, Denial.NOT_GRANTED),
        ):
            self.writer.grant(1, bits)
            for _ in range(3):
                for verdict, expected in ((held.may_open(), opens), (held.may_reduce(), reduces)):
                    shown = verdict.denial or ("live" if verdict.live else "paper")
                    self.assertEqual(shown, expected, hex(bits))
        # The same word, known and allowed, is denied by the clock alone.
        self.writer.grant(1, word(OPEN | REDUCE | LIVE, 5, soon))
        self.assertTrue(held.may_open().live and held.may_reduce().live)
        with mock.patch.object(permit, "_boottime_ns", lambda _: soon * 1000):
            with mock.patch("failstop.permit.time.clock_gettime_ns", lambda _: soon * 1000):
                self.assertEqual(held.may_open().denial, Denial.EXPIRED)
                self.assertEqual(held.may_reduce().denial, Denial.EXPIRED)

    def test_an_open_permit_follows_a_new_page(self) -> None:
        self.writer.page(5)
        self.writer.grant(1, word(OPEN, 5, now_us() + FAR_US))
        followed = Permit.open(self.writer.path, 1)
        self.assertTrue(followed.may_open().paper)
        self.writer.page(6)
        self.writer.grant(1, word(OPEN | LIVE, 6, now_us() + FAR_US))
        # The old page stays what it was until its lease is over.
        self.assertTrue(followed.may_open().paper)
        self.assertTrue(followed.refresh())
        self.assertFalse(followed.refresh())
        self.assertEqual((followed.may_open().live, followed.epoch), (True, 6))
        # Without being told to: a denied check looks, at most every 20 ms.
        self.writer.grant(1, 0)
        self.writer.page(7)
        self.writer.grant(1, word(OPEN | LIVE, 7, now_us() + FAR_US))
        followed._looked_ns = 0
        self.assertTrue(followed.may_open().live)

    def test_a_bound_permit_never_trades_by_anothers_page(self) -> None:
        self.writer.page(5)
        self.writer.grant(1, word(OPEN | LIVE, 5, now_us() + FAR_US))
        bound = Permit.open(self.writer.path, 1, 5)
        self.assertTrue(bound.may_open().live)
        self.writer.grant(1, 0)
        self.writer.page(6)
        self.writer.grant(1, word(OPEN | LIVE, 6, now_us() + FAR_US))
        bound._looked_ns = 0
        self.assertEqual(bound.may_open().denial, Denial.OTHER_EPOCH)
        self.assertEqual(bound.may_open().denial, Denial.OTHER_EPOCH)
        with self.assertRaises(failstop.OtherEpoch):
            bound.refresh()
        with self.assertRaises(failstop.OtherEpoch):
            Permit.open(self.writer.path, 1, 5)

    def test_a_page_that_goes_away_or_is_damaged_later_denies_and_raises_nothing(self) -> None:
        self.writer.page(5)
        held = Permit.open(self.writer.path, 1)
        os.unlink(self.writer.path)
        held._looked_ns = 0
        self.assertEqual(held.may_open().denial, Denial.NOT_GRANTED)
        with open(self.writer.path, "wb") as file:
            file.write(b"nothing")
        held._looked_ns = 0
        self.assertEqual(held.may_reduce().denial, Denial.NOT_GRANTED)
        held.close()
        self.assertEqual(held.may_open().denial, Denial.NO_PERMIT)

    def test_every_thread_may_check_while_pages_change(self) -> None:
        self.writer.page(1)
        shared = Permit.open(self.writer.path, 1)
        stop = threading.Event()
        failures: List[str] = []

        def check() -> None:
            while not stop.is_set():
                shared._looked_ns = 0
                verdict = shared.may_open()
                if verdict.live:
                    failures.append(repr(verdict))

        threads = [threading.Thread(target=check) for _ in range(4)]
        for thread in threads:
            thread.start()
        for epoch in range(2, 40):
            self.writer.page(epoch)
            self.writer.grant(1, word(OPEN, epoch, now_us() + FAR_US))
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        shared.refresh()
        self.assertEqual(shared.epoch, 39)

    def test_readers_that_may_tear_words_read_them_twice(self) -> None:
        self.writer.page(5)
        held = Permit.open(self.writer.path, 1)
        good = word(OPEN | LIVE, 5, now_us() + FAR_US)
        # A renewal between the first and the second reading, which saw half of it.
        seen = iter([2**64 - 1, good, good])

        class Words(List[int]):
            def __getitem__(self, at: Any) -> Any:
                return next(seen)

        assert held._page is not None
        held._page.words = cast(Any, Words())
        with mock.patch.object(permit, "_READS_WHOLE_WORDS", False):
            self.assertTrue(held._now(Intent.OPEN).live)


class Environment(unittest.TestCase):
    """`from_env`."""

    def test_without_failstop_everything_is_denied_with_the_reason(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            permit = Permit.from_env()
            with self.assertRaises(failstop.NotUnderFailstop):
                Permit.from_env(strict=True)
        for verdict in (permit.may_open(), permit.may_reduce()):
            self.assertEqual(verdict.denial, Denial.NO_PERMIT)
            self.assertIn("FAILSTOP_PERMIT is not set", verdict.reason)
        self.assertIn("FAILSTOP_PERMIT is not set", permit.problem)

    def test_bad_variables(self) -> None:
        for slot, epoch in (("x", "1"), ("32", "1"), ("-1", "1"), ("1", "\u0663"), ("1", ""), ("1", "1.5"), ("1", "9" * 5000)):
            values = {"FAILSTOP_PERMIT": "/none", "FAILSTOP_PERMIT_SLOT": slot, "FAILSTOP_EPOCH": epoch}
            with mock.patch.dict(os.environ, values):
                self.assertIn("FAILSTOP_", Permit.from_env().may_open().reason)

    def test_a_page_that_appears_later_is_taken(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            writer = Writer(folder)
            values = {"FAILSTOP_PERMIT": writer.path, "FAILSTOP_PERMIT_SLOT": "4", "FAILSTOP_EPOCH": "9"}
            with mock.patch.dict(os.environ, values):
                permit = Permit.from_env()
                with self.assertRaises(failstop.PermitError):
                    Permit.from_env(strict=True)
            self.assertEqual(permit.may_open().denial, Denial.NO_PERMIT)
            writer.page(9)
            writer.grant(4, word(OPEN, 9, now_us() + FAR_US))
            permit._looked_ns = 0
            self.assertTrue(permit.may_open().paper)
            self.assertEqual((permit.problem, permit.slot, permit.epoch), ("", 4, 9))
