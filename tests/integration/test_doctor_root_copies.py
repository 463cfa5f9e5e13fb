"""Root's copies of the pointers: what ``proxy-config`` prints, what the doctor says, what housekeeping keeps."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.daemon.housekeeping import housekeep
from certd.diagnosis import deploy
from certd.diagnosis.checklist import CHECKS
from certd.diagnosis.findings import Grade, Result
from certd.model import Deployment
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from tests.lab.certd import certd
from tests.lab.root_helper import LINK, Stage
from tests.unit.test_daemon_parts import Notes

CONFIG = """
[certd]
state = "{state}"
issue = false
listen = ""

[proxy.edge]
kind = "nginx"
check = []

[[link]]
domain = "{link}"
proxy = "edge"
esp = "sendgrid"
"""


def test_proxy_config_prints_what_root_owns_and_has_it_made(short_path: Path) -> None:
    """The helper is asked for the first copy, and what is printed exists; without the helper nothing is printed."""
    stage = Stage(short_path, "nginx")
    config = short_path / "certd.toml"
    config.write_text(CONFIG.format(state=stage.state, link=LINK))
    refused = certd(config, "proxy-config", LINK, "--resolver", "127.0.0.1", code=1)
    assert f"the root helper did not copy {LINK}'s pointer" in refused.stderr
    assert "systemctl enable --now certd-reload@edge.path" in refused.stderr
    assert refused.stdout == ""
    with stage:
        printed = certd(config, "proxy-config", LINK, "--resolver", "127.0.0.1").stdout
    copy = stage.copies / f"{LINK}.conf"
    assert f"include {copy};" in printed
    assert copy.exists()
    assert str(stage.state / "public") not in printed


def examined(stage: Stage, configuration: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    """What the doctor says of the link on the proxy."""
    monkeypatch.setitem(deploy.CONFIGURATIONS, "nginx", configuration)
    deploy._included_in.cache_clear()
    place = SimpleNamespace(name="edge", kind=stage.kind, target=stage.make_target())
    chart = SimpleNamespace(blind="", places=[place], user="certd")
    (check,) = [each for each in CHECKS if each.code == "F8"]
    subject: Any = SimpleNamespace(chart=chart, desired=SimpleNamespace(link=LINK))
    return check.judge(subject)


def test_the_doctor_names_the_site_that_includes_what_certd_may_change(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old site goes on working and is named with the way out; the new one is well; one without a helper fails."""
    stage = Stage(short_path, "nginx")
    stage.publish()
    configuration = short_path / "etc"
    (configuration / "conf.d").mkdir(parents=True)
    site = configuration / "conf.d" / "link.conf"
    own = stage.state / "public" / "proxies" / "edge" / f"{LINK}.conf"
    copy = stage.copies / f"{LINK}.conf"
    site.write_text(f"server {{\n    include {own};\n}}\n")
    found = examined(stage, configuration, monkeypatch)
    assert found.grade is Grade.WARN
    assert f"{site} includes {own}" in found.words
    assert f"certd proxy-config {LINK}" in found.hint
    assert str(copy) in found.hint
    site.write_text(f"server {{\n    include {copy};\n}}\n")
    found = examined(stage, configuration, monkeypatch)
    assert (found.grade, "names nothing" in found.words) == (Grade.FAIL, True)
    stage.copying()
    assert examined(stage, configuration, monkeypatch).grade is Grade.PASS
    # The helper is taken away again: nothing brings the copy up to date.
    stage.copies.rename(short_path / "away")
    found = examined(stage, configuration, monkeypatch)
    assert found.grade is Grade.FAIL
    assert "which nothing brings up to date" in found.words
    site.write_text(f"server {{\n    include {own};\n}}\n")
    assert examined(stage, configuration, monkeypatch).grade is Grade.SKIP


def test_housekeeping_keeps_what_a_copy_names(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that has not answered for weeks leaves an older generation in use, which must not be swept."""
    stage = Stage(short_path, "nginx")
    older = stage.publish()
    stage.copying()
    newer = stage.publish()
    config = short_path / "certd.toml"
    config.write_text(CONFIG.format(state=stage.state, link=LINK))
    settings = load(config, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    deployment = Deployment(link=LINK, domains=(LINK,), pointed=newer)
    monkeypatch.setattr(app.stores.node, "deployments", lambda: iter([("edge", deployment)]))
    folder = stage.state / "public" / "certs" / LINK
    for each in folder.iterdir():
        os.utime(each, (0, 0))
    housekeep(app, app.journal)
    assert {each.name for each in folder.iterdir()} == {older.name, newer.name}
    stage.copying()
    housekeep(app, app.journal)
    assert {each.name for each in folder.iterdir()} == {newer.name}
