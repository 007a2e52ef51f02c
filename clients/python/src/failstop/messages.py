"""What a bot may say, one function a message; each returns the JSON object without its `id`.

Only what would be lost or bent on the way is judged here (amounts, texts that are no UTF-8, lines that are too long). Everything
else the engine judges, in words. `docs/reference/bot-socket.md` has every field with its limits.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Dict, Final, Iterable, Mapping, NamedTuple, Optional, Union

from .errors import InvalidMessage

#: The longest line, its LF not counted, in bytes.
MAX_LINE: Final = 64 * 1024
#: The longest amount, in bytes.
MAX_AMOUNT: Final = 48

#: An amount, a quantity or a price. Never a float: it cannot hold a tenth.
Amount = Union[str, int, Decimal]
#: When something was: RFC 3339 with an offset, or whole milliseconds since 1970-01-01T00:00:00Z.
Time = Union[str, int]
Message = Dict[str, Any]

_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


class Leg(NamedTuple):
    """One leg of a posting: what comes into an account, or (below zero) goes out of it."""

    asset: str
    """Which asset, as the configuration names it."""
    account: str
    """A configured account, or one of `venue`, `fees`, `funding`, `pnl` and `suspense`."""
    amount: Amount
    """How much."""
    pool: Optional[str] = None
    """Which pool; exactly where the account is a configured one."""


def amount(field: str, value: Amount) -> str:
    """The decimal text of an amount. Raises InvalidMessage for floats and whatever else is none."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, Decimal) and value.is_finite():
        text = format(value, "f")
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        raise InvalidMessage(
            f"`{field}` is {value!r}, but amounts go as decimal texts, whole numbers or Decimal: a float cannot hold a tenth"
        )
    if len(text) > MAX_AMOUNT or not _DECIMAL.fullmatch(text):
        raise InvalidMessage(
            f"`{field}` is `{text[:80]}`, but has to be a decimal like 0.10 or -3: digits, at most one point, no exponent, at most "
            f"{MAX_AMOUNT} characters"
        )
    return text


def encode(id: Optional[int], message: Message) -> bytes:
    """The message as one line, LF included. Raises InvalidMessage."""
    kind = message.get("type")
    whole = message if id is None else {"id": id, **message}
    try:
        line = _JSON.encode(whole).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"this `{kind}` cannot be said in JSON: {error}") from error
    if len(line) > MAX_LINE + 1:
        raise InvalidMessage(f"this `{kind}` has {len(line) - 1} bytes, but a line may have {MAX_LINE} at most")
    return line


def _message(type_: str, /, **fields: Any) -> Message:
    """A message of the fields that are given."""
    message: Message = {"type": type_}
    message.update((name, value) for name, value in fields.items() if value is not None)
    return message


def hello(client: str, version: str) -> Message:
    """Who speaks."""
    return _message("hello", client=client, version=version)


def heartbeat(progress: Optional[int] = None) -> Message:
    """A sign of life, with a counter that moves when something was really done."""
    return _message("heartbeat", progress=progress)


def tick(feed: str, instrument: Optional[str] = None, time: Optional[Time] = None) -> Message:
    """Market data arrived."""
    return _message("tick", feed=feed, instrument=instrument, time=time)


def price(
    source: str,
    instrument: str,
    bid: Optional[Amount] = None,
    ask: Optional[Amount] = None,
    last: Optional[Amount] = None,
    time: Optional[Time] = None,
) -> Message:
    """A price: `bid` and `ask`, or `last`."""
    if (bid is None) != (ask is None) or (bid is None) == (last is None):
        raise InvalidMessage("a `price` has either `bid` and `ask`, or `last`")
    given = {"bid": bid, "ask": ask, "last": last}
    texts = {field: amount(field, value) for field, value in given.items() if value is not None}
    return _message("price", source=source, instrument=instrument, **texts, time=time)


def metric(name: str, value: Union[float, Decimal, str], labels: Optional[Mapping[str, str]] = None) -> Message:
    """A figure for metrics and thresholds."""
    figure = format(value, "f") if isinstance(value, Decimal) and value.is_finite() else value
    return _message("metric", name=name, value=figure, labels=dict(labels) if labels else None)


def part(name: str, status: str, health: Optional[float] = None, detail: Optional[str] = None) -> Message:
    """The state of a part inside the bot: `healthy`, `degraded` or `critical`, its health from 0 to 1; the worse of both counts."""
    return _message("part", name=name, status=status, health=health, detail=detail)


def queue(state: str, depth: int = 0, oldest_ms: Optional[int] = None) -> Message:
    """The execution queue: `idle`, `processing` or `stalled`."""
    return _message("queue", state=state, depth=depth, oldest_ms=oldest_ms)


