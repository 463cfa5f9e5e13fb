"""A daemon that goes away while ``certd renew`` asks it: what it took in is not asked for again."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import certd.cli.renew as renewing
from certd.cli.renew import Watch
from certd.cli.renew_client import AT_ONCE, Before, Gone, ThroughDaemon
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import LinkSettings
from certd.control.protocol import Reply
from certd.errors import StateTaken
from certd.status.follow import Cost, Seen
from tests.cli.test_transcripts import GOOD


@dataclass(slots=True)
class Remembers:
    """Takes over, and writes down what it is asked for."""

    asked: list[str] = field(default_factory=list)

    def costs(self, links: Sequence[LinkSettings]) -> dict[str, Cost]:
        return {}

    def renew(self, links: Sequence[LinkSettings], *, force: bool, reserve: bool) -> Iterator[dict[str, Before]]:
        self.asked += [link.name for link in links]
        yield {link.name: ("", None) for link in links}

    def look(self, links: Sequence[LinkSettings]) -> list[Seen]:
        return []


def answer_once(listener: socket.socket) -> None:
    """The first question is answered; whoever asks the second one is left alone in the middle."""
    connection, _ = listener.accept()
    with connection:
        links = json.loads(connection.makefile().readline())["links"]
        data = {"at": time.time(), "before": {link: ["", None] for link in links}}
        connection.sendall(json.dumps({"fine": True, "words": "", "data": data}).encode() + b"\n")
    connection, _ = listener.accept()
    connection.close()


def test_only_what_was_not_heard_of_is_asked_for_again(short_path: Path) -> None:
    """A link that the daemon took in may be renewed by now: asked for again, it would be bought twice."""
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    link = load(short_path / "certd.toml", known_choices()).links[0]
    links = tuple(replace(link, spec=replace(link.spec, link=f"l{n}.example.com")) for n in range(AT_ONCE + 20))
    watch = Watch(links, True, True, time.monotonic() + 60)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_path / "control.sock"))
        listener.listen()
        thread = threading.Thread(target=answer_once, args=(listener,))
        thread.start()
        with pytest.raises(Gone):
            watch.ask(ThroughDaemon(short_path / "control.sock", "uid 0"))
        thread.join()
    after = Remembers()
    watch.ask(after)
    assert after.asked == [one.name for one in links[AT_ONCE:]]


def test_a_daemon_that_starts_again_after_a_long_watch_is_waited_for(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was followed for longer than one that starts is waited for; it holds the lock, and listens in a moment."""
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    settings = load(short_path / "certd.toml", known_choices())
    watch = Watch(settings.links, True, True, time.monotonic() + 60)
    said = iter([None, Reply(fine=True)])
    followed = iter([Gone(), None])

    def follow(*_: object) -> int:
        time.sleep(0.2)
        if (gone := next(followed)) is not None:
            raise gone
        return 0

    def take_over(*_: object, debug: bool) -> int:
        raise StateTaken("another certd works here")

    monkeypatch.setattr(renewing, "TAKEN_SECONDS", 0.1)
    monkeypatch.setattr(renewing, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(renewing, "_by_daemon", follow)
    monkeypatch.setattr(renewing, "_by_itself", take_over)
    monkeypatch.setattr(renewing, "ask", lambda *_: next(said))
    asking = ThroughDaemon(short_path / "control.sock", "uid 0")
    assert renewing.run_renewal(settings, watch, asking, runs=True, debug=False) == 0


def test_a_daemon_that_dies_at_each_question_is_not_asked_for_ever(
    short_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the time is up, that it went away is the last word."""
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    settings = load(short_path / "certd.toml", known_choices())
    watch = Watch(settings.links, True, True, time.monotonic() + 0.1)

    def die(*_: object) -> int:
        time.sleep(0.06)
        raise Gone

    def take_over(*_: object, debug: bool) -> int:
        raise StateTaken("another certd works here")

    monkeypatch.setattr(renewing, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(renewing, "_by_daemon", die)
    monkeypatch.setattr(renewing, "_by_itself", take_over)
    monkeypatch.setattr(renewing, "ask", lambda *_: Reply(fine=True))
    asking = ThroughDaemon(short_path / "control.sock", "uid 0")
    assert renewing.run_renewal(settings, watch, asking, runs=True, debug=False) == 3
    assert "went away" in capsys.readouterr().err
