"""Three nodes that share nothing but DNS, CA and clients: each holds a certificate of its own for one link."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.clicker import Clicker
from tests.lab.fronts import Haproxy
from tests.lab.listeners import Hook
from tests.lab.nodes import Node, World
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN

pytestmark = [pytest.mark.lab("pebble", "nginx", "bind", "haproxy"), pytest.mark.timeout(400)]
Wait = Callable[..., None]
CHALLENGE = f"_acme-challenge.{DOMAIN}"
ADDRESSES = ("192.0.2.11", "192.0.2.12", "192.0.2.13")
NEIGHBOUR = "a-neighbours-own-value"

BALANCER = """
defaults
    mode tcp
    timeout client 10s
    timeout server 10s
    timeout connect 5s
listen public
    bind 127.0.0.1:{tls}
    balance roundrobin
{servers}"""


class Watcher:
    """Counts how many values stand at the validation name at once, and whether a neighbour's is missing."""

    def __init__(self, world: World) -> None:
        self.most = 0
        self.missing = 0
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            values = self._world.bind.txt(CHALLENGE)
            self.missing += NEIGHBOUR not in values
            self.most = max(self.most, len(values - {NEIGHBOUR}))

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


@pytest.fixture
def world(short_path: Path) -> Iterator[World]:
    # Validations take their time, so that the values of several stand there at once.
    with World(short_path / "w", "sqlite", knobs={"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "5"}) as made:
        made.bind.add(CHALLENGE, "TXT", NEIGHBOUR)
        yield made


def link(node: Node) -> dict[str, Any]:
    """What its ``certd status`` says."""
    (found,) = node.scene.status()["links"]
    return dict(found)


@pytest.mark.parametrize("way", ["a balancer that passes TCP", "several addresses"])
def test_each_has_its_own(way: str, world: World, short_path: Path, eventually: Wait) -> None:
    """Under one name each serves its own, none removes another's TXT value, none alarms about the others' nor goes
    back on them, each plans its renewal for a moment of its own, and clients never see a failure.
    """
    tls = free_port()
    nodes = [world.node(f"node-{number}") for number in (1, 2, 3)]
    balancer = Haproxy(short_path / "balancer", free_port(), tls)
    balancer.prepare()
    servers = "".join(f"    server s{node.tls} 127.0.0.1:{node.tls}\n" for node in nodes)
    balancer.site(DOMAIN, BALANCER.format(tls=tls, servers=servers))
    roots = world.pebble.roots.read_text()
    # Where the public addresses answer in the lab.
    ports = [tls] if way.startswith("a balancer") else [node.tls for node in nodes]
    places = dict(zip(ADDRESSES, ports, strict=False))
    for address in places:
        world.bind.add(DOMAIN, "A", address)
    table = ", ".join(f'"{address}:443" = "127.0.0.1:{port}"' for address, port in places.items())
    with Hook() as hook:
        for node in nodes:
            text = node.config.read_text().replace("[network]\n", f"[network]\naddresses = {{ {table} }}\n", 1)
            text += f'front = "lb"\nclick_every = "1s"\n\n[alarms]\nwebhook = "{hook.url}"\n'
            node.config.write_text(text)
        balancer.start()
        try:
            with Watcher(world) as watcher:
                for node in nodes:
                    node.start()
                eventually(lambda: len({node.served() for node in nodes} - {""}) == 3, 90)
                before = [node.served() for node in nodes]
                assert world.bought() == 3
                with Clicker(tls, DOMAIN, roots) as clicker:
                    asked = [node.scene.begin("renew", DOMAIN, "--force", "--yes") for node in nodes]
                    assert [each.wait(120) for each in asked] == [0, 0, 0]
                assert clicker.troubles == []
                assert set(clicker.served) >= {node.served() for node in nodes}
            after = [node.served() for node in nodes]
            assert len({*before, *after}) == 6
            assert world.bought() == 6
            # Values stood there side by side; each removed its own and no other's.
            assert watcher.most > 1
            assert watcher.missing == 0
            eventually(lambda: world.bind.txt(CHALLENGE) == {NEIGHBOUR}, 30)

            # Each sees at the public address what the others hold too, and is content.
            def is_content(node: Node) -> bool:
                clicks = link(node)["clicks"]
                return bool(clicks) and clicks[0]["direction"] == "here" and clicks[0]["trouble"] is None

            for node in nodes:
                eventually(lambda node=node: is_content(node), 60)
                found = node.scene.tried("check", DOMAIN, "--json").stdout
                grades = {each["code"]: each["grade"] for each in json.loads(found)["check"]["hosts"][0]["findings"]}
                assert [grades[code] for code in ("A2", "C2", "C3", "C4", "C10", "F2", "F5")] == ["pass"] * 7
            assert [node.served() for node in nodes] == after
            causes = Counter(body["cause"].partition(":")[0] for body in hook.bodies)
            assert not {"click", "check", "drift", "deploy"} & set(causes), hook.bodies
            assert all("drift" not in node.log() and "going back" not in node.log() for node in nodes)

            # Nothing has them renew together: each has drawn its own moment in its own window.
            moments = {link(node)["certificate"]["renewal_at"] for node in nodes}
            assert len(moments) == 3
        finally:
            balancer.stop()
