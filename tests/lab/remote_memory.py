"""What a node remembers of providers, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from certd.model.remote import Leftover


@dataclass
class Memory:
    """Implements ``ports.RemoteMemory`` for one link.

    Attributes:
        fail_at: The number of the write (from 1) that raises, as a process that is killed there would end.
    """

    names: dict[str, str] = field(default_factory=dict)
    left: list[Leftover] = field(default_factory=list)
    fail_at: int = 0
    writes: int = 0

    def _write(self) -> None:
        self.writes += 1
        if self.writes == self.fail_at:
            raise KeyboardInterrupt

    def name(self, role: str) -> str:
        return self.names.get(role, "")

    def keep(self, role: str, name: str) -> None:
        self._write()
        self.names[role] = name

    def leave(self, leftover: Leftover) -> None:
        self._write()
        if leftover not in self.left:
            self.left.append(leftover)

    def leftovers(self) -> Sequence[Leftover]:
        return tuple(sorted(self.left, key=lambda each: (each.generation, each.role)))

    def forget(self, leftover: Leftover) -> None:
        self._write()
        self.left.remove(leftover)
