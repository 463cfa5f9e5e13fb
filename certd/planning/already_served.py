"""What clients are served well although this store knows nothing of it: a state folder that was lost, or another
client's certificate before the move. Pure.

An order now would not be wrong, but a container that is made anew again and again without its volume would spend the
CA's weekly allowance in an hour. So a certificate that is served, good, and younger than the week over which the CA
counts is evidence of an order: nothing is ordered until that order counts no more, or its renewal is due. Its key is
not here, so that it cannot be published: as soon as it is not seen on every endpoint, one is ordered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from certd.model import Desired, Health, LineageFacts, Observation, Served, Wait
from certd.planning.renewal import latest_start

COUNTED_FOR = timedelta(days=7)

# A proxy that is restarted serves it no more.
LOOK_AGAIN = timedelta(minutes=1)


def served_well(observations: Sequence[Observation]) -> Served | None:
    """What every address that answers shows, where all of it is good; None where one is not, or none can be seen."""
    seen = [observation for observation in observations if not observation.never_answered]
    if not seen or any(observation.health is not Health.GOOD for observation in seen):
        return None
    starts = [observation.not_before for observation in seen if observation.not_before is not None]
    ends = [observation.not_after for observation in seen if observation.not_after is not None]
    if len(starts) != len(seen) or len(ends) != len(seen):
        return None
    return Served(not_before=max(starts), not_after=min(ends), fingerprint=seen[0].fingerprint, at=seen[0].address)


def served_already(desired: Desired, facts: LineageFacts, now: datetime) -> Wait | None:
    """Why a first order can wait; None where nothing is served, or an operator asks."""
    seen = facts.served
    if seen is None or facts.current is not None or facts.request is not None:
        return None
    until = min(seen.not_before + COUNTED_FOR, latest_start(seen.not_before, seen.not_after))
    if now >= until:
        return None
    return Wait(
        min(until, now + LOOK_AGAIN),
        f"{seen.at} serves a good certificate already (sha256 {seen.fingerprint[:12]}, until "
        f"{seen.not_after:%Y-%m-%d %H:%M:%SZ}), whose key is not here: nothing is ordered before "
        f"{until:%Y-%m-%d %H:%M:%SZ}; `certd import files` adopts it, `certd renew LINK --force` orders now",
    )
