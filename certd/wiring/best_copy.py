"""What this node has of a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from certd.errors import CertdError
from certd.model import Certificate
from certd.store.node import Node

Gate = Callable[[Certificate, Sequence[str], datetime], None]


def best_copy(node: Node, gate: Gate, link: str, domains: Sequence[str], now: datetime) -> Certificate | None:
    """The newest copy that passes the gate for these names, or else for some of them: a name that cannot be had must
    not keep the others from being served. None where there is none.
    """
    copies = list(reversed(node.copies(link)))
    for is_whole in (True, False):
        for generation in copies:
            names = domains if is_whole else [domain for domain in domains if domain in generation.domains]
            try:
                certificate = node.certificate(link, generation.name) if names else None
                if certificate is not None:
                    gate(certificate, names, now)
                    return certificate
            except CertdError:
                continue
    return None
