"""A CDN that terminates TLS itself: its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# In the place of a provider's name: another object is made.
NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """The table of a CDN in ``[proxy.NAME]``.

    Attributes:
        zone: The zone at the provider, where its certificates belong to one.
        token: A reference to the credential.
        api: The API's base URL, where it is not the provider's own.
        certificates: By link: the provider's name of a certificate that certd may replace, or NEW.
    """

    zone: str = ""
    token: str = ""
    api: str = ""
    certificates: Mapping[str, str] = field(default_factory=dict)
