"""What a lineage needs next. Pure: resume, dry run and explanation come free."""

from __future__ import annotations

from datetime import datetime, timedelta

from certd.model import (
    Abandon,
    Answer,
    Begin,
    Certificate,
    CleanUp,
    Collect,
    Desired,
    Finalize,
    IssueAction,
    LineageFacts,
    Order,
    Present,
    Rank,
    Read,
    Refresh,
    Rehearse,
    RepairChain,
    TxtCleanup,
    Wait,
)
from certd.planning.cleanup import cleanups_of_order, due_at, is_due
from certd.planning.policies import ISSUE_POLICIES, first_reason, held_back, is_from_the_future
from certd.planning.rehearsal import next_rehearsal
from certd.planning.relax import in_words, least_wish, outlives, profile_to_order, relaxed, relaxes_at
from certd.planning.renewal import latest_start, needs_haste, renewal_moment
from certd.planning.staging import staging_first

FAR_AWAY = timedelta(days=3650)

# RFC 9773 section 4.3: at most a day, and some hours for a clock that was set.
LONGEST_ADVICE = timedelta(days=2)


def plan_issue(desired: Desired, facts: LineageFacts, now: datetime) -> IssueAction:
    """The one action that a lineage needs now, or how long to wait and why."""
    desired, facts = relaxed(desired, facts, now)
    if facts.order:
        if outlives(desired, facts, facts.order, now):
            return Abandon(facts.order.because or "it is still open, and the served certificate must be renewed")
        return next_step(facts.order, cleanups_of_order(facts), now, desired.propagation_timeout, desired.anycast_grace)
    held: Wait | None = None
    if why := first_reason(ISSUE_POLICIES, desired, facts, now):
        if desired.is_relaxed:
            why = f"{why}; {in_words(desired)}"
        held = held_back(desired, facts, now)
        if held is None:
            profile = profile_to_order(desired, facts, now)
            if staging := staging_first(desired, facts, now):
                return Begin(because=f"{why}; proved on {staging} first", profile=profile, staging=staging)
            return Begin(because=why, replaces=replaced_by_order(desired, facts, now), profile=profile)
    if wants_chain_repair(facts, now):
        return RepairChain(chain_fault(facts))
    if any(is_due(cleanup, now) for cleanup in facts.cleanups):
        return CleanUp("a TXT value of ours may still be published")
    if wants_renewal_information(facts, now):
        return Refresh("the CA asked to be asked again")
    rehearsal = next_rehearsal(desired, facts, now)
    if rehearsal is not None and rehearsal.until <= now:
        return Rehearse(rehearsal.because)
    if held is not None and (at := relaxes_at(desired, facts, now)) is not None:
        less = least_wish(desired, facts, now)
        held = Wait(
            min(held.until, max(at, now)),
            f"{held.because}; meanwhile {', '.join(less.spec.domains)} is renewed without {', '.join(less.without)}, "
            f"next at {max(at, now):%Y-%m-%d %H:%M:%SZ}",
        )
    return next_wait(facts, now, held, rehearsal)


def next_step(
    order: Order, cleanups: tuple[TxtCleanup, ...], now: datetime, patience: timedelta, grace: timedelta = timedelta(0)
) -> IssueAction:
    """RFC 8555 section 7.1.6 and nothing more, plus what we remember: answered_at and seen_at.

    Args:
        patience: How long a published value may take to spread. What is not published yet does not use it up: a
            name server that is away for a day costs no second order.
        grace: What anycast servers that cannot be seen from here are given after all that can be showed the value.
    """
    match order.status:
        case "invalid":
            return Abandon(order.problem or "the CA refused it")
        case _ if now < order.look_at and not is_ahead_of_time(order, now):
            return Wait(order.look_at, order.because)
        # Who takes over says nothing of why it waits, and reads it once, however late: it may be signed by now.
        case None if order.because and now >= order.give_up_at:
            return Abandon(order.because)
        case None:
            return Read(order.because or "its last holder died")
        case "valid":
            return Collect("signed")
        case _ if now >= order.give_up_at:
            return Abandon(order.because or "the order expires")
        case "ready":
            return Finalize("authorized")
        case "pending" if order.answered_at is None:
            seen = [cleanup.seen_at for cleanup in cleanups if cleanup.seen_at is not None]
            if len(seen) == len(cleanups):
                if seen and now < max(seen) + grace:
                    return Wait(
                        max(seen) + grace, "every server shows our value; its anycast neighbours are given time"
                    )
                return Answer(
                    "every authoritative server shows our value" if cleanups else "the record of the link stands"
                )
            if has_not_spread(cleanups, now, patience):
                return Abandon(order.because or "our value did not spread")
            return Present("publish the validation record and look for it")
        case "pending" if any(authorization.has_failed for authorization in order.authorizations):
            return Answer("the validation failed and the order is still pending: the CA is asked to validate again")
        case _:
            return Read("see how far the CA is")


