"""Whatever a CA sends, each parser of it ends soon, holds little, and raises nothing but our own errors."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certd.acme.account_keys import as_jwk, new_account_key
from certd.acme.messages import (
    parse_authorization,
    parse_order,
    parse_problem,
    parse_renewal_info,
    parse_time,
    problem_from,
)
from certd.acme.session import Session
from certd.errors import AcmeProblem, AcmeUnreachable, CertdError, GateRefused
from certd.pki.chain import is_preferred, load_chain, split_chain
from certd.pki.revocation import read_list
from certd.planning.acme_errors import refusal_for, told_wait
from certd.system.egress import Egress, Response
from certd.system.http_headers import LONGEST_WAIT, date_of, retry_after_of
from certd.system.network import Network
from tests.lab.certificates import NOW, make_ca

KEY = as_jwk(new_account_key())
ROOT = make_ca("Root").certificate

MEMBERS = (
    "status",
    "authorizations",
    "finalize",
    "expires",
    "certificate",
    "error",
    "identifier",
    "challenges",
    "wildcard",
    "type",
    "detail",
    "subproblems",
    "value",
    "token",
    "url",
    "suggestedWindow",
    "start",
    "end",
    "explanationURL",
    "instance",
)
WORDS = st.sampled_from(
    [
        "pending",
        "valid",
        "dns-01",
        "link.example.com",
        "2027-01-01T00:00:00Z",
        "https://ca/x",
        "rateLimited",
        "urn:ietf:params:acme:error:dns",
        "\x00",
        "\ud7ff" * 9,
        "9" * 5000,
        "retry after 9999-99-99 99:99:99 UTC",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=8),
    max_leaves=25,
)
BODIES = st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=12)
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "date"]), WORDS | st.text(max_size=40))


def answer(body: Any, headers: dict[str, str]) -> Response:
    return Response(status=400, headers=headers, body=json.dumps(body).encode())


@settings(max_examples=300, deadline=None)
@given(body=BODIES, headers=HEADERS)
def test_any_members_of_any_type(body: dict[str, Any], headers: dict[str, str]) -> None:
    """Members may be missing, new, or of another type: what comes out is whole, or one of our errors."""
    response = answer(body, headers)
    parsers: list[Callable[[], object]] = [
        lambda: parse_order(body, response, url="u", issuer="ca"),
        lambda: parse_authorization(body, url="u", key=KEY, issuer="ca"),
        lambda: parse_renewal_info(body, response, issuer="ca"),
    ]
    for parse in parsers:
        with contextlib.suppress(CertdError):
            parse()
    said = parse_problem(response)
    for problem in (said, problem_from(body, retry_after=retry_after_of(response))):
        if problem is not None:
            assert refusal_for(problem).again
            wait = told_wait(problem, NOW)
            assert wait is None or wait >= timedelta(0)
    wait = retry_after_of(response)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT
    assert date_of(response) is None or date_of(response)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=300) | st.binary(max_size=300).map(lambda octets: octets.decode("latin-1")))
def test_any_text_for_a_chain_or_a_list(text: str) -> None:
    """What is no certificate is refused by name."""
    armoured = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    for pem in (text, armoured, armoured * 3):
        with pytest.raises(GateRefused):
            load_chain(pem)
        with pytest.raises(GateRefused):
            read_list(pem.encode(), ROOT, NOW)
        assert not is_preferred(pem, "Root")


HUGE: dict[str, Callable[[], object]] = {
    "a hundred thousand subproblems": lambda: problem_from(
        {"type": "x", "detail": "d" * 100_000, "subproblems": [{"detail": "e" * 1000}] * 100_000}
    ),
    "brackets": lambda: parse_problem(Response(status=400, headers={}, body=b"[" * 200_000)),
    "braces": lambda: parse_problem(Response(status=400, headers={}, body=b'{"a":' * 40_000)),
    "a number of a quarter of a million digits": lambda: parse_problem(
        Response(status=400, headers={}, body=b'{"type": ' + b"9" * 250_000 + b"}")
    ),
    "a wait of a million digits": lambda: retry_after_of(
        Response(status=400, headers={"retry-after": "9" * 1_000_000}, body=b"")
    ),
    "dashes": lambda: _refused("-----BEGIN CERTIFICATE-----\n" * 9_000),
    "one line of base64": lambda: _refused("-----BEGIN CERTIFICATE-----\n" + "A" * 250_000),
    "many certificates that do not end": lambda: _refused(("-----BEGIN CERTIFICATE-----\n" + "A\n" * 900) * 130),
    "a refusal of two megabytes": lambda: refusal_for(AcmeProblem(type="unauthorized", detail="https://" * 250_000)),
}


def _refused(pem: str) -> None:
    with pytest.raises(GateRefused):
        split_chain(pem)


@pytest.mark.parametrize("name", HUGE)
def test_much_of_anything(name: str) -> None:
    """Seconds and megabytes stay few, whatever the size: nothing here is quadratic."""
    tracemalloc.start()
    started = time.process_time()
    HUGE[name]()
    took = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 5
    assert peak < 64 * 1024 * 1024


def test_times_beyond_time() -> None:
    """At the ends of the calendar a time zone leads out of it."""
    for text in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        assert parse_time(text) is None
    late = Response(status=429, headers={"date": "Fri, 31 Dec 9999 23:59:59 -2359"}, body=b"")
    assert date_of(late) is None


@pytest.mark.parametrize("url", ["https://[", "https://[::1", "https://a]b/", "http://x/", "", "\x00"])
def test_an_address_that_is_none(url: str) -> None:
    """What a CA calls an order's URL may be anything; nothing is asked there."""
    session = Session("ca", "https://ca.example/directory", Egress(Network(), user_agent="test"))
    with pytest.raises(AcmeUnreachable):
        session.get(url)


@pytest.mark.parametrize(
    ("authorization", "challenge", "status"),
    [("pending", "invalid", "invalid"), ("pending", "pending", "pending"), ("valid", "invalid", "valid")],
)
def test_a_challenge_that_is_invalid_makes_its_authorization_so(
    authorization: str, challenge: str, status: str
) -> None:
    """Nothing makes a pending authorization valid whose only challenge of ours is invalid (RFC 8555 section 7.1.6)."""
    error = {"type": "urn:ietf:params:acme:error:dns", "detail": "no such name"}
    token = "dG9rZW4tb2YtdGhpcy1jaGFsbGVuZ2UtYQ"
    offered = {"type": "dns-01", "url": "https://ca/c", "token": token, "status": challenge, "error": error}
    body = {"identifier": {"value": "a.example"}, "status": authorization, "challenges": [offered]}
    seen = parse_authorization(body, url="u", key=KEY, issuer="ca")
    assert (seen.status, seen.problem_type, seen.problem) == (status, "dns", "no such name")
