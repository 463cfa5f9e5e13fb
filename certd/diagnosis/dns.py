"""A: where DNS leads."""

from __future__ import annotations

import socket

from certd.clicks.judge import is_of
from certd.clicks.model import Direction
from certd.diagnosis.findings import Result, fail, skip, warn, well
from certd.diagnosis.subject import Subject
from certd.dns.known_services import validation_service
from certd.dns.persist import HOW_TO_ASK, LABEL
from certd.model import DNS_01, DNS_PERSIST_01
from certd.timefmt import counted

CONNECT_SECONDS = 5.0
LONG_TTL = 3600


def resolves(subject: Subject) -> Result:
    """A1: the host has an address at every authoritative server, and for a resolver."""
    seen = subject.seen()
    if seen.trouble:
        return fail(f"no resolver answers for it: {seen.trouble}", "see network.resolvers")
    if seen.rcode not in {"NOERROR", "NXDOMAIN"}:
        return fail(f"{seen.speaker} answers {seen.rcode}", "correct the zone, or its DNSSEC")
    create = f"create {subject.desired.host} CNAME, to the name of your proxy or CDN"
    if seen.rcode == "NXDOMAIN" and not seen.aliases:
        return fail("there is no such name", create)
    if not seen.addresses:
        return fail(f"it has no address{' behind ' + seen.aliases[-1] if seen.aliases else ''}", create)
    for each in subject.everywhere():
        if each.trouble and each.speaker != "the authoritative servers":
            return warn(f"{each.speaker} {each.trouble}", "repair that name server, or remove it from the NS records")
        if not each.trouble and not each.addresses and not each.aliases:
            return fail(f"{each.speaker} does not know it", "let every authoritative server load the same zone")
    return well(f"{', '.join((*seen.aliases, *seen.addresses))}")


def target(subject: Subject) -> Result:
    """A2: it leads here, not back to the e-mail service."""
    look = subject.look()
    host = subject.desired.host
    managing = [
        (esp, alias)
        for esp in subject.desired.services
        for alias in look.pointing.aliases
        if is_of(alias, esp.managing)
    ]
    if managing:
        esp, alias = managing[0]
        words = f"it points at {alias}, where {esp.name} keeps the certificate itself: {esp.certificates}"
        return warn(words, "let certd not manage this host, or move it to a proxy of yours by `certd cutover`")
    waits = _waits(subject)
    match look.direction:
        case Direction.HERE:
            return well(look.words)
        case Direction.SERVICE if waits:
            return warn(
                f"{look.words}: ready, waiting for the CNAME", f"`certd cutover {host}` walks through the switch"
            )
        case Direction.SERVICE:
            hint = "point the first CNAME of the link branding at the proxy, and leave the second where it is"
            return fail(f"{look.words}: clients are shown the e-mail service's own certificate", hint)
        case Direction.NOWHERE:
            return fail(look.words, "point its CNAME at your proxy")
        case Direction.UNKNOWN:
            return warn(look.words, "look from another network, or see network.resolvers")
        case Direction.ELSEWHERE if waits:
            return warn(f"{look.words}: waiting for the CNAME", f"`certd cutover {host}` walks through the switch")
        case Direction.ELSEWHERE:
            return fail(look.words, "point its CNAME at your proxy; where this is right, name it: target = [...]")


def _waits(subject: Subject) -> bool:
    """A link of the configuration that DNS was never seen to lead here."""
    return subject.chart is not None and (subject.chart.clicks is None or subject.chart.clicks.waits_for_cname)


def owner_record(subject: Subject) -> Result:
    """A3: the second record of SendGrid's link branding is still at SendGrid."""
    esp = subject.desired.esp
    if esp is None or not esp.owner_record:
        return skip("the e-mail service wants no second record")
    if not subject.owner:
        return skip("its name, a number before your domain, is not known", "give it with --owner 12345678.example.com")
    look = subject.dns.alias(subject.owner)
    if look.trouble:
        return skip(look.trouble)
    if is_of(look.value, esp.hosts):
        return well(f"{subject.owner} leads to {look.value}")
    words = f"{subject.owner} leads to {look.value or 'nothing'}, not to {esp.hosts[0]}"
    return warn(words, f"put {subject.owner} CNAME {esp.hosts[0]} back: only the first record moves")


