"""What an operator does beside renewing: back up, move to another host, revoke, look back."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable

import pytest

from certd.store.seal import new_seal_key
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def served(scene: Scene) -> str:
    """The fingerprint that clients get; empty while they trust nothing."""
    return click(scene.tls, DOMAIN, scene.roots).fingerprint


def orders(scene: Scene) -> int:
    """How many orders the daemon made."""
    return scene.certd_log().count("ordered  ")


def test_a_backup_that_is_older_than_what_is_served(scene: Scene, eventually: Wait) -> None:
    """Back up, renew, lose the host: a new one has the backup and the newer public files. The newer certificate stays
    served, nothing is ordered, and the next renewal succeeds.
    """
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    old = served(scene)
    file = scene.folder / "certd.backup"
    assert "certd.db, seal.key" in scene.run("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "nothing is overwritten" in scene.tried("backup", str(file)).stderr
    refused = scene.tried("restore", str(file), "--replace")
    assert "another certd" in refused.stderr
    scene.run("renew", DOMAIN, "--force")
    newer = served(scene)
    assert newer not in {"", old}
    scene.stop_certd()
    shutil.rmtree(scene.state / "private")
    count = orders(scene)
    assert "restored: certd.db, seal.key" in scene.run("restore", str(file))
    again = scene.tried("restore", str(file))
    assert again.returncode == 2
    assert "--replace moves it aside" in again.stderr
    scene.start_certd()
    eventually(lambda: "adopted  " in scene.certd_log())
    eventually(lambda: scene.status()["links"][0]["state"] == "served")
    assert served(scene) == newer
    assert scene.status()["links"][0]["certificate"]["fingerprint"] == newer
    assert orders(scene) == count
    scene.run("renew", DOMAIN, "--force")
    assert served(scene) not in {"", old, newer}


def test_what_is_no_backup(scene: Scene) -> None:
    """Refused, and nothing is changed."""
    (scene.folder / "x").write_text("hello")
    done = scene.tried("restore", str(scene.folder / "x"))
    assert done.returncode == 1
    assert "is no backup of certd's" in done.stderr


def test_revoked_after_another_is_served(scene: Scene) -> None:
    """The old certificate goes only when clients have the new one, which has another key although keys are reused: this
    one was reported compromised. History says who did what.
    """
    scene.config.write_text(scene.config.read_text().replace('esp = "stand-in"', 'esp = "stand-in"\nreuse_key = true'))
    scene.nginx.start()
    scene.run("once")
    old = served(scene)
    key = (scene.state / "public/live" / DOMAIN / "privkey.pem").read_text()
    declined = scene.tried("revoke", DOMAIN)
    assert declined.returncode != 0
    assert served(scene) == old
    said = scene.run("revoke", DOMAIN, "--reason", "keyCompromise", "--yes")
    assert "is revoked (keyCompromise)" in said
    assert served(scene) not in {"", old}
    assert (scene.state / "public/live" / DOMAIN / "privkey.pem").read_text() != key
    (leaf,) = (scene.state / "public/certs" / DOMAIN).glob(f"*-{old[:8]}/cert.pem")
    standing = scene.pebble.standing_of(leaf)
    assert (standing["Status"], standing["Reason"]) == ("Revoked", 1)
    events = json.loads(scene.run("history", DOMAIN, "--json"))["history"]
    assert [event["what"] for event in events] == ["issued", "asked", "issued", "revoked"]
    assert events[0]["because"] == "nothing issued yet"
    assert events[3]["because"] == "revoked by hand: keyCompromise"
    assert events[3]["fingerprint"] == old
    shown = scene.run("history").splitlines()
    assert len(shown) == 4
    assert "by lab" in shown[0]


def test_revoked_at_once(scene: Scene, eventually: Wait) -> None:
    """With --now the daemon sees to another certificate by itself, with another key, although keys are reused."""
    scene.config.write_text(scene.config.read_text().replace('esp = "stand-in"', 'esp = "stand-in"\nreuse_key = true'))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    old = served(scene)
    key = (scene.state / "public/live" / DOMAIN / "privkey.pem").read_text()
    scene.run("revoke", DOMAIN, "--now", "--yes", "--reason", "keyCompromise")
    eventually(lambda: served(scene) not in {"", old})
    assert (scene.state / "public/live" / DOMAIN / "privkey.pem").read_text() != key
    assert "revoked by hand: keyCompromise" in scene.certd_log()


def test_another_seal_key(scene: Scene, eventually: Wait) -> None:
    """Made anew while certd is down; and lost: the keys come from the disk, nothing is ordered, renewals go on."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    mine = served(scene)
    refused = scene.tried("reseal", "--new-key")
    assert "another certd" in refused.stderr
    text = scene.config.read_text()
    for name in ("new", "old"):
        (scene.folder / name).write_text(new_seal_key().reveal())
    (scene.folder / "old").write_text((scene.state / "private" / "seal.key").read_text())
    scene.config.write_text(text.replace("[certd]\n", '[certd]\nseal = ["file:new", "file:old"]\n'))
    assert "does not know the new key yet" in scene.tried("reseal").stderr
    scene.config.write_text(text)
    scene.stop_certd()
    path = scene.state / "private" / "seal.key"
    before = path.read_text()
    assert "values are sealed with the new key" in scene.run("reseal", "--new-key")
    assert path.read_text() not in {"", before}
    path.unlink()
    broken = scene.tried("once", "--wait", "1s")
    assert "does not open the store" in broken.stderr
    said = scene.run("reseal", "--from-disk", "--yes")
    assert "from the disk" in said
    count = orders(scene)
    scene.start_certd()
    eventually(lambda: scene.status()["links"][0]["state"] == "served")
    assert (served(scene), orders(scene)) == (mine, count)
    scene.run("renew", DOMAIN, "--force")
    assert served(scene) not in {"", mine}
    what = [event["what"] for event in json.loads(scene.run("history", "--json"))["history"]]
    assert what.count("sealed anew") == 2
