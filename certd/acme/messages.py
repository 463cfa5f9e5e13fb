"""What a CA sends, read with suspicion: any member may be missing, of another type, or new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from acme import challenges
from josepy.errors import Error as JoseError
from josepy.jwk import JWK

from certd.errors import AcmeProblem, AcmeRequest, AcmeUnreachable, Subproblem, displayable
from certd.model import DNS_01, DNS_PERSIST_01, Authorization, PersistOffer
from certd.planning.acme_errors import refusal_for
from certd.ports import OrderSeen, RenewalAdvice
from certd.system.egress import Response
from certd.system.http_headers import retry_after_of

URN = "urn:ietf:params:acme:error:"


# RFC 9773 section 4.3: clamp; where the server says nothing, every six hours.
ARI_LEAST = timedelta(minutes=1)
ARI_MOST = timedelta(days=1)
ARI_DEFAULT = timedelta(hours=6)

MOST_AUTHORIZATIONS = 100

# draft-ietf-acme-dns-persist: issuer-domain-names has one to ten entries.
MOST_ISSUER_NAMES = 10

STATUSES = frozenset({"pending", "ready", "processing", "valid", "invalid"})


def text_member(body: Mapping[str, Any], member: str, most: int = 2000) -> str:
    """A text member, bounded, without what could steer a terminal; empty where it is none."""
    value = body.get(member, "")
    return displayable(value[:most]) if isinstance(value, str) else ""


def parse_time(value: str) -> datetime | None:
    """An RFC 3339 time as aware UTC; None where it is none."""
    try:
        parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_problem(response: Response, request: AcmeRequest = AcmeRequest.UNKNOWN) -> AcmeProblem | None:
    """The problem document in the answer to a request (RFC 7807); None where it holds none."""
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not (text_member(body, "type") or text_member(body, "detail")):
        return None
    return problem_from(body, status=response.status, retry_after=retry_after_of(response), request=request)


def problem_from(
    body: Mapping[str, Any],
    *,
    status: int = 0,
    retry_after: timedelta | None = None,
    request: AcmeRequest = AcmeRequest.VALIDATION,
) -> AcmeProblem:
    """A problem object, wherever it stood; without a request it stood inside an order or a challenge."""
    kind = text_member(body, "type", 200).removeprefix(URN) or "unknown"
    below = body.get("subproblems", [])
    subproblems = tuple(
        Subproblem(
            identifier=text_member(
                sub.get("identifier", {}) if isinstance(sub.get("identifier"), dict) else {}, "value", 255
            ),
            type=text_member(sub, "type", 200).removeprefix(URN),
            detail=text_member(sub, "detail"),
        )
        for sub in (below if isinstance(below, list) else [])[:20]
        if isinstance(sub, dict)
    )
    problem = AcmeProblem(
        type=kind,
        detail=text_member(body, "detail") or "no details",
        status=status,
        retry_after=retry_after,
        subproblems=subproblems,
        instance=text_member(body, "instance"),
        request=request,
    )
    problem.hint = refusal_for(problem).hint
    return problem


def parse_order(body: Mapping[str, Any], response: Response, *, url: str, issuer: str) -> OrderSeen:
    """An order object (RFC 8555 section 7.1.3). Raises AcmeUnreachable for what is none."""
    status = text_member(body, "status", 50)
    urls = body.get("authorizations", [])
    if status not in STATUSES or not isinstance(urls, list) or len(urls) > MOST_AUTHORIZATIONS:
        raise AcmeUnreachable(f"{issuer} answers something that is no order (status {status or 'missing'!r})")
    error = body.get("error")
    problem = problem_from(error) if isinstance(error, dict) else None
    return OrderSeen(
        url=url,
        status=status,
        finalize_url=text_member(body, "finalize"),
        authorization_urls=tuple(url for url in urls if isinstance(url, str)),
        expires=parse_time(text_member(body, "expires", 100)),
        certificate_url=text_member(body, "certificate"),
        problem_type=problem.type if problem else "",
        problem=problem_text(problem) if problem else "",
        retry_after=retry_after_of(response),
    )


def problem_text(problem: AcmeProblem) -> str:
    """Its detail, and those of its subproblems."""
    return "; ".join([problem.detail, *(f"{sub.identifier}: {sub.detail}" for sub in problem.subproblems)])


def parse_authorization(body: Mapping[str, Any], *, url: str, key: JWK, issuer: str) -> Authorization:
    """An authorization object (RFC 8555 section 7.1.4) with the challenges that certd can answer. Raises
    AcmeUnreachable.
    """
    identifier = body.get("identifier")
    name = text_member(identifier, "value", 255).lower() if isinstance(identifier, dict) else ""
    status = text_member(body, "status", 50)
    offered = body.get("challenges", [])
    if not name or not status or not isinstance(offered, list):
        raise AcmeUnreachable(f"{issuer} answers something that is no authorization")
    by_type = {text_member(each, "type"): each for each in reversed(offered) if isinstance(each, dict)}
    found = by_type.get(DNS_01, {})
    ours = [found, by_type.get(DNS_PERSIST_01, {})]
    if status == "pending" and any(text_member(each, "status", 50) == "invalid" for each in ours):
        # The only challenge that we answer never becomes valid (RFC 8555 section 7.1.6), whatever stands above it.
        status = "invalid"
    error = next((c["error"] for c in offered if isinstance(c, dict) and isinstance(c.get("error"), dict)), None)
    problem = problem_from(error) if error is not None else None
    return Authorization(
        url=url,
        identifier=name,
        status=status,
        wildcard=body.get("wildcard") is True,
        challenge_url=text_member(found, "url"),
        txt_name=f"_acme-challenge.{name}" if found else "",
        txt_value=validation_value(text_member(found, "token", 500), key, issuer) if found else "",
        problem_type=problem.type if problem else "",
        problem=problem_text(problem) if problem else "",
        persist=_persist_offer(ours[1]),
    )


def _persist_offer(body: Mapping[str, Any]) -> PersistOffer | None:
    """A dns-persist-01 challenge (draft 01); None where there is none, or one of another draft."""
    names = body.get("issuer-domain-names")
    issuers = tuple(each for each in names if isinstance(each, str) and 0 < len(each) <= 253) if names else ()
    url = text_member(body, "url")
    if not url or not issuers or not isinstance(names, list) or len(names) > MOST_ISSUER_NAMES:
        return None
    return PersistOffer(url=url, issuers=issuers, account=text_member(body, "accounturi", 1000))


def validation_value(token: str, key: JWK, issuer: str) -> str:
    """base64url(SHA-256(token.thumbprint)) (RFC 8555 section 8.4)."""
    try:
        challenge = challenges.DNS01.from_json({"type": "dns-01", "token": token})
        value: str = challenge.validation(key)
    except (JoseError, ValueError) as error:
        raise AcmeUnreachable(f"{issuer} offers a challenge with a bad token") from error
    return value


def parse_renewal_info(body: Mapping[str, Any], response: Response, *, issuer: str) -> RenewalAdvice:
    """Renewal information (RFC 9773 section 4.2). Raises AcmeUnreachable where it makes no sense."""
    window = body.get("suggestedWindow")
    window = window if isinstance(window, dict) else {}
    start, end = parse_time(text_member(window, "start", 100)), parse_time(text_member(window, "end", 100))
    if start is None or end is None or end <= start:
        raise AcmeUnreachable(f"{issuer} answers renewal information without a sensible window")
    wait = retry_after_of(response)
    return RenewalAdvice(
        start=start,
        end=end,
        explanation_url=safe_url(text_member(body, "explanationURL", 500)),
        retry_after=ARI_DEFAULT if wait is None else min(max(wait, ARI_LEAST), ARI_MOST),
    )


def safe_url(url: str) -> str:
    """A link that may be shown: HTTPS, without spaces or controls."""
    fine = url.startswith("https://") and all("!" <= letter <= "~" for letter in url)
    return url if fine else ""
