#!/usr/bin/env python3
"""A bot in Python for `failstop run`, standard library only. Copy the two classes into a bot of your own.

It replays recorded prices, beats each second, looks at its permit before each order and fills on paper.
"""

import csv
import itertools
import json
import mmap
import os
import pathlib
import socket
import struct
import sys
import time

OPEN, REDUCE, LIVE, REVOKED = 1, 2, 4, 8


class Permit:
    """The lease by which this process may trade: one word of a page that the engine renews.

    The page that this process was started with is the only one that it trades by. Once failstop is started anew, this
    process has been replaced, and its permit has run out.
    """

    def __init__(self):
        self.path = os.environ["FAILSTOP_PERMIT"]
        self.offset = 0x40 + 64 * int(os.environ["FAILSTOP_PERMIT_SLOT"])
        self.epoch = int(os.environ["FAILSTOP_EPOCH"])
        self.page = self._map()

    def _map(self):
        with open(self.path, "rb") as file:
            page = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
        magic, abi, size = struct.unpack_from("<8sII", page, 0)
        epoch, time_namespace, clock = struct.unpack_from("<QQQ", page, 0x20)
        boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        try:
            own_namespace = os.stat("/proc/self/ns/time").st_ino
        except FileNotFoundError:
            own_namespace = 0
        usable = (
            (magic, abi, size, clock) == (b"FSPERMT1", 1, 4096, time.CLOCK_BOOTTIME)
            and page[0x10:0x20].hex() == boot_id
            and time_namespace == own_namespace
            and epoch == self.epoch
        )
        if not usable:
            raise RuntimeError(f"{self.path} is no permit page of this boot and of epoch {self.epoch}")
        return page

    def check(self, right):
        """`(True, "live" or "paper")` where an order with this right (OPEN or REDUCE) may go out now, else `(False, why)`.

        The answer is good for that one order only.
        """
        # One aligned 8-byte load through a memory view, not eight single bytes; and the clock after the word.
        with memoryview(self.page)[self.offset : self.offset + 8] as view, view.cast("Q") as words:
            word = words[0]
        now_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        if word == 0:
            return False, "no permit was granted"
        if word & REVOKED:
            return False, "the kill switch is engaged"
        if word & 0x30 or (word >> 6) & 1023 != self.epoch % 1024:
            return False, "the permit is not for this process"
        if now_us >= word >> 16:
            return False, "the permit ran out: failstop is not renewing it"
        if not word & right:
            return False, "a halt stands: see `failstop status`"
        return True, "live" if word & LIVE else "paper"


class Session:
    """The bot socket: one JSON object a line, each way."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(os.environ["FAILSTOP_SOCKET"])
        self.lines = b""
        self.ids = itertools.count(1)

    def tell(self, kind, **fields):
        """Says something one way; failstop answers only if it cannot take it."""
        self.socket.sendall(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def ask(self, kind, **fields):
        """Says something and waits for its answer. After an event was answered, it is on disk."""
        id = next(self.ids)
        self.tell(kind, id=id, **fields)
        while True:
            line = self._line()
            if line.get("id") == id:
                if not line["ok"]:
                    raise RuntimeError(f"failstop refused {kind}: {line['error']}")
                return line
            # Anything else was pushed: a changed permission, or the wish that this process ends.
            if line.get("event") == "stop":
                sys.exit(0)

    def _line(self):
        while b"\n" not in self.lines:
            received = self.socket.recv(4096)
            if not received:
                raise ConnectionError("failstop closed the bot socket")
            self.lines += received
        line, self.lines = self.lines.split(b"\n", 1)
        return json.loads(line)


def prices(path):
    """Bid and ask of BTCUSDT, for ever."""
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["instrument"], row["kind"]) == ("BTCUSDT", "quote")]
    yield from itertools.cycle((row["price_or_bid"], row["quantity_or_ask"]) for row in rows)


def main():
    permit, session = Permit(), Session()
    me = session.ask("hello", client="bot.py", version="1")
    print(f"trading on paper for system {me['system']}, epoch {me['epoch']}", flush=True)
    last_beat = 0.0
    for step, (bid, ask) in enumerate(prices(sys.argv[1])):
        session.tell("tick", feed="binance", instrument="BTCUSDT", time=time.time_ns() // 1_000_000)
        if time.monotonic() - last_beat >= 1:
            last_beat = time.monotonic()
            session.tell("heartbeat", progress=step)
        if step % 50 == 49:
            side, right, price = ("buy", OPEN, ask) if step % 100 == 49 else ("sell", REDUCE, bid)
            allowed, how = permit.check(right)
            if allowed:
                # Amounts are texts: the journal holds no numbers with a fraction.
                data = {"side": side, "quantity": "0.001", "price": price}
                seq = session.ask("event", name="x.paper_fill", data=data)["seq"]
                print(f"{how} {side} 0.001 BTCUSDT at {price}, recorded as {seq}", flush=True)
            else:
                print(f"{side} held back: {how}", flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
