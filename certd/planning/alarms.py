"""When to raise an alarm, and when to tell of it. Pure.

The margin is the time from the planned renewal to expiry; alarms are shares of it: a note after three failures, a
warning when a quarter is used, a page at half and at three quarters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from certd.model import Alarm, Certificate, Deployment, IssueAction, Level, LineageFacts, Notice, ToldAlarm, Wait
from certd.planning.acme_errors import HUMAN_KINDS
from certd.planning.backoff import FOR_GOOD
from certd.planning.cleanup import is_stuck
from certd.planning.deploy import all_blind, strangers_better
from certd.planning.failure import DELEGATION
from certd.planning.margin import HALF, QUARTER, THREE_QUARTERS, left_of_life, nominal_used
from certd.planning.relax import failure_of_relaxed
from certd.planning.renewal import is_called_back, margin_used

NOTE_AFTER = 3
REPEAT_AFTER = timedelta(days=1)

# How the cause of a silent channel begins.
CHANNEL = "channel:"

# A lane that is away for so long is worth a note, and a warning.
AWAY_NOTE = timedelta(minutes=15)
AWAY_WARNING = timedelta(hours=6)

# An orphan is warned of when so much of its life is left at most.
ORPHAN_SHARE = left_of_life(QUARTER)

# Another team's DNS records are waited for so long before somebody is reminded.
DELEGATION_PATIENCE = timedelta(days=7)


def issue_alarm(
    facts: LineageFacts, action: IssueAction | None, now: datetime, labels: Mapping[str, str]
) -> Alarm | None:
    """What is wrong with getting a certificate; None when nothing is worth hearing."""
    attempt, current = facts.attempt, facts.current
    if current is None and attempt.kind == DELEGATION:
        return _delegation_reminder(facts, now, labels)
    used = margin_used(current, now) if current is not None else 0.0
    level = _by_margin(used)
    count = attempt.failures + attempt.dns_failures
    if attempt.kind in HUMAN_KINDS:
        level = max(level or Level.WARNING, Level.WARNING)
    elif count >= NOTE_AFTER:
        level = max(level or Level.NOTE, Level.NOTE)
    if current is None and attempt.first_failed_at is not None and now - attempt.first_failed_at > timedelta(hours=1):
        level = max(level or Level.WARNING, Level.WARNING)
    if current is not None and not attempt.kind and (words := called_back_words(current, now)):
        return Alarm(
            cause=f"issue:{facts.link}",
            level=max(level or Level.WARNING, Level.WARNING),
            subject=facts.link,
            words=words,
            next_step=_next_step(action, now),
            labels=labels,
        )
    if current is not None and not attempt.kind and current.chain_repair.is_open and current.chain_repair.looks:
        return Alarm(
            cause=f"issue:{facts.link}",
            level=max(level or Level.WARNING, Level.WARNING),
            subject=facts.link,
            words=f"the leaf is good and its chain is not: {current.chain_repair.reason}",
            next_step=_next_step(action, now),
            hint="see whether the CA tells of an incident; `certd renew LINK --force` orders another certificate",
            labels=labels,
        )
    if not attempt.kind and (words := dropped_words(facts, now)):
        level, hint = level or Level.NOTE, "change the configuration, or leave that out"
        return Alarm(
            cause=f"issue:{facts.link}",
            level=level,
            subject=facts.link,
            words=words,
            labels=labels,
            good_until=current.not_after if current is not None else None,
            hint=hint,
        )
    if level is None or (current is not None and not attempt.kind and used < 0.5):
        return None
    words = attempt.message or "it is due for renewal and was not renewed"
    if (relaxed := failure_of_relaxed(facts)) is not None and relaxed is not attempt:
        words = f"{words}; the renewal without that fails too: {relaxed.message}"
    if current is not None and current.not_after <= now:
        words = f"expired since {current.not_after:%Y-%m-%d %H:%M:%SZ}: {words}"
        level = Level.LAST_PAGE
    return Alarm(
        cause=f"issue:{facts.link}",
        level=level,
        subject=facts.link,
        words=words,
        good_until=current.not_after if current is not None else None,
        next_step=_next_step(action, now),
        hint=attempt.hint,
        labels=labels,
    )


def called_back_words(current: Certificate, now: datetime) -> str:
    """Its CA has revoked it, or wants it replaced long before its time; with the CA's own explanation."""
    if current.revoked_because:
        return f"its certificate is revoked: {current.revoked_because}"
    if not is_called_back(current, now) or current.window is None:
        return ""
    url = current.window.explanation_url
    return f"its CA wants the certificate replaced now{f': {url}' if url else ', and does not say why'}"


