"""What lies on the disk is taken in by a store that has nothing, also where a name that is wanted now is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from certd.adoption import Adoption
from certd.model import Certificate
from tests.simulation.clock import VirtualClock
from tests.simulation.memory import MemoryLineages
from tests.simulation.world import SilentJournal, covers
from tests.unit.cases import DAY, NOW, SPEC, certificate

OLD, ADDED, GONE = "link.example.com", "added.example.com", "gone.example.com"
WIDER = replace(SPEC, domains=(ADDED, OLD))

old = certificate(age=DAY, generation="old", fingerprint="a" * 64)
whole = certificate(age=2 * DAY, generation="whole", fingerprint="b" * 64, domains=(ADDED, OLD))
other = certificate(generation="other", fingerprint="c" * 64, domains=(GONE,))

CASES: dict[str, tuple[list[Certificate], Certificate | None, str]] = {
    "one without the added name": ([old], None, "old"),
    "one with every name beats one that is newer": ([whole, old], None, "whole"),
    "one with no name that is wanted": ([other], None, ""),
    "one without the added name never replaces what the store has": ([old], whole, "whole"),
}


@pytest.mark.parametrize("name", CASES)
def test_taken_in(name: str) -> None:
    """The case's name is the rule."""
    found, known, expected = CASES[name]
    clock = VirtualClock(NOW)
    store = MemoryLineages(clock)
    store.add(OLD, "issuer:letsencrypt")
    if known is not None:
        store.adopt(known)

    def generations(link: str, now: object) -> Sequence[Certificate]:
        return found

    adoption = Adoption(store, generations, covers, clock, SilentJournal())
    adoption.adopt_newer([WIDER])
    adoption.adopt_missing([WIDER])
    current = store.facts(OLD).current
    assert (current.generation if current else "") == expected