def consistency(subject: Subject) -> Result:
    """A4: every authoritative server says the same, and a switch can be quick."""
    answers = [each for each in subject.everywhere() if not each.trouble]
    if not answers:
        return skip("no authoritative server can be asked from here")
    kinds = {(each.aliases[:1], () if each.aliases else tuple(sorted(each.addresses))) for each in answers}
    if len(kinds) > 1:
        told = "; ".join(
            f"{each.speaker}: {', '.join((*each.aliases[:1], *each.addresses)) or 'nothing'}" for each in answers
        )
        return warn(f"its name servers disagree: {told}", "wait for the zone transfer, or repair it")
    ttl = max((each.ttl or 0 for each in answers), default=0)
    if ttl > LONG_TTL and (subject.chart is None or _waits(subject)):
        return warn(f"its TTL is {ttl} s: a switch, and the way back, take as long", "lower it to 60 before the switch")
    return well(f"{len(answers)} authoritative answers agree, TTL {ttl} s")


def cname_shape(subject: Subject) -> Result:
    """A5: one CNAME, not at the apex, without the zone's name twice."""
    host = subject.desired.host
    seen, zone = subject.seen(), subject.dns.zone(host)
    if zone.trouble:
        return skip(zone.trouble)
    firsts = {each.aliases[0] for each in subject.everywhere() if each.aliases}
    if host == zone.value and firsts:
        return fail(
            f"{host} is the zone's apex, where no CNAME may stand (RFC 1034 section 3.6.2)",
            "use addresses there, or a name below it",
        )
    if not seen.addresses and not seen.aliases:
        doubled = subject.names.seen(f"{host}.{zone.value}")
        if doubled.aliases or doubled.addresses:
            return fail(
                f"the record stands at {host}.{zone.value}: the zone's name is in it twice",
                f"write only the part before .{zone.value} in the form of your DNS provider",
            )
    bad = [each for each in seen.aliases if zone.value and each.endswith(f".{zone.value}.{zone.value}")]
    if bad:
        return fail(f"it points at {bad[0]}: the zone's name is in it twice", "end the target with a dot")
    return well(f"in zone {zone.value}")


def ipv6(subject: Subject) -> Result:
    """A6: each IPv6 address takes connections, too."""
    found = [address for address in subject.seen().addresses if ":" in address]
    if not found:
        return skip("it has no IPv6 address")
    if subject.is_at_service():
        return skip("it points at the e-mail service")
    for address in found:
        place = subject.desired.reach((address, 443))
        try:
            with socket.create_connection(place, timeout=CONNECT_SECONDS):
                continue
        except OSError as error:
            if not _has_ipv6():
                return skip("this machine has no IPv6")
            words = (
                f"[{address}]:443 takes no connection within {CONNECT_SECONDS:g} s ({error.strerror or 'timed out'})"
            )
            return fail(words, "remove the AAAA record, or open IPv6: it shows as failures by chance")
    return well(f"{counted(len(found), 'address')} {'takes' if len(found) == 1 else 'take'} connections")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            # Nothing is sent: connecting a datagram socket only asks for a route.
            probe.connect(("2001:db8::1", 9))
            return True
    except OSError:
        return False


def caa(subject: Subject) -> Result:
    """A7: CAA lets the CA issue."""
    identities = subject.chart.identities if subject.chart else ("letsencrypt.org",)
    if not identities:
        return skip("what CAA records call this CA is not known")
    look = subject.dns.caa(subject.desired.host, identities)
    if look.trouble:
        return warn(
            f"nobody can say: {look.trouble}", "a CA refuses when it cannot look up CAA: repair the name servers"
        )
    if look.value:
        return fail(f"CAA {look.value}", f'add: {subject.desired.host} CAA 0 issue "{identities[0]}"')
    return well(f"{identities[0]} may issue")


