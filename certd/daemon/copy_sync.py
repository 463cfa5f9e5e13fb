"""Copies what the shared store has before anything is dispatched; what keeps it from that keeps up nothing else."""

from __future__ import annotations

from certd.app import App
from certd.daemon.active_alarms import ActiveAlarms
from certd.errors import SealBroken, StoreError
from certd.model import Alarm, Level

CAUSE = "seal"


def sync(app: App, active_alarms: ActiveAlarms) -> None:
    """Copy new certificates to this node. Never raises: what this node has goes on being deployed and looked at
    (design.md, Store away). A seal key that another node uses and that is missing here is a fault of this node alone
    (design.md, Facts, not nodes).
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
