"""Whether a parent's HSTS covers a name (RFC 6797): then browsers that saw it never use http for the name, and nobody
can click through a bad certificate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from certd.errors import EgressFailed

DEADLINE_SECONDS = 5.0
REMEMBER_SECONDS = 3600.0
MOST_PARENTS = 4


class _Answer(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...


class Sender(Protocol):
    """The part of :class:`certd.system.egress.Egress` that is used here."""

    def send(self, method: str, url: str, *, deadline: float = DEADLINE_SECONDS) -> _Answer:
        """One exchange. Raises EgressFailed."""
        ...


class StrictParents:
    """Asks the parents of a name for their header, and remembers for an hour."""

    def __init__(self, sender: Callable[[], Sender], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sender = sender
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, bool]] = {}

    def of(self, name: str) -> tuple[str, ...]:
        """The parents whose HSTS includes their subdomains; what does not answer counts as having none."""
        labels = name.split(".")
        parents = [".".join(labels[index:]) for index in range(1, len(labels) - 1)]
        return tuple(parent for parent in parents[-MOST_PARENTS:] if self._is_strict(parent))

    def _is_strict(self, host: str) -> bool:
        with self._lock:
            known = self._known.get(host)
        if known is not None and known[0] > self._monotonic():
            return known[1]
        try:
            answer = self._sender().send("HEAD", f"https://{host}/", deadline=DEADLINE_SECONDS)
            is_strict = includes_subdomains(answer.headers.get("strict-transport-security", ""))
        except EgressFailed:
            is_strict = False
        with self._lock:
            self._known[host] = (self._monotonic() + REMEMBER_SECONDS, is_strict)
        return is_strict


def includes_subdomains(header: str) -> bool:
    """RFC 6797 section 6.1: directives in any order and case; ``max-age=0`` takes it back."""
    directives = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (part.partition("=") for part in header.split(";"))
    }
    age = directives.get("max-age", "")
    return "includesubdomains" in directives and age.isascii() and age.isdigit() and bool(age.strip("0"))
