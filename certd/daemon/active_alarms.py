"""What is wrong at present beside links and lanes: told by whoever finds it, until it is taken back."""

from __future__ import annotations

import threading

from certd.model import Alarm


class ActiveAlarms:
    """Alarms by cause. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alarms: dict[str, Alarm] = {}

    def tell(self, alarm: Alarm) -> None:
        """It is so."""
        with self._lock:
            self._alarms[alarm.cause] = alarm

    def take_back(self, cause: str) -> None:
        """It is so no more."""
        with self._lock:
            self._alarms.pop(cause, None)

    def all(self) -> list[Alarm]:
        """As they are now."""
        with self._lock:
            return list(self._alarms.values())
