"""What is known of each kind of proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind.

    Attributes:
        check: How it judges its configuration; empty: it cannot, or its judgement is worth nothing.
        unit: Its systemd unit in Debian.
        pid_file: Where its main process writes its id.
        signal: What makes it load its configuration.
        api: The address of its runtime API, as ``reload`` would name it.
        watches: It notices a pointer's change by itself.
        settles: How long it may take until clients see what it took.
    """

    check: tuple[str, ...] = ()
    unit: str = ""
    pid_file: str = ""
    signal: str = "HUP"
    api: str = ""
    watches: bool = False
    settles: timedelta = timedelta(0)


PRESETS: Mapping[str, Preset] = {
    "nginx": Preset(check=("nginx", "-t", "-q"), unit="nginx.service", pid_file="/run/nginx.pid"),
    "nginx-variable": Preset(watches=True),
    "haproxy": Preset(
        check=("haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"),
        unit="haproxy.service",
        pid_file="/run/haproxy.pid",
        signal="USR2",
        api="haproxy:/run/haproxy/admin.sock",
    ),
    "caddy": Preset(unit="caddy.service", api="caddy:localhost:2019:/etc/caddy/Caddyfile"),
    # Its own check calls a pair that does not match "Syntax OK", but it knows a missing file and a stranger's mistake.
    "apache": Preset(
        check=("apache2ctl", "-t"), unit="apache2.service", pid_file="/run/apache2/apache2.pid", signal="USR1"
    ),
    "traefik": Preset(watches=True),
    "envoy": Preset(watches=True),
    "files": Preset(),
    "acm": Preset(settles=timedelta(minutes=15)),
}

LOCAL_ENDPOINTS = ("127.0.0.1:443", "[::1]:443")
