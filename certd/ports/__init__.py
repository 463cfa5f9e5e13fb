"""The ports: what the use cases ask of the world. Each docstring is a contract; the suites under
``tests/contracts`` quote it and run over the fake and over every real adapter.

Every call ends by its deadline: where a library cannot be trusted to, the adapter enforces it from outside.
Adapters raise from :mod:`certd.errors` only.
"""

from certd.model import LaneState, Lease, TxtRecord, ZoneRecord
from certd.ports.ca import CertificateAuthority, OrderSeen, RenewalAdvice
from certd.ports.clicks import Clicks, Names
from certd.ports.dns import Challenges, DnsProvider, Obstacle, Spread
from certd.ports.proxies import Eyes, Outcome, Target, Verdict
from certd.ports.stores import LineageStore, NodeStore, WorkStore
from certd.ports.surroundings import Clock, Journal, Randomness

__all__ = [
    "CertificateAuthority",
    "Challenges",
    "Clicks",
    "Names",
    "Clock",
    "DnsProvider",
    "Eyes",
    "Journal",
    "LaneState",
    "Lease",
    "LineageStore",
    "NodeStore",
    "Obstacle",
    "OrderSeen",
    "Outcome",
    "Randomness",
    "RenewalAdvice",
    "Spread",
    "Target",
    "TxtRecord",
    "Verdict",
    "WorkStore",
    "ZoneRecord",
]
