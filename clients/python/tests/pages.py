"""Permit pages as the engine writes them: a new file, filled, then renamed over the old one."""

from __future__ import annotations

import os
import struct
import time
from typing import Callable, Optional

from failstop import _host

OPEN, REDUCE, LIVE, REVOKED = 1, 2, 4, 8


def now_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def word(rights: int, epoch: int, deadline_us: int) -> int:
    return rights | (epoch % 1024) << 6 | deadline_us << 16


class Writer:
    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "permit")

    def page(self, epoch: int, damage: Optional[Callable[[bytearray], None]] = None) -> None:
        page = bytearray(4096)
        struct.pack_into(
            "<8sII16sQQQQ",
            page,
            0,
            b"FSPERMT1",
            1,
            4096,
            _host.boot_id(),
            epoch,
            _host.time_namespace(),
            time.CLOCK_BOOTTIME,
            2_000_000,
        )
        if damage is not None:
            damage(page)
        with open(self.path + ".new", "wb") as file:
            file.write(page)
        os.rename(self.path + ".new", self.path)

    def grant(self, slot: int, bits: int) -> None:
        with open(self.path, "r+b") as file:
            os.pwrite(file.fileno(), struct.pack("<Q", bits), 0x40 + 64 * slot)
