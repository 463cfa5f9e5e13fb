"""What the headers of an HTTP answer say, read with suspicion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from certd.system.egress import Response

LONGEST_WAIT = timedelta(days=8)


def retry_after_of(response: Response) -> timedelta | None:
    """Retry-After in either form (RFC 9110 section 10.2.3), never negative, at most eight days."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        # Python refuses to read numbers of more than 4300 digits.
        return min(timedelta(seconds=int(value.lstrip("0")[:8] or "0")), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - _said_now(response), timedelta(0)), LONGEST_WAIT)


def _said_now(response: Response) -> datetime:
    """The server's own idea of now: our clock may differ from the one its date was made with."""
    return date_of(response) or datetime.now(UTC)


def date_of(response: Response) -> datetime | None:
    """Its Date header; None where it has none that makes sense."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
