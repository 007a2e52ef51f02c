"""The permit: the lease by which this process may trade, one word of a page that the engine renews.

A check loads the word, then reads the clock, and judges: no system call, no lock, no exception. The layout of the page is a
promise of failstop's (`crates/client/src/permit/layout.rs`).
"""

from __future__ import annotations

import enum
import mmap
import os
import stat
import struct
import sys
import time
from typing import Callable, Final, NamedTuple, Optional, Sequence, Tuple

from ._host import CLOCK_BOOTTIME, boot_id, time_namespace
from .errors import NotUnderFailstop, OtherEpoch, PermitError

PAGE_SIZE: Final = 4096
SLOTS: Final = 32

_MAGIC: Final = b"FSPERMT1"
_ABI: Final = 1
_AT_SLOTS: Final = 0x40
_SLOT_STRIDE: Final = 64

_OPEN: Final = 1
_REDUCE: Final = 2
_LIVE: Final = 4
_REVOKED: Final = 8
# The kill switch's bit, and those without a meaning in this layout.
_DENYING: Final = _REVOKED | 0x30
_EPOCH_MASK: Final = 1023 << 6
_JUDGED: Final = _DENYING | _EPOCH_MASK

# A denied check looks for a replaced page at most this often, in nanoseconds.
_LOOK_EVERY_NS: Final = 20_000_000


class Intent(enum.IntEnum):
    """What an order would do to the position. The value is the right that it needs."""

    OPEN = _OPEN
    """Opens or enlarges it. An order whose effect is unknown is this."""
    REDUCE = _REDUCE
    """Shrinks it, and cannot turn it over."""


class Denial(enum.Enum):
    """Why an order may not go out. The names are stable."""

    NOT_GRANTED = "no permit was granted yet"
    REVOKED = "the kill switch is engaged"
    EXPIRED = "the permit ran out: failstop is not renewing it"
    OTHER_EPOCH = "failstop was started anew: this process belongs to an earlier start and has to end"
    HALTED = "a halt stands: see `failstop status`"
    REDUCE_ONLY = "only orders that reduce a position are allowed: see `failstop status`"
    UNREADABLE = "the permit has rights that this version of the client does not know: update the client"
    NO_CLOCK = "CLOCK_BOOTTIME cannot be read"
    NO_PERMIT = "there is no permit page to go by"


class Verdict(NamedTuple):
    """The answer, good for one order and only now. Cancels need none: they are always allowed.

    As a truth value it is `live`, so that `if permit.may_open():` never sends what is to be filled on paper.
    """

    live: bool
    """Send it to the exchange."""
    paper: bool
    """Do not send it; fill it on paper."""
    denial: Optional[Denial] = None
    """Why neither."""
    reason: str = ""
    """The same in words, for people."""

    @property
    def allows(self) -> bool:
        """Whether the order may go anywhere at all, be it on paper."""
        return self.live or self.paper

    def __bool__(self) -> bool:
        return self.live


_GO_LIVE: Final = Verdict(True, False)
_GO_PAPER: Final = Verdict(False, True)
_DENIED: Final = {denial: Verdict(False, False, denial, denial.value) for denial in Denial}


def judge(word: int, epoch: int, intent: Intent, now_ns: int) -> Verdict:
    """Judges one word of a page of this epoch at `now_ns` of CLOCK_BOOTTIME, which must have been read after the word."""
    runs = now_ns < (word >> 16) * 1000
    epoch_bits = (epoch % 1024) << 6
    if runs and word & (_JUDGED | intent) == epoch_bits | intent:
        return _GO_LIVE if word & _LIVE else _GO_PAPER
    return _DENIED[_why(word, epoch_bits, runs)]


def _why(word: int, epoch_bits: int, runs: bool) -> Denial:
    if word == 0:
        return Denial.NOT_GRANTED
    if word & _REVOKED:
        return Denial.REVOKED
    if word & _DENYING:
        return Denial.UNREADABLE
    if word & _EPOCH_MASK != epoch_bits:
        return Denial.OTHER_EPOCH
    if not runs:
        return Denial.EXPIRED
    return Denial.REDUCE_ONLY if word & _REDUCE else Denial.HALTED


class PermitPage:
    """One mapped page. It stays what it was when it was opened: a new start of the engine is a new file, and this one's leases
    run out. `Permit` follows along.
    """

    def __init__(self, path: str) -> None:
        """Opens, validates and maps the page. Raises PermitError."""
        try:
            # O_NONBLOCK, so that a FIFO in its place cannot hang the bot.
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise PermitError(f"cannot open the permit page {path}: {error}") from error
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_size != PAGE_SIZE:
                raise PermitError(f"{path} is not a usable permit page: it is no file of {PAGE_SIZE} bytes")
            self.epoch = _validated(path, os.pread(fd, _AT_SLOTS, 0))
            self._map = mmap.mmap(fd, PAGE_SIZE, mmap.MAP_SHARED, mmap.PROT_READ)
        except OSError as error:
            raise PermitError(f"cannot map the permit page {path}: {error}") from error
        finally:
            os.close(fd)
        # Native 8-byte words: one aligned load each, never eight single bytes.
        self.words: memoryview[int] = memoryview(self._map).cast("Q")
        self._identity = (info.st_dev, info.st_ino)

    def is_replaced(self, path: str) -> bool:
        """Whether the file now at `path` is another one: the engine was started anew, or is gone."""
        try:
            info = os.stat(path)
        except OSError:
            return True
        return (info.st_dev, info.st_ino) != self._identity


