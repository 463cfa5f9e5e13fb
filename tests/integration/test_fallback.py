"""Two CAs for one link, both real."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.scene import Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]
BLOCKED = "blocked.example"


@pytest.fixture
def second(short_path: Path) -> Iterator[tuple[Scene, Pebble]]:
    """A scene with another CA beside the first one, which refuses the name."""
    with Scene(short_path / "scene", life=60, domains=(BLOCKED,)) as scene:
        other = Pebble(short_path / "second", dns=f"127.0.0.1:{scene.dns}", life=60, blocked=())
        with other:
            table = (
                f'[issuer.second]\nterms_agreed = true\ndirectory = "{other.directory}"\n'
                f'ca_file = "{other.ca_file}"\nroots = "{other.roots}"\n\n'
            )
            text = scene.config.read_text().replace("[dns.own]", table + "[dns.own]")
            scene.config.write_text(text.replace('issuer = "pebble"', 'issuer = ["pebble", "second"]'))
            yield scene, other
            print(scene.certd_log())


def test_one_that_will_not(second: tuple[Scene, Pebble]) -> None:
    """The name is on the first CA's list of blocked ones: the second is asked at once, and its certificate served."""
    scene, other = second
    scene.nginx.start()
    assert "served until" in scene.run("once")
    assert click(scene.tls, BLOCKED, other.roots.read_text()).trouble == ""
    assert scene.status()["links"][0]["certificate"]["issuer"] == "second"


@pytest.mark.timeout(200)
def test_one_that_is_away_and_comes_back(second: tuple[Scene, Pebble], eventually: Wait) -> None:
    """The margin is not waited out: a quarter of it is enough. When the first one is back, the next renewal is its."""
    scene, other = second
    scene.pebble.blocked = ()
    scene.pebble.stop()
    scene.pebble.start()
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: bool(click(scene.tls, BLOCKED, scene.roots).fingerprint))
    roots = scene.roots
    scene.pebble.stop()
    both = roots + other.roots.read_text()
    eventually(lambda: bool(click(scene.tls, BLOCKED, other.roots.read_text()).fingerprint))
    assert click(scene.tls, BLOCKED, both).trouble == ""
    scene.pebble.start()
    scene.run("reload")
    eventually(lambda: bool(click(scene.tls, BLOCKED, scene.roots).fingerprint))


def test_staging_first(second: tuple[Scene, Pebble], eventually: Wait) -> None:
    """What failed at the first CA proves itself at the other one, its staging, before the first is asked again; what
    staging signs is served to nobody.
    """
    scene, _ = second
    scene.pebble.stop()
    # Whoever is there, it is no name server: every validation fails.
    scene.pebble.blocked, scene.pebble.dns = (), f"127.0.0.1:{free_port()}"
    scene.pebble.start()
    text = scene.config.read_text().replace('issuer = ["pebble", "second"]', 'issuer = "pebble"')
    scene.config.write_text(text.replace("[issuer.pebble]", '[issuer.pebble]\nstaging = "second"'))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "attempt failed" in scene.certd_log())
    assert "issuer=second" not in scene.certd_log()
    asking = scene.begin("renew", BLOCKED, "--force")
    eventually(lambda: len(asked(scene)) == 3)
    assert asked(scene) == ["pebble", "second", "pebble"]
    assert scene.certd_log().index("proved  ") < scene.certd_log().rindex("ordered  ")
    assert scene.status()["links"][0]["certificate"] is None
    asking.kill()
    asking.wait()


def asked(scene: Scene) -> list[str]:
    """Which CA each order went to."""
    return re.findall(r"ordered  .*issuer=(\S+)", scene.certd_log())


@pytest.mark.lab("bind")
def test_caa_is_asked_before_the_ca(short_path: Path, eventually: Wait) -> None:
    """A record that names another CA: no order is made, the sentence names the record, and it goes on by itself when
    the record is mended.
    """
    zone = '@ IN NS ns1\nns1 IN A 192.0.2.53\nlink 5 IN CAA 0 issue "digicert.com"'
    with Bind(short_path / "bind", {"example.test": zone}) as bind:
        scene = Scene(short_path / "scene")
        scene.pebble.dns, scene.pebble.caa = f"127.0.0.1:{bind.port}", ("pebble.example",)
        with scene:
            scene.publish_by(bind)
            scene.nginx.start()
            scene.start_certd()
            eventually(lambda: "kind=caa" in scene.certd_log())
            assert scene.certd_log().count("ordered  ") == 0
            said = scene.tried("status").stdout
            assert 'CAA at link.example.test forbids it: it allows 0 issue "digicert.com"' in said
            bind.update("link.example.test", "CAA", '0 issue "pebble.example"')
            eventually(lambda: "served  link=" in scene.certd_log())
