"""How this host gets out: apart from who does it, so that reading a configuration imports no HTTP client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """``[network]`` of the configuration: how this host gets out.

    Attributes:
        https_proxy: ``http://host:port``; empty: the usual environment variables are honoured.
        no_proxy: Hosts that are asked directly, comma-separated.
        ca_bundle: A file of trust anchors for HTTPS; empty: certifi's.
    """

    https_proxy: str = ""
    no_proxy: str = ""
    ca_bundle: str = ""
