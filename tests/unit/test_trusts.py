"""Roots are read again when their files change, and a file that is half there changes nothing."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path

import pytest

from certd.config.settings import IssuerSettings
from certd.errors import ConfigurationError, GateRefused
from certd.wiring.root_store import LOOK_SECONDS, RootStore
from tests.lab.certificates import NOW, make_ca, make_leaf

OLD, NEW = make_ca("Old"), make_ca("New")


def put(path: Path, text: str) -> None:
    """As packages do: a new file by rename."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


@pytest.mark.parametrize("own", [False, True])
def test_roots_that_changed(tmp_path: Path, own: bool) -> None:
    """The gate and the eyes follow the system's bundle, and an issuer's own, without a restart."""
    system, roots = tmp_path / "system.pem", tmp_path / "roots.pem"
    for path in (system, roots):
        put(path, OLD.pem)
    changed = roots if own else system
    issuer = IssuerSettings(name="ca", directory="", roots=str(roots) if own else "")
    root_store = RootStore({"ca": issuer}, system, itertools.count(step=LOOK_SECONDS).__next__)
    leaf = make_leaf(NEW, "link.example.com")
    chain = leaf.pem + NEW.pem
    with pytest.raises(GateRefused):
        root_store.trust("ca").verify(chain, NOW)
    assert NEW.pem not in root_store.anchors("ca").pem
    put(changed, "half a fi")
    with pytest.raises(GateRefused, match="leads to none of the expected roots"):
        root_store.trust("ca").verify(chain, NOW)
    changed.unlink()
    root_store.trust("ca").verify(make_leaf(OLD, "link.example.com").pem + OLD.pem, NOW)
    put(changed, OLD.pem + NEW.pem)
    root_store.trust("ca").verify(chain, NOW)
    assert NEW.pem in root_store.anchors("ca").pem
    assert root_store.trust("ca") is root_store.trust("ca")


def test_files_are_not_looked_at_for_each_handshake(tmp_path: Path) -> None:
    """Once a second is soon enough, and whatever changed meanwhile counts then."""
    system = tmp_path / "system.pem"
    put(system, OLD.pem)
    seconds = [0.0]
    root_store = RootStore({"ca": IssuerSettings(name="ca", directory="", roots="")}, system, lambda: seconds[0])
    before = root_store.trust("ca")
    put(system, NEW.pem + OLD.pem)
    seconds[0] = LOOK_SECONDS / 2
    assert root_store.trust("ca") is before
    seconds[0] = LOOK_SECONDS
    root_store.trust("ca").verify(make_leaf(NEW, "link.example.com").pem + NEW.pem, NOW)


def test_roots_that_were_never_there(tmp_path: Path) -> None:
    """That is said of the setting."""
    root_store = RootStore({"ca": IssuerSettings(name="ca", directory="", roots=str(tmp_path / "none.pem"))})
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        root_store.trust("ca")


def test_roots_that_change_while_others_ask(tmp_path: Path) -> None:
    """Workers ask at once; none stumbles over another that has just noticed the change."""
    system = tmp_path / "system.pem"
    put(system, OLD.pem)
    issuer = IssuerSettings(name="ca", directory="", roots="")
    root_store = RootStore({"ca": issuer}, system, itertools.count(step=LOOK_SECONDS).__next__)
    stumbled: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                root_store.trust("ca")
        except (KeyError, RuntimeError) as error:
            stumbled.append(error)

    asking = [threading.Thread(target=ask) for _ in range(6)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in asking:
            thread.start()
        for number in range(1000):
            put(system, OLD.pem + "\n" * (number % 9))
            root_store.trust("ca")
    finally:
        done.set()
        for thread in asking:
            thread.join()
        sys.setswitchinterval(before)
    assert not stumbled
