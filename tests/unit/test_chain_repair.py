"""A good leaf under a chain that has a fault: what counts as one, and how another chain comes without an order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from certd.errors import AcmeProblem, AcmeUnreachable
from certd.issuance.chain_repair import PATIENCE, repair_chain
from certd.issuance.deps import Crypto, IssuanceDeps
from certd.model import Begin, Certificate, ChainRepair, IssuerTerms, LineageFacts, RepairChain, Wait
from certd.pki.chain import chain_mark, is_preferred, load_chain, read_certificate, repaired_generation, whole
from certd.pki.chain_fault import fault_of, has_issuer
from certd.pki.gate import judge
from certd.pki.keys import csr_der, key_type_of, make_key
from certd.pki.trust import Trust
from certd.planning import plan_issue
from certd.planning.observations import all_show
from certd.targets.layout import as_generation
from tests.lab.certificates import DAY, NOW, Issuer, make_ca, make_leaf
from tests.simulation.clock import VirtualClock
from tests.simulation.world import SilentJournal
from tests.unit.cases import WISH, observation

LINK = "link.example.com"
ROOT = make_ca("Root", start=NOW - 3000 * DAY, life=9000 * DAY)
OTHER_ROOT = make_ca("Other Root", start=NOW - 3000 * DAY, life=9000 * DAY)
TRUST = Trust(roots=(ROOT.certificate, OTHER_ROOT.certificate))
FAULTY = make_ca("Between", ROOT)
LEAF = make_leaf(FAULTY, LINK)


def again(parent: Issuer = ROOT, **changes: Any) -> Issuer:
    """The intermediate, signed once more: what it signed stands under both."""
    return make_ca("Between", parent, key=FAULTY.key, **changes)


GOOD = again()
CROSSED = again(OTHER_ROOT)
ENDS_SOON = again(life=30 * DAY)
FOR_CLIENTS = again(purpose=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
FOR_SERVERS = again(purpose=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
EXPIRED = again(start=NOW - 300 * DAY, life=200 * DAY)
STRANGE = again(make_ca("Nobody's Root"))
OLD_CROSS_SIGN = make_ca("Root", make_ca("Ancient"), key=ROOT.key, life=30 * DAY)


def mark_of(issuer: Issuer) -> str:
    return issuer.certificate.fingerprint(hashes.SHA256()).hex()


FAULTS: dict[str, tuple[str, str, str, bool]] = {
    "a chain that holds": (FAULTY.pem, "", "", True),
    "meant for servers": (FOR_SERVERS.pem, "", "", True),
    "above the root that counts, for older clients": (GOOD.pem + OLD_CROSS_SIGN.pem, "", "", True),
    "not meant for servers": (FOR_CLIENTS.pem, "not meant for TLS servers", mark_of(FOR_CLIENTS), True),
    "expired": (EXPIRED.pem, "not valid now", mark_of(EXPIRED), True),
    "ends before the leaf": (ENDS_SOON.pem, "ends before the leaf", mark_of(ENDS_SOON), False),
    "leads nowhere: the roots may be wrong": (STRANGE.pem, "none of the expected roots", "", False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_a_fault(name: str) -> None:
    """Each is found with its words, the issuer to blame, and whether an order may help."""
    issuers, words, mark, may_order = FAULTS[name]
    fault = fault_of(LEAF.pem + issuers, TRUST, NOW)
    if not words:
        assert fault is None
        return
    assert fault is not None
    assert words in fault.words
    assert (fault.mark, fault.may_order) == (mark, may_order)


# ---------------------------------------------------------------------------------------------------- planning


def served(repair: ChainRepair, **changes: Any) -> LineageFacts:
    """A link with a certificate under the faulty chain."""
    made = read_certificate(LEAF.pem + FAULTY.pem, LEAF.key, link=LINK, issuer="letsencrypt", issued_at=NOW)
    current = replace(made, url="https://ca/cert/1", chain_repair=repair)
    return LineageFacts(link=LINK, current=replace(current, **changes))


OPEN = ChainRepair(without=(mark_of(FAULTY),), reason="its intermediate is revoked", since=NOW, look_at=NOW)


def test_a_fault_is_repaired_by_a_download() -> None:
    """And by an order only where one is due anyway, or certd never ordered it and knows no address."""
    assert isinstance(plan_issue(WISH, served(OPEN), NOW), RepairChain)
    assert not isinstance(plan_issue(WISH, served(OPEN, url=""), NOW), RepairChain)
    assert isinstance(plan_issue(WISH, served(OPEN, revoked_because="revoked"), NOW), Begin)
    assert isinstance(plan_issue(WISH, served(OPEN), NOW + 80 * DAY), Begin)
    assert isinstance(plan_issue(WISH, served(replace(OPEN, reason="")), NOW), Wait)


def test_waiting_for_another_chain_is_said() -> None:
    """``plan`` shows the fault and when the CA is asked again; a clock that was ahead puts nothing off."""
    later = plan_issue(WISH, served(replace(OPEN, look_at=NOW + timedelta(minutes=9))), NOW)
    assert isinstance(later, Wait)
    assert later.until == NOW + timedelta(minutes=9)
    assert later.because == "its intermediate is revoked; the CA is asked for another chain"
    assert isinstance(plan_issue(WISH, served(replace(OPEN, look_at=NOW + 30 * DAY)), NOW), RepairChain)


# ---------------------------------------------------------------------------------------------------- the download


@dataclass
class Shelf:
    """A CA that offers these chains, and counts its orders."""

    offered: tuple[str, ...] = ()
    away: Exception | None = None
    asked: int = 0
    name: str = "letsencrypt"

    def chains(self, certificate_url: str) -> Iterator[str]:
        assert certificate_url == "https://ca/cert/1"
        self.asked += 1
        if self.away is not None:
            raise self.away
        yield from self.offered


def means(shelf: Shelf, now: datetime = NOW) -> IssuanceDeps:
    """Real cryptography over that CA."""

    def fault(chain: str, issuer: str, at: datetime) -> str:
        found = fault_of(chain, TRUST, at)
        return found.words if found else ""

    def with_chain(certificate: Certificate, chain: str) -> Certificate:
        return replace(certificate, chain_pem=whole(chain), generation=repaired_generation(certificate, chain))

    crypto = Crypto(
        make_key=make_key,
        key_type_of=key_type_of,
        csr=csr_der,
        read=lambda chain, key, link, issuer, at: read_certificate(chain, key, link=link, issuer=issuer, issued_at=at),
        judge=lambda certificate, domains, at: judge(certificate, domains=domains, now=at, trust=TRUST),
        is_preferred=is_preferred,
        has_issuer=has_issuer,
        fault_of=fault,
        with_chain=with_chain,
    )
    authority = cast(Any, shelf)
    return IssuanceDeps(
        lambda name: authority, cast(Any, None), crypto, VirtualClock(now), random.Random(1), SilentJournal()
    )


def repaired(shelf: Shelf, repair: ChainRepair = OPEN, *, preferred: str = "", now: datetime = NOW) -> Certificate:
    terms: IssuerTerms = replace(WISH.issuer, preferred_chain=preferred)
    after = repair_chain(means(shelf, now), replace(WISH, issuer=terms), served(repair))
    assert after.current is not None
    return after.current


def test_the_first_clean_chain_is_taken() -> None:
    """Not the one with the fault, not another leaf's, not one that does not hold; the leaf and its key stay."""
    others = make_leaf(GOOD, LINK).pem + GOOD.pem
    bad = (LEAF.pem + FAULTY.pem, others, LEAF.pem + EXPIRED.pem, LEAF.pem + ENDS_SOON.pem, "nothing")
    current = repaired(Shelf((*bad, LEAF.pem + CROSSED.pem, LEAF.pem + GOOD.pem)))
    before = served(OPEN).current
    assert before is not None
    assert current.chain_pem == LEAF.pem + CROSSED.pem
    assert (current.fingerprint, current.key) == (before.fingerprint, before.key)
    assert current.generation == f"{before.generation}-{chain_mark([CROSSED.certificate])}"
    assert not current.chain_repair.is_open
    assert current.chain_repair.without == OPEN.without


