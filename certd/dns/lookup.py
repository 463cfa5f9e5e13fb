"""Where DNS leads a host: by the resolvers, by every authoritative server, by public resolvers. Implements
``ports.Names``.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from certd.clicks.model import Pointing
from certd.dns.addresses import host_and_port
from certd.dns.authoritative import ZoneFinder
from certd.dns.exchange import Deadline, Reply, ask, question
from certd.dns.messages import parse_message, write_message
from certd.dns.replies import cname_target
from certd.dns.resolvers import Resolvers
from certd.errors import DnsError

DEADLINE_SECONDS = 6.0
KINDS = (dns.rdatatype.A, dns.rdatatype.AAAA)
_MOST_ALIASES = 16
_MOST_ADDRESSES = 16
_AT_ONCE = 8


class Pointings:
    """Asks."""

    def __init__(self, authority: ZoneFinder, *, patience: float = 2.0) -> None:
        self._authority = authority
        self._patience = patience

    def seen(self, host: str) -> Pointing:
        """See ``ports.Names``."""
        return self._by(self._authority.resolvers, host, ", ".join(self._authority.resolvers.addresses()))

    def by(self, host: str, resolvers: Sequence[str]) -> tuple[Pointing, ...]:
        """See ``ports.Names``."""
        if not resolvers:
            return ()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(lambda each: self._by(Resolvers((each,)), host, each), resolvers))

    def _by(self, resolvers: Resolvers, host: str, speaker: str) -> Pointing:
        deadline = Deadline(DEADLINE_SECONDS)
        try:
            found = self._read(resolvers, host, speaker, deadline)
            if found.aliases and not found.addresses and found.rcode == "NOERROR":
                # A server that does not recurse stops where an alias leads out of its zone.
                rest = self._read(resolvers, found.aliases[-1], speaker, deadline)
                found = replace(found, aliases=(*found.aliases, *rest.aliases), addresses=rest.addresses)
        except DnsError as error:
            return Pointing(speaker=speaker, trouble=str(error))
        return found

    def _read(self, resolvers: Resolvers, host: str, speaker: str, deadline: Deadline) -> Pointing:
        messages = [resolvers.ask(parse_message(host), kind, deadline) for kind in KINDS]
        return read_pointing(parse_message(host), messages, speaker)

    def everywhere(self, host: str) -> tuple[Pointing, ...]:
        """See ``ports.Names``."""
        deadline = Deadline(DEADLINE_SECONDS)
        try:
            place = self._authority.follow(host, deadline)
        except DnsError as error:
            return (Pointing(speaker="the authoritative servers", trouble=str(error)),)
        zone = place.hops[0].zone if place.hops else place.zone
        servers = [(server.name, address) for server in zone.servers for address in server.addresses]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(pool.map(lambda pair: self._at(host, pair[0], pair[1], deadline), servers))
        # Of a server that has an address family which this host has not, nothing is known, and nothing is wrong.
        return tuple(each for each in found if each is not None)

    def _at(self, host: str, server: str, address: str, deadline: Deadline) -> Pointing | None:
        speaker = f"{server} ({address})"
        messages = []
        for kind in KINDS:
            reply: Reply = self._authority.ask(question(parse_message(host), kind), address, deadline)
            if reply.no_route:
                return None
            if reply.message is None:
                return Pointing(speaker=speaker, trouble=reply.trouble)
            messages.append(reply.message)
        return read_pointing(parse_message(host), messages, speaker)


def read_pointing(host: dns.name.Name, messages: Sequence[dns.message.Message], speaker: str) -> Pointing:
    """What replies for A and AAAA say together."""
    codes = [dns.rcode.to_text(message.rcode()) for message in messages]
    aliases: list[str] = []
    addresses: list[str] = []
    ttl: int | None = None
    for message in messages:
        current, steps = host, 0
        while steps < _MOST_ALIASES and (target := cname_target(message, current)) is not None:
            if write_message(target) not in aliases:
                aliases.append(write_message(target))
            current, steps = target, steps + 1
        for rrset in message.answer:
            if rrset.name == host and rrset.rdtype in (*KINDS, dns.rdatatype.CNAME):
                ttl = rrset.ttl if ttl is None else max(ttl, rrset.ttl)
            if rrset.name == current and rrset.rdtype in KINDS:
                addresses += sorted(rdata.to_text() for rdata in rrset)
    bad = next((code for code in codes if code not in {"NOERROR", "NXDOMAIN"}), "")
    rcode = bad or ("NXDOMAIN" if codes and all(code == "NXDOMAIN" for code in codes) else "NOERROR")
    return Pointing(
        speaker=speaker, rcode=rcode, aliases=tuple(aliases), addresses=tuple(addresses[:_MOST_ADDRESSES]), ttl=ttl
    )


def ask_at(query: dns.message.Message, resolver: str, seconds: float) -> Reply:
    """One question to one resolver, ``host`` or ``host:port``, for those who want its own words."""
    host, port = host_and_port(resolver, 53)
    return ask(query, host, deadline=Deadline(seconds), ports_of=lambda address: (address, port))
