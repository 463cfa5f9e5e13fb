"""The planner of proxies, as a table of named cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.model import Deploy, Deployment, DesiredProxy, Health, Look, ProxyFacts, Wait
from certd.planning import plan_deploy
from certd.planning.deploy import due_of
from tests.unit.cases import DAY, NOW, deployment, generation, observation

WISH = DesiredProxy(proxy="edge", links=("link.example.com",))
MINUTE = timedelta(minutes=1)

new = generation(age=DAY, mark="b")
old = generation(age=60 * DAY, mark="a")
placeholder = generation(age=DAY, mark="p", placeholder=True)
verified = deployment(
    wanted=new,
    pointed=new,
    served=new.fingerprint,
    verified_at=NOW - MINUTE,
    looked_at=NOW - MINUTE,
    observations=(observation(mark="b"),),
    ours=frozenset({new.fingerprint, old.fingerprint}),
)
newer = replace(verified, pointed=old, served=old.fingerprint, looked_at=NOW, observations=(observation(mark="a"),))
failed = replace(newer, pointed=new, served="", failures=1, try_at=NOW, tried=new.name, error="serves aaaa")

CASES: dict[str, tuple[Deployment, type, str]] = {
    "no certificate yet: nothing to do": (deployment(pointed=placeholder), Wait, "until a certificate is issued"),
    "the first certificate: look before": (deployment(wanted=new, pointed=placeholder), Look, "before"),
    "the first certificate, looked: deploy": (
        deployment(wanted=new, pointed=placeholder, looked_at=NOW, observations=(observation(Health.BAD),)),
        Deploy,
        "first",
    ),
    "a newer certificate, looked: deploy": (newer, Deploy, "newer"),
    "a newer certificate, looked long ago: look": (replace(newer, looked_at=NOW - 2 * MINUTE), Look, "before"),
    "verified: wait for the next look": (verified, Wait, "served"),
    "verified, look due: look": (replace(verified, looked_at=NOW - 5 * MINUTE), Look, "still"),
    "verified, looked at by a clock that was ahead: look": (replace(verified, looked_at=NOW + DAY), Look, "still"),
    "what failed does not hold back what is newer": (
        replace(failed, looked_at=NOW, try_at=NOW + MINUTE, tried="20200101T000000Z-00000000"),
        Deploy,
        "served yet",
    ),
    "tried by a clock that was ahead: try again": (
        replace(failed, looked_at=NOW, try_at=NOW + 30 * DAY),
        Deploy,
        "not seen served",
    ),
    "not seen served: wait its turn": (replace(failed, looked_at=NOW, try_at=NOW + MINUTE), Wait, "serves aaaa"),
    "not seen served, its turn, looked before the last try: look": (
        replace(failed, looked_at=NOW - timedelta(seconds=5)),
        Look,
        "before",
    ),
    "not seen served, its turn, looked: try again": (replace(failed, looked_at=NOW), Deploy, "not seen served"),
    "pointed, but nothing can be seen: no second reload": (
        replace(failed, looked_at=NOW, observations=(observation(Health.BLIND),), reloaded=new.name),
        Wait,
        "serves aaaa",
    ),
    "pointed, nothing can be seen, and no reload ever went well: deploy": (
        replace(failed, looked_at=NOW, observations=(observation(Health.BLIND),), reloaded=old.name),
        Deploy,
        "not seen served",
    ),
    "a stranger's good certificate that ends later is left alone": (
        replace(newer, observations=(observation(mark="s", not_after=new.not_after + DAY),)),
        Wait,
        "left alone",
    ),
    "a stranger's good certificate that ends sooner is not": (
        replace(newer, observations=(observation(mark="s", not_after=new.not_after - DAY),)),
        Deploy,
        "newer",
    ),
    "a later certificate of our own is no stranger's": (
        replace(newer, observations=(observation(mark="a", not_after=new.not_after + DAY),)),
        Deploy,
        "newer",
    ),
    "a bad certificate that ends later is no reason": (
        replace(newer, observations=(observation(Health.BAD, mark="s", not_after=new.not_after + DAY),)),
        Deploy,
        "newer",
    ),
    "held: no pointer moves": (replace(newer, hold_until=NOW + DAY), Wait, "newer|held|not seen"),
    "a hold ends by itself": (replace(newer, hold_until=NOW), Deploy, "newer"),
}


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    """Each named case is answered with that action and that reason."""
    given, kind, because = CASES[name]
    action = plan_deploy(WISH, ProxyFacts(proxy="edge", deployments=(given,)), NOW)
    assert type(action) is kind, action
    assert any(word in action.because for word in because.split("|")), action


def test_waits_are_in_the_future() -> None:
    """A wait never ends in the past, or the engine would spin."""
    for given, kind, _ in CASES.values():
        action = plan_deploy(WISH, ProxyFacts(proxy="edge", deployments=(given,)), NOW)
        if kind is Wait:
            assert isinstance(action, Wait)
            assert action.until > NOW


def test_gathers_what_is_due() -> None:
    """Links that are due together go through one deployment."""
    other = replace(newer, link="two.example.com")
    desired = DesiredProxy(proxy="edge", links=("link.example.com", "two.example.com"))
    action = plan_deploy(desired, ProxyFacts(proxy="edge", deployments=(newer, other)), NOW)
    assert isinstance(action, Deploy)
    assert action.links == ("link.example.com", "two.example.com")


def test_holding_a_proxy_holds_its_links() -> None:
    """A hold on the proxy stops every pointer of it; looking goes on."""
    facts = ProxyFacts(proxy="edge", deployments=(replace(newer, looked_at=NOW - DAY),), hold_until=NOW + DAY)
    assert isinstance(plan_deploy(WISH, facts, NOW), Look)


def test_short_lives_are_looked_at_often() -> None:
    """The interval of looks is a twentieth of a short life, so that drift costs a small share of it."""
    short = replace(new, not_before=NOW - timedelta(seconds=30), not_after=NOW + timedelta(seconds=60))
    given = replace(verified, wanted=short, pointed=short, looked_at=NOW)
    action = plan_deploy(WISH, ProxyFacts(proxy="edge", deployments=(given,)), NOW)
    assert isinstance(action, Wait)
    assert action.until - NOW == timedelta(seconds=4.5)


@pytest.mark.parametrize(("count", "minutes"), [(1, 5.0), (600, 5.0), (6000, 50.0)])
def test_many_links_are_looked_at_less_often(count: int, minutes: float) -> None:
    """Looking costs processor time: two looks a second at most, whatever the number of links."""
    desired = DesiredProxy(proxy="edge", links=("link.example.com", *(f"l{number}" for number in range(count - 1))))
    action = plan_deploy(desired, ProxyFacts(proxy="edge", deployments=(replace(verified, looked_at=NOW),)), NOW)
    assert isinstance(action, Wait)
    assert action.until - NOW == timedelta(minutes=minutes)


def many(count: int, *, apart: timedelta) -> tuple[DesiredProxy, list[Deployment]]:
    """So many links with a newer certificate, looked at one after the other, the last one just now."""
    found = [replace(newer, link=f"l{number}", looked_at=NOW - apart * (count - 1 - number)) for number in range(count)]
    return DesiredProxy(proxy="edge", links=tuple(d.link for d in found)), found


def test_slow_looks_end() -> None:
    """Forty links at an address that swallows everything: two minutes of looking, and then they are deployed."""
    desired, found = many(40, apart=timedelta(seconds=3))
    action = plan_deploy(desired, ProxyFacts(proxy="edge", deployments=tuple(found)), NOW)
    assert isinstance(action, Deploy), action
    assert len(action.links) == 40


def test_what_was_seen_a_while_ago_is_looked_at_first() -> None:
    """All of them minutes ago, or one never: looked at before anything moves."""
    desired, found = many(40, apart=timedelta(0))
    old = [replace(d, looked_at=NOW - timedelta(minutes=4)) for d in found]
    action = plan_deploy(desired, ProxyFacts(proxy="edge", deployments=tuple(old)), NOW)
    assert isinstance(action, Look)
    assert len(action.links) == 40
    never = [replace(found[0], looked_at=None), *found[1:]]
    assert plan_deploy(desired, ProxyFacts(proxy="edge", deployments=tuple(never)), NOW).links == ("l0",)  # type: ignore[union-attr]


def test_thousands_are_deployed_in_turn() -> None:
    """No batch takes so long that certd thinks its worker is stuck."""
    desired, found = many(2000, apart=timedelta(0))
    action = plan_deploy(desired, ProxyFacts(proxy="edge", deployments=tuple(found)), NOW)
    assert isinstance(action, Deploy)
    assert len(action.links) == 500


def test_looks_that_are_due_soon_are_taken_along() -> None:
    """Each pass of a proxy costs more than a look: what is due within ten seconds is looked at now, if something is."""
    seconds = timedelta(seconds=1)
    found = [
        replace(verified, link=f"l{number}", looked_at=NOW - 5 * MINUTE + 4 * number * seconds) for number in range(9)
    ]
    desired = DesiredProxy(proxy="edge", links=tuple(d.link for d in found))
    assert links_to_look_at(desired, found) == ("l0", "l1", "l2")
    assert isinstance(plan_deploy(desired, ProxyFacts(proxy="edge", deployments=tuple(found[1:])), NOW), Wait)


def links_to_look_at(desired: DesiredProxy, found: list[Deployment]) -> tuple[str, ...]:
    action = plan_deploy(desired, ProxyFacts(proxy="edge", deployments=tuple(found)), NOW)
    assert isinstance(action, Look), action
    return action.links


def test_what_is_not_due_may_be_left_out() -> None:
    """What the planner would act on is due, and what it would not is due when it would."""
    for name, (given, kind, _) in CASES.items():
        facts = ProxyFacts(proxy="edge", deployments=(given,))
        due = due_of(WISH, facts, given, NOW)
        if kind is not Wait:
            assert due is not None, name
            assert due <= NOW, name
        elif due is not None:
            assert due > NOW, name
            assert not isinstance(plan_deploy(WISH, facts, due), Wait), name
