"""Copies what the shared store has before anything is dispatched; what keeps it from that keeps up nothing else."""

from __future__ import annotations

from certd.app import App
from certd.daemon.active_alarms import ActiveAlarms
from certd.errors import SealBroken, StoreError
from certd.model import Alarm, Level

CAUSE = "seal"


def sync(app: App, active_alarms: ActiveAlarms) -> None:
    """Copy. Never raises: this node's own copies go on being deployed and looked at (promise 10). A seal key that came
    into use on another node and is not here is a fault of this node alone (promise 14).
    """
    try:
        app.sync()
    except SealBroken as error:
        active_alarms.tell(
            Alarm(
                cause=CAUSE,
                level=Level.WARNING,
                subject=app.settings.node,
                words=str(error),
                hint=error.hint,
                next_step="what this node has goes on being served and looked at; nothing newer comes here",
            )
        )
    except StoreError:
        # The dispatch that follows says that it is away.
        return
    else:
        active_alarms.take_back(CAUSE)
