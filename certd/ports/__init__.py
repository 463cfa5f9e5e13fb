"""The ports: what the use cases ask of the world. Each docstring is a contract; the suites under
``tests/contracts`` quote it and run over the fake and over every real adapter.

Every call ends by its deadline: where a library cannot be trusted to, the adapter enforces it from outside.
Adapters raise from :mod:`certd.errors` only.
"""

from certd.ports.acme import CertificateAuthority, OrderSeen, RenewalAdvice
from certd.ports.clock_and_log import Clock, Journal, Randomness
from certd.ports.dns import Challenges, DnsProvider, Obstacle, Propagation
from certd.ports.proxies import (
    EndpointProber,
    Inclusion,
    KeptFiles,
    Outcome,
    Permission,
    ProxyTarget,
    Target,
    Verdict,
)
from certd.ports.stores import LineageStore, NodeStore, WorkStore

__all__ = [
    "CertificateAuthority",
    "Challenges",
    "Clock",
    "DnsProvider",
    "EndpointProber",
    "Inclusion",
    "Journal",
    "DependencyState",
    "KeptFiles",
    "LineageStore",
    "NodeStore",
    "Obstacle",
    "OrderSeen",
    "Outcome",
    "Permission",
    "Randomness",
    "RenewalAdvice",
    "Propagation",
    "ProxyTarget",
    "Target",
    "Verdict",
    "WorkStore",
]
