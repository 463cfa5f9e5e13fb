"""Files that come with the program: units, folders' definitions, the example configuration."""

from __future__ import annotations

from pathlib import Path

from certd.errors import CertdError

# In a wheel they lie inside the package, in a checkout beside it.
_PLACES = (Path(__file__).parents[1] / "share", Path(__file__).parents[2])


def shared_file(name: str) -> str:
    """The text of ``systemd/...`` or ``config/...``. Raises CertdError where the installation lacks it."""
    for place in _PLACES:
        path = place / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise CertdError(f"{name} is missing from this installation", hint="install certd again")
