"""Where a name really lives: its zone cut, the zone's servers and all their addresses, and the CNAMEs on the way.

How the zone is found. A resolver's SOA answers give the enclosing zone (never a list of public suffixes: a cut is
where a delegation is). What counts for its servers is what the CA will follow: the delegation in the parent,
asked at the parent's own servers, joined by what the delegated servers say themselves. So an internal view of the
zone, or a resolver's old answer, does not mislead; where the parent cannot be asked, the resolver's word is taken.
From there referrals are followed down, for a delegation made a minute ago that a resolver still denies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from certd.dns.exchange import Deadline, PortsOf, Reply, ask, question, standard_port
from certd.dns.messages import parse_message, write_message
from certd.dns.names import is_plain
from certd.dns.replies import cname_target, not_authoritative, referral, targets_in
from certd.dns.resolvers import Resolvers
from certd.errors import DnsRefused, DnsUnreachable, ZonesHidden

CNAME_LIMIT = 16
_SERVER_LIMIT = 26  # more than any real zone has; a hostile delegation does not make certd ask the world
_ADDRESS_LIMIT = 8  # of one server
_APEX_SECONDS = 10.0
_MOST_APEXES = 256  # before those whose time is up are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One authoritative server by name, with every address it has."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A zone and all its servers, sorted by name.

    Attributes:
        delegated: The servers are those that the parent delegates to; False where the parent could not be asked.
    """

    name: str
    servers: tuple[Server, ...]
    delegated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One CNAME on the way: ``name`` in ``zone`` points at ``target``."""

    name: str
    target: str
    zone: Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a TXT value for ``name`` must stand.

    Attributes:
        target: The end of the CNAMEs; ``name`` itself where there are none.
        hops: The CNAMEs in order.
        silence: Why no authoritative server of ``zone`` answered for the target; empty when one did.
    """

    name: str
    target: str
    hops: tuple[Hop, ...]
    zone: Zone
    silence: str = ""


class _Look(NamedTuple):
    """What a zone's servers say of a name: an authoritative message, or a deeper zone, or neither with a reason."""

    message: dns.message.Message | None = None
    deeper: tuple[dns.name.Name, dict[dns.name.Name, tuple[str, ...]]] | None = None
    reason: str = ""
    answered: bool = False


