"""Domain names between text and dnspython: certd writes them in lower case and without a final dot."""

from __future__ import annotations

import re

import dns.exception
import dns.name

from certd.errors import DnsRefused
from certd.ports import ZoneRecord

# RFC 8555 section 8.4.
LABEL = "_acme-challenge."

_PLAIN = re.compile(r"[a-z0-9_*]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z")


def parsed(text: str) -> dns.name.Name:
    """A text as an absolute name.

    Raises:
        DnsRefused: it is none.
    """
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise DnsRefused(f'"{shown(text)}" is not a domain name: {error}') from error


def written(name: dns.name.Name) -> str:
    """A name as certd writes it; the root is ``.``."""
    return name.to_text(omit_final_dot=True).lower()


def is_plain(text: str) -> bool:
    """Letters, digits, hyphens and underscores: what may be handed to a vendor or a command."""
    return len(text) <= 253 and _PLAIN.match(text) is not None


def is_below(name: str, zone: str) -> bool:
    """Whether a name lies in a zone, the apex included."""
    return name == zone or name.endswith("." + zone) or zone == "."


def shown(text: str, most: int = 90) -> str:
    """Foreign text fit for a sentence: printable ASCII, bounded."""
    plain = "".join(letter if " " <= letter <= "~" else f"\\x{ord(letter):02x}" for letter in text[: most + 1])
    return plain if len(plain) <= most else plain[:most] + "..."


def validation_name(domain: str) -> str:
    """Where a CA looks for the value (RFC 8555 section 8.4): a name's and its wildcard's are the same."""
    return LABEL + domain.removeprefix("*.")


def pointer(name: str, zone: str) -> ZoneRecord:
    """The CNAME that hands a validation name over to a zone that certd may write to: one name there for each link."""
    return ZoneRecord(name=name, kind="CNAME", value=f"{name.removeprefix(LABEL)}.{zone}")
