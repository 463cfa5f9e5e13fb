"""Links for which nothing could be published: alarms, and another try every half minute."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from certd.daemon.active_alarms import ActiveAlarms
from certd.errors import CertdError
from certd.model import Alarm, Level
from certd.ports import Journal

# More failures than this on one proxy have one cause, such as a full disk: one alarm tells of all of them.
MOST_ALARMS = 20

_NEXT = "certd tries again every 30 seconds; all other links go on"


class Unpublished:
    """Remembers which links have nothing that their proxy can start with. Safe to use from several threads.

    Args:
        matters: Where the alarms stand.
    """

    def __init__(self, active_alarms: ActiveAlarms, journal: Journal) -> None:
        self._active_alarms = active_alarms
        self._journal = journal
        self._lock = threading.Lock()
        self._failed: dict[str, dict[str, CertdError]] = {}
        self._causes: dict[str, set[str]] = {}

    def proxies(self) -> tuple[str, ...]:
        """The proxies on which something could not be published."""
        with self._lock:
            return tuple(proxy for proxy, failed in self._failed.items() if failed)

    def keep_only(self, proxies: Collection[str]) -> None:
        """Forget the proxies that are no longer in the configuration."""
        for proxy in self.proxies():
            if proxy not in proxies:
                self.note(proxy, {}, {})

    def note(self, proxy: str, failed: Mapping[str, CertdError], labels: Mapping[str, Mapping[str, str]]) -> None:
        """Note which links of a proxy failed just now; alarms of all others of this proxy end.

        Args:
            labels: Of each link.
        """
        with self._lock:
            known = self._failed.get(proxy, {})
            for link, error in failed.items():
                if str(known.get(link, "")) != str(error):
                    self._journal.warn("cannot publish", link=link, proxy=proxy, reason=str(error), hint=error.hint)
            self._failed[proxy] = dict(failed)
            alarms = _alarms(proxy, failed, labels)
            for cause in self._causes.get(proxy, set()) - {alarm.cause for alarm in alarms}:
                self._active_alarms.take_back(cause)
            for alarm in alarms:
                self._active_alarms.tell(alarm)
            self._causes[proxy] = {alarm.cause for alarm in alarms}


def _alarms(proxy: str, failed: Mapping[str, CertdError], labels: Mapping[str, Mapping[str, str]]) -> tuple[Alarm, ...]:
    if len(failed) > MOST_ALARMS:
        link, error = next(iter(failed.items()))
        words = f"{len(failed)} links have no file that the proxy can start with, such as {link}: {error}"
        return (
            Alarm(
                cause=f"start:{proxy}",
                level=Level.WARNING,
                subject=proxy,
                words=words,
                hint=error.hint,
                next_step=_NEXT,
            ),
        )
    return tuple(
        Alarm(
            cause=f"start:{proxy}:{link}",
            level=Level.WARNING,
            subject=f"{link} on {proxy}",
            words=str(error),
            hint=error.hint,
            next_step=_NEXT,
            labels=labels.get(link, {}),
        )
        for link, error in failed.items()
    )
