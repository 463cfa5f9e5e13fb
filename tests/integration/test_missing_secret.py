"""A secret that the service cannot read, from the first failure to served: told everywhere, without a retry storm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.test_fallback import Wait
from tests.lab.pebble import Pebble
from tests.lab.scene import DOMAIN, Scene

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.mark.lab("pebble", "nginx")
def test_a_secret_that_is_missing(short_path: Path, eventually: Wait) -> None:
    """Shown by config check, status, plan, once and check, told by an alarm, and over once the file is there."""
    told = short_path / "told"
    with (
        Scene(short_path / "scene") as scene,
        Pebble(short_path / "second", dns=f"127.0.0.1:{scene.dns}", eab={"kid-1": SECRET}) as other,
    ):
        table = (
            f'[issuer.second]\nterms_agreed = true\ndirectory = "{other.directory}"\nca_file = "{other.ca_file}"\n'
            f'roots = "{other.roots}"\neab = {{ kid = "kid-1", hmac = "file:eab" }}\n\n'
            f'[alarms]\ncommand = ["/bin/sh", "-c", "cat >> {told}"]\n\n'
        )
        text = scene.config.read_text().replace("[dns.own]", table + "[dns.own]")
        scene.config.write_text(text.replace('issuer = "pebble"', 'issuer = "second"'))
        missing = f"file:eab: cannot be read: {scene.folder}/eab does not exist"
        checked = scene.tried("config", "check")
        assert checked.returncode == 2 and missing in checked.stderr
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: scene.status()["links"][0]["failures"] >= 2)
        (link,) = scene.status()["links"]
        assert (link["state"], link["last_error"]["kind"]) == ("failed", "secret")
        assert missing in link["because"] and "chown " in link["hint"]
        (row, *_) = json.loads(scene.tried("plan", "--json").stdout)["plan"]
        assert row["action"] == "wait" and missing in row["because"]
        assert missing in scene.tried("check", DOMAIN).stdout.replace("\n" + " " * 34, " ")
        renewed = scene.tried("renew", DOMAIN)
        assert renewed.returncode == 1 and missing in renewed.stderr and "chown " in renewed.stderr
        eventually(lambda: told.exists() and missing in told.read_text())
        assert "resuming" not in scene.certd_log()
        scene.stop_certd()
        done = scene.tried("once", "--wait", "30s")
        assert done.returncode == 1 and missing in done.stderr
        (scene.folder / "eab").write_text(SECRET)
        served = scene.tried("once", "--wait", "5m", seconds=320)
        assert served.returncode == 0, served.stderr