def test_a_preferred_chain_goes_before_others() -> None:
    """Where it is clean."""
    offered = (LEAF.pem + CROSSED.pem, LEAF.pem + GOOD.pem)
    assert repaired(Shelf(offered), preferred="Root").chain_pem == LEAF.pem + GOOD.pem
    assert repaired(Shelf(offered), preferred="Nobody").chain_pem == LEAF.pem + CROSSED.pem


def test_a_second_fault_does_not_bring_the_first_back() -> None:
    """Both issuers stay out."""
    both = replace(OPEN, without=(mark_of(FAULTY), mark_of(CROSSED)))
    offered = (LEAF.pem + FAULTY.pem, LEAF.pem + CROSSED.pem)
    assert repaired(Shelf(offered), both).chain_repair.is_open
    assert repaired(Shelf((*offered, LEAF.pem + GOOD.pem)), both).chain_pem == LEAF.pem + GOOD.pem


AWAY = (AcmeUnreachable("the CA does not answer"), AcmeProblem(type="malformed", detail="no such", status=404))


@pytest.mark.parametrize("away", [None, *AWAY], ids=["none clean", "away", "forgotten"])
def test_the_ca_is_asked_again_and_then_another_one_is_ordered(away: Exception | None) -> None:
    """For two hours, each time later; never at once, because an order would get the same chain again."""
    shelf = Shelf((LEAF.pem + FAULTY.pem,), away)
    repair, now, times = OPEN, NOW, 0
    while True:
        current = repaired(shelf, repair, now=now)
        repair, times = current.chain_repair, times + 1
        if current.revoked_because:
            break
        assert repair.is_open
        assert repair.look_at is not None
        assert now < repair.look_at <= now + timedelta(minutes=30)
        now = repair.look_at
    assert PATIENCE <= now - NOW <= PATIENCE + timedelta(minutes=30)
    assert 3 <= times <= 9
    assert shelf.asked == times
    assert OPEN.without[0] in current.revoked_because
    assert "its intermediate is revoked" in current.revoked_because


