"""What the engine answers, and what it says without being asked. Fields that this version does not know are ignored."""

from __future__ import annotations

import json
from typing import Any, Dict, Final, List, Mapping, NamedTuple, Optional, Tuple, Type, TypeVar, Union

from .errors import Refused, Unreadable

Object = Dict[str, Any]
_T = TypeVar("_T")


class Sent(NamedTuple):
    """Whether a one-way message went out. False as a truth value when it did not; never raised."""

    sent: bool
    why: str = ""
    """Why not, for people."""

    def __bool__(self) -> bool:
        return self.sent


SENT: Final = Sent(True)


class Hello(NamedTuple):
    """The answer to `hello`."""

    system: str
    epoch: int
    permission: str
    """`active`, `reduce-only`, `observe-only` or `shutdown`."""
    mode: str
    """`dry` or `live`."""
    version: str
    component: Optional[str] = None
    """Which component the engine takes this process for."""
    slot: Optional[int] = None
    """Its slot on the permit page."""


class Rights(NamedTuple):
    """What one slot may do."""

    open: bool
    reduce: bool
    live: bool


class Permission(NamedTuple):
    """The answer to `permission?`. It ages from the moment it is sent: before an order check the permit instead."""

    permission: str
    mode: str
    rights: Rights
    epoch: int
    permit_deadline: Optional[int] = None
    """Microseconds of CLOCK_BOOTTIME."""


class Booked(NamedTuple):
    """Durable in the journal."""

    seq: int
    """The record's sequence number; of a snapshot, that of its `snapshot.taken`."""
    already: bool = False
    """It was booked before with the same `ref` and content: nothing was booked now."""


class Reason(NamedTuple):
    """Why the gate refused. The code is stable."""

    code: str
    error: str


class PaperFill(NamedTuple):
    """How an order in `dry` was filled on paper, in decimal texts."""

    quantity: str
    price: str


MAY_BE_RECORDED = frozenset({"LOST", "TIMED_OUT", "UNREADABLE", "PERMIT_EXPIRED", "NO_CLOCK"})
"""The client's own codes after which it is not known, or known, that the engine recorded the intent."""


class Decision(NamedTuple):
    """The gate's decision over one order. As a truth value it is `live`: send it to the exchange.

    An order that could not be asked for is refused too, with a code of the client's own: OFFLINE, LOST, TIMED_OUT, UNREADABLE,
    PERMIT_EXPIRED, NO_CLOCK or INVALID. See `may_be_recorded`.
    """

    allow: bool
    """It may go out: to the exchange where `live`, else on paper."""
    mode: str = "dry"
    reasons: Tuple[Reason, ...] = ()
    """Every refusal."""
    permit_deadline: Optional[int] = None
    """Until when the decision is good, in microseconds of CLOCK_BOOTTIME."""
    intent_seq: Optional[int] = None
    """The intent's sequence number in the journal."""
    paper_fill: Optional[PaperFill] = None

    @property
    def live(self) -> bool:
        """Send it to the exchange."""
        return self.allow and self.mode == "live"

    @property
    def may_be_recorded(self) -> bool:
        """Refused on this side alone, so that the intent may be in the journal: LOST, TIMED_OUT, UNREADABLE, PERMIT_EXPIRED, NO_CLOCK.

        Whoever sends nothing then says so (`order_result` with `not-sent`): until then the gate counts the order. Never after the
        gate's own refusals, which record nothing: after DUPLICATE it would end the first order of that id.
        """
        return any(reason.code in MAY_BE_RECORDED for reason in self.reasons)

    def __bool__(self) -> bool:
        return self.live


class RateDecision(NamedTuple):
    """The limiter's decision. As a truth value it is `allow`."""

    allow: bool
    reasons: Tuple[Reason, ...] = ()
    retry_after_ms: Optional[int] = None
    """After how long it would be allowed, where that is known."""

    def __bool__(self) -> bool:
        return self.allow


class HaltNote(NamedTuple):
    """A standing halt in short."""

    id: str
    cause: str
    cap: str
    latched: bool


class PermissionChanged(NamedTuple):
    """The permission, the mode or the halts changed. Of several that nobody took, only the latest is kept."""

    permission: str
    mode: str
    halts: Tuple[HaltNote, ...]


class Stop(NamedTuple):
    """This component is being stopped: cancel orders, save state, end. After `grace_ms` it is killed."""

    reason: str
    grace_ms: int


class Reclaim(NamedTuple):
    """Give back `memory` (bytes), `files` or `processes` (numbers), or be halted and restarted."""

    reason: str
    resource: str = ""
    used: int = 0
    limit: int = 0


class ReduceLoad(NamedTuple):
    """Use less processor time, or be halted and restarted."""

    reason: str
    used_percent: int = 0
    limit_percent: int = 0


class Maintenance(NamedTuple):
    """Maintenance began, or ended where `until` is absent."""

    reason: str
    until: Optional[str] = None


class Said(NamedTuple):
    """A push that this version does not know. Ignore it, or read `body`."""

    event: str
    body: Mapping[str, Any]


class RefusedNotice(NamedTuple):
    """Something that was said one way was refused."""

    code: str
    error: str


Notice = Union[PermissionChanged, Stop, Reclaim, ReduceLoad, Maintenance, Said, RefusedNotice]


