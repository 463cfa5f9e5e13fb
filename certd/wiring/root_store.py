"""Which roots the certificates of each issuer must lead to: one answer for the gate and for the eyes."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import certifi

from certd.config.settings import IssuerSettings
from certd.errors import CertdError, ConfigurationError, Finding, GateRefused
from certd.pki.trust import Trust
from certd.probes.tls_context import Anchors
from certd.system.regular_file import open_regular

DEBIAN_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# With hundreds of links due at once every handshake asks; a root that came with an update is waited for so long.
LOOK_SECONDS = 1.0

# Of a file: when it was written, its size, and which one it is; None where there is none.
Mark = tuple[int, int, int] | None


class RootStore:
    """Roots by issuer, read again when one of their files has changed: an update of the system's roots does not restart
    certd, and a CA that signs under a new root must not be refused for months. One that cannot be read just then leaves
    what was read before in force.

    Args:
        system: The system's bundle; None: the one that OpenSSL, or Debian, has.
        monotonic: Seconds.
    """

    def __init__(
        self,
        issuers: Mapping[str, IssuerSettings],
        system: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuers = issuers
        self._bundle = system
        self._monotonic = monotonic
        # Workers ask at once, and one of them notices the change.
        self._lock = threading.Lock()
        self._marks: dict[Path, Mark] = {}
        self._looked_at: float | None = None
        self._root_store: dict[str, Trust] = {}
        self._anchors: dict[str, Anchors] = {}

    def trust(self, issuer: str) -> Trust:
        """For the gate. What was not issued under a name of the configuration may lead to any root we know."""
        with self._lock:
            self._look()
            if issuer not in self._root_store:
                self._root_store[issuer] = self._read(issuer)
            return self._root_store[issuer]

    def anchors(self, issuer: str) -> Anchors:
        """For the eyes, in the form that OpenSSL wants. What is on an endpoint may be a human's own, from any CA that
        clients know; that ours leads to its issuer's roots was judged by the gate.
        """
        with self._lock:
            self._look()
            if issuer not in self._anchors:
                self._anchors[issuer] = self._shared(self._read_anchors(issuer))
            return self._anchors[issuer]

    def _shared(self, anchors: Anchors) -> Anchors:
        """Most issuers have the same ones, a quarter of a MiB of text."""
        return next((known for known in self._anchors.values() if known == anchors), anchors)

    def _look(self) -> None:
        now = self._monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        marks = {path: _mark(path) for path in (self._path, *(Path(each.roots) for each in self._own_roots()))}
        if marks == self._marks:
            return
        before = (self._root_store, self._anchors)
        self._root_store, self._anchors = {}, {}
        try:
            self._root_store.update({issuer: self._read(issuer) for issuer in before[0]})
            for issuer in before[1]:
                self._anchors[issuer] = self._shared(self._read_anchors(issuer))
        except CertdError:
            # In the middle of being written, perhaps; looked at again the next time.
            self._root_store, self._anchors = before
            return
        self._marks = marks

    # ------------------------------------------------------------------------------------ inside

    def _read(self, issuer: str) -> Trust:
        settings = self._issuers.get(issuer)
        if settings is None:
            return Trust.of(self._system() + "".join(map(_read, self._own_roots())))
        if settings.roots:
            return Trust.of(_read(settings))
        return Trust.of(self._system()) if settings.roots_are_public else Trust.unchecked()

    def _read_anchors(self, issuer: str) -> Anchors:
        settings = self._issuers.get(issuer)
        if settings is not None and not settings.roots and not settings.roots_are_public:
            return Anchors(checked=False)
        return Anchors(pem=self._system() + "".join(map(_read, self._own_roots())))

    def _own_roots(self) -> list[IssuerSettings]:
        return [settings for settings in self._issuers.values() if settings.roots]

    @cached_property
    def _path(self) -> Path:
        """The system's roots, which an administrator may have added to; certifi's where there are none."""
        default = ssl.get_default_verify_paths().cafile
        known = [self._bundle] if self._bundle else [Path(default)] if default else []
        found = (path for path in (*known, DEBIAN_BUNDLE, Path(certifi.where())) if path.is_file())
        return next(found, DEBIAN_BUNDLE)

    def _system(self) -> str:
        try:
            return _text(self._path)
        except OSError as error:
            raise GateRefused(f"this host has no trust anchors: {self._path}: {error.strerror}") from error


def _text(path: Path) -> str:
    with open_regular(path) as file:
        return file.read().decode("ascii", errors="replace")


def _mark(path: Path) -> Mark:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(settings: IssuerSettings) -> str:
    try:
        text = _text(Path(settings.roots))
        Trust.of(text)
    except (OSError, GateRefused) as error:
        finding = Finding(path=f"issuer.{settings.name}.roots", message=f"{settings.roots}: {error}")
        raise ConfigurationError((finding,)) from error
    return text if text.endswith("\n") else text + "\n"
