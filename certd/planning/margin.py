"""The margin: the time from the planned renewal to the expiry.

Every rule and every sentence that speaks of a quarter, a half or a third derives from the one value here,
``RENEW_AT``: alarms, giving way, issuer failover, staging, the checks of ``certd check``, the store's filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# The share of a life after which a renewal starts. Let's Encrypt suggests two thirds, and half of a life below ten
# days (integration guide, "When to renew").
RENEW_AT = 2 / 3
RENEW_AT_SHORT = 1 / 2
SHORT_LIFE = timedelta(days=10)

# Shares of the margin that are used when something changes: a warning, a page, the last page.
QUARTER = 1 / 4
HALF = 1 / 2
THREE_QUARTERS = 3 / 4

FRACTIONS = {1 / 6: "a sixth", 1 / 5: "a fifth", 1 / 4: "a quarter", 1 / 3: "a third", 1 / 2: "half"}


@dataclass(frozen=True, slots=True)
class Margin:
    """Of one certificate.

    Attributes:
        start: The planned renewal.
        end: The expiry.
    """

    start: datetime
    end: datetime

    def at(self, share: float) -> datetime:
        """When a share of it is used; its start where it has no length."""
        return self.start + max(self.end - self.start, timedelta(0)) * share

    def used(self, now: datetime) -> float:
        """The share that is gone: below 0 before the planned renewal, 1 and more after the expiry."""
        length = self.end - self.start
        return (now - self.start) / length if length > timedelta(0) else float(now >= self.end)


def renew_at(life: timedelta) -> float:
    """The share of such a life after which a renewal starts."""
    return RENEW_AT_SHORT if life < SHORT_LIFE else RENEW_AT


def left_of_life(used: float) -> float:
    """The share of a life that is left when this share of the margin is used, for the lives of today's certificates."""
    return (1 - used) * (1 - RENEW_AT)


def nominal_used(left: float) -> float:
    """The share of the margin that is used when this share of a life is left; the inverse of ``left_of_life``."""
    return 1 - left / (1 - RENEW_AT)


def in_words(share: float) -> str:
    """``a third``; a percentage where no word fits."""
    for known, word in FRACTIONS.items():
        if abs(share - known) < 0.005:
            return word
    return f"{share:.0%}"
