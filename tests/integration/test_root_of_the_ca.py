"""The CA's own HTTPS server is under another root (failure mode 33): what is served stays, it is said what to do, and
an anchor that is put in its place heals it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene
from tests.lab.tls_front import TlsFront

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def test_another_root(short_path: Path, eventually: Wait) -> None:
    """First the file that the configuration names is replaced, then another one is named; no certificate is bought
    twice, and nobody needs to restart certd.
    """
    with Scene(short_path) as scene, TlsFront(scene.pebble.port, short_path) as front:

        def served() -> str:
            return click(scene.tls, DOMAIN, scene.roots).fingerprint

        anchor = short_path / "anchor.pem"
        anchor.write_bytes((short_path / "anchor-1.pem").read_bytes())
        text = scene.config.read_text().replace(scene.pebble.directory, f"https://localhost:{front.port}/dir")
        scene.config.write_text(text.replace(str(scene.pebble.ca_file), str(anchor)))
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: "served  link=" in scene.certd_log())
        before = served()
        assert before

        newer = front.renew_root()
        asking = scene.begin("renew", DOMAIN, "--force")
        eventually(lambda: "its certificate is not trusted" in scene.certd_log())
        (link,) = scene.status()["links"]
        assert "its certificate is not trusted" in link["because"]
        assert f"has its root changed? then put the new one into {anchor}" in link["hint"]
        assert served() == before
        anchor.write_bytes(newer.read_bytes())
        eventually(lambda: served() not in {"", before}, 60)
        asking.wait(60)

        before = served()
        told = scene.certd_log().count("its certificate is not trusted")
        newest = front.renew_root()
        asking = scene.begin("renew", DOMAIN, "--force")
        eventually(lambda: scene.certd_log().count("its certificate is not trusted") > told)
        assert served() == before
        scene.config.write_text(scene.config.read_text().replace(str(anchor), str(newest)))
        scene.run("reload")
        eventually(lambda: served() not in {"", before}, 60)
        asking.wait(60)
        assert scene.certd_log().count("issued  ") == 3
        assert scene.pebble.log().count("Issued certificate serial") == 3