def dropped_words(facts: LineageFacts, now: datetime) -> str:
    """What the current certificate was issued without; what concerned that one order only is old news after a day."""
    current = facts.current
    is_new = current is not None and now - current.issued_at < REPEAT_AFTER
    lasting = [words for words in facts.attempt.dropped if is_new or not words.startswith("replaces:")]
    return f"renewed without what the CA did not take: {'; '.join(lasting)}" if lasting else ""


def _delegation_reminder(facts: LineageFacts, now: datetime, labels: Mapping[str, str]) -> Alarm | None:
    """A new link waits for another team's DNS records: nobody is bothered for a week, then reminded."""
    attempt = facts.attempt
    if attempt.first_failed_at is None or now - attempt.first_failed_at < DELEGATION_PATIENCE:
        return None
    days = (now - attempt.first_failed_at).days
    return Alarm(
        cause=f"issue:{facts.link}",
        level=Level.WARNING,
        subject=facts.link,
        words=f"for {days} days: {attempt.message}",
        next_step="it is looked at every minute",
        hint=attempt.hint,
        labels=labels,
    )


def deploy_alarm(proxy: str, deployment: Deployment, now: datetime, labels: Mapping[str, str]) -> Alarm | None:
    """What is wrong with serving it; None when nothing is worth hearing."""
    cause, subject = f"deploy:{proxy}:{deployment.link}", f"{deployment.link} on {proxy}"
    ends = [observation.not_after for observation in deployment.observations if observation.not_after is not None]
    good_until = min(ends, default=None)
    if address := strangers_better(deployment):
        return Alarm(
            cause=cause,
            level=Level.NOTE,
            subject=subject,
            good_until=good_until,
            labels=labels,
            words=f"{address} serves a certificate that is not ours and ends later; it is left alone",
            hint="adopt it with `certd import files`, or remove it",
        )
    if not deployment.error:
        return None
    if good_until is None and deployment.served and deployment.pointed is not None:
        # Nothing can be seen: what was last proven served ends then.
        proven = (deployment.wanted, deployment.pointed, deployment.previous)
        good_until = next((g.not_after for g in proven if g and g.fingerprint == deployment.served), None)
    level = Level.NOTE if deployment.failures >= NOTE_AFTER else None
    if all_blind(deployment) and deployment.failures >= NOTE_AFTER:
        level = Level.WARNING
    if good_until is not None and deployment.wanted is not None:
        life = deployment.wanted.not_after - deployment.wanted.not_before
        left = (good_until - now) / life if life else 0.0
        # What is served is an older one: the margin is reckoned from its life.
        by_margin = _by_margin(nominal_used(left))
        level = max(level or Level.NOTE, by_margin or Level.NOTE) if level or by_margin else level
    if level is None:
        return None
    next_step = f"it is tried again at {deployment.try_at:%Y-%m-%d %H:%M:%SZ}" if deployment.try_at else "it is tried"
    return Alarm(
        cause=cause,
        level=level,
        subject=subject,
        words=deployment.error,
        good_until=good_until,
        next_step=next_step,
        hint=deployment.hint,
        labels=labels,
    )


