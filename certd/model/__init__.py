"""The nouns: frozen, slotted, keyword-only dataclasses, in the field's own words.

Nothing here reads a clock, a file or a socket. Times are aware UTC; durations are ``timedelta``.
"""

from certd.model.action import (
    Abandon,
    Answer,
    Begin,
    CleanUp,
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
    RepairChain,
    Wait,
)
from certd.model.alarm import Alarm, Level, Notice, ToldAlarm
from certd.model.attempt import NO_ATTEMPT, Attempt, Request
from certd.model.certificate import NO_CHAIN_REPAIR, Certificate, ChainRepair, KeyType, RenewalWindow
from certd.model.deployment import Deployment, DesiredProxy, Generation, Health, Observation, ProxyFacts
from certd.model.dns_record import TxtRecord, ZoneRecord
from certd.model.esp import Esp
from certd.model.lease import DependencyState, Lease
from certd.model.leftover import KeptLeftover, Leftover
from certd.model.lineage import LineageFacts, Served, Slot
from certd.model.order import DNS_01, DNS_PERSIST_01, Authorization, Order, PersistOffer, TxtCleanup
from certd.model.rate_limit import Bucket, Limit, Need, Turn
from certd.model.rehearsal import NO_REHEARSAL, Rehearsal
from certd.model.secret import Secret, Unopened
from certd.model.spec import CertificateSpec, Desired, IssuerTerms, Rank

__all__ = [
    "ClickSettings",
    "NO_ATTEMPT",
    "NO_CHAIN_REPAIR",
    "NO_REHEARSAL",
    "Abandon",
    "Alarm",
    "Answer",
    "Attempt",
    "DNS_01",
    "DNS_PERSIST_01",
    "Authorization",
    "PersistOffer",
    "Begin",
    "Bucket",
    "Certificate",
    "ChainRepair",
    "CertificateSpec",
    "Collect",
    "TxtCleanup",
    "Deploy",
    "DeployAction",
    "Deployment",
    "Esp",
    "Finalize",
    "Generation",
    "Health",
    "IssueAction",
    "IssuerTerms",
    "KeptLeftover",
    "KeyType",
    "DependencyState",
    "Lease",
    "Leftover",
    "Level",
    "Limit",
    "LineageFacts",
    "Look",
    "Need",
    "Notice",
    "Order",
    "Present",
    "ProxyFacts",
    "DesiredProxy",
    "Rank",
    "Read",
    "Refresh",
    "Rehearsal",
    "Rehearse",
    "RepairChain",
    "RenewalWindow",
    "Request",
    "Secret",
    "CleanUp",
    "ToldAlarm",
    "Served",
    "Observation",
    "Slot",
    "Turn",
    "TxtRecord",
    "Unopened",
    "Wait",
    "Desired",
    "ZoneRecord",
]
