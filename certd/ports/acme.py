"""One issuer and our account with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from certd.model import Authorization


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """An order object as the CA sends it (RFC 8555 section 7.1.3).

    Attributes:
        retry_after: From the answer's Retry-After; None where there was none.
        problem_type, problem: From its ``error`` member, or from the first failed challenge; else empty.
        dropped: Why ``replaces`` was left out after the CA had refused it; empty where it was not.
    """

    url: str
    status: str
    finalize_url: str
    authorization_urls: tuple[str, ...]
    expires: datetime | None
    certificate_url: str = ""
    problem_type: str = ""
    problem: str = ""
    retry_after: timedelta | None = None
    dropped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalAdvice:
    """Renewal information as served (RFC 9773 section 4.2), nothing drawn yet.

    Attributes:
        retry_after: Clamped to one minute to one day; six hours where the server gave none.
    """

    start: datetime
    end: datetime
    explanation_url: str
    retry_after: timedelta


class CertificateAuthority(Protocol):
    """One issuer and our account with it, spoken to by RFC 8555. Safe to use from several threads.

    The account is created or found on first use. Every method may raise:

    - AcmeUnreachable: no usable answer within the deadline (refused, stalled, HTML, 2 MB, 5xx);
    - AcmeProblem: the CA's own problem document, ``retry_after`` filled in.

    badNonce is retried inside. Nothing else is.
    """

    @property
    def name(self) -> str:
        """The issuer's name in the configuration."""
        ...

    @property
    def offers_renewal_information(self) -> bool:
        """Whether its directory has ``renewalInfo``."""
        ...

    def caa(self) -> tuple[tuple[str, ...], str]:
        """What CAA records call it (``caaIdentities``, RFC 8555 section 7.1.1), and our account's URL (RFC 8657)."""
        ...

    def account(self) -> str:
        """The URL of our account, which is made where there is none."""
        ...

    def account_has_ended(self) -> bool:
        """Whether the CA says that our account is deactivated or revoked, asked for the account itself."""
        ...

    def replace_account(self, ended: str) -> None:
        """Give up an account (its URL) that the CA has ended, key and all; the next use makes another one. Of many who
        are refused at once one makes it, and the others go on with that one: CAs allow few new accounts.
        """
        ...

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        """POST newOrder (RFC 8555 section 7.4; ``replaces``: RFC 9773 section 5).

        ``replaces`` is left out where the directory has no ``renewalInfo``. When the server refuses an order
        that carried it with a 4xx that is not rateLimited, it is asked once more without.
        """
        ...

    def read_order(self, url: str) -> OrderSeen:
        """POST-as-GET of the order."""
        ...

    def read_authorization(self, url: str) -> Authorization:
        """POST-as-GET of an authorization, its dns-01 challenge picked out and its TXT value computed."""
        ...

    def answer(self, challenge_url: str) -> None:
        """POST ``{}`` to a challenge (RFC 8555 section 7.5.1). Answering twice does no harm."""
        ...

    def finalize(self, finalize_url: str, csr_der: bytes) -> OrderSeen:
        """POST finalize. An ``orderNotReady`` is answered by reading the order instead: the caller looks at its status.

        The returned ``url`` may be empty (the CA need not repeat it).
        """
        ...

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        """Download the chain, leaf first, PEM; at most 256 KiB and ten certificates.

        With ``preferred_chain`` (an issuer's common name or a SHA-256 fingerprint) the alternates are looked
        through; where none fits the default chain is returned.
        """
        ...

    def chains(self, certificate_url: str) -> Iterator[str]:
        """Every chain that the CA offers for one certificate, the default one first, each leaf first, PEM. An alternate
        that cannot be had is left out.
        """
        ...

    def renewal_information(self, ari_id: str) -> RenewalAdvice:
        """GET renewalInfo (RFC 9773 section 4.1). An ``end`` not after ``start`` counts as no answer."""
        ...

    def revoke(self, chain_pem: str, reason: int) -> None:
        """POST revokeCert for the leaf, signed by our account (RFC 8555 section 7.6). One that is revoked already is
        fine.

        Args:
            reason: A CRLReason code (RFC 5280 section 5.3.1).
        """
        ...

    def clock_ahead(self, *, no_older_than: timedelta | None = None) -> timedelta:
        """How far the server's clock, by its Date header, is ahead of ours; negative where ours is, zero where
        nothing is known. Never raises.

        Args:
            no_older_than: Ask anew where the last answer is older; None: the last one counts.
        """
        ...

    def close(self) -> None:
        """Shut idle connections."""
        ...
