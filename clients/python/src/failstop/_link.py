"""One connected bot socket: lines out without waiting, lines in as they come. Not for several threads at a time."""

from __future__ import annotations

import errno
import select
import socket
from typing import List

from ._talk import MAX_ANSWER


class Link:
    """A connection. Any method may raise OSError: it is broken then and has to be closed."""

    def __init__(self, path: str) -> None:
        """Connects without waiting: a listener whose queue is full is as good as none. Raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._input = bytearray()
        self._unsent = memoryview(b"")
        self._poll = select.poll()
        self._wanted = select.POLLIN
        self._poll.register(self._socket, self._wanted)

    def send(self, line: bytes) -> bool:
        """Whether the line was taken. What was taken of a line is finished before the next; none is ever cut."""
        if self._unsent and not self.flush():
            return False
        try:
            taken = self._socket.send(line)
        except (BlockingIOError, InterruptedError):
            return False
        self._unsent = memoryview(line)[taken:]
        return True

    def flush(self) -> bool:
        """Whether nothing is left of what was taken."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            return False
        return True

    def receive(self) -> List[bytes]:
        """The lines that have arrived, without waiting. The end of the stream is an OSError."""
        lines: List[bytes] = []
        while True:
            try:
                received = self._socket.recv(65536)
            except (BlockingIOError, InterruptedError):
                return lines
            if not received:
                if lines:
                    # The next look finds the end again.
                    return lines
                raise ConnectionResetError(errno.ECONNRESET, "failstop closed the connection")
            if b"\n" in received:
                *whole, rest = (bytes(self._input) + received).split(b"\n")
                lines += whole
                self._input = bytearray(rest)
            else:
                self._input += received
            if len(self._input) > MAX_ANSWER:
                raise OSError(errno.EMSGSIZE, f"a line of more than {MAX_ANSWER} bytes came")
            if len(received) < 65536:
                return lines

    def wait(self, seconds: float) -> None:
        """Waits until something arrives, or until what is unsent has room, or the time is over. For one thread at a time."""
        wanted = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN
        if wanted != self._wanted:
            self._poll.register(self._socket, wanted)
            self._wanted = wanted
        self._poll.poll(max(0.0, seconds) * 1000)

    def wait_for_room(self, seconds: float) -> None:
        """Waits until something can be sent, or the time is over. For any number of threads."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        poll.poll(max(0.0, seconds) * 1000)

    def close(self) -> None:
        """Ends the connection; whoever waits at it wakes."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            # The other side was first.
            pass
        self._socket.close()

    def leave(self) -> None:
        """Closes this process's end and no other's: for a process that was forked off."""
        self._socket.close()
