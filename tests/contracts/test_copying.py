"""Copies of what was issued, made by many workers at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from certd.app import App
from certd.config.loading import load
from certd.model import Certificate
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.vocabulary import vocabulary
from tests.contracts.test_one_bad_row import CONFIG, bought
from tests.unit.test_daemon_parts import Notes

WORKERS = 6


def test_what_one_worker_copies_no_other_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker that has issued copies what is new: one of them, for all who wait meanwhile."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, vocabulary())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    app.stores.wishes.set([link.spec for link in settings.links])
    app.stores.lineages.adopt(bought(tmp_path))
    copies: list[str] = []
    others, copy_all = threading.Event(), app.stores.node.copy_all

    def slowly(certificates: list[Certificate], sequence: int) -> None:
        copies.extend(certificate.link for certificate in certificates)
        if len(copies) > 1:
            others.set()
        others.wait(0.5)
        copy_all(certificates, sequence)

    monkeypatch.setattr(app.stores.node, "copy_all", slowly)
    threads = [threading.Thread(target=app.issue_engine.issued, args=("a.example.com",)) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert copies == ["a.example.com"]
    assert app.stores.node.links() == {"a.example.com"}
