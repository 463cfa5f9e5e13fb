"""Compares this machine's clock with the Date headers of the CAs that were spoken to."""

from __future__ import annotations

from datetime import timedelta

from certd.app import App
from certd.daemon.active_alarms import ActiveAlarms
from certd.model import Alarm, Level
from certd.planning.clock import MOST_AMISS, in_words

# While it is amiss the CA is asked again so often, so that the all-clear comes soon.
ASK_AGAIN = timedelta(minutes=10)


def compare(app: App, active_alarms: ActiveAlarms) -> None:
    """Look once. Never raises: the next look comes."""
    for issuer, authority in app.authorities.made().items():
        cause = f"clock:{issuer}"
        ahead = authority.clock_ahead(no_older_than=ASK_AGAIN if _is_told(active_alarms, cause) else None)
        if abs(ahead) < MOST_AMISS:
            active_alarms.take_back(cause)
            continue
        active_alarms.tell(
            Alarm(
                cause=cause,
                level=Level.WARNING,
                subject=app.settings.node,
                words=in_words(ahead, issuer),
                next_step="what is due by a wrong clock alone is not ordered",
                hint="set the clock, and see that something keeps it: timedatectl set-ntp true",
            )
        )


def _is_told(active_alarms: ActiveAlarms, cause: str) -> bool:
    return any(alarm.cause == cause for alarm in active_alarms.all())
