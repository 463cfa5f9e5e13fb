"""What ``reload`` says, taken apart. The configuration judges by it, without the adapters that would do it."""

from __future__ import annotations

import signal

from certd.system.endpoint import wrong_with_url
from certd.targets.registry import KINDS, usable_kinds, wrong_with_kind

HTTP_EXAMPLE = "http:POST:http://127.0.0.1:8080/reload"
FORMS = (
    "auto",
    "none",
    "systemd:UNIT",
    "signal:HUP:/run/nginx.pid",
    "touch:/path",
    "hook:/path",
    "http:POST:URL",
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
        case "touch" | "hook" if rest.startswith("/"):
            return (way, rest)
        case "http":
            method, _, url = rest.partition(":")
            if method.isascii() and method.isalpha() and method.isupper():
                if wrong := wrong_with_url(url):
                    # The URL may hold a token, and is not repeated.
                    raise ValueError(f"http:{method}: is no way to reload: after it {wrong}, as in {HTTP_EXAMPLE}")
                return (way, method, url)
        case name if name in KINDS and not wrong_with_kind(name) and (api := KINDS[name].api) is not None:
            try:
                parts = api.split(rest)
            except ValueError as error:
                example = f"{name}:{api.address}"
                raise ValueError(f'"{said}" is no way to reload: {error}; write it like {example}') from error
            if parts:
                return (way, *parts)
    apis = [f"{kind.name}:{kind.api.address}" for kind in usable_kinds() if kind.api is not None]
    forms = ", ".join([*FORMS, *apis, 'or a list ["a", "command"]'])
    # An address is not repeated: it may hold a token.
    shown = f"{way}:..." if "://" in rest else said
    raise ValueError(f'"{shown}" is no way to reload; it may be {forms}')


def reload_mistake(said: str | tuple[str, ...]) -> str:
    """What is wrong, in words; empty when nothing is."""
    try:
        parse_reload_words(said)
    except ValueError as error:
        return str(error)
    return ""
