"""The conversation with a CA in the log at debug level: what was asked and what came back, without keys and tokens.

What is signed is shown before it is signed, so neither nonce nor signature is in it. Of JSON only members that are
known to be harmless keep their values; a certificate, a CSR and whatever is no JSON is named by its kind and length.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from certd.system.egress import Response

# RFC 8555: the members of directories, orders, authorizations, challenges and problems that tell how far things are.
# Not among them: token, key, jwk, csr, certificate (revokeCert), contact, externalAccountBinding, signature.
SHOWN = frozenset(
    {
        "authorizations",
        "caaIdentities",
        "challenges",
        "detail",
        "end",
        "error",
        "explanationURL",
        "expires",
        "externalAccountRequired",
        "finalize",
        "identifier",
        "identifiers",
        "keyChange",
        "meta",
        "newAccount",
        "newNonce",
        "newOrder",
        "onlyReturnExisting",
        "orders",
        "profile",
        "profiles",
        "reason",
        "renewalInfo",
        "replaces",
        "revokeCert",
        "start",
        "status",
        "subproblems",
        "suggestedWindow",
        "termsOfService",
        "termsOfServiceAgreed",
        "type",
        "url",
        "validated",
        "value",
        "wildcard",
    }
)
# A URL of the CA's own: its members are names that the CA chose.
OPEN = frozenset({"profiles", "meta"})

MOST = 1500

_log = logging.getLogger("certd.acme")


def trace_request(issuer: str, method: str, url: str, payload: bytes | None = None) -> None:
    """Before a request is sent; an empty payload is a POST-as-GET."""
    if _log.isEnabledFor(logging.DEBUG):
        said = "" if payload is None else "as GET" if not payload else redacted_body(payload, "application/json")
        _say("asked", issuer=issuer, method=method, url=url, said=said)


def trace_response(issuer: str, url: str, response: Response) -> None:
    """When a whole answer is there."""
    if _log.isEnabledFor(logging.DEBUG):
        headers = response.headers
        _say(
            "answered",
            issuer=issuer,
            url=url,
            status=str(response.status),
            said=redacted_body(response.body, headers.get("content-type", "")),
            location=headers.get("location", ""),
            retry_after=headers.get("retry-after", ""),
        )


def trace_failure(issuer: str, url: str, why: str) -> None:
    """When there is none."""
    if _log.isEnabledFor(logging.DEBUG):
        _say("no answer", issuer=issuer, url=url, reason=why)


def redacted_body(body: bytes, kind: str) -> str:
    """What a body says, as far as that is nobody's secret."""
    if not body:
        return ""
    try:
        shown = json.dumps(_harmless(json.loads(body)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return f"{len(body)} bytes of {kind.partition(';')[0] or 'something'}"
    return shown if len(shown) <= MOST else f"{shown[:MOST]}... ({len(shown)} letters)"


def _harmless(value: Any, *, every: bool = False) -> Any:
    match value:
        case dict():
            return {
                str(name): _harmless(inner, every=name in OPEN) if every or name in SHOWN else "***"
                for name, inner in value.items()
            }
        case list():
            return [_harmless(inner) for inner in value]
        case _:
            return value


def _say(message: str, **fields: str) -> None:
    _log.debug(message, extra={"fields": {name: value for name, value in fields.items() if value}})
