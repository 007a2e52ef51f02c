"""What comes over a connection, the same for both kinds of session: answers, notices, and whether the connection is served at all."""

from __future__ import annotations

from collections import deque
from typing import Deque, Final, Optional, Tuple

from . import answers
from .answers import Notice, Object, PermissionChanged, RefusedNotice

#: How many notices are kept for a bot that does not take them; the oldest go first.
MAX_NOTICES: Final = 256


class Heard:
    """What the engine said. The notices outlive a connection."""

    def __init__(self) -> None:
        self.notices: Deque[Notice] = deque(maxlen=MAX_NOTICES)
        self.begin()

    def begin(self) -> None:
        """A new connection: nothing came over it yet."""
        #: Whether anything but refusals came over it, so that it is not one that is being turned away.
        self.served = False
        #: The last refusal of something that was said one way.
        self.refused = ""

    def why(self, text: str) -> str:
        """Why a connection ended, with what it was turned away with."""
        return f"{text} ({self.refused})" if self.refused and not self.served else text

    def take(self, text: bytes) -> Optional[Tuple[int, Object]]:
        """Takes a line. Gives the answer that it is and the id that it answers; keeps the notice that it is."""
        line = answers.parse(text)
        if line is None:
            return None
        self.served = self.served or line.get("ok") is True or "event" in line
        id = line.get("id")
        if isinstance(id, int) and "event" not in line:
            return id, line
        notice = answers.notice(line)
        if isinstance(notice, RefusedNotice):
            self.refused = notice.error
        if notice is not None:
            self._keep(notice)
        return None

    def _keep(self, notice: Notice) -> None:
        """Keeps a notice; of several permissions only the latest counts."""
        if isinstance(notice, PermissionChanged):
            for old in [one for one in self.notices if isinstance(one, PermissionChanged)]:
                self.notices.remove(old)
        self.notices.append(notice)
