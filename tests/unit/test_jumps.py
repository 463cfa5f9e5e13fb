"""Two clocks that do not run together are noticed, once each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from certd.daemon.clock_jump import ClockWatch

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("name", "wall", "steady", "expected"),
    [
        ("nothing", 1, 1, 0),
        ("a busy machine", 60, 60, 0),
        ("slewing", 1.5, 1, 0),
        ("five seconds", 6, 1, 0),
        ("a little more", 6.5, 1, 5.5),
        ("a little more back", -4.5, 1, -5.5),
        ("a night in suspend", 8 * 3600, 2, 8 * 3600 - 2),
        ("an NTP step back", -3600, 1, -3601),
        ("stopped in a debugger", 3600, 3600, 0),
    ],
)
def test_a_jump_is_what_did_not_pass(name: str, wall: float, steady: float, expected: float) -> None:
    """The wall clock's way less the time that passed; a second look finds nothing more."""
    watch = ClockWatch(NOW, 100.0)
    assert watch.jumped(NOW + wall * SECOND, 100 + steady) == expected * SECOND, name
    assert watch.jumped(NOW + (wall + 1) * SECOND, 101 + steady) == timedelta(0), name


def test_there_and_back_are_two_jumps() -> None:
    """What was set wrong and put right was wrong in between."""
    watch = ClockWatch(NOW, 0.0)
    assert watch.jumped(NOW + 3601 * SECOND, 1.0) == 3600 * SECOND
    assert watch.jumped(NOW + 2 * SECOND, 2.0) == -3600 * SECOND
