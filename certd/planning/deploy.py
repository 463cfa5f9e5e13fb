"""What a proxy needs next. The subject is a proxy, not a link: links that fall due together share one reload."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from certd.model import Deploy, DeployAction, Deployment, DesiredProxy, Generation, Health, Look, ProxyFacts, Wait
from certd.planning.backoff import CA_LADDER

# certd looks before it deploys; a look is evidence of "before" for so long.
FRESH = timedelta(seconds=30)

# A look costs about two milliseconds of processor: with ten thousand links each is looked at once in 83 minutes.
LOOKS_A_SECOND = 2

# Two addresses, three seconds for a connection and five for a handshake each.
LONGEST_LOOK = timedelta(seconds=16)

OVERDUE = datetime.min.replace(tzinfo=UTC)

# Of a proxy with thousands, so many go through one check, one reload and one verification; the rest in the next.
MOST_AT_ONCE = 500

# What is to be looked at so soon is looked at together: each pass of a proxy costs more than a look does.
LONGEST_TOGETHER = timedelta(seconds=10)

FAR_AWAY = timedelta(days=3650)


def plan_deploy(desired: DesiredProxy, facts: ProxyFacts, now: datetime) -> DeployAction:
    """The one action that this proxy needs now, or how long to wait and why. The facts may leave out the deployments
    that are not due (``due_of``).
    """
    links = frozenset(desired.links)
    wanted = [d for d in facts.deployments if d.link in links]
    may_act = [d for d in wanted if not is_held(facts, d, now)]
    if due := [d for d in may_act if needs_deploy(d, now)][:MOST_AT_ONCE]:
        if unseen := not_seen_lately(due, now):
            return Look(links_of(unseen), "look before deploying")
        return Deploy(links_of(due), why_deploy(due[0]) + (f", and {len(due) - 1} more" if len(due) > 1 else ""))
    shown = [d for d in wanted if d.wanted is not None]
    if any(look_due(desired, d, now) <= now for d in shown):
        due = [d for d in shown if look_due(desired, d, now) <= now + together(desired)][:MOST_AT_ONCE]
        return Look(links_of(due), "see that clients still get it")
    return next_wait(desired, facts, wanted, now)


def links_of(deployments: list[Deployment]) -> tuple[str, ...]:
    return tuple(d.link for d in deployments)


def is_held(facts: ProxyFacts, deployment: Deployment, now: datetime) -> bool:
    """``certd hold``: no pointer moves and nothing is reloaded; it ends by itself."""
    return any(until is not None and now < until for until in (facts.hold_until, deployment.hold_until))


def not_seen_lately(batch: list[Deployment], now: datetime) -> list[Deployment]:
    """Those to look at before all of these are deployed. Looking at many takes long, above all where nothing answers:
    what was seen first must not be stale when the last one has been, or the looking would never end.
    """
    newest = max((d.looked_at for d in batch if d.looked_at is not None), default=None)
    within = FRESH
    if newest is not None and timedelta(0) <= now - newest <= FRESH:
        within += LONGEST_LOOK * len(batch)
    return [d for d in batch if not is_fresh(d, now, within)]


def is_fresh(deployment: Deployment, now: datetime, within: timedelta = FRESH) -> bool:
    """Whether the last look is recent, and belongs to this try and not to the one before."""
    looked_at, try_at = deployment.looked_at, deployment.try_at
    if looked_at is None or not timedelta(0) <= now - looked_at <= within:
        return False
    return try_at is None or now < try_at or looked_at >= try_at


def strangers_better(deployment: Deployment) -> str:
    """The address where a good certificate that is not ours ends later than ours (design.md, The human wins)."""
    wanted = deployment.wanted
    if wanted is None:
        return ""
    for observation in deployment.observations:
        not_ours = observation.fingerprint not in deployment.ours and observation.fingerprint != wanted.fingerprint
        later = observation.not_after is not None and observation.not_after > wanted.not_after
        if observation.health is Health.GOOD and not_ours and later:
            return observation.address
    return ""


def ends_first(deployment: Deployment) -> Generation | None:
    """What clients still get while the wanted generation is not served, with its end as it was last seen; the wanted
    one where nothing came before it.
    """
    wanted = deployment.wanted
    name = wanted.name if wanted is not None else ""
    before = [each for each in (deployment.pointed, deployment.previous) if each is not None and each.name != name]
    found = max((each for each in before if not each.placeholder), key=lambda each: each.not_after, default=wanted)
    ends = [
        seen.not_after
        for seen in deployment.observations
        if seen.health is Health.GOOD and seen.not_after is not None
        if wanted is None or seen.fingerprint != wanted.fingerprint
    ]
    return replace(found, not_after=min(found.not_after, *ends)) if found is not None and ends else found


def all_blind(deployment: Deployment) -> bool:
    """Nothing could be learned of what clients get: an alarm, never a reason to act on a proxy again."""
    return all(observation.health is Health.BLIND for observation in deployment.observations)


def needs_deploy(deployment: Deployment, now: datetime) -> bool:
    """Whether a pointer must move or a reload must be tried again, now."""
    if deployment.wanted is None or deployment.is_verified or strangers_better(deployment):
        return False
    if is_waiting(deployment, now):
        return False
    is_pointed = deployment.pointed is not None and deployment.pointed.name == deployment.wanted.name
    # Pointed and reloaded, but nothing can be seen: reloading again and again proves nothing; looking may.
    is_done = is_pointed and deployment.was_reloaded and deployment.failures > 0
    return not (is_done and is_fresh(deployment, now) and all_blind(deployment))


def is_waiting(deployment: Deployment, now: datetime) -> bool:
    """Whether the wanted generation failed a while ago and is tried again later. A newer one waits for nobody: with
    short lives the older one's ladder would let clients run into its end.
    """
    tried = deployment.wanted is not None and deployment.tried == deployment.wanted.name
    # What lies further away than any ladder goes was set by a clock that was ahead.
    return tried and deployment.try_at is not None and now < deployment.try_at <= now + CA_LADDER[-1]


def why_deploy(deployment: Deployment) -> str:
    """The reason, for the journal and ``plan``."""
    wanted, pointed = deployment.wanted, deployment.pointed
    if wanted is None:
        return ""
    if pointed is None or pointed.placeholder:
        return f"{deployment.link}: the first certificate is here"
    if pointed.name != wanted.name:
        return f"{deployment.link}: a newer certificate is here ({wanted.name})"
    return f"{deployment.link}: {wanted.name} is not seen served yet"


def look_due(desired: DesiredProxy, deployment: Deployment, now: datetime) -> datetime:
    """When to look again; a link never looked at is overdue, and so is one that a clock says was looked at later."""
    if deployment.looked_at is None or deployment.looked_at > now:
        return OVERDUE
    return deployment.looked_at + look_interval(desired, deployment)


def look_interval(desired: DesiredProxy, deployment: Deployment) -> timedelta:
    """Five minutes by default, longer where a proxy has many links; a twentieth of the life where that is shorter, and
    never under two seconds.
    """
    interval = longest_rest(desired)
    if deployment.wanted is not None:
        life = deployment.wanted.not_after - deployment.wanted.not_before
        interval = min(interval, max(life / 20, timedelta(seconds=2)))
    return interval


def longest_rest(desired: DesiredProxy) -> timedelta:
    """No deployment that there is a certificate for waits for longer than this."""
    return max(desired.look_every, timedelta(seconds=len(desired.links) / LOOKS_A_SECOND))


def together(desired: DesiredProxy) -> timedelta:
    """What is to be looked at within so long is looked at now, where something is."""
    return min(LONGEST_TOGETHER, desired.look_every / 20)


def due_of(desired: DesiredProxy, facts: ProxyFacts, deployment: Deployment, now: datetime) -> datetime | None:
    """When ``plan_deploy`` has something to say of it again; None: when a certificate comes."""
    if deployment.wanted is None:
        return None
    if needs_deploy(deployment, now) and not is_held(facts, deployment, now):
        # Before what only came in: what was looked at is deployed before others are looked at.
        return OVERDUE
    return min(wait.until for wait in waits_of(desired, facts, deployment, now))


def next_wait(desired: DesiredProxy, facts: ProxyFacts, deployments: list[Deployment], now: datetime) -> Wait:
    """The earliest of: the next try, the end of a hold, the next look; it says which."""
    waits = [wait for d in deployments if d.wanted is not None for wait in waits_of(desired, facts, d, now)]
    nothing = Wait(now + FAR_AWAY, "nothing to deploy until a certificate is issued")
    return min(waits, key=lambda wait: wait.until, default=nothing)


def waits_of(desired: DesiredProxy, facts: ProxyFacts, deployment: Deployment, now: datetime) -> list[Wait]:
    """What one that has a certificate waits for; at least its next look."""
    link = deployment.link
    waits: list[Wait] = []
    if address := strangers_better(deployment):
        because = f"{link}: {address} serves a certificate that is not ours and ends later; left alone"
    elif deployment.is_verified:
        because = f"{link}: served; the next look"
    else:
        because = f"{link}: {deployment.error or 'not seen served yet'}"
        if deployment.try_at is not None and is_waiting(deployment, now) and not is_held(facts, deployment, now):
            waits.append(Wait(deployment.try_at, because))
    waits.append(Wait(max(look_due(desired, deployment, now), now), because))
    waits.extend(
        Wait(until, f"{link}: held until {until:%Y-%m-%d %H:%M:%SZ}")
        for until in (facts.hold_until, deployment.hold_until)
        if until is not None and until > now and not deployment.is_verified
    )
    return waits