def test_what_an_order_cannot_help_is_asked_for_daily() -> None:
    """An issuer that ends before the leaf, or roots that do not fit: no order, for ever."""
    late = NOW + 3 * DAY
    current = repaired(Shelf((LEAF.pem + FAULTY.pem,)), replace(OPEN, may_order=False), now=late)
    assert current.revoked_because == ""
    assert current.chain_repair.look_at == late + DAY


# ---------------------------------------------------------------------------------------------------- the proof


def test_only_the_new_chain_proves_it() -> None:
    """The same leaf under the chain before is not served yet; a leaf's first chain is proved by the leaf alone."""
    current = repaired(Shelf((LEAF.pem + GOOD.pem,)))
    wanted = as_generation(current)
    before = served(OPEN).current
    assert before is not None
    leaf = replace(observation(), fingerprint=current.fingerprint)
    sent = {name: chain_mark(load_chain(LEAF.pem + issuer.pem)[1:]) for name, issuer in (("a", FAULTY), ("b", GOOD))}
    assert not all_show([replace(leaf, chain=sent["a"])], wanted)
    assert not all_show([leaf], wanted)
    assert all_show([replace(leaf, chain=sent["b"])], wanted)
    assert all_show([replace(leaf, chain=sent["a"])], as_generation(before))
    assert chain_mark([GOOD.certificate, ROOT.certificate]) == sent["b"], "a root that is sent, too, does not count"
