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
class Certificate:
    """One certificate of one lineage, with the key it was made for.

    Attributes:
        generation: ``<notBefore>-<fingerprint8>``; names sort by age.
        fingerprint: SHA-256 of the leaf's DER, lower-case hex.
        domains: The names it covers, sorted.
        chain_pem: Leaf first, then its issuers, as the CA returned them.
        ari_id: The renewal information identifier (RFC 9773 section 4.1); empty where the leaf has no AKI.
        issuer: The configured issuer's name; ``imported`` for adopted ones.
        revoked_because: Empty while nothing says that it is revoked.
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

    @property
    def life(self) -> timedelta:
        """From notBefore to notAfter."""
        return self.not_after - self.not_before

    def covers(self, domains: tuple[str, ...]) -> bool:
        """Whether every wanted name stands in it literally; a wildcard beside a name is a different wish."""
        return set(domains) <= set(self.domains)
