"""Asking a proxy to load: a helper's own words come back, hooks of certbot's run, every wait has an end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from certd.errors import TargetError
from certd.ports import Outcome, Verdict
from certd.targets import root_helper
from certd.targets.factory import parse_reload
from certd.targets.hooks import MOST_TEXT, Renewed, variables
from certd.targets.registry import KINDS
from certd.targets.reloads import Auto, Command, Hook, Reload
from certd.targets.touch_protocol import Stamp, result_of

SECOND = timedelta(seconds=1)


def renewed(link: str, *domains: str) -> Renewed:
    """A link that is being deployed."""
    name = "20270101T000000Z-0123abcd"
    folder, lineage = Path(f"/s/public/certs/{link}/{name}"), Path(f"/s/public/live/{link}")
    return Renewed(link=link, generation=name, domains=domains or (link,), folder=folder, lineage=lineage)


def script(path: Path, body: str) -> str:
    """A program."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


class ControlHandler:
    """Answers a stamp's questions in a thread, as a path unit and its service would."""

    def __init__(self, stamp: Path, *commands: Sequence[str]) -> None:
        self._stamp, self._commands = stamp, commands
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        seen = 0
        while not self._over.wait(0.02):
            changed = self._stamp.stat().st_mtime_ns if self._stamp.exists() else 0
            if changed != seen:
                seen = changed
                root_helper.answer(self._stamp, self._commands)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)


# ------------------------------------------------------------------------------------ a helper


def test_the_helpers_words_come_back(tmp_path: Path) -> None:
    """What the proxy's check said to the helper is what the alarm says; the reload behind it did not run."""
    stamp, ran = tmp_path / "nginx", tmp_path / "ran"
    result_of(stamp).write_text("of before\n")
    check = script(tmp_path / "check", "echo '[emerg] unknown directive \"nonsense\"'; exit 1")
    with ControlHandler(stamp, [check], ["touch", str(ran)]):
        asked = Stamp(str(stamp)).ask()
    assert asked.verdict is Verdict.NO
    assert asked.words == '[emerg] unknown directive "nonsense"'
    assert not ran.exists()


def test_the_helper_reloads(tmp_path: Path) -> None:
    """Exit code 0 of every command is a yes, also at the first time, before any answer lay there."""
    stamp = tmp_path / "nginx"
    with ControlHandler(stamp, ["true"], ["echo", "reloaded"]):
        asked = Stamp(str(stamp), silence=30 * SECOND).ask()
    assert (asked.verdict, asked.words) == (Verdict.YES, "reloaded")
    assert result_of(stamp).stat().st_mode & 0o777 == 0o644


def test_a_helper_that_died_is_said_at_the_deadline(tmp_path: Path) -> None:
    """It answered before and does not now: no, with the place; an old answer is none to a new question."""
    stamp = tmp_path / "nginx"
    result_of(stamp).write_text(f"{'0' * 32} 0\nfine\n")
    asked = Stamp(str(stamp), deadline=SECOND / 4).ask()
    assert asked.verdict is Verdict.NO
    assert f"{stamp}: the helper did not answer" in asked.words


def test_a_helper_that_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    """An operator's own watcher that writes nothing back: a yes that the handshake has to prove."""
    asked = Stamp(str(tmp_path / "stamp"), silence=SECOND / 10).ask()
    assert asked.verdict is Verdict.YES
    assert "no helper ever answered" in asked.words


def test_the_stamp_is_never_read_in_part(tmp_path: Path) -> None:
    """Asked over and over, whoever reads sees 32 digits and a newline."""
    stamp = tmp_path / "stamp"
    stamp.write_bytes(b"x" * 33)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            Stamp(str(stamp), silence=timedelta(0)).ask()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert len(stamp.read_bytes()) == 33
    over.set()
    thread.join(5)


def test_a_hung_command_of_the_helpers(tmp_path: Path) -> None:
    """It is ended at the deadline, and that is the answer."""
    stamp = tmp_path / "stamp"
    Stamp(str(stamp), silence=timedelta(0)).ask()
    assert root_helper.answer(stamp, [["sleep", "1000"]], deadline=SECOND / 4) == 124
    assert "sleep did not end within" in result_of(stamp).read_text()


def test_a_question_that_came_in_the_middle_is_answered_too(tmp_path: Path) -> None:
    """A path unit does not start a service that runs already."""
    stamp = tmp_path / "stamp"
    Stamp(str(stamp), silence=timedelta(0)).ask()
    second, runs = "b" * 32, tmp_path / "runs"
    again = script(tmp_path / "again", f"echo x >> {runs}; printf '{second}\\n' > {stamp}")
    assert root_helper.answer(stamp, [[again]]) == 0
    assert result_of(stamp).read_text().startswith(second)
    assert runs.read_text() == "x\nx\n"


def test_the_helper_follows_no_link_and_answers_no_nonsense(tmp_path: Path) -> None:
    """Whoever can write into the folder makes root neither read nor overwrite anything."""
    shadow, victim, stamp = tmp_path / "shadow", tmp_path / "victim", tmp_path / "stamp"
    shadow.write_text("c" * 32 + "\n")
    victim.write_text("precious")
    stamp.symlink_to(shadow)
    assert root_helper.answer(stamp, [["false"]]) == 0
    assert not result_of(stamp).exists()
    stamp.unlink()
    stamp.write_text("rm -rf /; this is no question of certd's\n")
    assert root_helper.answer(stamp, [["false"]]) == 0
    stamp.write_text("d" * 32 + "\n")
    result_of(stamp).symlink_to(victim)
    assert root_helper.answer(stamp, [["echo", "fine"]]) == 0
    assert victim.read_text() == "precious"
    assert not result_of(stamp).is_symlink()
    assert not list(tmp_path.glob(".*.tmp"))


