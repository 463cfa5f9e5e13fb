"""A link's standing in words for people and as data for programs: what ``status`` prints and the pages show."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from certd.clicks.judge import in_words, trouble_of
from certd.clicks.model import ClickFacts
from certd.model import DeployAction, Deployment, Health, IssueAction, Wait
from certd.planning.deploy import strangers_better
from certd.planning.renewal import renewal_moment
from certd.status.assess import LinkStatus
from certd.timefmt import counted, span, stamp, when

# Said in the place of a time of what is due while nobody is there to do it.
WHEN_STARTED = "as soon as certd runs"


def is_due(action: IssueAction | DeployAction, now: datetime) -> bool:
    """Whether an action would be done now."""
    return not isinstance(action, Wait) or action.until <= now


def next_step_of(one: LinkStatus, now: datetime, *, running: bool = True) -> str:
    """The next step and its reason.

    Args:
        running: Whether a certd is there to do it.
    """
    action = one.action
    if action is None:
        return f"begin, {WHEN_STARTED}: nothing issued yet"
    if not running and is_due(action, now):
        return f"{type(action).__name__.lower()}, {WHEN_STARTED}: {action.because}"
    if isinstance(action, Wait):
        end = action.ends_at(now)
        return action.because if end is None else f"{action.because} (in {span(max(end - now, now - now))})"
    return f"{type(action).__name__.lower()}: {action.because}"


def served_words(deployment: Deployment) -> str:
    """What a proxy is seen to serve."""
    if deployment.wanted is None:
        return "a placeholder" if deployment.pointed else "nothing to deploy yet"
    addresses = [observation for observation in deployment.observations if not observation.never_answered]
    shown = sum(observation.health is Health.GOOD for observation in addresses)
    if deployment.is_verified and deployment.error:
        return f"NOT seen at the last look: {deployment.error}; last seen served {when(deployment.verified_at)}"
    if deployment.is_verified and deployment.verified_at is not None:
        note = f"; {deployment.note}" if deployment.note else ""
        return f"serves it on {shown} of {counted(len(addresses), 'address')}, seen {when(deployment.looked_at)}{note}"
    if address := strangers_better(deployment):
        return f"{address} serves a certificate that is not ours and ends later; left alone"
    return f"NOT seen to serve {deployment.wanted.name}: {deployment.error or 'it is being deployed'}"


def link_data(one: LinkStatus, now: datetime) -> dict[str, Any]:
    """One link for programs."""
    current = one.facts.current
    attempt = one.facts.attempt
    return {
        "link": one.link.name,
        "domains": list(one.link.spec.domains),
        "labels": dict(one.link.spec.labels),
        "state": one.state.value,
        "because": one.because,
        "hint": one.hint,
        "attention": one.attention,
        "certificate": None
        if current is None
        else {
            "domains": list(current.domains),
            "generation": current.generation,
            "issuer": current.issuer,
            "fingerprint": current.fingerprint,
            "not_before": stamp(current.not_before),
            "not_after": stamp(current.not_after),
            "seconds_left": int((current.not_after - now).total_seconds()),
            "renewal_at": stamp(renewal_moment(current).at),
            "revoked": current.revoked_because or None,
        },
        "next": None
        if one.action is None
        else {
            "action": type(one.action).__name__.lower(),
            "because": one.action.because,
            "at": stamp(one.action.ends_at(now)) if isinstance(one.action, Wait) else stamp(now),
        },
        "changes": list(one.changes),
        "failures": attempt.failures + attempt.dns_failures,
        "last_error": None
        if not attempt.kind
        else {
            "kind": attempt.kind,
            "message": attempt.message,
            "at": stamp(attempt.failed_at),
        },
        "clicks": [click_data(facts) for facts in one.clicks],
        "proxies": [
            {
                "proxy": proxy,
                "pointed": deployment.pointed.name if deployment.pointed else None,
                "served": deployment.served or None,
                "verified_at": stamp(deployment.verified_at),
                "error": deployment.error or None,
                "note": deployment.note or None,
                "addresses": [
                    {
                        "address": observation.address,
                        "health": observation.health.value,
                        "fingerprint": observation.fingerprint,
                        "because": observation.because,
                    }
                    for observation in deployment.observations
                ],
            }
            for proxy, deployment in one.deployments
        ],
    }


def click_data(facts: ClickFacts) -> dict[str, Any]:
    """The way of a click for programs."""
    look, trouble = facts.look, trouble_of(facts)
    return {
        "host": facts.host,
        "waits_for_cname": facts.waits_for_cname,
        "arrived_at": stamp(facts.arrived_at),
        "looked_at": stamp(look.at) if look else None,
        "direction": look.direction.value if look else None,
        "because": in_words(facts),
        "trouble": trouble.words if trouble else None,
        "hint": trouble.hint if trouble else None,
        "failures": facts.failures,
        "checks": [
            {"name": finding.name, "words": finding.words, "hint": finding.hint, "since": stamp(finding.since)}
            for finding in facts.findings
        ],
        "dns": None
        if look is None
        else {
            "aliases": list(look.pointing.aliases),
            "addresses": list(look.pointing.addresses),
            "ttl": look.pointing.ttl,
        },
        "upstream": None if look is None else {"status": look.upstream_status, "trouble": look.upstream or None},
        "addresses": [
            {
                "address": leg.address,
                "public": leg.is_public,
                "fingerprint": leg.fingerprint,
                "not_after": stamp(leg.not_after),
                "certificate": leg.certificate or None,
                "click": leg.click or None,
                "status": leg.status,
                "milliseconds": leg.milliseconds,
                "seen": not leg.cannot_see,
            }
            for leg in (look.legs if look else ())
        ],
    }
