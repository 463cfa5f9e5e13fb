"""Outages of any length: what lapses then could not be helped, and an oracle that knows every outage says so."""

from __future__ import annotations

import os
import random
from datetime import timedelta

import pytest

from tests.simulation.clock import EPOCH
from tests.simulation.oracle import Interval, avoidable, could_be_served
from tests.simulation.world import Event, Outages, World

DAY = timedelta(days=1)
LIFE = 90 * DAY
YEARS = 2
# SIMULATION_SEEDS=12 and more by hand; each costs some six seconds.
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "4"))


def at(days: float) -> timedelta:
    return timedelta(days=days)


def lived(seed: int) -> tuple[World, list[Interval], list[Interval]]:
    """A world with outages of up to two months, and what kept anybody from ordering and from reloading."""

    def drawn(salt: str, a_year: float) -> Outages:
        return Outages.drawn(random.Random(f"{seed}-long-{salt}"), YEARS, a_year, 60 * DAY)

    ca, dns, reloads = drawn("ca", 5), drawn("dns", 3), drawn("reload", 3)
    events = Event.drawn(random.Random(f"{seed}-long-events"), YEARS)
    world = World(seed, years=YEARS, ca_away=ca, dns_away=dns, reload_fails=reloads, events=events)
    world.run()
    asleep = [(event.at, event.at + event.by) for event in events if event.kind == "suspend"]
    # From a clock that is set wrong to the one that sets it right.
    wrong = [(event.at, event.at + 2 * DAY) for event in events if event.kind == "clock" and event.by]
    return world, [*ca.intervals, *dns.intervals, *asleep, *wrong], [*reloads.intervals, *asleep]


@pytest.mark.timeout(400)
def test_what_lapsed_could_not_be_helped() -> None:
    """With outages up to two thirds of a life each second of lapse is one that nobody could have saved."""
    lapses = 0
    for seed in range(SEEDS):
        world, no_order, no_reload = lived(seed)
        for lapse in world.lapses:
            lapses += 1
            due = avoidable(lapse, LIFE, no_order, no_reload)
            words = f"seed {seed}: lapsed {lapse[0]} to {lapse[1]}, could have been served at {due}"
            assert due is None, words + "\n" + "\n".join(world.journal.lines)
        assert world.ca.refused == []
    assert lapses >= 2, "no lapse at all: the outages are too kind to judge anything by"
    print(f"{SEEDS} seeds, {SEEDS * YEARS} years: {lapses} lapses, none avoidable")


ORACLE: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]], float | None]] = {
    "nothing was away": ([], [], 25 / 24 + 0.5 / 24),
    "the CA was away all the time": ([(-1, 40)], [], None),
    "a morning was not enough": ([(0, 10), (10.5, 40)], [], None),
    "two days were": ([(0, 10), (12, 40)], [], 10 + 25.5 / 24),
    "then no reload worked": ([(0, 10), (12, 40)], [(9, 40)], None),
    "a reload worked later": ([(0, 10), (12, 40)], [(9, 20)], 20 + 0.5 / 24),
    "overlapping outages are one": ([(0, 5), (3, 20), (19, 30)], [], None),
}


@pytest.mark.parametrize("name", ORACLE)
def test_the_oracle(name: str) -> None:
    """When a diligent client would have been done within thirty days."""
    no_order, no_reload, expected = ORACLE[name]
    intervals = [[(EPOCH + at(a), EPOCH + at(b)) for a, b in found] for found in (no_order, no_reload)]
    served = could_be_served(EPOCH, EPOCH + 30 * DAY, *intervals)
    assert served == (None if expected is None else EPOCH + at(expected)), served


def test_the_oracle_catches_an_idle_client() -> None:
    """It bites: a client that did not use the days that it had is told so."""
    lapse = (EPOCH + 90 * DAY, EPOCH + 95 * DAY)
    away = [(EPOCH + 60 * DAY, EPOCH + 80 * DAY)]
    due = avoidable(lapse, LIFE, away, [])
    assert due is not None
    assert due < lapse[0]
