"""What there is to see at one moment: read from certd's own commands and from the clicks."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.lab.clicker import Clicker
from tests.lab.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One moment.

    Attributes:
        plan: certd's own reasons, as ``certd plan`` words them.
        served: How many different certificates clients were shown; renewals are all but the first.
    """

    elapsed: float
    generation: str
    left: float
    life: float
    plan: tuple[str, ...]
    served: int
    good: int
    bad: int
    last_trouble: str
    log: tuple[str, ...]

    @property
    def renewals(self) -> int:
        """Renewals that clients saw."""
        return max(0, self.served - 1)


class Watching:
    """Looks at a scene; ``plan`` and ``status`` are asked every two seconds, the clicks each time."""

    def __init__(self, scene: Scene, clicker: Clicker, started: float) -> None:
        self._scene = scene
        self._clicker = clicker
        self._started = started
        self._asked_at = 0.0
        self._certificate: dict[str, Any] = {}
        self._plan: tuple[str, ...] = ()

    def look(self) -> Observation:
        """This moment."""
        if time.monotonic() - self._asked_at > 2:
            self._asked_at = time.monotonic()
            self._ask()
        now = datetime.now(UTC)
        left = life = 0.0
        if self._certificate:
            start, end = (datetime.fromisoformat(self._certificate[name]) for name in ("not_before", "not_after"))
            left, life = (end - now).total_seconds(), (end - start).total_seconds()
        log = self._scene.certd.output().splitlines() if self._scene.certd else []
        troubles = self._clicker.troubles
        return Observation(
            elapsed=time.monotonic() - self._started,
            generation=self._certificate.get("generation", ""),
            left=left,
            life=life,
            plan=self._plan,
            served=len(self._clicker.served),
            good=self._clicker.good,
            bad=len(troubles),
            last_trouble=troubles[-1][1] if troubles else "",
            log=tuple(log[-8:]),
        )

    def _ask(self) -> None:
        plan = self._scene.tried("plan")
        self._plan = tuple(plan.stdout.splitlines())
        status = self._scene.tried("status", "--json")
        if status.returncode in {0, 3}:
            (link,) = json.loads(status.stdout)["status"]["links"]
            self._certificate = link["certificate"] or {}
