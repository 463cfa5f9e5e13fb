"""Which copy a node deploys."""

from __future__ import annotations

import pytest

from certd.model import Generation
from certd.planning.generation_choice import to_deploy
from tests.unit.cases import DAY, generation

LINK = ("link.example.com",)
old = generation(age=60 * DAY, mark="a")
new = generation(mark="b")
bought = generation(age=30 * DAY, life=365 * DAY, mark="c")
short = generation(life=6 * DAY, mark="d")
more = generation(age=1 * DAY, mark="e", domains=("link.example.com", "more.example.com"))

BOTH = ("link.example.com", "more.example.com")

CASES: dict[str, tuple[list[Generation], tuple[str, ...], Generation | None]] = {
    "nothing": ([], LINK, None),
    "the newer": ([old, new], LINK, new),
    "an older one that comes later changes nothing": ([new, old], LINK, new),
    "a bought one that ends later replaces what started later": ([new, bought], LINK, bought),
    "what comes after a bought one replaces it": ([bought, new], LINK, new),
    "a shorter profile replaces a longer one": ([old, short], LINK, short),
    "what covers every name beats what is newer": ([more, new], ("link.example.com", "more.example.com"), more),
    "what renewed it without a name that cannot be had beats it": (
        [generation(age=62 * DAY, mark="e", domains=BOTH), new],
        BOTH,
        new,
    ),
    "what covers too little is better than nothing": ([new], ("other.example.com",), new),
}


@pytest.mark.parametrize("name", CASES)
def test_choice(name: str) -> None:
    """The case's name is the rule."""
    copies, domains, expected = CASES[name]
    assert to_deploy(copies, domains) == expected
