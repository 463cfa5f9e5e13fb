"""The drill on paper: who can be ordered at once, and who waits for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from certd.model import Bucket, Certificate, CertificateSpec, Desired, IssuerTerms, Limit, LineageFacts, Need, Secret
from certd.planning.mass_revocation import mass_revocation

NOW = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ORDERS = Limit(kind="orders", most=300, per=timedelta(hours=3))
NAMES = Limit(kind="names", most=5, per=7 * DAY, reserve=1)
TERMS = IssuerTerms(name="ca", weekly_same_names=5, limits=(ORDERS, NAMES))


def pair(
    number: int, *, added: bool = False, issuers: tuple[str, ...] = ("ca",), lately: int = 1, of: str = "ca"
) -> tuple[Desired, LineageFacts]:
    """A link with a certificate, which lacks a wanted name where one was added."""
    name = f"l{number}.example.com"
    domains = (name, f"b.{name}") if added else (name,)
    spec = CertificateSpec(link=name, domains=domains, issuers=issuers)
    certificate = Certificate(
        link=name,
        generation="g",
        fingerprint="f",
        issuer=of,
        domains=(name,),
        key_type="ecdsa-p256",
        not_before=NOW - 30 * DAY,
        not_after=NOW + (60 + number % 7) * DAY,
        chain_pem="",
        key=Secret("k"),
        issued_at=NOW - 30 * DAY,
    )
    recent = tuple(NOW - timedelta(hours=each + 1) for each in range(lately))
    return Desired(spec=spec, issuer=TERMS), LineageFacts(link=name, current=certificate, issued_lately=recent)


def full(needs: list[Need]) -> list[Bucket]:
    return [Bucket(spent=NOW, queued=NOW) for _ in needs]


def test_the_same_names_take_nothing_of_the_limit_of_orders() -> None:
    """Twenty thousand renewals can be ordered at once, as far as Let's Encrypt's limits go."""
    found = mass_revocation("ca", [pair(n) for n in range(20_000)], full, lambda name: name, NOW)  # type: ignore[arg-type]
    assert (found.links, found.at_once, found.waiting, found.last_at) == (20_000, 20_000, (), NOW)


def test_other_names_wait_for_their_turn() -> None:
    """A link whose names have changed is a new order: 300 at once, then one each 36 seconds."""
    pairs = [pair(n, added=True, issuers=("ca", "other")) for n in range(1000)]
    found = mass_revocation("ca", pairs, full, lambda name: "example.com", NOW)  # type: ignore[arg-type]
    assert (found.links, found.at_once, found.elsewhere) == (1000, 300, 1000)
    assert found.last_at == NOW + timedelta(seconds=36) * 700
    assert found.waiting == (("the CA allows 300 orders in 3 hours", 700),)


def test_five_certificates_of_a_week_are_the_limit_still() -> None:
    """That link waits; those of other issuers are not concerned."""
    pairs = [pair(0), pair(1, lately=5), pair(2, of="other"), (pair(3)[0], LineageFacts(link="l3"))]
    found = mass_revocation("ca", pairs, full, lambda name: name, NOW)  # type: ignore[arg-type]
    assert (found.links, found.at_once) == (2, 1)
    assert found.last_at is not None
    assert found.last_at > NOW + DAY
    assert found.waiting[0][0].startswith("5 certificates for exactly these names")
