"""What issuing stands on: the ports, and cryptography handed over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from certd.model import Certificate, Secret, TxtCleanup
from certd.ports import CertificateAuthority, Challenges, Clock, Journal, Randomness


@dataclass(frozen=True, slots=True)
class Crypto:
    """What issuing needs of cryptography, handed over so that a simulation can do without.

    Attributes:
        make_key: A fresh private key of this type, PEM.
        key_type_of: The type of a key.
        csr: The CSR's DER for a key and names.
        read: Chain, key, link, issuer, time -> certificate; raises GateRefused for what is none.
        judge: The pair gate: raises GateRefused (design.md, Gate).
        is_preferred: Whether a chain is the one that the operator prefers.
        has_issuer: Whether one of these issuers (SHA-256) is in a chain.
        fault_of: What clients stumble over in a chain, or will before its leaf ends, in words; empty for a clean one.
            The second argument names the issuer whose roots count.
        with_chain: The certificate with another chain of the same leaf.
    """

    make_key: Callable[[str], Secret]
    key_type_of: Callable[[Secret], str]
    csr: Callable[[Secret, Sequence[str]], bytes]
    read: Callable[[str, Secret, str, str, datetime], Certificate]
    judge: Callable[[Certificate, Sequence[str], datetime], None]
    is_preferred: Callable[[str, str], bool] = lambda chain, preferred: True
    has_issuer: Callable[[str, Collection[str]], bool] = lambda chain, marks: False
    fault_of: Callable[[str, str, datetime], str] = lambda chain, issuer, now: ""
    with_chain: Callable[[Certificate, str], Certificate] = lambda certificate, chain: replace(
        certificate, chain_pem=chain
    )


@dataclass(frozen=True, slots=True)
class IssuanceDeps:
    """The ports that carrying out an action needs.

    Attributes:
        still_held: Asked before each call that acts outside; raises LeaseLost when somebody else holds the lineage.
        adding: Told of each TXT value before it is added.
    """

    authority: Callable[[str], CertificateAuthority]
    challenges: Callable[[str], Challenges]
    crypto: Crypto
    clock: Clock
    chance: Randomness
    journal: Journal
    still_held: Callable[[], None] = lambda: None
    adding: Callable[[TxtCleanup], None] = lambda cleanup: None

    def publish(self, cleanups: Sequence[TxtCleanup]) -> tuple[TxtCleanup, ...]:
        """Add TXT values, those of one provider together. Returns all, those added before as they were.

        Raises:
            LeaseLost, DnsUnreachable, DnsRefused: Some of the values may be there.
        """
        published = {each: each for each in cleanups}
        owed = [each for each in cleanups if each.added_at is None]
        for provider in dict.fromkeys(each.provider for each in owed):
            challenges = self.challenges(provider)
            together = [each for each in owed if each.provider == provider]
            self.still_held()
            for each in together:
                self.adding(each)
            published |= zip(together, challenges.present(*together), strict=True)
        return tuple(published.values())
