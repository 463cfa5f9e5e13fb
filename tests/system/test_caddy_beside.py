"""certd and Caddy in two containers that share a folder of published files and one with Caddy's admin socket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.process import answers
from tests.system.podman import BASE
from tests.system.test_containers import DOMAIN, USER, Pod, pod_with

CADDY = shutil.which("caddy")

pytestmark = pytest.mark.skipif(CADDY is None, reason="caddy is not installed; tests/lab/setup installs it")


@pytest.fixture
def pod(short_path: Path) -> Iterator[Pod]:
    """With Caddy in the place of nginx."""
    with pod_with(short_path, proxy="caddy", reload="caddy:unix//shared/admin.sock:/shared/Caddyfile") as made:
        yield made


def test_a_renewal_by_the_admin_socket(pod: Pod) -> None:
    """No shared PID namespace, no signal: Caddy takes the new certificate over its socket, seen by handshake."""
    site = pod.once("proxy-config", DOMAIN)
    text = "{\n    admin unix//shared/admin.sock\n    auto_https disable_redirects\n}\n"
    (pod.folder / "shared" / "Caddyfile").write_text(text + site)
    shared = {f"{pod.folder}/public": "/certs:ro", f"{pod.folder}/shared": "/shared"}
    pod.nginx.run(
        BASE,
        "caddy",
        "run",
        "--config",
        "/shared/Caddyfile",
        "--adapter",
        "caddyfile",
        options=("--user", f"{USER}:{USER}", "--env", "XDG_DATA_HOME=/tmp", "--env", "XDG_CONFIG_HOME=/tmp"),
        volumes={**shared, str(CADDY): "/usr/bin/caddy:ro"},
    )
    pod.nginx.wait_until(lambda: answers("127.0.0.1", 8443), "Caddy")
    pod.start_certd()
    pod.certd.wait_until(lambda: bool(pod.served()), "the first certificate")
    before = pod.served()
    pod.certd.exec("certd", "renew", DOMAIN, "--force")
    assert pod.served() not in {"", before}
    assert pod.issued() == 2
