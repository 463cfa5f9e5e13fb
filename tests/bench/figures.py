"""One measured figure, its bound, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value in its unit.

    Attributes:
        most, least: The bound; None where there is none on that side.
        against: The same of another program in the same run, as a ratio.
    """

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None
    against: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept."""
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def shown(self) -> str:
        """For the table."""
        return f"{self.value:.3g} {self.unit}"

    @property
    def bound_shown(self) -> str:
        """For the table."""
        if self.most is not None:
            return f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.least is not None else ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
