"""What a node remembers of providers, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from certd.model import KeptLeftover, Leftover
from tests.lab.certificates import NOW


@dataclass
class Memory:
    """One link at one provider.

    Attributes:
        fail_at: The number of the write (from 1) that raises, as a process that is killed there would end.
    """

    link: str = "link.example.com"
    kept: dict[str, str] = field(default_factory=dict)
    left: list[Leftover] = field(default_factory=list)
    fail_at: int = 0
    writes: int = 0

    def _write(self) -> None:
        self.writes += 1
        if self.writes == self.fail_at:
            raise KeyboardInterrupt

    def name(self, role: str) -> str:
        return self.kept.get(role, "")

    def names(self) -> Mapping[str, str]:
        return dict(self.kept)

    def keep(self, role: str, name: str) -> None:
        self._write()
        self.kept[role] = name

    def leave(self, leftover: Leftover) -> None:
        self._write()
        if leftover not in self.left:
            self.left.append(leftover)

    def leftovers(self) -> Sequence[Leftover]:
        return tuple(self.left)

    def forget(self, leftover: Leftover) -> None:
        self._write()
        self.left.remove(leftover)


@dataclass
class Memories:
    """Every link at one provider: implements ``targets.api_target.RemoteNames``."""

    of_link: dict[str, Memory] = field(default_factory=dict)
    put_offs: list[str] = field(default_factory=list)

    def of(self, proxy: str, link: str) -> Memory:
        return self.of_link.setdefault(link, Memory(link))

    def leftovers(self, proxy: str) -> Sequence[KeptLeftover]:
        return [
            KeptLeftover(link=link, leftover=each, failures=0, try_at=NOW, reason="")
            for link, memory in self.of_link.items()
            for each in memory.left
        ]

    def put_off(self, proxy: str, link: str, leftover: Leftover, *, until: datetime, reason: str) -> None:
        self.put_offs.append(reason)
