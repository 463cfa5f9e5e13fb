"""How strictly certificates of servers are verified: the same on every Python.

Since Python 3.13 a default context has ``VERIFY_X509_STRICT`` and ``VERIFY_X509_PARTIAL_CHAIN`` (ssl module, changed in
version 3.13). The first refuses a private CA whose certificates lack a key identifier (RFC 5280 sections 4.2.1.1 and
4.2.1.2) or key usage. Such a CA served certd well before an upgrade of the system, and must do so after it.
"""

from __future__ import annotations

import ssl


def with_our_rules(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, which still verifies chain, dates and name; a missing key identifier is no reason to refuse."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
