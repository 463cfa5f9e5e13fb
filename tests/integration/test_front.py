"""``front``: a CDN or a load balancer ends TLS at the public name with a certificate of its own, and asks our proxy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_clicks import clicks
from tests.lab.certificates import DAY, NOW, Issuer, make_ca, make_leaf
from tests.lab.clicker import Clicker, click
from tests.lab.fronts import Haproxy
from tests.lab.journey import PROXY, Journey
from tests.lab.listeners import Hook
from tests.lab.nginx import Nginx
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN

pytestmark = pytest.mark.lab("pebble", "nginx", "bind", "haproxy")
Wait = Callable[..., None]

BY_NGINX = """
server {{
    listen 127.0.0.1:{tls} ssl;
    server_name {domain};
    ssl_certificate {pem};
    ssl_certificate_key {pem};
    large_client_header_buffers 4 32k;
    location / {{
        proxy_pass https://127.0.0.1:{origin};
        proxy_set_header Host $host;
        proxy_ssl_server_name on;
        proxy_ssl_name $host;
        proxy_ssl_verify on;
        proxy_ssl_verify_depth 3;
        proxy_ssl_trusted_certificate {roots};
        proxy_ssl_session_reuse off;
    }}
}}
"""
BY_HAPROXY = """
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
frontend public
    bind 127.0.0.1:{tls} ssl crt {pem}
    default_backend origin
backend origin
    server one 127.0.0.1:{origin} ssl verify required ca-file {roots} sni req.hdr(host) verifyhost {domain}
"""


@dataclass
class Fronted:
    """The journey of a click by a front that verifies the origin's certificate, as good ones do.

    Attributes:
        ca: What the front's certificate is of: another CA than certd's, known to clients.
    """

    folder: Path
    kind: str
    ca: Issuer = field(default_factory=lambda: make_ca("Public Root"))
    tls: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.journey = Journey(self.folder)
        self.scene = self.journey.scene
        front = self.folder / "front"
        self.pem = self.folder / "front.pem"
        self.front = Nginx(front) if self.kind == "cdn" else Haproxy(front, free_port(), self.tls)

    def show(self, *, start: datetime = NOW - DAY, life: timedelta = 60 * DAY) -> None:
        """Give the front a certificate."""
        leaf = make_leaf(self.ca, DOMAIN, start=start, life=life)
        self.pem.write_text(leaf.pem + self.ca.pem + leaf.key.reveal())

    def start(self, hook: str) -> None:
        """Everything; DNS leads to the front."""
        self.show()
        self.journey.start()
        self.journey.point_here()
        scene = self.scene
        text = scene.config.read_text().replace(
            f'"{PROXY}:443" = "127.0.0.1:{scene.tls}"', f'"{PROXY}:443" = "127.0.0.1:{self.tls}"'
        )
        text = text.replace("[defaults]\n", f'[defaults]\nfront = "{self.kind}"\n', 1)
        scene.config.write_text(f'{text}\n[alarms]\nwebhook = "{hook}"\n')
        scene.nginx.start()
        scene.run("once")
        self.front.prepare()
        config = BY_NGINX if isinstance(self.front, Nginx) else BY_HAPROXY
        self.front.site(
            DOMAIN, config.format(tls=self.tls, domain=DOMAIN, pem=self.pem, origin=scene.tls, roots=scene.pebble.roots)
        )
        self.front.start()
        scene.start_certd()

    def restart_front(self) -> None:
        """It takes its certificate anew."""
        self.front.stop()
        self.front.start()

    def checks(self) -> dict[str, tuple[str, str]]:
        """The doctor's findings by code: grade and sentence."""
        (link,) = json.loads(self.scene.tried("check", DOMAIN, "--json").stdout)["check"]["hosts"]
        return {each["code"]: (each["grade"], each["words"]) for each in link["findings"]}

    def served(self) -> dict[str, Any]:
        """What ``certd status`` says of the proxy."""
        (link,) = self.scene.status()["links"]
        found: dict[str, Any] = link["proxies"][0]
        return found

    def stop(self) -> None:
        """Everything."""
        self.front.stop()
        self.journey.stop()


