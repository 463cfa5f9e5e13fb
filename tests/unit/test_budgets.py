"""The CA's limits mirrored: the arithmetic, and what an order needs of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.acme.directories import LETS_ENCRYPT
from certd.model import Bucket, IssuerTerms, Limit, Need, Request, Slot, Wait
from certd.planning.issue import plan_issue
from certd.planning.policies import allowance_spent
from certd.planning.rate_limits import charge, is_exempt, left_in, may_take_reserve, needs_of, outlook, take
from tests.unit.cases import DAY, NOW, SPEC, WISH, certificate, facts, window

HOUR = timedelta(hours=1)
ORDERS = Need(limit=Limit(kind="orders", most=10, per=10 * HOUR, reserve=2), subject="")
NAMES = Need(limit=Limit(kind="names", most=5, per=7 * DAY, reserve=1), subject="a")
FULL = Bucket(spent=NOW, queued=NOW)
LIMITED = replace(WISH, issuer=replace(WISH.issuer, limits=LETS_ENCRYPT))


def registered(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def kinds(needs: tuple[Need, ...]) -> list[str]:
    return [f"{need.limit.kind} {need.subject}".strip() for need in needs]


def test_what_an_order_needs() -> None:
    """A first one: all; a renewal of the same names: not the orders and the domain; inside the window: nothing."""
    first = needs_of(LIMITED, facts(), NOW, registered)
    assert kinds(first) == ["domain example.com", "failures link.example.com", "names link.example.com", "orders"]
    renewal = facts(current=certificate(age=63 * DAY))
    assert kinds(needs_of(LIMITED, renewal, NOW, registered)) == ["failures link.example.com", "names link.example.com"]
    inside = facts(current=certificate(age=63 * DAY, window=window(-HOUR, HOUR)))
    assert needs_of(LIMITED, inside, NOW, registered) == ()
    assert needs_of(LIMITED, inside, NOW, registered, replaces=False) != ()
    for outside in (window(HOUR, DAY), window(-DAY, -HOUR)):
        assert needs_of(LIMITED, facts(current=certificate(age=63 * DAY, window=outside)), NOW, registered) != ()


def test_what_is_no_renewal() -> None:
    """Another CA's certificate, other names, or one that the CA has forgotten."""
    for current in (
        certificate(issuer="google"),
        certificate(domains=("link.example.com", "more.example.com")),
        certificate(age=130 * DAY),
    ):
        assert "orders" in kinds(needs_of(LIMITED, facts(current=current), NOW, registered))


def test_no_limits_no_needs() -> None:
    """A CA that states none."""
    assert needs_of(WISH, facts(), NOW, registered) == ()


def test_a_burst_then_slots() -> None:
    """Eight at once (two of ten are kept), then one each hour, each with a slot of its own; whoever comes with it gets
    it, and whoever comes between waits for the end.
    """
    buckets: tuple[Bucket, ...] = (FULL,)
    slots = []
    for _ in range(12):
        turn = take([ORDERS], buckets, NOW, urgent=False)
        buckets = turn.buckets
        if turn.slot:
            slots.append(turn.slot)
    assert slots == [NOW + n * HOUR for n in (1, 2, 3, 4)]
    assert "10 orders in 10 hours" in take([ORDERS], buckets, NOW, urgent=False).because
    later = NOW + HOUR
    stranger = take([ORDERS], buckets, later, urgent=False)
    assert stranger.at == NOW + 5 * HOUR
    first = take([ORDERS], buckets, later, urgent=False, slot=slots[0])
    assert (first.because, first.slot) == ("", None)
    early = take([ORDERS], first.buckets, later, urgent=False, slot=slots[1])
    assert early.at == slots[1]
    assert early.buckets == first.buckets


def test_the_reserve_does_not_queue() -> None:
    """With a queue of hours an operator gets one at once, and those in the queue come a little later."""
    buckets: tuple[Bucket, ...] = (FULL,)
    for _ in range(20):
        buckets = take([ORDERS], buckets, NOW, urgent=False).buckets
    for _ in range(2):
        urgent = take([ORDERS], buckets, NOW, urgent=True)
        assert urgent.because == ""
        buckets = urgent.buckets
    assert take([ORDERS], buckets, NOW, urgent=True).at == NOW + HOUR
    held = take([ORDERS], buckets, NOW + HOUR, urgent=False, slot=NOW + HOUR)
    assert held.at == NOW + 3 * HOUR
    assert held.slot == held.at
    assert take([ORDERS], held.buckets, held.at, urgent=False, slot=held.slot).because == ""


