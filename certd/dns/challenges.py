"""dns-01: validation names in, TXT records out (RFC 8555 section 8.4).

"Everywhere" is asked of every authoritative server on every address, because one failed validation costs one of
five an hour: the CA asks from several networks and any of the servers may be the one that answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype

from certd.dns.authority import Authority, Place, Zone, cname_target, not_authoritative, referral
from certd.dns.caa import Caa
from certd.dns.delegation import undelegated
from certd.dns.exchange import Deadline, Reply, question
from certd.dns.names import parsed, shown, written
from certd.errors import DnsRefused, DnsUnreachable
from certd.model import Debt
from certd.ports import Clock, DnsProvider, Obstacle, Spread, TxtRecord

# Ample for two dozen addresses that take turns at being silent; a lane's worker must come back.
SPREAD_DEADLINE = timedelta(seconds=20)

# How long an own address that cannot be reached from inside (hairpin) is given before it is taken as seen.
HAIRPIN_GRACE = timedelta(seconds=10)

_AT_ONCE = 8
_DOH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One question that must be answered well: the value at the end, or a CNAME on the way."""

    name: str
    zone: Zone
    server: str
    address: str
    value: str = ""
    points_at: str = ""


class Dns01:
    """The dns-01 solver over the configured providers (the port ``Challenges``).

    Args:
        providers: By their names in the configuration (``dns.<name>``).
        own_addresses: Addresses of our own responder as the world sees them; one that cannot be reached from
            inside is a warning and a grace period, not a refusal.
        deadline: For one ``present``'s look-ups, and for one ``spread``.
        strict_parents: The parents of a name whose HSTS covers it, for the way out of a CAA denial.
    """

    def __init__(
        self,
        providers: Mapping[str, DnsProvider],
        authority: Authority,
        clock: Clock,
        *,
        own_addresses: Collection[str] = (),
        deadline: timedelta = SPREAD_DEADLINE,
        grace: timedelta = HAIRPIN_GRACE,
        strict_parents: Callable[[str], Sequence[str]] = lambda name: (),
    ) -> None:
        self._providers = providers
        self._authority = authority
        self._clock = clock
        self._own_addresses = frozenset(own_addresses)
        self._deadline = deadline
        self._grace = grace
        self._strict_parents = strict_parents

    def denied(self, domains: Sequence[str], identities: Sequence[str], account: str) -> Obstacle | None:
        """See :class:`certd.dns.caa.Caa`."""
        return Caa(self._authority.resolvers, self._strict_parents).denied(domains, identities, account)

    def undelegated(self, provider: str, domains: Sequence[str]) -> Obstacle | None:
        """See :mod:`certd.dns.delegation`."""
        known = self._providers.get(provider)
        if known is None:
            return None
        return undelegated(known, domains, self._authority, self._deadline.total_seconds())

    def present(self, debt: Debt) -> Debt:
        """Add the value where the CNAMEs lead. Raises DnsUnreachable or DnsRefused."""
        provider = self._provider(debt)
        place = self._follow(debt.name)
        zone = provider.zone_of(place.target) or place.zone.name
        provider.add(TxtRecord(zone=zone, name=place.target, value=debt.value))
        return replace(debt, target=place.target, zone=zone, added_at=self._clock.now())

    def spread(self, debt: Debt) -> Spread:
        """Whether every authoritative server shows the value, and every CNAME on the way to it."""
        deadline = Deadline(self._deadline.total_seconds())
        try:
            place = self._authority.follow(debt.name, deadline)
        except (DnsUnreachable, DnsRefused) as error:
            return Spread(everywhere=False, because=str(error))
        if debt.target and place.target != debt.target:
            because = f"{debt.name}: it leads to {place.target} now, our value was added at {debt.target}"
            return Spread(everywhere=False, because=because)
        checks = _checks(place, debt.value)
        replies = self._ask(checks, deadline)
        if place.silence and not any(reply.message for reply in replies):
            return self._without_authority(debt, place, checks, replies)
        return self._judged(debt, place, checks, replies)

    def settle(self, debt: Debt) -> None:
        """Remove exactly our value. Raises DnsUnreachable or DnsRefused."""
        provider = self._provider(debt)
        target, zone = debt.target, debt.zone
        if not target:
            # Its holder may have died between adding the value and writing down where: it went where the CNAMEs lead.
            place = self._follow(debt.name)
            target, zone = place.target, provider.zone_of(place.target) or place.zone.name
        provider.remove(TxtRecord(zone=zone, name=target, value=debt.value))

    # ------------------------------------------------------------------------------------ looking

    def _follow(self, name: str) -> Place:
        return self._authority.follow(name, Deadline(self._deadline.total_seconds()))

    def _provider(self, debt: Debt) -> DnsProvider:
        provider = self._providers.get(debt.provider)
        if provider is None:
            raise DnsRefused(
                f"{debt.name}: dns.{debt.provider} is not configured on this node",
                hint=f"put [dns.{debt.provider}] back, or remove the TXT value at {debt.target or debt.name} by hand",
            )
        return provider

    def _ask(self, checks: Sequence[_Check], deadline: Deadline) -> list[Reply]:
        def one(check: _Check) -> Reply:
            return self._authority.ask(question(parsed(check.name), dns.rdatatype.TXT), check.address, deadline)

        if not checks:
            return []
        # dnspython is bound by the interpreter's lock, but silent servers are waited for side by side.
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(checks)), thread_name_prefix="dns") as pool:
            return list(pool.map(one, checks))

    def _judged(self, debt: Debt, place: Place, checks: Sequence[_Check], replies: Sequence[Reply]) -> Spread:
        skipped: list[str] = []
        seen = 0
        for check, reply in zip(checks, replies, strict=True):
            who = f"{check.server} ({check.address})"
            if reply.no_route:
                skipped.append(f"{who} {reply.trouble}")
            elif reply.message is None and self._is_hairpin(debt, check.address):
                skipped.append(f"{who} is our own address and cannot be reached from inside: it {reply.trouble}")
                seen += 1
            elif wrong := _wrong(check, reply):
                return Spread(everywhere=False, because=f"{check.name}: {who} {wrong}")
            else:
                seen += 1
        for zone in (*(hop.zone for hop in place.hops), place.zone):
            for server in zone.servers:
                if not server.addresses:
                    because = f"{debt.name}: {server.name}, a server of {zone.name}, has no address"
                    return Spread(everywhere=False, because=because)
        left_out = f"; not asked: {'; '.join(skipped)}" if skipped else ""
        if not seen:
            return Spread(everywhere=False, because=f"{debt.name}: no authoritative server can be asked{left_out}")
        return Spread(everywhere=True, because=f"{place.target}: every authoritative server shows our value{left_out}")

    def _is_hairpin(self, debt: Debt, address: str) -> bool:
        waited = debt.added_at is not None and self._clock.now() >= debt.added_at + self._grace
        return waited and address in self._own_addresses

    def _without_authority(
        self, debt: Debt, place: Place, checks: Sequence[_Check], replies: Sequence[Reply]
    ) -> Spread:
        """No authoritative server answers at all: likely port 53 is blocked outward; DNS over HTTPS may still tell."""
        if checks and all(check.address in self._own_addresses for check in checks):
            return self._judged(debt, place, checks, replies)
        nobody = f"{place.target}: no authoritative server of {place.zone.name} answers: {place.silence}"
        if self._authority.resolvers.doh is None:
            return Spread(
                everywhere=False, because=f"{nobody}; is port 53 outward blocked? network.doh is the way round"
            )
        query = question(parsed(place.target), dns.rdatatype.TXT, recursion=True)
        reply = self._authority.resolvers.ask_doh(query, Deadline(_DOH_SECONDS))
        if reply.message is None:
            return Spread(everywhere=False, because=f"{nobody}; and DNS over HTTPS {reply.trouble}")
        if debt.value in _values(reply.message, place.target):
            return Spread(everywhere=True, because=f"{place.target}: DNS over HTTPS shows our value; {nobody}")
        found = _predicate(_values(reply.message, place.target), reply.message, debt.value)
        return Spread(everywhere=False, because=f"{place.target}: DNS over HTTPS {found}; {nobody}")


