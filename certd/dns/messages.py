"""Domain names between text and dnspython."""

from __future__ import annotations

import dns.exception
import dns.name

from certd.dns.names import display_name
from certd.errors import DnsRefused


def parse_message(text: str) -> dns.name.Name:
    """A text as an absolute name.

    Raises:
        DnsRefused: it is none.
    """
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise DnsRefused(f'"{display_name(text)}" is not a domain name: {error}') from error


def write_message(name: dns.name.Name) -> str:
    """A name as certd writes it; the root is ``.``."""
    return name.to_text(omit_final_dot=True).lower()
