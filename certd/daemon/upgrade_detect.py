"""What a crash means when certd was upgraded beneath the running daemon: that only another start can help.

Much is imported late, to keep an idle daemon small, and libraries do so too. Loading all of it at the start would not
close the gap, so what counts is that a daemon which stumbles over it does not go on stumbling until certificates lapse:
the order that stumbled has asked the CA for nothing or is remembered, and the next process resumes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from certd.daemon.active_alarms import ActiveAlarms
from certd.model import Alarm, Level
from certd.ports import Journal
from certd.system.installed import Installed

CAUSE = "installed"


class UpgradeDetector:
    """Told of every crash of a worker.

    Args:
        node: Whose alarm it is.
        end: Ends this process in good order. Called only where a service manager starts the next one: without one
            nobody would look at certificates any more, and that is worse.
    """

    def __init__(
        self,
        installed: Installed,
        journal: Journal,
        active_alarms: ActiveAlarms,
        environment: Mapping[str, str],
        node: Callable[[], str],
        end: Callable[[], None],
    ) -> None:
        self._installed = installed
        self._journal = journal
        self._active_alarms = active_alarms
        self._is_started_again = bool(environment.get("NOTIFY_SOCKET"))
        self._node = node
        self._end = end

    def crashed(self, error: Exception) -> None:
        """A worker stumbled over something that nobody expected. With the packages unchanged that is a bug of ours, and
        another start would change nothing.
        """
        if not self._installed.has_changed():
            return
        words = f"its packages were replaced while certd runs, and now it fails: {type(error).__name__}: {error}"
        if self._is_started_again:
            self._journal.warn("ending", reason=words, hint="the service manager starts the new one, which resumes")
            self._end()
            return
        self._active_alarms.tell(
            Alarm(
                cause=CAUSE,
                level=Level.WARNING,
                subject=self._node(),
                words=words,
                hint="restart certd",
                next_step="certd retries what needs the missing parts; it may fail until certd is restarted",
            )
        )
