"""Killed with a value published, and the link taken out of the configuration meanwhile: one pass, and no TXT of ours is
left, while every foreign one is.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bind import Bind
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "bind")
Wait = Callable[..., None]

NAME = f"_acme-challenge.{DOMAIN}"
# The second server never answers, so the value stays published and is looked for.
ZONE = (
    "@ IN NS ns1\n@ IN NS ns2\nns1 IN A 192.0.2.53\nns2 IN A 192.0.2.54\n"
    '_acme-challenge.link IN TXT "neighbour"\n_acme-challenge.link IN TXT "another neighbour"'
)
FOREIGN = {"neighbour", "another neighbour"}


@pytest.mark.parametrize("what", ["restart", "orphan", "canary"])
def test_killed_while_a_value_is_published(short_path: Path, eventually: Wait, what: str) -> None:
    """kill -9; the next start sweeps: an open order goes on, an orphan's value and a canary are removed."""
    with Bind(short_path / "bind", {"example.test": ZONE}) as bind:
        scene = Scene(short_path / "scene")
        scene.pebble.dns = f"127.0.0.1:{bind.port}"
        with scene:
            scene.publish_by(bind)
            text = scene.config.read_text()
            # An address where nobody answers: the value is looked for, and the order stays open.
            scene.config.write_text(text.replace("name_servers = {", 'name_servers = { "192.0.2.54" = "127.0.0.1:1",'))
            if what == "canary":
                trying = scene.begin("dns", "test", DOMAIN)
                eventually(lambda: len(bind.txt(NAME)) == 3, 60)
                trying.kill()
                trying.wait(5)
            else:
                scene.start_certd()
                eventually(lambda: len(bind.txt(NAME)) == 3, 60)
                scene.signal_certd(signal.SIGKILL)
                scene.wait_certd(5)
            assert len(bind.txt(NAME)) == 3
            if what == "orphan":
                scene.config.write_text(scene.config.read_text().replace(f'[[link]]\ndomain = "{DOMAIN}"', ""))
            else:
                # The order goes on where it was, or begins; the server that was missing is there now.
                scene.config.write_text(scene.config.read_text().replace("127.0.0.1:1", f"127.0.0.1:{bind.port}"))
            scene.start_certd()
            eventually(lambda: bind.txt(NAME) == FOREIGN, 90)