class ZoneFinder:
    """Finds zones, servers and CNAME targets. Safe to use from several threads.

    Args:
        resolvers: Asked for the way only.
        ports_of: Where an address answers; tests on high ports inject it.
        patience: Seconds for UDP and again for TCP at one address.
        remember: Seconds for which a zone's servers are kept; values are never kept.
    """

    def __init__(
        self,
        resolvers: Resolvers,
        *,
        ports_of: PortsOf = standard_port,
        patience: float = 2.0,
        remember: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.resolvers = resolvers
        self._ports_of = ports_of
        self._patience = patience
        self._remember = remember
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._zones: dict[dns.name.Name, tuple[float, Zone]] = {}
        self._apexes: dict[dns.name.Name, tuple[float, dns.name.Name]] = {}
        self._silent: dict[str, float] = {}

    def ask(self, query: dns.message.Message, address: str, deadline: Deadline) -> Reply:
        """Ask one authoritative server's address."""
        reply = ask(query, address, deadline=deadline, patience=self._patience, ports_of=self._ports_of)
        with self._lock:
            if reply.message is not None:
                self._silent.pop(address, None)
            else:
                self._silent[address] = self._monotonic() + self._remember
        return reply

    def follow(self, name: str, deadline: Deadline, *, stop: Callable[[str], bool] = lambda target: False) -> Place:
        """Follow CNAMEs from a name, asking authoritative servers, and find the zone of where they end.

        Args:
            stop: Says of a target that where it lies does not matter; it is not looked up.

        Where none of a zone's servers answers, a resolver is asked for the CNAME instead and ``silence`` says so.

        Raises:
            DnsRefused: a CNAME loop, more than 16 of them, or one that points at no name a record can stand at.
            DnsUnreachable: no resolver answers, no server is known, or the deadline has passed.
        """
        current = parse_message(name)
        seen = [current]
        hops: list[Hop] = []
        while True:
            zone, look = self._descend(current, deadline)
            message = look.message or self._hearsay(current, deadline)
            target = cname_target(message, current) if message is not None else None
            if target is None:
                return Place(
                    name=name,
                    target=write_message(current),
                    hops=tuple(hops),
                    zone=zone,
                    silence="" if look.message else look.reason,
                )
            hops.append(Hop(name=write_message(current), target=write_message(target), zone=zone))
            way = " -> ".join(write_message(step) for step in [*seen, target])
            if target in seen:
                raise DnsRefused(f"{name}: its CNAMEs run in a loop: {way}", hint="correct the CNAME records")
            if len(hops) > CNAME_LIMIT:
                raise DnsRefused(f"{name}: more than {CNAME_LIMIT} CNAMEs: {way}", hint="point the first at the last")
            if not is_plain(write_message(target)):
                raise DnsRefused(
                    f"{name}: {write_message(current)} points at a name that no record can stand at: {way}"
                )
            if stop(write_message(target)):
                return Place(
                    name=name, target=write_message(target), hops=tuple(hops), zone=zone, silence="not looked up"
                )
            seen.append(target)
            current = target

    def wildcard_of(self, hop: Hop, deadline: Deadline) -> str:
        """The wildcard record that a CNAME comes from (RFC 4592), such as ``*.example.com``; empty where the name has
        it itself.

        Raises:
            DnsUnreachable: nobody can be asked.
        """
        above, target = parse_message(hop.name).parent(), parse_message(hop.target)
        while above.is_subdomain(parse_message(hop.zone.name)) and above != dns.name.root:
            # What the wildcard answers for as well does not exist; the wildcard stands below the first name that does.
            if self._alias(hop.zone, above, deadline) != target:
                break
            above = above.parent()
        star = dns.name.from_text("*", above)
        return write_message(star) if self._alias(hop.zone, star, deadline) == target else ""

    def _alias(self, zone: Zone, name: dns.name.Name, deadline: Deadline) -> dns.name.Name | None:
        """Where a name of this zone points, by its servers, or by a resolver where none answers."""
        message = self._look(zone, name, deadline).message or self._hearsay(name, deadline)
        return cname_target(message, name) if message is not None else None

    def delegation(self, zone: str, deadline: Deadline) -> tuple[str, ...]:
        """The names of the servers that the parent delegates a zone to; empty where it does not, or cannot be asked."""
        return tuple(sorted(write_message(name) for name in self._delegation(parse_message(zone), deadline)))

    # ------------------------------------------------------------------------------------ down, by referral

    def _descend(self, name: dns.name.Name, deadline: Deadline) -> tuple[Zone, _Look]:
        apex = self._known_apex(name, deadline)
        restarted = False
        while True:
            zone = self._zone(apex, name, deadline)
            look = self._look(zone, name, deadline)
            while look.deeper is not None:
                apex, names = look.deeper
                zone = self._assembled(apex, names, True, deadline)
                look = self._look(zone, name, deadline)
            if look.message is None and look.answered and not restarted and apex != dns.name.root:
                # Somebody answered, but nobody is authoritative: the resolver may still name a zone that was
                # taken away, so start again above it.
                restarted = True
                self._forget(apex, name)
                try:
                    apex = self._apex(apex.parent(), deadline)
                    self._zone(apex, name, deadline)
                except DnsUnreachable:
                    return zone, look
                continue
            return zone, look

    def _look(self, zone: Zone, name: dns.name.Name, deadline: Deadline) -> _Look:
        apex = parse_message(zone.name)
        # Not TXT: a cache in front of a server (dnsdist) keeps a "no such name" for exactly this question, and would
        # give it to the CA after the value is published.
        query = question(name, dns.rdatatype.CNAME)
        reasons = [f"{server.name} has no address" for server in zone.servers if not server.addresses]
        answered = False
        for server, address in self._likely_first(zone.servers):
            reply = self.ask(query, address, deadline)
            message = reply.message
            if message is None:
                reasons.append(f"{server.name} ({address}) {reply.trouble}")
                continue
            answered = True
            referred = referral(message, apex, name)
            if referred is not None:
                return _Look(deeper=referred, answered=True)
            if message.flags & dns.flags.AA and message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return _Look(message=message, answered=True)
            reasons.append(f"{server.name} ({address}) {not_authoritative(message, zone.name)}")
        return _Look(reason="; ".join(reasons) or f"zone {zone.name} has no server", answered=answered)

    # ------------------------------------------------------------------------------------ a zone's servers

    def _zone(self, apex: dns.name.Name, name: dns.name.Name, deadline: Deadline) -> Zone:
        with self._lock:
            kept = self._zones.get(apex)
        if kept is not None and kept[0] > self._monotonic():
            return kept[1]
        names = self._delegation(apex, deadline)
        delegated = bool(names)
        if not names:
            found = self.resolvers.ask(apex, dns.rdatatype.NS, deadline)
            names = dict.fromkeys(targets_in(found.answer, apex), ())
            if not names and self._hides_zones(name, deadline):
                raise ZonesHidden(
                    f"resolver {', '.join(self.resolvers.addresses())} answers, but tells nothing about SOA or NS "
                    "records, by which a zone and its servers are found: does something filter these types?",
                    hint="set network.resolvers to resolvers that answer every type",
                )
        return self._assembled(apex, names, delegated, deadline)

    def _hides_zones(self, name: dns.name.Name, deadline: Deadline) -> bool:
        """Whether the resolvers keep NS records back: the root always has some."""
        fine = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        told = self.resolvers.ask(dns.name.root, dns.rdatatype.NS, deadline)
        if told.rcode() in fine:
            return not targets_in(told.answer, dns.name.root)
        # Who answers about aliases refuses these types alone.
        return self.resolvers.ask(name, dns.rdatatype.CNAME, deadline).rcode() in fine

    def _assembled(
        self, apex: dns.name.Name, names: dict[dns.name.Name, tuple[str, ...]], delegated: bool, deadline: Deadline
    ) -> Zone:
        servers = self._servers(names, deadline)
        if delegated:
            own = self._own_names(apex, servers, deadline)
            servers += self._servers({name: () for name in own if name not in names}, deadline)
        if not any(server.addresses for server in servers):
            listed = ", ".join(server.name for server in servers) or "no NS record found"
            raise DnsUnreachable(
                f"{write_message(apex)}: no authoritative server with an address ({listed})",
                hint="correct the zone's NS records and the addresses of the hosts that they name",
            )
        zone = Zone(
            name=write_message(apex), servers=tuple(sorted(servers, key=lambda each: each.name)), delegated=delegated
        )
        with self._lock:
            if len(self._zones) > 10_000 or len(self._silent) > 10_000:
                self._zones.clear()
                self._silent.clear()
            self._zones[apex] = (self._monotonic() + self._remember, zone)
        return zone

    def _forget(self, apex: dns.name.Name, name: dns.name.Name) -> None:
        with self._lock:
            self._zones.pop(apex, None)
            self._apexes.pop(name, None)

    def _servers(self, names: dict[dns.name.Name, tuple[str, ...]], deadline: Deadline) -> list[Server]:
        servers: list[Server] = []
        for name in sorted(names)[:_SERVER_LIMIT]:
            # Glue first: an internal view may give another address for the same name, and the CA follows the glue.
            addresses = names[name] or self._addresses(name, deadline)
            servers.append(Server(name=write_message(name), addresses=addresses[:_ADDRESS_LIMIT]))
        return servers

    def _addresses(self, name: dns.name.Name, deadline: Deadline) -> tuple[str, ...]:
        found: list[str] = []
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            for rrset in self.resolvers.ask(name, kind, deadline).answer:
                if rrset.rdtype == kind:
                    found.extend(sorted(rdata.to_text() for rdata in rrset))
        return tuple(dict.fromkeys(found))

    def _own_names(self, apex: dns.name.Name, servers: Sequence[Server], deadline: Deadline) -> list[dns.name.Name]:
        """What the delegated servers themselves list: some resolvers follow that."""
        query = question(apex, dns.rdatatype.NS)
        for _, address in self._likely_first(servers):
            message = self.ask(query, address, deadline).message
            if message is not None and message.flags & dns.flags.AA:
                return targets_in(message.answer, apex)
        return []

    def _likely_first(self, servers: Sequence[Server]) -> list[tuple[Server, str]]:
        """Every address, those that were silent a moment ago last, so that they are waited for once and not thrice."""
        now = self._monotonic()
        pairs = [(server, address) for server in servers for address in server.addresses]
        with self._lock:
            return sorted(pairs, key=lambda pair: self._silent.get(pair[1], 0.0) > now)

    def _delegation(self, apex: dns.name.Name, deadline: Deadline) -> dict[dns.name.Name, tuple[str, ...]]:
        """The delegation in the parent, with its glue; empty where the parent cannot be asked."""
        if apex == dns.name.root:
            return {}
        try:
            # Half of the time at most: where nobody says what lies above, the zone itself is looked at all the same.
            return self._delegated(apex, Deadline(deadline.left() / 2))
        except DnsUnreachable:
            return {}

    def _delegated(self, apex: dns.name.Name, deadline: Deadline) -> dict[dns.name.Name, tuple[str, ...]]:
        parent = self._apex(apex.parent(), deadline)
        found = self.resolvers.ask(parent, dns.rdatatype.NS, deadline)
        names: dict[dns.name.Name, tuple[str, ...]] = dict.fromkeys(targets_in(found.answer, parent), ())
        query = question(apex, dns.rdatatype.NS)
        while True:
            message = self._first_answer(query, names, deadline)
            if message is None:
                return {}
            referred = referral(message, parent, apex)
            if referred is None:
                # The parent's servers serve the child, too: their own answer is the delegation.
                return dict.fromkeys(targets_in(message.answer, apex), ()) if message.flags & dns.flags.AA else {}
            parent, names = referred
            if parent == apex:
                return names

    def _first_answer(
        self, query: dns.message.Message, names: dict[dns.name.Name, tuple[str, ...]], deadline: Deadline
    ) -> dns.message.Message | None:
        # Two servers are enough to learn a delegation; where port 53 is blocked more of them only cost time.
        for name in sorted(names)[:2]:
            for address in (names[name] or self._addresses(name, deadline))[:2]:
                message = self.ask(query, address, deadline).message
                if message is not None and message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return message
        return None

    # ------------------------------------------------------------------------------------ by resolver

    def _apex(self, name: dns.name.Name, deadline: Deadline) -> dns.name.Name:
        """The enclosing zone as a resolver sees it (RFC 1034 section 4.3.4: a negative answer has the zone's SOA)."""
        while name != dns.name.root:
            message = self.resolvers.ask(name, dns.rdatatype.SOA, deadline)
            if message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                for rrset in message.answer:
                    if rrset.rdtype == dns.rdatatype.SOA and rrset.name == name:
                        return name
                # Behind a CNAME the SOA is that of the target's zone, which says nothing of this name.
                if not any(rrset.rdtype == dns.rdatatype.CNAME for rrset in message.answer):
                    for rrset in message.authority:
                        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
                            return rrset.name
            name = name.parent()
        return dns.name.root

    def _known_apex(self, name: dns.name.Name, deadline: Deadline) -> dns.name.Name:
        """The same, remembered for the few looks that one order takes. A delegation made meanwhile shows as a referral,
        one taken away as a server that is not authoritative.
        """
        now = self._monotonic()
        with self._lock:
            kept = self._apexes.get(name)
            if kept is not None and kept[0] > now:
                return kept[1]
            if len(self._apexes) > _MOST_APEXES:
                self._apexes = {each: kept for each, kept in self._apexes.items() if kept[0] > now}
        apex = self._apex(name, deadline)
        with self._lock:
            self._apexes[name] = (self._monotonic() + min(self._remember, _APEX_SECONDS), apex)
        return apex

    def _hearsay(self, name: dns.name.Name, deadline: Deadline) -> dns.message.Message | None:
        """A resolver's answer, for CNAMEs only, where the authoritative servers cannot be asked from here."""
        if deadline.left() <= 0:
            raise DnsUnreachable(f"{write_message(name)}: its servers were not found within {deadline.seconds:g} s")
        return self.resolvers.ask(name, dns.rdatatype.CNAME, deadline)
