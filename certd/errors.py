"""The error tree.

::

    CertdError                     everything certd raises on purpose: a sentence, a hint, who must act
    ├── ConfigurationError         the file is wrong; carries every finding at once (exit code 2)
    ├── IssuerUnknown              an issuer that this node's configuration does not have (any more)
    ├── UsageError                 the command line is wrong (exit code 2)
    ├── StateTaken                 another certd works on this state folder
    ├── CredentialMissing          systemd did not pass this process a credential
    ├── SecretUnreadable           a secret that a reference names is missing, or closed to this user
    ├── AcmeError                  the ACME server, or the way to it
    │   ├── AcmeUnreachable        no usable answer: refused, timed out, HTML, too large, 5xx
    │   └── AcmeProblem            a problem document (RFC 7807, RFC 8555 section 6.7)
    ├── DnsError                   publishing or seeing a TXT record
    │   ├── DnsUnreachable         a name server or vendor that does not answer: a fact about the lane
    │   │   └── ZonesHidden        resolvers that answer, but do not tell where zones begin
    │   └── DnsRefused             it answered, and the answer is no
    │       ├── NoZone             the provider has no zone for the name
    │       ├── NotDelegated       records that somebody else must make are not there yet
    │       └── CaaDenied          CAA records forbid it
    ├── ClockAmiss                 this machine's clock is wrong; by the CA's there is no reason to order
    ├── EgressFailed               an HTTP exchange that gave no complete answer
    ├── GateRefused                a key, a leaf and a chain that must not reach a proxy
    ├── TargetError                files, check or reload of a proxy
    │   └── ProviderRefused        a provider of certificates for a service of its own, and when to ask again
    ├── StoreError                 the database
    │   ├── LeaseLost              somebody else holds the subject now; nothing was written
    │   ├── StoreAway              it does not answer
    │   ├── StoreDamaged           its file is no database any more
    │   ├── RowDamaged             a row that cannot be read; it is set aside and rebuilt
    │   └── SchemaTooNew           written by a newer certd; says the way back
    ├── SealBroken                 a sealed value does not open with the keys this node has
    ├── AlarmFailed                an operator could not be told
    └── Stopping                   the process has been asked to stop; unwinds a worker
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


def displayable(text: str) -> str:
    """Text from outside (a CA, a name server, a proxy) that cannot steer a terminal; lines stay lines."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


class CertdError(Exception):
    """Something certd can say in one sentence, with the way out where it knows one. What is said reaches terminals,
    mails and pages, and may quote a stranger: no control character stays in it.

    Args:
        message: What is wrong, naming the thing and the speaker; no full stop.
        hint: What the operator can do; may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = displayable(message)
        self.hint = displayable(hint)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake in a configuration: where, what, and what would be right.

    Attributes:
        place: File and line with the key path, where they are known: ``/etc/certd/certd.toml:12: certd.listen``.
        excerpt: The line itself without its value, for a file that is no TOML.
    """

    path: str
    message: str
    hint: str = ""
    place: str = field(default="", compare=False)
    excerpt: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        # TOML writes any letter as \\u001b, and a sentence quotes what the file says.
        for member in ("path", "message", "hint", "place", "excerpt"):
            object.__setattr__(self, member, displayable(getattr(self, member)))

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")

    def located(self) -> str:
        """The same with file and line, as far as they are known."""
        said = f"{self.place or self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")
        return f"{said}: {self.excerpt}" if self.excerpt else said


class ConfigurationError(CertdError):
    """The configuration cannot be used. ``findings`` holds every mistake, not the first."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        count = len(findings)
        super().__init__(f"the configuration has {count} mistake{'s' if count != 1 else ''}")
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {finding.located()}" for finding in self.findings)])


class IssuerUnknown(CertdError):
    """An issuer that this node's configuration does not have (any more)."""


class UsageError(CertdError):
    """The command line asks for something that makes no sense."""


class StateTaken(CertdError):
    """Another certd works on this state folder."""


