"""Half a minute of mutation over every parser of what strangers send; and the runner sees a crash, a delay, a leak."""

from __future__ import annotations

import time

import pytest

from tests.fuzz.runner import MOST_GROWTH, SLOW_SECONDS, Fuzz, Target
from tests.fuzz.targets import TARGETS

SECONDS = 1.5


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_strangers_send(target: Target) -> None:
    """No exception that is not documented, nothing that takes long, nothing that stays."""
    fuzz = Fuzz(target)
    fuzz.for_seconds(SECONDS)
    fuzz.measure_growth(300)
    assert fuzz.report.executions > 200
    # A collection of garbage that others left takes its time, too.
    assert [fault for fault in fuzz.report.faults if "takes" not in fault or fuzz.report.slowest > 1] == []


def test_a_crash_is_seen() -> None:
    """An exception that is not documented, with the input that raised it; a documented one is none."""

    def run(data: bytes) -> None:
        if b"\x00" in data:
            raise KeyError("zero")
        raise ValueError("documented")

    fuzz = Fuzz(Target("crash", run, (b"seed",), (ValueError,)))
    fuzz.for_seconds(1)
    (fault,) = fuzz.report.faults
    assert "KeyError" in fault
    assert b"\x00" in next(iter(fuzz.report.crashes.values()))


def test_a_delay_is_seen() -> None:
    """Of the processor, not of the clock."""

    def run(data: bytes) -> None:
        end = time.thread_time() + SLOW_SECONDS * 1.5
        while data == b"slow" and time.thread_time() < end:
            pass

    fuzz = Fuzz(Target("delay", run, (b"slow",)))
    fuzz._once(b"slow")
    assert ["takes" in fault for fault in fuzz.report.faults] == [True]


def test_a_leak_is_seen() -> None:
    """What is kept for each input."""
    kept: list[bytes] = []
    fuzz = Fuzz(Target("leak", lambda data: kept.append(bytes(300)), (b"seed",)))
    fuzz.measure_growth(500)
    assert fuzz.report.growth > MOST_GROWTH
    assert ["memory grows" in fault for fault in fuzz.report.faults] == [True]
