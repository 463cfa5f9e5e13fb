"""A domain name as people write it, and as certd keeps it."""

from __future__ import annotations

import ipaddress
import re

import idna

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def as_domain(text: str) -> str:
    """A name on a command line as :func:`domain` writes it; what is no domain name stays as it is."""
    try:
        return domain(text)
    except ValueError:
        return text


def domain(text: str) -> str:
    """A domain name as A-labels in lower case, ``*.`` allowed in front. Raises ValueError with what is wrong."""
    plain = text.strip().rstrip(".").lower()
    wildcard = plain.startswith("*.")
    bare = plain.removeprefix("*.")
    try:
        ipaddress.ip_address(bare.strip("[]"))
    except ValueError:
        pass
    else:
        raise ValueError(f'"{text}" is an address; a link domain is a name')
    if "://" in text or "/" in text:
        raise ValueError(f'"{text}" is a URL; write only its host name')
    try:
        ascii_form = bare if bare.isascii() else idna.encode(bare, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f'"{text}" is no domain name: {error}') from error
    labels = ascii_form.split(".")
    if "*" in ascii_form:
        raise ValueError(f'"{text}": a wildcard stands only in front, as in "*.example.com"')
    if len(labels) < 2:
        raise ValueError(f'"{text}" is no domain name: it has no dot')
    if len(ascii_form) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f'"{text}" is no domain name')
    return ("*." if wildcard else "") + ascii_form
