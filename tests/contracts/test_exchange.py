"""One question to one address: what an old server needs to be understood."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from certd.dns.exchange import Deadline, ask, question

NAME = dns.name.from_text("_acme-challenge.link.example.test")


@contextmanager
def without_edns(code: dns.rcode.Rcode, asked: list[int], *, bare: bool) -> Iterator[int]:
    """A UDP server that answers a code to each question with EDNS, and a value to one without.

    Args:
        asked: Gets the EDNS version of each question; -1 for none.
        bare: The refusal is a header alone.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)

        def serve() -> None:
            for _ in range(4):
                try:
                    wire, sender = listener.recvfrom(4096)
                except OSError:
                    return
                query = dns.message.from_wire(wire)
                asked.append(query.edns)
                reply = dns.message.Message(id=query.id)
                reply.flags = dns.flags.QR | dns.flags.AA
                if query.edns >= 0:
                    reply.set_rcode(code)
                else:
                    reply.answer.append(dns.rrset.from_text(NAME, 60, "IN", "TXT", '"value"'))
                if query.edns < 0 or not bare:
                    reply.question = query.question
                listener.sendto(reply.to_wire(), sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.settimeout(0)
    thread.join(6)


@pytest.mark.parametrize("bare", [False, True])
def test_a_server_without_edns_is_asked_once_more_without(bare: bool) -> None:
    """FORMERR is its answer to an OPT record that it does not know (RFC 6891 section 7)."""
    asked: list[int] = []
    with without_edns(dns.rcode.FORMERR, asked, bare=bare) as port:
        query = question(NAME, dns.rdatatype.TXT)
        reply = ask(query, "192.0.2.1", deadline=Deadline(3), ports_of=lambda _: ("127.0.0.1", port))
    assert reply.message is not None
    assert reply.message.rcode() == dns.rcode.NOERROR
    assert reply.message.answer[0].rdtype == dns.rdatatype.TXT
    assert asked == [0, -1]


def test_another_refusal_is_not_asked_again() -> None:
    """REFUSED has nothing to do with EDNS."""
    asked: list[int] = []
    with without_edns(dns.rcode.REFUSED, asked, bare=False) as port:
        query = question(NAME, dns.rdatatype.TXT)
        reply = ask(query, "192.0.2.1", deadline=Deadline(3), ports_of=lambda _: ("127.0.0.1", port))
    assert reply.message is not None
    assert reply.message.rcode() == dns.rcode.REFUSED
    assert asked == [0]
