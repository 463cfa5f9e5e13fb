"""What a proxy can start with: published before it must, and without waiting for a CA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from certd.model import Certificate
from certd.ports import Clock, Target


def publish_placeholders(
    target: Target,
    links: Mapping[str, Sequence[str]],
    clock: Clock,
    best: Callable[[str, Sequence[str]], Certificate | None] = lambda link, domains: None,
) -> dict[str, bool]:
    """Point every link whose pointer names nothing readable at something that the proxy can start with: the best
    certificate that this node has, and only where it has none a self-signed placeholder.

    Args:
        best: The newest copy that passes the gate for these names.

    Returns:
        The links that were pointed, and whether at a placeholder.

    Raises:
        TargetError: it cannot be written.
    """
    placed = {}
    for link, domains in links.items():
        if target.pointed(link) is not None:
            continue
        known = best(link, domains)
        if known is not None:
            target.point(link, target.install(known))
        else:
            target.point(link, target.install_placeholder(link, domains, clock.now()))
        placed[link] = known is None
    return placed
