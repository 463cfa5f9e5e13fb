"""Looking at everything that the switch of a CNAME needs, for the planner of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from certd.clicking import ClickWay
from certd.model import ClickWish, Direction, Leg, Pointing
from certd.planning.clicking import direction_of, wrong_with_answer
from certd.planning.cutover import Evidence, Voice
from certd.ports import Names


def gathered(way: ClickWay, names: Names, wish: ClickWish, public_resolvers: Sequence[str]) -> Evidence:
    """One look at all of it. Never raises for what a network does."""
    look = way.look(wish)
    direct = way.direct(wish)
    shown: dict[str, Leg] = {}
    known: dict[str, Pointing] = {}

    def voice(pointing: Pointing) -> Voice:
        if pointing.trouble:
            return Voice(pointing=pointing, direction=Direction.UNKNOWN)
        if pointing.aliases and not pointing.addresses:
            # An authoritative server does not know what lies behind an alias out of its zone.
            last = pointing.aliases[-1]
            rest = known.setdefault(last, names.seen(last))
            pointing = replace(pointing, aliases=(*pointing.aliases, *rest.aliases), addresses=rest.addresses)
        direction, _ = direction_of(pointing, services=wish.services, target=wish.target, front=wish.front)
        if direction is not Direction.SERVICE:
            for address in pointing.addresses:
                place = f"[{address}]:443" if ":" in address else f"{address}:443"
                if address not in shown:
                    shown[address] = way.shown(wish, place, True, False)
            legs = [shown[address] for address in pointing.addresses]
            direction, _ = direction_of(
                pointing, legs=legs, ours=wish.ours, services=wish.services, target=wish.target, front=wish.front
            )
        return Voice(pointing=pointing, direction=direction)

    unknown = ""
    if wish.esp is not None and not direct.trouble:
        unknown = wrong_with_answer(direct, wish.esp)
    return Evidence(
        host=wish.host, esp=wish.esp, look=look, unknown_host=unknown,
        own=tuple(leg for leg in look.legs if not leg.is_public),
        authoritative=tuple(voice(each) for each in names.everywhere(wish.host)),
        public=tuple(voice(each) for each in names.by(wish.host, public_resolvers)),
        target=wish.target[0] if wish.target else "",
    )  # fmt: skip
