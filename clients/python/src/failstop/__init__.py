"""The bot's side of failstop: the permit before each order, and the bot socket. Standard library only.

permit = Permit.from_env()
session = Session.from_env()
session.hello("my-bot", "1.0")
if permit.may_open().live:
    ...  # send the order to the exchange
"""

from ._version import VERSION as __version__
from .aio import AsyncSession
from .answers import (
    Booked,
    Decision,
    HaltNote,
    Hello,
    Maintenance,
    Notice,
    PaperFill,
    Permission,
    PermissionChanged,
    RateDecision,
    Reason,
    Reclaim,
    ReduceLoad,
    RefusedNotice,
    Rights,
    Said,
    Sent,
    Stop,
)
from .errors import (
    FailstopError,
    InvalidMessage,
    Lost,
    NotConnected,
    NotUnderFailstop,
    OtherEpoch,
    PermitError,
    Refused,
    SessionError,
    TimedOut,
    Unreadable,
)
from .messages import Amount, Leg, Time
from .permit import Denial, Intent, Permit, PermitPage, Verdict
from .session import Session

__all__ = [
    "Amount",
    "AsyncSession",
    "Booked",
    "Decision",
    "Denial",
    "FailstopError",
    "HaltNote",
    "Hello",
    "Intent",
    "InvalidMessage",
    "Leg",
    "Lost",
    "Maintenance",
    "NotConnected",
    "NotUnderFailstop",
    "Notice",
    "OtherEpoch",
    "PaperFill",
    "Permission",
    "PermissionChanged",
    "Permit",
    "PermitError",
    "PermitPage",
    "RateDecision",
    "Reason",
    "Reclaim",
    "ReduceLoad",
    "Refused",
    "RefusedNotice",
    "Rights",
    "Said",
    "Sent",
    "Session",
    "SessionError",
    "Stop",
    "Time",
    "TimedOut",
    "Unreadable",
    "Verdict",
    "__version__",
]
