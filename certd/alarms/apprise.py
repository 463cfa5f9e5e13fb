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

from certd.errors import AlarmFailed
from certd.model import Level, Notice, Secret

DEADLINE_SECONDS = 45.0

KINDS = {Level.NOTE: "info", Level.WARNING: "warning", Level.PAGE: "failure", Level.LAST_PAGE: "failure"}


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
        if not sender.add(self.url().reveal().strip()):
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
