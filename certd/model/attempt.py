"""How trying went: the facts behind the backoff, and what an operator asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is known of failures since the last success.

    Attributes:
        failures: At the CA, in a row; dead claims count.
        dns_failures: Found wanting before the CA was asked, in a row; its own ladder.
        not_before: The CA is not asked again sooner; None when it may be at once.
        kind: The last failure's kind: an ACME error type, ``dns``, ``unreachable``, ``crash``, ...
        issuer: Whose; empty for the preferred one.
        marks: Of the configurations that failed so; another one is tried at once.
        proved_at: When the issuer's staging directory last signed what production had refused.
        dropped: Wishes that the last success went without, each with its reason (``profile: ...``).
        relaxed: Of orders for less than what is wanted, so that what is served does not lapse; its own ladder.
    """

    failures: int = 0
    dns_failures: int = 0
    first_failed_at: datetime | None = None
    failed_at: datetime | None = None
    not_before: datetime | None = None
    kind: str = ""
    message: str = ""
    hint: str = ""
    issuer: str = ""
    marks: tuple[str, ...] = ()
    proved_at: datetime | None = None
    dropped: tuple[str, ...] = ()
    relaxed: bool = False


NO_ATTEMPT = Attempt()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An operator's forced renewal: who, when, and that it is not served yet."""

    by: str
    at: datetime
    force: bool = True
