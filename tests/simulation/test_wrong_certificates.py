"""A CA that signs something else than it was asked for: each kind is a failed attempt, and none is a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certd.acme.issuer import MOST_CERTIFICATES
from certd.issuance import Crypto
from certd.model import Authorization
from certd.pki.chain import MOST_BYTES, read_certificate
from certd.pki.gate import judge
from certd.pki.keys import csr_der, key_type_of, make_key
from certd.pki.trust import Trust
from certd.ports import OrderSeen
from tests.lab.certificates import Issuer, make_ca
from tests.simulation.clock import EPOCH
from tests.simulation.models import ModelCa
from tests.simulation.world import LINK, World

DAY = timedelta(days=1)
START = EPOCH - 30 * DAY

ROOT = make_ca("Root", start=START)
BETWEEN = make_ca("Between", ROOT, start=START)
TWIN = make_ca("Between", make_ca("Root", start=START), start=START)
STRANGER = make_ca("Stranger", start=START)


def signed(
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    *,
    names: tuple[str, ...] = (LINK,),
    by: Issuer = BETWEEN,
    start: timedelta = -DAY / 24,
    life: timedelta = 90 * DAY,
    is_ca: bool = False,
) -> str:
    """A leaf, as the CA would sign it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(by.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + start + life)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    return builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def other_key() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


Bend = Callable[[ec.EllipticCurvePublicKey, datetime], str]
KINDS: dict[str, Bend] = {
    "another key": lambda key, now: signed(other_key(), now) + BETWEEN.pem,
    "another name": lambda key, now: signed(key, now, names=("other.example.com",)) + BETWEEN.pem,
    "no name": lambda key, now: signed(key, now, names=()) + BETWEEN.pem,
    "expired": lambda key, now: signed(key, now, start=-91 * DAY) + BETWEEN.pem,
    "from tomorrow": lambda key, now: signed(key, now, start=DAY) + BETWEEN.pem,
    "without its leaf": lambda key, now: BETWEEN.pem + ROOT.pem,
    "without its intermediate": lambda key, now: signed(key, now),
    "under a stranger's intermediate": lambda key, now: signed(key, now) + STRANGER.pem,
    "signed by a twin": lambda key, now: signed(key, now, by=TWIN) + BETWEEN.pem,
    "from an unknown root": lambda key, now: signed(key, now, by=TWIN) + TWIN.pem,
    "in the wrong order": lambda key, now: BETWEEN.pem + signed(key, now),
    "a CA": lambda key, now: signed(key, now, is_ca=True) + BETWEEN.pem,
    "twice": lambda key, now: signed(key, now) * 2 + BETWEEN.pem,
    "cut off": lambda key, now: (signed(key, now) + BETWEEN.pem)[:-60],
    "no certificate at all": lambda key, now: "<html>503</html>",
    "eleven": lambda key, now: signed(key, now) + BETWEEN.pem * (MOST_CERTIFICATES + 1),
    "a quarter of a megabyte": lambda key, now: signed(key, now) + BETWEEN.pem + "#" * MOST_BYTES,
}


class BentCa(ModelCa):
    """Signs what it was asked for until it is bent."""

    bend: Bend | None = None
    requests: dict[str, bytes]

    def finalize(self, finalize_url: str, csr: bytes) -> OrderSeen:
        self.__dict__.setdefault("requests", {})[f"cert/{finalize_url.rpartition('/')[2]}"] = csr
        return super().finalize(finalize_url, csr)

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        now = self._reached()
        key = x509.load_der_x509_csr(self.requests[certificate_url]).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self.bend(key, now) if self.bend else signed(key, now) + BETWEEN.pem


def world() -> World:
    """With real cryptography and the real gate."""
    made = World(1, years=0.3)
    ca = BentCa(made.clock, made.chance, made.ca.life, made.ca.is_away, made.dns)
    made.ca = made.cas["model"] = ca
    trust = Trust(roots=(ROOT.certificate,))
    crypto = Crypto(
        make_key=make_key,
        key_type_of=key_type_of,
        csr=csr_der,
        read=lambda chain, key, link, issuer, at: read_certificate(chain, key, link=link, issuer=issuer, issued_at=at),
        judge=lambda certificate, domains, now: judge(certificate, domains=domains, now=now, trust=trust),
    )
    made.issue = replace(made.issue, issuance=replace(made.issue.issuance, crypto=crypto))
    return made


def bent(made: World, bend: Bend | None) -> None:
    ca = made.ca
    assert isinstance(ca, BentCa)
    ca.bend = bend


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_certificate_is_a_failed_attempt(kind: str) -> None:
    """It does not become the current one; in a week not more than the CA allows is signed, and no limit is run into;
    when the CA has come to its senses the next attempt ends it.
    """
    made = world()
    bent(made, KINDS[kind])
    made.end = EPOCH + 7 * DAY
    made.run()
    facts = made.lineages.facts(LINK)
    assert facts.current is None
    assert facts.attempt.kind == "wrongCertificate"
    # Five, and what comes back in a week: one each 34 hours.
    assert 2 <= len(made.ca.issued) <= 9
    assert made.ca.refused == []
    bent(made, None)
    made.end = EPOCH + 12 * DAY
    made.run()
    assert made.lineages.facts(LINK).current is not None
    assert made.dns.published() == 0


def test_one_that_is_older_than_ours() -> None:
    """What starts before what we have is some other certificate of the CA's: it replaces nothing."""
    made = world()
    made.end = EPOCH + DAY
    made.run()
    first = made.lineages.facts(LINK).current
    assert first is not None
    bent(made, lambda key, now: signed(key, now, start=EPOCH - DAY - now) + BETWEEN.pem)
    made.end = EPOCH + 66 * DAY
    made.run()
    facts = made.lineages.facts(LINK)
    assert facts.current == replace(first, window=facts.current.window, window_look_at=facts.current.window_look_at)  # type: ignore[union-attr]
    assert "before what we have" in facts.attempt.message
    assert len(made.ca.issued) <= 8
    assert made.ca.refused == []


class Nosy(ModelCa):
    """Wants a proof for a name that it was not asked about."""

    def read_authorization(self, url: str) -> Authorization:
        name = "neighbour.example.com"
        return replace(super().read_authorization(url), identifier=name, txt_name=f"_acme-challenge.{name}")


def test_a_proof_for_somebody_elses_name() -> None:
    """Nothing is published for a name that was not asked for, whatever the CA wants proved."""
    world = World(1, years=0.01)
    world.ca.__class__ = Nosy
    world.run()
    assert not world.dns.visible("_acme-challenge.neighbour.example.com")
    assert not world.ca.issued
    assert any("neighbour.example.com" in line for line in world.journal.lines)
    assert not any("published" in line for line in world.journal.lines)
    assert len(world.ca.orders) < 10
