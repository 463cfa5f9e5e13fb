"""What a proxy reads to find its certificate: one file, replaced by rename, so that nothing between is ever seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from certd.errors import TargetError

HEADER = "# Written by certd; changes are overwritten. Generation: {generation}\n"
_GENERATION = re.compile(r"^# Written by certd; .*Generation: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a pointer points at.

    Attributes:
        folder: The generation's folder, as the proxy sees it.
        read: The text of one of its files.
    """

    link: str
    folder: str
    read: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """How a kind of proxy is pointed at a generation.

    Attributes:
        suffix: Of the pointer's file.
        body: The lines after the header.
        by_name: Whether the proxy finds a combined file by the name asked for, too.
    """

    suffix: str
    body: Callable[[Source], str]
    by_name: bool = False

    def text(self, generation: str, source: Source) -> str:
        """The pointer's content."""
        return HEADER.format(generation=generation) + self.body(source)


def generation_in(text: str) -> str:
    """The generation that a pointer names. Raises TargetError."""
    found = _GENERATION.search(text)
    if found is None:
        raise TargetError("it is no pointer of certd's")
    return found[1]


def plain(source: Source) -> str:
    """The folder's path alone."""
    return f"{source.folder}\n"
