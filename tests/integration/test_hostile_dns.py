"""Hostile or odd DNS answers to everything that reads them: huge, deep, slow, of the wrong type, or none at all.

Whatever comes, the call ends by its deadline with an answer or with a sentence, and takes bounded memory.
"""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certd.dns.authoritative import ZoneFinder
from certd.dns.caa import Caa
from certd.dns.challenges import Dns01
from certd.dns.exchange import Deadline
from certd.dns.propagation import serial_in, values_in
from certd.dns.replies import cname_target, referral
from certd.dns.resolvers import Resolvers
from certd.errors import DnsRefused, DnsUnreachable
from certd.model import TxtCleanup
from certd.system.clock import SystemClock
from tests.lab.hostile import WAYS, Hostile

NAME = "_acme-challenge.link.evil.test"
SECONDS = 2.0
MOST_BYTES = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def evil() -> Iterator[Hostile]:
    """One server for the module: it is the resolver, and the authoritative server of everything."""
    with Hostile() as made:
        yield made


def solver(evil: Hostile) -> Dns01:
    resolvers = Resolvers([f"127.0.0.1:{evil.port}"], patience=0.1)
    authority = ZoneFinder(resolvers, ports_of=lambda address: ("127.0.0.1", evil.port), patience=0.1, remember=0.0)
    return Dns01({}, authority, SystemClock(), deadline=timedelta(seconds=SECONDS), patience=timedelta(hours=1))


def readers(evil: Hostile) -> dict[str, Callable[[], object]]:
    """Everything that reads answers."""
    dns01 = solver(evil)
    cleanup = TxtCleanup(provider="x", name=NAME, value="v", made_at=datetime.now(UTC), added_at=datetime.now(UTC))
    authority = dns01._authority
    return {
        "spread": lambda: dns01.spread(cleanup),
        "follow": lambda: authority.follow(NAME, Deadline(SECONDS)),
        "delegation": lambda: authority.delegation("evil.test", Deadline(SECONDS)),
        "caa": lambda: Caa(authority.resolvers).denied(["link.evil.test"], ["letsencrypt.org"]),
        "txt": lambda: authority.resolvers.ask(dns.name.from_text(NAME), dns.rdatatype.TXT, Deadline(SECONDS)),
    }


@pytest.mark.parametrize("way", WAYS)
def test_every_reader_survives(evil: Hostile, way: str) -> None:
    """No exception but certd's own sentences, no answer "everywhere", and an end by the deadline."""
    evil.way, evil.drip = way, False
    for what, read in readers(evil).items():
        began = time.monotonic()
        tracemalloc.start()
        said = ""
        try:
            found = read()
        except (DnsRefused, DnsUnreachable) as error:
            found, said = None, str(error)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert not getattr(found, "everywhere", False), (what, found)
        assert said.isprintable(), (what, said)
        assert len(said) < 4000
        assert peak < MOST_BYTES, what
        assert time.monotonic() - began < SECONDS * 6 + 10, what


def test_one_byte_at_a_time_ends_at_the_deadline(evil: Hostile) -> None:
    """A server that drips by TCP does not outlive the deadline."""
    evil.way, evil.drip = "truncated for ever", True
    began = time.monotonic()
    with pytest.raises((DnsRefused, DnsUnreachable)):
        solver(evil)._authority.follow(NAME, Deadline(SECONDS))
    assert time.monotonic() - began < SECONDS * 4 + 10
    evil.drip = False


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=600), st.integers(0, 400), st.binary(max_size=8))
def test_what_is_read_of_a_message_survives_any_bytes(noise: bytes, at: int, patch: bytes) -> None:
    """Messages that dnspython lets through, bent anywhere: the readers of their sections never fail."""
    query = dns.message.make_query(NAME, "TXT").to_wire()
    way = list(WAYS.values())[at % len(WAYS)]
    wire = bytearray(way(query) or query)
    wire[at : at + len(patch)] = patch
    for data in (bytes(wire[:4000]), noise):
        try:
            message = dns.message.from_wire(data)
        except (dns.exception.DNSException, ValueError, struct.error):
            # What the exchange turns into words; any other would end a worker.
            continue
        owner = dns.name.from_text(NAME)
        values_in(message, NAME)
        serial_in(message)
        cname_target(message, owner)
        referral(message, dns.name.from_text("test"), owner)
