"""Facts about this boot and this process that a permit page is bound to, read as the engine reads them."""

from __future__ import annotations

import os
import sys
import time

if not sys.platform.startswith("linux"):
    raise ImportError("failstop runs on Linux only: the permit is judged by CLOCK_BOOTTIME")

#: The only clock that a page may use. It counts suspend; CLOCK_MONOTONIC does not.
CLOCK_BOOTTIME = time.CLOCK_BOOTTIME


def boot_id() -> bytes:
    """The id of this boot, 16 bytes in the order of the text form. Raises OSError or ValueError."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        text = file.read().strip()
    id = bytes.fromhex(text.replace("-", ""))
    if len(id) != 16:
        raise ValueError(f"/proc/sys/kernel/random/boot_id is `{text}`, not 32 hex digits")
    return id


def time_namespace() -> int:
    """The inode of this process's time namespace; 0 where the kernel has none. Raises OSError."""
    try:
        return os.stat("/proc/self/ns/time").st_ino
    except FileNotFoundError:
        return 0


def boottime_us() -> int:
    """Microseconds of CLOCK_BOOTTIME, rounded down."""
    return time.clock_gettime_ns(CLOCK_BOOTTIME) // 1000
