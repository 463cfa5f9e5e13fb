"""Faults of a chain whose leaf is good: what clients stumble over, or soon will, that another chain does not have.

On 2026-05-08 Let's Encrypt revoked cross-signs that lacked an extension and made them again. Leaves stayed good.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certd.errors import GateRefused
from certd.pki.chain import load_chain
from certd.pki.trust import Trust, name


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """What is wrong with one issuer of a chain.

    Attributes:
        words: The fault, for people.
        mark: SHA-256 of the issuer, lower-case hex; empty where no single one is to blame.
        may_order: Another certificate is ordered where no clean chain can be had. An issuer that only ends before the
            leaf is no reason: the next leaf would hang from it, too. Neither are roots that do not fit: a wrong roots
            file would order for every link.
    """

    words: str
    mark: str = ""
    may_order: bool = True


def fault_of(chain_pem: str, trust: Trust, now: datetime) -> ChainFault | None:
    """The first fault that can be seen in the chain itself; None where clients can follow it until the leaf's end.

    Raises:
        GateRefused: the chain cannot be read, or the leaf itself has ended: no chain helps then.
    """
    chain = load_chain(chain_pem)
    leaf = chain[0]
    if now >= leaf.not_valid_after_utc:
        raise GateRefused(f"the certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}")
    try:
        trust.verify(chain_pem, now)
    except GateRefused as refusal:
        mark = _to_blame(chain, trust, now)
        return ChainFault(words=str(refusal), mark=mark, may_order=bool(mark))
    for issuer in trust.needed(chain_pem, now):
        if issuer.not_valid_after_utc < leaf.not_valid_after_utc:
            words = (
                f"the chain holds {name(issuer)}, which ends before the leaf, at {issuer.not_valid_after_utc:%Y-%m-%d}"
            )
            return ChainFault(words=words, mark=_mark(issuer), may_order=False)
    return None


def has_issuer(chain_pem: str, marks: Collection[str]) -> bool:
    """Whether one of these issuers (SHA-256, lower-case hex) is in a chain. Raises GateRefused."""
    return any(_mark(issuer) in marks for issuer in load_chain(chain_pem)[1:])


def _to_blame(chain: tuple[x509.Certificate, ...], trust: Trust, now: datetime) -> str:
    """The issuer that no client can follow; empty where each is fine by itself."""
    for above in chain[1:]:
        try:
            trust.judge_issuer(above, now)
        except GateRefused:
            return _mark(above)
    return ""


def _mark(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()
