"""Whether a CA may issue, by CAA records (RFC 8659, RFC 8657), asked before the CA is: a refusal there costs one of few
validations, and says less.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CAA

from certd.dns.exchange import Deadline
from certd.dns.known_services import mail_service
from certd.dns.messages import parse_message, write_message
from certd.dns.names import display_name
from certd.dns.resolvers import Resolvers
from certd.errors import DnsUnreachable
from certd.model import DNS_01
from certd.ports import Obstacle

DEADLINE_SECONDS = 10.0
ABOVE_SECONDS = 5.0
MOST_ABOVE = 1000

# RFC 8659 section 4.2: tag=value, the value without spaces, semicolons or control characters.
PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*[ \t]*=[ \t]*[!-:<-~]*\Z")

# RFC 8659 section 4.1: bit 0 of the flags; Boulder takes bit 7 for it, too.
CRITICAL = 0x80 | 0x01
CHANGE = (
    "change that record, or use an issuer that it allows; it is looked at again every few minutes, "
    "nothing was asked of the CA"
)
SAFE_PATH = (
    "while links in mails are still http, point it at your proxy with port 80 forwarding to the e-mail service "
    "(`certd proxy-config`), certd issues within minutes, and only then have the e-mail service turn SSL on; "
    "it is looked at every minute, nothing is asked of the CA until then"
)
KNOWN_TAGS = frozenset({"issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc"})


@dataclass(frozen=True, slots=True)
class Property:
    """One CAA record."""

    flags: int
    tag: str
    value: str

    def __str__(self) -> str:
        return f'{self.flags} {self.tag} "{display_name(self.value)}"'


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


Above = dict[str, tuple[float, Relevant | None]]
"""By name: when it was asked, on the clock that never goes back, and what stood there."""


class Caa:
    """Looks the records up through resolvers, which chase aliases as RFC 8659 section 3 wants.

    Args:
        strict_parents: The parents of a name whose HSTS covers it.
        above: What parents said a moment ago, where many links of one domain are due together.
    """

    def __init__(
        self,
        resolvers: Resolvers,
        strict_parents: Callable[[str], Sequence[str]] = lambda name: (),
        above: Above | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolvers = resolvers
        self._strict_parents = strict_parents
        self._above: Above = {} if above is None else above
        self._monotonic = monotonic

    def denied(
        self, domains: Sequence[str], identities: Sequence[str], account: str = "", method: str = DNS_01
    ) -> Obstacle | None:
        """Why a CA may not issue for one of these names, naming the record; None when it may, or when nobody can say:
        then the CA finds out.

        Args:
            identities: What CAA records call the CA (``caaIdentities`` of its directory); none: nothing is judged.
            account: The URL of our account there.
            method: How the names are to be validated (RFC 8657 section 4).
        """
        for domain in domains if identities else ():
            name = domain.removeprefix("*.")
            try:
                relevant = self.relevant(name)
                why = _why(relevant, identities, domain != name, account, method)
                if relevant is None or not why:
                    continue
                words = f"{domain}: CAA at {relevant.at} forbids it: {why}"
                if not relevant.by_alias:
                    return Obstacle(words=words, hint=CHANGE)
                # What would count if the name pointed elsewhere.
                above = _why(self.relevant(name.partition(".")[2]), identities, domain != name, account, method)
                return self._by_alias(domain, name, relevant.at, why, above)
            except DnsUnreachable:
                continue
        return None

    def _by_alias(self, domain: str, name: str, at: str, why: str, above: str) -> Obstacle:
        service = mail_service(at)
        points = f"where {name} points" + (f" (it still points at {service})" if service else "")
        words = f"{domain}: CAA at {at}, {points}, forbids it: {why}"
        if above:
            return Obstacle(words=f"{words}; and above {name}: {above}", hint=CHANGE)
        hint = f"only that record forbids it, and it counts for as long as {name} is a CNAME to it: {SAFE_PATH}"
        if strict := self._strict_parents(name):
            hint += (
                f". But {', '.join(strict)} sends HSTS with includeSubDomains: browsers that saw it turn http links "
                "into https, so from the moment the CNAME moves until the certificate is served clicks fail for them; "
                "move it when few click, with certd running, or have that service's CAA allow the CA first"
            )
        return Obstacle(words=words, hint=hint, awaited=True)

    def relevant(self, name: str) -> Relevant | None:
        """The first set that is not empty, from the name up to the top-level domain; parents are those of the original
        name. Raises DnsUnreachable where a resolver does not answer or fails.
        """
        labels = name.split(".") if name else []
        for index in range(len(labels)):
            found = self._said_above(".".join(labels[index:])) if index else self._said_at(name)
            if found is not None:
                return found
        return None

    def _said_above(self, parent: str) -> Relevant | None:
        known = self._above.get(parent)
        now = self._monotonic()
        if known is not None and known[0] + ABOVE_SECONDS > now:
            return known[1]
        if len(self._above) >= MOST_ABOVE:
            self._above.clear()
        found = self._said_at(parent)
        self._above[parent] = (now, found)
        return found

    def _said_at(self, name: str) -> Relevant | None:
        message = self._resolvers.ask(parse_message(name), dns.rdatatype.CAA, Deadline(DEADLINE_SECONDS))
        if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            code = dns.rcode.to_text(message.rcode())
            raise DnsUnreachable(f"{name}: {code} for CAA; a CA that sees the same does not issue")
        return _set_in(message, name)


def judge_caa(
    properties: Sequence[Property],
    identities: Sequence[str],
    *,
    is_wildcard: bool,
    account: str,
    method: str = DNS_01,
) -> str:
    """Why not, or empty."""
    unknown = next((each for each in properties if each.flags & CRITICAL and each.tag not in KNOWN_TAGS), None)
    if unknown is not None:
        return f"{unknown} is critical, and no CA knows it"
    issue = [each for each in properties if each.tag == "issue"]
    wild = [each for each in properties if each.tag == "issuewild"]
    asked = wild if is_wildcard and wild else issue
    if not asked:
        return ""
    reasons = [_refusal(each, identities, account, method) for each in asked]
    if "" in reasons:
        return ""
    near = next((reason for reason in reasons if reason), "")
    add = f'0 {asked[0].tag} "{identities[0]}"'
    return near or f"it allows {', '.join(str(each) for each in asked)}; add {add}"


def _refusal(each: Property, identities: Sequence[str], account: str, method: str) -> str | None:
    """Empty where it permits, None where it speaks of another CA, else why it does not."""
    issuer, *parameters = (part.strip() for part in each.value.split(";"))
    if any(parameter and not PARAMETER.match(parameter) for parameter in parameters):
        # RFC 8659 section 4.2: what is malformed stands for an issuer that does not exist.
        return (
            f"{each} is malformed, so it permits nothing: write {identities[0]}; name=value"
            if _ours(issuer, identities)
            else None
        )
    if not _ours(issuer, identities):
        return None
    pairs = [parameter.partition("=")[::2] for parameter in parameters if parameter]
    for name in ("accounturi", "validationmethods"):
        if sum(key.strip().lower() == name for key, _ in pairs) > 1:
            return f"{each} says {name} twice, so it permits nothing: write it only once"
    values = {key.strip().lower(): value.strip() for key, value in pairs}
    if values.get("accounturi", account) != account and account:
        return f"{each} permits only another account; ours is {account}"
    methods = values.get("validationmethods")
    if methods is not None and method not in {each.strip() for each in methods.split(",")}:
        return f"{each} permits only {methods}, and certd validates by {method}"
    return ""


def _ours(issuer: str, identities: Sequence[str]) -> bool:
    return issuer.lower() in {identity.lower() for identity in identities}


def _why(relevant: Relevant | None, identities: Sequence[str], is_wildcard: bool, account: str, method: str) -> str:
    if relevant is None:
        return ""
    return judge_caa(relevant.properties, identities, is_wildcard=is_wildcard, account=account, method=method)


def _set_in(message: dns.message.Message, asked: str) -> Relevant | None:
    for rrset in message.answer:
        if rrset.rdtype != dns.rdatatype.CAA:
            continue
        properties = tuple(
            Property(rdata.flags, rdata.tag.decode("ascii", "replace").lower(), rdata.value.decode("utf-8", "replace"))
            for rdata in rrset
            if isinstance(rdata, dns.rdtypes.ANY.CAA.CAA)
        )
        at = write_message(rrset.name)
        if properties:
            return Relevant(at=at, properties=properties, by_alias=at != asked)
    return None
