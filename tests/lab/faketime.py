"""A clock that a test sets, for one process: libfaketime, preloaded."""

from __future__ import annotations

from pathlib import Path


def library() -> str:
    """The library that works with threads; empty where there is none."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else ""


class FakeClock:
    """The wall clock of a process. The monotonic clock goes on as it is, as it does when a machine's clock is set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.shift(0)

    def shift(self, hours: float) -> None:
        """Set it so many hours from the real time."""
        self._file.write_text(f"{hours * 3600:+.0f}\n")

    @property
    def environment(self) -> dict[str, str]:
        """What the process must see."""
        return {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
