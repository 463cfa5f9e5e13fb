"""A resolver that is away costs one question at a time."""

from __future__ import annotations

from collections.abc import Sequence

from certd.clicks.model import Pointing
from certd.dns.resolver_backoff import ResolverBackoff


class Names:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble = ""

    def seen(self, host: str) -> Pointing:
        self.asked.append(host)
        return Pointing(speaker="192.0.2.1", trouble=self.trouble, addresses=() if self.trouble else ("192.0.2.9",))

    def everywhere(self, host: str) -> tuple[Pointing, ...]:
        return (self.seen(host),)

    def by(self, host: str, resolvers: Sequence[str]) -> tuple[Pointing, ...]:
        return (self.seen(host),)


def test_one_question_at_a_time_while_nobody_answers() -> None:
    """A thousand hosts within a minute ask four times, and all hear why; the first answer ends it."""
    names, now = Names(), [0.0]
    stepping = ResolverBackoff(names, lambda: now[0])
    names.trouble = "no resolver answers"
    for number in range(1000):
        assert stepping.seen(f"l{number}").trouble == "no resolver answers"
        now[0] += 0.06
    assert len(names.asked) == 3 + 3
    names.trouble = ""
    now[0] += 15
    assert stepping.seen("a").addresses
    before = len(names.asked)
    assert all(stepping.seen(f"l{number}").addresses for number in range(50))
    assert len(names.asked) == before + 50


def test_a_lost_packet_is_no_resolver_that_is_away() -> None:
    """What was not answered for two hosts is asked for the third; an answer in between begins anew."""
    names = Names()
    stepping = ResolverBackoff(names, lambda: 0.0)
    for trouble in ("x", "x", "", "x", "x", ""):
        names.trouble = trouble
        assert stepping.seen("a").trouble == trouble
    assert len(names.asked) == 6


def test_few_links_are_asked_about_each_time() -> None:
    """With less than one look in fifteen seconds nobody hears what another heard."""
    names, now = Names(), [0.0]
    stepping = ResolverBackoff(names, lambda: now[0])
    names.trouble = "no resolver answers"
    for number in range(20):
        stepping.seen(f"l{number}")
        now[0] += 15
    assert len(names.asked) == 20
