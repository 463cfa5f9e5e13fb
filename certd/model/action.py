"""What a planner may answer: one action with its reason.

``remember`` says that the engine must commit the facts after it, before anything else happens;
all else the CA or the disk remembers (DESIGN part 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until``."""

    until: datetime
    because: str


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
class Read:
    """Ask the CA how far the order is (POST-as-GET)."""

    because: str
    remember: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Present:
    """Publish the TXT values that are owed, and look whether every authoritative server shows them."""

    because: str
    remember: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the CA that the challenges are ready."""

    because: str
    remember: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Finalize:
    """Send the CSR made from the order's remembered key."""

    because: str
    remember: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Collect:
    """Download what was signed, judge it, and make it the current certificate."""

    because: str
    remember: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Abandon:
    """The order cannot succeed any more; count it and let its debts be settled."""

    because: str
    remember: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Settle:
    """Remove TXT values of ours that nothing needs any more."""

    because: str
    remember: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Refresh:
    """Ask for renewal information of the current certificate (RFC 9773)."""

    because: str
    remember: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Do all of an issuance that costs the CA nothing: a canary at every server, CAA, the directory."""

    because: str
    remember: ClassVar[bool] = True


IssueAction = Begin | Read | Present | Answer | Finalize | Collect | Abandon | Settle | Refresh | Rehearse | Wait


@dataclass(frozen=True, slots=True)
class Look:
    """Look by handshake at what these links are served with; touches nothing."""

    links: tuple[str, ...]
    because: str
    remember: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Deploy:
    """Gate, install, point, check, reload and verify these links in one go."""

    links: tuple[str, ...]
    because: str
    remember: ClassVar[bool] = True


DeployAction = Look | Deploy | Wait
