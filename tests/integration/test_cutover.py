"""The one dangerous day: from "still at the e-mail service" to "served", under clients that never see a failure."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from tests.lab.bind import Bind
from tests.lab.clicker import click, plain_click
from tests.lab.journey import EDGE, MAILER, PROXY, SERVICE, Journey
from tests.lab.scene import DOMAIN, ROOT

pytestmark = pytest.mark.lab("pebble", "nginx", "bind")
Wait = Callable[..., None]
TTL = 4


class Reader:
    """A mail reader: it asks a resolver that caches, and clicks an old http link, and an https one where that is on."""

    def __init__(self, journey: Journey, resolver: int) -> None:
        self.journey = journey
        self.resolver = resolver
        self.troubles: list[str] = []
        self.clicks = {SERVICE: 0, PROXY: 0}
        self.https = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        scene = self.journey.scene
        while not self._stop.wait(0.05):
            query = dns.message.make_query(DOMAIN, dns.rdatatype.A)
            try:
                reply = dns.query.udp(query, "127.0.0.1", port=self.resolver, timeout=5)
            except Exception as error:
                self.troubles.append(f"dns: {error!r}")
                continue
            found = [rdata.to_text() for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for rdata in rrset]
            address = found[0] if found else ""
            if address not in self.clicks:
                self.troubles.append(f"dns: {reply.answer}")
                continue
            self.clicks[address] += 1
            trouble = plain_click(scene.esp.port if address == SERVICE else scene.plain, DOMAIN).trouble
            if not trouble and address == PROXY:
                trouble = click(scene.tls, DOMAIN, scene.roots).trouble
                self.https += 1
            if trouble:
                self.troubles.append(f"{address}: {trouble}")

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)


@pytest.fixture
def journey(short_path: Path) -> Iterator[Journey]:
    with Journey(short_path) as made:
        yield made


def test_the_whole_switch(journey: Journey, short_path: Path, eventually: Wait) -> None:
    """Each step is shown as it becomes true; the order is kept; readers notice nothing; the mail holds the evidence."""
    scene, bind = journey.scene, journey.bind
    journey.point_back(ttl=TTL)
    forward = {"example.test": bind.port, MAILER: bind.port}
    with Bind(short_path / "public", forward=forward) as public:
        resolvers = f'public_resolvers = ["127.0.0.1:{bind.port}", "127.0.0.1:{public.port}"]'
        text = scene.config.read_text().replace("[network]\n", f"[network]\n{resolvers}\n", 1)
        text = text.replace("[esp.stand-in]\n", '[esp.stand-in]\nkind = "sendgrid"\n', 1)
        text = text.replace(f'domain = "{DOMAIN}"', f'domain = "{DOMAIN}"\ntarget = "{EDGE}"', 1)
        scene.config.write_text(text)
        early = scene.tried("cutover", DOMAIN)
        assert early.returncode == 3
        assert "NOW  2. certificate and click proven at each proxy" in early.stdout
        assert "nothing answers at the endpoints of its proxies" in early.stdout
        scene.nginx.start()
        with Reader(journey, public.port) as reader:
            scene.run("once")
            first = scene.tried("cutover", DOMAIN)
            assert first.returncode == 3, first.stdout + first.stderr
            assert "done 1. validate the link branding at the e-mail service, once" in first.stdout
            assert "done 2. certificate and click proven at each proxy" in first.stdout
            line = next(each for each in first.stdout.splitlines() if "> curl" in each).strip(" >")
            assert f"--resolve {DOMAIN}:{scene.tls}:127.0.0.1" in line
            seen = subprocess.run(["sh", "-c", f"{line} --cacert {scene.pebble.roots}"], capture_output=True, text=True)
            assert "HTTP/1.1 302" in seen.stderr, seen.stderr
            assert "done 3. lower the TTL" in first.stdout
            assert "NOW  4. move only the first CNAME" in first.stdout
            assert f"> {DOMAIN}.  60  IN  CNAME  {EDGE}." in first.stdout
            assert "Leave the second record" in first.stdout

            out = short_path / "walk.txt"
            with out.open("wb") as file:
                walk = subprocess.Popen(
                    scene.command("cutover", DOMAIN, "--watch", "--for", "90s"),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=ROOT,
                    env=scene.environment,
                )
            eventually(lambda: "NOW  4." in out.read_text(), 30)
            journey.point_here(ttl=TTL)
            assert walk.wait(120) == 0, out.read_text()
            eventually(lambda: reader.https > 5, 20)
        said = out.read_text()
        print(said)
        order = [said.index(f"done {number}. ") for number in (4, 5, 6, 7)]
        assert order[0] == min(order)
        assert "NOW  5. wait out the old TTL" in said
        assert "Subject: please switch SSL click and open tracking on for link.example.test" in said
        assert "your CleverTap contact, or the support of stand-in" in said
        assert f"{DOMAIN} -> {EDGE}, {PROXY}" in said
        assert f"Certificate at {PROXY}:443: valid until" in said
        assert f"127.0.0.1:{public.port}" in said
        assert reader.troubles == []
        assert reader.clicks[SERVICE] > 10
        assert reader.clicks[PROXY] > 5
        # Taken up again: everything is remembered.
        assert scene.tried("cutover", DOMAIN).returncode == 0
        # Back at the e-mail service it is a switch that has not happened.
        journey.point_back(ttl=TTL)
        time.sleep(0.1)
        assert scene.tried("cutover", DOMAIN).returncode == 3
