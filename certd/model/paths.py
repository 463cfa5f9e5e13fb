"""A file of the operator's own that a certificate is copied to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPath:
    """Where one of a certificate's files goes, for a proxy whose configuration names its own paths.

    Attributes:
        path: Absolute; ``{link}`` stands for the link's name.
        owner: A user's name or number; empty: whoever runs certd.
        group: A group's name or number; empty: the proxy's.
        mode: Its permissions.
    """

    path: str
    owner: str = ""
    group: str = ""
    mode: int = 0o640
