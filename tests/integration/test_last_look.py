"""What was looked at last counts: a proxy that was stopped a moment ago does not serve."""

from __future__ import annotations

import pytest

from tests.integration.test_fallback import Wait
from tests.lab.scene import DOMAIN, Scene


@pytest.mark.lab("pebble", "nginx")
def test_a_renewal_that_is_not_due_with_the_proxy_stopped(scene: Scene, eventually: Wait) -> None:
    """Its endpoints are looked at before anything is said of them; and so is that they are back."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: scene.status()["links"][0]["state"] == "served")
    before = scene.pebble.requests()
    scene.nginx.stop()
    stopped = scene.tried("renew", DOMAIN)
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert "served until" not in stopped.stdout
    assert f"127.0.0.1:{scene.tls}: nothing listens there" in stopped.stderr
    assert "NOT seen at the last look" in scene.run("status", code=3)
    scene.nginx.start()
    back = scene.tried("renew", DOMAIN)
    assert back.returncode == 0, back.stderr
    assert back.stdout.startswith(f"{DOMAIN}: served until")
    assert scene.pebble.requests() == before, "nothing was due, so the CA was not asked"
