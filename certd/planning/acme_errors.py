"""What a CA's refusals mean: one table from problem types, subproblems, Boulder's own texts and the request that was
refused to who must act, when it is tried again, and what the operator is told. CONTRIBUTING.md shows it; a test keeps
the two alike.

The first row that fits counts. Types are RFC 8555 section 6.7, draft-ietf-acme-profiles and RFC 9773 section 7; the
texts are Boulder's (ratelimits/limiter.go, wfe2/wfe.go, va/dns.go, policy/pa.go).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from certd.errors import AcmeProblem, AcmeRequest


class Actor(StrEnum):
    """Who must act before it can go well."""

    NOBODY = "nobody"
    CA = "the CA"
    OPERATOR = "you"
    DNS = "whoever runs the DNS"


class Again(StrEnum):
    """When it is tried again."""

    AT_ONCE = "at once, without what it minds"
    KEPT = "the order is kept and looked at again"
    LADDER = "1, 10, 100 minutes, then daily; sooner when little is left"
    AS_TOLD = "exactly when the CA says, else as the ladder"
    DAILY = "after a day"
    ON_CHANGE = "when the configuration changes"


# Of several subproblems the one that waits longest decides.
GRAVITY = (Again.AT_ONCE, Again.KEPT, Again.LADDER, Again.AS_TOLD, Again.DAILY, Again.ON_CHANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row.

    Attributes:
        kind: What ``Attempt.kind`` says afterwards.
        types: Problem types that it fits; empty: any.
        texts: Any of these stands in the detail, in any case; empty: whatever it says.
        requests: The requests whose refusal it explains; empty: any. A refusal of an unknown request has only the rows
            for any.
        status: The least HTTP status; 0: any.
        will_not: It answered, and goes on answering so: the link's next issuer is asked at once.
        hint: What the operator can do.
    """

    kind: str
    types: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    requests: tuple[AcmeRequest, ...] = ()
    status: int = 0
    who: Actor
    again: Again
    will_not: bool = False
    hint: str = ""


# To these, and inside what they make, ``unauthorized`` is about the DNS records and not about our account.
VALIDATING = (AcmeRequest.CHALLENGE, AcmeRequest.VALIDATION, AcmeRequest.FINALIZE)

