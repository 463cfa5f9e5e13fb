"""A hundred services by the apprise library: its addresses hold tokens, so they are never repeated.

apprise sets deadlines of its own for most services only, so it is waited for from outside; a call that hangs keeps a
daemon thread, not certd.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus

from certd.errors import AlarmFailed
from certd.model import Level, Notice, Secret

DEADLINE_SECONDS = 45.0

KINDS = {Level.NOTE: "info", Level.WARNING: "warning", Level.PAGE: "failure", Level.LAST_PAGE: "failure"}


# Services that are any web server: apprise drops each parameter of their query that is none of its own, unless "-"
# stands before it (github.com/caronc/apprise/wiki/Notify_Custom_JSON).
WEB_SERVERS = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
OWN_KEYS = frozenset(
    {
        "attach-as",
        "cto",
        "emojis",
        "format",
        "interpret",
        "method",
        "optional",
        "overflow",
        "redirect",
        "retry",
        "rto",
        "store",
        "tz",
        "verify",
        "wait",
    }
)
SIGNS = ("+", "-", ":")


@dataclass(frozen=True, slots=True)
class Service:
    """One of apprise's addresses.

    Args:
        url: Read at each message.
        name: As the configuration has it, ``apprise[0]``.
    """

    url: Callable[[], Secret]
    node: str
    name: str

    def tell(self, notice: Notice) -> None:
        """Delivered means that apprise says so. Raises AlertFailed."""
        try:
            library = importlib.import_module("apprise")
        except ImportError as error:
            raise AlarmFailed(f"alarms.{self.name}: {error}", hint='install certd with its extra "apprise"') from error
        # It prints addresses with what is in them.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        sender = library.Apprise()
        if not sender.add(with_query_kept(self.url().reveal().strip())):
            raise AlarmFailed(f"alarms.{self.name}: apprise does not know such an address")
        outcome: list[bool | str] = []
        thread = threading.Thread(target=self._send, args=(sender, notice, outcome), name=self.name, daemon=True)
        thread.start()
        thread.join(DEADLINE_SECONDS)
        if not outcome:
            raise AlarmFailed(f"alarms.{self.name}: it was not told within {DEADLINE_SECONDS:g} s")
        if outcome[0] is not True:
            service = ", ".join(str(one.service_name) for one in sender)
            raise AlarmFailed(f"alarms.{self.name}: {service} did not take it")

    def _send(self, sender: Any, notice: Notice, outcome: list[bool | str]) -> None:
        said: bool | str = "it broke"
        with contextlib.suppress(Exception):
            kind = "success" if notice.is_over else KINDS[notice.alarm.level]
            said = bool(
                sender.notify(title=f"[certd {self.node}] {notice.title}"[:200], body=notice.text, notify_type=kind)
            )
        outcome.append(said)


def with_query_kept(url: str) -> str:
    """The address in apprise's words: what its query says reaches a web server."""
    before, mark, query = url.partition("?")
    if not mark or before.partition("://")[0].lower() not in WEB_SERVERS:
        return url
    return f"{before}?{'&'.join(map(_kept, query.split('&')))}"


def _kept(pair: str) -> str:
    key, _, value = pair.partition("=")
    name = unquote_plus(key)
    # A plus sign that is not escaped marks a header of apprise's.
    if not name or key.startswith("+") or name.startswith(SIGNS) or name.lower() in OWN_KEYS:
        return pair
    # apprise takes percent signs out twice.
    return "-" + "=".join(quote(quote(text, safe=""), safe="") for text in (name, unquote_plus(value)))
