"""Whether a value can be published for a name at all, before anything is ordered.

Where the DNS belongs to another team there is a time in which it cannot: a CNAME or a delegation of the validation
name has been asked for and is not there yet. An order in that time would expire or fail; so none is made, and the
authoritative servers are looked at every minute.
"""

from __future__ import annotations

from collections.abc import Sequence

from certd.dns.authoritative import Place, ZoneFinder
from certd.dns.exchange import Deadline
from certd.dns.known_services import validation_service
from certd.dns.names import is_below, validation_name
from certd.errors import DnsRefused, DnsUnreachable, NoZone, ZonesHidden
from certd.ports import DnsProvider, Obstacle

HOW_TO_ASK = "`certd dns request` prints what to send to whoever runs the zone; certd goes on by itself"


def undelegated(
    provider: DnsProvider,
    domains: Sequence[str],
    authority: ZoneFinder,
    seconds: float,
    cname_zones: Sequence[str] = (),
) -> Obstacle | None:
    """The first obstacle for one of these names; None where there is none, or where nobody can be asked.

    Args:
        cname_zones: Where a CNAME may lead; empty: anywhere.
    """
    for name in dict.fromkeys(map(validation_name, domains)):
        deadline = Deadline(seconds)
        try:
            # The stranger's zone may be out of reach from here, and need not be seen.
            place = authority.follow(name, deadline, stop=lambda target: bool(validation_service(target)))
            found = misled(provider.name, place, cname_zones) or _at(provider, place, authority, deadline)
        except ZonesHidden as error:
            # Publishing needs what is hidden, too.
            return Obstacle(words=f"{name}: {error}", hint=error.hint, awaited=True)
        except DnsUnreachable:
            # Who does not answer is away, which is noticed and told where the value is published.
            continue
        except DnsRefused as error:
            return Obstacle(words=str(error), hint=error.hint, awaited=True)
        if found is not None:
            return found
    return None


def _at(provider: DnsProvider, place: Place, authority: ZoneFinder, deadline: Deadline) -> Obstacle | None:
    if stranger := taken(place):
        return stranger
    try:
        zone = provider.zone_of(place.target)
    except NoZone as error:
        return _by_wildcard(provider, place, authority, deadline) or _missing(provider, place, str(error), error.hint)
    except DnsRefused:
        # Wrong credentials are told where the value is published.
        return None
    public = place.zone.name
    if zone and not place.silence and zone != public and is_below(zone, public):
        words = f"{place.target}: zone {zone} of dns.{provider.name} is not delegated; the world asks {public}"
        return _missing(provider, place, words, "")
    return None


def misled(provider: str, place: Place, cname_zones: Sequence[str]) -> Obstacle | None:
    """A CNAME that leads where the owner lets none lead: the record is a customer's, the zone is not."""
    if not cname_zones or not place.hops or any(is_below(place.target, zone) for zone in cname_zones):
        return None
    return Obstacle(
        words=f"{place.name}: its CNAME leads to {place.target}, and dns.{provider}.cname_zones lets it lead to "
        f"{', '.join(cname_zones)} only",
        hint="correct the CNAME, or add the zone to cname_zones",
        awaited=True,
    )


def _by_wildcard(provider: DnsProvider, place: Place, authority: ZoneFinder, deadline: Deadline) -> Obstacle | None:
    """A wildcard CNAME that leads the validation name to where nothing can be published."""
    for hop in place.hops:
        if wildcard := authority.wildcard_of(hop, deadline):
            words = (
                f"{hop.name}: the wildcard record {wildcard} CNAME {hop.target} answers for it, "
                f"and dns.{provider.name} cannot publish at {place.target}"
            )
            wanted = provider.wanted(place.name)
            own = f"{wanted[0].kind} {wanted[0].value}" if wanted else 'TXT "own"'
            hint = f"give it a record of its own: {hop.name} {own}. A wildcard answers only for names that do not exist"
            return Obstacle(words=words, hint=hint, awaited=True)
    return None


def taken(place: Place) -> Obstacle | None:
    """Another service's own CNAME at the validation name: nothing can stand beside a CNAME (RFC 1034 section 3.6.2)."""
    for hop in place.hops:
        who = validation_service(hop.target)
        if who:
            link = place.name.partition(".")[2]
            return Obstacle(
                words=f"{hop.name}: is a CNAME to {hop.target}, by which {who} gets certificates of its own; beside a "
                "CNAME no value of ours can stand",
                hint=f"either that service keeps {link} in certificates, then take it out of certd; or have it turned "
                f"off there, and remove the CNAME or replace it (`certd dns request {link}`)",
                awaited=True,
            )
    return None


def _missing(provider: DnsProvider, place: Place, words: str, hint: str) -> Obstacle:
    wanted = provider.wanted(place.name)
    if not wanted:
        return Obstacle(words=f"waits for DNS: {words}", hint=hint or HOW_TO_ASK, awaited=True)
    records = ", ".join(f"{record.name} {record.kind} {record.value}" for record in wanted)
    return Obstacle(words=f"waits for DNS: {words}; wanted: {records}", hint=HOW_TO_ASK, awaited=True)
