"""The responder behind real resolvers, and spoken to as resolvers and strangers speak."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest

from certd.dns.responder.provider import Responder
from certd.dns.responder.snapshot import ServedZone
from certd.model import TxtRecord
from tests.lab.bind import Bind
from tests.lab.ports import free_port
from tests.lab.threads import wakings
from tests.lab.unbound import Unbound

ZONE = "acme.example.test"
NAME = f"link.example.test.{ZONE}"


@pytest.fixture
def responder() -> Iterator[Responder]:
    """Serving one value."""
    zone = ServedZone(
        apex=ZONE, nameservers=(f"ns1.{ZONE}",), addresses={f"ns1.{ZONE}": ("127.0.0.1",)}, contact="dns@example.test"
    )
    made = Responder("own", zones=[zone], listen=[f"127.0.0.1:{free_port()}"])
    made.start()
    made.add(TxtRecord(zone=ZONE, name=NAME, value="our-value"))
    yield made
    made.close()


def port(responder: Responder) -> int:
    return responder.start()[0][1]


def ask(responder: Responder, name: str, kind: str = "TXT", **options: object) -> dns.message.Message:
    """One question by UDP."""
    query = dns.message.make_query(name, kind)
    return dns.query.udp(query, "127.0.0.1", port=port(responder), timeout=3)


@pytest.mark.lab("unbound")
def test_unbound_finds_the_value(responder: Responder, tmp_path: Path) -> None:
    """With strict query-name minimisation and 0x20; a second value joins within a second or two."""
    with Unbound(tmp_path, {ZONE: port(responder)}) as resolver:
        reply = resolver.ask(NAME)
        assert reply.rcode() == dns.rcode.NOERROR
        assert [rdata.to_text() for rrset in reply.answer for rdata in rrset] == ['"our-value"']
        assert resolver.ask(f"nothing.{ZONE}").rcode() == dns.rcode.NXDOMAIN
        assert resolver.ask(NAME, "CAA").rcode() == dns.rcode.NOERROR
        assert resolver.ask(ZONE, "NS").answer


@pytest.mark.lab("bind")
def test_bind_finds_the_value(responder: Responder, tmp_path: Path) -> None:
    """BIND as a resolver in front of it."""
    with Bind(tmp_path, forward={ZONE: port(responder)}) as resolver:
        assert resolver.txt(NAME) == {"our-value"}


def test_authoritative_and_nothing_else(responder: Responder) -> None:
    """AA is set, RA is not, the question is copied byte for byte (0x20)."""
    query = dns.message.make_query("LiNk.ExAmPlE.test." + ZONE, "TXT")
    reply = dns.query.udp(query, "127.0.0.1", port=port(responder), timeout=3)
    assert reply.flags & dns.flags.AA
    assert not reply.flags & dns.flags.RA
    assert reply.question[0].name.to_text() == f"LiNk.ExAmPlE.test.{ZONE}."
    assert not reply.authority
    assert not reply.additional


CASES = {
    "another type: no data": (NAME, "A", dns.rcode.NOERROR),
    "an empty non-terminal: no data": (f"test.{ZONE}", "TXT", dns.rcode.NOERROR),
    "nothing there": (f"other.{ZONE}", "TXT", dns.rcode.NXDOMAIN),
    "elsewhere": ("www.example.org", "A", dns.rcode.REFUSED),
    "the parent": ("example.test", "SOA", dns.rcode.REFUSED),
    "a whole zone": (ZONE, "AXFR", dns.rcode.REFUSED),
}


@pytest.mark.parametrize("case", CASES)
def test_negative_answers(responder: Responder, case: str) -> None:
    """NODATA and NXDOMAIN carry the SOA, so that resolvers forget them within a second; all else is refused."""
    name, kind, code = CASES[case]
    if kind == "AXFR":
        with pytest.raises(dns.exception.DNSException):
            list(dns.query.xfr("127.0.0.1", ZONE, port=port(responder), timeout=3))
        return
    reply = ask(responder, name, kind)
    assert reply.rcode() == code
    assert not reply.answer
    soas = [rrset for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]
    assert len(soas) == int(code != dns.rcode.REFUSED)
    assert all(rrset[0].minimum == 1 for rrset in soas)
    assert all(rrset.ttl == 1 for rrset in soas), "RFC 2308 section 3: the lesser of the SOA's TTL and its minimum"


def test_the_apex(responder: Responder) -> None:
    """SOA and NS; the name server's own address."""
    assert ask(responder, ZONE, "SOA").answer
    assert ask(responder, ZONE, "NS").answer[0][0].to_text() == f"ns1.{ZONE}."
    assert ask(responder, f"ns1.{ZONE}", "A").answer[0][0].to_text() == "127.0.0.1"


def test_tcp_and_truncation(responder: Responder) -> None:
    """What is longer than four times its question is truncated by UDP and whole by TCP."""
    for number in range(40):
        responder.add(TxtRecord(zone=ZONE, name=NAME, value=f"value-{number}-" + "x" * 40))
    query = dns.message.make_query(NAME, "TXT", use_edns=0, payload=4096)
    by_udp = dns.query.udp(query, "127.0.0.1", port=port(responder), timeout=3)
    assert by_udp.flags & dns.flags.TC
    by_tcp = dns.query.tcp(query, "127.0.0.1", port=port(responder), timeout=3)
    assert len(by_tcp.answer[0]) == 41


def test_edns(responder: Responder) -> None:
    """OPT is echoed; an unknown version is BADVERS; without EDNS there is none."""
    query = dns.message.make_query(NAME, "TXT", use_edns=0)
    assert dns.query.udp(query, "127.0.0.1", port=port(responder), timeout=3).edns == 0
    newer = dns.message.make_query(NAME, "TXT", use_edns=1)
    assert dns.query.udp(newer, "127.0.0.1", port=port(responder), timeout=3).rcode() == dns.rcode.BADVERS
    assert ask(responder, NAME).edns == -1


def test_other_opcodes(responder: Responder) -> None:
    """NOTIFY and the like are not implemented."""
    query = dns.message.make_query(ZONE, "SOA")
    query.set_opcode(dns.opcode.NOTIFY)
    assert dns.query.udp(query, "127.0.0.1", port=port(responder), timeout=3).rcode() == dns.rcode.NOTIMP


def test_rubbish_is_survived(responder: Responder) -> None:
    """Short, long, looping and random packets leave it answering."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in (
            b"",
            b"\0",
            b"\xff" * 12,
            struct.pack("!6H", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
            b"x" * 4000,
        ):
            sender.sendto(packet, ("127.0.0.1", port(responder)))
    with socket.create_connection(("127.0.0.1", port(responder))) as idle:
        idle.sendall(b"\xff\xff")
        assert ask(responder, NAME).answer
    assert responder.is_alive()


def test_a_removed_value_is_gone_at_once(responder: Responder) -> None:
    """With the next packet."""
    responder.remove(TxtRecord(zone=ZONE, name=NAME, value="our-value"))
    assert ask(responder, NAME).rcode() == dns.rcode.NXDOMAIN


def test_nobody_asks_and_nothing_wakes(responder: Responder) -> None:
    """A responder that nobody asks costs no processor; a TCP client that says nothing is hung up on all the same."""
    assert ask(responder, NAME).answer
    # On a loaded machine it may go to sleep only after its answer was read; what wakes it regularly does so in both.
    assert min(wakings("dns responder", 1.6) for _ in range(2)) == 0
    with socket.create_connection(("127.0.0.1", port(responder)), timeout=60) as silent:
        assert silent.recv(1) == b""
