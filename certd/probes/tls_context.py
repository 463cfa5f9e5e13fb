"""TLS as a client that trusts these anchors: made once for all who look."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache

# The checked ones of a configuration hold the same roots, so there are two or three; roots that were replaced go soon.
MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What the certificates of an issuer must chain to.

    Attributes:
        pem: Trust anchors; empty: the system's.
        checked: False for a CA whose roots no client knows (staging): names and dates are judged, the chain is not.
    """

    pem: str = ""
    checked: bool = True


UNCHECKED = Anchors(checked=False)


@lru_cache(maxsize=MOST)
def context_of(anchors: Anchors) -> ssl.SSLContext:
    """A context for any number of handshakes, from any thread; sessions are never resumed. With the system's roots it
    takes 0.8 MiB: the probers of all proxies and the click probe share it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not anchors.checked:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif anchors.pem:
        context.load_verify_locations(cadata=anchors.pem)
    else:
        context.load_default_certs()
    return context