def test_a_limit_is_never_passed() -> None:
    """However takers come, no window of ten hours sees more than the bucket and its refill."""
    buckets: tuple[Bucket, ...] = (FULL,)
    taken: list[datetime] = []
    slots: dict[int, datetime | None] = dict.fromkeys(range(60))
    at = NOW
    while slots:
        for taker, slot in sorted(slots.items()):
            turn = take([ORDERS], buckets, at, urgent=taker % 7 == 0, slot=slot)
            buckets = turn.buckets
            if turn.because:
                slots[taker] = turn.slot
            else:
                taken.append(at)
                del slots[taker]
        at += timedelta(minutes=17)
    assert len(taken) == 60
    for start in taken:
        assert sum(start <= one < start + 10 * HOUR for one in taken) <= 20
    full_at = NOW
    for one in taken:
        full_at = max(full_at, one) + HOUR
        assert full_at - one <= 10 * HOUR


def test_what_is_charged_later_is_only_looked_at() -> None:
    """Orders that fail cost no certificate; one that was signed does, and the fifth needs an emergency."""
    turn = take([NAMES], (FULL,), NOW, urgent=False)
    assert turn.buckets == (FULL,)
    bucket = FULL
    for _ in range(4):
        bucket = charge(NAMES, bucket, NOW)
    assert left_in(NAMES.limit, bucket.spent, NOW) == 1
    assert take([NAMES], (bucket,), NOW, urgent=False).at == NOW + NAMES.limit.interval
    assert take([NAMES], (bucket,), NOW, urgent=True).because == ""
    bucket = charge(NAMES, bucket, NOW)
    assert take([NAMES], (bucket,), NOW, urgent=True).at == NOW + NAMES.limit.interval
    assert left_in(NAMES.limit, bucket.spent, NOW + 34 * HOUR) == 1


def test_who_may_take_the_reserve() -> None:
    """Operators, what was revoked, and what is near its end; what was never served queues."""
    assert may_take_reserve(facts(request=Request(by="ada", at=NOW)), NOW)
    assert may_take_reserve(facts(current=replace(certificate(), revoked_because="x")), NOW)
    assert may_take_reserve(facts(current=certificate(age=80 * DAY)), NOW)
    assert not may_take_reserve(facts(), NOW)
    assert not may_take_reserve(facts(current=certificate(age=63 * DAY)), NOW)


def test_a_slot_is_a_wait_with_a_reason() -> None:
    """``plan`` and ``status`` say when its turn is; another issuer's slot holds nothing back."""
    held = plan_issue(WISH, facts(slot=Slot(issuer="letsencrypt", at=NOW + HOUR)), NOW)
    assert isinstance(held, Wait)
    assert held.until == NOW + HOUR
    assert "its turn" in held.because
    for free in (Slot(issuer="google", at=NOW + HOUR), Slot(issuer="letsencrypt", at=NOW)):
        assert not isinstance(plan_issue(WISH, facts(slot=free), NOW), Wait)


def test_what_many_first_certificates_mean() -> None:
    """5,000 new links take two days; of one registered domain years, so a wildcard is proposed."""
    terms = IssuerTerms(name="letsencrypt", limits=LETS_ENCRYPT)
    apart = [(f"link.brand{n}.com",) for n in range(5000)]
    assert outlook(terms, apart[:200], registered) == []
    (said,) = outlook(terms, apart, registered)
    assert "300 orders in 3 hours" in said
    assert "about 47 h" in said
    together = [(f"l{n}.example.com",) for n in range(120)]
    (said,) = outlook(terms, together, registered)
    assert "50 in 7 days" in said
    assert '"*.example.com"' in said
    assert SPEC.domains == ("link.example.com",)


def test_what_replaces_a_revoked_certificate_is_not_exempt() -> None:
    """Boulder moves its window into the past, which certd may not have seen yet."""
    inside = certificate(age=timedelta(days=60), window=window(-timedelta(hours=1), timedelta(hours=1)))
    assert is_exempt(WISH, facts(current=inside), NOW)
    assert not is_exempt(WISH, facts(current=replace(inside, revoked_because="superseded")), NOW)


def test_a_revoked_certificate_is_replaced_as_soon_as_the_ca_gives_one_back() -> None:
    """The reserve is for it, and the CA gives one of five back after a fifth of the week, not after the week."""
    week = timedelta(days=7)
    current = replace(certificate(age=DAY), revoked_because="superseded")
    held = allowance_spent(WISH, facts(current=current, issued_lately=(NOW - DAY,) * 5), NOW)
    assert held is not None
    assert held.until == NOW - DAY + week / 5
    assert allowance_spent(WISH, facts(current=current, issued_lately=(NOW - DAY,) * 4), NOW) is None
    inside = replace(current, window=window(-timedelta(hours=1), timedelta(hours=1)))
    assert allowance_spent(WISH, facts(current=inside, issued_lately=(NOW - DAY,) * 5), NOW) == held
