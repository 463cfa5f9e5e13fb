"""What this node has of a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from certd.errors import CertdError
from certd.model import Certificate
from certd.store.node import Node

Gate = Callable[[Certificate, Sequence[str], datetime], None]


def best_copy(node: Node, gate: Gate, link: str, domains: Sequence[str], now: datetime) -> Certificate | None:
    """The newest copy that passes the gate for these names; None where there is none."""
    for generation in reversed(node.copies(link)):
        try:
            certificate = node.certificate(link, generation.name)
            if certificate is not None:
                gate(certificate, domains, now)
                return certificate
        except CertdError:
            continue
    return None