def parse(line: bytes) -> Optional[Object]:
    """The object on a line, or None where there is none: a later version may say other things."""
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def field(request: str, answer: Object, name: str, kind: Type[_T]) -> _T:
    """A field that must be there. Raises Unreadable."""
    value = answer.get(name)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise Unreadable(f"failstop's answer to `{request}` has `{name}` = {value!r}, which is no {kind.__name__}")


def optional(request: str, answer: Object, name: str, kind: Type[_T]) -> Optional[_T]:
    """A field that may be absent or null. Raises Unreadable."""
    return None if answer.get(name) is None else field(request, answer, name, kind)


def accepted(request: str, answer: Object) -> Object:
    """The answer itself where it says that it was done. Raises Refused, or Unreadable."""
    if field(request, answer, "ok", bool):
        return answer
    code, error = answer.get("code"), answer.get("error")
    raise Refused(request, code if isinstance(code, str) else "OTHER", error if isinstance(error, str) else "no reason was given")


def hello(answer: Object) -> Hello:
    """Raises Refused or Unreadable, as every reader here."""
    answer = accepted("hello", answer)
    texts = [field("hello", answer, name, str) for name in ("system", "permission", "mode", "version")]
    return Hello(
        system=texts[0],
        epoch=field("hello", answer, "epoch", int),
        permission=texts[1],
        mode=texts[2],
        version=texts[3],
        component=optional("hello", answer, "component", str),
        slot=optional("hello", answer, "slot", int),
    )


def permission(answer: Object) -> Permission:
    """To `permission?`."""
    request = "permission?"
    answer = accepted(request, answer)
    rights = field(request, answer, "rights", dict)
    return Permission(
        permission=field(request, answer, "permission", str),
        mode=field(request, answer, "mode", str),
        rights=Rights(*(field(request, rights, name, bool) for name in ("open", "reduce", "live"))),
        epoch=field(request, answer, "epoch", int),
        permit_deadline=optional(request, answer, "permit_deadline", int),
    )


def booked(request: str, answer: Object) -> Booked:
    """To what goes into the books."""
    answer = accepted(request, answer)
    return Booked(field(request, answer, "seq", int), optional(request, answer, "already", bool) or False)


def decision(answer: Object) -> Decision:
    """To `order`. What is missing never allows: it is Unreadable."""
    request = "order"
    answer = accepted(request, answer)
    allow = field(request, answer, "allow", bool)
    deadline = optional(request, answer, "permit_deadline", int)
    if allow and deadline is None:
        raise Unreadable("failstop's answer to `order` allows it without `permit_deadline`")
    paper = optional(request, answer, "paper_fill", dict)
    return Decision(
        allow=allow,
        mode=field(request, answer, "mode", str),
        reasons=_reasons(request, answer),
        permit_deadline=deadline,
        intent_seq=optional(request, answer, "intent_seq", int),
        paper_fill=None
        if paper is None
        else PaperFill(field(request, paper, "quantity", str), field(request, paper, "price", str)),
    )


def rate_decision(answer: Object) -> RateDecision:
    """To `rate`."""
    answer = accepted("rate", answer)
    return RateDecision(
        allow=field("rate", answer, "allow", bool),
        reasons=_reasons("rate", answer),
        retry_after_ms=optional("rate", answer, "retry_after_ms", int),
    )


def _reasons(request: str, answer: Object) -> Tuple[Reason, ...]:
    given = optional(request, answer, "reasons", list) or []
    reasons: List[Reason] = []
    for one in given:
        if not isinstance(one, dict):
            raise Unreadable(f"failstop's answer to `{request}` has a reason that is no object")
        reasons.append(Reason(field(request, one, "code", str), field(request, one, "error", str)))
    return tuple(reasons)


def notice(line: Object) -> Optional[Notice]:
    """What a line that answers nothing says; None where there is nothing to tell."""
    event = line.get("event")
    if isinstance(event, str):
        try:
            return _push(event, line)
        except Unreadable:
            return Said(event, line)
    if line.get("ok") is False and line.get("id") is None:
        return RefusedNotice(str(line.get("code") or "OTHER"), str(line.get("error") or ""))
    return None


def _push(event: str, line: Object) -> Notice:
    if event == "permission":
        halts = tuple(
            HaltNote(
                field(event, halt, "id", str),
                field(event, halt, "cause", str),
                field(event, halt, "cap", str),
                field(event, halt, "latched", bool),
            )
            for halt in field(event, line, "halts", list)
            if isinstance(halt, dict)
        )
        return PermissionChanged(field(event, line, "permission", str), field(event, line, "mode", str), halts)
    if event == "stop":
        return Stop(field(event, line, "reason", str), field(event, line, "grace_ms", int))
    if event == "reclaim":
        return Reclaim(
            field(event, line, "reason", str),
            optional(event, line, "resource", str) or "",
            optional(event, line, "used", int) or 0,
            optional(event, line, "limit", int) or 0,
        )
    if event == "reduce-load":
        return ReduceLoad(
            field(event, line, "reason", str),
            optional(event, line, "used_percent", int) or 0,
            optional(event, line, "limit_percent", int) or 0,
        )
    if event == "maintenance":
        return Maintenance(optional(event, line, "reason", str) or "", optional(event, line, "until", str))
    return Said(event, line)
