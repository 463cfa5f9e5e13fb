"""A provider that terminates TLS itself: its settings, and what certd has there."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An object of ours at the provider that is to be removed once its successor is proved by handshake.

    Attributes:
        role: What it is, in the provider's word: ``certificate``, ``private_key``.
        name: The provider's name for it.
        generation: certd's generation that replaces it.
    """

    role: str
    name: str
    generation: str
