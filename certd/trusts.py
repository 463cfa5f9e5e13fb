"""Which roots the certificates of each issuer must lead to: one answer for the gate and for the eyes."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import certifi

from certd.config.settings import IssuerSettings
from certd.errors import ConfigurationError, Finding, GateRefused
from certd.pki.trust import Trust
from certd.probes.handshake import Anchors

DEBIAN_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


class Trusts:
    """Roots by issuer, read once."""

    def __init__(self, issuers: Mapping[str, IssuerSettings]) -> None:
        self._issuers = issuers
        self._trusts: dict[str, Trust] = {}
        self._anchors: dict[str, Anchors] = {}

    def trust(self, issuer: str) -> Trust:
        """For the gate. What was not issued under a name of the configuration may lead to any root we know."""
        if issuer not in self._trusts:
            settings = self._issuers.get(issuer)
            if settings is None:
                self._trusts[issuer] = Trust.of(self._system + "".join(map(_read, self._own_roots())))
            elif settings.roots:
                self._trusts[issuer] = Trust.of(_read(settings))
            elif not settings.roots_are_public:
                self._trusts[issuer] = Trust.unchecked()
            else:
                self._trusts[issuer] = Trust.of(self._system)
        return self._trusts[issuer]

    def anchors(self, issuer: str) -> Anchors:
        """For the eyes, in the form that OpenSSL wants. What is on an endpoint may be a human's own, from any CA that
        clients know; that ours leads to its issuer's roots was judged by the gate.
        """
        if issuer not in self._anchors:
            settings = self._issuers.get(issuer)
            if settings is not None and not settings.roots and not settings.roots_are_public:
                self._anchors[issuer] = Anchors(checked=False)
            else:
                self._anchors[issuer] = Anchors(pem=self._system + "".join(map(_read, self._own_roots())))
        return self._anchors[issuer]

    def _own_roots(self) -> list[IssuerSettings]:
        return [settings for settings in self._issuers.values() if settings.roots]

    @cached_property
    def _system(self) -> str:
        """The system's roots, which an administrator may have added to; certifi's where there are none."""
        default = ssl.get_default_verify_paths().cafile
        for path in (default, str(DEBIAN_BUNDLE), certifi.where()):
            if path and Path(path).is_file():
                return Path(path).read_text(encoding="ascii", errors="replace")
        raise GateRefused("this host has no trust anchors at all")


def _read(settings: IssuerSettings) -> str:
    try:
        text = Path(settings.roots).read_text(encoding="ascii", errors="replace")
        Trust.of(text)
    except (OSError, GateRefused) as error:
        finding = Finding(path=f"issuer.{settings.name}.roots", message=f"{settings.roots}: {error}")
        raise ConfigurationError((finding,)) from error
    return text if text.endswith("\n") else text + "\n"
