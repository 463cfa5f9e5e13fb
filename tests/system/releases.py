"""The releases of Debian on which the first ten minutes are tried: as they are installed, with nginx and BIND."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.system.machine import debian
from tests.system.wheels import wheelhouse

PACKAGES = (
    "ca-certificates",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "polkitd",
    "nginx-light",
    "bind9",
    "python3",
    "iproute2",
    "procps",
)


@dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        python: Its Python.
    """

    suite: str
    python: str

    def tree(self) -> Path:
        """Its tree; what the first command installs is fetched and not installed."""
        return debian("ten-minutes", PACKAGES, self.suite, ("python3-venv",))

    def wheels(self) -> Path:
        """The pinned packages for its Python."""
        return wheelhouse(self.python)


RELEASES = (Release("bookworm", "3.11"), Release("trixie", "3.13"))