def acme_name(subject: Subject) -> Result:
    """A8: nobody else owns the validation name."""
    name = f"_acme-challenge.{subject.desired.host}"
    look = subject.dns.alias(name)
    if look.trouble:
        return skip(look.trouble)
    if not look.value:
        return well(f"{name} is free, or holds TXT records")
    if who := validation_service(look.value):
        hint = "remove that CNAME and that service's certificate, or let certd not manage this host"
        return fail(f"{name} is an alias of {look.value}: {who} owns the validation name", hint)
    own = subject.chart.own_zones if subject.chart else ()
    if is_of(look.value, own):
        return well(f"{name} leads to certd's own zone ({look.value})")
    if wildcard := subject.dns.wildcard(name, look.value):
        words = f"the wildcard record {wildcard} leads {name} to {look.value}: certd publishes there, or cannot"
        hint = f"give {name} a record of its own: a wildcard answers only for names that do not exist"
        return warn(words, hint)
    return well(f"{name} leads to {look.value}")


def dangling(subject: Subject) -> Result:
    """A9: every CNAME on the way leads to something that is there."""
    seen = subject.seen()
    if seen.trouble:
        return skip(seen.trouble)
    if seen.aliases and not seen.addresses:
        words = f"its CNAME leads to {seen.aliases[-1]}, which is not there: whoever registers that gets every click"
        return fail(words, "point it at something of yours, now")
    return well("every CNAME on the way is there") if seen.aliases else skip("it has no CNAME")


def dnssec(subject: Subject) -> Result:
    """A10: validating resolvers do not refuse it."""
    look = subject.dns.bogus(subject.desired.host)
    if look.trouble:
        return skip(look.trouble)
    if look.value:
        return fail(look.value, "correct the zone's signatures, or its DS record at the parent")
    return well("no resolver refuses it")


def system_resolvers(subject: Subject) -> Result:
    """A11: each line of /etc/resolv.conf has an effect."""
    ignored = subject.dns.ignored_lines()
    if not ignored:
        return well(f"certd asks {subject.dns.resolvers()}")
    words = f"/etc/resolv.conf: {'; '.join(ignored)}. certd and the C library ignore this and ask "
    return warn(
        words + subject.dns.resolvers(),
        'write one IP address without a port: "nameserver 192.0.2.53". For another port set network.resolvers',
    )


def persist(subject: Subject) -> Result:
    """A13: the record of dns-persist-01 lets our account validate, and goes on to when the certificate ends."""
    chart = subject.chart
    if chart is None or chart.challenge == DNS_01:
        return skip("it is not validated by dns-persist-01")
    name = LABEL + subject.desired.host
    look = subject.dns.txt(name)
    if look.trouble:
        return skip(look.trouble)
    is_only = chart.challenge == DNS_PERSIST_01
    if not look.values and not is_only:
        return skip(f"{name} has no record; a TXT value is published for each order")
    if not chart.account:
        return skip("certd has no account yet: `certd dns request --persist` makes it and prints the record")
    # What a private CA calls itself stands in its directory alone; here its own record says it.
    issuers = chart.identities or tuple(value.partition(";")[0].strip() for value in look.values)
    if not issuers:
        return fail(f"{name} has no record", HOW_TO_ASK)
    current = chart.facts.current if chart.facts is not None else None
    until = max(subject.now(), current.not_after) if current is not None else subject.now()
    words = subject.dns.persist(chart.domains or (subject.desired.host,), issuers, chart.account, until)
    if words:
        return (fail if is_only else warn)(words, HOW_TO_ASK)
    return well(f"{name} names our account")


def own_record(subject: Subject) -> Result:
    """A12: the host has a record of its own. One that only a wildcard answers for has no address while its challenge
    stands: the TXT record at ``_acme-challenge.HOST`` makes HOST exist, and a wildcard answers only for names that do
    not exist (RFC 4592, section 2.2.2).
    """
    seen = subject.seen()
    if seen.trouble or not seen.addresses:
        return skip("it has no address")
    found = set(seen.addresses), seen.aliases
    for each in subject.unknown_names():
        if each.trouble:
            return skip(each.trouble)
        # Below a name that exists, the wildcard above it does not answer.
        if (set(each.addresses), each.aliases) != found:
            return well("it has a record of its own")
    kind = f"CNAME {seen.aliases[0]}" if seen.aliases else "address records"
    return warn(
        "only a wildcard record answers for it: it has no address while its challenge stands, and resolvers keep that",
        f"give it a record of its own: {subject.desired.host} {kind}",
    )
