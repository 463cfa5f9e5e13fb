"""The responder is of no use for amplification: no answer by UDP is longer than four times its question."""

from __future__ import annotations

import itertools

import dns.flags
import dns.message
import pytest

from certd.dns.responder.snapshot import ServedZone, Snapshot
from certd.dns.responder.wire import answer

ZONE = "acme.example.com"
NAME = f"link.example.com.{ZONE}"
VALUE = "q4bVIXpzSPqjIZFzjc7yIaqJbcKkdKYqRzlJkiU6Hws"
SERVERS = tuple(f"a-rather-long-name-of-a-server-{n}.example.net" for n in range(8))
KINDS = ("TXT", "ANY", "NS", "SOA", "A", "CAA", "DNSKEY")


def snapshot(values: int) -> Snapshot:
    zone = ServedZone(apex=ZONE, nameservers=SERVERS, contact="hostmaster@a-rather-long-name.example.net")
    return Snapshot((zone,), {NAME: frozenset(f"{n:02}{VALUE[2:]}" for n in range(values))}, serial=1)


@pytest.mark.parametrize("values", [1, 2, 20, 200])
def test_the_longest_answer(values: int) -> None:
    """Whatever is asked, with EDNS and without; what does not fit says TC, and comes whole by TCP."""
    served = snapshot(values)
    names = (NAME, ZONE, f"nothing.{ZONE}", "elsewhere.example.net", ".")
    for name, kind, edns in itertools.product(names, KINDS, (-1, 0)):
        query = dns.message.make_query(name, kind, use_edns=edns, payload=4096 if edns == 0 else 0)
        packet = query.to_wire()
        by_udp = answer(packet, served)
        assert by_udp is not None
        assert len(by_udp) <= 4 * len(packet), (name, kind, edns)
        by_tcp = answer(packet, served, tcp=True)
        assert by_tcp is not None
        assert not dns.message.from_wire(by_tcp).flags & dns.flags.TC
        if not dns.message.from_wire(by_udp).flags & dns.flags.TC:
            assert by_udp == by_tcp


def test_a_usual_validation_needs_no_tcp() -> None:
    """A name and its wildcard have two values, which fit."""
    packet = dns.message.make_query(NAME, "TXT", use_edns=0, payload=1232).to_wire()
    by_udp = answer(packet, snapshot(2))
    assert by_udp is not None
    assert len(dns.message.from_wire(by_udp).answer[0]) == 2
