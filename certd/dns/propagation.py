"""What one server's answer means for a value that should stand everywhere, as the predicate of a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from certd.dns.authoritative import Place, Zone
from certd.dns.exchange import Reply
from certd.dns.messages import parse_message, write_message
from certd.dns.names import display_name
from certd.dns.replies import cname_target, not_authoritative, referral


class Mark(Enum):
    """How an answer counts.

    SHOWN: our value, or the CNAME that should be there. AWAY: nobody answered. CLOSED: it refuses to answer us, and may
    answer others. LAME: it answers, and not as a server of the zone. WRONG: it answers for the zone, and without our
    value: a CA that asks it fails.
    """

    SHOWN = "shown"
    AWAY = "away"
    CLOSED = "closed"
    LAME = "lame"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question that must be answered well: the value at the end, or a CNAME on the way."""

    name: str
    zone: Zone
    server: str
    address: str
    value: str = ""
    points_at: str = ""

    @property
    def who(self) -> str:
        """The server as it stands in a sentence."""
        return f"{self.server} ({self.address})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one server says."""

    check: Check
    mark: Mark
    words: str = ""

    @property
    def sentence(self) -> str:
        """Everything."""
        return f"{self.check.name}: {self.check.who} {self.words}"


def checks_of(place: Place, value: str) -> list[Check]:
    """Every server on every address, of every zone on the way."""
    checks = [
        Check(name=hop.name, zone=hop.zone, server=server.name, address=address, points_at=hop.target)
        for hop in place.hops
        for server in hop.zone.servers
        for address in server.addresses
    ]
    checks += [
        Check(name=place.target, zone=place.zone, server=server.name, address=address, value=value)
        for server in place.zone.servers
        for address in server.addresses
    ]
    return checks


def judge_reply(check: Check, reply: Reply) -> Finding:
    """One answer."""
    message = reply.message
    if message is None:
        return Finding(check=check, mark=Mark.AWAY, words=reply.trouble)
    referred = referral(message, parse_message(check.zone.name), parse_message(check.name))
    if referred is not None:
        return Finding(check=check, mark=Mark.LAME, words=f"refers to a deeper zone, {write_message(referred[0])}")
    code = message.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not message.flags & dns.flags.AA:
        mark = Mark.CLOSED if code == dns.rcode.REFUSED else Mark.LAME
        return Finding(check=check, mark=mark, words=not_authoritative(message, check.zone.name))
    wrong = _wrong(check, message)
    return Finding(check=check, mark=Mark.WRONG if wrong else Mark.SHOWN, words=wrong)


def _wrong(check: Check, message: dns.message.Message) -> str:
    target = cname_target(message, parse_message(check.name))
    if check.points_at:
        if target is not None and write_message(target) == check.points_at:
            return ""
        says = f"points at {write_message(target)}" if target is not None else "has no CNAME there"
        return f"{says}, expected a CNAME to {check.points_at}"
    if target is not None:
        return f"points at {write_message(target)}, expected {_quoted(check.value)}"
    values = values_in(message, check.name)
    return "" if check.value in values else predicate(values, message, check.value)


def predicate(values: Sequence[str], message: dns.message.Message, expected: str) -> str:
    """What a server says instead of the expected value."""
    if values:
        more = f" and {len(values) - 1} more" if len(values) > 1 else ""
        return f"answers {_quoted(values[0])}{more}, expected {_quoted(expected)}"
    if message.rcode() == dns.rcode.NXDOMAIN:
        return f"says that the name does not exist (NXDOMAIN), expected {_quoted(expected)}"
    if message.rcode() != dns.rcode.NOERROR:
        return f"answers {dns.rcode.to_text(message.rcode())}, expected {_quoted(expected)}"
    return f"has no TXT record there, expected {_quoted(expected)}"


def values_in(message: dns.message.Message, name: str) -> list[str]:
    """The TXT values at a name, behind aliases in the same answer; strings of one record are joined as the CA does."""
    owner = parse_message(name)
    for _ in range(len(message.answer)):
        target = cname_target(message, owner)
        if target is None:
            break
        owner = target
    return sorted(
        b"".join(_strings(rdata)).decode("latin-1")
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.TXT and rrset.name == owner
        for rdata in rrset
    )


def serial_in(message: dns.message.Message | None) -> int | None:
    """The serial of the SOA record that a message answers with."""
    for rrset in message.answer if message is not None else ():
        for rdata in rrset if rrset.rdtype == dns.rdatatype.SOA else ():
            serial = getattr(rdata, "serial", None)
            if isinstance(serial, int):
                return serial
    return None


def _quoted(value: str) -> str:
    return f'"{display_name(value)}"'


def _strings(rdata: dns.rdata.Rdata) -> tuple[bytes, ...]:
    strings = getattr(rdata, "strings", ())
    return strings if isinstance(strings, tuple) else ()
