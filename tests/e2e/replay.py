#!/usr/bin/env python3
"""A component that plays the client's side of recorded dialogues against the engine, line by line, by no client library.

`replay.py FOLDER RESULT` writes to RESULT what did not match: a JSON list of texts, empty when all did.
"""

import json
import os
import pathlib
import re
import socket
import sys
import time


def fill(text):
    """`$(x*9)` is nine times an x."""
    return re.sub(r"\$\((.)\*(\d+)\)", lambda match: match.group(1) * int(match.group(2)), text)


def same(expected, answer):
    """Same keys with values of the same types; the same `id`, `ok` and `code`."""
    if set(expected) != set(answer):
        return False
    if any(expected.get(key) != answer.get(key) for key in ("id", "ok", "code")):
        return False
    return all(type(expected[key]) is type(answer[key]) for key in expected)


def play(steps):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(60)
    connection.connect(os.environ["FAILSTOP_SOCKET"])
    lines = connection.makefile("r", encoding="utf-8")
    last_id = 0
    for step in steps:
        for line in step.get("client", []):
            if isinstance(line, dict):
                if line.get("id") == "*":
                    last_id += 1
                    line = {**line, "id": last_id}
                line = json.dumps(line)
            connection.sendall(line.encode() + b"\n")
        for expected in step.get("server", []):
            if expected.get("id") == "*":
                expected = {**expected, "id": last_id}
            if expected.get("permit_deadline") == "$FUTURE":
                expected = {**expected, "permit_deadline": 1}
            answer = {"event": ""}
            while "event" in answer:
                text = lines.readline()
                if not text:
                    return f"closed instead of {expected}"
                answer = json.loads(text)
            if not same(expected, answer):
                return f"{answer} instead of {expected}"
    # What was said one way is refused by now, if at all: this answer comes after it.
    connection.sendall(b'{"id":"end","type":"permission?"}\n')
    answer = {"event": ""}
    while "event" in answer:
        answer = json.loads(lines.readline())
    return None if answer.get("id") == "end" else f"{answer} that nobody expected"


def main():
    folder, result = sys.argv[1:]
    wrong, played = [], 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        dialogue = json.loads(fill(path.read_text(encoding="utf-8")))
        if dialogue["engine"] is not True:
            continue
        played += 1
        problem = play(dialogue["steps"])
        if problem is not None:
            wrong.append(f"{path.stem}: {problem}")
    with open(result + ".new", "w") as out:
        json.dump({"played": played, "wrong": wrong}, out)
    os.rename(result + ".new", result)
    time.sleep(3600)


main()
