"""Questions that only the doctor asks of DNS: who else owns the validation name, CAA, DNSSEC, shapes that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from certd.dns.authoritative import ZoneFinder
from certd.dns.caa import Caa, judge_caa
from certd.dns.exchange import Deadline, question
from certd.dns.lookup import ask_at
from certd.dns.messages import parse_message, write_message
from certd.dns.persist import unpersisted
from certd.dns.propagation import values_in
from certd.dns.replies import cname_target
from certd.errors import DnsError

SECONDS = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a question found.

    Attributes:
        value: The answer; what it is depends on the question.
        trouble: Why nobody can say.
    """

    value: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What stands in TXT records.

    Attributes:
        trouble: Why nobody can say.
    """

    values: tuple[str, ...] = ()
    trouble: str = ""


class Examiner:
    """Asks through the resolvers, and where the zone lies at its own servers."""

    def __init__(self, authority: ZoneFinder) -> None:
        self._authority = authority

    def alias(self, name: str) -> Look:
        """Where a name is an alias to; empty where it is none."""
        try:
            message = self._authority.resolvers.ask(parse_message(name), dns.rdatatype.CNAME, Deadline(SECONDS))
        except DnsError as error:
            return Look(trouble=str(error))
        target = cname_target(message, parse_message(name))
        return Look(value=write_message(target) if target is not None else "")

    def wildcard(self, name: str, target: str) -> str:
        """The wildcard record that makes a name an alias of a target (RFC 4592); empty where none does, or nobody says.

        What the wildcard answers for as well does not exist; it stands below the first name that does.
        """
        above = name.partition(".")[2]
        while above and self.alias(above).value == target:
            above = above.partition(".")[2]
        star = f"*.{above}"
        return star if above and self.alias(star).value == target else ""

    def zone(self, name: str) -> Look:
        """The zone that a name lies in."""
        try:
            place = self._authority.follow(name, Deadline(SECONDS))
        except DnsError as error:
            return Look(trouble=str(error))
        return Look(value=(place.hops[0].zone if place.hops else place.zone).name)

    def caa(self, name: str, identities: tuple[str, ...]) -> Look:
        """Why CAA forbids the CA; empty where it permits."""
        try:
            relevant = Caa(self._authority.resolvers).relevant(name)
        except DnsError as error:
            return Look(trouble=str(error))
        if relevant is None:
            return Look()
        why = judge_caa(relevant.properties, identities, is_wildcard=False, account="")
        return Look(value=f"at {relevant.at}: {why}" if why else "")

    def txt(self, name: str) -> Texts:
        """The TXT values at a name, behind aliases."""
        try:
            message = self._authority.resolvers.ask(parse_message(name), dns.rdatatype.TXT, Deadline(SECONDS))
        except DnsError as error:
            return Texts(trouble=str(error))
        return Texts(values=tuple(values_in(message, name)))

    def persist(self, domains: Sequence[str], issuers: Sequence[str], account: str, until: datetime) -> str:
        """Why the records of dns-persist-01 do not let our account validate until then; empty where they do."""
        found = unpersisted(domains, issuers, account, self._authority, SECONDS, until)
        return found.words if found is not None else ""

    def resolvers(self) -> str:
        """The resolvers that are asked, separated by commas."""
        return ", ".join(self._authority.resolvers.addresses())

    def ignored_lines(self) -> tuple[str, ...]:
        """The lines of the system's list of resolvers that have no effect, with the reason."""
        return tuple(str(line) for line in self._authority.resolvers.ignored_lines())

    def bogus(self, name: str) -> Look:
        """Why a resolver refuses what it says with checking disabled (RFC 4035 section 3.2.2); else empty."""
        for text in self._authority.resolvers.addresses():
            codes = []
            for flag in (dns.flags.Flag(0), dns.flags.CD):
                query = question(parse_message(name), dns.rdatatype.A, recursion=True)
                query.flags |= flag
                reply = ask_at(query, text, SECONDS)
                codes.append(None if reply.message is None else reply.message.rcode())
            if codes[0] is None:
                continue
            if codes[0] == dns.rcode.SERVFAIL and codes[1] in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return Look(value=f"{text} answers SERVFAIL, and answers well when it does not validate")
            return Look()
        return Look(trouble="no resolver answers")
