"""Which of the copies that a node has should be deployed."""

from __future__ import annotations

from collections.abc import Sequence

from certd.model import Generation


def to_deploy(copies: Sequence[Generation], domains: Sequence[str]) -> Generation | None:
    """The last one that came, unless another starts later and ends later, too: a shared store that was put back from
    an old copy must not replace what is newer. One that ends sooner than what it replaces is fine: a shorter profile,
    a bought certificate before it. What does not cover every name is the last resort.

    Args:
        copies: In the order in which they came to this node.
    """
    covering = [copy for copy in copies if set(domains) <= set(copy.domains)] or list(copies)
    return next((copy for copy in reversed(covering) if not any(is_older(copy, other) for other in covering)), None)


def is_older(copy: Generation, other: Generation) -> bool:
    """In every respect."""
    return copy.not_before < other.not_before and copy.not_after < other.not_after