def _validated(path: str, header: bytes) -> int:
    if sys.byteorder != "little" or sys.maxsize < 2**32:
        raise PermitError("a permit page can be read on 64-bit little-endian Linux only")
    if len(header) != _AT_SLOTS:
        raise PermitError(f"{path} is not a usable permit page: it is shorter than its header")
    magic, abi, size, boot, epoch, namespace, clock, _lease = struct.unpack("<8sII16sQQQQ", header)
    try:
        expected_boot, expected_namespace = boot_id(), time_namespace()
    except (OSError, ValueError) as error:
        raise PermitError(f"cannot compare the permit page {path} with this boot: {error}") from error
    for field, found, expected in (
        ("magic", magic, _MAGIC),
        ("abi", abi, _ABI),
        ("stated size", size, PAGE_SIZE),
        ("boot id", boot.hex(), expected_boot.hex()),
        ("time namespace", namespace, expected_namespace),
        ("clock", clock, CLOCK_BOOTTIME),
    ):
        if found != expected:
            raise PermitError(f"{path} is not a usable permit page: its {field} is {found!r}, expected {expected!r}")
    assert isinstance(epoch, int)
    return epoch


#: What the last allowed check of one intent went by: where its word is, that word, when its lease runs out in nanoseconds, and the
#: verdict. The engine renews twice a second, so that most checks meet the same word again.
_Known = Tuple[Sequence[int], int, int, int, "Verdict"]

