"""Each command that destroys something asks first: at a terminal no is obeyed, and with nobody to ask it is refused."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from certd.store.seal import new_seal_key
from tests.integration.test_by_hand import on_terminal, served
from tests.lab.scene import DOMAIN, ROOT, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")


def account(scene: Scene) -> list[dict[str, str]]:
    """As the CA has it."""
    found: list[dict[str, str]] = json.loads(scene.run("account", "show", "--json"))["account"]
    return found


def revoked(scene: Scene, first: str) -> bool:
    """Whether the CA has called the first certificate back."""
    (leaf,) = (scene.state / "public/certs" / DOMAIN).glob(f"*-{first[:8]}/cert.pem")
    return bool(scene.pebble.standing_of(leaf)["Status"] == "Revoked")


def state_of(scene: Scene) -> tuple[str, str, dict[str, str], int]:
    """What clients get, every row of the store, every file of certd's, and what the CA has of us."""
    path = scene.state / "private" / "certd.db"
    connection = sqlite3.connect(path)
    try:
        rows = "\n".join(connection.iterdump())
    finally:
        connection.close()
    files = {
        str(each.relative_to(scene.state)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(scene.state.rglob("*"))
        if each.is_file() and each.name not in {"certd.db", "certd.lock"}
    }
    return served(scene), rows, files, scene.pebble.log().count("revoke")


def orphaned(scene: Scene) -> None:
    """Taken out of the configuration, and served no more."""
    scene.nginx.stop()
    scene.config.write_text(scene.config.read_text().replace("[[link]]", "", 1).replace(f'domain = "{DOMAIN}"', ""))
    scene.tried("once")
    assert scene.status()["orphans"] == [DOMAIN]


def seal_lost(scene: Scene) -> None:
    """Another key lies where the one was that opens the store."""
    (scene.state / "private" / "seal.key").write_text(new_seal_key().reveal() + "\n")
    assert "does not open the store" in scene.tried("once", "--wait", "1s").stderr


@dataclass(frozen=True)
class Asked:
    """A command, what comes before it, and whether it is done, by what was served and by the account before."""

    command: tuple[str, ...]
    is_done: Callable[[Scene, str, dict[str, str]], bool]
    before: Callable[[Scene], None] = lambda scene: None


ASKED = {
    "revoke": Asked(
        ("revoke", DOMAIN), lambda scene, first, _: revoked(scene, first) and served(scene) not in {"", first}
    ),
    "revoke at once": Asked(("revoke", DOMAIN, "--now"), lambda scene, first, _: revoked(scene, first)),
    "reseal from the disk": Asked(
        ("reseal", "--from-disk"), lambda scene, first, _: scene.tried("once").returncode == 0, seal_lost
    ),
    "account rollover": Asked(
        ("account", "rollover"),
        lambda scene, _, old: (
            (account(scene)[0]["url"], account(scene)[0]["status"]) == (old["url"], "valid")
            and account(scene)[0]["thumbprint"] != old["thumbprint"]
        ),
    ),
    "account deactivate": Asked(("account", "deactivate", "pebble"), lambda scene, *_: account(scene) == []),
    "account forget": Asked(("account", "forget", "pebble"), lambda scene, *_: account(scene) == []),
    "forget": Asked(("forget", DOMAIN), lambda scene, *_: scene.status()["orphans"] == [], orphaned),
}


@pytest.mark.parametrize("name", ASKED)
def test_asked_before_something_is_destroyed(scene: Scene, name: str) -> None:
    """Nobody to ask: refused with exit code 2 and the way out. No: 130. Neither changes a row, a file or what clients
    get. Yes: done.
    """
    case = ASKED[name]
    scene.nginx.start()
    scene.run("once")
    first, (known,) = served(scene), account(scene)
    case.before(scene)
    before = state_of(scene)
    refused = subprocess.run(
        scene.command(*case.command),
        cwd=ROOT,
        env=scene.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2, refused.stdout
    assert "certd: error: nobody is there to be asked" in refused.stderr
    assert "certd: hint: --yes" in refused.stderr
    assert state_of(scene) == before
    code, shown = on_terminal(scene, *case.command, answer=b"n\n")
    assert code == 130, shown
    assert state_of(scene) == before, shown
    code, shown = on_terminal(scene, *case.command, answer=b"y\n")
    assert code == 0, shown
    assert case.is_done(scene, first, known), shown


def test_no_is_the_answer_to_enter(scene: Scene) -> None:
    """An empty line is a no."""
    scene.nginx.start()
    scene.run("once")
    before = state_of(scene)
    code, shown = on_terminal(scene, "account", "deactivate", "pebble", answer=b"\n")
    assert code == 130, shown
    assert state_of(scene) == before
