"""What an operator does beside renewing: back up, move to another host, revoke, look back."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from certd.store.seal import new_seal_key
from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.hooks import lego_program
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


@pytest.mark.timeout(300)
@pytest.mark.lab("bind")
def test_moved_to_another_host(short_path: Path, eventually: Wait) -> None:
    """The backup is older than what is served, and what was owed to the DNS when it was made is settled elsewhere: the
    other host has the backup and the newer public files, nothing else. It serves the newer one, orders nothing, removes
    the value that was left, and renews.
    """
    zone = '@ IN NS ns1\nns1 IN A 192.0.2.53\n_acme-challenge.link IN TXT "neighbour"'
    name = f"_acme-challenge.{DOMAIN}"
    with Bind(short_path / "bind", {"example.test": zone}) as bind:
        scene = Scene(short_path / "scene")
        # An authorization that is used again would publish nothing.
        scene.pebble.dns, scene.pebble.reuse = f"127.0.0.1:{bind.port}", 0
        with scene:
            scene.publish_by(bind)
            program = lego_program(short_path, bind)
            # The first value cannot be removed here; one published after the backup could not be known elsewhere.
            stuck = short_path / "stuck"
            keeps = (
                f'[ "$1" = present ] && [ ! -e {stuck} ] && echo "$3" > {stuck}\n'
                f'[ "$1" = cleanup ] && grep -qxF -- "$3" {stuck} && exit 1\n'
            )
            program.write_text(program.read_text().replace("case", f"{keeps}case", 1))
            table = scene.config.read_text()
            start, end = table.index("[dns.corp]"), table.index("[proxy.nginx]")
            way = f'[dns.corp]\nprovider = "exec"\nstyle = "lego"\ncommand = ["{program}"]\n\n'
            scene.config.write_text(table[:start] + way + table[end:])
            scene.nginx.start()
            scene.start_certd()
            eventually(lambda: "served  link=" in scene.certd_log(), 60)
            old = served(scene)
            assert len(bind.txt(name)) == 2
            file = short_path / "certd.backup"
            scene.run("backup", str(file))
            scene.run("renew", DOMAIN, "--force")
            newer = served(scene)
            assert newer not in {"", old}
            eventually(lambda: len(bind.txt(name)) == 2)
            scene.stop_certd()
            here, there = scene.state, short_path / "there"
            there.mkdir()
            shutil.copytree(here / "public", there / "public", symlinks=True)
            shutil.rmtree(here)
            stuck.write_text("nothing\n")
            text = scene.config.read_text().replace(f'state = "{here}"', f'state = "{there}"')
            scene.config.write_text(text.replace('node = "lab"', 'node = "other"'))
            scene.state = there
            assert "restored: certd.db, seal.key" in scene.run("restore", str(file))
            scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
            count = orders(scene)
            scene.start_certd()
            eventually(lambda: scene.status()["links"][0]["state"] == "served", 60)
            assert served(scene) == newer
            eventually(lambda: bind.txt(name) == {"neighbour"}, 120)
            assert orders(scene) == count
            scene.run("renew", DOMAIN, "--force")
            assert served(scene) not in {"", old, newer}
            eventually(lambda: bind.txt(name) == {"neighbour"}, 120)
            assert scene.tried("status", "--nagios").stdout.startswith("CERTD OK - 1 link is served")


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
    status = scene.pebble.standing_of(leaf)
    assert (status["Status"], status["Reason"]) == ("Revoked", 1)
    events = json.loads(scene.run("history", DOMAIN, "--json"))["history"]
    assert [event["what"] for event in events] == ["issued", "asked", "issued", "revoked"]
    assert events[0]["because"] == "nothing issued yet"
    assert events[3]["because"] == "revoked by hand: keyCompromise"
    assert events[3]["fingerprint"] == old
    serial = x509.load_pem_x509_certificate(leaf.read_bytes()).serial_number
    assert (int(events[3]["serial"], 16), events[3]["issuer"]) == (serial, "pebble")
    assert events[0]["serial"] == events[3]["serial"] != events[2]["serial"]
    assert (events[1]["by"], events[3]["by"]) == (f"uid {os.getuid()}", f"uid {os.getuid()}")
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


# certd that takes the lab's CA for Let's Encrypt, with its limits.
LIMITED = """
import runpy, sys
from dataclasses import replace
from certd.acme.directories import DIRECTORIES
DIRECTORIES["letsencrypt"] = replace(DIRECTORIES["letsencrypt"], url=sys.argv.pop(1), staging="")
runpy.run_module("certd", run_name="__main__")
"""


def test_revoked_while_the_ca_signs_nothing(scene: Scene, eventually: Wait) -> None:
    """Five certificates for these names in a week: whoever revokes hears until when there is no other, and decides; a
    revocation that would wait for another ends at once. Afterwards ``status`` says that it is revoked, and who waits
    hears until when and why.
    """
    scene.program = [sys.executable, "-c", LIMITED, scene.pebble.directory]
    scene.command = lambda *words: [*scene.program, "--config", str(scene.config), *words]  # type: ignore[method-assign]
    text = scene.config.read_text().replace("issuer.pebble", "issuer.letsencrypt")
    scene.config.write_text(text.replace('issuer = "pebble"', 'issuer = "letsencrypt"'))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    for _ in range(4):
        scene.run("renew", DOMAIN, "--force", "--yes")
    last = served(scene)
    unsaid = scene.tried("revoke", DOMAIN, "--now")
    assert unsaid.returncode == 2
    assert "no other certificate can be had before" in unsaid.stderr
    assert "exactly these names" in unsaid.stderr
    subject = scene.tried("revoke", DOMAIN, "--yes", seconds=30)
    assert subject.returncode == 1
    assert "nothing was revoked" in subject.stderr
    assert scene.pebble.log().count("revoke") == 0
    assert "revoked" not in scene.tried("status").stdout
    said = scene.tried("revoke", DOMAIN, "--now", "--yes")
    assert said.returncode == 0
    assert "no other certificate can be had before" in said.stderr
    status = scene.tried("status")
    assert status.returncode == 3
    assert "    revoked  " in status.stdout
    assert scene.status()["links"][0]["certificate"]["revoked"] == "revoked by hand: superseded"
    nagios = scene.tried("status", "--nagios")
    assert nagios.returncode == 2
    assert "its certificate is revoked" in nagios.stdout
    waiting = scene.tried("renew", DOMAIN, "--force", "--yes", "--wait", "3s")
    assert waiting.returncode == 3
    assert "waiting for its turn" not in waiting.stderr
    assert "waits until 20" in waiting.stderr
    assert "exactly these names" in waiting.stderr
    assert served(scene) == last


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