class CredentialMissing(CertdError):
    """systemd did not pass this process a credential.

    Args:
        name: Of the credential.
        is_by_hand: A command may be passed it by whoever runs it.
    """

    def __init__(self, message: str, *, name: str, hint: str = "", is_by_hand: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.name = name
        self.is_by_hand = is_by_hand


class SecretUnreadable(CertdError):
    """A secret that a reference of the configuration names is missing, or this user may not read it."""


class AcmeError(CertdError):
    """The ACME server, or the way to it."""


class AcmeUnreachable(AcmeError):
    """No usable answer from the ACME server. A fact about its lane, not about the link.

    Args:
        retry_after: What the server or its load balancer asked for, if it did.
    """

    def __init__(self, message: str, *, hint: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Subproblem:
    """One identifier's share of a problem (RFC 8555 section 6.7.1)."""

    identifier: str
    type: str
    detail: str


class AcmeRequest(StrEnum):
    """What was asked of the CA when it refused (RFC 8555 section 7): the same error type means another thing to each
    request.
    """

    UNKNOWN = ""
    NEW_ACCOUNT = "newAccount"
    ACCOUNT = "account"
    ACCOUNT_UPDATE = "account update"
    KEY_CHANGE = "keyChange"
    NEW_ORDER = "newOrder"
    ORDER = "order"
    AUTHORIZATION = "authorization"
    CHALLENGE = "challenge"
    # No request: the error stands inside an order or a challenge.
    VALIDATION = "validation"
    FINALIZE = "finalize"
    CERTIFICATE = "certificate"
    REVOKE = "revokeCert"


class AcmeProblem(AcmeError):
    """A problem document from the ACME server (RFC 8555 section 6.7).

    Args:
        type: The error type without ``urn:ietf:params:acme:error:``, such as ``rateLimited``;
            an unknown type is kept whole.
        detail: The server's own words.
        status: The HTTP status, 0 where the problem stood inside an order or a challenge.
        retry_after: From the Retry-After header, time zone and form settled.
        instance: The ``instance`` URL, such as the terms to agree to.
        request: What was asked when it was refused.
    """

    def __init__(
        self,
        *,
        type: str,  # RFC 7807 calls it so
        detail: str,
        status: int = 0,
        retry_after: timedelta | None = None,
        subproblems: tuple[Subproblem, ...] = (),
        instance: str = "",
        hint: str = "",
        request: AcmeRequest = AcmeRequest.UNKNOWN,
    ) -> None:
        parts = [f"{sub.identifier}: {sub.detail}" for sub in subproblems]
        super().__init__(f"the CA answers {type}: {detail}" + (f" ({'; '.join(parts)})" if parts else ""), hint=hint)
        self.type = type
        self.detail = detail
        self.status = status
        self.retry_after = retry_after
        self.subproblems = subproblems
        self.instance = instance
        self.request = request


class DnsError(CertdError):
    """Publishing or seeing a TXT record went wrong."""


class DnsUnreachable(DnsError):
    """A name server or a vendor's API does not answer. A fact about its lane."""


class ZonesHidden(DnsUnreachable):
    """The resolvers answer, and keep back the SOA and NS records by which zones are found."""


class DnsRefused(DnsError):
    """It answered, and the answer is no: credentials, zone or record."""


class NoZone(DnsRefused):
    """A provider that has no zone for a name."""


class NotDelegated(DnsRefused):
    """Records that somebody else must make are not there yet; nobody at the CA was asked."""


class CaaDenied(DnsRefused):
    """CAA records forbid the CA to issue; nobody at the CA was asked.

    Args:
        awaited: It ends when the link is pointed elsewhere, which is watched for every minute.
    """

    def __init__(self, message: str, *, hint: str = "", awaited: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.awaited = awaited


class ClockAmiss(CertdError):
    """This machine's clock is wrong, and the order has no reason by the CA's."""


class EgressFailed(CertdError):
    """An HTTP exchange gave no complete answer: refused, stalled, too long, not trusted."""


class GateRefused(CertdError):
    """A key, a leaf and a chain that must not reach a proxy (design.md, Gate)."""


class TargetError(CertdError):
    """Files, check or reload of a proxy."""


class ProviderRefused(TargetError):
    """A provider does not take a certificate for a service of its own.

    Args:
        code: The provider's word for it; empty where it did not answer.
        again_after: It is not asked sooner.
        for_all: It concerns whoever asks: every link, not this one.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        again_after: timedelta = timedelta(0),
        for_all: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.again_after = again_after
        self.for_all = for_all


class StoreError(CertdError):
    """The database."""


class LeaseLost(StoreError):
    """Somebody else holds the subject now; nothing was written (design.md, Fenced)."""


class StoreAway(StoreError):
    """The database does not answer."""


class StoreDamaged(StoreError):
    """The database's file is damaged: the next start moves it aside and begins anew with what is on the disk."""


class RowDamaged(StoreError):
    """A row cannot be read: it was changed or moved. It is set aside and rebuilt by whoever holds its subject."""


class SchemaTooNew(StoreError):
    """The store was written by a newer certd."""


class SealBroken(CertdError):
    """A sealed value does not open with the keys this node has. A fault of this node alone."""


class AlarmFailed(CertdError):
    """A channel did not take an alarm."""


class Stopping(CertdError):
    """The process has been asked to stop; unwinds a worker, loses nothing."""

    def __init__(self) -> None:
        super().__init__("certd is stopping")
