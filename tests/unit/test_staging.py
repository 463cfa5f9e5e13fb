"""Staging first: what failed proves itself where failing costs nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.model import Attempt, Begin, LineageFacts
from certd.planning.issue import plan_issue
from certd.planning.staging import is_staging, record_proof
from tests.unit.cases import DAY, NOW, WISH, certificate, facts, order

MINUTE = timedelta(minutes=1)
with_staging = replace(WISH, issuer=replace(WISH.issuer, staging="letsencrypt-staging"))


def failed(kind: str = "unauthorized", ago: timedelta = 20 * MINUTE, **changes: object) -> Attempt:
    """A failure at the CA whose backoff is over."""
    at = NOW - ago
    made = Attempt(failures=1, kind=kind, message="x", first_failed_at=at, failed_at=at, not_before=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


due = certificate(age=64 * DAY)
CASES: dict[str, tuple[LineageFacts, str]] = {
    "nothing failed": (facts(current=due), ""),
    "a validation failed": (facts(current=due, attempt=failed()), "letsencrypt-staging"),
    "a first one failed": (facts(attempt=failed()), "letsencrypt-staging"),
    "a first one has failed for hours": (facts(attempt=failed(ago=3 * 60 * MINUTE)), ""),
    "it was proved since": (facts(current=due, attempt=record_proof(failed(), NOW)), ""),
    "it was proved before the last failure": (
        facts(current=due, attempt=failed(proved_at=NOW - DAY)),
        "letsencrypt-staging",
    ),
    "rate limited": (facts(current=due, attempt=failed("rateLimited")), ""),
    "paused": (facts(current=due, attempt=failed("paused")), ""),
    "the CA is busy": (facts(current=due, attempt=failed("busy")), ""),
    "its account is gone": (facts(current=due, attempt=failed("accountDeactivated")), ""),
    "DNS found wanting by ourselves": (facts(current=due, attempt=failed("dns", failures=0, dns_failures=3)), ""),
    "half of the margin is gone": (facts(current=certificate(age=77 * DAY), attempt=failed()), ""),
    "just before that": (facts(current=certificate(age=75 * DAY), attempt=failed()), "letsencrypt-staging"),
    "expired": (facts(current=certificate(age=91 * DAY), attempt=failed()), ""),
}


@pytest.mark.parametrize("name", CASES)
def test_which(name: str) -> None:
    """A table of situations."""
    given, expected = CASES[name]
    action = plan_issue(with_staging, given, NOW)
    assert isinstance(action, Begin)
    assert action.staging == expected
    assert is_staging(action, given) is bool(expected)
    if expected:
        assert action.replaces == ""


def test_no_staging_directory() -> None:
    """A CA without one is asked directly."""
    action = plan_issue(WISH, facts(current=due, attempt=failed()), NOW)
    assert isinstance(action, Begin)
    assert action.staging == ""


def test_an_order_knows_what_it_is() -> None:
    """What is done to an order follows the order, not the plan of today."""
    assert is_staging(Begin(because="x"), facts(order=order(is_proof=True)))
    assert not is_staging(Begin(because="x", staging="s"), facts(order=order()))
