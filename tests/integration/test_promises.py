"""Promises 11, 12 and 13 on a real nginx: going back, drift, a human's own certificate, one reload for many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bought import buy
from tests.lab.clicker import Clicker, click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def served(scene: Scene, domain: str = DOMAIN) -> str:
    """The fingerprint that clients get; empty while they trust nothing."""
    return click(scene.tls, domain, scene.roots).fingerprint


def script(path: Path, body: str) -> Path:
    """An executable of the operator's."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def running(scene: Scene, eventually: Wait) -> Scene:
    """Everything runs and the first certificate is served."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    return scene


def test_drift_is_repaired(running: Scene, eventually: Wait) -> None:
    """What a stranger breaks in the pointer is put right, and clients get the right certificate again."""
    fingerprint = served(running)
    generations = [path.name for path in (running.state / "public/certs" / DOMAIN).iterdir()]
    (placeholder,) = [name for name in generations if not name.endswith(fingerprint[:8])]
    (ours,) = [name for name in generations if name.endswith(fingerprint[:8])]
    pointer = running.state / "public/proxies/nginx" / f"{DOMAIN}.conf"
    good = pointer.read_text()
    pointer.write_text(good.replace(ours, placeholder))
    running.nginx.reload()
    eventually(lambda: served(running) == "")
    running.run("reload")
    eventually(lambda: served(running) == fingerprint)
    assert pointer.read_text() == good


def test_a_humans_own_certificate_stays(running: Scene, eventually: Wait) -> None:
    """A valid certificate that is not ours and ends later is reported and left alone; it can be adopted."""
    bought = buy(running.folder / "bought", DOMAIN, days=300)
    running.pebble.roots.write_text(running.roots + bought.root_pem)
    site = running.nginx.folder / "sites" / f"{DOMAIN}.conf"
    ours = site.read_text()
    include = next(line for line in ours.splitlines() if line.strip().startswith("include "))
    by_hand = f"ssl_certificate {bought.chain};\nssl_certificate_key {bought.key};"
    site.write_text(ours.replace(include, by_hand))
    before = served(running)
    running.nginx.reload()
    eventually(lambda: served(running) not in {"", before})
    theirs = served(running)
    running.stop_certd()
    running.start_certd()
    eventually(lambda: "not ours and ends later" in running.run("status"))
    assert served(running) == theirs
    forced = running.tried("renew", DOMAIN, "--force", "--wait", "15s")
    assert served(running) == theirs, forced.stdout
    assert "adopted" in running.run("import", "files", DOMAIN, str(bought.chain), str(bought.key))
    site.write_text(ours)
    running.nginx.reload()
    running.run("reload")
    eventually(lambda: served(running) == theirs)
    eventually(lambda: running.status()["links"][0]["state"] == "served")


def test_an_endpoint_that_cannot_be_seen_lets_nothing_lapse(scene: Scene, eventually: Wait) -> None:
    """With a wrong endpoint certd sees nothing for several lifetimes: it alarms, reloads with every renewal, goes back
    never, and clients never notice.
    """
    scene.pebble.stop()
    scene.pebble.life = 30
    scene.pebble.start()
    scene.write_config()
    blind = scene.config.read_text().replace(f'endpoints = ["127.0.0.1:{scene.tls}"]', 'endpoints = ["127.0.0.1:9"]')
    scene.config.write_text(blind)
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: bool(served(scene)))
    with Clicker(scene.tls, DOMAIN, scene.roots) as clicker:
        eventually(lambda: len(clicker.served) >= 3)
    assert clicker.troubles == []
    assert "going back" not in scene.certd_log()
    status = scene.tried("status")
    assert status.returncode == 3
    assert "127.0.0.1:9" in status.stdout


def test_it_goes_back_when_clients_got_worse(scene: Scene, eventually: Wait) -> None:
    """A renewal after which an endpoint answers worse is taken back; the good certificate is served again."""
    other = buy(scene.folder / "other", "other.example.test", days=3)
    site = scene.nginx.folder / "sites" / f"{DOMAIN}.conf"
    pointer = scene.state / "public/proxies/nginx" / f"{DOMAIN}.conf"
    bad_site = scene.folder / "bad.conf"
    good_site = scene.folder / "good.conf"
    good_site.write_text(site.read_text())
    include = next(line for line in site.read_text().splitlines() if line.strip().startswith("include "))
    bad_site.write_text(
        site.read_text().replace(include, f"ssl_certificate {other.chain};\nssl_certificate_key {other.key};")
    )
    first = scene.folder / "first"
    # A reload of the operator's that gets it wrong for every generation but the first.
    reload = script(
        scene.folder / "reload.sh",
        f"""now=$(sed -n 's/.*Generation: //p' {pointer})
