#!/usr/bin/env python3
"""Verifies a failstop journal and its snapshots without failstop: a second implementation of docs/journal-format.md and
docs/snapshot-format.md. It does not replay: that a snapshot is what the records before it give is for `verify-data --deep`.

    verify_journal.py STATE            one state directory; exit 0 intact, 1 violated, 2 cannot read
    verify_journal.py --batch < LIST   many, one directory a line; one line of JSON each; exit 1 if any is violated

Python's standard library only. Reads and never writes. Stops at the first violation and says where it is.
"""

import datetime
import hashlib
import json
import os
import re
import sys

LINE_MAX = 65536
NUMBER = rb"(0|[1-9][0-9]{0,15})"
LINE = re.compile(
    rb'\{"seq":' + NUMBER + rb',"d":' + NUMBER + rb',"ep":' + NUMBER
    + rb',"ts":"[0-9T:.Z-]{30}","t":"([a-z0-9._-]{1,64})","b":(\{.*\}),"h":"([0-9a-f]{64})"\}\n',
    re.DOTALL,
)
NAME = re.compile(r"j-[0-9]{16}\.ndjson")
SUM = re.compile(rb"([0-9a-f]{64})  (j-[0-9]{16}\.ndjson)\n")
SNAPSHOT = re.compile(r"s-[0-9]{16}\.ndjson")
SNAPSHOT_MAX = 32 << 20
HEX = re.compile(r"[0-9a-f]{64}")
AMOUNT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

# The fields of each line of a snapshot's body, in order; those with a question mark may be left out.
LINES = {
    "account": "name negative",
    "account.balance": "account asset opening closing",
    "asset": "name scale tolerance negative accounts pools outside",
    "capital": "account asset total free locked seq",
    "closed": "day",
    "discrepancy": "seq violation",
    "halt": "id cause component? scope cap latched trigger? evidence seq",
    "holding": "account pool asset amount",
    "instrument": "name quantity_scale price_scale",
    "mode": "mode permission epoch",
    "order": "intent outcome? venue_id? doubt? filled children seq epoch ts",
    "outside.balance": "account asset opening closing since? since_ts?",
    "pool": "name within?",
    "pool.balance": "pool asset opening closing",
    "position": "account instrument quantity",
    "strategy": "name states initial transitions final?",
    "strategy.state": "strategy instance? state seq",
}


class Violation(Exception):
    def __init__(self, file, line, seq, offset, why):
        super().__init__(why)
        self.place = {"file": file, "line": line, "seq": seq, "offset": offset, "why": why}


class Broken(Exception):
    """A line that does not fit; whether a crash could have left it so."""

    def __init__(self, why, tearable=True):
        super().__init__(why)
        self.tearable = tearable


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sound_opening(text, payload, stated):
    """What a segment's first line says, where its own hash vouches for it; otherwise nothing."""
    try:
        seg = json.loads(payload)
        prev = seg["prev"]
    except (TypeError, ValueError, KeyError):
        return None
    return seg if isinstance(prev, str) and sha256(prev.encode(), text[:-73]) == stated else None


