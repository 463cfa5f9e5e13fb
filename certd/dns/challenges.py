"""dns-01: validation names in, TXT records out (RFC 8555 section 8.4).

"Everywhere" is asked of every authoritative server on every address, because one failed validation costs one of
five an hour: the CA asks from several networks and any of the servers may be the one that answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import dns.rcode
import dns.rdatatype

from certd.dns.authoritative import Place, ZoneFinder
from certd.dns.caa import Above, Caa
from certd.dns.delegation import misled, undelegated
from certd.dns.exchange import Deadline, question
from certd.dns.messages import parse_message
from certd.dns.persist import unpersisted
from certd.dns.propagation import Check, Finding, Mark, checks_of, judge_reply, predicate, serial_in, values_in
from certd.errors import DnsRefused, DnsUnreachable
from certd.model import DNS_01, TxtCleanup, TxtRecord
from certd.ports import Clock, DnsProvider, Obstacle, Propagation

# Ample for two dozen addresses that take turns at being silent; a lane's worker must come back.
SPREAD_DEADLINE = timedelta(seconds=20)

# How long an own address that cannot be reached from inside (hairpin) is given before it is taken as seen.
HAIRPIN_GRACE = timedelta(seconds=10)

# A server that does not answer us is passed over so long after the value was added, when another shows it; and where
# none can be asked, the value has had its time to spread.
PATIENCE = timedelta(minutes=2)

_AT_ONCE = 8
_DOH_SECONDS = 5.0
_RESOLVER_SECONDS = 5.0


class Dns01:
    """The dns-01 solver over the configured providers (the port ``Challenges``).

    Args:
        providers: By their names in the configuration (``dns.<name>``).
        own_addresses: Addresses of our own responder as the world sees them; one that cannot be reached from
            inside is a warning and a grace period, not a refusal.
        deadline: For one ``present``'s look-ups, and for one ``spread``.
        strict_parents: The parents of a name whose HSTS covers it, for the way out of a CAA denial.
        cname_zones: By provider: the zones that a CNAME may lead to; none: any.
    """

    def __init__(
        self,
        providers: Mapping[str, DnsProvider],
        authority: ZoneFinder,
        clock: Clock,
        *,
        own_addresses: Collection[str] = (),
        deadline: timedelta = SPREAD_DEADLINE,
        grace: timedelta = HAIRPIN_GRACE,
        patience: timedelta = PATIENCE,
        strict_parents: Callable[[str], Sequence[str]] = lambda name: (),
        cname_zones: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._providers = providers
        self._authority = authority
        self._clock = clock
        self._own_addresses = frozenset(own_addresses)
        self._deadline = deadline
        self._grace = grace
        self._patience = patience
        self._strict_parents = strict_parents
        self._caa_above: Above = {}
        self._cname_zones = cname_zones or {}

    def denied(
        self, domains: Sequence[str], identities: Sequence[str], account: str, method: str = DNS_01
    ) -> Obstacle | None:
        """See :class:`certd.dns.caa.Caa`."""
        return Caa(self._authority.resolvers, self._strict_parents, self._caa_above).denied(
            domains, identities, account, method
        )

    def unpersisted(
        self, domains: Sequence[str], issuers: Sequence[str], account: str, until: datetime
    ) -> Obstacle | None:
        """See :mod:`certd.dns.persist`."""
        return unpersisted(domains, issuers, account, self._authority, self._deadline.total_seconds(), until)

    def undelegated(self, provider: str, domains: Sequence[str]) -> Obstacle | None:
        """See :mod:`certd.dns.delegation`."""
        known = self._providers.get(provider)
        if known is None:
            return None
        zones = self._cname_zones.get(provider, ())
        return undelegated(known, domains, self._authority, self._deadline.total_seconds(), zones)

    def present(self, *cleanups: TxtCleanup) -> tuple[TxtCleanup, ...]:
        """Add the values where the CNAMEs lead. Raises DnsUnreachable or DnsRefused."""
        wanted: dict[tuple[str, str], list[TxtRecord]] = {}
        ends: dict[tuple[str, str], tuple[str, str]] = {}
        for cleanup in cleanups:
            where = cleanup.provider, cleanup.name
            if where not in ends:
                # A name and its wildcard share a validation name, which is followed once.
                place = self._follow(cleanup.name)
                if obstacle := misled(cleanup.provider, place, self._cname_zones.get(cleanup.provider, ())):
                    raise DnsRefused(obstacle.words, hint=obstacle.hint)
                ends[where] = place.target, self._provider(cleanup).zone_of(place.target) or place.zone.name
            target, zone = ends[where]
            record = TxtRecord(zone=zone, name=target, value=cleanup.value)
            wanted.setdefault((cleanup.provider, zone), []).append(record)
        for (provider, _), records in wanted.items():
            self._providers[provider].add(*records)
        now = self._clock.now()
        filled = []
        for cleanup in cleanups:
            target, zone = ends[cleanup.provider, cleanup.name]
            filled.append(replace(cleanup, target=target, zone=zone, added_at=now))
        return tuple(filled)

    def spread(self, cleanup: TxtCleanup) -> Propagation:
        """Whether every authoritative server shows the value, and every CNAME on the way to it.

        What cannot be seen never blocks for ever: servers that do not answer (us) are passed over after a grace when
        another shows the value; where none can be asked, resolvers are, and at last the CA.
        """
        deadline = Deadline(self._deadline.total_seconds())
        try:
            place = self._authority.follow(cleanup.name, deadline)
        except (DnsUnreachable, DnsRefused) as error:
            return Propagation(everywhere=False, because=str(error))
        if cleanup.target and place.target != cleanup.target:
            because = f"{cleanup.name}: it leads to {place.target} now, our value was added at {cleanup.target}"
            return Propagation(everywhere=False, because=because)
        found = self._findings(place, cleanup, deadline)
        ends = [finding for finding in found if finding.check.value]
        is_shown = any(finding.mark is Mark.SHOWN for finding in ends)
        wrong = next((finding for finding in found if finding.mark is Mark.WRONG), None)
        if wrong is not None:
            because = self._why_wrong(cleanup, wrong, ends, deadline)
            return Propagation(everywhere=False, somewhere=is_shown, because=because)
        if is_shown:
            return self._shown(cleanup, place, found)
        if all(finding.mark is Mark.LAME for finding in ends):
            return Propagation(everywhere=False, because=self._all_lame(place, ends))
        return self._unseen(cleanup, place, ends)

    def settle(self, cleanup: TxtCleanup) -> None:
        """Remove exactly our value. Raises DnsUnreachable or DnsRefused."""
        provider = self._provider(cleanup)
        target, zone = cleanup.target, cleanup.zone
        if not target:
            # Its holder may have died between adding the value and writing down where: it went where the CNAMEs lead.
            place = self._follow(cleanup.name)
            target, zone = place.target, provider.zone_of(place.target) or place.zone.name
        provider.remove(TxtRecord(zone=zone, name=target, value=cleanup.value))

    # ------------------------------------------------------------------------------------ looking

    def _follow(self, name: str) -> Place:
        return self._authority.follow(name, Deadline(self._deadline.total_seconds()))

    def _provider(self, cleanup: TxtCleanup) -> DnsProvider:
        provider = self._providers.get(cleanup.provider)
        if provider is None:
            raise DnsRefused(
                f"{cleanup.name}: dns.{cleanup.provider} is not configured on this node",
                hint=f"put [dns.{cleanup.provider}] back, or remove the TXT value at "
                f"{cleanup.target or cleanup.name} by hand",
            )
        return provider

    def _findings(self, place: Place, cleanup: TxtCleanup, deadline: Deadline) -> list[Finding]:
        def one(check: Check) -> Finding:
            reply = self._authority.ask(question(parse_message(check.name), dns.rdatatype.TXT), check.address, deadline)
            if reply.message is None and check.address in self._own_addresses and self._waited(cleanup, self._grace):
                words = f"is our own address and cannot be reached from inside: it {reply.trouble}"
                return Finding(check=check, mark=Mark.SHOWN, words=words)
            return judge_reply(check, reply)

        checks = checks_of(place, cleanup.value)
        if len(checks) < 2:
            return [one(check) for check in checks]
        # dnspython is bound by the interpreter's lock, but silent servers are waited for side by side.
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(checks)), thread_name_prefix="dns") as pool:
            return list(pool.map(one, checks))

    def _waited(self, cleanup: TxtCleanup, grace: timedelta) -> bool:
        return cleanup.added_at is not None and self._clock.now() >= cleanup.added_at + grace

    # ------------------------------------------------------------------------------------ concluding

    def _shown(self, cleanup: TxtCleanup, place: Place, found: Sequence[Finding]) -> Propagation:
        """Somebody shows it, and nobody that answers for the zone says otherwise."""
        missing = [finding for finding in found if finding.mark is not Mark.SHOWN]
        missing = [finding for finding in missing if "no route" not in finding.words]
        zones = (*(hop.zone for hop in place.hops), place.zone)
        homeless = [
            f"{s.name}, a server of {z.name}, has no address" for z in zones for s in z.servers if not s.addresses
        ]
        words = [finding.sentence for finding in missing] + [f"{cleanup.name}: {each}" for each in homeless]
        if words and not self._waited(cleanup, self._patience):
            return Propagation(everywhere=False, somewhere=True, because=words[0])
        if broken := self._dnssec(place):
            return Propagation(everywhere=False, somewhere=True, because=broken)
        words += [finding.sentence for finding in found if finding.words and finding not in missing]
        left_out = f"; passed over: {'; '.join(words)}" if words else ""
        because = f"{place.target}: every authoritative server that answers shows our value{left_out}"
        return Propagation(everywhere=True, somewhere=True, because=because)

    def _why_wrong(self, cleanup: TxtCleanup, wrong: Finding, ends: Sequence[Finding], deadline: Deadline) -> str:
        """A lagging secondary, an internal view, or nobody yet: each in its own words."""
        right = next((finding for finding in ends if finding.mark is Mark.SHOWN), None)
        if right is not None and wrong.check.value:
            behind, ahead = (self._serial(finding.check, deadline) for finding in (wrong, right))
            if behind is not None and ahead is not None and behind != ahead:
                return (
                    f"{wrong.sentence}; it lags behind {right.check.server}: it has serial {behind} of "
                    f"{wrong.check.zone.name}, not {ahead} (has it been notified? may it transfer the zone?)"
                )
            if behind is not None and self._waited(cleanup, self._grace):
                return (
                    f"{wrong.sentence}; {right.check.server} shows our value, and both have serial {behind} of "
                    f"{wrong.check.zone.name}: the zone changes without a new serial, so its secondaries do not "
                    "fetch it (PowerDNS: set SOA-EDIT-API)"
                )
            return wrong.sentence
        if not wrong.check.value or not self._waited(cleanup, self._grace):
            return wrong.sentence
        # Not sooner: a resolver would remember for a while that there is no such value.
        if self._by_resolvers(cleanup, wrong.check.name)[0]:
            return (
                f"{wrong.sentence}; but this host's resolver shows our value: it stands in an internal view, and the "
                "world does not see it (split DNS); publish it at the servers that the parent delegates to"
            )
        if len(ends) > 1:
            return (
                f"{wrong.sentence}; no public server of {wrong.check.zone.name} shows it, though "
                f"dns.{cleanup.provider} took it: a hidden primary whose secondaries are slow, "
                "or another copy of the zone"
            )
        return wrong.sentence

    def _serial(self, check: Check, deadline: Deadline) -> int | None:
        query = question(parse_message(check.zone.name), dns.rdatatype.SOA)
        return serial_in(self._authority.ask(query, check.address, deadline).message)

    def _all_lame(self, place: Place, ends: Sequence[Finding]) -> str:
        words = "; ".join(finding.sentence for finding in ends[:4]) or f"{place.target}: {place.silence}"
        return f"no server of {place.zone.name} answers for it: {words}"

    def _unseen(self, cleanup: TxtCleanup, place: Place, ends: Sequence[Finding]) -> Propagation:
        """No authoritative server can be asked from here: resolvers may still tell, over TCP or HTTPS."""
        silence = "; ".join(finding.sentence for finding in ends[:4]) or place.silence
        nobody = f"{place.target}: no authoritative server of {place.zone.name} answers us: {silence}"
        is_seen, words = self._by_resolvers(cleanup, place.target)
        if is_seen:
            return Propagation(everywhere=True, somewhere=True, because=f"{place.target}: {words} our value; {nobody}")
        if self._waited(cleanup, self._patience):
            because = f"{nobody}; {words}; it has had its time to spread, so the CA is asked"
            return Propagation(everywhere=True, because=because)
        hint = "" if self._authority.resolvers.doh else "; is port 53 outward blocked? network.doh is the way round"
        return Propagation(everywhere=False, because=f"{nobody}; {words}{hint}")

    def _by_resolvers(self, cleanup: TxtCleanup, name: str) -> tuple[bool, str]:
        """Whether a resolver, or DNS over HTTPS, shows the value, and what it says."""
        resolvers, words = self._authority.resolvers, "no resolver answers"
        try:
            message = resolvers.ask(parse_message(name), dns.rdatatype.TXT, Deadline(_RESOLVER_SECONDS))
        except DnsUnreachable:
            pass
        else:
            values = values_in(message, name)
            if cleanup.value in values:
                return True, "the resolver shows"
            words = f"the resolver {predicate(values, message, cleanup.value)}"
        if resolvers.doh is None:
            return False, words
        reply = resolvers.ask_doh(
            question(parse_message(name), dns.rdatatype.TXT, recursion=True), Deadline(_DOH_SECONDS)
        )
        if reply.message is None:
            return False, f"{words}, and DNS over HTTPS {reply.trouble}"
        values = values_in(reply.message, name)
        if cleanup.value in values:
            return True, "DNS over HTTPS shows"
        return False, f"{words}, and DNS over HTTPS {predicate(values, reply.message, cleanup.value)}"

    def _dnssec(self, place: Place) -> str:
        """What a CA that validates would run into: SERVFAIL, which goes away when validation is switched off."""
        resolvers, name = self._authority.resolvers, parse_message(place.target)
        try:
            strict = resolvers.ask(name, dns.rdatatype.TXT, Deadline(_RESOLVER_SECONDS))
            if strict.rcode() != dns.rcode.SERVFAIL:
                return ""
            lax = resolvers.ask(name, dns.rdatatype.TXT, Deadline(_RESOLVER_SECONDS), checking_disabled=True)
        except DnsUnreachable:
            return ""
        if lax.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return ""
        return (
            f"{place.target}: DNSSEC is broken in zone {place.zone.name}: a validating resolver answers SERVFAIL, and "
            "answers when validation is off; a CA validates (expired signatures? a DS record of an old key?)"
        )