[ -e {first} ] || echo $now > {first}
if [ "$now" = "$(cat {first})" ]; then cp {good_site} {site}; else cp {bad_site} {site}; fi
kill -HUP $(cat {scene.nginx.pid_file})""",
    )
    signal_line = f'reload = "signal:HUP:{scene.nginx.folder}/nginx.pid"'
    scene.config.write_text(scene.config.read_text().replace(signal_line, f'reload = ["{reload}"]'))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = served(scene)
    assert before
    done = scene.tried("renew", DOMAIN, "--force", "--wait", "90s")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "going back" in scene.certd_log()
    eventually(lambda: served(scene) == before)
    assert scene.tried("status").returncode == 3


def test_what_the_check_refuses_is_taken_back_before_any_reload(scene: Scene, eventually: Wait) -> None:
    """A check that passes with the old pointer and fails with the new one: the old one is put back, nothing reloads."""
    pointer = scene.state / "public/proxies/nginx" / f"{DOMAIN}.conf"
    first = scene.folder / "first"
    check = script(
        scene.folder / "check.sh",
        f"""now=$(sed -n 's/.*Generation: //p' {pointer})
[ -s {first} ] || exit 0
[ "$now" = "$(cat {first})" ] || {{ echo "emerg: I do not like $now"; exit 1; }}""",
    )
    text = scene.config.read_text()
    line = next(line for line in text.splitlines() if line.startswith("check = "))
    scene.config.write_text(text.replace(line, f'check = ["{check}"]'))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    good = pointer.read_text()
    first.write_text(good.partition("Generation: ")[2].split()[0])
    reloads = scene.certd_log().count("reloaded  ")
    done = scene.tried("renew", DOMAIN, "--force", "--wait", "90s")
    assert done.returncode == 1
    assert "I do not like" in done.stderr
    assert pointer.read_text() == good
    assert scene.certd_log().count("reloaded  ") == reloads
    assert served(scene)


def test_a_strangers_broken_vhost_is_said_and_heals(running: Scene, eventually: Wait) -> None:
    """nginx broken by somebody else: certd says so in nginx's own words, keeps the new pointer, breaks nothing, and
    deploys when it is mended.
    """
    before = served(running)
    running.nginx.site("stranger", "server { listen nonsense:1; }")
    done = running.tried("renew", DOMAIN, "--force", "--wait", "90s")
    assert done.returncode == 1
    assert "by somebody else" in done.stderr
    assert "stranger.conf" in done.stderr
    assert served(running) == before
    running.nginx.site("stranger", "")
    eventually(lambda: served(running) not in {"", before})
    eventually(lambda: running.status()["links"][0]["state"] == "served")


def test_a_proxy_that_does_not_run(scene: Scene, eventually: Wait) -> None:
    """nginx is down: one clear sentence, exit code 1, and it is served as soon as it is up."""
    done = scene.tried("once", "--wait", "90s")
    assert done.returncode == 1
    assert "nothing listens there" in done.stderr
    scene.start_certd()
    scene.nginx.start()
    eventually(lambda: scene.status()["links"][0]["state"] == "served")
    assert served(scene)


def test_a_reload_that_does_nothing(scene: Scene, eventually: Wait) -> None:
    """Exit code 0 is not proof: the placeholder goes on being served, certd sees it, and says what to look at."""
    signal_line = f'reload = "signal:HUP:{scene.nginx.folder}/nginx.pid"'
    scene.config.write_text(scene.config.read_text().replace(signal_line, 'reload = ["/bin/true"]'))
    scene.nginx.start()
    done = scene.tried("once", "--wait", "90s")
    assert done.returncode == 1
    assert "it serves certd's placeholder" in done.stderr
    scene.start_certd()
    scene.nginx.reload()
    eventually(lambda: scene.status()["links"][0]["state"] == "served")


def test_a_hold_moves_nothing_and_ends_by_itself(running: Scene, eventually: Wait) -> None:
    """During a hold certificates are obtained, and no pointer moves; when it ends they are served."""
    before = served(running)
    assert "held until" in running.run("hold", DOMAIN, "--until", "8s")
    running.tried("renew", DOMAIN, "--force", "--wait", "4s")
    assert served(running) == before
    assert "held until" in running.run("plan")
    eventually(lambda: served(running) not in {"", before})


def test_one_reload_for_many(short_path: Path, eventually: Wait) -> None:
    """Twenty links that become due together are served with a handful of reloads (design.md, One reload at a time)."""
    domains = [f"l{number}.example.test" for number in range(20)]
    with Scene(short_path / "many", domains=domains) as scene:
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: scene.certd_log().count("served  link=") >= len(domains))
        assert all(served(scene, domain) for domain in domains)
        assert scene.certd_log().count("reloaded  ") <= 6
        assert scene.pebble.log().count("Issued certificate serial") == len(domains)
