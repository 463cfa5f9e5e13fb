"""Domain names as texts: certd writes them in lower case and without a final dot."""

from __future__ import annotations

import re

from certd.model import ZoneRecord

# RFC 8555 section 8.4.
LABEL = "_acme-challenge."

_PLAIN = re.compile(r"[a-z0-9_*]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z")


def plain(text: str) -> str:
    """A name as certd writes it."""
    return text.lower().rstrip(".")


def is_plain(text: str) -> bool:
    """Letters, digits, hyphens and underscores: what may be handed to a vendor or a command."""
    return len(text) <= 253 and _PLAIN.match(text) is not None


def is_below(name: str, zone: str) -> bool:
    """Whether a name lies in a zone, the apex included."""
    return name == zone or name.endswith("." + zone) or zone == "."


def display_name(text: str, most: int = 90) -> str:
    """Foreign text fit for a sentence: printable ASCII, bounded."""
    plain = "".join(letter if " " <= letter <= "~" else f"\\x{ord(letter):02x}" for letter in text[: most + 1])
    return plain if len(plain) <= most else plain[:most] + "..."


def validation_name(domain: str) -> str:
    """Where a CA looks for the value (RFC 8555 section 8.4): a name's and its wildcard's are the same."""
    return LABEL + domain.removeprefix("*.")


def pointer(name: str, zone: str) -> ZoneRecord:
    """The CNAME that hands a validation name over to a zone that certd may write to: one name there for each link."""
    return ZoneRecord(name=name, kind="CNAME", value=f"{name.removeprefix(LABEL)}.{zone}")
