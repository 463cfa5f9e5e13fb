"""Looking at everything that the switch of a CNAME needs, for the planner of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from certd.clicks.judge import direction_of, wrong_with_answer
from certd.clicks.look import ClickPath
from certd.clicks.model import ClickSettings, Direction, Leg, Pointing
from certd.clicks.port import Names
from certd.planning.cutover import Evidence, Voice


def gather_evidence(way: ClickPath, names: Names, desired: ClickSettings, public_resolvers: Sequence[str]) -> Evidence:
    """One look at all of it. Never raises for what a network does."""
    look = way.look(desired)
    direct = way.direct(desired)
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
        direction, _ = direction_of(pointing, services=desired.services, target=desired.target, front=desired.front)
        if direction is not Direction.SERVICE:
            for address in pointing.addresses:
                place = f"[{address}]:443" if ":" in address else f"{address}:443"
                if address not in shown:
                    shown[address] = way.shown(desired, place, True, False)
            legs = [shown[address] for address in pointing.addresses]
            direction, _ = direction_of(
                pointing,
                legs=legs,
                ours=desired.ours,
                services=desired.services,
                target=desired.target,
                front=desired.front,
            )
        return Voice(pointing=pointing, direction=direction)

    unknown = ""
    if desired.esp is not None and not direct.trouble:
        unknown = wrong_with_answer(direct, desired.esp)
    return Evidence(
        host=desired.host,
        esp=desired.esp,
        look=look,
        unknown_host=unknown,
        own=tuple(leg for leg in look.legs if not leg.is_public),
        authoritative=tuple(voice(each) for each in names.everywhere(desired.host)),
        public=tuple(voice(each) for each in names.by(desired.host, public_resolvers)),
        target=desired.target[0] if desired.target else "",
    )
