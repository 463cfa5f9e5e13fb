"""What needs somebody's attention: a table of facts, and the verdict of ``certd status``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.config.settings import LinkSettings
from certd.model import Deployment, Health, LineageFacts
from certd.status.assess import LinkStatus, State, judge_state, needs_attention
from certd.status.render import served_words
from tests.unit.cases import DAY, NOW, SPEC, certificate, deployment, facts, generation, observation, order

OLD = generation(age=30 * DAY, mark="a")
NEW = generation(mark="b")
HEALTHY = facts(current=certificate())
BLIND = "127.0.0.1:9: nothing listens there"
NEVER_SEEN = deployment(
    wanted=OLD, pointed=OLD, failures=3, tried=OLD.name, error=BLIND, observations=(observation(Health.BLIND),)
)
SERVED = deployment(wanted=NEW, pointed=NEW, served=NEW.fingerprint, verified_at=NOW)
STRANGER = observation(mark="c", not_after=NEW.not_after + DAY)

CASES: dict[str, tuple[State, LineageFacts, Deployment, bool]] = {
    "served": (State.SERVED, HEALTHY, SERVED, False),
    "served, and not seen at the last look": (
        State.SERVED,
        HEALTHY,
        replace(SERVED, failures=1, error=BLIND, observations=(observation(Health.BLIND),)),
        True,
    ),
    "the first is being tried": (State.PENDING, HEALTHY, deployment(wanted=NEW), False),
    "a renewal is being deployed": (State.PENDING, HEALTHY, replace(SERVED, wanted=NEW, pointed=OLD, served=""), False),
    "it failed": (State.FAILED, HEALTHY, NEVER_SEEN, True),
    "never seen, and a newer one has just come": (State.PENDING, HEALTHY, replace(NEVER_SEEN, wanted=NEW), True),
    "never seen, and the newer one is pointed at": (
        State.PENDING,
        HEALTHY,
        replace(NEVER_SEEN, wanted=NEW, pointed=NEW),
        True,
    ),
    "never seen, and the next one is being ordered": (
        State.PENDING,
        facts(current=certificate(), order=order()),
        NEVER_SEEN,
        True,
    ),
    "a human's own is served": (
        State.SERVED,
        HEALTHY,
        replace(NEVER_SEEN, wanted=NEW, observations=(STRANGER,)),
        False,
    ),
    "the first is being ordered": (State.PENDING, facts(order=order()), deployment(), False),
    "nothing is there and nothing is on its way": (State.PENDING, facts(), deployment(), True),
    "half of the margin is gone": (State.PENDING, facts(current=certificate(age=80 * DAY)), SERVED, True),
}


@pytest.mark.parametrize("case", CASES)
def test_attention(case: str) -> None:
    """An endpoint that was never seen served needs attention also while the newest generation is being tried."""
    state, lineage, deployed, expected = CASES[case]
    assert needs_attention(state, lineage, [deployed], NOW + timedelta(seconds=1)) is expected


FIRST: dict[str, tuple[State, LineageFacts, Deployment, bool]] = {
    "nothing is there and nothing is on its way": (State.PENDING, facts(), deployment(), True),
    "it is being ordered": (State.PENDING, facts(order=order()), deployment(), True),
    "it is being deployed": (State.PENDING, HEALTHY, deployment(wanted=NEW, pointed=NEW), True),
    "it failed, which is more": (State.FAILED, HEALTHY, NEVER_SEEN, False),
    "served": (State.SERVED, HEALTHY, SERVED, False),
    "a renewal is being ordered": (State.PENDING, facts(current=certificate(), order=order()), SERVED, False),
    "a renewal is being deployed": (
        State.PENDING,
        HEALTHY,
        deployment(wanted=NEW, pointed=NEW, previous=OLD, verified_at=NOW),
        False,
    ),
}


@pytest.mark.parametrize("case", FIRST)
def test_the_first(case: str) -> None:
    """Until something of ours was seen served once, all is not well."""
    state, lineage, deployed, expected = FIRST[case]
    one = LinkStatus(
        link=LinkSettings(spec=SPEC, proxies=("nginx",)),
        facts=lineage,
        action=None,
        deployments=(("nginx", deployed),),
        state=state,
        because="",
    )
    assert one.is_first is expected


def test_served_is_said_of_the_newest_alone() -> None:
    """Between its commit to the store and its copy on this node, what is proven served is the one before."""
    lineage = facts(current=certificate(fingerprint=NEW.fingerprint))
    before = replace(SERVED, wanted=OLD, pointed=OLD, served=OLD.fingerprint, ours=frozenset({OLD.fingerprint}))
    at = NOW + timedelta(seconds=1)
    assert judge_state(None, lineage, (("nginx", before),), None, at)[0] is State.PENDING
    here = replace(SERVED, ours=frozenset({OLD.fingerprint, NEW.fingerprint}))
    assert judge_state(None, lineage, (("nginx", here),), None, at)[0] is State.SERVED


def test_the_last_look_counts() -> None:
    """What was proven served and cannot be seen any more is not called served: in its state, in words, in a hint."""
    lineage = facts(current=certificate(fingerprint=NEW.fingerprint))
    blind = replace(
        SERVED,
        ours=frozenset({NEW.fingerprint}),
        failures=1,
        error=BLIND,
        hint="see that it runs",
        observations=(observation(Health.BLIND),),
        looked_at=NOW,
    )
    assert judge_state(None, lineage, (("nginx", blind),), None, NOW) == (
        State.FAILED,
        f"nginx: {BLIND}",
        "see that it runs",
    )
    assert served_words(blind).startswith(f"NOT seen at the last look: {BLIND}; last seen served ")
    assert needs_attention(State.SERVED, lineage, [blind], NOW)


def test_what_has_expired_is_not_called_missing() -> None:
    """Where nothing says why: the words tell the two apart."""
    at = NOW + timedelta(seconds=1)
    expired = facts(current=certificate(age=91 * DAY))
    assert judge_state(None, expired, (), None, at) == (State.PENDING, "the certificate has expired", "")
    assert judge_state(None, facts(), (), None, at) == (State.PENDING, "no certificate yet", "")
