"""What a permit check costs in Python against a bare read of a mapped word and of the clock, in one run. Rounds alternate."""

from __future__ import annotations

import mmap
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "src"))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from failstop import Permit
from tests.pages import OPEN, REDUCE, Writer, now_us, word

ROUNDS = 41
CALLS = 20_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(folder)
        writer.page(1)
        writer.grant(1, word(OPEN | REDUCE, 1, now_us() + 3_600_000_000))
        permit = Permit.open(writer.path, 1)
        with open(writer.path, "rb") as file:
            words = memoryview(mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ)).cast("Q")
    assert permit.may_open().paper
    at = (0x40 + 64) // 8
    clock, boottime = time.clock_gettime_ns, time.CLOCK_BOOTTIME
    bare, ours = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter_ns()
        for _ in range(CALLS):
            words[at]
            clock(boottime)
        bare.append((time.perf_counter_ns() - begin) / CALLS)
        begin = time.perf_counter_ns()
        for _ in range(CALLS):
            permit.may_open()
        ours.append((time.perf_counter_ns() - begin) / CALLS)
    reference, figure = statistics.median(bare), statistics.median(ours)
    print(
        f"python permit: mapped word and clock {reference:.0f} ns   permit check {figure:.0f} ns   ratio {figure / reference:.2f}"
    )


if __name__ == "__main__":
    main()
