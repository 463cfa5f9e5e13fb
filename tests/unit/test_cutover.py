"""The steps of the switch, in their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from certd.clicks.model import ClickLook, CutoverNotes, Direction, Leg, Pointing
from certd.config.esp_presets import PRESETS
from certd.planning.cutover import Evidence, Progress, Voice, curl, is_over, mail, noted, steps

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
HOST = "link.example.com"


def voice(direction: Direction, *, ttl: int = 60, speaker: str = "ns1", trouble: str = "") -> Voice:
    return Voice(pointing=Pointing(speaker=speaker, ttl=ttl, trouble=trouble), direction=direction)


def evidence(direction: Direction = Direction.SERVICE, ttl: int = 60) -> Evidence:
    public = (Leg(address="192.0.2.10:443", is_public=True, fingerprint="ab", status=404),)
    look = ClickLook(
        at=NOW,
        pointing=Pointing(speaker="r", addresses=("192.0.2.10",)),
        direction=direction,
        words="words",
        legs=public if direction is Direction.HERE else (),
        upstream_status=404,
    )
    return Evidence(
        host=HOST,
        esp=PRESETS["sendgrid"],
        look=look,
        own=(Leg(address="10.0.0.1:443", is_public=False, status=404),),
        authoritative=(voice(direction, ttl=ttl), voice(direction, ttl=ttl, speaker="ns2")),
        public=(voice(direction, speaker="1.1.1.1"), voice(direction, speaker="8.8.8.8")),
    )


def now_of(seen: Evidence, notes: CutoverNotes, at: datetime = NOW) -> str:
    """The step that is to be done now."""
    made = steps(seen, notes, at)
    assert [step.progress for step in made].count(Progress.NOW) == (0 if is_over(made) else 1)
    return next((step.title for step in made if step.progress is Progress.NOW), "over")


def test_a_long_ttl_is_lowered_and_waited_out() -> None:
    """Old answers live as long as the old TTL after it was lowered, not the new one."""
    notes = noted(CutoverNotes(host=HOST), evidence(ttl=3600), NOW)
    assert notes.old_ttl == 3600
    assert now_of(evidence(ttl=3600), notes) == "lower the TTL"
    notes = noted(notes, evidence(ttl=60), NOW)
    assert notes.lowered_at == NOW
    assert now_of(evidence(ttl=60), notes, NOW + timedelta(seconds=3599)) == "lower the TTL"
    assert now_of(evidence(ttl=60), notes, NOW + timedelta(seconds=3600)) == "move only the first CNAME"


def test_after_the_move_the_short_ttl_is_waited_out() -> None:
    """A record that moved while its TTL was long is waited out for that long."""
    lowered = CutoverNotes(host=HOST, old_ttl=3600, lowered_at=NOW - timedelta(hours=2))
    moved = noted(lowered, evidence(Direction.HERE), NOW)
    assert moved.moved_at == NOW
    assert now_of(evidence(Direction.HERE), moved, NOW + timedelta(seconds=299)) == "wait out the old TTL"
    assert now_of(evidence(Direction.HERE), moved, NOW + timedelta(seconds=300)) == "over"
    hasty = noted(CutoverNotes(host=HOST, old_ttl=3600), evidence(Direction.HERE), NOW)
    assert now_of(evidence(Direction.HERE), hasty, NOW + timedelta(seconds=3599)) == "wait out the old TTL"


def test_what_must_be_true_before_the_move() -> None:
    """An unknown host, a proxy that is not proven: first things first."""
    notes = CutoverNotes(host=HOST, old_ttl=60, lowered_at=NOW)
    assert "validate the link branding" in now_of(replace(evidence(), unknown_host="Bad Hostname"), notes)
    bad = Leg(address="10.0.0.1:443", is_public=False, certificate="it serves certd's placeholder")
    assert "proven at each proxy" in now_of(replace(evidence(), own=(bad,)), notes)
    assert "proven at each proxy" in now_of(replace(evidence(), own=()), notes)


def test_one_server_that_lags_is_named() -> None:
    """All authoritative servers, then all public resolvers that answer."""
    notes = CutoverNotes(host=HOST, old_ttl=1, lowered_at=NOW)
    half = replace(
        evidence(Direction.HERE), authoritative=(voice(Direction.HERE), voice(Direction.SERVICE, speaker="ns2"))
    )
    made = steps(half, noted(notes, half, NOW), NOW)
    assert "not ns2" in made[3].words
    late = NOW + timedelta(minutes=10)
    seen = replace(evidence(Direction.HERE), public=(voice(Direction.SERVICE, speaker="8.8.8.8"),))
    assert "seen at every" in now_of(seen, noted(notes, seen, NOW), late)
    silent = replace(seen, public=(voice(Direction.UNKNOWN, trouble="no answer"), voice(Direction.HERE)))
    assert now_of(silent, noted(notes, silent, NOW), late) == "over"
    deaf = replace(seen, public=(voice(Direction.UNKNOWN, trouble="no answer"),))
    assert "seen at every" in now_of(deaf, noted(notes, deaf, NOW), late)


def test_the_mail_and_the_line() -> None:
    """Both hold what support and a colleague need."""
    text = mail(evidence(Direction.HERE), CutoverNotes(host=HOST, moved_at=NOW), "letsencrypt")
    for words in (
        "click AND open tracking",
        "Please do not validate it again",
        "ns1, ns2, 1.1.1.1, 8.8.8.8",
        "SHA-256 ab",
        "https://link.example.com/wf/click?upn=",
        "Host: link.example.com",
    ):
        assert words in text
    assert curl(HOST, "192.0.2.10:443", "/p") == (
        "curl -sSv --resolve link.example.com:443:192.0.2.10 'https://link.example.com/p' -o /dev/null"
    )


def progress(seen: Evidence, notes: CutoverNotes, at: datetime = NOW) -> dict[str, tuple[Progress, str]]:
    """What each step says, by the first words of its title."""
    return {" ".join(step.title.split()[:2]): (step.progress, step.words) for step in steps(seen, notes, at)}


def test_no_evidence_is_no_proof() -> None:
    """With the e-mail service and the proxy both away no step that they would prove is done."""
    away = Leg(address="10.0.0.1:443", is_public=False, cannot_see=True)
    there = evidence(Direction.HERE)
    public = Leg(address="192.0.2.10:443", is_public=True, cannot_see=True)
    deaf = replace(there, own=(away,), look=replace(there.look, upstream_status=0, legs=(public,)))
    notes = CutoverNotes(host=HOST, old_ttl=60, lowered_at=NOW, moved_at=NOW)
    said = progress(deaf, notes, NOW + timedelta(days=1))
    for title in ("validate the", "certificate and", "a click"):
        assert said[title][0] is not Progress.DONE, title
        assert said[title][1].startswith("not known: "), title
    assert not is_over(steps(deaf, notes, NOW + timedelta(days=1)))


def test_a_service_that_answers_through_the_proxy_is_evidence() -> None:
    """Where it cannot be asked from here: a firewall of ours, an allow-list of theirs."""
    seen = replace(evidence(), look=replace(evidence().look, upstream_status=0))
    done, words = progress(seen, CutoverNotes(host=HOST))["validate the"]
    assert done is Progress.DONE
    assert "its answer through 10.0.0.1:443 is 404" in words
    wrong = replace(seen, own=(replace(seen.own[0], click="it answers for another host"),))
    assert progress(wrong, CutoverNotes(host=HOST))["validate the"][0] is not Progress.DONE
