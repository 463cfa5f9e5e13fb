"""What machines ask of the daemon over HTTP."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except urllib.error.URLError as error:
        return 0, str(error)


def test_health_readiness_and_figures(scene: Scene, eventually: Callable[..., None]) -> None:
    """Ready before the first certificate; the figures say until when clients are served."""
    port = free_port()
    scene.config.write_text(scene.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{port}"'))
    scene.start_certd()
    eventually(lambda: get(port, "/readyz") == (200, "ready\n"))
    scene.nginx.start()
    eventually(lambda: f'certd_served{{link="{DOMAIN}",proxy="nginx"}} 1.0' in get(port, "/metrics")[1])
    assert get(port, "/healthz") == (200, "alive\n")
    status, body = get(port, "/metrics")
    (link,) = scene.status()["links"]
    assert status == 200
    at = f'{{link="{DOMAIN}",proxy="nginx",endpoint="127.0.0.1:{scene.tls}"}}'
    assert f"certd_served_not_after_timestamp_seconds{at}" in body
    assert f'certd_link_failed{{link="{DOMAIN}"}} 0.0' in body
    assert link["certificate"]["not_after"]
    assert f"certd_served_mismatch{at} 0.0" in body
    for line in (
        'certd_steps_total{by="pebble",step="ordered"} 1.0',
        'certd_work_seconds_count{dependency="proxy:nginx"}',
    ):
        assert line in body
    (passed,) = re.findall(r"^certd_last_pass_timestamp_seconds (\S+)$", body, re.MULTILINE)
    assert abs(float(passed) - time.time()) < 60
    assert f'href="/links/{DOMAIN}"' in get(port, "/")[1]
    assert get(port, "/etc/passwd")[0] == 404


def test_an_address_that_cannot_be_had_is_no_reason_to_stop(scene: Scene, eventually: Callable[..., None]) -> None:
    """Certificates are kept alive without the page."""
    scene.config.write_text(scene.config.read_text().replace('listen = ""', 'listen = "192.0.2.1:80"'))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    assert "no status over HTTP" in scene.certd_log()
