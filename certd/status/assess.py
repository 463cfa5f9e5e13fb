"""Where a link stands, for ``status``, ``plan``, ``once`` and ``renew``: read from facts, decided by the planners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from certd.clicks.judge import trouble_of
from certd.clicks.model import ClickFacts
from certd.config.settings import LinkSettings
from certd.errors import CertdError
from certd.model import Deployment, Desired, IssueAction, LineageFacts, Wait
from certd.planning.acme_errors import NOT_BY_FORCE
from certd.planning.deploy import strangers_better
from certd.planning.failure import INTERRUPTIONS
from certd.planning.issue import plan_issue
from certd.planning.issuers import switch_issuer
from certd.planning.margin import HALF
from certd.planning.policies import ISSUE_POLICIES, first_reason
from certd.planning.relax import changes_at_renewal
from certd.planning.renewal import margin_used
from certd.read_model import ReadModel


class State(StrEnum):
    """In one word."""

    SERVED = "served"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """One link.

    Attributes:
        action: What would happen to it next.
        because: Why it is in that state, in words.
        desired: With the terms of the issuer that is asked now; None for an orphan.
        attention: Somebody should look: it failed, its margin is half gone, or an endpoint shows something else.
        clicks: The way of a click, for each host of the link; empty where it was not looked at yet.
    """

    link: LinkSettings
    facts: LineageFacts
    deployments: tuple[tuple[str, Deployment], ...]
    action: IssueAction | None
    state: State
    because: str
    hint: str = ""
    attention: bool = False
    desired: Desired | None = None
    clicks: tuple[ClickFacts, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What the next renewal changes, by the configuration that was read just now."""
        spec = self.link.spec
        asked = self.desired.issuer if self.desired is not None else None
        if asked is None or asked.name not in spec.issuers:
            return changes_at_renewal(spec, spec.issuers[0], self.facts)
        return changes_at_renewal(spec, asked.name, self.facts, asked.profile)

    @property
    def is_first(self) -> bool:
        """Clients get nothing of ours yet: the first certificate is on its way. Nobody need look at that; nor is all
        well.
        """
        if self.state is not State.PENDING:
            return False
        seen = [deployment.verified_at is not None for _, deployment in self.deployments]
        return self.facts.current is None or (bool(seen) and not any(seen))


def assess(
    read_model: ReadModel | None, link: LinkSettings, now: datetime, since: datetime | None = None
) -> LinkStatus:
    """Read and judge one link.

    Args:
        since: A failure from before is none while it is about to be tried again; None: every failure is one.

    Raises:
        CertdError: the store cannot be read.
    """
    if read_model is None:
        because = "nothing issued yet; certd has not run here"
        return LinkStatus(
            link=link,
            facts=LineageFacts(link=link.name),
            deployments=(),
            action=None,
            state=State.PENDING,
            because=because,
            attention=True,
        )
    facts = read_model.stores.lineages.facts(link.name)
    clicks = read_model.stores.clicks.of(link.name)
    desired = read_model.desired(link.name, facts)
    return held(read_model, assess_facts(link, facts, deployments_of(read_model, link), desired, now, since, clicks))


def held(read_model: ReadModel, one: LinkStatus) -> LinkStatus:
    """The same, with what a worker saw and that is not in the facts: why it left the link, and until when."""
    if one.action is None or isinstance(one.action, Wait):
        return one
    rest = read_model.stores.lineages.resting(one.link.spec.subject)
    if rest is None or not rest[1]:
        return one
    until, because = rest
    is_first = one.facts.current is None and one.state is State.PENDING
    return replace(one, action=Wait(until, because), because=because if is_first else one.because)


def assess_facts(
    link: LinkSettings,
    facts: LineageFacts,
    deployments: tuple[tuple[str, Deployment], ...],
    desired: Desired | None,
    now: datetime,
    since: datetime | None = None,
    clicks: tuple[ClickFacts, ...] = (),
) -> LinkStatus:
    """Judge one link by what was read of it."""
    if desired is not None:
        facts = switch_issuer(facts, desired.issuer.name, desired.spec.issuers[0])
    action = plan_issue(desired, facts, now) if desired is not None else None
    state, because, hint = judge_state(desired, facts, deployments, action, now, since)
    return LinkStatus(
        link=link,
        facts=facts,
        deployments=deployments,
        action=action,
        state=state,
        because=because,
        hint=hint,
        attention=needs_attention(state, facts, [deployment for _, deployment in deployments], now)
        or any(trouble_of(each) is not None for each in clicks),
        desired=desired,
        clicks=clicks,
    )


