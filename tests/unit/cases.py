"""Facts for the planners' tables: one plain example of each, changed case by case with ``replace``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from certd.model import (
    Certificate,
    CertificateSpec,
    Deployment,
    Desired,
    Generation,
    Health,
    IssuerTerms,
    LineageFacts,
    Observation,
    Order,
    RenewalWindow,
    Secret,
    TxtCleanup,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

SPEC = CertificateSpec(link="link.example.com", domains=("link.example.com",), dns="corp")
TERMS = IssuerTerms(
    name="letsencrypt", pause_after_failed_validation=timedelta(minutes=12), weekly_same_names=5, weekly_reserve=1
)
WISH = Desired(spec=SPEC, issuer=TERMS)


def certificate(*, age: timedelta = timedelta(0), life: timedelta = 90 * DAY, **changes: Any) -> Certificate:
    """A certificate of this age and life at NOW."""
    start = NOW - age
    example = Certificate(
        link="link.example.com",
        generation=f"{start:%Y%m%dT%H%M%SZ}-0a0b0c0d",
        fingerprint="0a0b0c0d" * 8,
        issuer="letsencrypt",
        domains=("link.example.com",),
        key_type="ecdsa-p256",
        not_before=start,
        not_after=start + life,
        chain_pem="",
        key=Secret("key"),
        issued_at=start,
        ari_id="aki.serial",
    )
    return replace(example, **changes)


def window(start: timedelta, end: timedelta, *, drawn: float = 0.5, look_again: timedelta = DAY) -> RenewalWindow:
    """A window relative to NOW, its moment at this share of it."""
    return RenewalWindow(
        start=NOW + start, end=NOW + end, moment=NOW + start + (end - start) * drawn, look_again_at=NOW + look_again
    )


def order(**changes: Any) -> Order:
    """A fresh pending order."""
    example = Order(
        url="https://ca/order/1",
        finalize_url="https://ca/finalize/1",
        issuer="letsencrypt",
        domains=("link.example.com",),
        key=Secret("key"),
        key_type="ecdsa-p256",
        made_at=NOW,
        give_up_at=NOW + timedelta(minutes=10),
        look_at=NOW,
    )
    return replace(example, **changes)


def cleanup(**changes: Any) -> TxtCleanup:
    """A value that the open order still needs."""
    example = TxtCleanup(provider="corp", name="_acme-challenge.link.example.com", value="v", made_at=NOW)
    return replace(example, **changes)


def facts(**changes: Any) -> LineageFacts:
    """A lineage with these facts."""
    return LineageFacts(link="link.example.com", **changes)


def generation(
    *, age: timedelta = timedelta(0), life: timedelta = 90 * DAY, mark: str = "a", **changes: Any
) -> Generation:
    """A generation of this age and life at NOW."""
    start = NOW - age
    example = Generation(
        link="link.example.com",
        name=f"{start:%Y%m%dT%H%M%SZ}-{mark * 8}",
        fingerprint=mark * 64,
        domains=("link.example.com",),
        not_before=start,
        not_after=start + life,
        issuer="letsencrypt",
    )
    return replace(example, **changes)


def observation(
    health: Health = Health.GOOD, *, mark: str = "a", not_after: datetime | None = None, **changes: Any
) -> Observation:
    """What one address showed."""
    example = Observation(
        endpoint="127.0.0.1:443",
        address="127.0.0.1:443",
        health=health,
        at=NOW,
        fingerprint="" if health is Health.BLIND else mark * 64,
        not_after=not_after,
    )
    return replace(example, **changes)


def deployment(**changes: Any) -> Deployment:
    """A link on a proxy."""
    return Deployment(link="link.example.com", domains=("link.example.com",), **changes)
