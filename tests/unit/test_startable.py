"""What a proxy can start with, and what lies on the disk beside what it serves from memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certd.deployment.placeholders import publish_placeholders
from certd.deployment.rollout import Rollout
from certd.errors import TargetError
from certd.model import Certificate, Deployment, Health, Observation, ProxyFacts
from certd.pki.chain import read_certificate
from certd.pki.placeholder import make_placeholder
from certd.targets.files_target import FilesTarget
from certd.targets.layout import Layout, as_generation
from certd.targets.registry import KINDS
from certd.targets.reloads import Nothing
from tests.lab.certificates import NOW, make_ca, make_leaf
from tests.simulation.clock import VirtualClock
from tests.simulation.world import SilentJournal

LINK = "link.example.com"
ROOT = make_ca("root")


def issued() -> Certificate:
    """A new pair."""
    leaf = make_leaf(ROOT, LINK, life=timedelta(days=90))
    return read_certificate(leaf.pem + ROOT.pem, leaf.key, link=LINK, issuer="test", issued_at=NOW)


def target(folder: Path) -> FilesTarget:
    """An nginx."""
    return FilesTarget(
        name="edge",
        endpoints=("127.0.0.1:443",),
        layout=Layout(folder / "public"),
        pointer=KINDS["nginx"].pointer,
        reloading=Nothing(),
    )


def test_a_placeholder_only_for_what_has_nothing(tmp_path: Path) -> None:
    """A pointer that was emptied names our own certificate again, and a link without any gets a placeholder."""
    proxy, ours = target(tmp_path), issued()
    pointer = Path(proxy.pointer_path(LINK))
    assert publish_placeholders(proxy, {LINK: [LINK]}, VirtualClock(NOW)) == {LINK: True}
    pointer.write_text("")
    assert publish_placeholders(proxy, {LINK: [LINK]}, VirtualClock(NOW), lambda link, domains: ours) == {LINK: False}
    assert ours.generation in pointer.read_text()
    assert publish_placeholders(proxy, {LINK: [LINK]}, VirtualClock(NOW)) == {}


def test_damage_beside_what_is_served(tmp_path: Path) -> None:
    """The proxy serves well from memory, and its files would not start it: they are written anew."""
    proxy, ours = target(tmp_path), issued()
    generation = proxy.install(ours)
    proxy.point(LINK, generation)
    assert proxy.damage(ours) == ""
    good = Observation(
        endpoint="e", address="e", health=Health.GOOD, at=NOW, fingerprint=ours.fingerprint, not_after=ours.not_after
    )

    class EndpointProber:
        def look(self, *_: object, **__: object) -> tuple[Observation, ...]:
            return (good,)

    rollout = Rollout(
        proxy,
        EndpointProber(),
        VirtualClock(NOW),
        SilentJournal(),
        lambda link, name: ours,
        lambda certificate, names, now: None,
    )
    served = Deployment(
        link=LINK, domains=(LINK,), wanted=as_generation(ours), pointed=generation, served=ours.fingerprint
    )
    facts = ProxyFacts(proxy="edge", deployments=(served,))
    assert rollout.look(facts, [LINK]).deployments[0].is_verified
    key = proxy.layout.generation_folder(generation) / "privkey.pem"
    key.write_text(make_leaf(ROOT, LINK).key.reveal())
    looked = rollout.look(facts, [LINK])
    assert looked.deployments[0].error == f"{key} is not as certd wrote it"
    assert not looked.deployments[0].is_verified
    mended = rollout.deploy(looked, [LINK])
    assert mended.deployments[0].is_verified
    assert key.read_text() == ours.key.reveal()
    assert proxy.damage(ours) == ""


def test_a_damaged_generation_that_cannot_be_moved_away(tmp_path: Path) -> None:
    """It is said of its own link, as whatever else cannot be written is."""
    layout = Layout(tmp_path / "public")
    layout.prepare("edge")
    made = make_placeholder(LINK, (LINK,), NOW)
    generation = layout.write(made)
    folder = layout.generation_folder(generation)
    (folder / "chain.pem").write_text("rotten")
    folder.with_name(f".{folder.name}.damaged").write_text("something is there already")
    with pytest.raises(TargetError, match="cannot be moved away"):
        layout.write(made)
