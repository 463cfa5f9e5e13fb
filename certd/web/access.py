"""Who may see the pages: whoever is on this machine, or knows the password.

Health, readiness and figures are for anybody who can reach the address: they name links and dates, no more. Figures may
have a password of their own. The style sheet says nothing, and without it a refusal would be ugly.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from certd.errors import CertdError
from certd.model import Secret
from certd.web.exchange import Request, Response, sentence

METRICS_PATH = "/metrics"
OPEN = frozenset({"/healthz", "/readyz", METRICS_PATH, "/style.css"})
REALM = 'Basic realm="certd", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Access:
    """The rule.

    Args:
        password: Read at each request, so that a new one counts at once; None where none is set.
        metrics_password: The same for the figures, which are for anybody where none is set.
    """

    password: Callable[[], Secret] | None = None
    metrics_password: Callable[[], Secret] | None = None

    def refusal(self, request: Request) -> Response | None:
        """What is answered instead of the page; None: it may be seen."""
        if request.path == METRICS_PATH and self.metrics_password is not None:
            return _without_password(request, self.metrics_password, "certd.metrics_password")
        if request.path in OPEN:
            return None
        if self.password is not None:
            return _without_password(request, self.password, "certd.listen_password")
        if not request.is_local:
            return sentence(
                403, "pages are for this machine alone; set certd.listen_password to have them from elsewhere"
            )
        if not request.is_socket and not _is_our_name(request.headers.get("host", "")):
            # A page of a stranger's whose name suddenly resolves to 127.0.0.1 (DNS rebinding) is told nothing.
            return sentence(403, "without certd.listen_password ask for an address or for localhost, not for a name")
        return None


def _without_password(request: Request, password: Callable[[], Secret], key: str) -> Response | None:
    try:
        expected = password().reveal().strip()
    except CertdError as error:
        return sentence(503, str(error))
    if not expected:
        return sentence(503, f"{key} is empty")
    given = _password_in(request.headers.get("authorization", ""))
    # Of equal length whatever was given, and compared in constant time.
    if given is not None and hmac.compare_digest(_digest(given), _digest(expected)):
        return None
    return sentence(401, f"the password of {key}, with any user name", WWW_Authenticate=REALM)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _password_in(header: str) -> str | None:
    """The password of HTTP's Basic scheme (RFC 7617)."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(token.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    _, colon, password = text.partition(":")
    return password if colon else None


def _is_our_name(host: str) -> bool:
    """An address or ``localhost``; nobody but the operator makes a browser send these."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").lower()
    if name in {"localhost", ""}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
