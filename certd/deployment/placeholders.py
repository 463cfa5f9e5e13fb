"""What a proxy can start with: published before it must, and without waiting for a CA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from certd.errors import CertdError, RowDamaged, SealBroken, StoreError, TargetError
from certd.model import Certificate
from certd.ports import Clock, Target

BestCopy = Callable[[str, Sequence[str]], Certificate | None]
"""The newest copy of a link that passes the gate for these names; None where there is none."""

Failed = Callable[[str, CertdError], None]
"""Told of a link for which nothing could be published, and why."""


def publish_placeholders(
    target: Target,
    links: Mapping[str, Sequence[str]],
    clock: Clock,
    best: BestCopy = lambda link, domains: None,
    failed: Failed | None = None,
) -> dict[str, bool]:
    """Point every link whose pointer names nothing readable at something that the proxy can start with: the best
    certificate that this node has, and only where it has none a self-signed placeholder.

    Args:
        failed: Called for each link that fails; the other links are published all the same.

    Returns:
        The links that were pointed, and whether at a placeholder.

    Raises:
        TargetError: a link fails, and no ``failed`` is given.
        StoreError: this node's store cannot be read, which concerns every link.
    """
    placed: dict[str, bool] = {}
    for link, domains in links.items():
        try:
            if target.pointed(link) is None:
                placed[link] = _publish(target, link, domains, clock, best)
        except (CertdError, OSError, ValueError) as error:
            if isinstance(error, StoreError | SealBroken) and not isinstance(error, RowDamaged):
                raise
            told = error if isinstance(error, CertdError) else TargetError(f"{link}: {error}")
            if failed is None:
                raise told from error
            failed(link, told)
    return placed


def _publish(target: Target, link: str, domains: Sequence[str], clock: Clock, best: BestCopy) -> bool:
    """Whether it is a placeholder."""
    known = best(link, domains)
    if known is not None:
        target.point(link, target.install(known))
        return False
    target.point(link, target.install_placeholder(link, domains, clock.now()))
    return True
