"""A state folder that is lost again and again, while the proxy goes on serving."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.test_fallback import Wait
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

TIMES = 2


@pytest.mark.lab("pebble", "nginx")
@pytest.mark.timeout(240)
def test_what_is_served_is_no_reason_to_order(scene: Scene, eventually: Wait) -> None:
    """The store, the keys and the published files are gone, nginx still has the certificate in its memory: no order,
    however often; when nginx is restarted and serves the placeholder, one is made.
    """
    scene.nginx.start()
    scene.run("once")
    before = click(scene.tls, DOMAIN, scene.roots).fingerprint
    assert before
    for _ in range(TIMES):
        shutil.rmtree(scene.state)
        scene.start_certd()
        eventually(lambda: "served already  link=" in scene.certd_log())
        scene.stop_certd()
    assert scene.pebble.orders() == 1
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint == before
    scene.start_certd()
    scene.nginx.stop()
    scene.nginx.start()
    eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", before}, 120)
