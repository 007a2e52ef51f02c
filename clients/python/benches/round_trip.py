"""What a request's round trip costs through the sessions against a bare echo over the same kind of socket, in one run.

The far end is a process of its own that sends each line back as an answer. Rounds alternate; medians of single round trips.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "src"))

from failstop import AsyncSession, Session

ROUNDS = 10
TRIPS = 500
LINE = json.dumps({"id": 123, "type": "event", "name": "x.a", "data": {}}).encode() + b"\n"


def serve(listener: socket.socket) -> None:
    """Answers one connection to its end: by number where a request has one, and the same bytes where it is the bare echo's."""
    connection, _ = listener.accept()
    with connection:
        while True:
            line = connection.recv(4096)
            if not line:
                return
            number = line[6 : line.index(b",")] if line.startswith(b'{"id":') else b"0"
            connection.sendall(b'{"id":' + number + b',"ok":true,"seq":1}\n')


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bot.sock")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(8)
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                try:
                    serve(listener)
                finally:
                    os._exit(0)
            children.append(child)
        echo = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        echo.connect(path)
        session = Session(path)
        bare, ours, streams, tasks = [], [], [], []
        loop = asyncio.new_event_loop()
        aio = loop.run_until_complete(AsyncSession(path).open())

        reader, writer = loop.run_until_complete(asyncio.open_unix_connection(path))

        async def bare_trips() -> None:
            for _ in range(TRIPS):
                begin = time.perf_counter_ns()
                writer.write(LINE)
                await reader.readline()
                streams.append(time.perf_counter_ns() - begin)

        async def trips() -> None:
            for _ in range(TRIPS):
                begin = time.perf_counter_ns()
                await aio.event("x.a")
                tasks.append(time.perf_counter_ns() - begin)

        for _ in range(ROUNDS):
            for _ in range(TRIPS):
                begin = time.perf_counter_ns()
                echo.sendall(LINE)
                echo.recv(4096)
                bare.append(time.perf_counter_ns() - begin)
            for _ in range(TRIPS):
                begin = time.perf_counter_ns()
                session.event("x.a")
                ours.append(time.perf_counter_ns() - begin)
            loop.run_until_complete(bare_trips())
            loop.run_until_complete(trips())
        loop.run_until_complete(aio.close())
        writer.close()
        loop.run_until_complete(writer.wait_closed())
        loop.close()
        session.close()
        echo.close()
        for child in children:
            os.waitpid(child, 0)
        listener.close()
    for name, figures, bare_name, references in (
        ("Session", ours, "bare echo", bare),
        ("AsyncSession", tasks, "bare asyncio streams", streams),
    ):
        figure, reference = statistics.median(figures) / 1000, statistics.median(references) / 1000
        print(f"python round trip: {bare_name} {reference:.1f} us   {name} {figure:.1f} us   ratio {figure / reference:.2f}")


if __name__ == "__main__":
    main()
