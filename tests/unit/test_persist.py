"""dns-persist-01: the record as certd writes it and as it judges it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from certd.acme.account_keys import as_jwk, new_account_key
from certd.acme.messages import parse_authorization
from certd.dns.persist import PersistRecord, judge_persist, parse_persist
from certd.dns.request import persist_request
from certd.errors import AcmeProblem
from certd.issuance.method import choose_method
from certd.model import (
    DNS_01,
    DNS_PERSIST_01,
    Attempt,
    Authorization,
    CertificateSpec,
    LineageFacts,
    PersistOffer,
)
from certd.ports import Obstacle

KEY = as_jwk(new_account_key())
NOW = datetime(2026, 12, 1, tzinfo=UTC)
CA, ACCOUNT = "ca.example", "https://ca.example/acct/1"
RIGHT = f"{CA}; accounturi={ACCOUNT}"
LATER, BEFORE = int((NOW + timedelta(days=90)).timestamp()), int((NOW - timedelta(days=1)).timestamp())


@pytest.mark.parametrize(
    ("values", "wildcard", "words"),
    [
        ([RIGHT], False, ""),
        ([f"{CA} ;accounturi = {ACCOUNT};policy=WildCard"], True, ""),
        ([f"{RIGHT}; new=thing; persistUntil={LATER}"], False, ""),
        (["other.example; nothing", RIGHT, "v=spf1 -all"], False, ""),
        ([], False, "has no record for ca.example"),
        (["other.example; accounturi=x"], False, "has no record for ca.example"),
        ([RIGHT.replace(CA, "CA.example")], False, "lower case only"),
        ([RIGHT.replace("/1", "/2")], False, f"names another account, {ACCOUNT[:-1]}2; ours is {ACCOUNT}"),
        ([RIGHT], True, "lacks policy=wildcard"),
        ([f"{RIGHT}; persistUntil={BEFORE}"], False, "counts only until 2026-11-30"),
        ([f"{RIGHT};"], False, "ends in a semicolon"),
        ([RIGHT, f"{CA}; policy=wildcard"], False, "has no accounturi"),
        ([RIGHT, f"{RIGHT}; persistUntil=tomorrow"], False, "no time in Unix seconds"),
        ([f"{RIGHT}; persistUntil={'9' * 40}"], False, "no time in Unix seconds"),
        ([f"{RIGHT}; accounturi={ACCOUNT}"], False, "says one thing twice"),
        ([f"{RIGHT}; wildcard"], False, "is not name=value"),
        ([f"{CA}"], False, "has no accounturi"),
    ],
)
def test_a_record_is_judged_as_the_ca_does(values: list[str], wildcard: bool, words: str) -> None:
    """Each slip has its words; a malformed record hides a right one beside it."""
    said = judge_persist(values, (CA,), ACCOUNT, is_wildcard=wildcard, until=NOW)
    assert words in said
    assert bool(words) == bool(said)


def test_what_certd_writes_it_reads() -> None:
    """In lower case, without a semicolon at its end."""
    record = PersistRecord(issuer="Ca.Example", account=ACCOUNT, is_wildcard=True, until=NOW)
    assert str(record) == f"{CA}; accounturi={ACCOUNT}; policy=wildcard; persistUntil={NOW.timestamp():.0f}"
    assert parse_persist(str(record)) == PersistRecord(issuer=CA, account=ACCOUNT, is_wildcard=True, until=NOW)


def test_a_request_names_each_name_and_issuer_once() -> None:
    """A wildcard and its apex share a record."""
    wanted = persist_request(("a.example", "*.a.example", "b.example"), [(CA, ACCOUNT), ("two.example", "https://2/1")])
    assert [record.name for record in wanted.records] == [
        "_validation-persist.a.example",
        "_validation-persist.a.example",
        "_validation-persist.b.example",
        "_validation-persist.b.example",
    ]
    assert wanted.records[0].value == f"{RIGHT}; policy=wildcard"
    assert wanted.records[2].value == RIGHT
    assert f'_validation-persist.b.example. 300 IN TXT "{RIGHT}"\n' in wanted.zone_lines()
    assert f'txt = ["{RIGHT}", "two.example; accounturi=https://2/1"]' in wanted.terraform("dns")
    assert f'rrdatas      = ["\\"{RIGHT}\\""' in wanted.terraform("google")
    assert "without a semicolon" in wanted.prose()


def test_long_values_become_strings_of_255() -> None:
    """RFC 1035 section 3.3.14: a string has at most 255 octets; resolvers join them."""
    wanted = persist_request(("a.example",), [(CA, "https://ca.example/" + "x" * 400)])
    line = wanted.zone_lines()
    assert all(len(part) <= 255 for part in line.split('"')[1::2])
    assert "".join(line.split('"')[1::2]) == wanted.records[0].value


def offered(**members: object) -> Authorization:
    persist = {"type": DNS_PERSIST_01, "url": "https://ca/p", "status": "pending", **members}
    body = {
        "identifier": {"type": "dns", "value": "a.example"},
        "status": "pending",
        "challenges": [{"type": DNS_01, "url": "https://ca/d", "status": "pending", "token": "t" * 43}, persist],
    }
    return parse_authorization(body, url="https://ca/a", key=KEY, issuer="ca")


def test_the_offer_is_read_beside_dns_01() -> None:
    """Draft 01's members; draft 02's, and what is none, are no offer."""
    seen = offered(**{"issuer-domain-names": [CA, 7], "accounturi": ACCOUNT})
    assert seen.persist == PersistOffer(url="https://ca/p", issuers=(CA,), account=ACCOUNT)
    assert seen.txt_value
    for members in ({}, {"issuerDomainNames": [CA]}, {"issuer-domain-names": [CA] * 11}, {"issuer-domain-names": "x"}):
        assert offered(**members).persist is None
    ended = offered(**{"issuer-domain-names": [CA], "status": "invalid"})
    assert ended.status == "invalid"


def chosen(spec: CertificateSpec, *, failures: int = 0, offer: PersistOffer | None, obstacle: str = "") -> str:
    """The method that is taken, at a CA and in a DNS that answer so."""
    found = Obstacle(words=obstacle) if obstacle else None
    ca = SimpleNamespace(name="ca", account=lambda: ACCOUNT)
    means = SimpleNamespace(
        challenges=lambda provider: SimpleNamespace(unpersisted=lambda *asked: found),
        clock=SimpleNamespace(now=lambda: NOW),
    )
    authorization = Authorization(
        url="a", identifier="a.example", status="pending", challenge_url="d", txt_value="v", persist=offer
    )
    facts = LineageFacts(link="a.example", attempt=Attempt(failures=failures))
    got = choose_method(means, spec, facts, authorization, ca)  # type: ignore[arg-type]
    assert bool(got.txt_value) == (got.method == DNS_01)
    assert got.challenge_url == ("d" if got.method == DNS_01 else "p")
    return got.method


def test_which_method_is_taken() -> None:
    """The record where it is right; a published value otherwise, and after a failure; never what the link forbids."""
    offer = PersistOffer(url="p", issuers=(CA,), account=ACCOUNT)
    auto = CertificateSpec(link="a.example", domains=("a.example",), dns="corp")
    only = replace(auto, dns="", challenge=DNS_PERSIST_01)
    assert chosen(auto, offer=offer) == DNS_PERSIST_01
    assert chosen(auto, offer=offer, failures=1) == DNS_01
    assert chosen(auto, offer=offer, obstacle="none") == DNS_01
    assert chosen(auto, offer=None) == DNS_01
    assert chosen(auto, offer=replace(offer, account="https://ca.example/acct/2")) == DNS_01
    assert chosen(replace(auto, challenge=DNS_01), offer=offer) == DNS_01
    assert chosen(only, offer=offer, failures=3) == DNS_PERSIST_01
    assert chosen(replace(auto, dns=""), offer=offer) == DNS_PERSIST_01
    for offered, words in ((None, "ca offers no dns-persist-01"), (replace(offer, account="x"), "another account, x")):
        with pytest.raises(AcmeProblem, match=words):
            chosen(only, offer=offered)
    with pytest.raises(AcmeProblem, match="no record"):
        chosen(only, offer=offer, obstacle="no record")
