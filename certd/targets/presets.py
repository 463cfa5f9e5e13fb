"""What is known of each kind of proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind.

    Attributes:
        check: How it judges its configuration; empty: it cannot.
        unit: Its systemd unit in Debian.
        pid_file: Where its main process writes its id.
        signal: What makes it load its configuration.
    """

    check: tuple[str, ...] = ()
    unit: str = ""
    pid_file: str = ""
    signal: str = "HUP"


PRESETS: Mapping[str, Preset] = {
    "nginx": Preset(check=("nginx", "-t", "-q"), unit="nginx.service", pid_file="/run/nginx.pid"),
    "files": Preset(),
}

LOCAL_ENDPOINTS = ("127.0.0.1:443", "[::1]:443")
