"""What a planner may answer: one action with its reason.

``remember`` says that the engine must commit the facts after it, before anything else happens;
all else the CA or the disk remembers (docs/design.md, The loop).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

# Longer waits than any certificate lives stand for "until something happens", and are shown as no date.
LONGEST_WAIT = timedelta(days=5 * 365)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until``. Where no moment but an event ends it, that is a moment years away."""

    until: datetime
    because: str

    def ends_at(self, now: datetime) -> datetime | None:
        """When it ends, for people and programs; None where an event ends it."""
        return None if self.until - now > LONGEST_WAIT else self.until


@dataclass(frozen=True, slots=True)
class Begin:
    """Make a new order.

    Attributes:
        replaces: The renewal information identifier of what it replaces, or empty.
        profile: The profile to order by, or empty.
        staging: The issuer to prove it on first; its certificate is not used. Empty: the real thing.
    """

    because: str
    replaces: str = ""
    profile: str = ""
    staging: str = ""
    remember: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Step:
    """What needs no more than its reason."""

    because: str


class Read(Step):
    """Ask the CA how far the order is (POST-as-GET)."""

    __slots__ = ()
    remember: ClassVar[bool] = False


class Present(Step):
    """Publish the TXT values that are owed, and look whether every authoritative server shows them."""

    __slots__ = ()
    remember: ClassVar[bool] = False


class Answer(Step):
    """Tell the CA that the challenges are ready."""

    __slots__ = ()
    remember: ClassVar[bool] = False


class Finalize(Step):
    """Send the CSR made from the order's remembered key."""

    __slots__ = ()
    remember: ClassVar[bool] = False


class Collect(Step):
    """Download what was signed, judge it, and make it the current certificate."""

    __slots__ = ()
    remember: ClassVar[bool] = True


class Abandon(Step):
    """The order cannot succeed any more; count it and let its debts be settled."""

    __slots__ = ()
    remember: ClassVar[bool] = True


class CleanUp(Step):
    """Remove TXT values of ours that nothing needs any more."""

    __slots__ = ()
    remember: ClassVar[bool] = True


class Refresh(Step):
    """Ask for renewal information of the current certificate (RFC 9773)."""

    __slots__ = ()
    remember: ClassVar[bool] = True


class RepairChain(Step):
    """Download the certificate again and take the first of its chains that is clean; the leaf stays."""

    __slots__ = ()
    remember: ClassVar[bool] = True


class Rehearse(Step):
    """Do all of an issuance that costs the CA nothing: a canary at every server, CAA, the directory."""

    __slots__ = ()
    remember: ClassVar[bool] = True


IssueAction = (
    Begin | Read | Present | Answer | Finalize | Collect | Abandon | CleanUp | Refresh | RepairChain | Rehearse | Wait
)


@dataclass(frozen=True, slots=True)
class ForLinks:
    """What is done for these links of a proxy."""

    links: tuple[str, ...]
    because: str


class Look(ForLinks):
    """Look by handshake at what these links are served with; touches nothing."""

    __slots__ = ()
    remember: ClassVar[bool] = True


class Deploy(ForLinks):
    """Gate, install, point, check, reload and verify these links in one go."""

    __slots__ = ()
    remember: ClassVar[bool] = True


DeployAction = Look | Deploy | Wait