@pytest.fixture(params=["cdn", "lb"])
def fronted(
    request: pytest.FixtureRequest, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Fronted, Hook]]:
    made = Fronted(short_path, request.param)
    # What this machine's certd takes for the roots that clients know.
    (short_path / "public-roots.pem").write_text(made.ca.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(short_path / "public-roots.pem"))
    with Hook() as hook:
        try:
            made.start(hook.url)
            yield made, hook
        finally:
            made.stop()
            print(made.scene.certd_log(), made.scene.nginx.errors())


def test_behind_a_front(fronted: tuple[Fronted, Hook], eventually: Wait) -> None:
    """The endpoints prove what is ours, the public name must show any valid certificate, and a front whose own lapses
    is told, without an order of ours.
    """
    made, hook = fronted
    scene = made.scene
    name = made.kind.upper()
    eventually(lambda: clicks(made.journey)["direction"] == "here" and clicks(made.journey)["trouble"] is None, 60)
    here = clicks(made.journey)
    assert f"it points at the {name}" in here["because"]
    (public,) = [leg for leg in here["addresses"] if leg["public"]]
    assert (public["address"], public["certificate"], public["status"], public["click"]) == (
        f"{PROXY}:443",
        None,
        302,
        None,
    )

    # A renewal is proven at the origin; what clients are shown stays the front's, and no click fails.
    origin = click(scene.tls, DOMAIN, scene.roots).fingerprint
    shown = click(made.tls, DOMAIN, made.ca.pem)
    assert shown.trouble == ""
    assert shown.fingerprint != origin
    with Clicker(made.tls, DOMAIN, made.ca.pem) as clicker:
        assert "served until" in scene.run("renew", DOMAIN, "--force", "--yes")
    assert clicker.troubles == []
    assert set(clicker.served) == {shown.fingerprint}
    renewed = click(scene.tls, DOMAIN, scene.roots).fingerprint
    assert renewed not in {"", origin}

    # The doctor looks for ours at the origin, and for a valid one at the public name.
    found = made.checks()
    for code in ("A2", "C1", "C2", "C3", "C4", "C8", "C10", "E4", "F2", "F5"):
        assert found[code][0] == "pass", (code, found[code])
    assert f"127.0.0.1:{scene.tls}: the newest" in found["C3"][1]
    assert f"{PROXY}:443: trusted" in found["C2"][1]
    good = scene.config.read_text()
    scene.config.write_text(good.replace(f'front = "{made.kind}"\n', ""))
    assert made.checks()["C3"][0] != "pass"

    # An origin that does not load it is said, though the public name is fine.
    lines = good.splitlines(keepends=True)
    scene.config.write_text("".join('reload = ["true"]\n' if line.startswith("reload =") else line for line in lines))
    scene.run("reload")
    asked = scene.tried("renew", DOMAIN, "--force", "--yes")
    assert asked.returncode == 1
    assert f"127.0.0.1:{scene.tls} serves" in asked.stderr
    assert click(made.tls, DOMAIN, made.ca.pem).trouble == ""
    scene.config.write_text(good)
    scene.run("reload")
    eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", renewed}, 90)
    ours = click(scene.tls, DOMAIN, scene.roots).fingerprint

    # The front's own certificate lapses: told as what it is, and nothing of ours is ordered or reloaded for it.
    assert not [body for body in hook.bodies if body["cause"].startswith(("click:", "check:tls"))]
    made.show(start=NOW - 60 * DAY, life=59 * DAY)
    made.restart_front()
    eventually(lambda: clicks(made.journey)["trouble"] is not None, 40)
    trouble = clicks(made.journey)["trouble"]
    assert "which shows no valid certificate for it: it serves a certificate that expired" in trouble
    eventually(lambda: any(body["cause"] == f"click:{DOMAIN}" for body in hook.bodies), 60)
    grade, words = made.checks()["C2"]
    assert grade == "fail"
    assert "expired" in words
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint == ours
    made.show()
    made.restart_front()
    eventually(lambda: clicks(made.journey)["trouble"] is None, 40)
