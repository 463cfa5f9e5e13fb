"""An order in the CA's words (RFC 8555 section 7.1), and what is owed to the DNS for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from certd.model.secret import Secret

DNS_01, DNS_PERSIST_01 = "dns-01", "dns-persist-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistOffer:
    """The dns-persist-01 challenge of an authorization.

    Attributes:
        url: Where it is answered.
        issuers: What the record may call the CA.
        account: The account that the record must name, as the CA says; empty where it does not.
    """

    url: str
    issuers: tuple[str, ...]
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One identifier's authorization and the challenge that certd answers (RFC 8555 sections 7.1.4 and 8.4).

    Attributes:
        identifier: The DNS name without ``*.``.
        status: pending, valid, invalid, deactivated, expired or revoked.
        challenge_url: Of the challenge that is answered; empty where the CA offers no dns-01.
        txt_name: ``_acme-challenge.<identifier>`` without a final dot.
        txt_value: base64url(SHA-256(key authorization)); empty where nothing need be published.
        method: The challenge's type.
        persist: What the CA offers beside dns-01; None where it does not.
        problem_type, problem: Of the failed challenge (RFC 8555 section 8), without the URN prefix; empty otherwise.
    """

    url: str
    identifier: str
    status: str
    wildcard: bool = False
    challenge_url: str = ""
    txt_name: str = ""
    txt_value: str = ""
    problem_type: str = ""
    problem: str = ""
    method: str = DNS_01
    persist: PersistOffer | None = None

    def by_persist(self, offer: PersistOffer) -> Authorization:
        """The same, validated by the record that stands already: nothing is published for it."""
        return replace(self, method=DNS_PERSIST_01, challenge_url=offer.url, txt_name="", txt_value="")

    @property
    def has_failed(self) -> bool:
        """Whether its validation failed and may be asked for again (RFC 8555 section 8.2)."""
        return self.status == "pending" and bool(self.problem_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The row that is the licence to finalize (design.md, Remember first).

    Attributes:
        status: As the CA last said it; None when its last holder died and it must be read.
        key: The private key that the CSR is made from, remembered before anything is irreversible.
        answered_at: When the challenges were answered.
        look_at: Not to be looked at before (Retry-After, DNS patience).
        look_count: How often it was looked at in this state, for the patience's own ladder.
        give_up_at: The end of patience: the order's expiry, or the DNS deadline.
        because: What it waits for, in words.
        is_proof: Made on a staging directory, to see whether the real one would sign; what it signs is not used.
        dropped: Wishes that this order goes without, each with its reason.
        relaxed: It asks for less than what is wanted, so that what is served does not lapse.
        profile: What it asks for, empty for the CA's default; None: an older certd made it.
    """

    url: str
    finalize_url: str
    issuer: str
    domains: tuple[str, ...]
    key: Secret
    key_type: str
    made_at: datetime
    give_up_at: datetime
    look_at: datetime
    status: str | None = "pending"
    authorizations: tuple[Authorization, ...] = ()
    certificate_url: str = ""
    answered_at: datetime | None = None
    look_count: int = 0
    because: str = ""
    problem: str = ""
    problem_type: str = ""
    replaces: str = ""
    reason: str = ""
    is_proof: bool = False
    dropped: tuple[str, ...] = ()
    relaxed: bool = False
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TxtCleanup:
    """A TXT value of ours that must be removed: committed before it is added (design.md, Cleanup first).

    Attributes:
        name: Where the value goes after CNAMEs are followed is the solver's business; this is the
            validation name itself, ``_acme-challenge...`` without a final dot.
        target: The name it was really added at (after CNAMEs); empty until then.
        added_at: When the provider said it was added; a debt without it is settled all the same.
        seen_at: When every authoritative server showed it.
        settle_at: Not before: None while the order needs it.
        settled_at: When it was removed; it stays on the books for a day and is swept once more.
    """

    provider: str
    name: str
    value: str
    made_at: datetime
    target: str = ""
    zone: str = ""
    added_at: datetime | None = None
    seen_at: datetime | None = None
    settle_at: datetime | None = None
    settled_at: datetime | None = None
    failures: int = 0
