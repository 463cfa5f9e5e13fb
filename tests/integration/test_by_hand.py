"""``certd renew`` by hand: who may, through whom, what is shown, and never two orders for one link."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.people import STRANGER, Installed, as_user, install
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN, ROOT, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]

SERVICE, ADMINS, MEMBER = 64001, 64002, 64003


def served(scene: Scene) -> str:
    """The fingerprint that clients get; empty while they trust nothing."""
    return click(scene.tls, DOMAIN, scene.roots).fingerprint


def orders(scene: Scene) -> int:
    """How many orders the CA was asked for."""
    return scene.pebble.orders()


def asked(scene: Scene) -> list[dict[str, str]]:
    """The requests that the history has."""
    events = json.loads(scene.run("history", DOMAIN, "--json"))["history"]
    return [event for event in events if event["what"] == "asked"]


@pytest.fixture(scope="module")
def people() -> Iterator[Installed]:
    """certd where every user may run it."""
    with tempfile.TemporaryDirectory(prefix="certd-people-") as name:
        Path(name).chmod(0o755)
        yield install(Path(name))


@pytest.fixture
def owned(scene: Scene, people: Installed) -> Iterator[Scene]:
    """The state is the service user's, and so is the daemon; nginx is root's, and reloads when a stamp is touched."""
    stamp = scene.folder / "reload"
    stamp.touch()
    stamp.chmod(0o666)
    text = scene.config.read_text().replace("[certd]\n", f"[certd]\nadmin_group = {ADMINS}\n")
    text = re.sub(r'reload = "signal:[^"]*"', f'reload = "touch:{stamp}"', text)
    scene.config.write_text(re.sub(r"check = \[.*\]", "check = []", text))
    scene.nginx.start()
    for path in [scene.state, *scene.state.rglob("*")]:
        os.chown(path, SERVICE, SERVICE, follow_symlinks=False)
    scene.certd_environment = people.environment
    scene.prefix = as_user(SERVICE, [SERVICE, ADMINS], [])
    scene.program = [people.python, "-m", "certd"]
    code = f"""
import os, signal, time
before = 0
while True:
    now = os.stat({str(stamp)!r}).st_mtime_ns
    if now != before:
        before = now
        os.kill(int(open({str(scene.nginx.folder / "nginx.pid")!r}).read()), signal.SIGHUP)
    time.sleep(0.05)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as helper:
        yield scene
        helper.kill()


@pytest.mark.lab("people")
def test_who_may_ask_the_daemon(owned: Scene, people: Installed, eventually: Wait) -> None:
    """Root, the service user and a member of the admin group may, without reading any of the state; a stranger is
    refused, and orders nothing. The history has who it was.
    """
    scene = owned
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log(), 60)

    def run(uid: int, groups: list[int], *arguments: str) -> subprocess.CompletedProcess[str]:
        return people.run(uid, groups, "--config", str(scene.config), *arguments)

    for uid, groups in ((0, [0]), (SERVICE, [SERVICE]), (MEMBER, [MEMBER, ADMINS])):
        before = served(scene)
        done = run(uid, groups, "renew", DOMAIN, "--force")
        assert done.returncode == 0, (uid, done.stdout, done.stderr)
        assert "served until" in done.stdout
        assert served(scene) not in {"", before}, uid
    before, count = served(scene), orders(scene)
    refused = run(STRANGER, [STRANGER], "renew", DOMAIN, "--force")
    assert refused.returncode == 1
    assert "this user may not ask the running daemon" in refused.stderr
    assert "certd: hint:" in refused.stderr
    never = people.folder.parent / f"certd-never-{os.getpid()}"
    secret = run(MEMBER, [MEMBER, ADMINS], "backup", str(never))
    assert secret.returncode == 2
    assert not never.exists()
    assert "may not read the state" in secret.stderr
    assert (served(scene), orders(scene)) == (before, count)
    events = json.loads(run(SERVICE, [SERVICE], "history", DOMAIN, "--json").stdout)["history"]
    asked = [event["by"] for event in events if event["what"] == "asked"]
    assert asked == [f"uid {uid}" for uid in (0, SERVICE, MEMBER)]


@pytest.mark.lab("people")
def test_who_may_without_a_daemon(owned: Scene, people: Installed) -> None:
    """Root and the service user do it themselves, and leave nothing that the service cannot write; others are told to
    start it, and nothing is ordered.
    """
    scene = owned
    for uid, groups in ((0, [0]), (SERVICE, [SERVICE])):
        before = served(scene)
        done = people.run(uid, groups, "--config", str(scene.config), "renew", DOMAIN, "--force")
        assert done.returncode == 0, (uid, done.stdout, done.stderr)
        assert served(scene) not in {"", before}, uid
    count = orders(scene)
    for uid, groups in ((MEMBER, [MEMBER, ADMINS]), (STRANGER, [STRANGER])):
        refused = people.run(uid, groups, "--config", str(scene.config), "renew", DOMAIN, "--force")
        assert refused.returncode == 1, refused.stdout
        assert "certd is not running, and this user may not work on" in refused.stderr
    assert orders(scene) == count
    assert {path.lstat().st_uid for path in scene.state.rglob("*")} == {SERVICE}


