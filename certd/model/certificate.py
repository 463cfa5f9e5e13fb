"""What was signed, and when its CA wants it replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from certd.model.secret import Secret


class KeyType(StrEnum):
    """Certificate keys that Let's Encrypt accepts (its CPS, Boulder's goodkey)."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalWindow:
    """Renewal information of one certificate (RFC 9773 section 4.2).

    Attributes:
        moment: Drawn once, uniformly from the window, and stored: drawing again at every look
            could put a renewal off for ever.
        look_again_at: When to ask again (Retry-After, clamped to one minute to one day).
    """

    start: datetime
    end: datetime
    moment: datetime
    look_again_at: datetime
    explanation_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRepair:
    """A good leaf whose chain has a fault: what is known of it, and what was done about it.

    Attributes:
        without: SHA-256 of the issuers that the chain must do without, lower-case hex. They are kept while this
            leaf lives, so that a second fault does not bring the first one back.
        reason: The fault in words while it is open; empty once the chain was replaced.
        since: When the fault was found.
        look_at: When the CA is asked for its chains next.
        looks: How often it was asked in vain.
        may_order: Where the CA has no chain without the fault, another certificate is ordered.
    """

    without: tuple[str, ...] = ()
    reason: str = ""
    since: datetime | None = None
    look_at: datetime | None = None
    looks: int = 0
    may_order: bool = True

    @property
    def is_open(self) -> bool:
        """Whether the chain that is served has the fault still."""
        return bool(self.reason)


NO_CHAIN_REPAIR = ChainRepair()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate of one lineage, with the key it was made for.

    Attributes:
        generation: ``<notBefore>-<fingerprint8>``, and ``-<chain8>`` where the chain was replaced; names sort by age.
        fingerprint: SHA-256 of the leaf's DER, lower-case hex.
        domains: The names it covers, sorted.
        chain_pem: Leaf first, then its issuers, as the CA returned them.
        ari_id: The renewal information identifier (RFC 9773 section 4.1); empty where the leaf has no AKI.
        issuer: The configured issuer's name; ``imported`` for adopted ones.
        revoked_because: Empty while nothing says that it is revoked.
        url: Where the CA offers it for download (RFC 8555 section 7.4.2); empty where certd did not order it.
        chain_repair: What is wrong with its chain, or was.
        profile: The profile that it was ordered by, empty for the CA's default; None: an older certd, or somebody else,
            ordered it.
    """

    link: str
    generation: str
    fingerprint: str
    issuer: str
    domains: tuple[str, ...]
    key_type: str
    not_before: datetime
    not_after: datetime
    chain_pem: str
    key: Secret
    issued_at: datetime
    ari_id: str = ""
    window: RenewalWindow | None = None
    window_look_at: datetime | None = field(default=None)
    revoked_because: str = ""
    profile: str | None = None
    url: str = ""
    chain_repair: ChainRepair = NO_CHAIN_REPAIR

    @property
    def life(self) -> timedelta:
        """From notBefore to notAfter."""
        return self.not_after - self.not_before

    def covers(self, domains: tuple[str, ...]) -> bool:
        """Whether every wanted name stands in it literally; a wildcard beside a name is a different wish."""
        return set(domains) <= set(self.domains)