def is_day(text):
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class Journal:
    def __init__(self, state):
        self.folder = os.path.join(state, "journal")
        self.head = None  # the last record's hash
        self.seq = 0  # the last record's number
        self.durable = self.epoch = self.number = 0
        self.jid = self.origin = None
        self.records = 0
        self.before = None  # the segment before: name, bytes, records, lines
        self.torn = None
        self.wanted = {}  # hashes of the records that snapshots are of
        self.taken = {}  # what the journal names: the record of a snapshot, to its payload
        self.retired = 0

    def verify(self):
        names = sorted(name for name in os.listdir(self.folder) if NAME.fullmatch(name))
        try:
            with open(os.path.join(self.folder, "SHA256SUMS"), "rb") as file:
                self.list = file.read()
        except FileNotFoundError:
            self.list = None
        self.sums = {m[2].decode(): m[1].decode() for m in SUM.finditer(self.list or b"")}
        self.digests = {}
        for index, name in enumerate(names):
            self.segment(name, index == len(names) - 1)
        self.check_sums(names)

    def segment(self, name, last):
        first = int(name[2:18])
        path = os.path.join(self.folder, name)
        size = os.path.getsize(path)
        if self.before is None and first != 1:
            self.renamed(path, name, first)
            raise Violation(f"j-{1:016}.ndjson", 0, 1, 0, "the journal's beginning is missing")
        offset = line = records = 0
        closed = False
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while True:
                text = file.readline(LINE_MAX + 1)
                if not text:
                    break
                line += 1
                digest.update(text)
                try:
                    kind = self.line(text, name, first, line, offset, records, closed)
                except Broken as broken:
                    self.judge(file, text, name, size, offset, line, closed, last, broken, first)
                    return
                closed = kind == b"seg.close"
                records += 1
                offset += len(text)
        self.records += records
        self.digests[name] = digest.hexdigest()
        if records == 0:
            if last and name not in self.sums:
                self.torn = {"file": name, "offset": 0, "bytes": 0}
                return
            if self.before is None or self.seq + 1 == first:
                raise Violation(name, 1, first, 0, "the file is empty")
        if last and name in self.sums and not closed and self.sums[name] != self.digests[name]:
            raise Violation(name, line + 1, self.seq + 1, size, "it was sealed, but its end is missing")
        self.before = {"name": name, "bytes": size, "records": records, "lines": line, "closed": closed}

    def renamed(self, path, name, first):
        """A segment whose first line is sound and says that it begins with another record than its name does."""
        with open(path, "rb") as file:
            match = LINE.fullmatch(text := file.readline(LINE_MAX + 1))
        if match and match[4] == b"seg.open":
            seg = sound_opening(text, match[5], match[6].decode())
            if seg and seg.get("first") != first:
                raise Violation(name, 1, first, 0, "another first record than its name says")

    def line(self, text, name, first, line, offset, records, closed):
        """Checks one line and moves on, or raises."""
        if closed:
            raise Broken("bytes after the line that seals the segment", tearable=False)
        match = LINE.fullmatch(text) if len(text) <= LINE_MAX else None
        if not match:
            raise Broken("no line of the format")
        seq, durable, epoch = (int(match[i]) for i in (1, 2, 3))
        kind, payload, stated = match[4], match[5], match[6].decode()
        if max(seq, durable, epoch) >= 1 << 53:
            raise Broken("a number beyond 2^53")
        opening = kind == b"seg.open"
        head, expected = self.head, self.seq + 1
        if line == 1:
            head, expected = self.opening(text, name, first, stated, payload if opening else None)
        if sha256(head.encode(), text[:-73]) != stated:
            raise Broken("the hash does not fit")
        rules = [
            (seq == expected, "the sequence number is not the next one"),
            (durable < seq, "d is not below the sequence number"),
            (durable >= self.durable, "d falls"),
            (epoch >= self.epoch, "the epoch falls"),
            (opening == (line == 1), "seg.open belongs on a segment's first line, and only there"),
        ]
        for holds, why in rules:
            if not holds:
                raise Broken(why, tearable=False)
        if kind == b"seg.close":
            close = json.loads(payload)
            if (close.get("records"), close.get("bytes"), close.get("first")) != (records + 1, offset, first):
                raise Broken("the sealing line counts otherwise", tearable=False)
        self.head, self.seq, self.durable, self.epoch = stated, seq, durable, epoch
        if seq in self.wanted:
            self.wanted[seq] = stated
        if kind == b"snapshot.taken":
            taken = json.loads(payload)
            self.taken[taken["seq"]] = taken
        elif kind == b"snapshot.retired":
            self.retired = max(self.retired, json.loads(payload)["upto"])
        return kind

    def opening(self, text, name, first, stated, payload):
        """A segment's first line: does it continue the segment before? Gives the hash and number that it must follow."""
        seg = sound_opening(text, payload, stated)
        before = self.before
        if seg is None:
            if before and first > self.seq + 1:
                self.missing(before, first)
            raise Broken("the segment's first line was changed")
        prev = seg["prev"]
        if seg["fmt"] != "failstop-journal/1" or seg["first"] != first:
            raise Violation(name, 1, first, 0, "another format, or another first record than its name says")
        if before is None:
            self.jid, self.origin = seg["jid"], seg["origin"]
            genesis = f"failstop-journal/1\n{self.origin}\n{self.jid}\n".encode()
            if prev != sha256(genesis):
                raise Violation(name, 1, first, 0, "the chain does not start from its own origin and id")
        else:
            if (seg["jid"], seg["origin"]) != (self.jid, self.origin) or seg["seg"] <= self.number:
                raise Violation(name, 1, first, 0, "another journal's segment, or one out of order")
            left = seg.get("prev_seg")
            if not left:
                raise Violation(name, 1, first, 0, "names no segment before it")
            if left["name"] != before["name"]:
                if left["name"] > before["name"] and first > self.seq + 1:
                    raise Violation(f"j-{self.seq + 1:016}.ndjson", 0, self.seq + 1, 0, "whole segments are missing")
                raise Violation(name, 1, first, 0, "names another segment before it")
            if before["bytes"] < left["bytes"]:
                place = (before["name"], before["lines"] + 1, self.seq + 1, before["bytes"])
                raise Violation(*place, f"{left['bytes'] - before['bytes']} bytes are missing at the end")
            if before["bytes"] > left["bytes"]:
                raise Violation(before["name"], left["records"] + 1, first, left["bytes"], "more than was there")
            if prev == self.head and first > self.seq + 1:
                raise Violation(f"j-{self.seq + 1:016}.ndjson", 0, self.seq + 1, 0, "whole segments are missing")
            if prev != self.head or first != self.seq + 1 or left["records"] != before["records"]:
                raise Violation(name, 1, first, 0, "continues another chain than the segment before it ends with")
        self.number = seg["seg"]
        damage = seg.get("damage")
        if damage and damage["class"] == "acknowledged-lost":
            raise Violation(name, 1, first, 0, damage["detail"])
        return prev, first

    def missing(self, before, first):
        if before["closed"]:
            raise Violation(f"j-{self.seq + 1:016}.ndjson", 0, self.seq + 1, 0, "whole segments are missing")
        raise Violation(before["name"], before["lines"] + 1, self.seq + 1, before["bytes"], "its end is missing")

    def judge(self, file, text, name, size, offset, line, closed, last, broken, first):
        """A line does not fit. At the journal's end it may be what a crash left, unless something proves otherwise."""
        tail = [text]
        while last and tail[-1]:
            tail.append(file.readline(LINE_MAX + 1))
        verified = self.seq if line > 1 else first - 1
        proof = any(int(m[2]) > verified for m in map(LINE.fullmatch, tail) if m)
        if last and name not in self.sums and not closed and broken.tearable and not proof:
            self.torn = {"file": name, "offset": offset, "bytes": size - offset}
            self.records += line - 1
            return
        raise Violation(name, line, verified + 1, offset, str(broken))

    def check_sums(self, names):
        """The list of sums. The chain is intact here, so a sum that differs is the list's damage."""
        if self.list is None:
            if len(names) > 1:
                raise Violation("SHA256SUMS", 0, 1, 0, "the list of sums is missing")
            return
        offset = 0
        lines = re.findall(rb"[^\n]*\n|[^\n]+", self.list)
        for number, text in enumerate(lines, 1):
            match = SUM.fullmatch(text)
            if not match:
                raise Violation("SHA256SUMS", number, 0, offset, "no sum of a segment")
            digest, name = match[1].decode(), match[2].decode()
            if name in self.digests:
                if self.digests[name] != digest:
                    raise Violation("SHA256SUMS", number, int(name[2:18]), offset, f"another sum of {name}")
            elif not os.path.exists(os.path.join(self.folder, name)):
                renamed = any(d == digest and n not in self.sums for n, d in self.digests.items())
                if renamed or (names and name < names[-1]):
                    raise Violation("SHA256SUMS", number, int(name[2:18]), offset, f"{name} is not there")
                raise Violation(name, 0, int(name[2:18]), 0, "SHA256SUMS names it, but it is not there")
            offset += len(text)
        for name in names[:-1]:
            if name not in self.sums:
                raise Violation("SHA256SUMS", len(lines) + 1, int(name[2:18]), offset, f"no sum of {name}")