def test_asked_many_times_at_once(scene: Scene, eventually: Wait) -> None:
    """Six who ask while the CA is slow get one order, and all of them see it served."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: scene.status()["links"][0]["state"] == "served")
    count = orders(scene)
    assert scene.pebble.process is not None
    scene.pebble.process.signal(signal.SIGSTOP)
    asking = [
        subprocess.Popen(
            scene.command("renew", DOMAIN, "--force"),
            cwd=ROOT,
            env=scene.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    eventually(lambda: len(asked(scene)) == 6, 60)
    scene.pebble.process.signal(signal.SIGCONT)
    for one in asking:
        out, err = one.communicate(timeout=90)
        assert one.returncode == 0, err
        assert "served until" in out
    assert orders(scene) == count + 1


def test_two_without_a_daemon(scene: Scene) -> None:
    """One of them does it, the other asks that one; both end with it served. Piped they say each step once, plainly."""
    scene.nginx.start()
    asking = [
        subprocess.Popen(
            scene.command("renew", DOMAIN, "--force"),
            cwd=ROOT,
            env=scene.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in asking:
        out, err = one.communicate(timeout=90)
        assert one.returncode == 0, err
        assert re.fullmatch(rf"{re.escape(DOMAIN)}: served until [\d :Z-]+\n", out)
        assert "\x1b" not in out + err
        steps = [line for line in err.splitlines() if line.startswith(f"{DOMAIN}: ")]
        assert steps
        assert all(first != second for first, second in itertools.pairwise(steps))
    # The second request may come after the first was fulfilled; then it is a request of its own.
    assert 1 <= orders(scene) <= len(asked(scene)) <= 2


def test_the_daemon_dies_in_the_middle(scene: Scene, eventually: Wait) -> None:
    """What was asked for is in the store: whoever waits for it does the rest, and orders nothing twice."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: scene.status()["links"][0]["state"] == "served")
    before = served(scene)
    assert scene.pebble.process is not None
    scene.pebble.process.signal(signal.SIGSTOP)
    asking = subprocess.Popen(
        scene.command("renew", DOMAIN, "--force"),
        cwd=ROOT,
        env=scene.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: len(asked(scene)) == 1, 60)
    scene.signal_certd(signal.SIGKILL)
    scene.wait_certd(10)
    scene.pebble.process.signal(signal.SIGCONT)
    out, err = asking.communicate(timeout=90)
    assert asking.returncode == 0, err
    assert "served until" in out
    assert served(scene) not in {"", before}
    events = json.loads(scene.run("history", DOMAIN, "--json"))["history"]
    assert [event["what"] for event in events] == ["issued", "asked", "issued"]


def on_terminal(scene: Scene, *arguments: str, answer: bytes = b"", seconds: float = 60) -> tuple[int, str]:
    """Run a command at a terminal of its own, type an answer to its first question; exit code and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        argv = scene.command(*arguments)
        os.execvpe(argv[0], argv, {**scene.environment, "TERM": "xterm", "COLUMNS": "120"})  # noqa: S606
    shown = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        if answer and re.search(rb"(\[y/N\]|go on): ?$", shown):
            os.write(terminal, answer)
            answer = b""
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


@pytest.mark.parametrize("runs", [True, False], ids=["through the daemon", "by itself"])
def test_on_a_terminal(scene: Scene, eventually: Wait, runs: bool) -> None:
    """A spinner with the time while it goes on, one line for each step that is done, and a tick when it is served."""
    scene.nginx.start()
    if runs:
        scene.start_certd()
        eventually(lambda: scene.status()["links"][0]["state"] == "served")
    else:
        scene.run("once")
    assert scene.pebble.process is not None
    before = served(scene)
    code, shown = on_terminal(scene, "renew", DOMAIN, "--force")
    assert code == 0, shown
    assert re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", shown), shown
    assert re.search(r"✓.*served.*\(\d+\.\d s\)", shown), shown
    assert f"{DOMAIN}: served until" in shown
    assert served(scene) not in {"", before}
    # The log does not run through it.
    assert "ordered  link=" not in shown


def test_all_by_its_count(scene: Scene) -> None:
    """Replacing everything is confirmed by typing how much that is; a wrong count, and nobody to ask, do nothing."""
    scene.nginx.start()
    scene.run("once")
    count = orders(scene)
    assert "there is 1 link, not 2" in scene.tried("renew", "--all", "--force", "--count", "2").stderr
    assert scene.tried("renew", "--all", "--force").returncode == 2
    code, shown = on_terminal(scene, "renew", "--all", "--force", answer=b"7\n")
    assert (code, orders(scene)) == (2, count), shown
    code, shown = on_terminal(scene, "renew", "--all", "--force", answer=b"1\n")
    assert (code, orders(scene)) == (0, count + 1), shown


def test_it_failed(short_path: Path) -> None:
    """A renewal that the CA refuses is exit code 1 with its reason; the old certificate stays served."""
    scene = Scene(short_path)
    # An authorization that is used again needs no validation.
    scene.pebble.reuse = 0
    with scene:
        scene.nginx.start()
        scene.run("once")
        before = served(scene)
        # The responder listens elsewhere now than the CA asks.
        text = scene.config.read_text()
        elsewhere = f'listen = ["127.0.0.1:{free_port()}"]'
        scene.config.write_text(text.replace(f'listen = ["127.0.0.1:{scene.dns}"]', elsewhere))
        done = scene.tried("renew", DOMAIN, "--force", "--wait", "60s", seconds=100)
        assert done.returncode == 1, done.stderr
        assert f"certd: error: {DOMAIN}: " in done.stderr
        assert served(scene) == before
