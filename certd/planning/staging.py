"""Staging first: after a failed attempt the next one proves itself where failing costs nothing. Pure.

Let's Encrypt's staging directory runs the same code with far higher limits. What passes there is tried at production
at once; what fails there costs production nothing. It never holds production back past half of the margin.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Attempt, Begin, Desired, IssueAction, LineageFacts
from certd.planning.acme_errors import TOLD_KINDS, VALIDATION_KINDS
from certd.planning.margin import HALF
from certd.planning.renewal import margin_used

# Without a certificate there is no margin, and clicks wait.
FIRST_PATIENCE = timedelta(hours=2)

# A staging directory tells nothing about an account, an agreement or a limit of the other one.
TELLS_NOTHING = TOLD_KINDS | {
    "accountDeactivated",
    "accountDoesNotExist",
    "userActionRequired",
    "externalAccountRequired",
    "invalidContact",
    "notPermitted",
    "busy",
}

# A failure there that production would repeat; any other is staging's own trouble.
PREDICTS = VALIDATION_KINDS | {"badKey", "rejectedIdentifier", "unsupportedIdentifier"}


def staging_first(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The name of the staging issuer that must sign first; empty where production is asked directly."""
    attempt = facts.attempt
    if not desired.issuer.staging or not attempt.failures or attempt.kind in TELLS_NOTHING:
        return ""
    if attempt.proved_at is not None and attempt.failed_at is not None and attempt.proved_at >= attempt.failed_at:
        return ""
    if facts.current is None:
        since = attempt.first_failed_at
        return "" if since is None or now - since >= FIRST_PATIENCE else desired.issuer.staging
    # The second half of the margin belongs to production, whatever staging says.
    return "" if margin_used(facts.current, now) >= HALF else desired.issuer.staging


def is_staging(action: IssueAction, facts: LineageFacts) -> bool:
    """Whether an action is part of a proof on a staging directory."""
    if facts.order is not None:
        return facts.order.is_proof
    return isinstance(action, Begin) and bool(action.staging)


def record_proof(attempt: Attempt, now: datetime) -> Attempt:
    """Production may be asked: staging signed, or had nothing to say."""
    return replace(attempt, proved_at=max(now, attempt.failed_at or now))