def error(kind: str, message: str = "", severity: int = 3, part: Optional[str] = None, fatal: bool = False) -> Message:
    """Something went wrong. Severity 5 and `fatal` end in fail-safe shutdown."""
    return _message("error", kind=kind, message=message, severity=severity, part=part, fatal=fatal or None)


def api_usage(endpoint: str, used: int, limit: int, resets_at: Optional[Time] = None) -> Message:
    """How much of the venue's own request budget is used."""
    return _message("api_usage", endpoint=endpoint, used=used, limit=limit, resets_at=resets_at)


def halt(cap: str, reason: str) -> Message:
    """A wish to be held back: `reduce-only`, `observe-only` or `shutdown`."""
    return _message("halt", cap=cap, reason=reason)


def event(name: str, data: Optional[Mapping[str, Any]] = None) -> Message:
    """A record for the journal; `name` starts with `x.`, amounts in `data` go as texts."""
    return _message("event", name=name, data=dict(data) if data else {})


def permission() -> Message:
    """What may be done now, for display."""
    return _message("permission?")


def order(
    client_id: str,
    instrument: str,
    side: str,
    quantity: Amount,
    account: str,
    price: Optional[Amount] = None,
    reduce_only: bool = False,
    leverage: Optional[Amount] = None,
    kind: Optional[str] = None,
    user: Optional[str] = None,
    live: bool = False,
) -> Message:
    """An order that is about to be sent."""
    return _message(
        "order",
        client_id=client_id,
        instrument=instrument,
        side=side,
        quantity=amount("quantity", quantity),
        account=account,
        price=None if price is None else amount("price", price),
        reduce_only=reduce_only or None,
        leverage=None if leverage is None else amount("leverage", leverage),
        kind=kind,
        user=user,
        live=live or None,
    )


def order_result(
    client_id: str,
    outcome: str,
    venue_id: Optional[str] = None,
    latency_us: Optional[int] = None,
    reason: Optional[str] = None,
) -> Message:
    """What became of an order."""
    return _message("order_result", client_id=client_id, outcome=outcome, venue_id=venue_id, latency_us=latency_us, reason=reason)


def rate(bucket: str, user: Optional[str] = None, cost: Amount = 1) -> Message:
    """May something else be done now, by the same limiter?"""
    return _message("rate", bucket=bucket, user=user, cost=amount("cost", cost))


def posting(ref: str, legs: Iterable[Leg], reason: Optional[str] = None) -> Message:
    """A change of capital; the legs sum to zero for each asset."""
    return _message("posting", ref=ref, legs=[_leg(leg) for leg in legs], reason=reason)


def fill(
    ref: str,
    account: str,
    instrument: str,
    side: str,
    quantity: Amount,
    price: Amount,
    client_id: Optional[str] = None,
    legs: Iterable[Leg] = (),
) -> Message:
    """A trade."""
    return _message(
        "fill",
        ref=ref,
        client_id=client_id,
        account=account,
        instrument=instrument,
        side=side,
        quantity=amount("quantity", quantity),
        price=amount("price", price),
        legs=[_leg(leg) for leg in legs] or None,
    )


def capital(account: str, asset: str, total: Amount, free: Amount, locked: Amount) -> Message:
    """What is in an account, to be compared with the book."""
    return _message(
        "capital",
        account=account,
        asset=asset,
        total=amount("total", total),
        free=amount("free", free),
        locked=amount("locked", locked),
    )


def position(
    account: str,
    instrument: str,
    quantity: Amount,
    opening: bool = False,
    entry: Optional[Amount] = None,
    leverage: Optional[Amount] = None,
) -> Message:
    """What a position is, to be compared with the sum of its fills; its entry price and leverage are the gate's."""
    return _message(
        "position",
        account=account,
        instrument=instrument,
        quantity=amount("quantity", quantity),
        opening=opening or None,
        entry=None if entry is None else amount("entry", entry),
        leverage=None if leverage is None else amount("leverage", leverage),
    )


def strategy_state(
    strategy: str,
    to: str,
    from_: Optional[str] = None,
    instance: Optional[str] = None,
    reason: Optional[str] = None,
) -> Message:
    """A strategy went to another state."""
    fields = {"strategy": strategy, "instance": instance, "from": from_, "to": to, "reason": reason}
    return _message("strategy_state", **fields)


def snapshot_request(reason: Optional[str] = None) -> Message:
    """A wish for a snapshot now."""
    return _message("snapshot_request", reason=reason)


def _leg(leg: Leg) -> Message:
    fields: Message = {"asset": leg.asset, "account": leg.account, "amount": amount("amount", leg.amount)}
    if leg.pool is not None:
        fields["pool"] = leg.pool
    return fields
