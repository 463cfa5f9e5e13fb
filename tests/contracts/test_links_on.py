"""Which links a proxy has, asked by several workers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.model import Deployment, ProxyFacts, Rank
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from tests.contracts.test_one_bad_row import CONFIG
from tests.unit.test_daemon_parts import Notes

ORPHAN = "old.example.com"


@pytest.fixture
def app(tmp_path: Path) -> App:
    """Two links, and a third that was deployed once, is still wanted, and stands in no file."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    made = App(settings, stores_of(settings), SystemClock(), Notes())
    specs = [link.spec for link in settings.links]
    made.stores.specs.set([*specs, replace(specs[0], link=ORPHAN, domains=(ORPHAN,))])
    node = made.stores.node
    node.ensure("deploy:nginx", "proxy:nginx", Rank.RENEWAL)
    (lease,) = node.claim(limit=1)
    known = Deployment(link=ORPHAN, domains=(ORPHAN,))
    node.keep(lease, ProxyFacts(proxy="nginx", deployments=(known,)))
    return made


def test_an_orphan_is_not_forgotten_by_who_asked_before(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one worker collects what a proxy has, a link becomes an orphan and another worker asks: it is watched."""
    deployed, specs = app.stores.node.deployed, [link.spec for link in app.settings.links]

    def meanwhile(proxy: str, links: Sequence[str]) -> dict[str, tuple[str, ...]]:
        monkeypatch.setattr(app.stores.node, "deployed", deployed)
        app.stores.specs.set(specs)
        assert ORPHAN in app.links_on(proxy)
        return deployed(proxy, links)

    monkeypatch.setattr(app.stores.node, "deployed", meanwhile)
    app.links_on("nginx")
    assert ORPHAN in app.links_on("nginx")
