"""An address that may hold a token: a webhook's path, a ping's, a password before the host."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from certd.model.secret import Secret

# Shorter parts of a path are words, such as "hooks" or "api": no service has tokens as short.
LEAST_TOKEN = 8
HIDDEN = "***"


class Address(Secret):
    """A URL, or a reference to one; nothing of it is shown but its host. An empty one is false."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self.reveal())

    @property
    def host(self) -> str:
        """The host and port alone, fit for words about a failure."""
        return host_of(self.reveal())


NO_ADDRESS = Address("")


def host_of(url: str) -> str:
    """A URL's host and port, without what stands before and behind them."""
    try:
        return urlsplit(url.strip()).netloc.rpartition("@")[2] or "its address"
    except ValueError:
        return "its address"


def without_address(words: str, url: str) -> str:
    """Words of a stranger's, such as a page that echoes the request, with nothing of the address in them."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return HIDDEN
    before_host = parts.netloc.rpartition("@")[0]
    behind_host = f"{parts.path}?{parts.query}" if parts.query else parts.path
    pieces = [url, behind_host, *re.split(r"[/?&=#;:]", f"{before_host}/{behind_host}/{parts.fragment}")]
    hidden = {form for piece in pieces for form in (piece, unquote(piece)) if len(form) >= LEAST_TOKEN}
    for piece in sorted(hidden, key=len, reverse=True):
        words = words.replace(piece, HIDDEN)
    return words
