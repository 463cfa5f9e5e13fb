"""Records of a zone: those that certd makes, and those that somebody else must."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TxtRecord:
    """One TXT value at one name. Names carry no final dot."""

    zone: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRecord:
    """A record that somebody else must make. Names, in ``value`` too, carry no final dot.

    Attributes:
        kind: CNAME, NS, A, AAAA or CAA.
    """

    name: str
    kind: str
    value: str
