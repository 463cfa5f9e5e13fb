"""What a reply says of the way: an alias, a referral with its glue, or nothing that counts."""

from __future__ import annotations

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset


def cname_target(message: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """Where a message says that a name points; None where it is no alias."""
    for rrset in message.answer:
        if rrset.name == name and rrset.rdtype == dns.rdatatype.CNAME:
            for rdata in rrset:
                target = _name_in(rdata)
                if target is not None:
                    return target
    return None


def referral(
    message: dns.message.Message, zone: dns.name.Name, name: dns.name.Name
) -> tuple[dns.name.Name, dict[dns.name.Name, tuple[str, ...]]] | None:
    """The deeper zone that a server refers to, with its servers and their glue; None where it does not refer."""
    if message.flags & dns.flags.AA or message.answer or message.rcode() != dns.rcode.NOERROR:
        return None
    for rrset in message.authority:
        below = rrset.name != zone and rrset.name.is_subdomain(zone) and name.is_subdomain(rrset.name)
        if rrset.rdtype == dns.rdatatype.NS and below:
            return rrset.name, {target: _glue(message, target) for target in targets_in(message.authority, rrset.name)}
    return None


def not_authoritative(message: dns.message.Message, zone: str) -> str:
    """Why a reply does not count, as the predicate of a sentence."""
    code = message.rcode()
    if code == dns.rcode.REFUSED:
        return f"refuses to answer (REFUSED): it does not serve {zone}"
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return f"answers {dns.rcode.to_text(code)}"
    return f"is not authoritative for {zone} (lame delegation)"


def _glue(message: dns.message.Message, name: dns.name.Name) -> tuple[str, ...]:
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return tuple(
        rdata.to_text()
        for rrset in message.additional
        if rrset.name == name and rrset.rdtype in kinds
        for rdata in rrset
    )


def targets_in(section: Sequence[dns.rrset.RRset], owner: dns.name.Name) -> list[dns.name.Name]:
    """The name servers that a section lists for a zone, sorted."""
    found: list[dns.name.Name] = []
    for rrset in section:
        if rrset.name == owner and rrset.rdtype == dns.rdatatype.NS:
            found.extend(target for target in map(_name_in, rrset) if target is not None)
    return sorted(found)


def _name_in(rdata: dns.rdata.Rdata) -> dns.name.Name | None:
    target = getattr(rdata, "target", None)
    return target if isinstance(target, dns.name.Name) else None
