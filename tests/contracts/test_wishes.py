"""What several nodes want of one store, and what is left of a node that has gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from certd.model import CertificateSpec
from certd.store.sqlite import SqliteDatabase
from certd.store.stores import Stores, open_stores
from tests.contracts.stores import SEAL
from tests.simulation.clock import VirtualClock
from tests.unit.cases import NOW

LINK = "link.example.com"


def sharing(folder: Path, clock: VirtualClock, node: str) -> Stores:
    """A node's stores, the shared one in a file that another node opens, too."""
    (folder / node).mkdir()
    shared = SqliteDatabase(folder / "shared.db", now=lambda: clock.now().timestamp())
    return open_stores(folder / node, node, seal_keys=[SEAL], shared=shared, now=lambda: clock.now().timestamp())


def test_a_store_that_nobody_shares_knows_no_other_node(tmp_path: Path) -> None:
    """A container has another host name at each start: what its predecessor wanted and held is its own."""
    clock = VirtualClock(NOW)
    spec = CertificateSpec(link=LINK, domains=(LINK,), dns="corp")
    stores = open_stores(tmp_path, "0a1b2c3d4e5f", now=lambda: clock.now().timestamp())
    stores.specs.set([spec, replace(spec, link="gone.example.com", domains=("gone.example.com",))])
    assert stores.lineages.claim(limit=1, subject=f"issue:{LINK}")
    stores.close()
    stores = open_stores(tmp_path, "f5e4d3c2b1a0", now=lambda: clock.now().timestamp())
    change = stores.specs.set([replace(spec, domains=(LINK, "more.example.com"))])
    assert (change.changed, change.orphaned, change.disagree) == ((LINK,), ("gone.example.com",), {})
    assert stores.lineages.break_own_leases("") == 1


def test_a_node_that_ended_well_leaves_no_ghost(tmp_path: Path) -> None:
    """A pod with a random name, and a shared store: the next one may change what it wanted, at once."""
    clock = VirtualClock(NOW)
    one, two = sharing(tmp_path, clock, "pod-7f9c"), sharing(tmp_path, clock, "pod-x2kd")
    spec = CertificateSpec(link=LINK, domains=(LINK,), dns="corp")
    other = replace(spec, domains=(LINK, "more.example.com"))
    one.specs.set([spec])
    assert two.specs.set([other]).disagree == {LINK: "pod-7f9c"}
    one.specs.release()
    assert two.specs.of(LINK) == spec
    assert two.specs.set([other]).changed == (LINK,)
    assert two.specs.of(LINK) == other


def test_a_wish_is_set_once(tmp_path: Path) -> None:
    """Promise 14: another node with another configuration changes nothing and is told who disagrees."""
    clock = VirtualClock(NOW)
    one, two = sharing(tmp_path, clock, "one"), sharing(tmp_path, clock, "two")
    spec = CertificateSpec(link=LINK, domains=(LINK,), dns="corp")
    assert one.specs.set([spec]).added == (LINK,)
    other = replace(spec, domains=(LINK, "more.example.com"))
    change = two.specs.set([other])
    assert (change.added, change.changed, change.disagree) == ((), (), {LINK: "one"})
    assert two.specs.of(LINK) == spec
    assert one.specs.set([other]).changed == (LINK,)
    assert two.specs.set([other]).disagree == {}
    assert one.specs.set([]).orphaned == (LINK,)
    assert one.specs.of(LINK) is None
    assert one.specs.orphans() == (LINK,)
    assert one.specs.set([other]).changed == (LINK,)


def test_whoever_goes_on_in_another_ones_place_leaves_no_ghost_either(tmp_path: Path) -> None:
    """A pod that wants the same as the one before it, and the one after it with a name more: its wishes are its own."""
    clock = VirtualClock(NOW)
    one, two, three = (sharing(tmp_path, clock, node) for node in ("pod-7f9c", "pod-x2kd", "pod-m4qp"))
    spec = CertificateSpec(link=LINK, domains=(LINK,), dns="corp")
    other = replace(spec, domains=(LINK, "more.example.com"))
    one.specs.set([spec])
    one.specs.release()
    assert two.specs.set([spec]).changed == ()
    assert three.specs.set([other]).disagree == {LINK: "pod-x2kd"}
    two.specs.release()
    assert three.specs.set([other]).changed == (LINK,)
    assert three.specs.set([]).orphaned == (LINK,)
