"""How long after its deadline certd said that something is not served: by the times in its own log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DAY_SECONDS = 86400.0

_LINE = re.compile(r"^(\d\d):(\d\d):(\d\d\.\d+)  ([a-z ]+?)  (?:proxy|link)=(\S+)(.*)$")
_SPAN = re.compile(r"  (took|within)=([\d.]+)s$")


@dataclass(frozen=True, slots=True)
class Told:
    """One line.

    Attributes:
        late: Seconds after the deadline.
        took: Seconds that the reload before it took.
    """

    link: str
    words: str
    late: float
    took: float


def told_in(lines: Iterable[str], proxies: Mapping[str, str]) -> list[Told]:
    """What was said after a reload; what is refused before it waits for no deadline.

    Args:
        proxies: The proxy of each link.
    """
    reloaded: dict[str, tuple[float, float]] = {}
    found: list[Told] = []
    for line in lines:
        matched = _LINE.match(line)
        if matched is None:
            continue
        hours, minutes, seconds, event, name, rest = matched.groups()
        at = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        span = _SPAN.search(rest)
        if event in {"reloaded", "reload failed"} and span is not None:
            reloaded[name] = (at, float(span[2]))
        elif event == "not served" and span is not None and proxies.get(name) in reloaded:
            since, took = reloaded[proxies[name]]
            found.append(Told(name, rest.strip(), _since(since, at) - float(span[2]), took))
    return found


def _since(earlier: float, later: float) -> float:
    """Over midnight, too."""
    return (later - earlier + DAY_SECONDS / 2) % DAY_SECONDS - DAY_SECONDS / 2
