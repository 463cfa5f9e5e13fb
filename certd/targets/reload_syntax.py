"""What ``reload`` says, taken apart. The configuration judges by it, without the adapters that would do it."""

from __future__ import annotations

import signal
from urllib.parse import urlsplit

FORMS = (
    "auto, none, systemd:UNIT, signal:HUP:/run/nginx.pid, touch:/path, hook:/path, http:POST:URL, "
    "haproxy:/run/haproxy/admin.sock, "
    'caddy:localhost:2019:/etc/caddy/Caddyfile, or a list ["a", "command"]'
)


def parse_reload_words(said: str | tuple[str, ...]) -> tuple[str, ...]:
    """The way, and what it needs: ``("signal", "HUP", "/run/nginx.pid")``; a list is ``("command", ...)``.

    Raises:
        ValueError: with what would be right.
    """
    if isinstance(said, tuple):
        return ("command", *said)
    way, _, rest = said.partition(":")
    match way:
        case "auto" | "none" if not rest:
            return (way,)
        case "systemd" if rest:
            return (way, rest)
        case "signal":
            name, _, path = rest.partition(":")
            if f"SIG{name}" in signal.Signals.__members__ and path.startswith("/"):
                return (way, name, path)
        case "touch" | "hook" | "haproxy" if rest.startswith("/"):
            return (way, rest)
        case "http":
            method, _, url = rest.partition(":")
            if method.isalpha() and method.isupper() and urlsplit(url).scheme in {"http", "https"}:
                return (way, method, url)
        case "caddy":
            address, _, config = rest.rpartition(":")
            if config.startswith("/") and _is_admin_address(address):
                return (way, address, config)
    raise ValueError(f'"{said}" is no way to reload; it may be {FORMS}')


def _is_admin_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return text.startswith("unix//") or (bool(host) and port.isdigit())


def reload_mistake(said: str | tuple[str, ...]) -> str:
    """What is wrong, in words; empty when nothing is."""
    try:
        parse_reload_words(said)
    except ValueError as error:
        return str(error)
    return ""