def orphan_alarm(facts: LineageFacts, now: datetime) -> Alarm | None:
    """A link that was taken out of the configuration and that ends soon."""
    current = facts.current
    if current is None or current.not_after <= now or current.not_after - now > current.life * ORPHAN_SHARE:
        return None
    return Alarm(
        cause=f"orphan:{facts.link}",
        level=Level.WARNING,
        subject=facts.link,
        good_until=current.not_after,
        words="it is no longer in the configuration, and nobody renews it",
        hint="put it back, or `certd forget` it",
    )


def cleanup_alarm(facts: LineageFacts, now: datetime) -> Alarm | None:
    """TXT values of ours that stay published though nothing needs them, an orphan's or a forgotten link's, too."""
    stuck = [cleanup for cleanup in facts.cleanups if is_stuck(cleanup, now)]
    if not stuck:
        return None
    names = ", ".join(sorted({cleanup.target or cleanup.name for cleanup in stuck}))
    ways = ", ".join(sorted({f"dns.{cleanup.provider}" for cleanup in stuck}))
    return Alarm(
        cause=f"owed:{facts.link}",
        level=Level.WARNING,
        subject=facts.link,
        next_step="it is tried again",
        words=f"a TXT value of ours cannot be removed from {names} by {ways}",
        hint=f"certd's log says why; {ways} must stay in the configuration until it is done",
    )


def dependency_alarm(dependency: str, because: str, since: datetime, probe_at: datetime, now: datetime) -> Alarm | None:
    """A CA, a name server or a proxy that is away; a link whose margin goes has an alarm of its own."""
    if now - since < AWAY_NOTE:
        return None
    return Alarm(
        cause=f"lane:{dependency}",
        level=Level.WARNING if now - since >= AWAY_WARNING else Level.NOTE,
        subject=dependency,
        words=f"away: {because}",
        next_step=f"it is asked again at {probe_at:%Y-%m-%d %H:%M:%SZ}",
    )


def channel_alarm(channel: str, because: str) -> Alarm:
    """One of several ways to tell somebody is silent; the others say so."""
    return Alarm(
        cause=f"{CHANNEL}{channel}",
        level=Level.WARNING,
        subject=f"alarms.{channel}",
        words=because,
        next_step="it is tried with every alarm, and daily with this one",
        hint="fix it, then `certd alarm test`",
    )


def notices(
    told: Mapping[str, ToldAlarm], alarms: Iterable[Alarm], now: datetime
) -> tuple[list[Notice], list[ToldAlarm]]:
    """What to tell now, and what is on the books afterwards: a new cause, a louder one, a day-old one, and the end of
    one.
    """
    tell: list[Notice] = []
    books: list[ToldAlarm] = []
    lasting = set()
    for alarm in alarms:
        lasting.add(alarm.cause)
        known = told.get(alarm.cause)
        since = known.since if known else now
        is_louder = known is None or alarm.level > known.alarm.level
        if known is not None and not is_louder and timedelta(0) <= now - known.told_at < REPEAT_AFTER:
            # The loudest level that was told stands, so that one that sways is not told again and again.
            books.append(known)
            continue
        tell.append(Notice(alarm=alarm, since=since))
        books.append(ToldAlarm(alarm=alarm, since=since, told_at=now))
    tell += [
        Notice(alarm=known.alarm, since=known.since, is_over=True)
        for cause, known in told.items()
        if cause not in lasting
    ]
    return tell, books


def _by_margin(used: float) -> Level | None:
    if used >= THREE_QUARTERS:
        return Level.LAST_PAGE
    if used >= HALF:
        return Level.PAGE
    return Level.WARNING if used >= QUARTER else None


def _next_step(action: IssueAction | None, now: datetime) -> str:
    match action:
        case None:
            return ""
        case Wait():
            if action.until - now > FOR_GOOD / 2:
                return "nothing until the configuration changes, or `certd renew LINK --force`"
            return f"it is tried again at {action.until:%Y-%m-%d %H:%M:%SZ}"
        case _:
            return "it is being tried now"
