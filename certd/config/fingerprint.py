"""A mark of everything that an attempt to get a certificate depends on: another mark is another try."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from certd.config.settings import Settings
from certd.model import CertificateSpec


class Fingerprints:
    """Under one configuration. Each step of an order asks for one: what the configuration says is put into words once,
    and not again for each of them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._words: dict[tuple[str, str], str] = {}

    def of(self, spec: CertificateSpec, issuer: str) -> str:
        """Twelve hex digits. Labels tell nothing to a CA; secrets are references here, so their values are not in it.

        Args:
            issuer: By its name in the configuration.
        """
        words = self._words.get((issuer, spec.dns))
        if words is None:
            words = f"{self._settings.issuers[issuer]!r}, {self._settings.dns.get(spec.dns)!r}"
            self._words[issuer, spec.dns] = words
        return hashlib.sha256(f"({replace(spec, labels={})!r}, {words})".encode()).hexdigest()[:12]
