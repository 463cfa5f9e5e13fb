"""dns-persist-01: one TXT record that stays, in the place of one value for each order.

The record at ``_validation-persist.NAME`` names a CA and our account there
(draft-ietf-acme-dns-persist-01, CA/Browser Forum Baseline Requirements 3.2.2.4.22). Draft 02 hashes the account and is
another form; no CA was seen to offer it, so certd neither writes nor takes it.

certd writes no such record: the owner of the zone does, once, and certd looks before it goes by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dns.rdatatype

from certd.dns.authoritative import ZoneFinder
from certd.dns.caa import PARAMETER
from certd.dns.exchange import Deadline, question
from certd.dns.messages import parse_message
from certd.dns.names import display_name
from certd.dns.propagation import Mark, checks_of, judge_reply, values_in
from certd.errors import DnsRefused, DnsUnreachable
from certd.ports import Obstacle

LABEL = "_validation-persist."
HOW_TO_ASK = (
    "`certd dns request` prints the record for whoever runs the zone; certd looks every minute and goes on by itself"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistRecord:
    """What one record says.

    Attributes:
        issuer: The name of the CA as it wants to be called (``issuer-domain-names`` of the challenge).
        account: The URL of the account that may validate by it.
        is_wildcard: It counts for ``*.NAME``, too.
        until: It counts no longer after this; None: for good.
    """

    issuer: str
    account: str
    is_wildcard: bool = False
    until: datetime | None = None

    def __str__(self) -> str:
        """The value as a CA takes it: the CA's name in lower case, and no semicolon at the end."""
        parts = [self.issuer.lower(), f"accounturi={self.account}"]
        parts += ["policy=wildcard"] if self.is_wildcard else []
        parts += [f"persistUntil={self.until.timestamp():.0f}"] if self.until else []
        return "; ".join(parts)


def parse_persist(value: str) -> PersistRecord:
    """One value (RFC 8659 section 4.2 form). Raises ValueError, which says what is wrong with it."""
    issuer, *parameters = (part.strip() for part in value.split(";"))
    if parameters and not parameters[-1]:
        raise ValueError("ends in a semicolon")
    if wrong := next((each for each in parameters if not PARAMETER.match(each)), None):
        raise ValueError(f'"{display_name(wrong)}" is not name=value')
    pairs = [parameter.partition("=")[::2] for parameter in parameters]
    said = {name.strip().lower(): text.strip() for name, text in pairs}
    if len(said) != len(pairs):
        raise ValueError("says one thing twice")
    if not said.get("accounturi"):
        raise ValueError("has no accounturi")
    until = None
    if "persistuntil" in said:
        try:
            until = datetime.fromtimestamp(int(said["persistuntil"]), UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise ValueError("has a persistUntil that is no time in Unix seconds") from error
    is_wildcard = said.get("policy", "").lower() == "wildcard"
    return PersistRecord(issuer=issuer, account=said["accounturi"], is_wildcard=is_wildcard, until=until)


def judge_persist(
    values: Sequence[str], issuers: Sequence[str], account: str, *, is_wildcard: bool, until: datetime
) -> str:
    """Why these values at one name do not let our account validate, as the predicate of a sentence; empty where they
    do.

    A malformed record beside a right one counts: Pebble refuses both.

    Args:
        until: A record must count until then at least.
    """
    names = {issuer.lower() for issuer in issuers}
    near = "has no record for " + " or ".join(sorted(names))
    is_right = False
    for value in values:
        issuer = value.partition(";")[0].strip()
        if issuer.lower() not in names:
            continue
        if issuer not in names:
            near = f'has "{display_name(issuer)}", and the CA takes its name in lower case only'
            continue
        try:
            record = parse_persist(value)
        except ValueError as error:
            return f'has a record that {error}, and the CA refuses all of them for it: "{display_name(value)}"'
        if record.account != account:
            near = f"names another account, {display_name(record.account)}; ours is {account}"
        elif is_wildcard and not record.is_wildcard:
            near = "lacks policy=wildcard"
        elif record.until is not None and record.until <= until:
            near = f"counts only until {record.until:%Y-%m-%d %H:%M:%SZ}"
        else:
            is_right = True
    return "" if is_right else near


def unpersisted(
    domains: Sequence[str],
    issuers: Sequence[str],
    account: str,
    finder: ZoneFinder,
    seconds: float,
    until: datetime,
) -> Obstacle | None:
    """The first name whose record does not let our account validate; None where every name has one, at every
    authoritative server that answers.

    Args:
        seconds: The time limit for each name.
    """
    for base in dict.fromkeys(domain.removeprefix("*.") for domain in domains):
        is_wildcard = f"*.{base}" in domains
        if words := _wrong_at(LABEL + base, issuers, account, is_wildcard, finder, Deadline(seconds), until):
            wanted = PersistRecord(issuer=issuers[0], account=account, is_wildcard=is_wildcard)
            words = f'waits for DNS: {words}; wanted: {LABEL}{base} TXT "{wanted}"'
            return Obstacle(words=words, hint=HOW_TO_ASK, awaited=True)
    return None


def _wrong_at(
    name: str,
    issuers: Sequence[str],
    account: str,
    is_wildcard: bool,
    finder: ZoneFinder,
    deadline: Deadline,
    until: datetime,
) -> str:
    try:
        place = finder.follow(name, deadline)
    except (DnsUnreachable, DnsRefused) as error:
        return str(error)
    is_shown, silence = False, place.silence
    # A CNAME on the way that one server lacks is a wrong answer of that server's.
    for check in checks_of(place, ""):
        reply = finder.ask(question(parse_message(check.name), dns.rdatatype.TXT), check.address, deadline)
        finding = judge_reply(check, reply)
        if finding.mark is not Mark.WRONG or reply.message is None:
            silence = silence or (finding.words and finding.sentence)
            continue
        if check.points_at:
            return finding.sentence
        values = values_in(reply.message, check.name)
        if words := judge_persist(values, issuers, account, is_wildcard=is_wildcard, until=until):
            return f"{check.name}: {check.who} {words}"
        is_shown = True
    return "" if is_shown else f"{name}: no server answers for it: {silence}"
