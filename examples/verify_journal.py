#!/usr/bin/env python3
"""Verifies a failstop journal without failstop: a second implementation of docs/journal-format.md.

    verify_journal.py STATE            one state directory; exit 0 intact, 1 violated, 2 cannot read
    verify_journal.py --batch < LIST   many, one directory a line; one line of JSON each; exit 1 if any is violated

Python's standard library only. Reads and never writes. Stops at the first violation and says where it is.
"""

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
            seg = json.loads(match[5])
            sound = sha256(str(seg.get("prev")).encode(), text[:-73]) == match[6].decode()
            if sound and seg.get("first") != first:
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
        return kind

    def opening(self, text, name, first, stated, payload):
        """A segment's first line: does it continue the segment before? Gives the hash and number that it must follow."""
        try:
            seg = json.loads(payload)
            prev = seg["prev"]
        except (TypeError, ValueError, KeyError):
            seg = prev = None
        sound = isinstance(prev, str) and sha256(prev.encode(), text[:-73]) == stated
        before = self.before
        if before and not sound and first > self.seq + 1:
            self.missing(before, first)
        if not sound:
            raise Broken("the segment's first line was changed")
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


def verify(state):
    journal = Journal(state)
    try:
        journal.verify()
    except Violation as violation:
        return {"result": "violated", **violation.place}
    head = {"seq": journal.seq, "hash": journal.head}
    return {"result": "intact", "records": journal.records, "head": head, "torn_tail": journal.torn}


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
    print(f"intact: {found['records']} records, head {found['head']['hash']}{tail}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
