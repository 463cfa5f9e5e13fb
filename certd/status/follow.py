"""What is watched of a link while somebody waits for it: the same over the daemon's socket and in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from certd.config.settings import LinkSettings
from certd.errors import CertdError
from certd.model import Wait
from certd.planning.acme_errors import NOT_BY_FORCE
from certd.read_model import ReadModel
from certd.status.assess import LinkStatus, State, assess
from certd.timefmt import when
from certd.wiring.rate_limit_report import rate_limit_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A link at one moment.

    Attributes:
        is_ordering: An order is open.
        fingerprint: Of the current certificate; by it, and not by time, a new one is told from the old: the clock may
            have been set since.
        force_is_vain: The CA has said until when it refuses, so that a forced renewal waits as long.
        not_after, failed_at: Epoch seconds; None where there is none.
        waits: Until when a renewal that was asked for has to wait, and why; empty where it does not.
    """

    link: str
    state: State
    because: str = ""
    hint: str = ""
    is_ordering: bool = False
    fingerprint: str = ""
    not_after: float | None = None
    failed_at: float | None = None
    force_is_vain: bool = False
    waits: str = ""

    def until(self) -> datetime | None:
        """When the current certificate ends."""
        return None if self.not_after is None else datetime.fromtimestamp(self.not_after, UTC)

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def seen_of(data: Mapping[str, Any]) -> Seen:
    """From JSON. Raises CertdError for what is none."""
    try:
        return Seen(**{**data, "state": State(data["state"])})
    except (TypeError, ValueError, KeyError) as error:
        raise CertdError("the running daemon is of another version", hint="restart it") from error


def look(read_model: ReadModel, links: Sequence[LinkSettings], since: datetime | None) -> list[Seen]:
    """The links as they stand; one whose facts cannot be read at the moment is pending.

    Args:
        since: A failure from before is none while it is about to be tried again.
    """
    return [_seen(read_model, link, since) for link in links]


def _seen(read_model: ReadModel, link: LinkSettings, since: datetime | None) -> Seen:
    try:
        one = assess(read_model, link, read_model.clock.now(), since)
    except CertdError as error:
        return Seen(link=link.name, state=State.PENDING, because=str(error))
    current, failed_at = one.facts.current, one.facts.attempt.failed_at
    return Seen(
        link=link.name,
        state=one.state,
        because=one.because,
        hint=one.hint,
        is_ordering=one.facts.order is not None,
        fingerprint=current.fingerprint if current else "",
        not_after=current.not_after.timestamp() if current else None,
        failed_at=failed_at.timestamp() if failed_at else None,
        force_is_vain=isinstance(one.action, Wait) and one.facts.attempt.kind in NOT_BY_FORCE,
        waits=_waiting(read_model, one),
    )


def _waiting(read_model: ReadModel, one: LinkStatus) -> str:
    """Until when what an operator asked for has to wait, and why: the planner's own words, or the CA's limits."""
    facts, desired = one.facts, one.desired
    if facts.request is None or facts.order is not None or desired is None:
        return ""
    if isinstance(one.action, Wait):
        return f"waits until {when(one.action.until)}: {one.action.because}"
    try:
        spent = rate_limit_report(read_model.stores.lineages, desired, facts, read_model.clock.now())
    except CertdError:
        return ""
    return "" if spent.not_before is None else f"waits until {when(spent.not_before)}: {'; '.join(spent.words)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a forced renewal takes of the CA's limits.

    Attributes:
        takes_reserve: It would take what is kept for an emergency, or the CA would refuse it now.
    """

    words: str
    takes_reserve: bool = False


def costs(read_model: ReadModel, links: Sequence[LinkSettings]) -> dict[str, Cost]:
    """What a forced renewal of each costs, where limits of the CA are known."""
    now = read_model.clock.now()
    found = {}
    for link in links:
        facts = read_model.stores.lineages.facts(link.name)
        desired = read_model.desired(link.name, facts)
        if desired is None or not desired.issuer.limits:
            continue
        spent = rate_limit_report(read_model.stores.lineages, desired, facts, now)
        words = list(spent.words)
        if spent.not_before is not None:
            words.append(f"none is left: it waits until {spent.not_before:%Y-%m-%d %H:%M}Z")
        elif spent.takes_reserve:
            words.append("it takes what is kept for an emergency")
        found[link.name] = Cost(
            words="; ".join(words), takes_reserve=spent.takes_reserve or spent.not_before is not None
        )
    return found