def needs_attention(state: State, facts: LineageFacts, deployments: Sequence[Deployment], now: datetime) -> bool:
    """Somebody should look; a failure is not over because something newer is being tried."""
    if facts.current is not None and facts.current.revoked_because:
        return True
    if state is State.FAILED or (facts.current is None and facts.order is None):
        return True
    if facts.current is not None and margin_used(facts.current, now) > HALF:
        return True
    return any(trouble(deployment) for deployment in deployments)


def deployments_of(read_model: ReadModel, link: LinkSettings) -> tuple[tuple[str, Deployment], ...]:
    """The link on each of its proxies."""
    found = []
    for proxy in link.proxies:
        facts = read_model.stores.node.proxy_facts(proxy, [(link.name, link.spec.domains)])
        found.append((proxy, facts.deployments[0]))
    return tuple(found)


def judge_state(
    desired: Desired | None,
    facts: LineageFacts,
    deployments: tuple[tuple[str, Deployment], ...],
    action: IssueAction | None,
    now: datetime,
    since: datetime | None = None,
) -> tuple[State, str, str]:
    """State, reason and hint."""
    attempt = facts.attempt
    is_fresh = since is None or (attempt.failed_at is not None and attempt.failed_at >= since)
    if facts.order is not None:
        if is_fresh and attempt.kind and attempt.failed_at and attempt.failed_at >= facts.order.made_at:
            return State.FAILED, attempt.message, attempt.hint
        return State.PENDING, facts.order.because or "an order is open", ""
    if attempt.kind and (is_fresh or isinstance(action, Wait)):
        if not is_fresh and attempt.kind in INTERRUPTIONS and isinstance(action, Wait):
            # It may be over by now; the next try comes within minutes.
            return State.PENDING, action.because, attempt.hint
        if facts.request is not None and attempt.kind in NOT_BY_FORCE and isinstance(action, Wait):
            return State.FAILED, action.because, attempt.hint
        return State.FAILED, attempt.message, attempt.hint
    if facts.current is None or facts.current.not_after <= now:
        return State.PENDING, "no certificate yet" if facts.current is None else "the certificate has expired", ""
    if desired is not None and (why := first_reason(ISSUE_POLICIES, desired, facts, now)):
        if isinstance(action, Wait):
            return State.FAILED, action.because, ""
        return State.PENDING, why, ""
    for proxy, deployment in deployments:
        if facts.current.fingerprint not in deployment.ours:
            # Committed to the store a moment ago: what is proven served is the one before.
            return State.PENDING, f"{proxy}: the newest certificate is not copied to this node yet", ""
        if address := strangers_better(deployment):
            return (
                State.SERVED,
                f"{proxy}: {address} serves a certificate that is not ours and ends later",
                ("adopt it with `certd import files`, or remove it"),
            )
        if deployment.is_verified and since is not None and not was_looked_at(deployment, since):
            return State.PENDING, f"{proxy}: its endpoints are being looked at", ""
        if deployment.is_verified and deployment.error:
            # It was proven served, and the last look could not see it.
            return State.FAILED, f"{proxy}: {deployment.error}", deployment.hint
        if not deployment.is_verified:
            if deployment.is_spreading:
                return State.PENDING, f"{proxy}: {deployment.error}", deployment.hint
            if deployment.error and not is_newer_than_the_failure(deployment):
                return State.FAILED, f"{proxy}: {deployment.error}", deployment.hint
            before = f"; the one before was not either: {deployment.error}" if deployment.error else ""
            return State.PENDING, f"{proxy}: not seen served yet{before}", deployment.hint
    return State.SERVED, "", ""


def was_looked_at(deployment: Deployment, since: datetime) -> bool:
    """Whether its endpoints were looked at since somebody asked."""
    return deployment.looked_at is not None and deployment.looked_at >= since


def trouble(deployment: Deployment) -> str:
    """What the last try or look came to, as long as nothing was proven served since; empty where all is well.

    It stays while a newer generation is being ordered or tried: an endpoint that was never seen does not become
    one to wait for by each renewal.
    """
    if deployment.is_spreading or strangers_better(deployment):
        return ""
    return deployment.error


def is_newer_than_the_failure(deployment: Deployment) -> bool:
    """What is wanted came after what could not be deployed: it has not been tried yet."""
    return bool(deployment.tried) and deployment.wanted is not None and deployment.tried != deployment.wanted.name


def state_of(read_model: ReadModel, link: LinkSettings, now: datetime) -> State:
    """The state alone; a store that cannot be read at the moment is still pending."""
    try:
        return assess(read_model, link, now).state
    except CertdError:
        return State.PENDING