class Snapshots:
    """The folder of snapshots: each alone, then against the one before it, then against the journal."""

    def __init__(self, state):
        self.folder = os.path.join(state, "snapshots")
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        self.names = {int(name[2:18]): name for name in sorted(names) if SNAPSHOT.fullmatch(name)}
        self.headers = {}
        self.sums = {}

    def verify(self, journal):
        # The last day that was closed, along those that a snapshot opens from: one that an attempt left beside them closed nothing.
        closed = {}
        for seq, name in self.names.items():
            place = (f"snapshots/{name}", 1, seq, 0)
            try:
                header = Snapshot(self.folder, seq, name).read(self)
            except (AttributeError, KeyError, RecursionError, TypeError):
                raise Violation(*place, "a field is not of its kind") from None
            if (header["origin"], header["jid"]) != (journal.origin, journal.jid):
                raise Violation(*place, "is of another journal")
            prev = header["prev"]
            if prev and self.sums.get(prev["seq"], prev["sha256"]) != prev["sha256"]:
                raise Violation(*place, "names the snapshot before it by another sum than it has")
            day = closed.get(prev["seq"]) if prev else None
            if header["day"] and day and header["day"] <= day:
                raise Violation(*place, f"closes {header['day']}, but {day} was closed before it")
            closed[seq] = header["day"] or day
            self.headers[seq] = header
        for seq, header in self.headers.items():
            place = (f"snapshots/{self.names[seq]}", 1, seq, 0)
            if seq > journal.seq:
                raise Violation(*place, f"is of a record that the journal does not have: it ends with {journal.seq}")
            if journal.wanted[seq] != header["h"]:
                raise Violation(*place, "names another hash of its record than the journal has")
            taken = journal.taken.get(seq)
            if taken and taken["sha256"] != self.sums[seq]:
                raise Violation(*place, "has another sum than the journal names")
            if taken and taken.get("day") != header["day"]:
                raise Violation(*place, "closes another day than the journal names")
        for seq, taken in sorted(journal.taken.items()):
            if seq not in self.names and seq > journal.retired:
                if os.path.exists(os.path.join(self.folder, f"s-{seq:016}.ndjson")):
                    continue  # taken and named by a running engine after the folder was listed
                raise Violation(f"snapshots/s-{seq:016}.ndjson", 0, seq, 0, "the journal names it, and it is not there")