def test_what_the_helper_runs() -> None:
    """The preset's check, then the unit's reload; what is not known is said."""
    assert root_helper.commands_of("nginx") == (
        ("nginx", "-t", "-q"),
        ("systemctl", "--no-ask-password", "reload", "nginx.service"),
    )
    assert root_helper.commands_of("files", "app.service")[-1][-1] == "app.service"
    with pytest.raises(TargetError, match="not known how files"):
        root_helper.commands_of("files")


# ------------------------------------------------------------------------------------ hooks


def test_what_a_command_is_told() -> None:
    """Everything of one link; of several, lists, and the first where only one can be named."""
    one, two = renewed("link.example.com"), renewed("brand", "a.example.com", "b.example.com")
    alone = variables([one])
    assert alone["RENEWED_LINEAGE"] == "/s/public/live/link.example.com"
    assert alone["RENEWED_DOMAINS"] == "link.example.com"
    assert alone["CERTD_KEY"] == f"{one.folder}/privkey.pem"
    both = variables([one, two])
    assert both["CERTD_LINKS"] == "link.example.com brand"
    assert both["RENEWED_DOMAINS"] == "link.example.com a.example.com b.example.com"
    assert variables([]) == {}


def test_thousands_of_links_do_not_keep_a_command_from_starting() -> None:
    """What execve would refuse is left out."""
    many = [renewed(f"{number:05d}.example.com") for number in range(20_000)]
    said = variables(many)
    assert "CERTD_LINKS" not in said
    assert max(len(text) for text in said.values()) <= MOST_TEXT
    assert Command(("true",), {}).ask(many).verdict is Verdict.YES


CERTBOT_HOOK = """set -e
name=$(basename "$RENEWED_LINEAGE")
for domain in $RENEWED_DOMAINS; do echo "$name $domain"; done >> {seen}
[ "$name" != bad ] || {{ echo "I cannot do $name"; exit 3; }}"""


def test_certbots_hooks_run_once_for_each_lineage(tmp_path: Path) -> None:
    """As certbot runs them; one that fails is a no with its words and its link, and holds back no other."""
    seen = tmp_path / "seen"
    hook = Hook(script(tmp_path / "hook", CERTBOT_HOOK.format(seen=seen)), {})
    asked = hook.ask([renewed("bad"), renewed("link.example.com"), renewed("two", "a.example.com", "b.example.com")])
    assert asked.verdict is Verdict.NO
    assert asked.words == "bad: I cannot do bad"
    assert seen.read_text().splitlines() == [
        "bad bad",
        "link.example.com link.example.com",
        "two a.example.com",
        "two b.example.com",
    ]


# ------------------------------------------------------------------------------------ auto


@dataclass
class Way(Reload):
    """One way, as it would answer."""

    words: str = ""
    is_there: bool = True

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        return Outcome(verdict=Verdict.NO if self.words else Verdict.YES, words=self.words or "done")

    def may(self) -> bool:
        return self.is_there


AUTO: dict[str, tuple[tuple[Way, ...], str]] = {
    "the first that is there": ((Way("a", is_there=False), Way(), Way("c")), "done"),
    "polkit refuses, the next one": ((Way("Failed to reload: Interactive authentication required."), Way()), "done"),
    "a proxy's own no is no reason to try another": ((Way("syntax error"), Way()), "syntax error"),
    "none": ((Way("Access denied"),), "no way to reload it is permitted to this user: set reload: Access denied"),
}


@pytest.mark.parametrize("name", AUTO)
def test_auto(name: str) -> None:
    """The first way that is there and permitted."""
    ways, words = AUTO[name]
    assert Auto(ways).ask().words == words


def test_auto_prefers_the_api_then_the_helper(tmp_path: Path) -> None:
    """Proxy API, helper, systemd, signal: in this order."""
    made = parse_reload(
        "auto", kind=KINDS["haproxy"], environment={}, egress=lambda: pytest.fail("no"), stamp=str(tmp_path / "s")
    )
    assert isinstance(made, Auto)
    assert [type(way).__name__ for way in made.ways] == ["HaproxySocket", "Stamp", "Unit", "Signal"]
    assert not Stamp(str(tmp_path / "s")).may()


def test_a_deadline_for_commands(tmp_path: Path) -> None:
    """What it said until then is kept."""
    slow = script(tmp_path / "slow", "echo waiting for the other side; exec sleep 1000")
    asked = Command((slow,), {}, SECOND / 2).ask()
    assert asked.verdict is Verdict.NO
    assert "did not end within 0.5 s: waiting for the other side" in asked.words


def test_the_words_for_hook() -> None:
    """``hook:`` wants a path."""
    assert isinstance(
        parse_reload(
            "hook:/etc/letsencrypt/renewal-hooks/deploy/x",
            kind=KINDS["files"],
            environment=os.environ,
            egress=lambda: pytest.fail("no"),
        ),
        Hook,
    )
    with pytest.raises(ValueError, match="hook:/path"):
        parse_reload("hook:x", kind=KINDS["files"], environment={}, egress=lambda: pytest.fail("no"))


def test_what_a_killed_helper_left_behind_goes_with_the_next_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between writing and renaming, it leaves a file of root's; it does not stay, and is not written through."""
    stamp, victim = tmp_path / "stamp", tmp_path / "victim"
    victim.write_text("precious")
    stamp.write_text("e" * 32 + "\n")

    def killed(*names: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            root_helper.answer(stamp, [["true"]])
    (left,) = tmp_path.glob(".*.tmp")
    left.unlink()
    left.symlink_to(victim)
    stamp.write_text("f" * 32 + "\n")
    assert root_helper.answer(stamp, [["true"]]) == 0
    assert victim.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"stamp", "stamp.result", "victim"}