def is_ahead_of_time(order: Order, now: datetime) -> bool:
    """Made by a clock that was ahead and has been set back, and not looked at since: when to look is void."""
    return is_from_the_future(order.made_at, now) and order.look_at >= order.made_at


def has_not_spread(cleanups: tuple[TxtCleanup, ...], now: datetime, patience: timedelta) -> bool:
    """Every value was published, the last one longer ago than ``patience``."""
    added = [cleanup.added_at for cleanup in cleanups]
    return bool(added) and all(at is not None and now - at >= patience for at in added)


def replaced_by_order(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The renewal information identifier to send as ``replaces``: never across CAs, never of an expired one."""
    current = facts.current
    if current is None or current.issuer != desired.issuer.name or current.not_after <= now:
        return ""
    return current.ari_id


def wants_renewal_information(facts: LineageFacts, now: datetime) -> bool:
    """RFC 9773 section 4.3: right after issuance, then as Retry-After says; never after expiry."""
    current = facts.current
    if current is None or not current.ari_id or now >= current.not_after:
        return False
    at = current.window_look_at
    # Never asked for more than a day later: a later time was written by a clock that was ahead.
    return at is not None and (at <= now or at - now > LONGEST_ADVICE)


def chain_fault(facts: LineageFacts) -> str:
    """What is wrong with the chain that is served, in words; empty where nothing is, or an order is the way out."""
    current = facts.current
    return current.chain_repair.reason if current is not None and current.url and not current.revoked_because else ""


def wants_chain_repair(facts: LineageFacts, now: datetime) -> bool:
    """Whether the CA is asked for another chain now."""
    at = facts.current.chain_repair.look_at if facts.current is not None else None
    # Never asked for more than a day later: a later time was written by a clock that was ahead.
    return bool(chain_fault(facts)) and (at is None or at <= now or at - now > LONGEST_ADVICE)


def next_wait(facts: LineageFacts, now: datetime, held: Wait | None = None, rehearsal: Wait | None = None) -> Wait:
    """The earliest of: the renewal moment (or the end of what holds it back), the CA's next answer, debts, a
    rehearsal; it says which.
    """
    waits: list[Wait] = []
    current = facts.current
    if held is not None:
        waits.append(held)
    elif current is not None:
        moment = renewal_moment(current)
        waits.append(Wait(moment.at, f"renewal at {moment.at:%Y-%m-%d %H:%M:%SZ}: {moment.because}"))
    if current is not None and current.window_look_at is not None and now < current.window_look_at < current.not_after:
        before = waits[0].because if waits else "nothing is wanted"
        waits.append(Wait(current.window_look_at, f"{before}; before that the CA is asked again"))
    if current is not None and (fault := chain_fault(facts)) and (at := current.chain_repair.look_at) is not None:
        waits.append(Wait(at, f"{fault}; the CA is asked for another chain"))
    if rehearsal is not None:
        before = f"{waits[0].because}; before that " if waits else ""
        waits.append(Wait(rehearsal.until, before + rehearsal.because))
    before = f"{waits[0].because}; before that " if waits else ""
    swept = before + "a settled TXT value is swept once more"
    waits.extend(Wait(due_at(cleanup, now), swept) for cleanup in facts.cleanups)
    if not waits:
        return Wait(now + FAR_AWAY, "nothing is wanted")
    return min(waits, key=lambda wait: wait.until)


def rank_of(facts: LineageFacts, now: datetime) -> Rank:
    """Operator's request, less than a sixth of life left, renewal, first issuance."""
    if facts.request is not None:
        return Rank.OPERATOR
    if facts.current is None:
        return Rank.FIRST
    return Rank.URGENT if needs_haste(facts.current, now) else Rank.RENEWAL


def urgency_of(certificate: Certificate, now: datetime) -> tuple[Rank, datetime]:
    """The rank of a link that goes by this certificate, and since when its renewal is due: what is served and ends
    first goes first, whatever its row was made as.
    """
    rank = rank_of(LineageFacts(link=certificate.link, current=certificate), now)
    return rank, latest_start(certificate.not_before, certificate.not_after)