class Snapshot:
    """One file, by itself."""

    def __init__(self, folder, seq, name):
        self.path = os.path.join(folder, name)
        self.name, self.seq = name, seq
        self.offsets = [0]

    def broken(self, line, why):
        """Of a line, counted from 0."""
        raise Violation(f"snapshots/{self.name}", line + 1, self.seq, self.offsets[min(line, len(self.offsets) - 1)], why)

    def read(self, snapshots):
        with open(self.path, "rb") as file:
            data = file.read(SNAPSHOT_MAX + 1)
        if len(data) > SNAPSHOT_MAX:
            self.broken(0, "is larger than any snapshot")
        lines = data.split(b"\n")
        for line in lines[:-1]:
            self.offsets.append(self.offsets[-1] + len(line) + 1)
        if lines.pop() or len(lines) < 2:
            self.broken(len(lines), "the file ends early")
        last = len(lines) - 1
        trailer = self.canonical(last, lines[last], ["end", "lines", "sha256"])
        if trailer["sha256"] != sha256(data[: self.offsets[last]]):
            self.broken(last, "the bytes before do not give the sum that the trailer states")
        header = self.canonical(0, lines[0], ["fmt", "origin", "jid", "seq", "h", "prev", "day"])
        if header["fmt"] != "failstop-snapshot/1":
            self.broken(0, "another format")
        prev = header["prev"]
        if prev is not None and (list(prev) != ["seq", "sha256"] or not HEX.fullmatch(prev["sha256"])):
            self.broken(0, "does not name the snapshot before it")
        if prev and prev["seq"] >= header["seq"]:
            self.broken(0, "the snapshot before is not older")
        if header["day"] is not None and not is_day(header["day"]):
            self.broken(0, "closes what is no day")
        if trailer["end"] is not True or trailer["lines"] != last - 1:
            self.broken(last, "the trailer counts otherwise")
        body = lines[1:last]
        for number in range(1, len(body)):
            if body[number - 1] >= body[number]:
                self.broken(number + 1, "the lines are not in order, or one stands twice")
        self.adds_up([self.of_body(number + 1, text) for number, text in enumerate(body)])
        if header["seq"] != self.seq:
            self.broken(0, "is a snapshot of another record than its name says")
        snapshots.sums[self.seq] = sha256(data)
        return header

    def canonical(self, line, text, keys=None):
        """A line in the one form in which it is written."""
        try:
            value = json.loads(text)
            again = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        except ValueError:
            value = again = None
        if again != text or not isinstance(value, dict) or (keys and list(value) != keys):
            self.broken(line, "is not in the one form in which it is written")
        return value

    def of_body(self, line, text):
        value = self.canonical(line, text)
        fields = LINES.get(value.get("k"), "").split()
        expected = ["k"] + [field.rstrip("?") for field in fields if field.rstrip("?") in value or not field.endswith("?")]
        if not fields or list(value) != expected:
            self.broken(line, "has other fields than its kind")
        if value["k"] == "closed" and not is_day(value["day"]):
            self.broken(line, "closed what is no day")
        return line, value

    def adds_up(self, body):
        """Holdings by account and by pool, accounts and pools and outside by asset: in whole units."""
        scales = {value["name"]: value["scale"] for _, value in body if value["k"] == "asset"}
        sums = {}

        def units(line, asset, text):
            scale = scales.get(asset)
            match = AMOUNT.fullmatch(text)
            decimals = len(match[2] or ".") - 1 if match else -1
            if scale is None or not match or decimals != scale or (text.startswith("-") and not text.strip("-0.")):
                self.broken(line, f"{text!r} is no amount of {asset}")
            return int(text.replace(".", ""))

        def add(key, number):
            sums[key] = sums.get(key, 0) + number

        for line, value in body:
            kind = value["k"]
            if kind == "holding":
                number = units(line, value["asset"], value["amount"])
                add(("account.balance", value["account"], value["asset"]), number)
                add(("pool.balance", value["pool"], value["asset"]), number)
            elif kind.endswith(".balance"):
                who = value["pool" if kind == "pool.balance" else "account"]
                units(line, value["asset"], value["opening"])
                number = units(line, value["asset"], value["closing"])
                if kind != "outside.balance":
                    add((kind, who, value["asset"]), -number)
                add((kind, value["asset"]), number)
            elif kind == "asset":
                for total, of in (("accounts", "account"), ("pools", "pool"), ("outside", "outside")):
                    add((f"{of}.balance", value["name"]), -units(line, value["name"], value[total]))
                inside = units(line, value["name"], value["accounts"])
                if inside != units(line, value["name"], value["pools"]) or inside != -units(line, value["name"], value["outside"]):
                    self.broken(line, "accounts, pools and outside accounts do not add up")
        for key, off in sums.items():
            if off:
                self.broken(1, f"{key} is off by {off} units")


