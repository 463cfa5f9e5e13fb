"""Which of the copies that a node has should be deployed, and which names it must cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from certd.model import Generation
from certd.planning.renewal import EARLY


def to_deploy(copies: Sequence[Generation], domains: Sequence[str]) -> Generation | None:
    """The last one that came, unless another starts later and ends later, too: a shared store that was put back from
    an old copy must not replace what is newer. One that ends sooner than what it replaces is fine: a shorter profile,
    a bought certificate before it. What does not cover every name is the last resort, unless it renewed what does: it
    was issued without a name that cannot be had any more.

    Args:
        copies: In the order in which they came to this node.
    """
    covering = [copy for copy in copies if set(domains) <= set(copy.domains)]
    covering = [copy for copy in covering if not any(is_renewed_by(copy, other) for other in copies)] or list(copies)
    return next((copy for copy in reversed(covering) if not any(is_older(copy, other) for other in covering)), None)


def names_to_cover(
    domains: Sequence[str], offered: Sequence[str], pointed: Generation | None, now: datetime
) -> tuple[str, ...]:
    """The names that the gate asks a certificate for before it is published. All that are wanted; or, where it was
    issued without some that cannot be had, those that it has: no wanted name that is served now may be lost by it.

    Args:
        domains: The wanted names.
        offered: The names of the certificate.
        pointed: What the proxy's pointer names now.
    """
    covered = tuple(domain for domain in domains if domain in offered)
    is_good = pointed is not None and not pointed.placeholder and pointed.not_after > now
    served = {domain for domain in domains if domain in pointed.domains} if pointed is not None and is_good else set()
    return covered if covered and served <= set(covered) else tuple(domains)


def is_renewed_by(copy: Generation, other: Generation) -> bool:
    """The other one starts where the renewal of this one was due, and ends later."""
    due = copy.not_before + (copy.not_after - copy.not_before) * EARLY
    return other.not_before >= due and other.not_after > copy.not_after


def is_older(copy: Generation, other: Generation) -> bool:
    """In every respect."""
    return copy.not_before < other.not_before and copy.not_after < other.not_after
