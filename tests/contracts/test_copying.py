"""Copies of what was issued, made by many workers at once."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.daemon.apply_config import apply_configuration
from certd.daemon.housekeeping import housekeep
from certd.errors import StoreError
from certd.model import Certificate, Rank
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from tests.contracts.test_one_bad_row import CONFIG, bought
from tests.unit.test_daemon_parts import Notes

WORKERS = 6


def test_what_one_worker_copies_no_other_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker that has issued copies what is new: one of them, for all who wait meanwhile."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    app.stores.specs.set([link.spec for link in settings.links])
    app.stores.lineages.adopt(bought(tmp_path))
    copies: list[str] = []
    others, copy_all = threading.Event(), app.stores.node.copy_all

    def slowly(certificates: list[Certificate], sequence: int, proxies: list[str]) -> None:
        copies.extend(certificate.link for certificate in certificates)
        if len(copies) > 1:
            others.set()
        others.wait(0.5)
        copy_all(certificates, sequence, proxies)

    monkeypatch.setattr(app.stores.node, "copy_all", slowly)
    threads = [threading.Thread(target=app.issue_engine.issued, args=("a.example.com",)) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert copies == ["a.example.com"]
    assert app.stores.node.links() == {"a.example.com"}


def test_a_link_that_comes_back_gets_what_was_issued_meanwhile(tmp_path: Path) -> None:
    """Another node had it and renewed it: the copy from before is not what is deployed until the next renewal."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    with_it = App(settings, stores_of(settings), SystemClock(), Notes())
    without = App(replace(settings, links=settings.links[1:]), with_it.stores, SystemClock(), Notes())
    with_it.stores.specs.set([link.spec for link in settings.links])
    first = bought(tmp_path)
    with_it.stores.lineages.adopt(first)
    with_it.sync()
    ends = first.not_after + timedelta(days=30)
    renewed = replace(first, generation=f"{first.generation}0", fingerprint="f" * 64, not_after=ends)
    with_it.stores.lineages.adopt(renewed)
    without.sync()
    with_it.sync()
    with_it.sync_new()
    assert [one.fingerprint for one in with_it.stores.node.copies(first.link)] == [first.fingerprint, "f" * 64]


def test_no_copy_without_its_proxy_being_due(tmp_path: Path) -> None:
    """One that slept until a certificate comes is not told of it by a write of its own, which might fail alone."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    node = app.stores.node
    node.ensure("deploy:nginx", "proxy:nginx", Rank.RENEWAL)
    (lease,) = node.claim(limit=1)
    app.deploy_engine.reconcile(lease)
    assert node.claim(limit=1) == [], "there is nothing to deploy"
    app.stores.lineages.adopt(bought(tmp_path))
    with node.database.writing() as transaction:
        transaction.execute("CREATE TRIGGER away BEFORE UPDATE ON node_work BEGIN SELECT RAISE(FAIL, 'away'); END")
    with pytest.raises(StoreError):
        app.sync()
    with node.database.writing() as transaction:
        transaction.execute("DROP TRIGGER away")
    app.sync()
    assert [lease.subject for lease in node.claim(limit=1)] == ["deploy:nginx"]


def test_a_shared_store_that_was_put_back_from_an_older_copy_is_copied_from_again(tmp_path: Path) -> None:
    """Its numbers begin again below those that this node has seen: what is issued from then on is not passed over until
    they have caught up.
    """
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    app.stores.node.skip_to(100)
    app.stores.lineages.adopt(bought(tmp_path))
    app.sync()
    assert app.stores.node.links() == {"a.example.com"}
    assert app.stores.node.sequence() == 1


def test_a_worker_with_the_configuration_before_passes_nothing_over(tmp_path: Path) -> None:
    """It goes on after a link was added, and copies what is new as far as it knows. By its number the added one's
    certificate is found once.
    """
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    before = App(replace(settings, links=settings.links[1:]), stores_of(settings), SystemClock(), Notes())
    now = App(settings, before.stores, SystemClock(), Notes(), before=before)
    apply_configuration(now, Notes())
    first = bought(tmp_path)
    now.stores.lineages.adopt(first)
    before.issue_engine.issued("b.example.com")
    now.take_over(before)
    now.sync()
    assert [one.fingerprint for one in now.stores.node.copies(first.link)] == [first.fingerprint]
    renewed = replace(
        first, generation=f"{first.generation}0", fingerprint="f" * 64, not_after=first.not_after + timedelta(days=30)
    )
    now.stores.lineages.adopt(renewed)
    before.issue_engine.issued("b.example.com")
    now.sync()
    assert [one.fingerprint for one in now.stores.node.copies(first.link)] == [first.fingerprint, "f" * 64]


def test_what_was_passed_over_is_found_by_housekeeping(tmp_path: Path) -> None:
    """A command with a configuration that has no such link copied what was new, and noted how far it had looked."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    app.stores.specs.set([link.spec for link in settings.links])
    app.stores.lineages.adopt(bought(tmp_path))
    App(replace(settings, links=settings.links[1:]), app.stores, SystemClock(), Notes()).sync()
    app.sync()
    assert app.stores.node.links() == frozenset()
    housekeep(app, Notes())
    assert app.stores.node.links() == {"a.example.com"}
