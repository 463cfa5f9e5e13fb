"""Whether a CA may issue, by CAA records (RFC 8659, RFC 8657), asked before the CA is: a refusal there costs one of few
validations, and says less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CAA

from certd.dns.exchange import Deadline
from certd.dns.names import parsed, shown, written
from certd.dns.resolvers import Resolvers
from certd.errors import DnsUnreachable

DEADLINE_SECONDS = 10.0
METHOD = "dns-01"

# RFC 8659 section 4.1: bit 0 of the flags; Boulder takes bit 7 for it, too.
CRITICAL = 0x80 | 0x01
KNOWN_TAGS = frozenset({"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"})


@dataclass(frozen=True, slots=True)
class Property:
    """One CAA record."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{shown(self.value)}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevant:
    """The relevant set of a name.

    Attributes:
        at: Where it stands; the name itself, an alias's target, or a parent.
        by_alias: It stands at the target of a CNAME.
    """

    at: str
    properties: tuple[Property, ...]
    by_alias: bool = False


class Caa:
    """Looks the records up through resolvers, which chase aliases as RFC 8659 section 3 wants."""

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers

    def denied(self, domains: Sequence[str], identities: Sequence[str], account: str = "") -> str:
        """Why a CA may not issue for one of these names, in a sentence that names the record; empty when it may, or
        when nobody can say: then the CA finds out.

        Args:
            identities: What CAA records call the CA (``caaIdentities`` of its directory); none: nothing is judged.
            account: The URL of our account there.
        """
        if not identities:
            return ""
        for domain in domains:
            name = domain.removeprefix("*.")
            try:
                relevant = self.relevant(name)
            except DnsUnreachable:
                continue
            if relevant is None:
                continue
            why = judged(relevant.properties, identities, is_wildcard=domain != name, account=account)
            if why:
                where = f"{relevant.at}, where {name} points" if relevant.by_alias else relevant.at
                return f"{domain}: CAA at {where} forbids it: {why}"
        return ""

    def relevant(self, name: str) -> Relevant | None:
        """The first set that is not empty, from the name up to the top-level domain; parents are those of the original
        name. Raises DnsUnreachable where a resolver does not answer or fails.
        """
        labels = name.split(".")
        for index in range(len(labels)):
            current = ".".join(labels[index:])
            deadline = Deadline(DEADLINE_SECONDS)
            message = self._resolvers.ask(parsed(current), dns.rdatatype.CAA, deadline)
            if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                raise DnsUnreachable(f"{current}: {dns.rcode.to_text(message.rcode())} for CAA")
            found = _set_in(message, current)
            if found is not None:
                return found
        return None


def judged(properties: Sequence[Property], identities: Sequence[str], *, is_wildcard: bool, account: str) -> str:
    """Why not, or empty."""
    unknown = next((each for each in properties if each.flags & CRITICAL and each.tag not in KNOWN_TAGS), None)
    if unknown is not None:
        return f"{unknown} is critical, and no CA knows it"
    issue = [each for each in properties if each.tag == "issue"]
    wild = [each for each in properties if each.tag == "issuewild"]
    asked = wild if is_wildcard and wild else issue
    if not asked:
        return ""
    reasons = [_refusal(each, identities, account) for each in asked]
    if "" in reasons:
        return ""
    near = next((reason for reason in reasons if reason is not None and "only" in reason), "")
    add = f'0 {asked[0].tag} "{identities[0]}"'
    return near or f"it allows {', '.join(str(each) for each in asked)}; add {add}"


def _refusal(each: Property, identities: Sequence[str], account: str) -> str | None:
    """Empty where it permits, None where it speaks of another CA, else why it does not."""
    issuer, *parameters = (part.strip() for part in each.value.split(";"))
    if issuer.lower() not in {identity.lower() for identity in identities}:
        return None
    pairs = [parameter.partition("=")[::2] for parameter in parameters if parameter]
    for name in ("accounturi", "validationmethods"):
        if sum(key.strip().lower() == name for key, _ in pairs) > 1:
            return f"{each} says {name} twice, so it permits nothing: write it only once"
    values = {key.strip().lower(): value.strip() for key, value in pairs}
    if values.get("accounturi", account) != account and account:
        return f"{each} permits only another account; ours is {account}"
    methods = values.get("validationmethods")
    if methods is not None and METHOD not in {method.strip() for method in methods.split(",")}:
        return f"{each} permits only {methods}, and certd validates by {METHOD}"
    return ""


def _set_in(message: dns.message.Message, asked: str) -> Relevant | None:
    for rrset in message.answer:
        if rrset.rdtype != dns.rdatatype.CAA:
            continue
        properties = tuple(
            Property(rdata.flags, rdata.tag.decode("ascii", "replace").lower(), rdata.value.decode("utf-8", "replace"))
            for rdata in rrset
            if isinstance(rdata, dns.rdtypes.ANY.CAA.CAA)
        )
        at = written(rrset.name)
        if properties:
            return Relevant(at=at, properties=properties, by_alias=at != asked)
    return None
