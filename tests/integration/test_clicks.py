"""The continuous click probe on the real thing: BIND, nginx, a daemon that looks every second."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.journey import PROXY, SERVICE, Journey
from tests.lab.listeners import Hook
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN

pytestmark = pytest.mark.lab("pebble", "nginx", "bind")
Wait = Callable[..., None]


@pytest.fixture
def journey(short_path: Path) -> Iterator[Journey]:
    with Journey(short_path) as made:
        yield made
        print(made.scene.certd_log(), made.scene.nginx.errors())


def clicks(journey: Journey) -> dict[str, Any]:
    """What ``certd status`` says of them."""
    (link,) = journey.scene.status()["links"]
    found: dict[str, Any] = link["clicks"][0] if link["clicks"] else {"because": "", "trouble": None, "direction": None}
    return found


def test_from_waiting_to_pointing_away(journey: Journey, eventually: Wait) -> None:
    """Before the switch the link is ready and waits, without alarm; after it pointing away is one, and coming back ends
    it. Metrics say the same.
    """
    scene = journey.scene
    port = free_port()
    with Hook() as hook:
        text = scene.config.read_text().replace('listen = ""', f'listen = "127.0.0.1:{port}"', 1)
        scene.config.write_text(f'{text}\n[alarms]\nwebhook = "{hook.url}"\n')
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: clicks(journey)["because"].startswith("ready, waiting for the CNAME"), 60)
        waiting = clicks(journey)
        assert waiting["direction"] == "service"
        assert waiting["trouble"] is None
        # The click through the proxy is proven before DNS leads there.
        assert [(leg["public"], leg["status"], leg["click"]) for leg in waiting["addresses"]] == [(False, 302, None)]
        assert "waiting for the CNAME: it points at the e-mail service itself (mailer.test)" in scene.run("status")

        journey.point_here()
        eventually(lambda: clicks(journey)["direction"] == "here", 30)
        here = clicks(journey)
        assert here["trouble"] is None
        public = next(leg for leg in here["addresses"] if leg["public"])
        assert (public["address"], public["status"], public["certificate"]) == (f"{PROXY}:443", 302, None)
        assert scene.esp.seen[-1].host == DOMAIN
        figures = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        assert f'certd_click_ok{{link="{DOMAIN}",host="{DOMAIN}"}} 1.0' in figures
        assert f'certd_click_waits_for_cname{{link="{DOMAIN}",host="{DOMAIN}"}} 0.0' in figures
        assert not [body for body in hook.bodies if body["cause"].startswith("click:")]

        journey.point_back()
        eventually(lambda: clicks(journey)["trouble"] is not None, 30)
        away = scene.tried("status")
        assert away.returncode == 3
        assert "NOT well: it points at the e-mail service itself" in away.stdout
        eventually(lambda: any(body["cause"] == f"click:{DOMAIN}" for body in hook.bodies), 60)
        told = next(body for body in hook.bodies if body["cause"] == f"click:{DOMAIN}")
        assert told["level"] == "page"
        assert "point the link's CNAME at your proxy again" in told["text"]


def test_a_proxy_that_loses_the_host(journey: Journey, eventually: Wait) -> None:
    """The e-mail service's own words are recognised, and it is the proxy that is named, since asking it directly works;
    what is mended is seen.
    """
    scene = journey.scene
    journey.point_here()
    # The doctor's checks run in the daemon, too: another service's CNAME at a validation name, say.
    scene.nginx.start()
    scene.run("once")
    journey.bind.move(f"_acme-challenge.{DOMAIN}", "CNAME", "x.dcv.cloudflare.com.")
    scene.start_certd()
    eventually(lambda: clicks(journey)["direction"] == "here" and clicks(journey)["trouble"] is None, 60)
    assert "owns the validation name" in next(
        each["words"] for each in clicks(journey)["checks"] if each["name"] == "dns.acme_name"
    )
    plugin = scene.tried("status", "--nagios")
    assert (plugin.returncode, plugin.stdout[:6]) in {(0, "CERTD "), (1, "CERTD ")}
    site = scene.nginx.folder / "sites" / f"{DOMAIN}.conf"
    good = site.read_text()
    site.write_text(good.replace("proxy_set_header Host $host;", "proxy_set_header Host sendgrid.net;"))
    scene.nginx.reload()
    eventually(lambda: clicks(journey)["trouble"] is not None, 30)
    trouble = clicks(journey)
    assert "a click does not come through" in trouble["trouble"]
    assert "404 where the e-mail service itself answers 302" in trouble["trouble"]
    assert "certd proxy-config" in trouble["hint"]
    plugin = scene.tried("status", "--nagios")
    assert plugin.returncode == 2
    assert plugin.stdout.startswith(f"CERTD CRITICAL - {DOMAIN}: ")
    site.write_text(good)
    scene.nginx.reload()
    eventually(lambda: clicks(journey)["trouble"] is None, 30)

    # Of several addresses each is looked at: one that is dead is named.
    journey.bind.add("edge.example.test", "A", SERVICE)
    eventually(lambda: clicks(journey)["trouble"] is not None, 40)
    assert clicks(journey)["trouble"].startswith(f"{SERVICE}:443: ")