TABLE: tuple[Refusal, ...] = (
    Refusal(
        kind="paused",
        types=("rateLimited",),
        texts=("temporarily prevented from requesting",),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="open the address in the CA's answer to end the pause, then `certd renew LINK --force`",
    ),
    Refusal(
        kind="rateLimited",
        types=("rateLimited",),
        texts=("exact set of",),
        who=Actor.NOBODY,
        again=Again.AS_TOLD,
        hint="urgent? Add one more name to the link: a different set of names has its own limit",
    ),
    Refusal(
        kind="rateLimited",
        types=("rateLimited",),
        texts=("failed authorizations",),
        who=Actor.DNS,
        again=Again.AS_TOLD,
        hint="see with `certd check LINK` why validations fail",
    ),
    Refusal(
        kind="rateLimited",
        types=("rateLimited",),
        texts=("certificates",),
        who=Actor.NOBODY,
        again=Again.AS_TOLD,
        hint="a wildcard covers many names of one domain; the CA raises this limit on request",
    ),
    Refusal(kind="rateLimited", types=("rateLimited",), who=Actor.NOBODY, again=Again.AS_TOLD),
    Refusal(
        kind="accountDeactivated",
        types=("unauthorized", "accountDoesNotExist", "malformed"),
        texts=(
            "account has been deactivated",
            "account is deactivated",
            "account deactivated",
            'has status "deactivated"',
            'has status "revoked"',
            "account is not valid",
            "account is not active",
        ),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="certd registers a new account automatically. If your CAA records name the old account (accounturi), "
        "update them",
    ),
    # RFC 8555 section 7.3.6: whatever an account that has ended asks is refused so; of its own URL nothing else is.
    Refusal(
        kind="accountDeactivated",
        types=("unauthorized",),
        requests=(AcmeRequest.ACCOUNT,),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="certd registers a new account automatically. If your CAA records name the old account (accounturi), "
        "update them",
    ),
    Refusal(
        kind="accountDoesNotExist",
        types=("accountDoesNotExist",),
        who=Actor.NOBODY,
        again=Again.LADDER,
        will_not=True,
        hint="certd registers its key again. Is this the CA that you mean?",
    ),
    Refusal(
        kind="userActionRequired",
        types=("userActionRequired", "agreementRequired"),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="the CA's terms have changed: read and agree at the address it names, then `certd renew LINK --force`",
    ),
    Refusal(
        kind="userActionRequired",
        types=("malformed",),
        texts=("agree to terms of service",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="set terms_agreed of the issuer",
    ),
    Refusal(
        kind="externalAccountRequired",
        types=("externalAccountRequired",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="set eab of the issuer: this CA asks for an account at its web site first",
    ),
    Refusal(
        kind="externalAccountRequired",
        types=("unauthorized", "malformed"),
        texts=("external account", "externalaccount"),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="the CA does not take eab of the issuer: its secret may be used up or too old; get another at its site",
    ),
    Refusal(
        kind="externalAccountRequired",
        types=("unauthorized",),
        requests=(AcmeRequest.NEW_ACCOUNT,),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="the CA refuses to register us: eab of the issuer is missing, wrong or used up; get another at its site",
    ),
    Refusal(
        kind="invalidContact",
        types=("malformed",),
        texts=("contact",),
        requests=(AcmeRequest.NEW_ACCOUNT,),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="set contact of the issuer: this CA wants a mail address of every account",
    ),
    Refusal(
        kind="malformed",
        types=("malformed",),
        requests=(AcmeRequest.NEW_ACCOUNT,),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        hint="this CA may want more of an account: set contact of the issuer, and eab where the CA gives you one",
    ),
    Refusal(
        kind="busy",
        types=("serverInternal",),
        requests=(AcmeRequest.NEW_ACCOUNT,),
        who=Actor.CA,
        again=Again.AS_TOLD,
        hint="the CA has trouble of its own; if it goes on, ask its operator whether it knows eab.kid of the issuer",
    ),
    Refusal(
        kind="keyChangeRefused",
        types=("rejectedIdentifier", "unauthorized", "malformed", "conflict", "badPublicKey", "badSignatureAlgorithm"),
        requests=(AcmeRequest.KEY_CHANGE,),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        hint="this CA does not change the key: the account keeps the one that it has",
    ),
    Refusal(
        kind="notPermitted",
        types=("unauthorized",),
        requests=(AcmeRequest.REVOKE,),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="our account may not revoke it: revoke it with the account that ordered it, or at the CA's site",
    ),
    Refusal(
        kind="notPermitted",
        types=("unauthorized",),
        requests=(
            AcmeRequest.NEW_ORDER,
            AcmeRequest.ORDER,
            AcmeRequest.AUTHORIZATION,
            AcmeRequest.CERTIFICATE,
            AcmeRequest.ACCOUNT_UPDATE,
        ),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="the CA does not permit it to our account: see `certd account show`, and ask the CA what it may order",
    ),
    Refusal(
        kind="invalidContact",
        types=("invalidContact", "unsupportedContact"),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="change contact of the issuer, or leave it out",
    ),
    Refusal(
        kind="invalidProfile",
        types=("invalidProfile",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="change profile of the issuer; for a renewal it is left out once a quarter of the margin is used",
    ),
    Refusal(
        kind="unsupported",
        types=("unsupported",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="this CA does not offer the DNS challenge for that name",
    ),
    Refusal(
        kind="unsupportedIdentifier",
        types=("unsupportedIdentifier",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="this CA does not issue for such names",
    ),
    Refusal(
        kind="rejectedIdentifier",
        types=("malformed", "rejectedIdentifier"),
        texts=("redundant with a wildcard",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="take that name out of the link: the wildcard beside it covers it",
    ),
    Refusal(
        kind="rejectedIdentifier",
        types=("malformed", "rejectedIdentifier"),
        texts=("cannot contain more than", "too many identifiers", "too many dns names"),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="divide the names among several links: this CA, or the profile, takes fewer in one certificate",
    ),
    Refusal(
        kind="rejectedIdentifier",
        types=("rejectedIdentifier", "malformed"),
        texts=("icann tld", "needs at least one dot"),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="write a name of your own below that suffix; no CA issues for a public suffix",
    ),
    Refusal(
        kind="rejectedIdentifier",
        types=("rejectedIdentifier", "malformed"),
        texts=("invalid character",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="use letters, digits and hyphens only: a public CA takes no underscore in a name",
    ),
    Refusal(
        kind="rejectedIdentifier",
        types=("rejectedIdentifier", "malformed"),
        texts=("public suffix", "not end with a valid", "invalid character", "malformed domain"),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="check the spelling of the domain",
    ),
    Refusal(
        kind="rejectedIdentifier",
        types=("rejectedIdentifier",),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        will_not=True,
        hint="this CA does not issue for that name by its policy; name a second issuer for the link",
    ),
    Refusal(
        kind="alreadyReplaced",
        types=("alreadyReplaced", "conflict"),
        who=Actor.NOBODY,
        again=Again.AT_ONCE,
        hint="an earlier order replaced that certificate; the new one is made without saying what it replaces",
    ),
    Refusal(
        kind="orderNotReady",
        types=("orderNotReady",),
        who=Actor.NOBODY,
        again=Again.KEPT,
        hint="the CA is not ready yet: certd reads the order again",
    ),
    Refusal(
        kind="badKey",
        types=("badPublicKey", "badCSR"),
        who=Actor.NOBODY,
        again=Again.DAILY,
        hint="the next order gets a fresh key, whatever reuse_key says",
    ),
    Refusal(
        kind="badSignatureAlgorithm",
        types=("badSignatureAlgorithm",),
        who=Actor.OPERATOR,
        again=Again.ON_CHANGE,
        will_not=True,
        hint="this CA does not take ECDSA account keys",
    ),
    Refusal(kind="badNonce", types=("badNonce",), who=Actor.NOBODY, again=Again.KEPT),
    Refusal(
        kind="busy",
        types=("serverInternal",),
        who=Actor.CA,
        again=Again.AS_TOLD,
        hint="nothing to do here: the CA has trouble of its own",
    ),
    Refusal(
        kind="caa",
        types=("caa",),
        who=Actor.DNS,
        again=Again.LADDER,
        will_not=True,
        hint="let the CAA records of the domain name this CA, or remove them",
    ),
    Refusal(
        kind="dns",
        types=("dns",),
        texts=("dnssec", "bogus", "servfail"),
        who=Actor.DNS,
        again=Again.LADDER,
        hint="the CA's resolver gets no valid answer: are the DNSSEC signatures right, does every name server answer?",
    ),
    Refusal(
        kind="dns",
        types=("dns",),
        who=Actor.DNS,
        again=Again.LADDER,
        hint="see that every name server of the domain answers",
    ),
    Refusal(
        kind="unauthorized",
        types=("unauthorized", "incorrectResponse"),
        texts=("secondary validation",),
        requests=VALIDATING,
        who=Actor.DNS,
        again=Again.LADDER,
        hint="the CA saw different answers from different locations: check that every name server and anycast node has "
        "the TXT record",
    ),
    Refusal(
        kind="unauthorized",
        types=("unauthorized", "incorrectResponse", "connection", "tls"),
        requests=VALIDATING,
        who=Actor.DNS,
        again=Again.LADDER,
        hint="the TXT record that the CA saw is not ours",
    ),
    Refusal(
        kind="gone",
        types=("gone",),
        who=Actor.NOBODY,
        again=Again.LADDER,
        hint="the CA has lost the order; another one is made",
    ),
    Refusal(
        kind="malformed",
        types=("malformed",),
        who=Actor.OPERATOR,
        again=Again.DAILY,
        hint="the CA does not understand certd's request: report its words to the certd project",
    ),
    Refusal(kind="busy", status=500, who=Actor.CA, again=Again.AS_TOLD),
)

# What no row fits: a type from tomorrow.
UNKNOWN = Refusal(kind="", who=Actor.OPERATOR, again=Again.LADDER, hint="the CA's own words say more")

# What certd itself finds wrong.
WRONG_CERTIFICATE = Refusal(
    kind="wrongCertificate",
    who=Actor.CA,
    again=Again.LADDER,
    hint="what the CA signed is not what was asked for; it is not used",
)

# It answered, and it will go on answering so.
WILL_NOT = frozenset({row.kind for row in TABLE if row.will_not})

# What only a human can end: told at the first failure.
HUMAN_KINDS = frozenset(
    {row.kind for row in TABLE if row.who is Actor.OPERATOR} | {"caa", "clock", "secret", "configuration"}
)

# What counts at the CA as a failed validation.
VALIDATION_KINDS = frozenset({"unauthorized", "dns", "caa"})

# No change of the configuration, and no operator, makes the CA forget these.
TOLD_KINDS = frozenset({"rateLimited", "paused"})

# Nor does an operator who asks for it end the wait. A pause, an operator may have ended at the CA's site.
NOT_BY_FORCE = frozenset({"rateLimited"})

_TOLD = re.compile(r"retry after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")


def refusal_for(problem: AcmeProblem) -> Refusal:
    """The row for a problem; of its subproblems (RFC 8555 section 6.7.1) the one that waits longest."""
    own = _row(problem.type, problem.detail, problem.status, problem.retry_after, problem.request)
    below = [_row(sub.type, sub.detail, 0, problem.retry_after, problem.request) for sub in problem.subproblems]
    if own.again in {Again.AS_TOLD, Again.KEPT} or own.kind == "paused" or not below:
        return own
    gravest = max(below, key=lambda row: GRAVITY.index(row.again))
    is_graver = own is UNKNOWN or problem.type in {"compound", "malformed"}
    return gravest if is_graver or GRAVITY.index(gravest.again) > GRAVITY.index(own.again) else own


def _row(type: str, detail: str, status: int, retry_after: timedelta | None, request: AcmeRequest) -> Refusal:
    words = detail.lower()
    if type == "rateLimited" and retry_after is None and "https://" in words and not _TOLD.search(detail):
        # A limit comes with Retry-After; a pause with an address for a human (letsencrypt.org/docs/rate-limits).
        return TABLE[0]
    for row in TABLE:
        if row.types and type not in row.types:
            continue
        if row.requests and request not in row.requests:
            continue
        if row.texts and not any(text in words for text in row.texts):
            continue
        if status >= row.status:
            return row
    return UNKNOWN


def told_wait(problem: AcmeProblem, now: datetime) -> timedelta | None:
    """What the CA asks to wait: its Retry-After, else the date in Boulder's text."""
    if problem.retry_after is not None:
        return problem.retry_after
    found = _TOLD.search(problem.detail)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(at - now, timedelta(0))


def table_in_words(rows: Sequence[Refusal] = TABLE) -> str:
    """The table in Markdown, for the documents."""
    lines = ["| the CA says | to | kind | who must act | tried again | told |", "|---|---|---|---|---|---|"]
    for row in rows:
        said = ", ".join(f"`{each}`" for each in row.types) or f"any type with a status of {row.status} and more"
        if row.texts:
            said += ": " + ", ".join(f"“{text}”" for text in row.texts[:3])
        to = ", ".join(row.requests) or "any request"
        lines.append(f"| {said} | {to} | {row.kind} | {row.who} | {row.again} | {row.hint} |")
    return "\n".join(lines) + "\n"
