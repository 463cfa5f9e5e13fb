"""The nouns: frozen, slotted, keyword-only dataclasses, in the field's own words.

Nothing here reads a clock, a file or a socket. Times are aware UTC; durations are ``timedelta``.
"""

from certd.model.action import (
    Abandon,
    Answer,
    Begin,
    Collect,
    Deploy,
    DeployAction,
    Finalize,
    IssueAction,
    Look,
    Present,
    Read,
    Refresh,
    Rehearse,
    Settle,
    Wait,
)
from certd.model.alarm import Alarm, Level, Notice, ToldAlarm
from certd.model.attempt import NO_ATTEMPT, Attempt, Request
from certd.model.budget import Bucket, Limit, Need, Turn
from certd.model.certificate import Certificate, KeyType, RenewalWindow
from certd.model.click import (
    CheckFinding,
    ClickFacts,
    ClickLook,
    ClickWish,
    CutoverNotes,
    Direction,
    Leg,
    Pointing,
    Response,
)
from certd.model.deployment import Deployment, Generation, Health, ProxyFacts, ProxyWish, Sight
from certd.model.esp import Esp
from certd.model.lease import LaneState, Lease
from certd.model.lineage import LineageFacts, Served, Slot
from certd.model.order import Authorization, Debt, Order
from certd.model.record import TxtRecord, ZoneRecord
from certd.model.rehearsal import NO_REHEARSAL, Rehearsal
from certd.model.secret import Secret, Unopened
from certd.model.wish import CertificateSpec, IssuerTerms, Rank, Wish

__all__ = [
    "Response",
    "Pointing",
    "Leg",
    "Direction",
    "CutoverNotes",
    "ClickLook",
    "ClickWish",
    "CheckFinding",
    "ClickFacts",
    "NO_ATTEMPT",
    "NO_REHEARSAL",
    "Abandon",
    "Alarm",
    "Answer",
    "Attempt",
    "Authorization",
    "Begin",
    "Bucket",
    "Certificate",
    "CertificateSpec",
    "Collect",
    "Debt",
    "Deploy",
    "DeployAction",
    "Deployment",
    "Esp",
    "Finalize",
    "Generation",
    "Health",
    "IssueAction",
    "IssuerTerms",
    "KeyType",
    "LaneState",
    "Lease",
    "Level",
    "Limit",
    "LineageFacts",
    "Look",
    "Need",
    "Notice",
    "Order",
    "Present",
    "ProxyFacts",
    "ProxyWish",
    "Rank",
    "Read",
    "Refresh",
    "Rehearsal",
    "Rehearse",
    "RenewalWindow",
    "Request",
    "Secret",
    "Settle",
    "ToldAlarm",
    "Served",
    "Sight",
    "Slot",
    "Turn",
    "TxtRecord",
    "Unopened",
    "Wait",
    "Wish",
    "ZoneRecord",
]
