"""hitch and h2o, for real: first certificate, renewal under clicks, a broken configuration, and the way back."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.test_proxies import PATHS, raw
from tests.lab.clicker import Clicker, click, plain_click
from tests.lab.fronts_more import H2o, Hitch
from tests.lab.scene import DOMAIN, Scene

Wait = Callable[..., None]
FRONTS = {"hitch": Hitch, "h2o": H2o}
PARAMS = [pytest.param(name, marks=pytest.mark.lab("pebble", name)) for name in FRONTS]


@pytest.fixture
def scene(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Scene]:
    with Scene(short_path, front=FRONTS[request.param]) as made:
        assert made.edge is not None
        made.edge.start()
        yield made
        print(made.certd_log())
        print(made.edge.output())


@pytest.mark.parametrize("scene", PARAMS, indirect=True)
def test_clicks_through_three_renewals(scene: Scene) -> None:
    """It starts with the placeholder; three renewals are served while clients click, and no click fails."""
    if not isinstance(scene.edge, Hitch):
        assert plain_click(scene.plain, DOMAIN).trouble == ""
    assert "served until" in scene.run("once")
    seen = [click(scene.tls, DOMAIN, scene.roots).fingerprint]
    with Clicker(scene.tls, DOMAIN, scene.roots) as clicker:
        for _ in range(3):
            scene.run("renew", DOMAIN, "--force", "--yes")
            seen.append(click(scene.tls, DOMAIN, scene.roots).fingerprint)
    assert clicker.troubles == []
    assert clicker.good > 30
    assert "" not in seen
    assert len(set(seen)) == 4


@pytest.mark.parametrize("scene", PARAMS, indirect=True)
def test_clicks_pass_byte_for_byte(scene: Scene) -> None:
    """Path, query, Host and body reach the e-mail service as the client sent them."""
    scene.run("once")
    context = ssl.create_default_context(cadata=scene.roots)
    for path in PATHS:
        answer = raw(scene.tls, f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n", context)
        assert answer.startswith(b"HTTP/1.1 302"), answer[:200]
        assert (scene.esp.seen[-1].path, scene.esp.seen[-1].host) == (path, DOMAIN)
    body = "event=unsubscribe"
    post = f"POST /wf/unsub HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    assert raw(scene.tls, post + body, context).startswith(b"HTTP/1.1 302")
    assert scene.esp.seen[-1].body == body.encode()


@pytest.mark.parametrize("scene", PARAMS, indirect=True)
def test_a_configuration_that_a_stranger_broke(scene: Scene, eventually: Wait) -> None:
    """It is told in the proxy's own words, costs no click, and the renewal is served when the fault goes."""
    assert scene.edge is not None
    scene.run("once")
    before = click(scene.tls, DOMAIN, scene.roots).fingerprint
    good = scene.edge.main.read_text()
    sign = ": " if isinstance(scene.edge, H2o) else " = "
    scene.edge.main.write_text(f"{good}\nnonsense-of-a-stranger{sign}on\n")
    with Clicker(scene.tls, DOMAIN, scene.roots) as clicker:
        asked = scene.tried("renew", DOMAIN, "--force", "--yes")
        assert asked.returncode == 1
        assert "nonsense-of-a-stranger" in asked.stderr
        assert click(scene.tls, DOMAIN, scene.roots).fingerprint == before
        scene.edge.main.write_text(good)
        eventually(lambda: scene.tried("once").returncode == 0)
        eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", before})
    assert clicker.troubles == []


@pytest.mark.parametrize("scene", PARAMS, indirect=True)
def test_a_pair_that_does_not_fit_is_put_right(scene: Scene, eventually: Wait) -> None:
    """A pointer that a stranger broke costs no click; certd writes it again, and the next renewal is served."""
    assert scene.edge is not None
    scene.run("once")
    served = click(scene.tls, DOMAIN, scene.roots).fingerprint
    folder = scene.state / "public" / "proxies" / "edge"
    pointer = next(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    pointer.write_text("nothing that a proxy could load\n")
    with Clicker(scene.tls, DOMAIN, scene.roots) as clicker:
        scene.edge.stranger_reloads()
        time.sleep(2)
        assert click(scene.tls, DOMAIN, scene.roots).fingerprint == served
        scene.run("publish")
        scene.run("renew", DOMAIN, "--force", "--yes")
        eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", served})
    assert clicker.troubles == []