def verify(state):
    journal = Journal(state)
    try:
        snapshots = Snapshots(state)
        journal.wanted = dict.fromkeys(snapshots.names)
        journal.verify()
        snapshots.verify(journal)
    except Violation as violation:
        return {"result": "violated", **violation.place}
    head = {"seq": journal.seq, "hash": journal.head}
    found = {"result": "intact", "records": journal.records, "head": head, "torn_tail": journal.torn}
    return {**found, "snapshots": len(snapshots.names)}


def main(arguments):
    if arguments == ["--batch"]:
        worst = 0
        for line in sys.stdin:
            found = verify(line.rstrip("\n"))
            print(json.dumps(found), flush=True)
            worst = max(worst, found["result"] == "violated")
        return int(worst)
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        found = verify(arguments[0])
    except OSError as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    if found["result"] == "violated":
        print("violated: {file} line {line}, seq {seq}, byte {offset}: {why}".format(**found))
        return 1
    torn = found["torn_tail"]
    tail = ", torn tail: {bytes} bytes of {file} from byte {offset}".format(**torn) if torn else ""
    count = found["snapshots"]
    kept = f", {count} snapshot{'' if count == 1 else 's'}" if count else ""
    print(f"intact: {found['records']} records{kept}, head {found['head']['hash']}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