_NOTHING: Final[Sequence[int]] = (0,) * (PAGE_SIZE // 8)
# Only CPython is known to read a word of a memory view with one load. Elsewhere a word counts once it was read twice the same.
_READS_WHOLE_WORDS: Final = sys.implementation.name == "cpython"


class Permit:
    """The permit of one slot. Ask it before each order; the answer is good for that order only. Any number of threads may.

    One from `Permit.from_env()` is bound to the start of the engine that started this process: a process that outlives its engine
    never trades by a permit that a later start gave to its successor. One from `Permit.open()` follows every start, and is for
    those that only look, or that failstop does not supervise.
    """

    __slots__ = ("_at", "_bound_to", "_looked_ns", "_open", "_page", "_path", "_problem", "_reduce", "_slot", "_superseded")

    def __init__(self, path: str, slot: int, epoch: Optional[int], page: Optional[PermitPage], problem: str) -> None:
        """For `from_env` and `open`."""
        self._path = path
        self._slot = slot
        self._bound_to = epoch
        self._problem = problem
        self._superseded = False
        self._looked_ns = 0
        self._at = (_AT_SLOTS + _SLOT_STRIDE * slot) // 8
        self._take(page)

    @classmethod
    def from_env(cls, strict: bool = False) -> Permit:
        """This component's permit, from FAILSTOP_PERMIT, FAILSTOP_PERMIT_SLOT and FAILSTOP_EPOCH.

        It never raises: without failstop, or with a page that cannot be used, every check is denied with NO_PERMIT and the reason.
        With `strict` that raises NotUnderFailstop or PermitError instead.
        """
        try:
            path = _variable("FAILSTOP_PERMIT")
            slot = _number("FAILSTOP_PERMIT_SLOT", "a slot's number, 0 to 31", SLOTS - 1)
            epoch = _number("FAILSTOP_EPOCH", "an epoch's number", 2**64 - 1)
        except NotUnderFailstop as error:
            if strict:
                raise
            return cls("", 0, None, None, str(error))
        try:
            return cls.open(path, slot, epoch)
        except PermitError as error:
            if strict:
                raise
            return cls(path, slot, epoch, None, str(error))

    @classmethod
    def open(cls, path: str, slot: int, epoch: Optional[int] = None) -> Permit:
        """The permit of `slot` (0 is the system's) on the page at `path`, bound to one start of the engine where `epoch` names it.

        Raises PermitError when the page cannot be used, has no such slot or is of another epoch.
        """
        if not 0 <= slot < SLOTS:
            raise PermitError(f"slot {slot} does not exist: a permit page has slots 0 (the system) to {SLOTS - 1}")
        page = PermitPage(path)
        if epoch is not None and page.epoch != epoch:
            raise _other_epoch(path, page.epoch, epoch)
        return cls(path, slot, epoch, page, "")

    def may_open(self) -> Verdict:
        """Whether an order that opens or enlarges a position may go out now."""
        words, at, known, deadline_ns, verdict = self._open
        word = words[at]
        # The clock after the word: the other order would compare a fresh word with a stale time.
        now_ns = _boottime_ns(CLOCK_BOOTTIME)
        if word == known and now_ns < deadline_ns:
            return verdict
        return self._slow(Intent.OPEN)

    def may_reduce(self) -> Verdict:
        """Whether an order that shrinks a position, and cannot turn it over, may go out now."""
        words, at, known, deadline_ns, verdict = self._reduce
        word = words[at]
        now_ns = _boottime_ns(CLOCK_BOOTTIME)
        if word == known and now_ns < deadline_ns:
            return verdict
        return self._slow(Intent.REDUCE)

    def check(self, intent: Intent) -> Verdict:
        """Whether an order with this intent may go out now."""
        return self.may_reduce() if intent == Intent.REDUCE else self.may_open()

    def refresh(self) -> bool:
        """Looks at once whether the page was replaced, and takes the new one if it was. Returns whether it did.

        Raises PermitError when there is a new page that cannot be used. The permit denies then.
        """
        page = self._page
        if not self._path or (page is not None and not page.is_replaced(self._path)):
            return False
        new = PermitPage(self._path)
        if self._bound_to is not None and new.epoch != self._bound_to:
            # Epochs only rise: this process's own will not come back.
            self._superseded = True
            raise _other_epoch(self._path, new.epoch, self._bound_to)
        self._take(new)
        return True

    def close(self) -> None:
        """Gives up the page. Every later check is denied."""
        self._problem = "this permit was closed"
        self._path = ""
        self._take(None)

    @property
    def slot(self) -> int:
        """The slot's number."""
        return self._slot

    @property
    def epoch(self) -> Optional[int]:
        """The epoch of the page that is read at present."""
        page = self._page
        return None if page is None else page.epoch

    @property
    def problem(self) -> str:
        """Why there is no page, in words; empty where there is one."""
        return self._problem if self._page is None else ""

    def _take(self, page: Optional[PermitPage]) -> None:
        """Reads this page from now on."""
        self._page = page
        self._open = self._reduce = _unknown(page, self._at)

    def _now(self, intent: Intent) -> Verdict:
        page = self._page
        if page is None:
            return Verdict(False, False, Denial.NO_PERMIT, self._problem)
        word = page.words[self._at]
        while not _READS_WHOLE_WORDS:
            again = page.words[self._at]
            if again == word:
                break
            word = again
        try:
            now_ns = time.clock_gettime_ns(CLOCK_BOOTTIME)
        except OSError:
            return _DENIED[Denial.NO_CLOCK]
        verdict = judge(word, page.epoch, intent, now_ns)
        # Whoever comes with an old page at the moment of its replacement goes by it until its lease is over, as before.
        if verdict.allows and _READS_WHOLE_WORDS:
            known: _Known = (page.words, self._at, word, (word >> 16) * 1000, verdict)
            if intent == Intent.OPEN:
                self._open = known
            else:
                self._reduce = known
        return verdict

    def _slow(self, intent: Intent) -> Verdict:
        verdict = self._now(intent)
        if verdict.denial in (None, Denial.HALTED, Denial.REDUCE_ONLY, Denial.NO_CLOCK):
            return verdict
        if self._superseded:
            return _DENIED[Denial.OTHER_EPOCH]
        # The page may be an old one.
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns < _LOOK_EVERY_NS:
            return verdict
        self._looked_ns = now_ns
        try:
            return self._now(intent) if self.refresh() else verdict
        except OtherEpoch:
            return _DENIED[Denial.OTHER_EPOCH]
        except PermitError as error:
            if self._page is None:
                self._problem = str(error)
            return self._now(intent)


def _unknown(page: Optional[PermitPage], at: int) -> _Known:
    """Nothing is known yet: no word is -1."""
    return (_NOTHING if page is None else page.words, at, -1, 0, _DENIED[Denial.NOT_GRANTED])


def _boottime_or_end(clock: int) -> int:
    """The clock in nanoseconds; where it cannot be read, the end of time, at which every lease has run out."""
    try:
        return time.clock_gettime_ns(clock)
    except OSError:
        return sys.maxsize


# The kernel knows CLOCK_BOOTTIME since Linux 2.6.39: where it answers once, it always does, and the plain call cannot fail.
_boottime_ns: Callable[[int], int] = time.clock_gettime_ns
try:
    time.clock_gettime_ns(CLOCK_BOOTTIME)
except OSError:
    _boottime_ns = _boottime_or_end


def _other_epoch(path: str, found: int, expected: int) -> OtherEpoch:
    return OtherEpoch(
        f"the permit page {path} is of epoch {found}, but this process belongs to epoch {expected}: failstop was started anew, "
        "and this process has to end"
    )


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise NotUnderFailstop(
            f"{name} is not set: start this program as a component of `failstop run`, or open the page by its path"
        )
    return value


def _number(name: str, expected: str, most: int) -> int:
    value = _variable(name)
    if not (value.isascii() and value.isdigit() and len(value) <= 20 and int(value) <= most):
        raise NotUnderFailstop(f"{name} is `{value}`, but has to be {expected}")
    return int(value)