def _checks(place: Place, value: str) -> list[_Check]:
    checks = [
        _Check(name=hop.name, zone=hop.zone, server=server.name, address=address, points_at=hop.target)
        for hop in place.hops
        for server in hop.zone.servers
        for address in server.addresses
    ]
    checks += [
        _Check(name=place.target, zone=place.zone, server=server.name, address=address, value=value)
        for server in place.zone.servers
        for address in server.addresses
    ]
    return checks


def _wrong(check: _Check, reply: Reply) -> str:
    """What is wrong with a server's answer, as the predicate of a sentence; empty when it is as it should be."""
    message = reply.message
    if message is None:
        return reply.trouble
    referred = referral(message, parsed(check.zone.name), parsed(check.name))
    if referred is not None:
        return f"refers to a deeper zone, {written(referred[0])}"
    if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not message.flags & dns.flags.AA:
        return not_authoritative(message, check.zone.name)
    target = cname_target(message, parsed(check.name))
    if check.points_at:
        if target is not None and written(target) == check.points_at:
            return ""
        says = f"points at {written(target)}" if target is not None else "has no CNAME there"
        return f"{says}, expected a CNAME to {check.points_at}"
    if target is not None:
        return f"points at {written(target)}, expected {_quoted(check.value)}"
    values = _values(message, check.name)
    return "" if check.value in values else _predicate(values, message, check.value)


def _predicate(values: Sequence[str], message: dns.message.Message, expected: str) -> str:
    if values:
        more = f" and {len(values) - 1} more" if len(values) > 1 else ""
        return f"answers {_quoted(values[0])}{more}, expected {_quoted(expected)}"
    if message.rcode() == dns.rcode.NXDOMAIN:
        return f"says that the name does not exist (NXDOMAIN), expected {_quoted(expected)}"
    if message.rcode() != dns.rcode.NOERROR:
        return f"answers {dns.rcode.to_text(message.rcode())}, expected {_quoted(expected)}"
    return f"has no TXT record there, expected {_quoted(expected)}"


def _quoted(value: str) -> str:
    return f'"{shown(value)}"'


def _values(message: dns.message.Message, name: str) -> list[str]:
    """The TXT values at a name; strings of one record are joined as the CA joins them."""
    owner = parsed(name)
    return sorted(
        b"".join(_strings(rdata)).decode("latin-1")
        for rrset in message.answer
        if rrset.rdtype == dns.rdatatype.TXT and rrset.name == owner
        for rdata in rrset
    )


def _strings(rdata: dns.rdata.Rdata) -> tuple[bytes, ...]:
    strings = getattr(rdata, "strings", ())
    return strings if isinstance(strings, tuple) else ()
